"""How often the fast reader of texts has left one to the full reader."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import polars as pl

from affectome.perceive.estimates import SCORED

_COLUMNS = pl.Schema({"modality": pl.String(), "status": pl.String(), "model": pl.String()})
_SCANS: dict[str, Callable[[Path], pl.LazyFrame]] = {
    ".parquet": pl.scan_parquet,
    ".csv": functools.partial(pl.scan_csv, infer_schema=False),
    ".jsonl": functools.partial(pl.scan_ndjson, schema=_COLUMNS),
}


def count_escalated(estimates: Path, fast_model: str) -> dict[str, object]:
    """Scored texts of an estimates file, and how many of them the full reader has read.

    Args:
        estimates: The file.
        fast_model: Id and version of the fast reader.

    Returns:
        ``model``, ``texts`` and ``escalated``.
    """
    texts = _SCANS[estimates.suffix](estimates).filter(pl.col("modality") == "text", pl.col("status") == SCORED)
    rows, left = texts.select(pl.len(), (pl.col("model") != fast_model).sum().alias("left")).collect().row(0)
    return {"model": fast_model, "texts": rows, "escalated": left}
