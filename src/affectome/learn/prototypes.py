"""Prototypes: where a teacher puts what lies at a place in valence and arousal, as directions for a student.

Source: arXiv 2509.11916, where the teacher reads brain signals. Any teacher will do whose observations people rated.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from affectome.affect import EmotionGaussians
from affectome.affect.space import unit
from affectome.errors import UsageError

Array = NDArray[np.float32]
Floats = NDArray[np.float64]

_FULL = 0.99  # share of the ratings of each axis that the grid spans


class PrototypeBank(NamedTuple):
    """Prototypes on a grid.

    Attributes:
        vectors: Unit vectors (cells, width) of the cells of the grid, valence slowest.
        centres: (cells, 2) valence and arousal of their centres, on the scale of the ratings.
        counts: (cells,) observations of each; an empty cell has the vector of the filled one whose centre is nearest.
    """

    vectors: Array
    centres: Floats
    counts: NDArray[np.int64]

    @property
    def sha256(self) -> str:
        """Digest of the vectors, hexadecimal."""
        return hashlib.sha256(self.vectors.astype("<f4").tobytes()).hexdigest()


class Prototypes(NamedTuple):
    """What a trainer pulls its features toward.

    Attributes:
        vectors: Unit vectors (cells, width).
        shares: (labels, cells) distribution of each label over the cells.
    """

    vectors: Array
    shares: Array


def fit_prototypes(features: Array, ratings: Array, *, grid: int = 5) -> PrototypeBank:
    """Mean features of a teacher in the cells of a grid over valence and arousal.

    The mean of all features is taken off first, so that prototypes differ where the features all share a direction.
    The grid spans 99 % of the ratings of each axis; those beyond belong to its outermost cells.

    Args:
        features: (n, width) of a teacher.
        ratings: (n, 2) valence and arousal, 0 in the middle of their scale.
        grid: Cells a side.

    Raises:
        UsageError: Shapes differ, a value is not finite, or the ratings of an axis are all 0.
    """
    reach = np.quantile(np.abs(ratings), _FULL, axis=0) if ratings.size else np.zeros(2)
    fits = features.ndim == 2 and ratings.shape == (len(features), 2)
    if not fits or not np.isfinite(features).all() or not np.isfinite(ratings).all() or not (reach > 0).all():
        raise UsageError(
            "Prototypes need features and, for each row, a valence and an arousal, all finite and not all 0.",
            code="bad_ratings",
            value=(features.shape, ratings.shape),
            allowed=("(n, width) and (n, 2)",),
        )
    directions = unit(features - features.mean(axis=0))
    cell = np.clip(((ratings / reach + 1) / 2 * grid).astype(np.int64), 0, grid - 1)
    number = cell[:, 0] * grid + cell[:, 1]
    counts = np.bincount(number, minlength=grid**2)
    sums = np.zeros((grid**2, features.shape[1]), np.float32)
    np.add.at(sums, number, directions)
    middles = (2 * np.arange(grid) + 1) / grid - 1
    places = np.stack(np.meshgrid(middles, middles, indexing="ij"), axis=-1).reshape(-1, 2)
    filled = np.flatnonzero(counts)
    apart = np.square(places[:, None] - places[filled]).sum(axis=2)
    vectors = unit(sums[filled[apart.argmin(axis=1)]])
    return PrototypeBank(vectors, places * reach, counts)


def label_shares(centres: Floats, terms: EmotionGaussians) -> Array:
    """How each label is distributed over the cells: its density at their centres, divided by the sum.

    Args:
        centres: (cells, 2) valence and arousal.
        terms: A Gaussian for each label, on the same scale.

    Returns:
        (labels, cells), rows sum to 1.
    """
    offset = centres[None] - terms.mean[:, None, :2]
    whitened = np.linalg.solve(terms.covariance("VA"), offset.swapaxes(1, 2)).swapaxes(1, 2)
    exponent = -0.5 * (offset * whitened).sum(axis=2)
    shares = np.exp(exponent - exponent.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True), np.float32)
