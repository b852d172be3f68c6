"""NeuroGaze-Distill: a network of faces pulled toward prototypes of another sense, with pleasant classes kept compact.

No brain signals are at hand. The teacher that stands in reads sentences: its prototypes are where it puts sentences
whose readers rated their valence and arousal, so neither a face nor a label of a feeling makes them. Everything is an
ablation of small networks of FER+ faces that differ in nothing else.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from affectome.affect import load_taxonomy
from affectome.affect.space import unit
from affectome.evaluate import Interval, bootstrap, bootstrap_mean, f1, predict_mean, uar
from affectome.learn.face_prototypes import expression_prototypes, rated_sentences
from affectome.learn.prototypes import PrototypeBank, Prototypes, fit_prototypes
from affectome.studies.comparing import claim_end, claim_value, divergences
from affectome.studies.face_students import FACES, FaceStudents, Sight, over_networks, see_faces
from affectome.studies.study import Claim, Context, Outcome, Role, Row, Study, Table
from affectome.studies.vad_students import ratio_of_means

if TYPE_CHECKING:
    from affectome.evaluate.intervals import Metric
    from affectome.learn.face_corpus import FaceCorpus
    from affectome.learn.face_model import FaceAffectModel

Array = NDArray[np.float32]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_SENTENCES = "emobank"
_SEEDS = 3
_PULL = 0.12  # weight of the prototypes, as published
_CAPS = (0.012, 0.12, 1.2)  # of the cap on variance; the first as published
_MEAN, _PLAIN, _BOTH = "mean votes", "votes", "votes, prototypes and variance cap"
_PROTOTYPES, _CAP = "votes, prototypes", "votes, variance cap"
_RANDOM, _PERMUTED = "votes, random prototypes", "votes, prototypes of other places"
_ROLES: dict[str, Role] = {_RANDOM: "control", _PERMUTED: "control"}
_COLUMNS = (
    "accuracy", "macro-F1", "SD of macro-F1", "balanced accuracy", "KL", "recall of pleasant", "spread of pleasant"
)  # fmt: skip
_HALVES = ("cosine", "cells")


class _Arm(NamedTuple):
    """How the networks of one row differ from the plain ones."""

    name: str
    toward: Prototypes | None = None
    cap: float = 0.0


def run(context: Context) -> Outcome:
    """Make the prototypes, train the networks, compare them."""
    context.folder(_SENTENCES)
    students = FaceStudents(context)
    features, ratings = rated_sentences(students.words, context.data)
    bank = fit_prototypes(features, ratings)
    halves, alike = _halves(features, ratings, context.seed)
    wanted = expression_prototypes(bank)
    plain = _train(students, _Arm("plain"), context.seed)
    cap = students.largest_weight(
        plain[0],
        _CAPS,
        lambda weight: students.learn(f"variance-cap-{weight:g}", context.seed, variance_cap=weight),
    )
    rng = np.random.default_rng(context.seed)
    arms = {
        _RANDOM: _Arm("random-prototypes", wanted._replace(vectors=_random(bank, rng))),
        _PERMUTED: _Arm(
            "permuted-prototypes", wanted._replace(vectors=bank.vectors[rng.permutation(len(bank.counts))])
        ),
        _PROTOTYPES: _Arm("prototypes", wanted),
        _CAP: _Arm(f"variance-cap-{cap:g}", None, cap),
        _BOTH: _Arm(f"prototypes-variance-cap-{cap:g}", wanted, cap),
    }
    networks = {_PLAIN: plain} | {name: _train(students, arm, context.seed) for name, arm in arms.items()}
    test = students.open_test()
    mean = predict_mean(train_truth=students.train.votes.astype(np.float64), items=len(test.names))
    order = (_PLAIN, _RANDOM, _PERMUTED, _PROTOTYPES, _CAP, _BOTH)
    outputs = {name: [see_faces(network, test) for network in networks[name]] for name in order}
    guess = _values(test, [Sight(mean, mean)] * _SEEDS, context.seed)
    rows = [Row(_MEAN, "baseline", {column: value for column, value in guess.items() if column in _COLUMNS[:-1]})]
    rows += [Row(name, _ROLES.get(name, "result"), _values(test, each, context.seed)) for name, each in outputs.items()]
    title = f"FER+ test, {_SEEDS} small networks each: {len(test.names):,} faces"
    notes = [
        "The teacher is the package's reader of sentences instead of one of brain signals, and its prototypes are those"
        f" of {int(bank.counts.sum()):,} training sentences of EmoBank: {int((bank.counts > 0).sum())} of"
        f" {len(bank.counts)} cells hold sentences, the others take the nearest. SHA-256 {bank.sha256[:16]}.",
        "Which cells a face is pulled toward follows from its votes and the package's Gaussians of the eight terms; the"
        " publication does not say how.",
        f"Networks are small, trained for little more than two passes, {_SEEDS} of each kind; the shipped reader is"
        " better. Intervals are for other faces, on means over the networks.",
        f"Prototypes have the published weight {_PULL:g}. The cap on variance has the weight {cap:g}, the largest of"
        f" {', '.join(f'{each:g}' for each in _CAPS)} before divergence on the development faces rises by more than"
        " 1%.",
        "Pleasant are happiness and surprise. Spread is the mean squared distance of the unit vectors of a class to"
        " their mean.",
    ]
    return Outcome([halves, Table(title, _COLUMNS, rows)], [alike, *_claims(test, outputs, context.seed)], notes)


STUDY = Study(
    number=46,
    id="neurogaze-distill",
    title="NeuroGaze-Distill",
    paper="arXiv 2509.11916",
    data=(_SENTENCES, FACES),
    extras=("face", "train"),
    run=run,
    missing=(
        "a teacher of brain signals",
        "distillation of the logits of a teacher of pictures, which brings most of the published gain",
        "faces of another collection, with scores over the labels that it has",
        "networks of the published size, trained to the end",
    ),
)


def _train(students: FaceStudents, arm: _Arm, first: int) -> list[FaceAffectModel]:
    return [
        students.learn(arm.name, seed, toward=arm.toward, prototypes=_PULL * bool(arm.toward), variance_cap=arm.cap)
        for seed in range(first, first + _SEEDS)
    ]


def _random(bank: PrototypeBank, rng: np.random.Generator) -> Array:
    """As many directions at random."""
    return unit(rng.standard_normal(bank.vectors.shape).astype(np.float32))


def _halves(features: Array, ratings: Array, seed: int) -> tuple[Table, Claim]:
    """How alike prototypes of two halves of the sentences are, in cells that hold sentences of both."""
    half = np.random.default_rng(seed).permutation(len(features)) % 2
    one, other = (fit_prototypes(features[half == side], ratings[half == side]) for side in (0, 1))
    cells = np.flatnonzero((one.counts > 0) & (other.counts > 0))
    cosine = one.vectors[cells] @ other.vectors[cells].T
    same = np.diagonal(cosine)
    others = (cosine.sum(axis=1) - same) / (len(cells) - 1)
    found = {name: bootstrap_mean(each, seed=seed) for name, each in (("same", same), ("other", others))}
    rows = [
        Row("other cells", "baseline", {"cosine": found["other"], "cells": len(cells)}),
        Row("the same cell", "result", {"cosine": found["same"], "cells": len(cells)}),
    ]
    apart = bootstrap_mean(same - others, seed=seed)
    text = "prototypes of two halves of the sentences: cosine in the same cell minus that with other cells"
    return Table(f"Prototypes of two halves of {len(features):,} sentences", _HALVES, rows), claim_end(text, apart, ">")


def _values(test: FaceCorpus, networks: list[Sight], seed: int) -> dict[str, Interval | float]:
    answers = _answers(networks)
    truth, pleasant = test.majority, _pleasant(test)
    scored = partial(bootstrap, seed=seed, truth=truth, predictions=answers)
    macro = [float(f1(truth=truth, prediction=each)) for each in answers.T]
    return {
        "accuracy": over_networks(truth == answers.T, seed),
        "macro-F1": scored(_macro_f1),
        "SD of macro-F1": float(np.std(macro, ddof=1)),
        "balanced accuracy": scored(_balanced_accuracy),
        "KL": over_networks([divergences(test.votes, each.probability) for each in networks], seed),
        "recall of pleasant": over_networks(answers.T[:, pleasant] == truth[pleasant], seed),
        "spread of pleasant": over_networks([_spread(each, test) for each in networks], seed),
    }


def _claims(test: FaceCorpus, networks: dict[str, list[Sight]], seed: int) -> list[Claim]:
    answers = {name: _answers(each) for name, each in networks.items()}
    gains = [
        claim_end(
            f"macro-F1, {first} minus {second}",
            bootstrap(_gain, seed=seed, truth=test.majority, first=answers[first], second=answers[second]),
            ">",
        )
        for first, second in ((_PROTOTYPES, _PLAIN), (_PROTOTYPES, _RANDOM), (_PROTOTYPES, _PERMUTED), (_BOTH, _PLAIN))
    ]
    spread = {name: np.mean([_spread(each, test) for each in networks[name]], axis=0) for name in (_PLAIN, _CAP)}
    left = bootstrap(ratio_of_means, seed=seed, part=spread[_CAP], whole=spread[_PLAIN])
    pleasant = _pleasant(test)
    right = {name: answers[name].T[:, pleasant] == test.majority[pleasant] for name in (_PLAIN, _CAP)}
    change = over_networks(right[_CAP].astype(float) - right[_PLAIN].astype(float), seed)
    return [
        *gains,
        claim_end("spread of pleasant classes with the cap, as a share of that without", left, "<", 1.0),
        claim_value("recall of pleasant classes, with the cap minus without", change, ">=", -0.01),
    ]


def _answers(networks: list[Sight]) -> Ints:
    """The expression (n, networks) with the greatest probability."""
    return np.stack([each.probability.argmax(axis=1) for each in networks], axis=1)


def _pleasant(faces: FaceCorpus) -> Ints:
    """Rows of faces that most people called happy or surprised."""
    from affectome.learn.face_trainer import CAPPED

    labels = load_taxonomy("ferplus8").labels
    return np.flatnonzero(np.isin(faces.majority, [labels.index(label) for label in CAPPED]))


def _spread(seen: Sight, faces: FaceCorpus) -> Floats:
    """Squared distance of each pleasant face to the mean of its class."""
    rows = _pleasant(faces)
    features, labels = seen.features[rows], faces.majority[rows]
    centres = {label: features[labels == label].mean(axis=0) for label in np.unique(labels)}
    return np.asarray(np.square(features - np.stack([centres[label] for label in labels])).sum(axis=1))


def _macro_f1(*, truth: Ints, predictions: Ints) -> float:
    return _mean_over(f1, truth, predictions)


def _balanced_accuracy(*, truth: Ints, predictions: Ints) -> float:
    return _mean_over(uar, truth, predictions)


def _gain(*, truth: Ints, first: Ints, second: Ints) -> float:
    return _mean_over(f1, truth, first) - _mean_over(f1, truth, second)


def _mean_over(metric: Metric, truth: Ints, predictions: Ints) -> float:
    """Mean of a metric over networks, whose predictions are columns."""
    return float(np.mean([float(metric(truth=truth, prediction=each)) for each in predictions.T]))
