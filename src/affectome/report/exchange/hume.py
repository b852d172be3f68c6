"""Estimates in the schema of batch results that users of Hume's Expression Measurement API know.

Source: the types ``InferenceSourcePredictResult`` and below of ``hume.expression_measurement.batch`` in Hume's Python
SDK, as of April 2026. ``docs/exchange.md`` says field by field what stands for what.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from affectome.perceive.estimates import FAILED, SCORED

_MODELS = {"text": "language", "voice": "prosody", "face": "face"}
_UNKNOWN = "unknown"  # the schema's own word for a speaker that nobody told


def hume_results(rows: pl.DataFrame, labels: Sequence[str]) -> list[dict[str, Any]]:
    """One result for each source, as plain JSON types.

    Args:
        rows: Rows as `affectome.report.tables.open_estimates` gives them, with the column ``timed`` that says whether
            ``start`` and ``end`` are seconds.
        labels: Labels of the taxonomy.
    """
    return [_result(source, part, labels) for (source,), part in rows.group_by("source", maintain_order=True)]


def _result(source: Any, rows: pl.DataFrame, labels: Sequence[str]) -> dict[str, Any]:  # noqa: ANN401 - a cell
    name = source or ""
    scored = rows.filter(pl.col("status") == SCORED, pl.col("top").is_not_null())
    models = {
        model: _grouped(part, modality, labels)
        for modality, model in _MODELS.items()
        if len(part := scored.filter(pl.col("modality") == modality))
    }
    errors = [
        {"message": f"{row['id']}: {row['error']}", "file": name}
        for row in rows.filter(pl.col("status") == FAILED).iter_rows(named=True)
    ]
    predictions = [{"file": name, "models": models}] if models else []
    return {
        "source": {"type": "file", "filename": name, "content_type": None, "md5sum": ""},
        "results": {"predictions": predictions, "errors": errors},
        "error": None,
    }


def _grouped(rows: pl.DataFrame, modality: str, labels: Sequence[str]) -> dict[str, Any]:
    groups = [
        {"id": speaker or _UNKNOWN, "predictions": list(_predictions(part, modality, labels))}
        for (speaker,), part in rows.group_by("speaker", maintain_order=True)
    ]
    return {"metadata": None, "grouped_predictions": groups}


def _predictions(rows: pl.DataFrame, modality: str, labels: Sequence[str]) -> Iterator[dict[str, Any]]:
    for row in rows.iter_rows(named=True):
        emotions = [{"name": label, "score": row[f"emotion.{label}"]} for label in labels]
        if modality == "face":
            yield {**_face(row), "emotions": emotions, "facs": _action_units(row), "descriptions": None}
            continue
        time = {"begin": row["start"], "end": row["end"]} if row["timed"] and row["start"] is not None else None
        said = {"text": row["text"], "time": time, "confidence": None, "speaker_confidence": None}
        if modality == "voice":
            yield {**said, "emotions": emotions}
            continue
        begin = 0 if row["timed"] or row["start"] is None else int(row["start"])
        toxicity = row["tone.toxicity"]
        yield {
            **said,
            "position": {"begin": begin, "end": begin + len(row["text"] or "")},
            "emotions": emotions,
            "sentiment": None,
            "toxicity": None if toxicity is None else [{"name": "toxic", "score": toxicity}],
        }


def _face(row: Mapping[str, Any]) -> dict[str, Any]:
    size, middle = row.get("face.size"), (row.get("face.x"), row.get("face.y"))
    left, top = (0.0 if size is None or place is None else place - size / 2 for place in middle)
    return {
        "frame": 0,
        "time": row["start"] or 0.0,
        "prob": 1.0,  # finds that are doubtful are abstained from
        "box": {"x": left, "y": top, "w": size or 0.0, "h": size or 0.0},
    }


def _action_units(row: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    units = {name.removeprefix("au."): value for name, value in row.items() if name.startswith("au.")}
    measured = [{"name": name, "score": value} for name, value in units.items() if value is not None]
    return measured or None
