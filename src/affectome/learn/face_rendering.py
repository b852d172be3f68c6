"""Faces drawn from a parametric mesh: who it is, what the face does, and where it is seen from decide every point.

The mesh is the light form of ICT-FaceKit (Li et al. 2020, Learning Formation of Physically-Based Face Attributes),
under the MIT licence: a neutral face, 57 displacements for movements and 50 for identities. It is read from the folder
of the corpora and is no part of the package.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from affectome.errors import InputError

Array = NDArray[np.float32]
Ints = NDArray[np.int64]

SKIN, HEAD, MOUTH, TEETH, LEFT_EYE, RIGHT_EYE = range(6)
"""Parts of the mesh; left is the person's left."""
_MATERIALS = {
    "M_Face": SKIN,
    "M_BackHead": HEAD,
    "M_GumsTongue": MOUTH,
    "M_Teeth": TEETH,
    "M_ScleraLeft": LEFT_EYE,
    "M_ScleraRight": RIGHT_EYE,
}
LANDMARKS: Mapping[str, tuple[int, ...]] = {
    "jaw": (1225, 1888, 1052, 367, 1719, 1722, 2199, 1447, 966, 3661, 4390, 3927, 3924, 2608, 3272, 4088, 3443),
    "right_brow": (268, 493, 1914, 2044, 1401),
    "left_brow": (3615, 4240, 4114, 2734, 2509),
    "nose": (978, 4527, 4942, 4857, 1140, 2075, 1147, 4269, 3360),
    "right_eye": (1507, 1542, 1537, 1528, 1518, 1511),
    "left_eye": (3742, 3751, 3756, 3721, 3725, 3732),
    "outer_lips": (5708, 5695, 2081, 0, 4275, 6200, 6213, 6346, 6461, 5518, 5957, 5841),
    "inner_lips": (5702, 5711, 5533, 6216, 6207, 6470, 5517, 5966),
}
"""Vertices of the usual 68 landmarks; eyes and lips go round from the person's right corner over the top."""
_RING = 4  # faces of the mesh that meet in a vertex and are looked at; nearly all vertices have four
_LOWEST = -14.0  # cm: shoulders are painted
_EDGE = 1e-4  # share by which a pixel may lie beside a triangle, so that rounding leaves no holes


@dataclass(frozen=True, eq=False)
class FaceShape:
    """A parametric face.

    Attributes:
        neutral: ``(v, 3)`` in cm; x to the person's left, y up, z to the front.
        identities: ``(50, v, 3)`` displacements, one standard deviation each.
        movements: ``(57, v, 3)`` displacements of a full movement.
        names: Names of the movements.
        triangles: ``(t, 3)`` vertices, counter-clockwise from outside.
        parts: ``(t,)`` one of `SKIN`, `HEAD`, `MOUTH`, `TEETH`, `LEFT_EYE` and `RIGHT_EYE`.
        quads: ``(q, 4)`` vertices.
        ring: ``(4, v)`` quads around a vertex, repeated where there are fewer.
        landmarks: Vertices of the 68 landmarks by part of the face.
    """

    neutral: Array
    identities: Array
    movements: Array
    names: tuple[str, ...]
    triangles: Ints
    parts: Ints
    quads: Ints
    ring: Ints
    landmarks: Mapping[str, Ints]

    def part_of_vertices(self) -> Ints:
        """Part ``(v,)`` of each vertex: the first of those it belongs to."""
        found = np.full(len(self.neutral), SKIN, np.int64)
        for part in reversed(range(len(_MATERIALS))):
            found[self.triangles[self.parts == part]] = part
        return found

    def weights(self, movements: Mapping[str, float]) -> Array:
        """Strengths ``(57,)`` of named movements; those not named do not happen."""
        found = np.zeros(len(self.names), np.float32)
        for name, strength in movements.items():
            found[self.names.index(name)] = strength
        return found

    def at_rest(self, identity: Array) -> Array:
        """Vertices ``(v, 3)`` of a person whose face does not move.

        Args:
            identity: ``(50,)`` standard deviations from the mean face.
        """
        away = identity @ self.identities.reshape(len(identity), -1)
        return self.neutral + away.reshape(self.neutral.shape)

    def moved(self, at_rest: Array, movements: Array) -> Array:
        """Vertices ``(v, 3)`` of a person whose face moves.

        Args:
            at_rest: Vertices ``(v, 3)`` of the same person at rest.
            movements: ``(57,)`` strengths in [0, 1].
        """
        found = at_rest.copy()
        for k in np.flatnonzero(movements):
            found += movements[k] * self.movements[k]
        return found

    def normals(self, vertices: Array) -> tuple[Array, Array]:
        """Unit normals ``(v, 3)``, and how far (v,) in cm the surface around a vertex lies in front of it."""
        first, second, third, fourth = (vertices[self.quads[:, k]] for k in range(4))
        (a, b, c), (d, e, f) = (third - first).T, (fourth - second).T
        of_quads = np.stack([b * f - c * e, c * d - a * f, a * e - b * d], axis=1)
        middles = first + second + third + fourth
        summed = of_quads[self.ring[0]] + of_quads[self.ring[1]] + of_quads[self.ring[2]] + of_quads[self.ring[3]]
        around = middles[self.ring[0]] + middles[self.ring[1]] + middles[self.ring[2]] + middles[self.ring[3]]
        unit = summed / np.maximum(np.sqrt(np.einsum("ij,ij->i", summed, summed)), 1e-9)[:, None]
        return unit, np.einsum("ij,ij->i", around / 16 - vertices, unit)


