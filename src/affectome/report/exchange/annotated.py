"""Estimates as annotations on a time line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from affectome.media.annotations.table import TEXT, Annotation, as_table

EMOTION = "emotion"
DIMENSIONS = ("valence", "arousal", "dominance")
_DIGITS = 6  # of a 32-bit number


def annotated(rows: pl.DataFrame, labels: Sequence[str], *, every_label: bool) -> pl.DataFrame:
    """A table of annotations: what was said, the emotion with its probability, valence, arousal and dominance.

    Args:
        rows: Scored rows as `affectome.report.tables.open_estimates` gives them, with seconds in ``start`` and ``end``.
        labels: Labels of the taxonomy.
        every_label: Whether each label of the taxonomy becomes a row, and not only the most probable one.
    """
    return as_table(row for each in rows.iter_rows(named=True) for row in _rows(each, labels, every_label))


def _rows(row: Mapping[str, Any], labels: Sequence[str], every_label: bool) -> Iterator[Annotation]:
    about = {name: row[name] for name in ("id", "source", "start", "end", "speaker")}
    if row["text"] and row["text"].strip():
        yield Annotation(tier=TEXT, label=row["text"], **about)
    shown = labels if every_label else [row["top"]]
    for label in shown:
        value = _rounded(row[f"emotion.{label}"])
        yield Annotation(tier=EMOTION, modality=row["modality"], label=label, value=value, **about)
    for name in DIMENSIONS:
        if row[name] is not None:
            yield Annotation(tier=name, modality=row["modality"], value=_rounded(row[name]), **about)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, _DIGITS)
