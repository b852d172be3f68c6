"""Writing an estimates file in another format."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from affectome.errors import InputError, UsageError
from affectome.media.annotations import FORMATS, write_annotations
from affectome.media.annotations.files import write_whole
from affectome.media.files import FILM_ENDINGS, SOUND_ENDINGS
from affectome.perceive.estimates import SCORED
from affectome.report.exchange.annotated import annotated
from affectome.report.exchange.hume import hume_results
from affectome.report.tables import open_estimates

EXPORTS = (*FORMATS, "hume")
"""The formats by name."""

_UNSAFE = re.compile(r"[^\w.-]+")


@dataclass(frozen=True)
class Exported:
    """What an export has written.

    Args:
        paths: The files.
        rows: Rows of the estimates that are in them.
        left_out: Rows that are not: unscored, or without a time where the format needs one.
    """

    paths: tuple[Path, ...]
    rows: int
    left_out: int


def export_estimates(estimates: str | Path, out: str | Path, format: str) -> Exported:
    """Write the estimates of a finished run in the format of another tool.

    TextGrid, EAF and WebVTT describe one recording: several of them give several files, in a folder. EmotionML and the
    results for users of Hume hold all of them in one file.

    Args:
        estimates: A ``.parquet``, ``.csv`` or ``.jsonl`` file as `affectome analyze` writes it.
        out: The file; a folder where there are several recordings.
        format: One of `EXPORTS`.

    Raises:
        UsageError: ``unknown_format``, or ``needs_folder`` if there are several recordings and ``out`` is a file.
        InputError: ``missing_file``, ``unreadable``, ``missing_column``, ``no_times`` if nothing lies on a time line
            where the format needs it, or ``not_writable``.
    """
    estimates, out = Path(estimates), Path(out)
    if format not in EXPORTS:
        raise UsageError(f"{format!r} is no format to export to.", code="unknown_format", value=format, allowed=EXPORTS)
    with open_estimates(estimates) as table:
        rows, labels = table.rows.with_columns(timed=_timed()).collect(), table.labels
    if format == "hume":
        kept = rows.filter(pl.col("status") == SCORED, pl.col("top").is_not_null(), pl.col("modality") != "image")
        write_whole(out, json.dumps(hume_results(rows, labels), ensure_ascii=False, indent=1) + "\n")
        return Exported((out,), len(kept), len(rows) - len(kept))
    scored = rows.filter(pl.col("status") == SCORED, pl.col("top").is_not_null()).with_columns(
        pl.when("timed").then(name).alias(name) for name in ("start", "end")
    )
    if not FORMATS[format].needs_times:
        write_annotations(annotated(scored, labels, every_label=True), out, format)
        return Exported((out,), len(scored), len(rows) - len(scored))
    placed = scored.filter(pl.col("start").is_not_null(), pl.col("end").is_not_null())
    if placed.is_empty():
        raise InputError(
            "There is nothing with a start and an end in seconds.",
            code="no_times",
            value=estimates,
            allowed=[name for name in EXPORTS if name not in FORMATS or not FORMATS[name].needs_times],
            next_step="Texts without a recording have no place on a time line; export them to another format.",
        )
    recordings = placed.partition_by("source", maintain_order=True)
    paths = tuple(_paths(out, [part["source"][0] for part in recordings], FORMATS[format].endings[0]))
    for path, part in zip(paths, recordings, strict=True):
        write_annotations(annotated(part, labels, every_label=False), path, format)
    return Exported(paths, len(placed), len(rows) - len(placed))


def _timed() -> pl.Expr:
    """Whether start and end are seconds: those of a text that comes from no recording count characters."""
    ending = pl.col("source").str.to_lowercase().str.extract(r"(\.[^./\\]+)$")
    return (pl.col("modality") != "text") | ending.is_in([*SOUND_ENDINGS, *FILM_ENDINGS]).fill_null(False)


def _paths(out: Path, sources: list[str | None], ending: str) -> Iterator[Path]:
    """A file for each source; names of sources never lead out of the folder."""
    if len(sources) == 1 and not out.is_dir():
        yield out
        return
    if out.is_file():
        raise UsageError(
            f"There are {len(sources)} recordings, and {out} is a file.",
            code="needs_folder",
            value=out,
            next_step="Give a folder with --out.",
        )
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as reason:
        raise InputError(f"{out} cannot be made: {reason.strerror}.", code="not_writable", value=out) from reason
    taken: set[str] = set()
    for source in sources:
        plain = _UNSAFE.sub("_", source or "").strip("._")[:120] or "recording"
        name, count = plain, 1
        while name.casefold() in taken:
            count += 1
            name = f"{plain}_{count}"
        taken.add(name.casefold())
        yield out / f"{name}{ending}"
