"""Which column of a table holds what."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

from affectome.errors import InputError
from affectome.media.records import RecordFile, take_sample
from affectome.media.times import TimeParser

TEXT_NAMES = (
    "text", "body", "content", "tweet", "message", "post", "comment", "sentence", "utterance", "title",
)  # fmt: skip
_ID_NAMES = ("id",)
_SPEAKER_NAMES = ("speaker", "author", "user")
_TIME_NAMES = ("time", "timestamp", "created_at", "date", "datetime")
_GROUP_NAMES = ("group",)
USUAL_NAMES = (*TEXT_NAMES, *_ID_NAMES, *_SPEAKER_NAMES, *_TIME_NAMES, *_GROUP_NAMES)

_SENTENCE_WORDS = 3  # from so many words on, the name of the only column may be a text

_NOT_PROSE = re.compile(r"\s*(?:[-+]?[\d.,]+(?:[eE][-+]?\d+)?%?|true|false|yes|no|nan|null|none|na|n/a|)\s*", re.I)


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Names of the columns with a meaning; None where there is none, or where none was asked for."""

    text: str | None = None
    id: str | None = None
    speaker: str | None = None
    time: str | None = None
    group: str | None = None
    keep: tuple[str, ...] = ()

    def named(self) -> tuple[str, ...]:
        """All column names, without repetition."""
        names = (self.text, self.id, self.speaker, self.time, self.group, *self.keep)
        return tuple(dict.fromkeys(name for name in names if name is not None))


def resolve_columns(asked: Columns, table: RecordFile) -> Columns:
    """The columns to read: those asked for, the others by their usual names in any case.

    Without a usual name, the text is the only column whose sampled values are prose (strings other than numbers,
    truth values and times).

    Args:
        asked: What the user named.
        table: The opened table.

    Raises:
        InputError: ``missing_column`` if a column asked for is not there, ``no_text_column`` if none can be chosen,
            ``no_header`` if the name of the only column reads like a text itself.
    """
    available = table.columns
    for name in asked.named():
        if name not in available:
            raise InputError(
                f"There is no column {name!r}.",
                code="missing_column",
                value=name,
                allowed=_closest_first(name, available),
                next_step="Name one of the columns there are.",
            )
    chosen = Columns(
        text=asked.text or _usual(TEXT_NAMES, available),
        id=asked.id or _usual(_ID_NAMES, available),
        speaker=asked.speaker or _usual(_SPEAKER_NAMES, available),
        time=asked.time or _usual(_TIME_NAMES, available),
        group=asked.group or _usual(_GROUP_NAMES, available),
        keep=asked.keep,
    )
    if chosen.text is not None:
        return chosen
    sample = take_sample(table.records())
    others = [name for name in available if name not in chosen.named()]
    prose = [name for name in others if _is_prose([record.get(name) for record in sample])]
    if len(prose) != 1:
        raise InputError(
            "It is not clear which column holds the text.",
            code="no_text_column",
            allowed=[*prose, *(name for name in available if name not in prose)],
            next_step="Name it with text_column (--text-column).",
        )
    if len(available) == 1 and len(prose[0].split()) >= _SENTENCE_WORDS:
        raise InputError(
            f"The only column is named {prose[0]!r}, which may be a text that is not to be lost.",
            code="no_header",
            value=prose[0],
            next_step="Put a first line with the name text above the texts, save them as TXT, or name the column with "
            "text_column (--text-column).",
        )
    return replace(chosen, text=prose[0])


def _usual(names: Sequence[str], available: Sequence[str]) -> str | None:
    by_lower = {name.strip().lower(): name for name in reversed(available)}
    return next((by_lower[name] for name in names if name in by_lower), None)


def _is_prose(values: Sequence[object]) -> bool:
    strings = [value for value in values if value is not None and value != ""]
    if not strings or not all(isinstance(value, str) for value in strings):
        return False
    parser = TimeParser(strings)
    return any(not _NOT_PROSE.fullmatch(str(value)) and parser.parse(value) is None for value in strings)


def _closest_first(name: str, available: Sequence[str]) -> list[str]:
    return sorted(available, key=lambda other: -SequenceMatcher(None, name.lower(), other.lower()).ratio())
