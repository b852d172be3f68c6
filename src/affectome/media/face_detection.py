"""Where faces are in a picture: MediaPipe's full-range detector over the whole picture and over squares of it.

The detector (Bazarevsky et al. 2019, BlazeFace, arXiv:1907.05047, in its full-range form) looks at 192 x 192 pixels,
where a face of a twentieth of a picture is lost. So a long picture is also looked at in overlapping squares, and what
is found twice is kept once, as the mean of the finds weighted by their scores (the paper's blending).
"""

from __future__ import annotations

import hashlib
import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from affectome.errors import MissingExtraError

Pixels: TypeAlias = NDArray[np.uint8]
Array: TypeAlias = NDArray[np.float32]

CROP = 256
"""Pixels on each side of the square that is cut out around a face."""
MARGIN = 1.5
"""Side of that square against the side of the face's box."""

_SIDE, _GRID = 192, 48
_LEAST = 0.6  # score of a find
_SAME = 0.3  # overlap of two finds of one face
_INSIDE = 0.7  # share of the smaller find that lies in a larger one, of one face seen twice
_STEP = 0.5  # of a square's side to the next one
_SMALLEST = 16.0  # pixels of a box in which there is a face to read
_ENOUGH = 320  # pixels of the shorter side with which every view has more than the detector looks at
_TILED = 320  # pixels of the longer side above which squares are looked at as well


class FoundFace(NamedTuple):
    """A face in a picture.

    Attributes:
        x: Middle of the face, pixels from the left.
        y: Middle of the face, pixels from the top.
        size: Side of the box around it, pixels.
        angle: Degrees by which the line between the eyes is turned clockwise.
        score: How sure the detector is, in [0, 1].
    """

    x: float
    y: float
    size: float
    angle: float
    score: float


