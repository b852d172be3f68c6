"""Segments: files, tables and dialogues as one stream of rows with the same columns."""

from __future__ import annotations

import hashlib
import json
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import astuple
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import polars as pl

from affectome.errors import InputError, UsageError
from affectome.media.columns import Columns
from affectome.media.files import READABLE, FileProblem, FoundFile, find_files
from affectome.media.opening import FileEntry, open_file
from affectome.media.records import READ_ERRORS, Record, as_label, as_text
from affectome.media.sentences import split_sentences

# Characters of text after which a shard is cut although it has fewer rows than asked for.
_SHARD_CHARACTERS = 1 << 23
_CARRIED = ("time", "group")


class _Segment(NamedTuple):
    id: str
    source: str
    start: float | None
    end: float | None
    speaker: str | None
    text: str | None
    error: str
    time: datetime | None
    group: str | None
    kept: tuple[str | None, ...]


def segments_schema(keep: Sequence[str] = ()) -> pl.Schema:
    """Columns of a segment table.

    ``start`` and ``end`` are character offsets [start, end) into the text of the row for sentence segments, null
    otherwise; ``error`` is empty or ``bad_row``; ``meta.time`` is UTC.

    Args:
        keep: Further columns carried in ``meta``, as strings.
    """
    return pl.Schema(
        {
            "id": pl.String(),
            "source": pl.String(),
            "start": pl.Float64(),
            "end": pl.Float64(),
            "speaker": pl.String(),
            "text": pl.String(),
            "error": pl.String(),
            "meta": pl.Struct(_meta_schema(keep)),
        }
    )


def _meta_schema(keep: Sequence[str]) -> dict[str, pl.DataType]:
    return {"time": pl.Datetime("us"), "group": pl.String(), **{name: pl.String() for name in keep}}


class SegmentSource:
    """Segments of a set of files; made by `read_segments`.

    Attributes:
        entries: The files that are read, with encoding, columns and notes.
        problems: Files that are not read, or were not read to their end in the last pass.
        fingerprint: SHA-256 over names and contents of the files and all options: equal fingerprints mean equal shards.
    """

    def __init__(
        self,
        entries: Sequence[FileEntry],
        problems: Sequence[FileProblem],
        fingerprint: str,
        *,
        keep: tuple[str, ...],
        sentences: bool,
        shard_rows: int,
    ) -> None:
        self.entries = list(entries)
        self.problems = list(problems)
        self.fingerprint = fingerprint
        self._keep = keep
        self._sentences = sentences
        self._shard_rows = shard_rows

    @property
    def files(self) -> list[Path]:
        """The files that are read, in reading order."""
        return [entry.path for entry in self.entries]

    def shards(self) -> Iterator[pl.DataFrame]:
        """Tables with the columns of `segments_schema`, the same ones on every call.

        A shard has ``shard_rows`` rows, fewer at the end or once its texts exceed about 8 million characters. A file
        that turns out damaged ends in one row with error ``bad_row`` and is added to ``problems``.
        """
        shard: list[_Segment] = []
        characters = 0
        for segment in self._segments():
            shard.append(segment)
            characters += len(segment.text or "")
            if len(shard) == self._shard_rows or characters >= _SHARD_CHARACTERS:
                yield self._table(shard)
                shard, characters = [], 0
        if shard:
            yield self._table(shard)

    def _segments(self) -> Iterator[_Segment]:
        for entry in self.entries:
            for segment in self._file_segments(entry):
                if self._sentences and segment.text and not segment.error:
                    yield from _sentence_segments(segment)
                else:
                    yield segment

    def _file_segments(self, entry: FileEntry) -> Iterator[_Segment]:
        self.problems = [problem for problem in self.problems if problem.path != entry.path]
        entry.notes["bad_rows"] = entry.notes["unparsed_times"] = 0
        number = 0
        try:
            for record in entry.records.records():
                yield self._segment(entry, record, number)
                number += 1
        except READ_ERRORS as error:
            message = f"It is damaged after row {number}: {str(error).splitlines()[0] if str(error) else error!r}."
            self.problems.append(FileProblem(entry.path, "unreadable", message))
            yield self._segment(entry, None, number)

    def _segment(self, entry: FileEntry, record: Record | None, number: int) -> _Segment:
        source = entry.source
        if record is None:
            entry.notes["bad_rows"] += 1
            nothing = (None,) * len(self._keep)
            return _Segment(f"{source}#{number}", source, None, None, None, None, "bad_row", None, None, nothing)
        columns = entry.columns
        text: str | None
        error = ""
        try:
            value = record.get(columns.text) if columns.text else None
            text = None if value is None else as_text(value)
        except TypeError:
            text, error = None, "bad_row"
            entry.notes["bad_rows"] += 1
        time = None
        if columns.time and (written := record.get(columns.time)) not in (None, ""):
            time = entry.times.parse(written)
            entry.notes["unparsed_times"] += time is None
        return _Segment(
            (columns.id and as_label(record.get(columns.id))) or f"{source}#{number}",
            source,
            None,
            None,
            as_label(record.get(columns.speaker)) if columns.speaker else None,
            text,
            error,
            time,
            as_label(record.get(columns.group)) if columns.group else None,
            tuple(as_label(record.get(name)) for name in self._keep),
        )

    def _table(self, shard: Sequence[_Segment]) -> pl.DataFrame:
        schema = segments_schema(self._keep)
        *columns, times, groups, kept = zip(*shard, strict=True)
        fields = {"time": times, "group": groups, **dict(zip(self._keep, zip(*kept, strict=True), strict=True))}
        meta = pl.DataFrame(fields, schema=_meta_schema(self._keep)).to_struct("meta")
        return pl.DataFrame([*columns, meta], schema=schema)


