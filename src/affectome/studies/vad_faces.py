"""Students of faces: votes or their majority, expressions that conflict kept apart, labels as posteriors of points."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from affectome.affect import EmotionGaussians, label_entropy, load_taxonomy
from affectome.evaluate import Interval, bootstrap, predict_mean
from affectome.studies.comparing import claim_end, claim_value, divergences
from affectome.studies.face_students import FaceStudents, over_networks, see_faces
from affectome.studies.study import Claim, Context, Role, Row, Table
from affectome.studies.vad_students import posterior_for_label, ratio_of_means, smoothed_evenly

if TYPE_CHECKING:
    from affectome.learn.face_corpus import FaceCorpus

Floats = NDArray[np.float64]

_TERM = {
    "happiness": "happy",
    "sadness": "sad",
    "surprise": "surprised",
    "anger": "angry",
    "disgust": "disgusted",
    "fear": "fearful",
}
_SEEDS = 2
_WEIGHTS = (4.0, 8.0, 16.0, 32.0)  # of consistency
_NEAR = {
    ("anger", "disgust"): 0.8,
    ("sadness", "neutral"): 0.8,
    ("sadness", "fear"): 0.8,
    ("sadness", "anger"): 0.8,
    ("surprise", "fear"): 0.4,
    ("happiness", "surprise"): 0.4,
}
"""Expressions that people do see together, for the control: as many pairs, with the same weights."""
_MEAN_VOTES, _MEAN_LABELS = "mean votes", "mean of majority labels"
_VOTES, _CONSISTENT, _OTHER_PAIRS = "votes", "votes, consistent", "votes, consistent in other pairs"
_ONE_HOT, _SMOOTH = "majority label", "majority label, smoothed evenly"
_OF_LABEL, _OF_VOTES = "posterior of the label's point", "posterior of the votes' point"
_ROLES: dict[str, Role] = {
    _MEAN_VOTES: "baseline",
    _MEAN_LABELS: "baseline",
    _SMOOTH: "control",
    _OTHER_PAIRS: "control",
}
_COLUMNS = ("KL", "JS", "accuracy", "happiness × sadness")


def learn_faces(context: Context, terms: EmotionGaussians) -> tuple[Table, list[Claim], list[str]]:
    """Train networks of faces that differ in what they are taught.

    Args:
        context: Of the study.
        terms: The published terms.

    Returns:
        Their table, claims and notes.
    """
    students = FaceStudents(context)
    lessons = _lessons(students.train, terms)
    seeds = range(context.seed, context.seed + _SEEDS)
    networks = {
        name: [students.learn(f"lesson-{k}", seed, votes=lesson) for seed in seeds]
        for k, (name, lesson) in enumerate(lessons.items())
    }
    weight = students.largest_weight(
        networks[_VOTES][0],
        _WEIGHTS,
        lambda weight: students.learn(f"consistent-{weight:g}", context.seed, consistency=weight),
    )
    networks[_CONSISTENT] = [students.learn(f"consistent-{weight:g}", s, consistency=weight) for s in seeds]
    networks[_OTHER_PAIRS] = [
        students.learn(f"other-pairs-{weight:g}", s, consistency=weight, conflicts=_NEAR) for s in seeds
    ]
    test = students.open_test()
    outputs = {
        name: [predict_mean(train_truth=lessons[lesson], items=len(test.names))] * _SEEDS
        for name, lesson in ((_MEAN_VOTES, _VOTES), (_MEAN_LABELS, _ONE_HOT))
    }
    for name in (_ONE_HOT, _SMOOTH, _OF_LABEL, _OF_VOTES, _VOTES, _OTHER_PAIRS, _CONSISTENT):
        outputs[name] = [see_faces(network, test).probability for network in networks[name]]
    rows = [Row(name, _ROLES.get(name, "result"), _values(test, each, context.seed)) for name, each in outputs.items()]
    title = f"FER+ test, {_SEEDS} small networks each, divergence from the votes: {len(test.names):,} faces"
    notes = [
        f"Networks of faces are small and trained for little more than two passes, {_SEEDS} of each kind; the shipped"
        " reader is better. Intervals are for other faces, on means over the networks.",
        f"Consistency of faces has the weight {weight:g}, the largest of {_WEIGHTS[0]:g} to {_WEIGHTS[-1]:g} before"
        " divergence on the development faces rises by more than 1%.",
        "FER+ has no rated points. The point of a face is the mean of the published terms by its votes, so that lesson"
        " knows the votes; the point of a label is its term's mean, and that lesson knows no more than the label.",
    ]
    return Table(title, _COLUMNS, rows), _claims(test.votes.astype(np.float64), outputs, context.seed), notes


def _lessons(train: FaceCorpus, terms: EmotionGaussians) -> dict[str, Floats]:
    """What each network is to say of the training faces, (n, 8) in the order of ``ferplus8``."""
    labels = load_taxonomy("ferplus8").labels
    order = [terms.terms.index(_TERM.get(label, label)) for label in labels]
    ours = EmotionGaussians(labels, terms.mean[order], terms.sd[order], terms.correlation[order])
    votes = train.votes.astype(np.float64)
    hard = np.eye(len(labels))[train.majority]
    posterior = partial(posterior_for_label, ours, labels=train.majority, dims="VA")
    of_votes = posterior(points=votes @ ours.mean[:, :2])
    return {
        _VOTES: votes,
        _ONE_HOT: hard,
        _SMOOTH: smoothed_evenly(hard, float(label_entropy(of_votes, exclusive=True).mean())),
        _OF_LABEL: posterior(points=ours.mean[train.majority, :2]),
        _OF_VOTES: of_votes,
    }


def _values(test: FaceCorpus, outputs: list[Floats], seed: int) -> dict[str, Interval]:
    votes = test.votes.astype(np.float64)
    middles = [(votes + output) / 2 for output in outputs]
    values = (
        (divergences(votes, output) for output in outputs),
        (
            (divergences(votes, middle) + divergences(output, middle)) / 2
            for output, middle in zip(outputs, middles, strict=True)
        ),
        (output.argmax(axis=1) == test.majority for output in outputs),
        map(_joint, outputs),
    )
    return {column: over_networks(each, seed) for column, each in zip(_COLUMNS, values, strict=True)}


def _claims(votes: Floats, outputs: dict[str, list[Floats]], seed: int) -> list[Claim]:
    cost = {name: np.mean([divergences(votes, output) for output in each], axis=0) for name, each in outputs.items()}
    joint = {name: np.mean([_joint(output) for output in outputs[name]], axis=0) for name in (_VOTES, _CONSISTENT)}
    left = bootstrap(ratio_of_means, seed=seed, part=joint[_CONSISTENT], whole=joint[_VOTES])
    price = bootstrap(ratio_of_means, seed=seed, part=cost[_CONSISTENT], whole=cost[_VOTES])
    pairs = (
        (_VOTES, _ONE_HOT),
        (_OF_LABEL, _ONE_HOT),
        (_OF_VOTES, _ONE_HOT),
        (_OF_VOTES, _SMOOTH),
    )
    return [
        *(
            claim_end(
                f"faces: KL from the votes, student of “{first}” minus that of “{second}”",
                over_networks([cost[first] - cost[second]], seed),
                "<",
            )
            for first, second in pairs
        ),
        claim_value("faces, consistency: happiness × sadness, as a share of that of plain training", left, "<=", 0.5),
        Claim(
            "faces, consistency: KL beyond that of plain training, as a share of it",
            abs(price.value - 1),
            0.02,
            "<=",
            price,
        ),
    ]


def _joint(output: Floats) -> Floats:
    """Probability of happiness times that of sadness, of each face."""
    labels = load_taxonomy("ferplus8").labels
    return np.asarray(output[:, labels.index("happiness")] * output[:, labels.index("sadness")])
