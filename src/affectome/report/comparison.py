"""Groups of texts against each other, with bootstrap intervals."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np
import polars as pl

from affectome.report.overview import Overview
from affectome.report.statistics import SEED, Interval, Resampled, resampled_means
from affectome.report.tables import EstimatesTable

SMALL_GROUP = 20
_BLOCKS = 200
_MOST_GROUPS = 12
_SMALLEST_GROUP = 5
_SHOWN_EMOTIONS = 6


@dataclass(frozen=True)
class Group:
    """One group of texts.

    Args:
        name: As the data name it.
        rows: Scored texts.
        valence: Mean, in [-1, 1].
        arousal: Mean, in [-1, 1].
        differences: Mean probability of each shown emotion minus that of all other groups together.
    """

    name: str
    rows: int
    valence: Interval
    arousal: Interval
    differences: tuple[Interval, ...]

    @property
    def small(self) -> bool:
        """Whether the group is too small to conclude from."""
        return self.rows < SMALL_GROUP


@dataclass(frozen=True)
class Comparison:
    """Groups against each other.

    Args:
        column: What makes the groups: ``group`` or ``speaker``.
        labels: Emotions that differ most.
        groups: In order of their mean valence, the most negative first.
        omitted: Groups left out, because they are tiny or because there are many.
    """

    column: str
    labels: tuple[str, ...]
    groups: tuple[Group, ...]
    omitted: int

    @property
    def widest(self) -> tuple[Group, str, Interval] | None:
        """The largest difference of a group that is not small, if its interval excludes zero."""
        clear = [
            (group, label, interval)
            for group in self.groups
            for label, interval in zip(self.labels, group.differences, strict=True)
            if interval.excludes_zero and not group.small
        ]
        return max(clear, key=lambda found: abs(found[2].value), default=None)


def compare(table: EstimatesTable, overview: Overview) -> Comparison | None:
    """Compare the groups, or the speakers if there are no groups and at most 12 speakers.

    Args:
        table: The estimates.
        overview: Their summary.

    Returns:
        The comparison of the at most 12 largest groups, or None if fewer than two have five texts.
    """
    if overview.groups >= 2:
        name, total = "group", overview.groups
    elif 2 <= overview.speakers <= _MOST_GROUPS:
        name, total = "speaker", overview.speakers
    else:
        return None
    column = "meta.group" if name == "group" else "speaker"
    sizes = (
        table.scored.filter(pl.col(column).is_not_null())
        .group_by(column)
        .agg(pl.len().alias("rows"))
        .filter(pl.col("rows") >= _SMALLEST_GROUP)
        .sort("rows", column, descending=[True, False])
        .head(_MOST_GROUPS)
        .collect(engine="streaming")
    )
    if len(sizes) < 2:
        return None
    names: list[str] = sizes[column].to_list()
    groups = _resample(table, column, names)
    others = [reduce(add, (group for other, group in groups.items() if other != own)) for own in names]
    means = {own: group.means() for own, group in groups.items()}
    differences = {own: groups[own].minus(rest)[2:] for own, rest in zip(names, others, strict=True)}
    shown = _widest(differences, [own for own in names if groups[own].count >= SMALL_GROUP] or names)
    compared = [
        Group(
            name=own,
            rows=int(groups[own].count),
            valence=means[own][0],
            arousal=means[own][1],
            differences=tuple(differences[own][k] for k in shown),
        )
        for own in names
    ]
    return Comparison(
        name,
        tuple(table.labels[k] for k in shown),
        tuple(sorted(compared, key=lambda group: group.valence.value)),
        total - len(names),
    )


def _resample(table: EstimatesTable, column: str, names: list[str]) -> dict[str, Resampled]:
    """Bootstrapped sums of valence, arousal and every probability in each group."""
    measured = ["valence", "arousal", *(f"emotion.{label}" for label in table.labels)]
    # A multiplicative hash (Knuth 1998, section 6.4) spreads neighbouring rows over the blocks, the same in every run.
    block = (pl.col("row").cast(pl.UInt64) * 2_654_435_761 % 2**32 // 2**16 % _BLOCKS).alias("block")
    sums = (
        table.scored.filter(pl.col(column).is_in(names))
        .group_by(column, block)
        .agg(pl.len().alias("rows"), pl.col(measured).cast(pl.Float64).sum())
        .sort(column, "block")
        .collect(engine="streaming")
    )
    generator = np.random.default_rng(SEED)
    parts = sums.partition_by(column, as_dict=True, maintain_order=True)
    return {
        name: resampled_means(
            parts[(name,)].select(measured).to_numpy(), parts[(name,)]["rows"].to_numpy().astype(np.float64), generator
        )
        for name in names
    }


def _widest(differences: dict[str, list[Interval]], names: list[str]) -> list[int]:
    """Positions of the labels with the largest difference in any of the named groups."""
    size = np.abs([[interval.value for interval in differences[name]] for name in names]).max(axis=0)
    return [int(k) for k in np.argsort(-size, kind="stable")[:_SHOWN_EMOTIONS]]
