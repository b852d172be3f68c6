"""Texts to look at: the surest of each emotion, the most ambiguous and the strongest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import polars as pl

from affectome.report.tables import EstimatesTable

_SHOWN = 5
_CANDIDATES = 4 * _SHOWN  # texts recur, and each is shown once
_PROFILE = 3
_EXTREMES = (("valence", True), ("valence", False), ("arousal", False))


@dataclass(frozen=True)
class Example:
    """One scored text.

    Args:
        id: Its id.
        text: Its text.
        top: Top label.
        confidence: Its probability.
        entropy: In nats.
        valence: In [-1, 1].
        arousal: In [-1, 1].
        profile: The three most probable labels with their probabilities.
    """

    id: str
    text: str
    top: str
    confidence: float
    entropy: float
    valence: float
    arousal: float
    profile: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Examples:
    """Texts to look at, each list the most telling first.

    Args:
        surest: By top label, highest confidence.
        ambiguous: Highest entropy.
        negative: Lowest valence.
        positive: Highest valence.
        aroused: Highest arousal.
    """

    surest: dict[str, tuple[Example, ...]]
    ambiguous: tuple[Example, ...]
    negative: tuple[Example, ...]
    positive: tuple[Example, ...]
    aroused: tuple[Example, ...]


def pick_examples(table: EstimatesTable, labels: Iterable[str]) -> Examples:
    """Find the texts to look at.

    Args:
        table: The estimates.
        labels: Emotions of which to show the surest texts.
    """
    scored = table.scored.filter(pl.col("text").is_not_null())
    position = pl.col("row")
    surest, extremes = pl.collect_all(
        [
            scored.filter(pl.col("top").is_in(list(labels)))
            .group_by("top")
            .agg(position.top_k_by("confidence", _CANDIDATES)),
            scored.select(
                position.top_k_by("entropy", _CANDIDATES).implode().alias("entropy"),
                *(
                    position.top_k_by(name, _CANDIDATES, reverse=lowest).implode().alias(f"{name}.{lowest}")
                    for name, lowest in _EXTREMES
                ),
            ),
        ],
        engine="streaming",
    )
    by_label: dict[str, list[int]] = dict(surest.iter_rows())
    ambiguous, *strongest = (extremes[name].to_list()[0] for name in extremes.columns)
    wanted = sorted(set().union(*by_label.values(), ambiguous, *strongest))
    found = {
        values["row"]: values
        for values in table.rows.filter(pl.col("row").is_in(wanted)).collect(engine="streaming").iter_rows(named=True)
    }

    def chosen(rows: list[int], order: str, *, lowest: bool = False) -> tuple[Example, ...]:
        best = sorted(rows, key=lambda row: (found[row][order] if lowest else -found[row][order], row))
        once: dict[str, dict[str, Any]] = {}
        for row in best:
            once.setdefault(found[row]["text"], found[row])
        return tuple(_example(values, table.labels) for values in list(once.values())[:_SHOWN])

    negative, positive, aroused = (
        chosen(rows, name, lowest=lowest) for rows, (name, lowest) in zip(strongest, _EXTREMES, strict=True)
    )
    return Examples(
        surest={label: chosen(by_label[label], "confidence") for label in labels if label in by_label},
        ambiguous=chosen(ambiguous, "entropy"),
        negative=negative,
        positive=positive,
        aroused=aroused,
    )


def _example(values: dict[str, Any], labels: tuple[str, ...]) -> Example:
    profile = sorted(((label, values[f"emotion.{label}"]) for label in labels), key=lambda pair: -pair[1])
    return Example(
        id=values["id"],
        text=values["text"],
        top=values["top"],
        confidence=values["confidence"],
        entropy=values["entropy"],
        valence=values["valence"],
        arousal=values["arousal"],
        profile=tuple(profile[:_PROFILE]),
    )
