"""What a headline makes its readers feel: a distribution over five emotions, beside what single readers manage.

Six people rated each headline. Their mean strengths, without disgust and divided by their sum, are what is predicted,
as in the published system; a second table predicts the strengths themselves. Every headline is predicted by read-outs
that saw neither it nor a near-duplicate.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from affectome.evaluate import (
    Interval,
    Score,
    accuracy,
    bootstrap,
    bootstrap_mean,
    folds,
    mcnemar,
    near_duplicates,
    pearson,
    predict_mean,
    rmse,
)
from affectome.studies.comparing import claim_difference, claim_value
from affectome.studies.headlines import EMOTIONS, FOLDER, RATERS, Headlines, letters, load_headlines, load_points
from affectome.studies.read_outs import feature_read_out, word_read_out
from affectome.studies.stacking import ReadOut, stacked
from affectome.studies.study import Claim, Context, Outcome, Role, Row, Study, Table

if TYPE_CHECKING:
    from affectome.evaluate.intervals import Metric

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Kind = Literal["choice", "measure"]

_FIVE = tuple(emotion for emotion in EMOTIONS if emotion != "disgust")
_STRENGTHS = (*EMOTIONS, "valence")
_FOLDS, _SHUFFLES = 5, 10
_MEAN, _WORDS, _BASE, _SHUFFLED = "mean of the training headlines", "words", "base encoder", "reader, shuffled targets"
_READER, _BLEND, _HUMAN = "reader", "blend of all", "one rater, against the mean of the other five"
_ROLES: dict[str, Role] = {_MEAN: "baseline", _WORDS: "baseline", _BASE: "baseline", _SHUFFLED: "control"}
_AP_EMOTION, _AP_DOCUMENT, _FIRST, _ERROR = "AP_emotion", "AP_document", "Acc@1", "RMSE"


def run(context: Context) -> Outcome:
    """Predict shares and strengths of held-out headlines."""
    headlines = load_headlines(context.folder(FOLDER))
    corpus = _Corpus(context, headlines)
    shares, evokes = five_shares(corpus.strength.mean(axis=0))
    rows = np.flatnonzero(evokes)
    found = _predict(context, corpus, rows, shares, "choice")
    unseen = np.flatnonzero(~corpus.learnt[rows])
    table, claims = _score_shares(context, "Shares of five emotions", corpus, rows, found)
    part = {name: output[unseen] for name, output in found.items()}
    new_to_reader, on_new = _score_shares(context, "The same, headlines new to the reader", corpus, rows[unseen], part)
    claims += [replace(claim, text=f"{claim.text}, headlines new to the reader") for claim in on_new[:2]]
    every = np.arange(len(corpus.texts))
    raw = np.concatenate([corpus.strength, corpus.valence[:, :, None]], axis=2)
    strengths = _score_strengths(context, corpus, raw, _predict(context, corpus, every, raw.mean(axis=0), "measure"))
    notes = [
        f"{len(every) - len(rows)} of {len(every)} headlines evoke none of the five emotions in any rater; they have no"
        " shares and are left out of the first two tables.",
        "The package's reader has learnt valence, arousal and dominance of many of these headlines, by other raters,"
        " and none of their emotions. The second table holds those it has not learnt from.",
        "One rater is compared with the mean of five others, a predictor with the mean of six, which is a little more"
        " reliable.",
        "The mean of the training headlines differs between folds only; its correlations would mean nothing.",
        "Acc@1 leaves out headlines whose two largest shares are equal, and raters' answers of which that is true.",
        "The read-out of words gives numbers: those below 0 are set to 0, then each row is divided by its sum.",
    ]
    return Outcome([table, new_to_reader, strengths], claims, notes)


STUDY = Study(
    number=17,
    id="redaffectivelm",
    title="REDAffectiveLM",
    paper="arXiv 2301.08995",
    data=(FOLDER, "emobank"),
    extras=("study", "train"),
    run=run,
    missing=(
        "the second branch, attention over word vectors that were counter-fitted to emotions, and what it gains",
        "whether attention falls on words that bear emotion",
        "news with comments or reactions of many readers",
    ),
)


def five_shares(strength: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Shares of anger, fear, joy, sadness and surprise in what is evoked.

    Args:
        strength: ``(n, 6)`` of `EMOTIONS`, 0 or more.

    Returns:
        ``(n, 5)`` that sum to 1, NaN where none of the five is evoked; and ``(n,)`` where one is.
    """
    five = strength[:, [EMOTIONS.index(emotion) for emotion in _FIVE]]
    total = five.sum(axis=1, keepdims=True)
    return five / np.where(total > 0, total, np.nan), total[:, 0] > 0


def as_shares(numbers: Floats) -> Floats:
    """Numbers ``(n, k)`` as distributions: what is below 0 becomes 0, then each row is divided by its sum."""
    positive = np.maximum(numbers, 0)
    positive[positive.sum(axis=1) == 0] = 1
    return np.asarray(positive / positive.sum(axis=1, keepdims=True))


