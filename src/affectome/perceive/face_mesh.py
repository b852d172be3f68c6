"""The shape of a face: 468 points, and what they say of head pose, gaze, and how far eyes and mouth are open.

Points are those of MediaPipe's face mesh (Kartynnik et al. 2019, arXiv:1907.06724), the iris those of Ablavatski et al.
2020 (arXiv:2006.11341). Their weights come through `affectome.models`; see ``face-mesh`` there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from affectome.media.face_detection import CROP, open_tflite

Array = NDArray[np.float32]
Bytes = NDArray[np.uint8]

POINTS = 468
_SIDE, _EYE_SIDE = 192, 64
_EYE_SPAN = 2.3  # side of the square that the iris is looked for in, against the width of the eye

# Numbers of points; right and left are those of the face's owner.
_RIGHT_EYE, _LEFT_EYE = (33, 133), (263, 362)  # outer and inner corner
_MOUTH_CORNERS, _INNER_LIPS = (78, 308), (13, 14)
_SIDES, _FOREHEAD, _CHIN = (234, 454), 10, 152
# Numbers of points of the iris network: upper and lower lid in three places, and the corners.
_LIDS, _CORNERS = ((11, 3), (12, 4), (13, 5)), (0, 8)
_EYEBALL = 0.4  # radius of the eyeball against the width of the eye: 12 mm against 30 mm


class FaceShape(NamedTuple):
    """What the points of a face say.

    Attributes:
        yaw: Degrees by which the head is turned, positive to its own left.
        pitch: Degrees by which it is raised.
        roll: Degrees by which it is tilted, positive clockwise as seen.
        gaze_yaw: Degrees by which the eyes are turned against the head, positive to its own left.
        gaze_pitch: Degrees by which they are raised against the middle between the corners.
        right_eye: Opening of its right eye: height against width, about 0.3 when open (eye aspect ratio,
            Soukupova and Cech 2016).
        left_eye: Opening of its left eye.
        mouth: Opening of the mouth: height between the lips against width of the mouth.
    """

    yaw: float
    pitch: float
    roll: float
    gaze_yaw: float
    gaze_pitch: float
    right_eye: float
    left_eye: float
    mouth: float


class FaceMesh:
    """Finds the points of faces that are cut out already.

    Args:
        folder: Folder with ``face_landmark.tflite`` and ``iris_landmark.tflite``.

    Raises:
        MissingExtraError: The ``face`` extra is not installed.
    """

    def __init__(self, folder: Path) -> None:
        self._face = open_tflite((folder / "face_landmark.tflite").read_bytes())
        self._iris = open_tflite((folder / "iris_landmark.tflite").read_bytes())

    def __call__(self, crops: Bytes) -> tuple[Array, Array]:
        """Points of faces.

        Args:
            crops: ``(n, 256, 256, 3)`` as `affectome.media.cut_out` gives them.

        Returns:
            Points ``(n, 468, 3)`` in pixels of the crop, x to the right, y down, z away from the viewer; and how sure
            it is ``(n,)`` in [0, 1] that there is a face.
        """
        points = np.zeros((len(crops), POINTS, 3), np.float32)
        scores = np.zeros(len(crops), np.float32)
        network = self._face
        start = network.get_input_details()[0]["index"]
        mesh, sure = sorted(network.get_output_details(), key=lambda each: -int(each["shape"][-1]))
        for k, crop in enumerate(crops):
            network.set_tensor(start, _reduced(crop)[None])
            network.invoke()
            points[k] = network.get_tensor(mesh["index"]).reshape(POINTS, 3) * np.float32(CROP / _SIDE)
            scores[k] = 1 / (1 + math.exp(-float(network.get_tensor(sure["index"]).ravel()[0])))
        return points, scores

    def shape(self, crop: Bytes, points: Array, angle: float = 0.0) -> FaceShape:
        """What the points of a face say.

        Args:
            crop: ``(256, 256, 3)``.
            points: Its points ``(468, 3)``.
            angle: Degrees by which the crop was turned back, which count to the roll.
        """
        yaw, pitch, roll = _pose(points)
        right, left = self._eye(crop, points, _RIGHT_EYE, mirrored=True), self._eye(crop, points, _LEFT_EYE)
        return FaceShape(
            yaw=yaw,
            pitch=pitch,
            roll=(roll + angle + 180) % 360 - 180,
            gaze_yaw=(right[0] + left[0]) / 2,
            gaze_pitch=(right[1] + left[1]) / 2,
            right_eye=right[2],
            left_eye=left[2],
            mouth=_opening(points, (_INNER_LIPS,), _MOUTH_CORNERS),
        )

    def _eye(
        self, crop: Bytes, points: Array, corners: tuple[int, int], *, mirrored: bool = False
    ) -> tuple[float, float, float]:
        """Degrees by which an eye is turned to the owner's left and up, and its opening."""
        one, other = points[list(corners), :2]
        width = float(np.linalg.norm(other - one))
        if width < 1:
            return 0.0, 0.0, 0.0
        span = width * _EYE_SPAN
        eye = _square(crop, (one + other) / 2, span)
        if mirrored:  # the network knows left eyes
            eye = eye[:, ::-1]
        network = self._iris
        network.set_tensor(network.get_input_details()[0]["index"], np.ascontiguousarray(eye)[None])
        network.invoke()
        iris, lids = (
            network.get_tensor(each["index"]).reshape(-1, 3)
            for each in sorted(network.get_output_details(), key=lambda each: int(each["shape"][-1]))
        )
        x, y = iris[0, :2] / _EYE_SIDE - 0.5
        along = np.array([(-x if mirrored else x) * span, y * span])
        # The line from the owner's right to its left, as seen from left to right, in the crop.
        axis = (other - one if mirrored else one - other) / width
        offset = float(along @ axis), float(along @ np.array([-axis[1], axis[0]]))
        limits = (float(np.clip(each / (_EYEBALL * width), -1, 1)) for each in offset)
        sideways, down = (math.degrees(math.asin(each)) for each in limits)
        return sideways, -down, _opening(lids[:, :2], _LIDS, _CORNERS)


