"""The results of a job in the format that is asked for; written once, and kept with the job until it is erased."""

from __future__ import annotations

import json
import math
import secrets
import zipfile
from collections.abc import Callable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl

from affectome.errors import UsageError
from affectome.pipeline.storage import replacing, write_bytes
from affectome.server.jobs import Job
from affectome.server.purposes import intended_uses, notice_page, rules

MEDIA_TYPES = {
    "parquet": "application/vnd.apache.parquet",
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/x-ndjson",
    "html": "text/html; charset=utf-8",
    "zip": "application/zip",
}
"""Formats that are files, and their media types."""

_ESTIMATES = "estimates.parquet"


def rows(folder: Path, job: Job, offset: int, limit: int) -> dict[str, Any]:
    """A part of the estimates as JSON types, with the notice and the intended uses.

    Args:
        folder: Folder of the results.
        job: Whose results they are.
        offset: First row.
        limit: Number of rows.
    """
    part = pl.scan_parquet(folder / _ESTIMATES, glob=False).slice(offset, limit).collect()
    return {
        "rows": [plain(row) for row in part.iter_rows(named=True)],
        "offset": offset,
        "limit": limit,
        "total": job.outcome["counts"]["rows"],
        "notice": rules().notice,
        "intended_use": intended_uses(job.request["modalities"]),
    }


def as_file(folder: Path, job: Job, form: str) -> Path:
    """The results as a file.

    Args:
        folder: Folder of the results.
        job: Whose results they are.
        form: A key of `MEDIA_TYPES`.

    Raises:
        UsageError: ``no_report`` if the job was not asked for one.
    """
    if form == "parquet":
        return folder / _ESTIMATES
    path = folder / {"html": "shown.html", "zip": "results.zip"}.get(form, f"estimates.{form}")
    if not path.exists():
        _WRITERS[form](folder, path, job)
    return path


def _write_csv(folder: Path, path: Path, _: Job) -> None:
    with replacing(path, _beside(path)) as temporary:
        table = pl.scan_parquet(folder / _ESTIMATES, glob=False)
        table.select(_flat(table.collect_schema())).sink_csv(temporary)


def _write_jsonl(folder: Path, path: Path, _: Job) -> None:
    with replacing(path, _beside(path)) as temporary:
        pl.scan_parquet(folder / _ESTIMATES, glob=False).sink_ndjson(temporary)


def _write_html(folder: Path, path: Path, _: Job) -> None:
    report = folder / "report.html"
    if not report.exists():
        raise UsageError(
            "The job was not asked for a report.", code="no_report", next_step="Send it again with report=true."
        )
    write_bytes(path, _without_paths(report.read_text(encoding="utf-8"), folder).encode())


def _write_zip(folder: Path, path: Path, job: Job) -> None:
    request = job.request
    with replacing(path, _beside(path)) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        archive.write(folder / _ESTIMATES, _ESTIMATES)
        archive.writestr("NOTICE.md", notice_page(request["modalities"], request["purpose"], request["ground"]))
        archive.writestr("run.json", _without_paths((folder / "run.json").read_text(encoding="utf-8"), folder))
        if (folder / "report.html").exists():
            archive.write(as_file(folder, job, "html"), "report.html")


_WRITERS: dict[str, Callable[[Path, Path, Job], None]] = {
    "csv": _write_csv,
    "jsonl": _write_jsonl,
    "html": _write_html,
    "zip": _write_zip,
}


def _beside(path: Path) -> Path:
    """Where to write a file that another request may be writing just now as well."""
    return path.with_name(f".{secrets.token_hex(8)}.tmp")


def _without_paths(words: str, folder: Path) -> str:
    """Words that do not say where on the server the files lie."""
    for place in (folder.parent / "uploads", folder.parent):
        words = words.replace(json.dumps(f"{place.resolve()}/")[1:-1], "")
    return words


def _flat(fields: pl.Schema, parents: tuple[str, ...] = ()) -> Iterator[pl.Expr]:
    """Columns without structs, named like ``emotion.joy``."""
    for name, kind in fields.items():
        path = (*parents, name)
        if isinstance(kind, pl.Struct):
            yield from _flat(pl.Schema(kind), path)
        else:
            column = pl.col(path[0])
            for part in path[1:]:
                column = column.struct.field(part)
            yield column.alias(".".join(path))


def plain(value: Any) -> Any:  # noqa: ANN401 - what a row holds
    """JSON types; a number that is none is missing."""
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    if isinstance(value, list):
        return [plain(part) for part in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bool | int | str) or value is None:
        return value
    return value.isoformat() if isinstance(value, datetime | date) else str(value)