def document_correlations(truth: Floats, shares: Floats) -> Floats:
    """Pearson correlation over the emotions of each headline, ``(n,)``; NaN where a side is constant or unknown.

    The published code divides by one less than the number of emotions and by population deviations, which makes its
    figures 5/4 times as large.
    """
    t, s = (values - values.mean(axis=1, keepdims=True) for values in (truth, shares))
    spread = np.linalg.norm(t, axis=1) * np.linalg.norm(s, axis=1)
    return np.asarray((t * s).sum(axis=1) / np.where(spread > 1e-12, spread, np.nan))


class _Corpus:
    """Headlines, ratings and features.

    Attributes:
        texts: ``n`` headlines.
        strength: ``(6, n, 6)`` by rater, headline and emotion.
        valence: ``(6, n)``.
        clusters: ``(n,)`` near-duplicates.
        learnt: ``(n,)`` whether the package's reader has learnt from the headline.
        seen: ``(n, d)`` what the reader sees.
        base: ``(n, w)`` vectors of the base encoder.
    """

    def __init__(self, context: Context, headlines: Headlines) -> None:
        from affectome.learn.base_vectors import base_vectors
        from affectome.learn.features import AffectFeatures

        rows = slice(150 if context.quick else None)
        self.texts = headlines.texts[rows]
        self.strength, self.valence = headlines.strength[:, rows], headlines.valence[:, rows]
        self.clusters = near_duplicates(self.texts)
        rated = load_points(context.folder("emobank"))
        parts = [rated[key].split if (key := letters(text)) in rated else "" for text in self.texts]
        self.learnt = np.array(parts) == "train"
        self.seen = AffectFeatures(threads=context.threads).transform(self.texts).astype(np.float64)
        self.base = base_vectors(self.texts, context.base_encoder(), threads=context.threads).astype(np.float64)
        context.note(f"features of {len(self.texts)} headlines")


def _predict(context: Context, corpus: _Corpus, rows: Ints, targets: Floats, kind: Kind) -> dict[str, Floats]:
    """Shares or strengths of some headlines, each by fits on other folds; targets for all headlines of the corpus.

    Returns:
        By predictor ``(n, observers, k)``: one observer, but for the shuffled targets one a shuffle, since a single one
        may by chance resemble the truth.
    """
    words = word_read_out(corpus.texts, targets, kind="measure")
    head = partial(feature_read_out, kind=kind, groups=corpus.clusters, seed=context.seed)
    rng = np.random.default_rng(context.seed)
    shuffled = np.repeat(targets[None], _SHUFFLES, axis=0)
    for one in shuffled:
        one[rows] = rng.permutation(targets[rows])
    outer = folds(len(rows), count=_FOLDS, groups=corpus.clusters[rows], seed=context.seed)
    what = "shares" if kind == "choice" else "strengths"
    names = [f"{what}, fold {n + 1}" for n in range(_FOLDS)]
    vault = context.vault({name: rows[fold.test] for name, fold in zip(names, outer, strict=True)})
    found = {
        name: np.full((len(rows), _SHUFFLES if name == _SHUFFLED else 1, targets.shape[1]), np.nan)
        for name in (_MEAN, _WORDS, _BASE, _SHUFFLED, _READER, _BLEND)
    }
    for name, fold in zip(names, outer, strict=True):
        train, test = rows[fold.train], vault.open(name, purpose="comparison of predictors")
        groups = corpus.clusters[train]
        # New ones for each fold: a read-out keeps the strength it chose on the first rows it saw.
        read_outs: dict[str, ReadOut] = {
            _WORDS: lambda own, other: _of_kind(kind, words(own, other)),
            _BASE: head(corpus.base, targets),
            _READER: head(corpus.seen, targets),
        }
        fitted = stacked(read_outs, train, test, targets[train], kind=kind, groups=groups, seed=context.seed)
        outputs = {**fitted.outputs, _BLEND: fitted.blend}
        for n, one in enumerate(shuffled):
            found[_SHUFFLED][fold.test, n] = _of_kind(kind, head(corpus.seen, one, kind="measure")(train, test))
        outputs[_MEAN] = predict_mean(train_truth=targets[train], items=len(test))
        for predictor, output in outputs.items():
            found[predictor][fold.test, 0] = output
        weights = ", ".join(f"{predictor} {weight:.2f}" for predictor, weight in fitted.weights.items())
        context.note(f"{name} of {_FOLDS}: {weights}")
    return found


def _of_kind(kind: Kind, numbers: Floats) -> Floats:
    """The output of a ridge, as shares if shares are asked for."""
    return as_shares(numbers) if kind == "choice" else numbers


