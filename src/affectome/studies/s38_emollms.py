"""Affect in tweets by one reader: numbers, levels and labels of SemEval-2018 task 1, and sets it has not trained on.

An encoder learns valence, four intensities, their levels and eleven emotions at once, each from tweets rated for it.
Read-outs of words and of the package's reader stand beside it, and development tweets decide what each of them weighs.
The test is scored once, without the sentences that were planted in it and never rated.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from affectome.evaluate import (
    apply_thresholds,
    bootstrap,
    choose_thresholds,
    multilabel_f1,
    near_duplicates,
    pearson,
    predict_mean,
)
from affectome.studies.affect_sets import other_sets
from affectome.studies.comparing import claim_value, measure
from affectome.studies.read_outs import feature_read_out, word_read_out
from affectome.studies.study import Claim, Context, Outcome, Role, Row, Study, Table
from affectome.studies.tweet_affect import (
    EMOTIONS,
    FOLDER,
    PRESENT,
    STRENGTH_LEVELS,
    VALENCE_LEVELS,
    Tweets,
    load_tweets,
)

if TYPE_CHECKING:
    from affectome.evaluate.intervals import Metric
    from affectome.learn.fine_tuning import FineTuned

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_EPOCHS, _RATE, _TOKENS = 3, 1e-4, 64
_LEVEL_WEIGHT = 0.3  # of the ordinal tasks, whose levels say again what the numbers say
_WEAK = 1e-3  # penalty of the ordinal heads, which have one or two features
_PHRASINGS = 10
_INSTRUCTIONS = {  # rows of the published instruction data: training, development
    "EI-reg anger": (17_010, 3_880),
    "EI-reg fear": (22_520, 3_890),
    "EI-reg joy": (16_160, 2_900),
    "EI-reg sadness": (15_330, 3_970),
    "V-reg": (11_810, 4_490),
    "E-c": (68_380, 8_860),
}
_MEAN, _VADER, _WORDS, _SHUFFLED = "mean", "VADER", "words", "reader, shuffled targets"
_READER, _TUNED, _BLEND = "reader", "tuned encoder", "blend of all"
_ROLES: dict[str, Role] = {_MEAN: "baseline", _VADER: "baseline", _WORDS: "baseline", _SHUFFLED: "control"}
_NUMBERS = ("V-reg", *(f"EI-reg {emotion}" for emotion in EMOTIONS))
_LEVELS = ("V-oc", *(f"EI-oc {emotion}" for emotion in EMOTIONS))
_SCALES = (VALENCE_LEVELS, *[STRENGTH_LEVELS] * len(EMOTIONS))
_INTENSITY = "EI-reg, mean of four"


def run(context: Context) -> Outcome:
    """Train on the training tweets, weigh on the development tweets, score the test and the other sets."""
    corpus = _load(context)
    tuned = _tune(context, corpus)
    vault = context.vault({"test": corpus.test})
    rows = np.concatenate([corpus.dev, vault.open("test", purpose="scores of all predictors and of their blend")])
    found = _predict(context, corpus, tuned, rows)
    numbers, number_claims = _numbers(context, corpus, found)
    presence, presence_claims = _presence(context, corpus, found)
    tables, claims = other_sets(context, lambda texts: np.asarray(tuned.predict(texts)["V-reg"][:, 0], np.float64))
    return Outcome(
        [numbers, _levels(context, corpus, found), presence, _mystery(context, corpus, tuned), *tables],
        [*number_claims, *presence_claims, _instructions(corpus), *claims],
        [
            f"{len(corpus.mystery):,} of {len(corpus.mystery) + corpus.rated:,} rows of the published valence gold are"
            " sentences that were never rated and carry a 0. They are left out by their identifiers, in all tasks; one"
            " table shows what they do.",
            f"{corpus.dropped} training and development tweets are near-duplicates of test tweets and are left out.",
            "A predicted level is the median of an ordinal head over the numbers. These heads, the weights of the blend"
            " and the thresholds are fitted on the development tweets, all else on the training tweets.",
            "Of the rated sets of VADER, only rows are scored that the package's reader has not learnt from.",
        ],
    )


STUDY = Study(
    number=38,
    id="emollms",
    title="EmoLLMs",
    paper="arXiv 2401.08508",
    data=(FOLDER, "emobank", "goemotions", "vader"),
    extras=("study", "train"),
    run=run,
    missing=(
        "instructions in ten phrasings, and a language model tuned to follow them",
        "parsing of free answers, with failures counted apart",
        "the Stanford sentiment sets and the target-dependent tweets",
    ),
)


@dataclass(frozen=True, eq=False)
class _Corpus:
    """Tweets of all parts.

    Attributes:
        texts: ``n`` tweets.
        targets: By task, ``n`` rows.
        clusters: ``(n,)`` near-duplicates.
        train: Rows to learn from.
        dev: Rows that decide about weights and thresholds.
        test: Rows to predict.
        dropped: Rows of the first two parts that are near-duplicates of test rows.
        rated: Test rows of V-reg.
        mystery: Texts of unrated rows.
        counts: Rows of each task in the training and the development part.
    """

    texts: list[str]
    targets: dict[str, Floats]
    clusters: Ints
    train: Ints
    dev: Ints
    test: Ints
    dropped: int
    rated: int
    mystery: list[str]
    counts: dict[str, tuple[int, int]]


def _load(context: Context) -> _Corpus:
    folder = context.folder(FOLDER)
    parts: list[Tweets] = [load_tweets(folder, part) for part in ("train", "dev", "test")]
    kept = [300, 200, 200] if context.quick else [len(part.texts) for part in parts]
    texts = [text for part, count in zip(parts, kept, strict=True) for text in part.texts[:count]]
    ends = np.cumsum(kept)
    train, dev, test = np.split(np.arange(ends[-1]), ends[:-1])
    clusters = near_duplicates(texts)
    known = np.isin(clusters, clusters[test])
    return _Corpus(
        texts,
        {
            task: np.concatenate([part.targets()[task][:count] for part, count in zip(parts, kept, strict=True)])
            for task in parts[0].targets()
        },
        clusters,
        train[~known[train]],
        dev[~known[dev]],
        test,
        int(known[train].sum() + known[dev].sum()),
        parts[2].rows["V-reg"],
        parts[2].mystery[: 300 if context.quick else None],
        {task: (parts[0].rows[task], parts[1].rows[task]) for task in parts[0].rows},
    )


def _tune(context: Context, corpus: _Corpus) -> FineTuned:
    from affectome.learn.fine_tuning import HeadPlan, fine_tune

    heads = [HeadPlan("V-reg", "measure", ("valence",)), HeadPlan("EI-reg", "measure", EMOTIONS)]
    heads += [HeadPlan("E-c", "presence", PRESENT)]
    scales = zip(_LEVELS, _SCALES, strict=True)
    heads += [HeadPlan(task, "ordinal", scale, weight=_LEVEL_WEIGHT) for task, scale in scales]
    return fine_tune(
        [corpus.texts[i] for i in corpus.train],
        {head.name: corpus.targets[head.name][corpus.train] for head in heads},
        heads,
        base=context.base_encoder(),
        epochs=1 if context.quick else _EPOCHS,
        learning_rate=_RATE,
        max_tokens=_TOKENS,
        checkpoints=context.work / "tuned",
        seed=context.seed,
        threads=context.threads,
        report=lambda progress: context.note(
            f"step {progress.step:,} of {progress.steps:,}, {progress.seconds:,.0f} s"
        ),
    )


def _predict(context: Context, corpus: _Corpus, tuned: FineTuned, rows: Ints) -> dict[str, dict[str, Floats]]:
    """Outputs for the given rows by predictor and task, each two-dimensional; no predictor has learnt from them."""
    from affectome.learn.features import AffectFeatures, LexiconFeatures

    lexicon = LexiconFeatures()
    written = lexicon.transform(corpus.texts)
    seen = np.hstack([AffectFeatures(threads=context.threads).transform(corpus.texts), written])
    context.note(f"features of {len(corpus.texts):,} tweets")
    compound = written[rows][:, [lexicon.names.index("vader_compound")]].astype(np.float64)
    pleasant = np.array([1.0 if emotion == "joy" else -1.0 for emotion in EMOTIONS])
    found: dict[str, dict[str, Floats]] = {
        _VADER: {"V-reg": compound, "EI-reg": compound * pleasant},
        _TUNED: {
            task: np.asarray(output, np.float64)
            for task, output in tuned.predict([corpus.texts[i] for i in rows]).items()
        },
        **{name: {} for name in (_MEAN, _WORDS, _READER, _SHUFFLED)},
    }
    for task in ("V-reg", "EI-reg", "E-c"):
        targets, kind = corpus.targets[task], _kind(task)
        train = corpus.train[~np.isnan(targets[corpus.train]).all(axis=1)]
        shuffled = targets.copy()
        shuffled[train] = np.random.default_rng(context.seed).permutation(targets[train])
        found[_MEAN][task] = predict_mean(train_truth=targets[train], items=len(rows))
        found[_WORDS][task] = word_read_out(corpus.texts, targets, kind=kind)(train, rows)
        for name, wanted in ((_READER, targets), (_SHUFFLED, shuffled)):
            read_out = feature_read_out(seen, wanted, kind=kind, groups=corpus.clusters, seed=context.seed)
            found[name][task] = read_out(train, rows)
        context.note(task)
    return found


def _kind(task: str) -> Literal["measure", "presence"]:
    return "presence" if task == "E-c" else "measure"


def _blend(corpus: _Corpus, task: str, found: dict[str, dict[str, Floats]], columns: slice) -> Floats:
    """What the readers of words, of the package and of the tuned encoder give together, weighed on development rows."""
    from affectome.learn.stacking import stack

    outputs = [found[name][task][:, columns] for name in (_WORDS, _READER, _TUNED)]
    wanted = corpus.targets[task][corpus.dev][:, columns]
    weights = stack([output[: len(corpus.dev)] for output in outputs], wanted, _kind(task))
    return np.asarray(np.tensordot(weights, np.stack(outputs), axes=1))


def _numbers(context: Context, corpus: _Corpus, found: dict[str, dict[str, Floats]]) -> tuple[Table, list[Claim]]:
    """Correlations of valence and intensities; adds their blend to what was found."""
    columns = [slice(k, k + 1) for k in range(len(EMOTIONS))]
    strengths = np.hstack([_blend(corpus, "EI-reg", found, column) for column in columns])
    found[_BLEND] = {"V-reg": _blend(corpus, "V-reg", found, columns[0]), "EI-reg": strengths}
    wanted = {task: corpus.targets[task][corpus.test] for task in ("V-reg", "EI-reg")}
    score = partial(bootstrap, pearson, seed=context.seed)
    rows = []
    for name in (_VADER, _WORDS, _SHUFFLED, _READER, _TUNED, _BLEND):
        valence, strength = (found[name][task][len(corpus.dev) :] for task in wanted)
        values = {"V-reg": score(truth=wanted["V-reg"], prediction=valence)}
        for k, task in enumerate(_NUMBERS[1:]):
            values[task] = score(truth=wanted["EI-reg"][:, k], prediction=strength[:, k])
        values[_INTENSITY] = score(truth=wanted["EI-reg"], prediction=strength)
        rows.append(Row(name, _ROLES.get(name, "result"), values))
    claims = [
        claim_value("V-reg: r of the blend", values["V-reg"], ">=", 0.80),
        claim_value("EI-reg: mean r of the blend over four emotions", values[_INTENSITY], ">=", 0.72),
    ]
    known = (~np.isnan(np.hstack([wanted["V-reg"], wanted["EI-reg"]]))).sum(axis=0)
    return Table(f"SemEval-2018 test, r of numbers: {_counts(known)} tweets", (*_NUMBERS, _INTENSITY), rows), claims


def _levels(context: Context, corpus: _Corpus, found: dict[str, dict[str, Floats]]) -> Table:
    """Correlations of predicted levels with rated ones."""
    rows, counts = [], []
    for name in (_VADER, _WORDS, _SHUFFLED, _READER, _TUNED, _BLEND):
        numbers = np.hstack([found[name]["V-reg"], found[name]["EI-reg"]])
        values = {}
        for k, task in enumerate(_LEVELS):
            scores = numbers[:, [k]]
            if name in (_TUNED, _BLEND):
                shares = found[_TUNED][task]
                scores = np.hstack([scores, (shares @ np.arange(shares.shape[1]))[:, None]])
            wanted = corpus.targets[task][corpus.test]
            level = _median_level(scores, corpus.targets[task][corpus.dev])
            values[task] = bootstrap(pearson, seed=context.seed, truth=wanted, prediction=level)
            counts.append(int((~np.isnan(wanted)).sum()))
        rows.append(Row(name, _ROLES.get(name, "result"), values))
    return Table(f"SemEval-2018 test, r of levels: {_counts(counts[: len(_LEVELS)])} tweets", _LEVELS, rows)


def _median_level(scores: Floats, levels: Floats) -> Floats:
    """Levels of the rows behind those whose levels are given, by an ordinal head fitted on the latter."""
    from affectome.learn.heads import fit_head

    n = len(levels)
    known = np.flatnonzero(~np.isnan(levels))
    head = fit_head(scores[known], levels[known], kind="ordinal", strength=_WEAK)
    return np.asarray((head.predict(scores[n:]).cumsum(axis=1)[:, :-1] < 0.5).sum(axis=1), np.float64)


def _presence(context: Context, corpus: _Corpus, found: dict[str, dict[str, Floats]]) -> tuple[Table, list[Claim]]:
    """Which of eleven emotions a tweet shows, with thresholds of the development tweets."""
    n = len(corpus.dev)
    found[_BLEND]["E-c"] = _blend(corpus, "E-c", found, slice(None))
    wanted = corpus.targets["E-c"]
    dev, test = (np.flatnonzero(~np.isnan(wanted[rows]).any(axis=1)) for rows in (corpus.dev, corpus.test))
    rows = []
    for name in (_MEAN, _WORDS, _SHUFFLED, _READER, _TUNED, _BLEND):
        output = found[name]["E-c"]
        chosen = choose_thresholds(dev_truth=wanted[corpus.dev][dev], dev_probability=output[:n][dev]).values
        metrics: dict[str, Metric] = {
            "Jaccard": partial(jaccard, thresholds=chosen),
            "micro-F1": partial(multilabel_f1, thresholds=chosen, average="micro"),
            "macro-F1": partial(multilabel_f1, thresholds=chosen),
        }
        values = measure(metrics, truth=wanted[corpus.test][test], probability=output[n:][test], seed=context.seed)
        rows.append(Row(name, _ROLES.get(name, "result"), values))
    claim = claim_value("E-c: macro-F1 of the blend", values["macro-F1"], ">=", 0.45)
    return Table(f"SemEval-2018 test, eleven emotions: {len(test):,} tweets", tuple(metrics), rows), [claim]


def jaccard(*, truth: Floats, probability: Floats, thresholds: Floats) -> float:
    """Mean over items of labels in both over labels in either, the accuracy of the shared task; 1 where there is none.

    Args:
        truth: ``(n, k)`` 0 or 1.
        probability: ``(n, k)``.
        thresholds: ``(k,)``.
    """
    given, present = apply_thresholds(probability, thresholds), truth == 1
    either = (given | present).sum(axis=1)
    return float(np.where(either, (given & present).sum(axis=1) / np.maximum(either, 1), 1).mean())


def _mystery(context: Context, corpus: _Corpus, tuned: FineTuned) -> Table:
    """What the sentences that were never rated do to a correlation."""
    from affectome.learn.features import LexiconFeatures

    valence = corpus.targets["V-reg"]
    rated = corpus.test[~np.isnan(valence[corpus.test, 0])]
    texts = [*corpus.texts, *corpus.mystery]
    asked = np.concatenate([rated, np.arange(len(corpus.texts), len(texts))])
    wanted = np.concatenate([valence[rated, 0], np.zeros(len(corpus.mystery))])
    shown = [texts[i] for i in asked]
    lexicon = LexiconFeatures()
    padded = np.concatenate([valence, np.full((len(corpus.mystery), 1), np.nan)])
    outputs: dict[str, NDArray[np.floating[Any]]] = {
        _VADER: lexicon.transform(shown)[:, lexicon.names.index("vader_compound")],
        _WORDS: word_read_out(texts, padded, kind="measure")(corpus.train, asked)[:, 0],
        _TUNED: tuned.predict(shown)["V-reg"][:, 0],
    }
    counts = {"rated rows": len(rated), "with unrated rows": len(asked)}
    score = partial(bootstrap, pearson, seed=context.seed)
    rows = [
        Row(
            name,
            _ROLES.get(name, "result"),
            {column: score(truth=wanted[:n], prediction=output[:n]) for column, n in counts.items()},
        )
        for name, output in outputs.items()
    ]
    return Table(f"V-reg test, r on {_counts(counts.values())} rows of the published gold", tuple(counts), rows)


def _instructions(corpus: _Corpus) -> Claim:
    """How many of the published sizes of the instruction data come out."""
    met = sum(
        _PHRASINGS * count == size
        for task, sizes in _INSTRUCTIONS.items()
        for count, size in zip(corpus.counts[task], sizes, strict=True)
    )
    total = 2 * len(_INSTRUCTIONS)
    return Claim(
        f"sizes of the instruction data that are {_PHRASINGS} times the rows here (of {total})", met, total, ">="
    )


def _counts(numbers: Iterable[int]) -> str:
    return ", ".join(f"{number:,}" for number in numbers)
