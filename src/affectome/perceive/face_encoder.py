"""Faces to expressions with a bundle's ONNX model."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from affectome.media.face_detection import CROP, MARGIN

if TYPE_CHECKING:
    import onnxruntime

Array = NDArray[np.float32]
Bytes = NDArray[np.uint8]

SIDE = 48
"""Pixels on each side of a face as the model sees it."""

_GREY = np.array([0.299, 0.587, 0.114], np.float32)  # luma, ITU-R BT.601
_FINER = 3  # points in a row and a column that a pixel is the mean of
_BATCH = 4  # faces: no slower than many, and each has activations of a megabyte and more
# Where the points of a face lie in the pictures of FER2013: medians over 1,500 training pictures of frontal faces, in
# sides of the picture. The mesh of a face is so wide and so high, and its middle so far right of and below theirs.
_WIDE, _HIGH = 0.847, 0.960
_RIGHT, _BELOW = -0.006, 0.031


class Seen(NamedTuple):
    """What the model gives for n faces.

    Attributes:
        vectors: Unit vectors in the affect space (n, width).
        labels: For each taxonomy with a head of its own the logits (n, labels).
    """

    vectors: Array
    labels: dict[str, Array]


class FaceEncoder:
    """Runs a face model over any number of faces. The scores of a face do not depend on the faces around it.

    Args:
        session: The model, with the input ``faces`` (n, 48, 48) and the outputs ``vector`` and ``labels.<taxonomy>``.
    """

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self._session = session
        self._names = [output.name for output in session.get_outputs()]

    def encode(self, faces: Array) -> Seen:
        """Encode faces (n, 48, 48) of grey values at any level, at least one of them."""
        level = faces - faces.mean(axis=(1, 2), keepdims=True)
        level /= np.maximum(np.sqrt(np.square(level).mean(axis=(1, 2), keepdims=True)), 1)
        parts = [self._session.run(None, {"faces": level[k : k + _BATCH]}) for k in range(0, len(level), _BATCH)]
        joined = {
            name: np.concatenate(arrays) for name, arrays in zip(self._names, zip(*parts, strict=True), strict=True)
        }
        labels = {name.removeprefix("labels."): each for name, each in joined.items() if name.startswith("labels.")}
        return Seen(joined["vector"], labels)


def expression_face(crop: Bytes, points: Array | None) -> Array:
    """The face of a crop as the model sees it: grey values (48, 48).

    Args:
        crop: ``(256, 256, 3)`` as `affectome.media.cut_out` gives it.
        points: Points ``(468, 3)`` of the face; None takes the middle two thirds, which all is face.
    """
    if points is None:
        x = y = CROP / 2
        side = CROP / MARGIN
    else:
        low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
        side = float(max((high[0] - low[0]) / _WIDE, (high[1] - low[1]) / _HIGH, 1.0))
        x, y = (float(each) for each in (low + high) / 2 - side * np.array([_RIGHT, _BELOW]))
    steps = (np.arange(SIDE * _FINER, dtype=np.float32) + np.float32(0.5)) / (SIDE * _FINER) - np.float32(0.5)
    grey = crop @ _GREY
    fine = _between(_between(grey, y + side * steps).T, x + side * steps).T
    return np.asarray(fine.reshape(SIDE, _FINER, SIDE, _FINER).mean(axis=(1, 3)), np.float32)


def _between(grey: Array, places: NDArray[np.floating]) -> Array:
    """Rows of a picture at places between its pixels; beyond the border the border goes on."""
    at = np.clip(places - np.float32(0.5), 0, len(grey) - 1)
    low = np.minimum(at.astype(np.int64), len(grey) - 2)
    share = (at - low)[:, None]
    return np.asarray(grey[low] * (1 - share) + grey[low + 1] * share, np.float32)
