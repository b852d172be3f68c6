"""Tone and content of political tweets: impolite, intolerant, either; and which errors each way of training makes.

An encoder is tuned three times: on whether a tweet is impolite or intolerant (coarse), on the two labels (fine), and
on all of it (joint). Misses and false alarms are compared at one half, at equal false alarms and at thresholds chosen
on development tweets, because a difference at a fixed threshold may only say that the threshold fits one of them
better.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from affectome.evaluate import (
    Part,
    assert_disjoint,
    auc,
    bootstrap,
    choose_thresholds,
    error_balance,
    near_duplicates,
    split_rows,
)
from affectome.studies.comparing import claim_difference, claim_value
from affectome.studies.corpora import readable
from affectome.studies.learnt import FOLDERS, note_learnt
from affectome.studies.read_outs import feature_read_out, word_read_out
from affectome.studies.study import Claim, Context, Outcome, Role, Row, Study, Table

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_FOLDER = "political_incivility_mupid"
_FINE, _EITHER = ("impoliteness", "intolerance"), "either"
_LABELS = (*_FINE, _EITHER)
_SHARES = (0.75, 0.1, 0.15)
_EPOCHS, _RATE, _TOKENS = 2, 1e-4, 80
_REGIMES = {"coarse": (_EITHER,), "fine": _FINE, "joint": _LABELS}
_LENGTH, _WORDS, _NOTHING = "length of the tweet", "words", "nothing reported"
_TOXICITY, _SHUFFLED, _READER, _BLEND = "reader's toxicity alone", "reader, shuffled labels", "reader", "blend of all"
_COARSE, _NOISY, _ANY, _JOINT = "coarse training", "fine training, noisy or", "fine training, any", "joint training"
_ROLES: dict[str, Role] = {
    _LENGTH: "baseline",
    _WORDS: "baseline",
    _NOTHING: "baseline",
    _TOXICITY: "control",
    _SHUFFLED: "control",
}
_HALF, _EQUAL, _CHOSEN = "at one half", "at the false alarms of coarse training", "at the best F1 of development tweets"


def run(context: Context) -> Outcome:
    """Train in three ways on the same tweets, then compare scores and errors on tweets that none has seen."""
    corpus = _load(context)
    vault = context.vault({"test": corpus.test})
    rows = np.concatenate([corpus.dev, vault.open("test", purpose="scores, and errors at thresholds fixed before")])
    labels = _labels(context, corpus, rows)
    n = len(corpus.dev)
    tuned = {name: labels[f"{name} training"] for name in _REGIMES}
    either = {
        _WORDS: labels[_WORDS][:, 2],
        _COARSE: tuned["coarse"][:, 2],
        _NOISY: 1 - (1 - tuned["fine"][:, :2]).prod(axis=1),
        _ANY: tuned["fine"][:, :2].max(axis=1),
        _JOINT: tuned["joint"][:, 2],
    }
    labels["fine training"][:, 2] = either[_NOISY]
    scores, claims = _scores(context, corpus, {name: output[n:] for name, output in labels.items()})
    tables = [scores]
    for rule, thresholds in _thresholds(corpus, {name: output[:n] for name, output in either.items()}).items():
        given = {name: (either[name][n:] >= threshold).astype(np.float64) for name, threshold in thresholds.items()}
        table, more = _balance(context, corpus, rule, given)
        tables.append(table)
        claims += more
    wanted = corpus.targets[corpus.test]
    claims.append(
        claim_difference(
            "either: AUC of joint training minus that of coarse training",
            auc,
            truth=wanted[:, 2],
            first=either[_JOINT][n:],
            second=either[_COARSE][n:],
            comparison=">",
            threshold=-0.02,
            seed=context.seed,
            groups=corpus.clusters[corpus.test],
        )
    )
    notes = [
        f"The {len(corpus.texts):,} tweets of the published training part are divided anew: {len(corpus.train):,} to"
        f" learn from, {len(corpus.dev):,} to choose with and {len(corpus.test):,} to report, near-duplicates together;"
        " the published test part is not among the data.",
        note_learnt(context, [corpus.texts[i] for i in corpus.test], "held-out tweets"),
        f"{corpus.copies} tweets have a near-duplicate.",
        "The coarse label is that a tweet is impolite, intolerant or both.",
    ]
    return Outcome(tables, claims, notes)


STUDY = Study(
    number=3,
    id="beyond-hate",
    title="Beyond Hate",
    paper="arXiv 2603.22985",
    data=(_FOLDER, *FOLDERS),
    extras=("study", "train"),
    run=run,
    missing=(
        "memes: the images, and a model that sees them; all of this is text alone",
        "labels as text from a vision-language model, read strictly, with unreadable answers counted apart",
        "confounders, where only image and text together tell",
    ),
)


@dataclass(frozen=True, eq=False)
class _Corpus:
    """Tweets and whether they are impolite, intolerant, or either.

    Attributes:
        texts: ``n`` tweets.
        targets: ``(n, 3)`` of `_LABELS`, 0 or 1.
        clusters: ``(n,)`` near-duplicates.
        train: Rows to learn from.
        dev: Rows that decide about weights and thresholds.
        test: Rows to report.
        copies: Tweets that have a near-duplicate.
    """

    texts: list[str]
    targets: Floats
    clusters: Ints
    train: Ints
    dev: Ints
    test: Ints
    copies: int


def load_incivility(folder: Path) -> tuple[list[str], Floats]:
    """Tweets of MUPID with `_FINE` as 0 or 1, ``(n, 2)`` (Pendzel and others 2023).

    Args:
        folder: Folder with ``train.parquet``.

    Raises:
        InputError: The file is not there or has another layout.
    """
    with readable(folder):
        try:
            table = pl.read_parquet(folder / "train.parquet", columns=["text", *_FINE])
        except pl.exceptions.PolarsError as error:
            raise ValueError(str(error)) from error
        labels = table.select(_FINE).to_numpy().astype(np.float64)
        if not np.isin(labels, (0, 1)).all():
            raise ValueError("a label is neither 0 nor 1")
        return table["text"].to_list(), labels


def _load(context: Context) -> _Corpus:
    texts, fine = load_incivility(context.folder(_FOLDER))
    kept = slice(500 if context.quick else None)
    texts, fine = texts[kept], fine[kept]
    targets = np.column_stack([fine, fine.max(axis=1)])
    clusters = near_duplicates(texts)
    strata = (fine @ [1, 2]).astype(np.int64)
    split = split_rows(len(texts), groups=clusters, strata=strata, shares=_SHARES, seed=context.seed)
    copies = int((np.bincount(clusters)[clusters] > 1).sum())
    parts = {name: Part(texts=[texts[i] for i in rows]) for name, rows in split._asdict().items()}
    assert_disjoint(**parts)
    return _Corpus(texts, targets, clusters, *split, copies)


def _labels(context: Context, corpus: _Corpus, rows: Ints) -> dict[str, Floats]:
    """Scores ``(rows, 3)`` by predictor; NaN for what a way of training does not give."""
    from affectome.learn.features import AffectFeatures, LexiconFeatures
    from affectome.learn.stacking import stack

    written = LexiconFeatures().transform(corpus.texts)
    reader = AffectFeatures(threads=context.threads)
    encoded = reader.reader.encoder.encode(corpus.texts)
    seen = np.hstack([encoded.features(), written])
    context.note(f"features of {len(corpus.texts):,} tweets")
    shuffled = corpus.targets.copy()
    shuffled[corpus.train] = np.random.default_rng(context.seed).permutation(corpus.targets[corpus.train])
    head = partial(feature_read_out, seen, kind="presence", groups=corpus.clusters, seed=context.seed)
    found = {
        _LENGTH: np.repeat([[len(corpus.texts[i])] for i in rows], len(_LABELS), axis=1).astype(np.float64),
        _WORDS: word_read_out(corpus.texts, corpus.targets, kind="presence")(corpus.train, rows),
        _TOXICITY: np.repeat(encoded.means[rows][:, [-1]], len(_LABELS), axis=1).astype(np.float64),
        _SHUFFLED: head(shuffled)(corpus.train, rows),
        _READER: head(corpus.targets)(corpus.train, rows),
    }
    for name, labels in _REGIMES.items():
        found[f"{name} training"] = _tune(context, corpus, name, labels, rows)
    n = len(corpus.dev)
    parts = [found[name] for name in (_WORDS, _READER, _JOINT)]
    blends = []
    for k in range(len(_LABELS)):
        weights = stack([part[:n, [k]] for part in parts], corpus.targets[corpus.dev][:, [k]], "presence")
        context.note(f"{_LABELS[k]}: {', '.join(f'{weight:.2f}' for weight in weights)}")
        blends.append(np.tensordot(weights, np.stack([part[:, k] for part in parts]), axes=1))
    found[_BLEND] = np.stack(blends, axis=1)
    return found


def _tune(context: Context, corpus: _Corpus, name: str, labels: tuple[str, ...], rows: Ints) -> Floats:
    from affectome.learn.fine_tuning import HeadPlan, fine_tune

    columns = [_LABELS.index(label) for label in labels]
    tuned = fine_tune(
        [corpus.texts[i] for i in corpus.train],
        {name: corpus.targets[corpus.train][:, columns]},
        [HeadPlan(name, "presence", labels)],
        base=context.base_encoder(),
        epochs=0.5 if context.quick else _EPOCHS,
        learning_rate=_RATE,
        max_tokens=_TOKENS,
        checkpoints=context.work / name,
        seed=context.seed,
        threads=context.threads,
        report=lambda progress: context.note(
            f"{name} training, step {progress.step:,} of {progress.steps:,}, {progress.seconds:,.0f} s"
        ),
    )
    output = np.full((len(rows), len(_LABELS)), np.nan)
    output[:, columns] = tuned.predict([corpus.texts[i] for i in rows])[name]
    return output


def _scores(context: Context, corpus: _Corpus, found: dict[str, Floats]) -> tuple[Table, list[Claim]]:
    """How well each predictor puts the labelled tweets in front, whatever the threshold."""
    wanted, groups = corpus.targets[corpus.test], corpus.clusters[corpus.test]
    rows = []
    for name, output in found.items():
        values = {
            label: bootstrap(auc, seed=context.seed, groups=groups, truth=wanted[:, k], probability=output[:, k])
            for k, label in enumerate(_LABELS)
            if not np.isnan(output[:, k]).any()
        }
        rows.append(Row(name, _ROLES.get(name, "result"), values))
    claims = [
        claim_value(f"{label}: AUC of the blend", values[label], ">=", threshold)
        for label, threshold in zip(_FINE, (0.83, 0.84), strict=True)
    ]
    return Table(f"Held-out tweets, AUC: {len(wanted):,} tweets", _LABELS, rows), claims


def _thresholds(corpus: _Corpus, dev: dict[str, Floats]) -> dict[str, dict[str, float]]:
    """The threshold of each predictor by rule, from scores of development tweets."""
    wanted = corpus.targets[corpus.dev][:, 2]
    absent = wanted == 0
    allowed = float((dev[_COARSE][absent] >= 0.5).mean())
    return {
        _HALF: dict.fromkeys(dev, 0.5),
        _EQUAL: {name: threshold_at(output[absent], allowed) for name, output in dev.items()},
        _CHOSEN: {
            name: float(choose_thresholds(dev_truth=wanted[:, None], dev_probability=output[:, None]).values[0])
            for name, output in dev.items()
        },
    }


def threshold_at(absent: Floats, allowed: float) -> float:
    """The lowest threshold at which no larger share of the scores of absent items than allowed reaches it.

    Args:
        absent: ``(n,)`` scores of items without the label.
        allowed: Share of false alarms, 0 to 1.
    """
    falling = -np.sort(-absent)
    count = round(allowed * len(falling))
    return float(np.nextafter(falling[count], np.inf)) if count < len(falling) else float(falling[-1])


def _balance(context: Context, corpus: _Corpus, rule: str, given: dict[str, Floats]) -> tuple[Table, list[Claim]]:
    """Misses and false alarms of each way of training under one rule."""
    wanted, groups = corpus.targets[corpus.test][:, 2], corpus.clusters[corpus.test]
    rates: dict[str, Callable[..., float]] = {
        "missed": lambda truth, prediction: error_balance(truth=truth, prediction=prediction).fnr,
        "false alarms": lambda truth, prediction: error_balance(truth=truth, prediction=prediction).fpr,
        "difference": balance,
    }
    rows = []
    for name, output in {_NOTHING: np.zeros(len(wanted)), **given}.items():
        values = {
            column: bootstrap(rate, seed=context.seed, groups=groups, truth=wanted, prediction=output)
            for column, rate in rates.items()
        }
        rows.append(Row(name, _ROLES.get(name, "result"), values))
    compare = partial(
        claim_difference, truth=wanted, second=given[_COARSE], seed=context.seed, groups=groups, by="value"
    )
    claims = [
        compare(
            f"{rule}: misses minus false alarms, fine training (noisy or) minus coarse training",
            balance,
            first=given[_NOISY],
            comparison="<",
        ),
        compare(
            f"{rule}: distance of misses and false alarms, joint training minus coarse training",
            imbalance,
            first=given[_JOINT],
            comparison="<=",
        ),
    ]
    title = f"Impolite or intolerant, {rule}: {len(wanted):,} tweets, {int(wanted.sum()):,} of them so"
    return Table(title, tuple(rates), rows), claims


def balance(*, truth: ArrayLike, prediction: ArrayLike) -> float:
    """Share of misses minus share of false alarms."""
    return error_balance(truth=truth, prediction=prediction).balance


def imbalance(*, truth: ArrayLike, prediction: ArrayLike) -> float:
    """Distance of the share of misses from the share of false alarms."""
    return abs(balance(truth=truth, prediction=prediction))
