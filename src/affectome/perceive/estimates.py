"""The table that every perceiver writes and everything downstream reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from affectome.affect import Taxonomy, list_taxonomies, load_taxonomy
from affectome.errors import UsageError

Array = NDArray[np.float32]

SCORED, ABSTAINED, FAILED = "scored", "abstained", "failed"


def estimates_schema(
    labels: Sequence[str],
    meta: pl.DataType | None = None,
    extras: Mapping[str, Sequence[str]] | None = None,
    *,
    intensity: bool = False,
) -> pl.Schema:
    """Columns and types of an estimates table.

    One row a segment and modality. ``start`` and ``end`` are seconds, or character offsets for text. ``emotion`` holds
    a probability for each label and is never cut; valence, arousal and dominance are in [-1, 1], their standard
    deviations in [0, 1]; ``entropy`` is in nats; everything measured is null unless ``status`` is ``scored``.

    Args:
        labels: Labels of the taxonomy, in its order.
        meta: Struct type of the carried columns.
        extras: Further structs and the names of their fields, such as ``rating`` for the measures of a reader's own,
            on scales of their own, or ``prosody`` and ``au`` for what one modality has, in units of their own. A struct
            without fields is left out.
        intensity: Whether there is an ``intensity``, the expected strength of each label in [0, 1].
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
        **({"intensity": pl.Struct(dict.fromkeys(labels, number))} if intensity else {}),
        "top": word,
        "confidence": number,
        "entropy": number,
        **dict.fromkeys(dimensions, number),
        "tone": pl.Struct({"sentiment": number, "toxicity": number}),
        **{name: pl.Struct(dict.fromkeys(fields, number)) for name, fields in (extras or {}).items() if fields},
        "model": word,
        "taxonomy": word,
        "meta": meta or pl.Struct({"time": pl.Datetime("us"), "group": word}),
    }
    return pl.Schema(columns)


def fill_table(
    segments: pl.DataFrame,
    outcome: Sequence[tuple[str, str]],
    about: Mapping[str, str],
    measured: Mapping[str, pl.Series],
    schema: pl.Schema,
) -> pl.DataFrame:
    """The estimates table of some segments.

    Args:
        segments: n segments.
        outcome: Status and code of each.
        about: Modality, model and taxonomy.
        measured: Columns over the scored segments, in their order.
        schema: Columns of the table; those that are not measured are null.
    """
    status = pl.Series("status", [state for state, _ in outcome], pl.String)
    kept = segments.select("id", "source", "start", "end", "speaker", "text", "meta").with_columns(
        status,
        pl.Series("error", [code for _, code in outcome], pl.String),
        **{name: pl.lit(value) for name, value in about.items()},
    )
    rows = np.flatnonzero((status == SCORED).to_numpy())
    missing = pl.Series([None], dtype=pl.Null)
    columns = [
        missing.cast(schema[name]).new_from_index(0, len(segments)).alias(name)
        if name not in measured
        else _scatter(measured[name], rows, len(segments)).cast(schema[name]).alias(name)
        for name in schema
        if name not in kept.columns
    ]
    return kept.with_columns(columns).select(list(schema)).cast(schema)


def read_columns(
    labels: Sequence[str], probabilities: Array, means: Array, spreads: Array, scale: Sequence[float]
) -> dict[str, pl.Series]:
    """The columns that every reader measures.

    Args:
        labels: k labels.
        probabilities: ``(n, k)``.
        means: ``(n, 3)`` or more columns: valence, arousal, dominance first.
        spreads: ``(n, 3)`` standard deviations as the model gives them.
        scale: Factor on each of the three that makes them fit held-out data.
    """
    share = probabilities / np.maximum(probabilities.sum(axis=1, keepdims=True), 1e-12)
    scaled = np.clip(spreads * np.array(scale, np.float32), 0, 1)
    columns = {
        "emotion": pl.DataFrame(probabilities, schema=list(labels)).to_struct("emotion"),
        "top": pl.Series([labels[k] for k in probabilities.argmax(axis=1)], dtype=pl.String),
        "confidence": pl.Series(probabilities.max(axis=1)),
        "entropy": pl.Series(-(share * np.log(np.maximum(share, 1e-12))).sum(axis=1)),
    }
    for k, name in enumerate(("valence", "arousal", "dominance")):
        columns[name] = pl.Series(means[:, k])
        columns[f"{name}_sd"] = pl.Series(scaled[:, k])
    return columns


def category_taxonomy(name: str) -> Taxonomy:
    """A taxonomy of feelings.

    Raises:
        UsageError: It is not known, or lists something else.
    """
    chosen = load_taxonomy(name)
    if chosen.kind != "category":
        raise UsageError(
            f"{chosen.id!r} lists no feelings but {chosen.kind}s.",
            code="not_categories",
            value=chosen.id,
            allowed=list_taxonomies(),
        )
    return chosen


def check_labels(labels: Sequence[str]) -> tuple[str, ...]:
    """Own words for feelings without spaces around them.

    Raises:
        UsageError: A label is empty or given twice.
    """
    cleaned = tuple(label.strip() for label in labels)
    for label in cleaned:
        if not label or cleaned.count(label) > 1:
            raise UsageError(
                f"The label {label!r} is empty or given twice.",
                code="bad_label",
                value=label,
                next_step="Give each once.",
            )
    return cleaned


def _scatter(values: pl.Series, rows: NDArray[np.int64], n: int) -> pl.Series:
    """Values at their rows, null elsewhere."""
    if len(values) == n:
        return values
    index = np.full(n, -1, np.int64)
    index[rows] = np.arange(len(rows))
    return values.gather(pl.Series(index).replace(-1, None))
