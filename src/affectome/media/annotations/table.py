"""The one table behind all annotation formats, and how its tiers are named in formats that know names only."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace

import polars as pl

from affectome.errors import InputError

ANNOTATION_SCHEMA = pl.Schema(
    {
        "id": pl.String(),
        "source": pl.String(),
        "start": pl.Float64(),
        "end": pl.Float64(),
        "modality": pl.String(),
        "tier": pl.String(),
        "speaker": pl.String(),
        "label": pl.String(),
        "value": pl.Float64(),
    }
)
"""Columns of a table of annotations.

``start`` and ``end`` are seconds, null where nothing is known. ``tier`` says what kind of thing was marked, such as
``emotion``, ``text`` or ``valence``. A row has a ``label``, a number, or both: how strong or how probable the label is,
or where something lies on the dimension that its tier names. ``id``, ``source``, ``modality`` and ``speaker`` may be
null. Rows of one ``id`` belong to one thing observed.
"""

TEXT = "text"
"""The tier of what was said or written."""

_MODALITIES = ("text", "voice", "face", "image", "fused")
_VALUE = ".value"
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_ILLEGAL = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, kw_only=True)
class Annotation:
    """One row of `ANNOTATION_SCHEMA`."""

    tier: str
    id: str | None = None
    source: str | None = None
    start: float | None = None
    end: float | None = None
    modality: str | None = None
    speaker: str | None = None
    label: str | None = None
    value: float | None = None

    @property
    def timed(self) -> bool:
        """Whether it lies on a time line."""
        return self.start is not None and self.end is not None


def as_table(annotations: Iterable[Annotation]) -> pl.DataFrame:
    """Annotations as a table, in their order."""
    return pl.DataFrame([asdict(row) for row in annotations], schema=ANNOTATION_SCHEMA)


def as_annotations(table: pl.DataFrame) -> list[Annotation]:
    """The rows of a table of annotations.

    Columns other than ``tier`` may be absent.

    Raises:
        InputError: ``missing_column``, ``bad_times`` for times that are negative, not finite or turned around,
            ``bad_value`` for a number that is not finite, ``empty_annotation`` for a row that says nothing.
    """
    if "tier" not in table.columns:
        raise InputError(
            "Annotations need the column 'tier'.", code="missing_column", value="tier", allowed=table.columns
        )
    kept = table.select([pl.col(name).cast(kind) for name, kind in ANNOTATION_SCHEMA.items() if name in table.columns])
    return [_checked(Annotation(**row), number) for number, row in enumerate(kept.iter_rows(named=True), start=1)]


def _checked(row: Annotation, number: int) -> Annotation:
    times = [time for time in (row.start, row.end) if time is not None]
    if any(not math.isfinite(time) or time < 0 for time in times) or times != sorted(times):
        raise _unfit(number, "bad_times", f"{row.start} to {row.end} is no stretch of time", times)
    if row.value is not None and not math.isfinite(row.value):
        raise _unfit(number, "bad_value", f"{row.value} is no number", row.value)
    if not row.tier:
        raise _unfit(number, "empty_annotation", "it has no tier", row.tier)
    if not row.label and row.value is None:
        raise _unfit(number, "empty_annotation", "it has neither a label nor a value", row.label)
    return row if row.label else replace(row, label=None)


def _unfit(number: int, code: str, reason: str, value: object) -> InputError:
    return InputError(f"Annotation {number} cannot be written: {reason}.", code=code, value=value)


def tier_name(row: Annotation) -> str:
    """The name of a row's tier where a name is all there is: ``voice/emotion@Anna``.

    `split_name` takes it apart. A name that was read from a file is given back as it was.
    """
    ahead = f"{row.modality}/" if row.modality else ""
    behind = f"@{row.speaker}" if row.speaker else ""
    return f"{ahead}{row.tier}{behind}"


def split_name(name: str) -> tuple[str | None, str, str | None]:
    """Modality, tier and speaker of a tier's name; a name in another form is a tier."""
    ahead, slash, rest = name.partition("/")
    modality, rest = (ahead, rest) if slash and ahead in _MODALITIES else (None, name)
    tier, _, speaker = rest.partition("@")
    return (modality, tier, speaker or None) if tier else (None, name, None)


def value_name(name: str) -> str:
    """The name of the tier with the values of another tier: ``voice/emotion.value@Anna``."""
    tier, at, speaker = name.partition("@")
    return f"{tier}{_VALUE}{at}{speaker}"


def valued_name(name: str) -> str | None:
    """The name of the tier whose values a tier holds, None for any other tier."""
    tier, at, speaker = name.partition("@")
    return f"{tier.removesuffix(_VALUE)}{at}{speaker}" if tier.endswith(_VALUE) and tier != _VALUE else None


def number(text: str) -> float | None:
    """The number that a text is, None if it is none."""
    stripped = text.strip()
    value = float(stripped) if _NUMBER.fullmatch(stripped) else None
    return value if value is None or math.isfinite(value) else None


def legal(text: str) -> str:
    """A text without the characters that XML 1.0 has no place for; U+FFFD stands for them."""
    return _ILLEGAL.sub("\ufffd", text)


def tiers_of(rows: Sequence[Annotation]) -> Iterator[tuple[str, list[Annotation]]]:
    """Timed rows by tier, in time, without overlap in any tier.

    Formats with one annotation at a time in a tier get what overlaps on further tiers: ``emotion (2)``.
    """
    named: dict[str, list[Annotation]] = {}
    for row in rows:
        named.setdefault(tier_name(row), []).append(row)
    for members in named.values():
        lanes: list[list[Annotation]] = []
        for row in sorted(members, key=_place):
            free = next((lane for lane in lanes if _after(row, lane[-1])), None)
            if free is None:
                lanes.append([row])
            else:
                free.append(row)
        for count, lane in enumerate(lanes, start=1):
            first = lane[0]
            yield tier_name(replace(first, tier=f"{first.tier} ({count})") if count > 1 else first), lane


def _after(row: Annotation, last: Annotation) -> bool:
    """Whether a row begins when the last one is over; a point does not share a tier with stretches."""
    (start, end), (before, over) = _place(row), _place(last)
    return start >= over and start != before and (start == end) == (before == over)


def _place(row: Annotation) -> tuple[float, float]:
    return row.start or 0.0, row.end or 0.0