def _reduced(crop: Bytes) -> Array:
    """A crop (256, 256, 3) as (192, 192, 3) in [0, 1]: bilinear, four pixels make three."""
    x = crop.astype(np.float32) / np.float32(255)
    for _ in range(2):
        parts = x.reshape(_SIDE // 3, 4, *x.shape[1:])
        first = 5 / 6 * parts[:, 0] + 1 / 6 * parts[:, 1]
        middle = (parts[:, 1] + parts[:, 2]) / 2
        last = 1 / 6 * parts[:, 2] + 5 / 6 * parts[:, 3]
        x = np.stack([first, middle, last], axis=1).reshape(_SIDE, *x.shape[1:]).swapaxes(0, 1)
    return np.ascontiguousarray(x, np.float32)


def _square(crop: Bytes, middle: Array, span: float) -> Array:
    """A square of a crop as (64, 64, 3) in [0, 1], bilinear; beyond the border the border goes on."""
    at = (np.arange(_EYE_SIDE, dtype=np.float32) + np.float32(0.5)) / _EYE_SIDE - np.float32(0.5)
    x, y = (np.clip(at * np.float32(span) + m - np.float32(0.5), 0, CROP - 1) for m in middle)
    left, top = (np.minimum(each.astype(np.int64), CROP - 2) for each in (x, y))
    right_share, low_share = (x - left)[None, :, None], (y - top)[:, None, None]
    rows = crop[top].astype(np.float32) * (1 - low_share) + crop[top + 1] * low_share
    return np.asarray((rows[:, left] * (1 - right_share) + rows[:, left + 1] * right_share) / 255, np.float32)


def _pose(points: Array) -> tuple[float, float, float]:
    """Yaw, pitch and roll in degrees of the frame that sides, forehead and chin span."""
    across = points[_SIDES[1]] - points[_SIDES[0]]
    across = across / np.linalg.norm(across)
    down = points[_CHIN] - points[_FOREHEAD]
    down = down - (down @ across) * across
    down = down / np.linalg.norm(down)
    yaw = math.degrees(math.asin(float(np.clip(across[2], -1, 1))))
    roll = math.degrees(math.atan2(float(across[1]), float(across[0])))
    pitch = -math.degrees(math.asin(float(np.clip(down[2], -1, 1))))
    return yaw, pitch, roll


def _opening(points: Array, pairs: Sequence[tuple[int, int]], corners: tuple[int, int]) -> float:
    """Mean distance between the points of pairs against that between the corners."""
    gaps = [float(np.linalg.norm(points[a] - points[b])) for a, b in pairs]
    width = float(np.linalg.norm(points[corners[0]] - points[corners[1]]))
    return sum(gaps) / len(gaps) / max(width, 1e-6)
