"""Strengths of action units from the points of a face and its picture, with a bundle's ONNX model.

Points are turned until the face looks straight ahead, the picture until it fills a square; both use only points that
expressions hardly move. Training prepares faces with the same functions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import onnxruntime

    from affectome.models import Bundle

Array = NDArray[np.float32]
Way = Literal["both", "points", "picture"]
"""What strengths are read from."""
Bytes = NDArray[np.uint8]
Bools = NDArray[np.bool_]

SQUARE = 96
"""Pixels on each side of the picture that the model sees."""
STABLE = (
    *(6, 168, 197, 195, 5, 4),  # ridge of the nose
    *(33, 133, 362, 263),  # corners of the eyes
    *(
        10,
        109,
        338,
        67,
        297,
        103,
        332,
        54,
        284,
        21,
        251,
        162,
        389,
        127,
        356,
        234,
        454,
    ),  # rim of the face, above the jaw
)
"""Points of the mesh that expressions hardly move."""
_TOP, _BOTTOM = 10, 152  # points at the top of the forehead and at the chin
_FIRST_ROW, _ROWS = 3.0, 82.0  # where the forehead begins in the square, and rows from there to a chin at rest
_REDUCED = 1.4  # pixels of a crop in one of the square, from which on the crop is halved before
_BATCH = 4  # faces: no slower than many, and each has activations of a megabyte and more
_GREY = np.array([0.299, 0.587, 0.114], np.float32)


def turn_straight(points: Array, reference: Array) -> tuple[Array, Array]:
    """Turn, scale and move faces until their stable points lie as near as can be to those of a reference face.

    Args:
        points: ``(n, 468, 3)`` in any unit.
        reference: ``(468, 3)``, a face that looks straight ahead.

    Returns:
        The points ``(n, 468, 3)`` in units of the reference; and which way ``(n, 3)`` the nose points: right, down and
        towards the viewer, of length 1.
    """
    stable = list(STABLE)
    wanted = reference[stable] - reference[stable].mean(axis=0)
    found = points[:, stable]
    middle = found.mean(axis=1, keepdims=True)
    centred = found - middle
    # Umeyama 1991: the best rotation from the singular vectors of the covariance, the best scale from its values.
    u, s, vt = np.linalg.svd(np.einsum("ij,nik->njk", wanted, centred))
    sign = np.ones((len(points), 3), np.float32)
    sign[:, 2] = np.sign(np.linalg.det(u @ vt))
    turn = (u * sign[:, None, :]) @ vt
    scale = (s * sign).sum(axis=1) / np.maximum((centred**2).sum(axis=(1, 2)), 1e-12)
    straight = np.einsum("njk,npk->npj", turn, points - middle) * scale[:, None, None]
    moved = straight + reference[stable].mean(axis=0)
    return np.asarray(moved, np.float32), np.asarray(turn[:, 2] * [1, 1, -1], np.float32)


def straighten(crops: Bytes, points: Array, reference: Array) -> Bytes:
    """Cut faces out so that their stable points lie where those of a reference face do.

    Args:
        crops: ``(n, side, side, 3)`` in colour or ``(n, side, side)`` in grey.
        points: ``(n, 468, 3)`` in pixels of the crops.
        reference: ``(468, 3)``, a face that looks straight ahead.

    Returns:
        Grey pictures ``(n, 96, 96)``; beyond its border a crop goes on as it ends.
    """
    stable, flat = list(STABLE), reference[:, :2]
    unit = _ROWS / (flat[_BOTTOM, 1] - flat[_TOP, 1])
    place = (flat - [flat[stable, 0].mean(), flat[_TOP, 1]]) * unit + [(SQUARE - 1) / 2, _FIRST_ROW]
    source = place[stable] - place[stable].mean(axis=0)
    power = float((source**2).sum())
    rows, columns = np.mgrid[:SQUARE, :SQUARE].astype(np.float32)
    columns -= place[stable, 0].mean()
    rows -= place[stable, 1].mean()
    found = np.zeros((len(crops), SQUARE, SQUARE), np.uint8)
    for k, (crop, own) in enumerate(zip(crops, points[:, stable, :2], strict=True)):
        middle = own.mean(axis=0)
        away = own - middle
        along = float((source * away).sum()) / power
        across = float((source[:, 0] * away[:, 1] - source[:, 1] * away[:, 0]).sum()) / power
        x, y = along * columns - across * rows + middle[0], across * columns + along * rows + middle[1]
        grey = (crop @ _GREY if crop.ndim == 3 else crop).astype(np.float32)
        if np.hypot(along, across) > _REDUCED:
            even = grey[: len(grey) // 2 * 2, : len(grey) // 2 * 2]
            grey = (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4
            x, y = (x - 0.5) / 2, (y - 0.5) / 2
        found[k] = _sampled(grey, x, y)
    return found


def _sampled(grey: Array, x: Array, y: Array) -> Array:
    """Values of a picture between its pixels, bilinear."""
    last = len(grey) - 1
    x, y = np.clip(x, 0, last - 1e-3), np.clip(y, 0, last - 1e-3)
    left, top = x.astype(np.int64), y.astype(np.int64)
    right_share, low_share = x - left, y - top
    above = grey[top, left] * (1 - right_share) + grey[top, left + 1] * right_share
    below = grey[top + 1, left] * (1 - right_share) + grey[top + 1, left + 1] * right_share
    return np.asarray(above * (1 - low_share) + below * low_share + 0.5, np.float32)


def standardised(squares: Bytes) -> Array:
    """Squares ``(n, 96, 96)`` of grey values as (n, 1, 96, 96), each of mean 0 and standard deviation 1."""
    values = squares.astype(np.float32)
    values -= values.mean(axis=(1, 2), keepdims=True)
    return np.asarray(values / np.maximum(values.std(axis=(1, 2), keepdims=True), 4), np.float32)[:, None]


class ActionUnits:
    """Reads action units.

    Args:
        session: ONNX Runtime session of a bundle's ``model.onnx``.
        readout: Content of its ``readout.json``: ``units`` (numbers), ``present`` (for each the strength from which it
            counts as present) and ``reference`` (468 points of a face that looks straight ahead).
    """

    def __init__(self, session: onnxruntime.InferenceSession, readout: Mapping[str, Any]) -> None:
        self._session = session
        self.units = tuple(int(number) for number in readout["units"])
        self.names = tuple(f"AU{number:02d}" for number in self.units)
        self.thresholds = np.array(readout["present"], np.float32)
        self._reference = np.array(readout["reference"], np.float32)

    @classmethod
    def of(cls, bundle: Bundle, threads: int = 1) -> ActionUnits:
        """The reader of a bundle of task ``action-units``."""
        readout = json.loads(bundle.file("readout.json").read_text(encoding="utf-8"))
        return cls(bundle.session(threads=threads), readout)

    def inputs(self, points: Array, crops: Bytes) -> dict[str, Array]:
        """What the model is given for n faces; arguments as of `measure`.

        Returns:
            ``points`` ``(n, 468, 3)`` turned straight; ``turn`` ``(n, 3)``: which way the nose points; ``crop``
            ``(n, 1, 96, 96)``, each of mean 0 and standard deviation 1.
        """
        straight, turn = turn_straight(points, self._reference)
        return {"points": straight, "turn": turn, "crop": standardised(straighten(crops, points, self._reference))}

    def measure(self, points: Array, crops: Bytes, *, by: Way = "both") -> Array:
        """Strengths of the action units of n faces.

        Args:
            points: ``(n, 468, 3)`` in pixels of the crops, as `FaceMesh` gives them.
            crops: ``(n, side, side, 3)`` in colour or ``(n, side, side)`` in grey.
            by: What to go by.

        Returns:
            Strengths ``(n, units)`` in [0, 1]: 0 at rest, 1 as strong as it can be.
        """
        found = np.zeros((len(points), len(self.units)), np.float32)
        output = "strengths" if by == "both" else f"by_{by}"
        for k in range(0, len(points), _BATCH):
            part = slice(k, k + _BATCH)
            found[part] = self._session.run([output], self.inputs(points[part], crops[part]))[0]
        return found

    def present(self, strengths: Array) -> Bools:
        """Which units ``(n, units)`` count as present."""
        return np.asarray(strengths >= self.thresholds)
