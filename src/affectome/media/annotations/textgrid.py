"""Praat TextGrid, long and short text form.

Source: P. Boersma and D. Weenink, Praat manual, "TextGrid file formats".

A tier holds labels only, so values have a tier of their own beside them, ``emotion.value`` beside ``emotion``; a tier
of numbers alone, such as valence, has only that one. Rows that last no time are points.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from affectome.errors import InputError
from affectome.media.annotations.table import (
    Annotation,
    number,
    split_name,
    tiers_of,
    value_name,
    valued_name,
)
from affectome.media.annotations.xml import misfit, read_bytes

_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# Praat reads texts in quotation marks, numbers that stand free and flags, and passes over everything else.
_TOKEN = re.compile(r'"((?:[^"]|"")*)"|(?<!\S)([+-]?\d[\d.]*(?:[eE][+-]?\d+)?%?)(?!\S)|<(exists|absent)>|![^\n]*')


def read_textgrid(path: Path) -> list[Annotation]:
    """The annotations of a TextGrid; empty intervals are gaps and left out.

    Raises:
        InputError: ``malformed`` or ``bad_encoding``.
    """
    tokens = _tokens(path)
    if next(tokens, None) != "ooTextFile" or next(tokens, None) != "TextGrid":
        raise misfit(path, "TextGrid", "it does not begin as one")
    _numbers(path, tokens, 2)
    if next(tokens, None) is not True:
        return []
    (count,) = _numbers(path, tokens, 1)
    tiers: dict[str, list[tuple[float, float, str]]] = {}
    for _ in range(int(count)):
        kind, name = next(tokens, None), next(tokens, None)
        if kind not in ("IntervalTier", "TextTier") or not isinstance(name, str):
            raise misfit(path, "TextGrid", f"{kind!r} is no kind of tier")
        *_span, size = _numbers(path, tokens, 3)
        marks = tiers.setdefault(name, [])
        for _ in range(int(size)):
            times = _numbers(path, tokens, 2 if kind == "IntervalTier" else 1)
            text = next(tokens, None)
            if not isinstance(text, str):
                raise misfit(path, "TextGrid", f"a label is missing in the tier {name!r}")
            if not 0 <= times[0] <= times[-1]:
                raise misfit(path, "TextGrid", f"{times} is no stretch of time")
            marks.append((times[0], times[-1], text))
    return _joined(tiers)


def _joined(tiers: dict[str, list[tuple[float, float, str]]]) -> list[Annotation]:
    """The rows of all tiers, those of tiers of values beside what they belong to."""
    rows: dict[tuple[str, float, float], Annotation] = {}
    for values in (False, True):
        for name, marks in tiers.items():
            owner = valued_name(name)
            if values != (owner is not None and all(number(text) is not None for *_, text in marks if text)):
                continue
            modality, tier, speaker = split_name(owner or name if values else name)
            for start, end, text in marks:
                if not text:
                    continue
                place = (owner or name if values else name, start, end)
                blank = Annotation(tier=tier, start=start, end=end, modality=modality, speaker=speaker)
                known = rows.get(place, blank)
                rows[place] = replace(known, value=number(text)) if values else replace(known, label=text)
    return sorted(rows.values(), key=lambda row: (row.start or 0.0, row.end or 0.0))


def write_textgrid(rows: Sequence[Annotation]) -> str:
    """A TextGrid in the long form with the rows that have times; it cannot hold ids and sources."""
    timed = [row for row in rows if row.timed]
    end = max((row.end or 0.0 for row in timed), default=0.0)
    tiers: list[tuple[str, list[tuple[float, float, str]]]] = []
    for name, members in tiers_of(timed):
        labels = [(row.start or 0.0, row.end or 0.0, row.label) for row in members if row.label]
        values = [(row.start or 0.0, row.end or 0.0, repr(row.value)) for row in members if row.value is not None]
        tiers += [(each, marks) for each, marks in ((name, labels), (value_name(name), values)) if marks]
    lines = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        "xmin = 0",
        f"xmax = {end!r}",
        "tiers? <exists>",
        f"size = {len(tiers)}",
        "item []:",
    ]
    for place, (name, marks) in enumerate(tiers, start=1):
        lines += [f"    item [{place}]:", *(f"        {line}" for line in _tier(name, marks, end))]
    return "\n".join(lines) + "\n"


def _tier(name: str, marks: Sequence[tuple[float, float, str]], end: float) -> Iterator[str]:
    points = marks[0][0] == marks[0][1]
    kind, item = ("TextTier", "points") if points else ("IntervalTier", "intervals")
    filled = list(marks if points else _without_gaps(marks, end))
    yield from (f'class = "{kind}"', f"name = {_quoted(name)}", "xmin = 0", f"xmax = {end!r}")
    yield f"{item}: size = {len(filled)}"
    for place, (first, last, text) in enumerate(filled, start=1):
        yield f"{item} [{place}]:"
        if points:
            yield from (f"    number = {first!r}", f"    mark = {_quoted(text)}")
        else:
            yield from (f"    xmin = {first!r}", f"    xmax = {last!r}", f"    text = {_quoted(text)}")


def _without_gaps(marks: Sequence[tuple[float, float, str]], end: float) -> Iterator[tuple[float, float, str]]:
    """Praat wants every moment of a tier covered."""
    reached = 0.0
    for first, last, text in marks:
        if first > reached:
            yield reached, first, ""
        yield first, last, text
        reached = last
    if end > reached:
        yield reached, end, ""


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _tokens(path: Path) -> Iterator[str | float | bool]:
    raw = read_bytes(path)
    encoding = next((name for mark, name in _BYTE_ORDER_MARKS.items() if raw.startswith(mark)), "utf-8")
    try:
        text = raw.decode(encoding)
    except UnicodeError:
        raise InputError(
            f"{path} is not written in {encoding}.",
            code="bad_encoding",
            value=path,
            next_step="Save it in Praat as UTF-8 (Preferences, Text writing preferences).",
        ) from None
    for match in _TOKEN.finditer(text):
        if match[1] is not None:
            yield match[1].replace('""', '"')
        elif match[2] is not None and (value := number(match[2].rstrip("%"))) is not None:
            yield value
        elif match[3] is not None:
            yield match[3] == "exists"


def _numbers(path: Path, tokens: Iterator[str | float | bool], count: int) -> list[float]:
    found = [next(tokens, None) for _ in range(count)]
    values = [value for value in found if isinstance(value, float)]
    if len(values) < count:
        raise misfit(path, "TextGrid", "a number is missing, or it is cut off")
    return values
