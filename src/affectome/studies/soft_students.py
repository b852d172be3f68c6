"""Students of soft labels beside students of hard ones, and how well small read-outs tell 28 feelings.

Soft labels come from the votes of five raters (EmotionLines), and from a teacher's probabilities of 28 feelings, which
the published system cuts at .3 into hard ones (GoEmotions, whose human labels neither student sees).
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from affectome.affect import VoteTable, load_taxonomy
from affectome.evaluate import (
    Interval,
    accuracy,
    bootstrap,
    brier,
    choose_thresholds,
    ece,
    kl,
    multilabel_f1,
    predict_mean,
)
from affectome.learn import load_corpus
from affectome.studies.comparing import claim_difference, claim_end, claim_value, measure
from affectome.studies.corpora import FRIENDS, load_friends
from affectome.studies.study import Claim, Context, Role, Row, Table

if TYPE_CHECKING:
    from affectome.evaluate.intervals import Metric
    from affectome.learn import Corpus
    from affectome.learn.features import AffectFeatures
    from affectome.learn.heads import Head
    from affectome.learn.penalised import Kind

Floats = NDArray[np.float64]

GOEMOTIONS = "goemotions"
_CUT = 0.3
_STRENGTHS = (0.003, 0.0003)
_SMOOTHING = 10.0  # present rows with which the threshold of all labels counts against a rare label's own
_RESAMPLES = 300
_LEARNT_ROWS = 16_000  # training comments of each read-out, for time
_SOFT, _HARD = "soft labels", "hard labels"
_GOLD, _SHUFFLED = "base encoder, human labels", "base encoder, shuffled human labels"
_TAUGHT, _READER = "base encoder, taught by the reader", "package's reader"
_ROLES: dict[str, Role] = {"frequency of each label": "baseline", _SHUFFLED: "control"}


def learn_votes(context: Context, affect: AffectFeatures) -> tuple[Table, list[Claim]]:
    """Students of the shares of five votes and of their majority, on dialogues that neither has seen."""
    folder, labels = context.folder(FRIENDS), load_taxonomy("meld7").labels
    train, dev, test = (load_friends(folder, part) for part in ("train", "dev", "test"))
    if context.quick:
        train, dev, test = (part.at(np.flatnonzero(part.dialogues < 25)) for part in (train, dev, test))
    context.vault({"EmotionLines test": np.arange(len(test.texts))}).open(
        "EmotionLines test", purpose="comparison of students of soft and hard labels"
    )
    seen = [affect.transform(part.texts).astype(np.float64) for part in (train, dev, test)]
    votes = [VoteTable.from_counts(part.votes, labels) for part in (train, dev, test)]
    lessons = {
        _SOFT: [each.soft_labels() for each in votes[:2]],
        _HARD: [each.consensus("split").weight for each in votes[:2]],
    }
    shares, majority = votes[2].soft_labels(), votes[2].consensus().winner
    outputs = {"mean shares": predict_mean(train_truth=lessons[_SOFT][0], items=len(shares))}
    for name, (lesson, check) in lessons.items():
        outputs[name] = _best("choice", seen[0], lesson, seen[1], check).predict(seen[2])
    shuffled = np.random.default_rng(context.seed).permutation(lessons[_SOFT][0])
    outputs["shuffled soft labels"] = _best("choice", seen[0], shuffled, seen[1], lessons[_SOFT][1]).predict(seen[2])
    groups = test.dialogues
    rows = [
        Row(
            name,
            "baseline" if name == "mean shares" else "control" if name.startswith("shuffled") else "result",
            measure({"KL": kl, "Brier": brier}, truth=shares, probability=output, seed=context.seed, groups=groups)
            | measure(
                {"accuracy": accuracy, "ECE, majority": ece},
                truth=majority,
                prediction=output.argmax(axis=1),
                probability=output,
                seed=context.seed,
                groups=groups,
            )
            | {
                "ECE, one rater": bootstrap(
                    vote_error, seed=context.seed, groups=groups, truth=shares, probability=output
                )
            },
        )
        for name, output in outputs.items()
    ]
    context.note("students of votes")
    difference = bootstrap(
        lambda *, truth, soft, hard: (
            vote_error(truth=truth, probability=soft) - vote_error(truth=truth, probability=hard)
        ),
        seed=context.seed,
        groups=groups,
        truth=shares,
        soft=outputs[_SOFT],
        hard=outputs[_HARD],
    )
    title = f"EmotionLines, five votes a turn: {len(shares):,} turns"
    text = "EmotionLines: ECE against one rater, student of soft labels minus student of hard labels"
    columns = ("KL", "Brier", "accuracy", "ECE, one rater", "ECE, majority")
    return Table(title, columns, rows), [claim_end(text, difference, "<")]


def vote_error(*, truth: Floats, probability: Floats, bins: int = 15) -> float:
    """Expected calibration error of the top label against the vote of a rater drawn at random.

    Args:
        truth: ``(n, k)`` shares of the raters' votes.
        probability: ``(n, k)`` rows that sum to 1.
        bins: Bins of equal width.

    Returns:
        0 to 1: over the bins, the mean of the distance between the mean top probability and the mean share of raters
        who gave that label, weighted by the items in a bin.
    """
    top = probability.argmax(axis=1)
    confidence, right = (values[np.arange(len(top)), top] for values in (probability, truth))
    place = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    gap = np.bincount(place, weights=right - confidence, minlength=bins)
    return float(np.abs(gap).sum() / len(top))


def tell_feelings(context: Context, affect: AffectFeatures) -> tuple[Table, list[Claim]]:
    """How well read-outs tell 28 feelings in single comments, and students of a teacher who do not see the labels."""
    from affectome.learn.base_vectors import base_vectors

    context.folder(GOEMOTIONS)
    corpus = load_corpus(GOEMOTIONS, context.data)
    train, dev, test = (_part(corpus, name, context) for name in ("train", "dev", "test"))
    learnt = np.sort(np.random.default_rng(context.seed).permutation(len(train.texts))[:_LEARNT_ROWS])
    train = replace(
        train, texts=[train.texts[i] for i in learnt], targets=train.targets[learnt], split=train.split[learnt]
    )
    context.vault({"GoEmotions test": np.arange(len(test.texts))}).open(
        "GoEmotions test", purpose="comparison of read-outs and of students of a teacher"
    )
    texts = [*train.texts, *dev.texts, *test.texts]
    cuts = np.cumsum([len(train.texts), len(dev.texts)])
    vectors = np.split(base_vectors(texts, context.base_encoder(), threads=context.threads).astype(np.float64), cuts)
    context.note(f"vectors of {len(texts):,} comments")
    order = [affect.reader.labels.index(label) for label in corpus.columns]
    taught = np.split(affect.reader.probabilities(texts)[:, order].astype(np.float64), cuts)
    context.note("teacher")
    given, checked = (part.targets.astype(np.float64) for part in (train, dev))
    hard = [(answers >= _CUT).astype(np.float64) for answers in taught[:2]]
    lessons: dict[str, tuple[Floats, Floats]] = {
        _GOLD: (given, checked),
        _SHUFFLED: (np.roll(given, 1, axis=0), checked),
        f"{_TAUGHT}, {_SOFT}": (taught[0], taught[1]),
        f"{_TAUGHT}, {_HARD}": (hard[0], hard[1]),
    }
    outputs = {
        "frequency of each label": [predict_mean(train_truth=train.targets, items=len(p.texts)) for p in (dev, test)]
    }
    for name, (targets, check) in lessons.items():
        head = _best("presence", vectors[0], targets, vectors[1], check)
        outputs[name] = [head.predict(part) for part in vectors[1:]]
        context.note(f"28 feelings: {name}")
    outputs[_READER] = taught[1:]
    rows = []
    for name, (on_dev, on_test) in outputs.items():
        chosen = choose_thresholds(dev_truth=dev.targets, dev_probability=on_dev, smoothing=_SMOOTHING).values
        metrics: dict[str, Metric] = {
            "macro F1": partial(multilabel_f1, thresholds=chosen),
            "micro F1": partial(multilabel_f1, thresholds=chosen, average="micro"),
            "ECE": ece,
        }
        values = measure(metrics, truth=test.targets, probability=on_test, seed=context.seed, resamples=_RESAMPLES)
        rows.append(Row(name, _ROLES.get(name, "result"), values))
    of_gold = {row.predictor: row.values for row in rows}[_GOLD]
    soft_student, hard_student = (outputs[f"{_TAUGHT}, {kind}"][1] for kind in (_SOFT, _HARD))
    claims = [
        *(
            claim_value(f"GoEmotions, read-out of the base encoder: {column}", value, ">=", floor)
            for column, floor in (("macro F1", 0.38), ("micro F1", 0.50))
            if isinstance(value := of_gold[column], Interval)
        ),
        claim_difference(
            "GoEmotions: ECE against human labels, student of a teacher's soft labels minus that of its hard labels",
            ece,
            truth=test.targets,
            first=soft_student,
            second=hard_student,
            comparison="<",
            seed=context.seed,
            resamples=_RESAMPLES,
        ),
    ]
    title = f"GoEmotions, single comments: {len(test.texts):,}, {len(corpus.columns)} labels"
    return Table(title, ("macro F1", "micro F1", "ECE"), rows), claims


def _part(corpus: Corpus, name: str, context: Context) -> Corpus:
    part = corpus.part(name)
    if not context.quick:
        return part
    few = slice(1500)
    return replace(part, texts=part.texts[few], targets=part.targets[few], split=part.split[few])


def _best(kind: Kind, features: Floats, targets: Floats, held: Floats, check: Floats) -> Head:
    """The head of the strength with the least cross-entropy on development rows."""
    from scipy.special import xlogy

    from affectome.learn.heads import fit_head

    heads = [fit_head(features, targets, kind=kind, strength=strength) for strength in _STRENGTHS]

    def loss(head: Head) -> float:
        p = np.clip(head.predict(held), 1e-9, 1 - 1e-9)
        absent = xlogy(1 - check, 1 - p) if kind == "presence" else 0.0
        return -float((xlogy(check, p) + absent).sum())

    return min(heads, key=loss)
