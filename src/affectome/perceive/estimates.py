"""The table that every perceiver writes and everything downstream reads."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

SCORED, ABSTAINED, FAILED = "scored", "abstained", "failed"


def estimates_schema(labels: Sequence[str], meta: pl.DataType | None = None, ratings: Sequence[str] = ()) -> pl.Schema:
    """Columns and types of an estimates table.

    One row a segment and modality. ``start`` and ``end`` are seconds, or character offsets for text. ``emotion`` holds
    a probability for each label and is never cut; valence, arousal and dominance are in [-1, 1], their standard
    deviations in [0, 1]; ``entropy`` is in nats; everything measured is null unless ``status`` is ``scored``.

    Args:
        labels: Labels of the taxonomy, in its order.
        meta: Struct type of the carried columns.
        ratings: Names of the measures of the reader's own, on scales of their own; without one there is no ``rating``.
    """
    number, word = pl.Float32(), pl.String()
    dimensions = [f"{name}{suffix}" for name in ("valence", "arousal", "dominance") for suffix in ("", "_sd")]
    columns: dict[str, pl.DataType] = {
        "id": word,
        "source": word,
        "start": pl.Float64(),
        "end": pl.Float64(),
        "speaker": word,
        "modality": word,
        "text": word,
        "status": word,
        "error": word,
        "emotion": pl.Struct(dict.fromkeys(labels, number)),
        "top": word,
        "confidence": number,
        "entropy": number,
        **dict.fromkeys(dimensions, number),
        "tone": pl.Struct({"sentiment": number, "toxicity": number}),
        **({"rating": pl.Struct(dict.fromkeys(ratings, number))} if ratings else {}),
        "model": word,
        "taxonomy": word,
        "meta": meta or pl.Struct({"time": pl.Datetime("us"), "group": word}),
    }
    return pl.Schema(columns)
