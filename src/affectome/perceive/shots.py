"""Where one shot of a film ends and the next begins."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from affectome.errors import UsageError
from affectome.perceive.look_structure import area_means

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float64]

_FIELDS = 16  # a side: means of fields hardly change when something small moves
_AROUND = 2  # frames on either side whose changes are the measure of the film's own movement
_LEAST = 8.0  # grey levels of 255
_RATIO = 2.0


def find_cuts(frames: Pixels) -> NDArray[np.int64]:
    """Hard cuts: frames that differ from the one before far more than their neighbours do from theirs.

    The difference of two frames is the mean absolute difference of the colours of 16 x 16 fields; at a cut it is twice
    that of any of the two frames before and after. A flash differs twice in short order and is none; a slow fade never
    differs enough and is not found.

    Args:
        frames: ``(n, h, w, 3)`` sRGB.

    Returns:
        Rising positions, each of the first frame of a shot; the start of the film is none.

    Raises:
        UsageError: The frames are not four-dimensional with three colours.

    Source: the adaptive detector of PySceneDetect, with fields instead of pixels.
    """
    if frames.ndim != 4 or frames.shape[3] != 3 or not frames.size:
        raise UsageError(
            "A film needs frames of three colours.",
            code="shape_mismatch",
            value=frames.shape,
            allowed=("(n, h, w, 3)",),
        )
    fields = np.stack([_fields(frame) for frame in frames])
    change = np.abs(np.diff(fields, axis=0)).mean(axis=(1, 2, 3))
    padded = np.pad(change, _AROUND)
    near = [np.roll(padded, shift)[_AROUND:-_AROUND] for shift in range(-_AROUND, _AROUND + 1) if shift]
    return np.flatnonzero((change >= _LEAST) & (change >= _RATIO * np.max(near, axis=0))) + 1


def _fields(frame: Pixels) -> Floats:
    """Mean colours ``(16, 16, 3)`` of a frame."""
    planes = np.moveaxis(frame, -1, 0).astype(np.float32, order="C")
    return np.stack([area_means(plane, _FIELDS, both=True) for plane in planes], axis=-1).astype(np.float64)
