"""How well action units are read.

Of drawn faces the truth is exact; of photographs only the expression that people saw in them is known.

Needs the ``face`` extra.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affectome.affect import load_taxonomy
from affectome.affect.action_units import PRESENT, list_facial_expressions
from affectome.evaluate import Interval, auc, bootstrap, ccc, multilabel_f1
from affectome.learn.face_corpus import VOTES, load_faces
from affectome.media.face_detection import framed
from affectome.perceive.action_units import ActionUnits
from affectome.perceive.face_mesh import FaceMesh

Array = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

_SURE = 0.5  # of the mesh, below which a photograph is left out


def presence_f1(*, truth: ArrayLike, probability: ArrayLike, thresholds: ArrayLike) -> float:
    """Micro-F1 of presence, from strengths on both sides.

    Args:
        truth: ``(n, units)`` true strengths; from grade B on a unit is present.
        probability: ``(n, units)`` strengths that were read.
        thresholds: ``(units,)`` strengths from which a reading counts.
    """
    present = np.asarray(truth) >= PRESENT
    return float(multilabel_f1(truth=present, probability=probability, thresholds=thresholds, average="micro"))


def mean_ccc(*, truth: ArrayLike, prediction: ArrayLike) -> float:
    """Concordance of strengths, averaged over the units."""
    return float(ccc(truth=truth, prediction=prediction))


def shifted_people(strengths: Array, people: Ints, seed: int) -> Array:
    """Readings of other people, face by face: the control that should fail."""
    order = np.random.default_rng(seed).permutation(len(strengths))
    for k in np.flatnonzero(people[order] == people):
        other = int(np.flatnonzero(people != people[k])[0])
        order[k] = other
    return strengths[order]


@dataclass(frozen=True, eq=False)
class Photographs:
    """n photographs of faces, and what people saw in them.

    Attributes:
        crops: ``(n, 256, 256)`` grey values.
        points: ``(n, 468, 3)`` in their pixels.
        labels: ``(n,)`` positions in ``ferplus8`` of the expression that most people named.
        lost: Further photographs, on which no face was found.
    """

    crops: Bytes
    points: Array
    labels: Ints
    lost: int


def find_photographs(
    mesh: FaceMesh, data: Path, *, split: Literal["train", "dev", "test"], most: int | None = None
) -> Photographs:
    """Find the faces of FER+ as `affectome analyze --face-crops` does.

    Args:
        mesh: What finds points.
        data: Folder with ``fer2013plus``.
        split: Which faces.
        most: Only the first so many.

    Raises:
        InputError: The faces cannot be read.
    """
    faces = load_faces(data).part(split)
    crops, points, labels = [], [], []
    pictures = faces.pictures[:most]
    for picture, label in zip(pictures, faces.majority[:most], strict=True):
        crop = framed(np.repeat(picture[:, :, None], 3, axis=2))
        found, sure = mesh(crop[None])
        if sure[0] >= _SURE:
            crops.append(crop[:, :, 0])
            points.append(found[0])
            labels.append(label)
    return Photographs(np.array(crops), np.array(points), np.array(labels), len(pictures) - len(crops))


@dataclass(frozen=True)
class Sense:
    """How an action unit stands on photographs of an expression beside all others.

    Attributes:
        expression: The expression that most people named.
        unit: Number of the unit.
        mean: Mean strength.
        others: Mean strength on the other photographs, the base rate.
        difference: Of the two, with its interval.
        present: Share of photographs on which it counts as present.
        others_present: The same share of the other photographs.
        auc: Chance that a photograph of the expression has the higher strength.
        n: Photographs of the expression.
    """

    expression: str
    unit: int
    mean: float
    others: float
    difference: Interval
    present: float
    others_present: float
    auc: float
    n: int


def sense_checks(
    reader: ActionUnits, strengths: Array, labels: Ints, *, seed: int, shuffled: bool = False
) -> list[Sense]:
    """The units that the literature names for an expression, on photographs of it and on all others.

    Args:
        reader: The reader, for its units and thresholds.
        strengths: ``(n, units)`` that it read.
        labels: ``(n,)`` positions in ``ferplus8`` of the expressions.
        seed: Seed of the draws.
        shuffled: Give the photographs each other's expressions: the control that should show nothing.
    """
    names = load_taxonomy(VOTES).labels
    labels = np.random.default_rng(seed).permutation(labels) if shuffled else labels
    present = reader.present(strengths)
    found = []
    for expression in list_facial_expressions():
        own = labels == names.index(expression.name)
        for unit in expression.core:
            k = reader.units.index(unit)
            values = strengths[:, k]
            found.append(
                Sense(
                    expression=expression.name,
                    unit=unit,
                    mean=_mean(values[own]),
                    others=_mean(values[~own]),
                    difference=bootstrap(_difference, seed=seed, resamples=500, values=values, own=own),
                    present=_mean(present[own, k]),
                    others_present=_mean(present[~own, k]),
                    auc=float(auc(truth=own, probability=values)),
                    n=int(own.sum()),
                )
            )
    return found


def _difference(*, values: Array, own: Bools) -> float:
    return _mean(values[own]) - _mean(values[~own])


def _mean(values: Array | Bools) -> float:
    """The mean; not a number where there is nothing."""
    return float(values.mean()) if len(values) else float("nan")