def load_face_shape(data: Path) -> FaceShape:
    """Read the mesh without what a picture of a face never shows: shoulders and the backs of eyes and teeth.

    What is transparent or thinner than a pixel is left out as well: tears, lashes, corneas.

    Args:
        data: Folder with ``ict_face/ict_face.npz``.

    Raises:
        InputError: ``bad_corpus`` if the file is missing or is another one.
    """
    path = data / "ict_face" / "ict_face.npz"
    try:
        with np.load(path) as stored:
            materials = [str(name) for name in stored["materials"]]
            code = np.array([_MATERIALS.get(name, -1) for name in materials])[stored["quad_material"]]
            seen = _seen(stored["neutral"], stored["quads"], code)
            quads, parts = stored["quads"][seen].astype(np.int64), code[seen]
            kept, flat = np.unique(quads, return_inverse=True)
            quads = flat.reshape(quads.shape)
            place = np.full(len(stored["neutral"]), -1)
            place[kept] = np.arange(len(kept))
            return FaceShape(
                neutral=stored["neutral"][kept],
                identities=np.ascontiguousarray(stored["identities"][:, kept], np.float32),
                movements=np.ascontiguousarray(stored["expressions"][:, kept], np.float32),
                names=tuple(str(name) for name in stored["expression_names"]),
                triangles=np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]),
                parts=np.concatenate([parts, parts]),
                quads=quads,
                ring=_ring(quads, len(kept)),
                landmarks={name: place[list(vertices)] for name, vertices in LANDMARKS.items()},
            )
    except (OSError, KeyError, ValueError, IndexError) as reason:
        raise InputError(
            f"The parametric face cannot be read: {reason}.",
            code="bad_corpus",
            value=path,
            next_step="Give the folder that holds the corpora.",
        ) from reason


def _seen(neutral: Array, quads: Ints, parts: Ints) -> NDArray[np.bool_]:
    """Which quads are drawn."""
    corners = neutral[quads]
    front = np.cross(corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1])[:, 2] > 0
    inner = np.isin(parts, (MOUTH, TEETH, LEFT_EYE, RIGHT_EYE))
    return np.asarray((parts >= 0) & (front | ~inner) & (corners[:, :, 1].max(axis=1) > _LOWEST))


def _ring(quads: Ints, vertices: int) -> Ints:
    """Quads (4, vertices) around each vertex, repeated where there are fewer."""
    owner = np.repeat(np.arange(len(quads)), 4)
    order = np.argsort(quads.ravel(), kind="stable")
    ends = np.cumsum(np.bincount(quads.ravel(), minlength=vertices))
    starts = np.concatenate([[0], ends[:-1]])
    places = starts[:, None] + np.arange(_RING) % np.maximum(ends - starts, 1)[:, None]
    return np.ascontiguousarray(owner[order][places].T)


class Camera(NamedTuple):
    """Where a face is seen from.

    Attributes:
        turn: ``(3, 3)`` rotation of the head: rows are the axes right, up and towards the camera of the picture.
        distance: From the middle of the head, in cm.
    """

    turn: Array
    distance: float

    def project(self, vertices: Array) -> Array:
        """Positions ``(v, 3)``: right, down and away from the camera, in units of cm at the distance of the head."""
        turned = (vertices - _MIDDLE) @ self.turn.T
        shrunk = self.distance / np.maximum(self.distance - turned[:, 2], 1e-3)
        return np.stack([turned[:, 0] * shrunk, -turned[:, 1] * shrunk, -turned[:, 2]], axis=1).astype(np.float32)