def _score_shares(
    context: Context, title: str, corpus: _Corpus, rows: Ints, found: dict[str, Floats]
) -> tuple[Table, list[Claim]]:
    """The table of some headlines, and what is claimed of them."""
    strength, groups = corpus.strength[:, rows], corpus.clusters[rows]
    truth, _ = five_shares(strength.mean(axis=0))
    largest = _largest(truth)
    score = partial(_share_values, groups=groups, seed=context.seed)
    scores = {name: score(_for_each(output, truth), output) for name, output in found.items()}
    table = []
    for name, values in scores.items():
        if name == _MEAN:
            values = {column: values[column] for column in (_FIRST, _ERROR)}
        table.append(Row(name, _ROLES.get(name, "result"), values))
    own = np.stack([five_shares(one)[0] for one in strength], axis=1)
    others = np.stack([five_shares(np.delete(strength, r, axis=0).mean(axis=0))[0] for r in range(len(RATERS))], axis=1)
    table.append(Row(_HUMAN, "ceiling", score(others, own)))
    blend, base = (found[name][:, 0] for name in (_BLEND, _BASE))
    values = scores[_BLEND]
    test = mcnemar(truth=largest, first=blend.argmax(axis=1), second=base.argmax(axis=1))
    claims = [
        claim_value("AP_emotion of the blend", values[_AP_EMOTION], ">=", 0.65),
        claim_value("Acc@1 of the blend", values[_FIRST], ">=", 0.60),
        claim_difference(
            "AP_emotion of the blend minus that of the base encoder",
            pearson,
            truth=truth,
            first=blend,
            second=base,
            comparison=">",
            seed=context.seed,
            groups=groups,
        ),
        Claim("Acc@1 of the blend against the base encoder: p of McNemar's test", test.p_value, 0.05, "<"),
    ]
    return Table(f"{title}: {len(truth):,} headlines", (_AP_EMOTION, _AP_DOCUMENT, _FIRST, _ERROR), table), claims


def _share_values(truth: Floats, output: Floats, *, groups: Ints, seed: int) -> dict[str, Interval]:
    """Scores of shares, the mean over observers; arrays ``(n, observers, 5)``, NaN where nothing is known."""
    measured = partial(bootstrap, seed=seed, groups=groups, truth=truth, prediction=output)
    pairs = zip(truth.swapaxes(0, 1), output.swapaxes(0, 1), strict=True)
    documents = np.array([document_correlations(*pair) for pair in pairs])
    defined = ~np.isnan(documents).all(axis=0)
    means = np.nanmean(documents[:, defined], axis=0)
    return {
        _AP_EMOTION: measured(_over_observers(pearson)),
        _AP_DOCUMENT: bootstrap_mean(means, seed=seed, groups=groups[defined]),
        _FIRST: measured(_over_observers(_first_right)),
        _ERROR: measured(_over_observers(rmse)),
    }


def _for_each(output: Floats, truth: Floats) -> Floats:
    """The truth ``(n, k)`` once for each observer of an output."""
    return np.repeat(truth[:, None], output.shape[1], axis=1)


def _over_observers(metric: Metric) -> Metric:
    """The mean of a metric over the second axis of truth and prediction."""

    def mean(*, truth: Floats, prediction: Floats) -> float:
        pairs = zip(truth.swapaxes(0, 1), prediction.swapaxes(0, 1), strict=True)
        return float(np.mean([float(metric(truth=t, prediction=p)) for t, p in pairs]))

    return mean


def _first_right(*, truth: Floats, prediction: Floats) -> Score:
    return accuracy(truth=_largest(truth), prediction=_largest(prediction))


def _largest(shares: Floats) -> Ints:
    """``(n,)`` emotion with the largest share, -1 where there are several or nothing is known."""
    top = np.isclose(shares, np.nan_to_num(shares).max(axis=1, keepdims=True), rtol=0, atol=1e-9)
    return np.where(top.sum(axis=1) == 1, top.argmax(axis=1), -1)


def _score_strengths(context: Context, corpus: _Corpus, strengths: Floats, found: dict[str, Floats]) -> Table:
    """Correlations of predicted strengths ``(n, 7)``, beside those of single raters; strengths ``(6, n, 7)``."""
    others = np.stack([np.delete(strengths, r, axis=0).mean(axis=0) for r in range(len(RATERS))], axis=1)
    mean = strengths.mean(axis=0)
    pairs = {name: (_for_each(output, mean), output) for name, output in found.items() if name != _MEAN}
    pairs[_HUMAN] = (others, strengths.swapaxes(0, 1))
    measured = partial(bootstrap, _over_observers(pearson), seed=context.seed, groups=corpus.clusters)
    rows = [
        Row(
            name,
            "ceiling" if name == _HUMAN else _ROLES.get(name, "result"),
            {
                f"r {column}": measured(truth=truth[:, :, k], prediction=output[:, :, k])
                for k, column in enumerate(_STRENGTHS)
            },
        )
        for name, (truth, output) in pairs.items()
    ]
    title = f"Strengths, correlation with the raters' mean: {len(corpus.texts):,} headlines"
    return Table(title, [f"r {column}" for column in _STRENGTHS], rows)
