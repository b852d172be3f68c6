"""Reading and writing annotation files by their format."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from affectome.errors import InputError, UsageError
from affectome.media.annotations.eaf import read_eaf, write_eaf
from affectome.media.annotations.emotionml import is_said, read_emotionml, unit_of, write_emotionml
from affectome.media.annotations.table import Annotation, as_annotations, as_table
from affectome.media.annotations.textgrid import read_textgrid, write_textgrid
from affectome.media.annotations.webvtt import read_webvtt, write_webvtt


@dataclass(frozen=True)
class AnnotationFormat:
    """How a format is read and written.

    Attributes:
        endings: Endings of its files in lower case, the usual one first.
        read: File to rows.
        write: Rows to the content of a file.
        needs_times: Whether it holds only what lies on a time line.
    """

    endings: tuple[str, ...]
    read: Callable[[Path], list[Annotation]]
    write: Callable[[Sequence[Annotation]], str]
    needs_times: bool = True


FORMATS: dict[str, AnnotationFormat] = {
    "eaf": AnnotationFormat((".eaf",), read_eaf, write_eaf),
    "emotionml": AnnotationFormat((".emotionml", ".xml"), read_emotionml, write_emotionml, needs_times=False),
    "textgrid": AnnotationFormat((".TextGrid",), read_textgrid, write_textgrid),
    "webvtt": AnnotationFormat((".vtt",), read_webvtt, write_webvtt),
}
"""The formats by name."""


def read_annotations(path: str | Path, format: str | None = None) -> pl.DataFrame:
    """Read a file into a table of `ANNOTATION_SCHEMA`.

    Args:
        path: The file, at most 64 MiB.
        format: One of `FORMATS`; by default the one that the file's ending tells.

    Raises:
        InputError: ``missing_file``, ``unreadable``, ``too_large``, ``malformed``, ``unsafe_xml``, ``bad_encoding``.
        UsageError: ``unknown_format``.
    """
    path = Path(path)
    return as_table(_format(path, format).read(path))


def write_annotations(table: pl.DataFrame, path: str | Path, format: str | None = None) -> int:
    """Write a table of `ANNOTATION_SCHEMA`; an existing file is replaced.

    Args:
        table: The annotations.
        path: The file.
        format: One of `FORMATS`; by default the one that the file's ending tells.

    Returns:
        How many rows the format has no place for: rows without times where it needs them, and in EmotionML texts
        about which nothing else is said.

    Raises:
        InputError: ``missing_column``, ``bad_times``, ``bad_value``, ``empty_annotation``, or ``not_writable``.
        UsageError: ``unknown_format``.
    """
    path = Path(path)
    chosen = _format(path, format)
    rows = as_annotations(table)
    write_whole(path, chosen.write(rows))
    if chosen.needs_times:
        return sum(not row.timed for row in rows)
    described = {unit_of(row) for row in rows if not is_said(row)}
    return sum(is_said(row) and unit_of(row) not in described for row in rows)


def write_whole(path: Path, content: str) -> None:
    """Write a text file that is there as a whole or not at all.

    Raises:
        InputError: ``not_writable``.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(content, encoding="utf-8", errors="replace", newline="\n")
        temporary.replace(path)
    except OSError as reason:
        with suppress(OSError):
            temporary.unlink()
        raise InputError(f"{path} cannot be written: {reason.strerror}.", code="not_writable", value=path) from reason


def _format(path: Path, name: str | None) -> AnnotationFormat:
    if name is None:
        ending = path.suffix.lower()
        name = next((key for key, each in FORMATS.items() if ending in map(str.lower, each.endings)), None)
    if name not in FORMATS:
        raise UsageError(
            f"The format of {path} is not known.", code="unknown_format", value=name or path.name, allowed=list(FORMATS)
        )
    return FORMATS[name]
