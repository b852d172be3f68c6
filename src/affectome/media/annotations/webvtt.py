"""WebVTT.

Source: W3C, WebVTT: The Web Video Text Tracks Format, Candidate Recommendation, 4 April 2019.

A cue shows what was said, in a voice span with its speaker, and a line for each measure: its class is the tier, with
the modality before it, its text the label, and the value stands behind: ``<c.voice.emotion>joy</c> 0.83``. Players
show the lines, and style sheets reach them by their class.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote, unquote

from affectome.errors import InputError
from affectome.media.annotations.table import TEXT, Annotation, legal, number
from affectome.media.annotations.xml import misfit, read_bytes

_HOUR, _MINUTE = 3600, 60
_TIME = r"(?:(\d{2,}):)?([0-5]\d):([0-5]\d)\.(\d{3})"
_TIMES = re.compile(rf"[ \t]*{_TIME}[ \t]+-->[ \t]+{_TIME}(?:[ \t].*)?")
_MEASURE = re.compile(r"<c\.([^\s.<>]+)(?:\.([^\s.<>]+))?>([^<>]*)</c>(?: (\S+))?")
_VOICE = re.compile(r"<v(?:\.[^\s<>]*)?[ \t]+([^<>]+)>")
_TAG = re.compile(r"<[^<>]*>")
_NOT_CUES = ("NOTE", "STYLE", "REGION")


def read_webvtt(path: Path) -> list[Annotation]:
    """The annotations of a WebVTT file: what was said as the tier ``text``, and the measures of each cue.

    Raises:
        InputError: ``malformed`` or ``bad_encoding``.
    """
    try:
        content = read_bytes(path).decode("utf-8-sig")
    except UnicodeError:
        raise InputError(f"{path} is not written in UTF-8.", code="bad_encoding", value=path) from None
    lines = content.replace("\0", "\ufffd").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if not re.match(r"WEBVTT(?:[ \t]|$)", lines[0]):
        raise misfit(path, "WebVTT", "it does not begin with WEBVTT")
    rows: list[Annotation] = []
    for block in _blocks(lines[1:]):
        place = next((i for i, line in enumerate(block[:2]) if "-->" in line), None)
        if place is None:
            if block[0].split(None, 1)[0] not in _NOT_CUES and len(block) > 1:
                raise misfit(path, "WebVTT", f"a block without times: {block[0][:40]!r}")
            continue
        match = _TIMES.fullmatch(block[place])
        if match is None:
            raise misfit(path, "WebVTT", f"these are no times: {block[place][:60]!r}")
        start, end = _seconds(match.groups()[:4]), _seconds(match.groups()[4:])
        if end < start:
            raise misfit(path, "WebVTT", f"a cue ends before it starts: {block[place][:60]!r}")
        name = html.unescape(block[0]) if place else None
        rows += _cue(name, start, end, block[place + 1 :])
    return rows


def _blocks(lines: Sequence[str]) -> Iterator[list[str]]:
    block: list[str] = []
    for line in [*lines, ""]:
        if line.strip():
            block.append(line)
        elif block:
            yield block
            block = []


def _cue(name: str | None, start: float, end: float, payload: Sequence[str]) -> Iterator[Annotation]:
    speaker: str | None = None
    said: list[str] = []
    measures: list[Annotation] = []
    spoken: list[tuple[str | None, str]] = []
    for line in payload:
        voice = _VOICE.match(line)
        if voice:
            if said:
                spoken.append((speaker, "\n".join(said)))
            speaker, said = html.unescape(voice[1].strip()), []
        rest = line[voice.end() :] if voice else line
        measure = _MEASURE.fullmatch(rest)
        if measure is None:
            said += [text] if (text := html.unescape(_TAG.sub("", rest))) else []
            continue
        tier, modality = unquote(measure[2] or measure[1]), unquote(measure[1]) if measure[2] else None
        label, value = html.unescape(measure[3]) or None, number(measure[4] or "")
        if label is not None or value is not None:
            measures.append(
                Annotation(
                    id=name,
                    start=start,
                    end=end,
                    modality=modality,
                    tier=tier,
                    speaker=speaker,
                    label=label,
                    value=value,
                )
            )
    if said:
        spoken.append((speaker, "\n".join(said)))
    for who, text in spoken:
        yield Annotation(id=name, start=start, end=end, tier=TEXT, speaker=who, label=text)
    yield from measures


def write_webvtt(rows: Sequence[Annotation]) -> str:
    """A WebVTT file with the rows that have times, to the millisecond; it cannot hold sources.

    A cue lasts one millisecond at least, and blank lines inside a text are left out.
    """
    cues: dict[tuple[str, float, float, str], list[Annotation]] = {}
    for row in rows:
        if row.timed:
            key = (row.id or "", row.start or 0.0, row.end or 0.0, row.speaker or "")
            cues.setdefault(key, []).append(row)
    blocks = ["WEBVTT"]
    for (name, start, end, speaker), members in sorted(cues.items(), key=lambda cue: (cue[0][1], cue[0][2])):
        first = round(start * 1000)
        times = f"{_stamp(first)} --> {_stamp(max(round(end * 1000), first + 1))}"
        said = [
            line for row in members if _plain(row) for line in _escaped(row.label or "").split("\n") if line.strip()
        ]
        measured = [_measure(row) for row in members if not _plain(row)]
        voice = f"<v {' '.join(_escaped(speaker).split())}>" if speaker.strip() else ""
        payload = voice + "\n".join(said + measured)
        identifier = [" ".join(_escaped(name).split())] if name.strip() else []
        blocks.append("\n".join([*identifier, times, payload]))
    return "\n\n".join(blocks) + "\n"


def _plain(row: Annotation) -> bool:
    """Whether a row is shown as what was said."""
    return row.tier == TEXT and row.modality is None and row.value is None


def _measure(row: Annotation) -> str:
    classes = ".".join(_class(name) for name in (row.modality, row.tier) if name)
    value = "" if row.value is None else f" {row.value!r}"
    return f"<c.{classes}>{' '.join(_escaped(row.label or '').split())}</c>{value}"


def _class(name: str) -> str:
    """A name as a class; whatever ends one is written in per cent."""
    return quote(name, safe="").replace(".", "%2E")


def _escaped(text: str) -> str:
    return html.escape(legal(text).replace("\r\n", "\n").replace("\r", "\n"), quote=False)


def _seconds(parts: Sequence[str | None]) -> float:
    hours, minutes, seconds, milliseconds = (int(part or 0) for part in parts)
    return ((hours * _HOUR + minutes * _MINUTE + seconds) * 1000 + milliseconds) / 1000


def _stamp(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // _HOUR:02}:{seconds % _HOUR // _MINUTE:02}:{seconds % _MINUTE:02}.{rest:03}"
