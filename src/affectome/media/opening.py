"""Opening one found file: its format, encoding and columns, or the problem with it."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from affectome.errors import InputError
from affectome.media.columns import TEXT_NAMES, USUAL_NAMES, Columns, resolve_columns
from affectome.media.delimited import DelimitedTable, sniff
from affectome.media.files import FileProblem, Format, FoundFile, content_hash
from affectome.media.jsonlines import JsonLines
from affectome.media.parquet import ParquetTable
from affectome.media.plaintext import PlainText
from affectome.media.records import READ_ERRORS, RecordFile, take_sample
from affectome.media.textfiles import TextFile, examine
from affectome.media.times import TimeParser

_TABLE_SHARE = 0.5
_JSON_START = re.compile(r'\s*(?:\{|\[\s*(?:[{"\[]|$))')


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file that is read.

    Attributes:
        path: Where it is.
        source: Its name in the table.
        format: ``delimited``, ``jsonlines``, ``parquet`` or ``text``.
        encoding: Character encoding that was found, None for Parquet.
        columns: Which column holds what.
        digest: SHA-256 of its bytes, hexadecimal.
        notes: Counts of oddities: ``bad_rows`` and ``unparsed_times`` of the last pass, ``invalid_bytes`` that the
            encoding cannot express.
        records: The opened file.
        times: Parser of its time column.
    """

    path: Path
    source: str
    format: Format
    encoding: str | None
    columns: Columns
    digest: str
    notes: Counter[str]
    records: RecordFile = field(repr=False)
    times: TimeParser = field(repr=False)


def open_file(found: FoundFile, asked: Columns) -> FileEntry | FileProblem:
    """The file ready to be read, or why it is not.

    Args:
        found: The file.
        asked: The columns the user named; they bind tables, plain text has none.

    Raises:
        InputError: ``missing_column``, ``no_text_column`` or ``no_header``, if the user named this very file.
    """
    try:
        return _open(found, asked)
    except InputError as error:
        if found.named and error.code in {"missing_column", "no_header", "no_text_column"}:
            raise
        return FileProblem(Path(found.given_as), error.code, str(error))
    except READ_ERRORS as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
        return FileProblem(Path(found.given_as), "unreadable", f"It cannot be read: {reason.splitlines()[0]}.")


def _open(found: FoundFile, asked: Columns) -> FileEntry | FileProblem:
    if found.path.stat().st_size == 0:
        return FileProblem(Path(found.given_as), "empty_file", "It is empty.")
    notes: Counter[str] = Counter()
    reader: RecordFile
    if found.format == "parquet" or (found.format is None and _has_parquet_mark(found.path)):
        written_as: Format = "parquet"
        reader = ParquetTable(found.path)
    else:
        text = examine(found.path, found.compressed)
        if text is None:
            return FileProblem(Path(found.given_as), "binary_file", "It is not text.")
        if text.invalid_bytes:
            notes["invalid_bytes"] = text.invalid_bytes
        written_as = found.format or _format_of(text, asked)
        reader = _text_reader(text, written_as, asked)
    if isinstance(reader, PlainText):
        columns = Columns(text="text", speaker="speaker")
    else:
        columns = resolve_columns(asked, reader)
    if isinstance(reader, ParquetTable):
        reader.select(columns.named())
    written_times = [record.get(columns.time) for record in take_sample(reader.records())] if columns.time else []
    return FileEntry(
        path=found.path,
        source=found.source,
        format=written_as,
        encoding=reader.encoding,
        columns=columns,
        digest=content_hash(found.path),
        notes=notes,
        records=reader,
        times=TimeParser(written_times),
    )


def _has_parquet_mark(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(4) == b"PAR1"


def _format_of(text: TextFile, asked: Columns) -> Format:
    """The format of a text without a telling file name.

    JSON if it begins like it; a table if columns are asked for, or if its first line has a usual name for the text and
    most rows fit that header; plain text otherwise.
    """
    lines = text.first_lines()
    first = next((line for line in lines if line and line.strip()), "")
    if _JSON_START.match(first):
        return "jsonlines"
    if asked.named():
        return "delimited"
    dialect = sniff(lines, USUAL_NAMES)
    has_text = any(name.strip().lower() in TEXT_NAMES for name in dialect.header)
    return "delimited" if has_text and dialect.fitting > _TABLE_SHARE else "text"


def _text_reader(text: TextFile, written_as: Format, asked: Columns) -> RecordFile:
    if written_as == "jsonlines":
        return JsonLines(text, asked.id)
    if written_as == "delimited":
        return DelimitedTable(text, {*USUAL_NAMES, *(name.lower() for name in asked.named())})
    return PlainText(text)
