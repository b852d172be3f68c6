"""Intervals that need one pass over a table: of shares, of means and of differences between groups."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

Z95 = 1.959964
SEED = 20_260
RESAMPLES = 2_000


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval, in the unit of the estimate."""

    value: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval lies wholly on one side of zero."""
        return self.low > 0 or self.high < 0


def share_interval(count: float, total: int) -> Interval:
    """A share with its Wilson score interval (Wilson 1927, J. Am. Stat. Assoc. 22: 209-212).

    Args:
        count: Cases that have the property, 0 <= count <= total.
        total: All cases, at least 1.

    Returns:
        The share in [0, 1].
    """
    share, z2 = count / total, Z95**2
    centre = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = Z95 / (1 + z2 / total) * sqrt(share * (1 - share) / total + z2 / (4 * total**2))
    # Rounding must not push the interval past the share itself at 0 and 1.
    return Interval(share, max(min(centre - half, share), 0.0), min(max(centre + half, share), 1.0))


def mean_interval(mean: float, sd: float, total: int) -> Interval:
    """A mean with its normal interval: 1.96 standard errors to each side.

    Args:
        mean: Of ``total`` cases.
        sd: Standard deviation of a case.
        total: At least 1.
    """
    half = Z95 * sd / sqrt(total)
    return Interval(mean, mean - half, mean + half)


def resampled_means(
    sums: NDArray[np.float64], counts: NDArray[np.float64], generator: np.random.Generator
) -> Resampled:
    """Bootstrap the mean of several columns over blocks of rows (Efron 1979, Ann. Stat. 7: 1-26).

    Resampling a few hundred random blocks instead of the rows needs their sums alone, so that the table may be of any
    length; a group smaller than the number of blocks has about one row in each, which is the ordinary bootstrap.

    Args:
        sums: Sum of each column in each block, (blocks, columns).
        counts: Rows of each block, (blocks,), all at least 1.
        generator: Source of randomness.
    """
    blocks = len(counts)
    weights = generator.multinomial(blocks, np.full(blocks, 1 / blocks), size=RESAMPLES).astype(np.float64)
    return Resampled(sums.sum(axis=0), counts.sum(), weights @ sums, weights @ counts)


@dataclass(frozen=True)
class Resampled:
    """Sums of columns over a set of rows, and over its bootstrap resamples.

    Args:
        sums: (columns,).
        count: Rows.
        resampled_sums: (resamples, columns).
        resampled_counts: (resamples,).
    """

    sums: NDArray[np.float64]
    count: float
    resampled_sums: NDArray[np.float64]
    resampled_counts: NDArray[np.float64]

    def __add__(self, other: Resampled) -> Resampled:
        """Both sets of rows together, resampled independently of each other."""
        return Resampled(
            self.sums + other.sums,
            self.count + other.count,
            self.resampled_sums + other.resampled_sums,
            self.resampled_counts + other.resampled_counts,
        )

    def means(self) -> list[Interval]:
        """The mean of each column with its percentile interval."""
        return _percentiles(self.sums / self.count, self._resampled_means())

    def minus(self, other: Resampled) -> list[Interval]:
        """The difference of the means of each column from those of other rows, with its percentile interval."""
        return _percentiles(
            self.sums / self.count - other.sums / other.count, self._resampled_means() - other._resampled_means()
        )

    def _resampled_means(self) -> NDArray[np.float64]:
        return self.resampled_sums / self.resampled_counts[:, None]


def _percentiles(values: NDArray[np.float64], resamples: NDArray[np.float64]) -> list[Interval]:
    low, high = np.quantile(resamples, (0.025, 0.975), axis=0)
    return [Interval(*map(float, triple)) for triple in zip(values, low, high, strict=True)]
