"""Delimited tables (CSV, TSV): one damaged row costs that row and no other."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum, auto
from typing import NamedTuple

from affectome.media.records import RECORD_LIMIT, Record, nothing_to_read
from affectome.media.textfiles import TextFile


class _End(Enum):
    END = auto()


_DELIMITERS = (",", ";", "\t", "|")
# Characters that may be read twice in one file because a quote was opened and never closed. Beyond it quoted fields
# must end on their own line, so that crafted files cannot make reading quadratic.
_RESCAN_LIMIT = 4 * RECORD_LIMIT
_LINE_COST = 64  # characters a short line counts for


class DelimitedTable:
    """A table whose first non-blank line names the columns.

    The delimiter is one of ``, ; tab |``; a header that none of them divides is one column, and each line one field.

    Quoting follows RFC 4180. A row with too few fields, or too many that are not empty, cannot be divided with
    certainty and is bad.

    Args:
        file: The file.
        known_names: Lower-case column names that speak for a delimiter.

    Raises:
        InputError: ``empty_file`` if there is no row but the header.
    """

    def __init__(self, file: TextFile, known_names: Iterable[str]) -> None:
        self._file = file
        dialect = sniff(file.first_lines(), known_names)
        self._delimiter = dialect.delimiter
        self.columns = _unique_names(dialect.header)
        self.encoding = file.encoding
        if next(self.records(), _End.END) is _End.END:
            raise nothing_to_read(file.path.name)

    def records(self) -> Iterator[Record | None]:
        """All rows, None for one that cannot be parsed."""
        with self._file.lines() as lines:
            splitter = _RowSplitter(lines, self._delimiter)
            divided = splitter.rows()
            next(divided, None)
            splitter.width = len(self.columns)
            for fields in divided:
                yield None if fields is None else dict(zip(self.columns, fields, strict=True))


class Dialect(NamedTuple):
    """How a table is divided.

    Attributes:
        delimiter: The delimiter; None if there is one column.
        header: Column names as written.
        fitting: Share of the first rows, in [0, 1], that have as many fields as the header.
    """

    delimiter: str | None
    header: list[str]
    fitting: float


def sniff(lines: Sequence[str | None], known_names: Iterable[str]) -> Dialect:
    """The delimiter of a table, judged by its first lines.

    It is the one under which the header has a known name, else the one under which most rows have as many fields as
    the header.

    Args:
        lines: The first lines, None for one that is too long.
        known_names: Lower-case column names that speak for a delimiter.
    """
    names = frozenset(known_names)
    undivided = next(_RowSplitter(iter(lines), None).rows(), None)
    best = Dialect(None, undivided or [""], 1.0)
    best_rank = (False, -1.0)
    for delimiter in _DELIMITERS:
        splitter = _RowSplitter(iter(lines), delimiter)
        rows = splitter.rows()
        header = next(rows, None)
        if header is None or len(header) == 1:
            continue
        splitter.width = len(header)
        fits = [fields is not None for fields in rows]
        fitting = sum(fits) / max(len(fits), 1)
        rank = (any(name.strip().lower() in names for name in header), fitting)
        if rank > best_rank:
            best, best_rank = Dialect(delimiter, header, fitting), rank
    return best


def _unique_names(header: list[str]) -> list[str]:
    """Column names without outer spaces; unnamed ones get their number, repeated ones ``_2``, ``_3`` and so on."""
    names: list[str] = []
    for number, raw in enumerate(header, start=1):
        name = stem = raw.strip().removeprefix("\ufeff") or f"column_{number}"
        repeat = 1
        while name in names:
            repeat += 1
            name = f"{stem}_{repeat}"
        names.append(name)
    return names


class _RowSplitter:
    """Fields of each row; None for a row that is broken. Blank lines are no rows.

    A quoted field may run over several lines. If its end is not found, or the row that ends there has the wrong
    number of fields, only the line that opened the quote is bad and reading goes on with the line after it.
    """

    def __init__(self, lines: Iterator[str | None], delimiter: str | None) -> None:
        self.width: int | None = None
        self._lines = lines
        self._returned: deque[str | None] = deque()
        self._delimiter = delimiter
        self._rescans_left = _RESCAN_LIMIT
        self._open_characters = 0

    def rows(self) -> Iterator[list[str] | None]:
        while not isinstance(line := self._next_line(), _End):
            if line is None:
                yield None
            elif line.strip("\r\n"):
                yield self._quoted_row(line) if '"' in line else self._checked(self._divide(line))

    def _next_line(self) -> str | _End | None:
        """The next line, None for one that is too long, ``_End`` after the last."""
        return self._returned.popleft() if self._returned else next(self._lines, _End.END)

    def _divide(self, line: str) -> list[str]:
        line = line.rstrip("\r\n")
        return line.split(self._delimiter) if self._delimiter else [line]

    def _checked(self, fields: list[str] | None) -> list[str] | None:
        if fields is None or self.width is None or len(fields) == self.width:
            return fields
        if len(fields) > self.width and not any(fields[self.width :]):
            return fields[: self.width]
        return None

    def _quoted_row(self, line: str) -> list[str] | None:
        # Tab-separated and one-column files are often written without any quoting: there a quote that does not
        # enclose a field is an ordinary character.
        literal = self._checked(self._divide(line)) if self._delimiter in {"\t", None} else None
        continuation: list[str | None] = []
        self._open_characters = 0
        fields = self._checked(self._fields(line, continuation, may_be_literal=literal is not None))
        if fields is None:
            self._returned.extendleft(reversed(continuation))
            self._rescans_left -= self._open_characters
            return literal
        return fields

    def _fields(self, line: str, continuation: list[str | None], *, may_be_literal: bool) -> list[str] | None:
        """Fields of the row that begins with ``line``; the lines taken beyond it are added to ``continuation``."""
        fields: list[str] = []
        position, stop = 0, len(line.rstrip("\r\n"))
        while True:
            if not line.startswith('"', position):
                end = line.find(self._delimiter, position, stop) if self._delimiter else -1
                if end < 0:
                    return [*fields, line[position:stop]]
                fields.append(line[position:end])
                position = end + 1
                continue
            parts: list[str] = []
            position += 1
            while (end := line.find('"', position)) < 0 or line.startswith('"', end + 1):
                if end >= 0:
                    parts.append(line[position : end + 1])
                    position = end + 2
                    continue
                parts.append(line[position:])
                following = self._continue(continuation, may_be_literal=may_be_literal)
                if following is None:
                    return None
                line, position, stop = following, 0, len(following.rstrip("\r\n"))
            fields.append("".join(parts) + line[position:end])
            if end + 1 == stop:
                return fields
            if not self._delimiter or not line.startswith(self._delimiter, end + 1):
                return None
            position = end + 2

    def _continue(self, continuation: list[str | None], *, may_be_literal: bool) -> str | None:
        """The next line of an open quoted field, or None if the quote is better taken as never closed."""
        if self._open_characters > RECORD_LIMIT or self._rescans_left <= 0:
            return None
        line = self._next_line()
        if isinstance(line, _End):
            return None
        continuation.append(line)
        if line is None:
            return None
        self._open_characters += max(len(line), _LINE_COST)
        # A whole row inside the quotes of a row that would also be whole without them: the quote is a character.
        if may_be_literal and self._delimiter and len(self._divide(line)) == self.width:
            return None
        return line
