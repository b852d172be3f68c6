"""JSON Lines: one object a line, either a row or a whole dialogue."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NoReturn

from affectome.errors import InputError
from affectome.media.records import Record, as_label, nothing_to_read
from affectome.media.textfiles import TextFile

_TURNS = "turns"


class JsonLines:
    """A file with one JSON object a line.

    If the first objects hold a list ``turns``, each line is a dialogue and each turn a row: the fields of the turn,
    completed by those of the dialogue, with ``<dialogue id>:<turn number from 0>`` as id.

    Args:
        file: The file.
        id_column: Name of the field with the id of a row or dialogue, ``id`` by default.

    Raises:
        InputError: ``empty_file`` without any line, ``bad_format`` if none of the first lines is an object.
    """

    def __init__(self, file: TextFile, id_column: str | None) -> None:
        self._file = file
        self._id = id_column or "id"
        parsed = [_parse(line) for line in file.first_lines() if line is None or line.strip()]
        if not parsed:
            raise nothing_to_read(file.path.name)
        objects = [parsed_line for parsed_line in parsed if parsed_line is not None]
        if not objects:
            raise InputError(
                "No line of the file is a JSON object.",
                code="bad_format",
                value=file.path.name,
                next_step="Write one object on each line (JSON Lines).",
            )
        self._dialogues = any(isinstance(item.get(_TURNS), list) for item in objects)
        rows = (row for item in objects for row in self._rows(item) if row is not None)
        self.columns = list(dict.fromkeys(key for row in rows for key in row))
        self.encoding = file.encoding

    def records(self) -> Iterator[Record | None]:
        """All rows, None for one that cannot be parsed."""
        with self._file.lines() as lines:
            for line in lines:
                if line is None or line.strip():
                    yield from self._rows(_parse(line))

    def _rows(self, item: dict[str, object] | None) -> Iterator[Record | None]:
        if item is None or not self._dialogues:
            yield item
            return
        turns = item.pop(_TURNS, None)
        if not isinstance(turns, list):
            yield None
            return
        dialogue = as_label(item.pop(self._id, None))
        for number, turn in enumerate(turns):
            if not isinstance(turn, dict):
                yield None
            elif dialogue is None:
                yield {**item, **turn}
            else:
                yield {self._id: None, **item, **turn, self._id: f"{dialogue}:{number}"}


def _parse(line: str | None) -> dict[str, object] | None:
    if line is None:
        return None
    try:
        item = json.loads(line, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None
    return item if isinstance(item, dict) else None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
