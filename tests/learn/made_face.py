"""A face made of a bent sheet and two balls, in the layout of the parametric face that is read."""

from pathlib import Path

import numpy as np

from affectome.affect.action_units import list_action_units
from affectome.learn.face_rendering import LANDMARKS

_ROWS = _COLUMNS = 82  # more vertices than the largest number of a landmark
_EYE_AT, _EYE_SIZE = (3.2, 3.5, 8.3), 1.3


def _places():
    """Where landmarks lie, in cm, seen from the front."""
    angles = np.linspace(np.pi, 2 * np.pi, 17)
    places = {"jaw": np.stack([7.3 * np.cos(angles), 3 + 10 * np.sin(angles)], axis=1)}
    brow = np.linspace(1.2, 5.8, 5)
    places["left_brow"] = np.stack([brow, np.full(5, 6.0)], axis=1)
    places["right_brow"] = places["left_brow"][::-1] * [-1, 1]
    places["nose"] = np.array(
        [(0, 3.7), (0, 2.6), (0, 1.6), (0, 0.4), (-1.3, -1.1), (-0.6, -1.2), (0, -1.3), (0.6, -1.2), (1.3, -1.1)]
    )
    eye = np.array([(-1.4, 0), (-0.6, 0.5), (0.6, 0.5), (1.4, 0), (0.6, -0.4), (-0.6, -0.4)])
    places["right_eye"], places["left_eye"] = eye + np.array([-3.2, 3.5]), eye + np.array([3.2, 3.5])
    for name, count, width, height in (("outer_lips", 12, 2.5, 1.0), ("inner_lips", 8, 2.2, 0.3)):
        around = np.pi - np.arange(count) * 2 * np.pi / count
        places[name] = np.stack([width * np.cos(around), -3.4 + height * np.sin(around)], axis=1)
    return places


def _sheet():
    """Vertices of the sheet, numbered so that landmarks have their numbers, and its quads."""
    x, y = np.meshgrid(np.linspace(-9, 9, _COLUMNS), np.linspace(11, -11, _ROWS))
    flat = np.stack([x.ravel(), y.ravel()], axis=1)
    number = np.arange(len(flat))  # of each place on the sheet
    taken = np.zeros(len(flat), bool)
    for name, places in _places().items():
        for vertex, place in zip(LANDMARKS[name], places, strict=True):
            near = np.linalg.norm(flat - place, axis=1) + 1e9 * taken
            at, other = int(near.argmin()), int(np.flatnonzero(number == vertex)[0])
            number[[at, other]] = number[[other, at]]
            taken[at] = True
    vertices = np.zeros((len(flat), 3))
    vertices[number] = np.column_stack([flat, 11 - 0.09 * flat[:, 0] ** 2 - 0.02 * flat[:, 1] ** 2])
    grid = number.reshape(_ROWS, _COLUMNS)
    quads = np.stack([grid[:-1, :-1], grid[1:, :-1], grid[1:, 1:], grid[:-1, 1:]], axis=-1).reshape(-1, 4)
    middle = vertices[quads].mean(axis=1)
    open_eyes = (np.abs(np.abs(middle[:, 0]) - 3.2) < 1.2) & (np.abs(middle[:, 1] - 3.5) < 0.5)
    return vertices, quads[~open_eyes]


def _ball(side):
    around, up = np.meshgrid(np.linspace(0, 2 * np.pi, 17), np.linspace(np.pi, 0, 9))
    points = np.stack([np.sin(up) * np.sin(around), np.cos(up), np.sin(up) * np.cos(around)], axis=-1) * _EYE_SIZE
    number = np.arange(points[..., 0].size).reshape(points.shape[:2])
    quads = np.stack([number[:-1, :-1], number[:-1, 1:], number[1:, 1:], number[1:, :-1]], axis=-1).reshape(-1, 4)
    return points.reshape(-1, 3) + np.multiply(_EYE_AT, [side, 1, 1]), quads


def write_made_face(data: Path) -> None:
    """Write ``ict_face/ict_face.npz`` below a folder of corpora."""
    vertices, quads = _sheet()
    materials, kinds = ["M_Face", "M_ScleraLeft", "M_ScleraRight", "M_EyeLashes"], [np.zeros(len(quads), np.int8)]
    for kind, side in ((1, 1), (2, -1)):
        ball, of_ball = _ball(side)
        quads = np.concatenate([quads, of_ball + len(vertices)])
        kinds.append(np.full(len(of_ball), kind, np.int8))
        vertices = np.concatenate([vertices, ball])
    bases = {name for unit in list_action_units() for name in unit.movements if not unit.sides}
    sided = {name for unit in list_action_units() for name in unit.movements if unit.sides}
    sided |= {"eyeLookIn", "eyeLookOut", "eyeLookUp", "eyeLookDown", "mouthLowerDown", "mouthUpperUp", "cheekPuff"}
    names = sorted(bases | {"jawForward"} | {f"{name}_{side}" for name in sided for side in "LR"})
    rng = np.random.default_rng(0)
    expressions = np.zeros((len(names), *vertices.shape), np.float16)
    y = vertices[:, 1]
    for k, name in enumerate(names):
        middle, size = rng.uniform(-6, 6, 3) * [1, 1, 0] + [0, 0, 9], rng.uniform(-0.5, 0.5, 3)
        share = np.exp(-np.square(vertices - middle).sum(axis=1) / 4)
        if name == "jawOpen":
            share, size = 1 / (1 + np.exp((y + 3.4) * 20)), np.array([0, -2.5, 0])
        expressions[k] = share[:, None] * size
    identities = np.zeros((50, *vertices.shape), np.float16)
    for k in range(50):
        identities[k] = rng.normal(0, 0.2, 3) * np.sin(vertices[:, :1] * rng.uniform(0.1, 0.6) + rng.uniform(0, 6))
    folder = data / "ict_face"
    folder.mkdir(parents=True)
    np.savez(
        folder / "ict_face.npz",
        neutral=vertices.astype(np.float32),
        expressions=expressions,
        identities=identities,
        expression_names=np.array(names),
        quads=quads.astype(np.int32),
        quad_material=np.concatenate(kinds),
        materials=np.array(materials),
    )
