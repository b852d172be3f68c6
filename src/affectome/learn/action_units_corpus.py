"""Drawn faces whose action units are known exactly, with the landmarks that the face mesh finds on them.

Every picture follows from the recipe's seed, the part it belongs to and its number, so that an interrupted run goes on
where it stopped. A person appears in one part only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from affectome.affect.action_units import list_action_units, list_facial_expressions
from affectome.learn.face_rendering import FaceShape
from affectome.learn.face_rendering_people import draw_person
from affectome.learn.face_rendering_pictures import Pose, Shot, Sitter, Studio
from affectome.pipeline.storage import storage_errors

Array = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]
Mesh = Callable[[Bytes], tuple[Array, Array]]
"""From crops (n, side, side, 3) to landmarks (n, 468, 3) in their pixels, and scores (n,)."""

SIDE = 192
"""Pixels on each side of a drawn picture."""
PARTS = ("train", "dev", "test")
_PEOPLE = 50  # people in a file
_AT_REST, _EXPRESSION = 0.1, 0.35  # share of pictures of a face at rest, and of a known expression
_MOST = 6  # units in the other pictures
_ONE_SIDED = 0.06
_CLOSED, _APART = 0.03, 0.35  # distance of the lips over the width of the mouth: closed, and as far as it counts
_ASIDE = ("cheekPuff", "jawForward", "jawLeft", "jawRight", "mouthLeft", "mouthRight")  # no unit that is read


@dataclass(frozen=True, eq=False)
class DrawnFaces:
    """n drawn faces.

    Attributes:
        pictures: ``(n, 192, 192)`` grey values.
        points: ``(n, 468, 3)`` landmarks in pixels of the picture.
        scores: ``(n,)`` how sure the mesh is of a face.
        strengths: ``(n, units)`` strength of each action unit in [0, 1], the stronger side.
        angles: ``(n, 3)`` yaw, pitch and roll of the head in degrees.
        gaze: ``(n, 2)`` degrees to the person's left and up.
        people: ``(n,)`` number of the person.
    """

    pictures: Bytes
    points: Array
    scores: Array
    strengths: Array
    angles: Array
    gaze: Array
    people: Ints

    def at(self, rows: Ints) -> DrawnFaces:
        """The faces at some rows."""
        return DrawnFaces(*(getattr(self, field.name)[rows] for field in fields(self)))


def draw_strengths(rng: np.random.Generator) -> dict[int, tuple[float, float]]:
    """Strengths, on the left and the right, of the action units of one picture; those not named are at rest."""
    units = {unit.number: unit for unit in list_action_units()}
    chosen: dict[int, float] = {}
    kind = rng.random()
    if kind < _AT_REST:
        return {}
    if kind < _AT_REST + _EXPRESSION:
        expressions = list_facial_expressions()
        expression = expressions[rng.integers(len(expressions))]
        how_much = rng.uniform(0.2, 1)
        for numbers, chance in ((expression.core, 0.85), (expression.further, 0.3), (tuple(units), 0.03)):
            for number in numbers:
                if rng.random() < chance:
                    chosen[number] = float(np.clip(how_much * rng.uniform(0.6, 1.4), 0, 1))
    else:
        open_ones = list(units)
        for _ in range(int(rng.integers(1, _MOST + 1))):
            number = int(rng.choice(open_ones))
            chosen[number] = float(rng.uniform(0.1, 1))
            clash = {number, *units[number].excludes}
            open_ones = [other for other in open_ones if other not in clash and number not in units[other].excludes]
    kept: list[int] = []
    for number in rng.permutation(list(chosen)).tolist():
        if not any(number in units[other].excludes or other in units[number].excludes for other in kept):
            kept.append(number)
    found = {}
    one_sided = rng.random() < _ONE_SIDED
    for number in kept:
        strength, weaker = chosen[number], rng.uniform(0, 0.4) if one_sided else rng.uniform(0.85, 1)
        other = strength * weaker if units[number].sides else strength
        found[number] = (strength, other) if rng.random() < 0.5 else (other, strength)
    return found


def draw_pose(shape: FaceShape, at_rest: Array, rng: np.random.Generator) -> Pose:
    """What a face does in one picture.

    Args:
        shape: The face.
        at_rest: ``(57,)`` strengths of movements of the person's resting face.
        rng: Chance.
    """
    strengths = draw_strengths(rng)
    units = {unit.number: unit for unit in list_action_units()}
    movements = at_rest.copy()
    for number, sides in strengths.items():
        movements = np.maximum(movements, shape.weights(units[number].moved(*sides)))
    if 25 in strengths:
        part = strengths[25][0]
        slight = {"jawOpen": 0.16 * part}
        for side in "LR":
            slight |= {f"mouthLowerDown_{side}": 0.18 * part, f"mouthUpperUp_{side}": 0.15 * part}
        movements = np.maximum(movements, shape.weights(slight))
    for name in shape.names:
        if name.split("_")[0] in _ASIDE and rng.random() < 0.02:
            movements[shape.names.index(name)] = rng.uniform(0, 0.7)
    angles = (
        float(np.clip(rng.normal(0, 13), -40, 40)),
        float(np.clip(rng.normal(0, 8), -25, 25)),
        float(np.clip(rng.normal(0, 8), -20, 20)),
    )
    straight = rng.random() < 0.4
    gaze = (
        float(np.clip(rng.normal(0, 4 if straight else 13), -30, 30)),
        float(np.clip(rng.normal(0, 3 if straight else 8), -20, 20)),
    )
    return Pose(movements, strengths, angles, gaze)


def true_strengths(pose: Pose, shot: Shot) -> Array:
    """Strength of each action unit of `list_action_units`: that of the stronger side, and how far lips are apart."""
    found = np.array([max(pose.strengths.get(unit.number, (0.0, 0.0))) for unit in list_action_units()], np.float32)
    place = [unit.number for unit in list_action_units()].index(25)
    found[place] = np.clip((shot.lips_apart - _CLOSED) / (_APART - _CLOSED), 0, 1)
    return found


def draw_faces(
    shape: FaceShape,
    mesh: Mesh,
    folder: Path,
    *,
    part: str,
    people: int,
    shots: int,
    seed: int,
    report: Callable[[str], None] | None = None,
) -> DrawnFaces:
    """Draw faces, or read those that were drawn before.

    Args:
        shape: The parametric face.
        mesh: What finds landmarks.
        folder: Where faces are kept, in files of fifty people each.
        part: ``train``, ``dev`` or ``test``.
        people: Number of people.
        shots: Pictures of each.
        seed: Seed of everything.
        report: Called after each file that is drawn.

    Raises:
        RunError: A file cannot be written.
    """
    found = []
    for first in range(0, people, _PEOPLE):
        last = min(first + _PEOPLE, people)
        path = folder / f"{part}-{seed}-{shots}-{first}-{last}.npz"
        if not path.is_file():
            faces = _draw_people(shape, mesh, (seed, PARTS.index(part)), range(first, last), shots)
            _write(path, faces)
            if report:
                report(f"drawn faces, {part}: {last} of {people} people")
        with np.load(path) as stored:
            found.append({name: stored[name] for name in stored.files})
    joined = {field.name: np.concatenate([each[field.name] for each in found]) for field in fields(DrawnFaces)}
    return DrawnFaces(**joined)


def _draw_people(shape: FaceShape, mesh: Mesh, seed: tuple[int, int], numbers: range, shots: int) -> DrawnFaces:
    studio = Studio(shape, SIDE)
    rows: dict[str, list[object]] = {field.name: [] for field in fields(DrawnFaces)}
    for number in numbers:
        rng = np.random.default_rng((*seed, number))
        sitter: Sitter = studio.seat(draw_person(rng))
        at_rest = _resting(shape, rng)
        for _ in range(shots):
            pose = draw_pose(shape, at_rest, rng)
            shot = studio.take(sitter, pose, rng)
            points, scores = mesh(shot.picture[None])
            grey = shot.picture @ np.array([0.299, 0.587, 0.114], np.float32)
            values = (
                grey.astype(np.uint8),
                points[0],
                scores[0],
                true_strengths(pose, shot),
                pose.angles,
                pose.gaze,
                number,
            )
            for name, value in zip(rows, values, strict=True):
                rows[name].append(value)
    kinds = {"pictures": np.uint8, "people": np.int64}
    return DrawnFaces(**{name: np.array(values, kinds.get(name, np.float32)) for name, values in rows.items()})


def _resting(shape: FaceShape, rng: np.random.Generator) -> Array:
    """How a person's face at rest differs from the mean one in what it could also do: some frown a little, always."""
    found = np.zeros(len(shape.names), np.float32)
    for name in sorted({name.split("_")[0] for name in shape.names}):
        if name.startswith(
            ("brow", "mouthFrown", "mouthSmile", "eyeSquint", "eyeBlink", "mouthPress", "cheek", "mouthShrug")
        ):
            strength = abs(rng.normal(0, 0.07)) * (rng.random() < 0.5)
            for k, full in enumerate(shape.names):
                if full.split("_")[0] == name:
                    found[k] = strength
    return found


def _write(path: Path, faces: DrawnFaces) -> None:
    with storage_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        with partial.open("wb") as stream:
            np.savez(stream, **{field.name: getattr(faces, field.name) for field in fields(faces)})
        partial.replace(path)