_MIDDLE = np.array([0.0, 0.0, 3.0], np.float32)


def rotation(yaw: float, pitch: float, roll: float) -> Array:
    """Rotation ``(3, 3)`` of a head by angles in degrees.

    Args:
        yaw: Turn to the person's left, to the right of the picture.
        pitch: Nod, down.
        roll: Tilt, clockwise in the picture.
    """
    y, p, r = np.deg2rad([yaw, pitch, roll])
    turn = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    nod = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    tilt = np.array([[np.cos(r), np.sin(r), 0], [-np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return np.asarray(tilt @ nod @ turn, np.float32)


class Fragments(NamedTuple):
    """What is visible in m pixels.

    Attributes:
        pixels: ``(m,)`` positions in the picture, row by row.
        triangles: ``(m,)`` the triangle that is in front.
        shares: ``(m, 3)`` how near the pixel is to each of its corners; they sum to 1.
    """

    pixels: Ints
    triangles: Ints
    shares: Array


def rasterise(positions: Array, triangles: Ints, size: int) -> Fragments:
    """Which triangle is in front in each pixel, by a depth buffer.

    Args:
        positions: ``(v, 3)`` column, row and depth in pixels; the centre of the first pixel is 0, 0.
        triangles: ``(t, 3)``, those that are clockwise in the picture face the camera, the others are not drawn.
        size: Sides of the picture.
    """
    x, y, z = (np.ascontiguousarray(positions[:, k])[triangles.T] for k in range(3))
    area = (x[1] - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (y[1] - y[0])
    facing = np.flatnonzero(area < -1e-9)
    x, y, z, scale = x[:, facing], y[:, facing], z[:, facing], 1 / area[facing]
    left = np.maximum(np.ceil(np.minimum(np.minimum(x[0], x[1]), x[2])), 0).astype(np.int64)
    top = np.maximum(np.ceil(np.minimum(np.minimum(y[0], y[1]), y[2])), 0).astype(np.int64)
    right = np.minimum(np.floor(np.maximum(np.maximum(x[0], x[1]), x[2])), size - 1).astype(np.int64)
    bottom = np.minimum(np.floor(np.maximum(np.maximum(y[0], y[1]), y[2])), size - 1).astype(np.int64)
    width, height = np.maximum(right - left + 1, 0), np.maximum(bottom - top + 1, 0)
    # Every pixel of every triangle's frame is a candidate.
    count = width * height
    of = np.repeat(np.arange(len(facing)), count)
    row, column = np.divmod(np.arange(len(of)) - (np.cumsum(count) - count)[of], width[of])
    row += top[of]
    column += left[of]
    across, down = (column - x[0][of]).astype(np.float32), (row - y[0][of]).astype(np.float32)
    # The shares of the second and third corner change linearly over the picture.
    second = ((y[2] - y[0]) * scale)[of] * across - ((x[2] - x[0]) * scale)[of] * down
    third = ((x[1] - x[0]) * scale)[of] * down - ((y[1] - y[0]) * scale)[of] * across
    inside = np.flatnonzero((second >= -_EDGE) & (third >= -_EDGE) & (second + third <= 1 + _EDGE))
    of, second, third = of[inside], second[inside], third[inside]
    pixel = row[inside] * size + column[inside]
    depth = z[0][of] + second * (z[1] - z[0])[of] + third * (z[2] - z[0])[of]
    # One number holds depth and candidate, so that the least of them in a pixel names the nearest.
    nearness = np.clip((depth + 1e3) * 1e5, 0, 2**40).astype(np.int64)
    key = (nearness << 22) | np.arange(len(pixel))
    buffer = np.full(size * size, np.iinfo(np.int64).max)
    np.minimum.at(buffer, pixel, key)
    pixels = np.flatnonzero(buffer < np.iinfo(np.int64).max)
    chosen = buffer[pixels] & ((1 << 22) - 1)
    shares = np.stack([1 - second[chosen] - third[chosen], second[chosen], third[chosen]], axis=1)
    return Fragments(pixels, facing[of[chosen]], shares)
