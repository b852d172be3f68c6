"""How affect moves: in bins of calendar time, and from turn to turn of a dialogue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from affectome.report.overview import Emotion, Overview
from affectome.report.statistics import Interval, mean_interval, share_interval
from affectome.report.tables import EstimatesTable, probability

# Longest span for which a unit is taken, its name, polars' name for it, and about how long it is.
_UNITS = (
    (timedelta(days=2), "hour", "1h", timedelta(hours=1)),
    (timedelta(days=90), "day", "1d", timedelta(days=1)),
    (timedelta(days=730), "week", "1w", timedelta(days=7)),
    (timedelta(days=7300), "month", "1mo", timedelta(days=30)),
    (timedelta.max, "year", "1y", timedelta(days=365)),
)
_WORTHWHILE_TEXTS, _WORTHWHILE_BINS = 5, 6
_FEWEST_BINS = 3
_WELL_FILLED = 20
_KNOWN_SPREAD = 10
_LONGEST_DIALOGUE = 200
_MOST_SPEAKERS = 6
_FEWEST_TURNS = 3


@dataclass(frozen=True)
class Bin:
    """One step of the time line.

    Args:
        start: First moment.
        end: Moment after the last.
        rows: Scored texts in it, at least 1.
        valence: Mean, in [-1, 1].
        arousal: Mean, in [-1, 1].
        shares: Share of texts in which each of the followed emotions is present.
    """

    start: datetime
    end: datetime
    rows: int
    valence: Interval
    arousal: Interval
    shares: tuple[Interval, ...]


@dataclass(frozen=True)
class Timeline:
    """Affect over calendar time; bins without texts are left out.

    Args:
        unit: Width of a bin: hour, day, week, month or year.
        labels: Emotions that are followed.
        bins: At least 3, in order.
        undated: Scored texts without a time.
    """

    unit: str
    labels: tuple[str, ...]
    bins: tuple[Bin, ...]
    undated: int

    @property
    def range(self) -> tuple[Bin, Bin] | None:
        """The bins of lowest and highest valence, if both are well filled and their intervals lie apart."""
        filled = [bin for bin in self.bins if bin.rows >= _WELL_FILLED]
        if not filled:
            return None
        low = min(filled, key=lambda bin: bin.valence.value)
        high = max(filled, key=lambda bin: bin.valence.value)
        return (low, high) if low.valence.high < high.valence.low else None


@dataclass(frozen=True)
class Turn:
    """One turn of a dialogue, with valence and its predicted standard deviation in [-1, 1]."""

    position: int
    speaker: str
    text: str
    top: str
    valence: float
    spread: float


@dataclass(frozen=True)
class Dialogue:
    """The longest dialogue of a table, and how many there are."""

    source: str
    speakers: tuple[str, ...]
    turns: tuple[Turn, ...]
    dialogues: int


def follow(table: EstimatesTable, overview: Overview, emotions: Sequence[Emotion]) -> Timeline | None:
    """Affect in bins of calendar time whose width follows from the span and the number of texts.

    Args:
        table: The estimates.
        overview: Their summary.
        emotions: Emotions to follow.

    Returns:
        The time line, or None if fewer than 3 bins hold texts.
    """
    if overview.first is None or overview.last is None:
        return None
    unit, every = _unit(overview.last - overview.first, overview.rows)
    counts = (
        table.scored.filter(pl.col("meta.time").is_not_null())
        .group_by(pl.col("meta.time").dt.truncate(every).alias("start"))
        .agg(
            pl.len().alias("rows"),
            pl.col("valence", "arousal").mean().name.suffix(".mean"),
            pl.col("valence", "arousal").std().name.suffix(".std"),
            *(_present(emotion).sum().alias(f"{emotion.label}.present") for emotion in emotions),
        )
        .with_columns(pl.col("start").dt.offset_by(every).alias("end"))
        .sort("start")
        .collect(engine="streaming")
    )
    if len(counts) < _FEWEST_BINS:
        return None
    bins = tuple(_bin(row, overview, emotions) for row in counts.iter_rows(named=True))
    labels = tuple(emotion.label for emotion in emotions)
    return Timeline(unit, labels, bins, overview.rows - sum(bin.rows for bin in bins))


def _unit(span: timedelta, rows: int) -> tuple[str, str]:
    """Width of a bin by the span; wider if bins would hold few texts and some remain, since noise hides any course."""
    units = [(unit, every, length) for longest, unit, every, length in _UNITS if span <= longest]
    unit, every, length = units[0]
    for wider in units[1:]:
        if rows >= _WORTHWHILE_TEXTS * (span / length) or span / wider[2] < _WORTHWHILE_BINS:
            break
        unit, every, length = wider
    return unit, every


def _bin(row: dict[str, Any], overview: Overview, emotions: Sequence[Emotion]) -> Bin:
    rows = row["rows"]

    def mean(name: str) -> Interval:
        # A handful of texts says little about their own spread; that of all texts stands in for it.
        sd = row[f"{name}.std"] if rows >= _KNOWN_SPREAD else overview.deviation[name]
        return mean_interval(row[f"{name}.mean"], sd, rows)

    shares = tuple(share_interval(row[f"{emotion.label}.present"], rows) for emotion in emotions)
    return Bin(row["start"], row["end"], rows, mean("valence"), mean("arousal"), shares)


def _present(emotion: Emotion) -> pl.Expr:
    if emotion.threshold is None:
        return pl.col("top") == emotion.label
    return probability(emotion.label) >= emotion.threshold


def trace_dialogue(table: EstimatesTable) -> Dialogue | None:
    """The longest source that reads like a dialogue, if there is one.

    That is: 2 to 6 speakers with 3 turns each on average, and at most 200 rows. Turns go by the column ``turn`` if it
    was carried along, otherwise by their order in the file.
    """
    speakers = pl.col("speaker").drop_nulls().n_unique().alias("speakers")
    sources = (
        table.scored.filter(pl.col("speaker").is_not_null(), pl.col("modality").ne_missing("fused"))
        .group_by("source")
        .agg(pl.len().alias("rows"), speakers)
        .filter(
            pl.col("speakers").is_between(2, _MOST_SPEAKERS),
            pl.col("rows").is_between(_FEWEST_TURNS * pl.col("speakers"), _LONGEST_DIALOGUE),
        )
        .sort("rows", "source", descending=[True, False])
        .collect(engine="streaming")
    )
    if sources.is_empty():
        return None
    source = sources["source"][0]
    spoken = (
        table.scored.filter(pl.col("source").eq_missing(source), pl.col("speaker").is_not_null())
        .sort("meta.turn", "row")
        .select("speaker", pl.col("text").fill_null(""), "top", "valence", "valence_sd")
        .collect()
    )
    turns = tuple(Turn(position, *row) for position, row in enumerate(spoken.iter_rows(), start=1))
    return Dialogue(source or "", tuple(dict.fromkeys(turn.speaker for turn in turns)), turns, len(sources))
