"""Records: what every reader of a file format hands on, one mapping a row."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from itertools import islice
from typing import Protocol, TypeAlias

import polars as pl

from affectome.errors import InputError

Record: TypeAlias = Mapping[str, object]
"""One row as column name -> value of plain Python type."""

SAMPLE_ROWS = 1000
SAMPLE_CHARACTERS = 1 << 23
"""What is looked at of a file, at most, to find out columns, delimiters, scripts and forms of time."""

RECORD_LIMIT = 1 << 26
"""Characters one record may have (64 Mi); a longer one is a bad row, so that memory stays bounded."""

READ_ERRORS = (OSError, EOFError, zlib.error, pl.exceptions.PolarsError, pl.exceptions.PanicException)
"""What reading can raise on an unreadable, truncated or damaged file; Polars reports some damage by a panic."""

_SURROGATES = re.compile("[\ud800-\udfff]")


class RecordFile(Protocol):
    """An opened table, list of JSON objects, or plain text."""

    @property
    def columns(self) -> Sequence[str]:
        """Column names, in the order of the file."""

    @property
    def encoding(self) -> str | None:
        """Name of the character encoding, None for binary formats."""

    def records(self) -> Iterator[Record | None]:
        """All rows from the start, None for one that cannot be parsed."""


def nothing_to_read(name: str) -> InputError:
    """The error ``empty_file`` for the file ``name``."""
    return InputError(
        "There is nothing in it to read.", code="empty_file", value=name, next_step="Check how the file was written."
    )


def take_sample(records: Iterator[Record | None]) -> list[Record]:
    """The first readable records, within `SAMPLE_ROWS` and about `SAMPLE_CHARACTERS`; damage ends it."""
    sample: list[Record] = []
    characters = 0
    with suppress(*READ_ERRORS):
        for record in islice(records, SAMPLE_ROWS):
            if record is not None:
                sample.append(record)
                characters += sum(len(value) for value in record.values() if isinstance(value, str))
            if characters > SAMPLE_CHARACTERS:
                break
    return sample


def clean(text: str) -> str:
    """``text`` without NUL characters and with lone surrogates replaced by U+FFFD; nothing else changes."""
    if text.isascii():
        return text.replace("\0", "")
    return _SURROGATES.sub("\ufffd", text.replace("\0", ""))


def as_text(value: object) -> str:
    """A scalar as text: strings as they are, numbers in decimal, booleans as ``true`` and ``false``.

    Raises:
        TypeError: For lists, objects, bytes and everything else that has no one textual form.
    """
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | Decimal):
        return str(value)
    isoformat = getattr(value, "isoformat", None)  # dates and times of Parquet columns
    if isoformat is not None:
        return str(isoformat())
    raise TypeError(f"no textual form for {type(value).__name__}")


def as_label(value: object) -> str | None:
    """An id, name or kept value as text: None where missing or empty, lists and objects as JSON."""
    if value is None:
        return None
    try:
        return as_text(value) or None
    except TypeError:
        return clean(json.dumps(value, ensure_ascii=False, default=str))
