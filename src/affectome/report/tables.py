"""Opening an estimates file: any format becomes one flat, lazily read Parquet table."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from affectome.errors import InputError, UsageError
from affectome.perceive.estimates import SCORED, estimates_schema

_MEASURED = ("emotion", "intensity", "prosody", "au", "face", "look", "fusion", "conflict")
_STRUCTS = (*_MEASURED, "tone", "meta")
_WORDS = ("id", "source", "speaker", "text", "status", "error", "top")
_NUMBERS = ("confidence", "entropy", "valence", "valence_sd", "arousal", "arousal_sd", "dominance", "dominance_sd")


@dataclass(frozen=True)
class EstimatesTable:
    """An estimates file with its structs flattened to columns such as ``emotion.joy`` and ``meta.time``.

    Args:
        rows: All rows, lazily, with their position in the file as ``row``.
        labels: Labels of the taxonomy, in its order.
        fused: Sources of which there are fused rows.
    """

    rows: pl.LazyFrame
    labels: tuple[str, ...]
    fused: tuple[str, ...] = ()

    @property
    def scored(self) -> pl.LazyFrame:
        """The rows in which a feeling was read, of films the fused ones alone, so that nothing counts twice.

        Of pictures as such only the look is measured.
        """
        read = self.rows.filter(pl.col("status") == SCORED, pl.col("top").is_not_null())
        if not self.fused:
            return read
        return read.filter((pl.col("modality") == "fused") | ~pl.col("source").is_in(list(self.fused)))


def probability(label: str) -> pl.Expr:
    """The column with the probability of a label."""
    return pl.col(f"emotion.{label}")


@contextmanager
def open_estimates(path: Path) -> Iterator[EstimatesTable]:
    """Open an estimates file for the length of a ``with`` block.

    CSV and JSON lines are streamed once into a temporary Parquet file, since every summary reads only a few columns.

    Args:
        path: A ``.parquet``, ``.csv`` or ``.jsonl`` file as the runner writes it.

    Raises:
        InputError: There is no such file, it cannot be read, or it lacks a column of the estimates table
            (codes ``missing_file``, ``unreadable``, ``missing_column``).
        UsageError: The format is another one (code ``unknown_format``).
    """
    scanners: dict[str, Callable[[Path], pl.LazyFrame]] = {
        ".parquet": pl.scan_parquet,
        ".csv": _scan_csv,
        ".jsonl": _scan_jsonl,
    }
    if path.suffix not in scanners:
        raise UsageError(
            f"{path.name} is not an estimates file.", code="unknown_format", value=path, allowed=tuple(scanners)
        )
    if not path.is_file():
        raise InputError(
            f"There is no file {path}.",
            code="missing_file",
            value=path,
            next_step="Give the estimates file of a finished run.",
        )
    with tempfile.TemporaryDirectory(prefix="affectome-") as folder:
        try:
            flat = _flatten(scanners[path.suffix](path), path)
            if path.suffix != ".parquet":
                flat.sink_parquet(Path(folder) / "flat.parquet", maintain_order=True)
                flat = pl.scan_parquet(Path(folder) / "flat.parquet")
            names = tuple(flat.collect_schema())
        except (pl.exceptions.PolarsError, ValueError, OSError) as error:
            raise InputError(
                f"{path} cannot be read as a table of estimates.",
                code="unreadable",
                value=path,
                next_step="Run the analysis again to write it anew.",
            ) from error
        labels = tuple(name.removeprefix("emotion.") for name in names if name.startswith("emotion."))
        fused = flat.filter(pl.col("modality") == "fused").select(pl.col("source").unique()).collect()
        yield EstimatesTable(flat.with_row_index("row"), labels, tuple(fused["source"].sort()))


def _flatten(table: pl.LazyFrame, path: Path) -> pl.LazyFrame:
    """The columns reports use, with plain names and the contract's types."""
    schema = table.collect_schema()
    fields = {
        f"{name}.{field}": pl.col(name).struct.field(field)
        for name in _STRUCTS
        if isinstance(dtype := schema.get(name), pl.Struct)
        for field in dtype.to_schema()
    }
    flattened = tuple(f"{name}." for name in _STRUCTS)
    columns = fields or {name: pl.col(name) for name in schema if name.startswith(flattened)}
    missing = [name for name in (*_WORDS, *_NUMBERS) if name not in schema]
    if missing:
        raise InputError(
            f"{path} lacks columns of the estimates table.",
            code="missing_column",
            value=", ".join(missing),
            allowed=_WORDS + _NUMBERS,
            next_step="Give the estimates file of a finished run.",
        )
    measured = [name for name in columns if name.startswith(tuple(f"{name}." for name in _MEASURED))]
    absent = pl.lit(None)
    return table.select(
        *(pl.col(name).cast(pl.String) for name in _WORDS),
        *(pl.col(name).cast(pl.Float32) for name in _NUMBERS),
        *(columns[name].cast(pl.Float32).alias(name) for name in measured),
        *(
            (pl.col(name) if name in schema else absent).cast(dtype).alias(name)
            for name, dtype in (("modality", pl.String), ("start", pl.Float64), ("end", pl.Float64))
        ),
        columns.get("tone.toxicity", absent).cast(pl.Float32).alias("tone.toxicity"),
        columns.get("meta.group", absent).cast(pl.String).alias("meta.group"),
        columns.get("meta.turn", absent).cast(pl.String).cast(pl.Int64, strict=False).alias("meta.turn"),
        _time(columns.get("meta.time", absent)).alias("meta.time"),
    ).with_columns(pl.col("error").fill_null(""))


def _time(column: pl.Expr) -> pl.Expr:
    text = column.cast(pl.String).str.replace("T", " ", literal=True)
    return text.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", strict=False)


def _scan_csv(path: Path) -> pl.LazyFrame:
    return pl.scan_csv(path, infer_schema=False)


def _scan_jsonl(path: Path) -> pl.LazyFrame:
    """JSON lines with their types given: the first rows may hold nulls only, from which none can be inferred."""
    found: dict[str, tuple[str, ...]] = {}
    wanted: set[str] = set()
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            wanted = wanted or {*row} & {*_MEASURED, "meta"}
            found |= {name: tuple(row[name]) for name in wanted if row[name] and name not in found}
            if len(found) == len(wanted):
                break
    structs = {name: pl.Struct(dict.fromkeys(fields, pl.Float32())) for name, fields in found.items()}
    structs["meta"] = pl.Struct(dict.fromkeys(found.get("meta", ()), pl.String()))
    return pl.scan_ndjson(path, schema=pl.Schema({**estimates_schema(found.get("emotion", ())), **structs}))