class FaceDetector:
    """Finds faces.

    Args:
        path: ``face_detection_full_range.tflite``, as ``affectome models pull face-mesh`` brings it.

    Raises:
        MissingExtraError: The ``face`` extra is not installed.
    """

    def __init__(self, path: Path) -> None:
        content = path.read_bytes()
        self.digest = hashlib.sha256(content).hexdigest()
        self._image = pillow_image()
        self._network = open_tflite(content)
        self._input = self._network.get_input_details()[0]["index"]
        boxes, scores = sorted(self._network.get_output_details(), key=lambda each: -int(each["shape"][-1]))
        self._boxes, self._scores = boxes["index"], scores["index"]
        row, column = np.mgrid[:_GRID, :_GRID]
        self._anchors = (np.stack([column, row], axis=-1).reshape(-1, 2).astype(np.float32) + np.float32(0.5)) / _GRID

    def __call__(self, picture: Pixels) -> list[FoundFace]:
        """The faces of a picture (h, w, 3) RGB, from left to right."""
        image = self._image.fromarray(picture)
        factor = max(1, min(image.size) // _ENOUGH)
        if factor > 1:  # once for all views
            image = image.reduce(factor)
        finds = np.concatenate([self._find(image, *view) for view in _views(image.height, image.width)])
        finds[:, :6] *= factor
        return sorted(_merged(finds))

    def within(self, picture: Pixels, x: float, y: float, side: float) -> list[FoundFace]:
        """The faces in a square around a point of a picture, which costs a fraction of looking everywhere."""
        high, wide = picture.shape[:2]
        left, top = (min(max(0, round(middle - side / 2)), most - 1) for middle, most in ((x, wide), (y, high)))
        square = self._image.fromarray(picture[top : top + round(side), left : left + round(side)])
        finds = self._find(square, 0, 0, max(square.size))
        finds[:, :4] += np.array([left, top, left, top], np.float32)
        return sorted(_merged(finds))

    def _find(self, image: Any, left: int, top: int, side: int) -> Array:  # noqa: ANN401
        """Finds (n, 7) in a square of a picture: left, top, right, bottom, dx and dy from eye to eye, score."""
        right, bottom = min(left + side, image.width), min(top + side, image.height)
        size = (max(1, round((right - left) * _SIDE / side)), max(1, round((bottom - top) * _SIDE / side)))
        smooth = self._image.Resampling.BILINEAR
        small = image.resize(size, smooth, box=(left, top, right, bottom))
        square = np.zeros((1, _SIDE, _SIDE, 3), np.float32)
        square[0, : size[1], : size[0]] = np.asarray(small, np.float32) / 127.5 - 1
        self._network.set_tensor(self._input, square)
        self._network.invoke()
        logits = self._network.get_tensor(self._scores)[0, :, 0]
        rows = np.flatnonzero(logits > math.log(_LEAST / (1 - _LEAST)))
        raw = self._network.get_tensor(self._boxes)[0, rows] / np.float32(_SIDE)
        middle = raw[:, :2] + self._anchors[rows]
        half = raw[:, 2:4] / 2
        eyes = raw[:, 6:8] - raw[:, 4:6]
        score = 1 / (1 + np.exp(-logits[rows, None]))
        corner = np.array([left, top], np.float32)
        return np.concatenate(
            [(middle - half) * side + corner, (middle + half) * side + corner, eyes * side, score], axis=1
        ).astype(np.float32)


def cut_out(picture: Pixels, face: FoundFace) -> Pixels:
    """The square (256, 256, 3) around a face, half as large again as its box, turned so that the eyes are level.

    What lies outside of the picture is black.
    """
    image = pillow_image()
    side = face.size * MARGIN
    factor = max(1, int(side // CROP))
    source = image.fromarray(picture)
    if factor > 1:  # the mean of what falls together, as the turn takes single pixels
        reach = side  # the turned square lies within this distance of its middle
        left, top = max(0, int(face.x - reach)), max(0, int(face.y - reach))
        right, bottom = min(source.width, math.ceil(face.x + reach)), min(source.height, math.ceil(face.y + reach))
        source = source.reduce(factor, (left, top, right, bottom))
    else:
        left, top = 0, 0
    step = side / CROP / factor
    cos, sin = math.cos(math.radians(face.angle)) * step, math.sin(math.radians(face.angle)) * step
    x, y = (face.x - left) / factor, (face.y - top) / factor
    half = CROP / 2
    matrix = (cos, -sin, x - half * cos + half * sin, sin, cos, y - half * sin - half * cos)
    turned = source.transform((CROP, CROP), image.Transform.AFFINE, matrix, image.Resampling.BILINEAR)
    return np.asarray(turned)


def framed(picture: Pixels) -> Pixels:
    """A picture (h, w, 3) that is all face, in the middle of a square (256, 256, 3) as `cut_out` gives it.

    Its longer side fills two thirds; the rest repeats its border.
    """
    image = pillow_image()
    high, wide = picture.shape[:2]
    scale = CROP / MARGIN / max(high, wide)
    size = (max(1, round(wide * scale)), max(1, round(high * scale)))
    small = np.asarray(image.fromarray(picture).resize(size, image.Resampling.LANCZOS, reducing_gap=2.0))
    beside = [((CROP - length) // 2, CROP - length - (CROP - length) // 2) for length in small.shape[:2]]
    return np.pad(small, [*beside, (0, 0)], mode="edge")


def open_tflite(content: bytes) -> Any:  # noqa: ANN401 - the package has no types
    """A TFLite network on one thread.

    Raises:
        MissingExtraError: The ``face`` extra is not installed.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ModuleNotFoundError:
        raise MissingExtraError.for_extra("face", "ai-edge-litert") from None
    with _quiet():
        network = Interpreter(model_content=content, num_threads=1)
        network.allocate_tensors()
    return network


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what a library writes past Python from the terminal: it greets with its name at every start."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def pillow_image() -> Any:  # noqa: ANN401 - a module that may be missing
    """The module ``PIL.Image``.

    Raises:
        MissingExtraError: The ``face`` extra is not installed.
    """
    try:
        from PIL import Image
    except ModuleNotFoundError:
        raise MissingExtraError.for_extra("face", "pillow") from None
    return Image


def _views(high: int, wide: int) -> list[tuple[int, int, int]]:
    """Squares to look at: left, top and side; the whole picture first."""
    longer, shorter = max(high, wide), min(high, wide)
    views = [(0, 0, longer)]
    if longer > _TILED:
        side = max(shorter, math.ceil(longer / 3))
        count = math.ceil((longer - side) / (_STEP * side)) + 1
        starts = np.linspace(0, longer - side, count).round().astype(int)
        if side < longer:
            views += [(int(s), 0, side) if wide >= high else (0, int(s), side) for s in starts]
    return views


def _merged(finds: Array) -> list[FoundFace]:
    """One face for finds that overlap."""
    faces = []
    left = finds[finds[:, 6].argsort()[::-1]]
    while len(left):
        same = _overlap(left[0], left)
        same[0] = True
        group, left = left[same], left[~same]
        mean = (group * group[:, 6:]).sum(0) / group[:, 6].sum()
        size = float(max(mean[2] - mean[0], mean[3] - mean[1]))
        if size >= _SMALLEST:
            angle = math.degrees(math.atan2(mean[5], mean[4]))
            middle = float(mean[0] + mean[2]) / 2, float(mean[1] + mean[3]) / 2
            faces.append(FoundFace(*middle, size, angle, float(group[0, 6])))
    return faces


def _overlap(one: Array, others: Array) -> NDArray[np.bool_]:
    """Which finds show the same face as one find."""
    low, high = np.maximum(one[:2], others[:, :2]), np.minimum(one[2:4], others[:, 2:4])
    common = np.maximum(high - low, 0).prod(axis=1)
    area, areas = (one[2:4] - one[:2]).prod(), (others[:, 2:4] - others[:, :2]).prod(axis=1)
    together = common / np.maximum(area + areas - common, 1e-6)
    covered = common / np.maximum(np.minimum(area, areas), 1e-6)
    return np.asarray((together > _SAME) | (covered > _INSIDE))
