"""How the look of pictures is spread: a few telling features, and their hues."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from affectome.perceive.estimates import SCORED
from affectome.perceive.look import LookFeature, look_features
from affectome.report.tables import EstimatesTable

_BINS, _SECTORS = 20, 24
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_NARROWEST = 0.01  # of all values a feature can have


@dataclass(frozen=True)
class LookSpread:
    """How one feature is spread over pictures, in its unit.

    Args:
        title: What it is called.
        unit: Its unit; empty if it has none.
        formula: How it is measured.
        lower: Where the first bin begins.
        upper: Where the last one ends.
        counts: Pictures in bins of equal width.
        quantiles: .05, .25, .5, .75 and .95.
    """

    title: str
    unit: str
    formula: str
    lower: float
    upper: float
    counts: tuple[int, ...]
    quantiles: tuple[float, ...]


@dataclass(frozen=True)
class Hues:
    """Pictures by their mean hue.

    Args:
        title: What it is called.
        counts: Pictures in 24 sectors of 15 degrees; the first begins at 0.
    """

    title: str
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Looks:
    """All that the page shows of the look of pictures.

    Args:
        pictures: Pictures whose look was measured.
        spreads: Features that have a size.
        hues: None if no picture has a hue.
    """

    pictures: int
    spreads: tuple[LookSpread, ...]
    hues: Hues | None


def measure_looks(table: EstimatesTable) -> Looks | None:
    """What there is to show of the rows of modality ``image``; None if none of them is scored.

    Args:
        table: The estimates.
    """
    names = set(table.rows.collect_schema())
    rows = table.rows.filter(pl.col("modality") == "image", pl.col("status") == SCORED)
    shown = {name: about for name, about in _shown().items() if f"look.{name}" in names}
    found = rows.select(f"look.{name}" for name in shown).collect(engine="streaming")
    if found.is_empty():
        return None
    spreads: list[LookSpread] = []
    hues: Hues | None = None
    features = {feature.name: feature for feature in look_features()}
    for name, about in shown.items():
        values = found[f"look.{name}"].cast(pl.Float64).fill_nan(None).drop_nulls()
        if values.is_empty():
            continue
        if about.get("circular"):
            hues = Hues(about["title"], _counted(values % 360, 0.0, 360.0, _SECTORS))
        else:
            spreads.append(_spread(values, features[name], about))
    return Looks(len(found), tuple(spreads), hues)


def _spread(values: pl.Series, feature: LookFeature, about: dict[str, Any]) -> LookSpread:
    low, high = (feature.low, feature.high)
    quantiles = np.quantile(values.to_numpy(), _QUANTILES).tolist()
    if about.get("observed"):
        high = max(float(values.to_numpy().max()), low + _NARROWEST * (high - low))
    counts = _counted(values, low, high, _BINS)
    return LookSpread(about["title"], feature.unit, feature.formula, low, high, counts, tuple(quantiles))


def _counted(values: pl.Series, lower: float, upper: float, bins: int) -> tuple[int, ...]:
    """Values in bins of equal width; those outside fall in the first or the last."""
    positions = ((values - lower) / (upper - lower) * bins).floor().clip(0, bins - 1).cast(pl.Int64)
    counts: dict[int, int] = dict(positions.value_counts().iter_rows())
    return tuple(counts.get(k, 0) for k in range(bins))


@cache
def _shown() -> dict[str, dict[str, Any]]:
    return tomllib.loads((Path(__file__).parent / "data" / "look_features.toml").read_text(encoding="utf-8"))