def read_segments(
    paths: Sequence[str | Path],
    *,
    text_column: str | None = None,
    id_column: str | None = None,
    speaker_column: str | None = None,
    time_column: str | None = None,
    group_column: str | None = None,
    keep: Sequence[str] = (),
    sentences: bool = False,
    shard_rows: int = 2000,
) -> SegmentSource:
    """Read tables, dialogues and plain texts, row by row, in bounded memory.

    Read are CSV and TSV, JSON Lines, all of them also gzip-compressed, Parquet, plain text (a segment is a non-empty
    line), folders of these, and ``-`` for standard input. Encodings, delimiters and columns are found out.

    Columns that are not named are found by their usual names: the text is the first of text, body, content, tweet,
    message, post, comment, sentence, utterance, title, else the only column of prose; the id is id; the speaker
    speaker, author or user; the time time, timestamp, created_at, date or datetime; the group group.

    Args:
        paths: Files, folders, or ``-``.
        text_column: Column with the text.
        id_column: Column with the id; rows without one are called ``<source>#<row number from 0>``.
        speaker_column: Column with who speaks.
        time_column: Column with the time.
        group_column: Column with the group to compare.
        keep: Further columns to carry along.
        sentences: Make each sentence a segment, ``<id>:<n>``.
        shard_rows: Rows of a shard, at least 1.

    Raises:
        InputError: ``no_paths``, ``missing_path``, ``not_a_file``; ``missing_column``, ``no_text_column`` or
            ``no_header`` in a file named directly; ``nothing_readable`` if no file can be read. What is wrong with
            single files beside readable ones is listed in ``problems``.
        UsageError: ``bad_shard_rows``, ``reserved_column``.
    """
    if shard_rows < 1:
        raise UsageError(
            "A shard has at least one row.", code="bad_shard_rows", value=shard_rows, next_step="Give a number above 0."
        )
    keep = tuple(dict.fromkeys(keep))
    for name in _CARRIED:
        if name in keep:
            raise UsageError(
                f"{name!r} cannot be kept under its own name, which is taken.",
                code="reserved_column",
                value=name,
                next_step=f"Use {name}_column (--{name}-column): its value is always carried along.",
            )
    asked = Columns(
        text=text_column, id=id_column, speaker=speaker_column, time=time_column, group=group_column, keep=keep
    )
    found, problems = find_files([paths] if isinstance(paths, str | Path) else paths)
    temporary = [file.path for file in found if file.temporary]
    try:
        entries = _open_all(found, asked, problems)
    except BaseException:
        _delete(temporary)
        raise
    read = [[entry.source, entry.digest] for entry in entries]
    fingerprint = hashlib.sha256(json.dumps([astuple(asked), sentences, shard_rows, read]).encode()).hexdigest()
    source = SegmentSource(entries, problems, fingerprint, keep=keep, sentences=sentences, shard_rows=shard_rows)
    weakref.finalize(source, _delete, temporary)
    return source


def _open_all(found: Sequence[FoundFile], asked: Columns, problems: list[FileProblem]) -> list[FileEntry]:
    """The readable files; what is wrong with the others is added to ``problems``."""
    entries: list[FileEntry] = []
    for file in found:
        opened = open_file(file, asked)
        if isinstance(opened, FileProblem):
            problems.append(opened)
        else:
            entries.append(opened)
    if not entries:
        raise InputError(
            f"No file can be read. {problems[0].path}: {problems[0].message}",
            code="nothing_readable",
            value=problems[0].path,
            next_step=f"Give {', '.join(READABLE)} files, or a folder with some.",
        )
    return entries


def _sentence_segments(segment: _Segment) -> Iterator[_Segment]:
    text = segment.text or ""
    spans = split_sentences(text)
    if not spans:
        yield segment
    for number, (start, end) in enumerate(spans):
        yield segment._replace(id=f"{segment.id}:{number}", start=float(start), end=float(end), text=text[start:end])


def _delete(paths: Sequence[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
