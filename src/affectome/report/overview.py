"""What a table of estimates says as a whole: counts, emotions, dimensions, uncertainty and density."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from affectome.perceive.estimates import SCORED
from affectome.report.statistics import Interval, mean_interval, share_interval
from affectome.report.tables import EstimatesTable, probability

DIMENSIONS = ("valence", "arousal", "dominance")
SURE = 0.5
TOXIC = 0.5
_GRID = 100
_BINS = 25


@dataclass(frozen=True)
class Outcome:
    """How many rows ended with a status, and with which code.

    Args:
        status: ``scored``, ``abstained`` or ``failed``.
        code: Empty if they are scored.
        rows: How many.
        modality: Of these rows; empty if it is not known.
    """

    status: str
    code: str
    rows: int
    modality: str


@dataclass(frozen=True)
class Emotion:
    """How common one emotion is.

    Args:
        label: Its name in the taxonomy.
        share: Share of texts in which it is present: the top label if labels exclude each other, otherwise at or above
            its threshold.
        mean: Mean probability.
        threshold: Probability from which it counts as present; None if labels exclude each other.
        top: Texts whose top label it is.
        valence: Mean over these texts, in [-1, 1]; None if there are none.
        arousal: Likewise.
    """

    label: str
    share: Interval
    mean: Interval
    threshold: float | None
    top: int
    valence: float | None
    arousal: float | None


@dataclass(frozen=True)
class Histogram:
    """Counts in bins of equal width over [0, ``upper``], with the median of the values."""

    upper: float
    counts: tuple[int, ...]
    median: float


@dataclass(frozen=True)
class Overview:
    """What the scored rows show.

    Args:
        rows: Scored rows.
        emotions: All emotions, the most common first.
        dimensions: Mean valence, arousal and dominance, in [-1, 1].
        deviation: Standard deviation of each over the texts; 0 if there is one text.
        spread: Median predicted standard deviation of a single text's valence, arousal and dominance.
        density: Texts in each cell of a square grid over [-1, 1] x [-1, 1]: (arousal, valence).
        confidence: Distribution of the top label's probability.
        entropy: Distribution of the entropy in nats, up to that of equal probabilities.
        unsure: Share of texts in which no label reaches a probability of .5.
        toxicity: Distribution of the toxicity score, None if there is none.
        toxic: Share of texts at or above .5 of it.
        first: Earliest time.
        last: Latest time.
        groups: Distinct groups.
        speakers: Distinct speakers.
    """

    rows: int
    emotions: tuple[Emotion, ...]
    dimensions: dict[str, Interval]
    deviation: dict[str, float]
    spread: dict[str, float]
    density: NDArray[np.int64]
    confidence: Histogram
    entropy: Histogram
    unsure: Interval
    toxicity: Histogram | None
    toxic: Interval | None
    first: datetime | None
    last: datetime | None
    groups: int
    speakers: int


def count_outcomes(table: EstimatesTable) -> tuple[Outcome, ...]:
    """Rows by status, code and modality: scored first, then the most frequent."""
    modality = pl.col("modality").fill_null("")
    counts = table.rows.group_by("status", "error", modality).len().collect(engine="streaming")
    outcomes = (Outcome(*row) for row in counts.select("status", "error", "len", "modality").iter_rows())
    return tuple(sorted(outcomes, key=lambda o: (o.status != SCORED, -o.rows, o.status, o.code, o.modality)))


def measure(table: EstimatesTable, *, exclusive: bool, thresholds: Mapping[str, float]) -> Overview:
    """Summarise the rows in which a feeling was read, of which there must be at least one.

    Args:
        table: The estimates.
        exclusive: Whether labels exclude each other.
        thresholds: Probability from which a label counts as present; .5 for labels it does not name.
    """
    limits = {label: thresholds.get(label, SURE) for label in table.labels}
    totals, tops, cells = pl.collect_all([_totals(table, limits), _tops(table), _cells(table)], engine="streaming")
    total = totals.row(0, named=True)
    rows = total["rows"]
    top = {row["top"]: row for row in tops.iter_rows(named=True)}

    def emotion(label: str) -> Emotion:
        own = top.get(label, {"rows": 0, "valence": None, "arousal": None})
        present = own["rows"] if exclusive else total[f"{label}.present"]
        mean = mean_interval(total[f"emotion.{label}.mean"], total[f"emotion.{label}.std"] or 0.0, rows)
        threshold = None if exclusive else limits[label]
        return Emotion(
            label, share_interval(present, rows), mean, threshold, own["rows"], own["valence"], own["arousal"]
        )

    emotions = sorted(map(emotion, table.labels), key=lambda e: (-e.share.value, -e.mean.value))
    entropy_limit = math.log(max(len(table.labels), 2))
    deviation = {name: total[f"{name}.std"] or 0.0 for name in DIMENSIONS}
    rated = total["rated"]
    return Overview(
        rows=rows,
        emotions=tuple(emotions),
        dimensions={name: mean_interval(total[f"{name}.mean"], deviation[name], rows) for name in DIMENSIONS},
        deviation=deviation,
        spread={name: total[f"{name}_sd"] for name in DIMENSIONS},
        density=_density(cells),
        confidence=_histogram(table, "confidence", 1.0, total["confidence"]),
        entropy=_histogram(table, "entropy", entropy_limit, total["entropy"]),
        unsure=share_interval(total["unsure"], rows),
        toxicity=_histogram(table, "tone.toxicity", 1.0, total["tone.toxicity"]) if rated else None,
        toxic=share_interval(total["toxic"], rated) if rated else None,
        first=total["first"],
        last=total["last"],
        groups=total["meta.group"],
        speakers=total["speaker"],
    )


def _totals(table: EstimatesTable, limits: dict[str, float]) -> pl.LazyFrame:
    measured = [*DIMENSIONS, *(f"emotion.{label}" for label in table.labels)]
    return table.scored.select(
        pl.len().alias("rows"),
        *(pl.col(name).mean().alias(f"{name}.mean") for name in measured),
        *(pl.col(name).std().alias(f"{name}.std") for name in measured),
        *((probability(label) >= limit).sum().alias(f"{label}.present") for label, limit in limits.items()),
        pl.col(*(f"{name}_sd" for name in DIMENSIONS), "confidence", "entropy", "tone.toxicity").median(),
        (pl.col("confidence") < SURE).sum().alias("unsure"),
        (pl.col("tone.toxicity") >= TOXIC).sum().alias("toxic"),
        pl.col("tone.toxicity").count().alias("rated"),
        pl.col("meta.time").min().alias("first"),
        pl.col("meta.time").max().alias("last"),
        pl.col("meta.group", "speaker").drop_nulls().n_unique(),
    )


def _tops(table: EstimatesTable) -> pl.LazyFrame:
    return table.scored.group_by("top").agg(pl.len().alias("rows"), pl.col("valence", "arousal").mean())


def _cells(table: EstimatesTable) -> pl.LazyFrame:
    cell = ((pl.col("valence", "arousal") + 1) / 2 * _GRID).floor().clip(0, _GRID - 1).cast(pl.Int32)
    return table.scored.select(cell).drop_nulls().group_by("valence", "arousal").len()


def _density(cells: pl.DataFrame) -> NDArray[np.int64]:
    grid = np.zeros((_GRID, _GRID), np.int64)
    grid[cells["arousal"].to_numpy(), cells["valence"].to_numpy()] = cells["len"].to_numpy()
    return grid


def _histogram(table: EstimatesTable, column: str, upper: float, median: float) -> Histogram:
    position = (pl.col(column) / upper * _BINS).floor().clip(0, _BINS - 1).cast(pl.Int32).alias("bin")
    counts: dict[Any, int] = dict(
        table.scored.select(position).drop_nulls().group_by("bin").len().collect(engine="streaming").iter_rows()
    )
    return Histogram(upper, tuple(counts.get(k, 0) for k in range(_BINS)), median)
