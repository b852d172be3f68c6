"""Lines and texture of a picture, and the means of areas that make it smaller."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

_NOT_DEFINED = float("nan")
_EDGE = 0.05  # of full scale a pixel
_FLAT = 1e-5  # mean slope below which there are no lines but rounding
_SECTORS = 12
_SCALES = {"texture_fine": 1, "texture_medium": 4, "texture_coarse": 16}


def area_means(values: Array, longest: int, *, both: bool = False) -> Array:
    """A picture made smaller, each new pixel the mean of the area it covers.

    Args:
        values: ``(h, w)``.
        longest: Most pixels of the longer side; a smaller picture stays as it is.
        both: Let both sides have that many pixels, whatever the shape was.
    """
    high, wide = values.shape
    scale = min(1.0, longest / max(high, wide))
    rows, columns = (longest, longest) if both else (max(1, round(high * scale)), max(1, round(wide * scale)))
    if (rows, columns) == (high, wide):
        return values
    return np.asarray(_shares(high, rows) @ values @ _shares(wide, columns).T, np.float32)


def normalised_entropy(weights: NDArray[np.float64]) -> float:
    """Entropy of shares over its greatest value, NaN without any weight."""
    total = weights.sum()
    if not total:
        return _NOT_DEFINED
    shares = weights[weights > 0] / total
    return abs(float((shares * np.log(shares)).sum())) / math.log(len(weights))


@lru_cache(maxsize=64)
def _shares(old: int, new: int) -> Array:
    """How much of each old pixel is in each new one, (new, old); rows sum to 1."""
    edges = np.arange(new + 1) * (old / new)
    places = np.arange(old)
    within = np.minimum(edges[1:, None], places + 1) - np.maximum(edges[:-1, None], places)
    return np.asarray(np.clip(within, 0, None) * (new / old), np.float32)


def measure_lines(luma: Array) -> dict[str, float]:
    """Edges, directions of lines and how parallel they are.

    Args:
        luma: ``(h, w)`` in [0, 1].
    """
    names = ("edge_density", "line_entropy", "horizontal_share", "vertical_share", "diagonal_share", "anisotropy")
    if min(luma.shape) < 3:
        return dict.fromkeys(names, _NOT_DEFINED)
    x = (luma[1:-1, 2:] - luma[1:-1, :-2]) / 2
    y = (luma[2:, 1:-1] - luma[:-2, 1:-1]) / 2
    slope = np.hypot(x, y)
    total = float(slope.sum(dtype=np.float64))
    values = dict.fromkeys(names, _NOT_DEFINED)
    values["edge_density"] = float(np.count_nonzero(slope > _EDGE)) / slope.size
    if total / slope.size < _FLAT:
        return values
    # Twenty-fourths of half a turn that the line, across the gradient, is turned from the horizontal.
    turned = np.arctan2(x, y) * np.float32(2 * _SECTORS / math.pi)
    parts = np.floor(turned).astype(np.int32) % (2 * _SECTORS)
    counts = np.bincount(parts.ravel(), slope.ravel(), 2 * _SECTORS) / total
    sectors = np.roll(counts, 1).reshape(_SECTORS, 2).sum(axis=1)
    values["line_entropy"] = normalised_entropy(sectors)
    values["horizontal_share"] = float(counts[:3].sum() + counts[-3:].sum())
    values["vertical_share"] = float(counts[9:15].sum())
    values["diagonal_share"] = max(0.0, 1 - values["horizontal_share"] - values["vertical_share"])
    xx, yy, xy = (float((a * b).sum(dtype=np.float64)) for a, b in ((x, x), (y, y), (x, y)))
    values["anisotropy"] = math.hypot(xx - yy, 2 * xy) / (xx + yy)
    return values


def measure_texture(small: Array, luma: Array) -> dict[str, float]:
    """Energy of the luma at several scales, and sharpness.

    Args:
        small: Luma ``(h, w)`` in [0, 1] of a picture of at most 256 pixels a side.
        luma: The same of the picture as it is.
    """
    values = {name: _energy(small, scale) for name, scale in _SCALES.items()}
    values["sharpness"] = _NOT_DEFINED
    if min(luma.shape) >= 3:
        middle = luma[1:-1, 1:-1]
        bend = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:] - 4 * middle
        values["sharpness"] = float(bend.var(dtype=np.float64)) * 255**2
    return values


def _energy(luma: Array, scale: int) -> float:
    """Root of the mean variance within squares of two by two fields of so many pixels a side."""
    rows, columns = (side // (2 * scale) for side in luma.shape)
    if not rows or not columns:
        return _NOT_DEFINED
    cut = luma[: rows * 2 * scale, : columns * 2 * scale].astype(np.float64)
    fields = cut if scale == 1 else cut.reshape(rows * 2, scale, columns * 2, scale).mean(axis=(1, 3))
    corners = [fields[i::2, j::2] for i in (0, 1) for j in (0, 1)]
    mean = sum(corners) / 4
    return math.sqrt(sum(float(np.square(corner - mean).mean()) for corner in corners) / 4)
