"""EmotionML 1.0.

Source: W3C, Emotion Markup Language (EmotionML) 1.0, Recommendation, 22 May 2014; media fragments after Media Fragments
URI 1.0, Recommendation, 25 September 2012.

A label is a ``category`` of the vocabulary that is named like its tier (or an ``appraisal`` or ``action-tendency`` on
the tiers of these names), a number alone a ``dimension`` named like its tier. EmotionML numbers lie in [0, 1]:
dimensions, which lie in [-1, 1] in the table, are shifted and halved. What was said is the text of the emotion. The
stretch of time is the media fragment of the reference to the source, or ``start`` and ``end`` where there is no source.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote, unquote
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from affectome.errors import InputError
from affectome.media.annotations.emotionml_rules import (
    ABOUT,
    DESCRIPTORS,
    NAMESPACE,
    check_emotionml,
    name_decoded,
    name_encoded,
)
from affectome.media.annotations.table import TEXT, Annotation, legal, number
from affectome.media.annotations.xml import parse_xml

_VALUED_TIERS = ("appraisal", "action-tendency")
_DIMENSIONS = "dimensions"
_UNIPOLAR = "intensity"  # the one dimension of the published vocabularies that has no negative side
_FRAGMENT = re.compile(r"(?:^|&)t=(?:npt:)?(\d*\.?\d+)?(?:,(\d*\.?\d+))?(?:&|$)")
_THROUGH = {"text": "text", "voice": "voice", "face": "face"}  # modalities that EmotionML has a word for


def read_emotionml(path: Path) -> list[Annotation]:
    """The annotations of an EmotionML document; of a trace, the mean of its samples.

    Raises:
        InputError: ``malformed`` if it breaks a rule of the recommendation, or ``unsafe_xml``.
    """
    root = parse_xml(path)
    check_emotionml(root, path)
    rows: list[Annotation] = []
    for emotion in root.findall(f"{NAMESPACE}emotion"):
        about = emotion.find(f"{NAMESPACE}info/{ABOUT}about")
        told = {} if about is None else about.attrib
        source, start, end = _when(emotion)
        common = Annotation(
            tier="",
            id=told.get("id") or emotion.get("id"),
            source=source,
            start=start,
            end=end,
            modality=told.get("modality") or emotion.get("expressed-through"),
            speaker=told.get("speaker"),
        )
        said = "".join([emotion.text or "", *(child.tail or "" for child in emotion)]).strip()
        if said:
            rows.append(replace(common, tier=TEXT, label=said, modality=None))
        vocabulary = emotion.get("category-set", root.get("category-set", ""))
        for kind in DESCRIPTORS:
            for element in emotion.findall(f"{NAMESPACE}{kind}"):
                label, value = name_decoded(element.attrib["name"]), _value(element)
                if kind == "dimension":
                    shifted = None if value is None else value if label == _UNIPOLAR else round(2 * value - 1, 12)
                    rows.append(replace(common, tier=label, value=shifted))
                else:
                    tier = name_decoded(vocabulary.rpartition("#")[2]) or kind if kind == "category" else kind
                    rows.append(replace(common, tier=tier, label=label, value=value))
    return rows


def _value(element: Element) -> float | None:
    trace = element.find(f"{NAMESPACE}trace")
    if trace is None:
        return number(element.get("value", ""))
    samples = [float(sample) for sample in trace.attrib["samples"].split()]
    return sum(samples) / len(samples)


def _when(emotion: Element) -> tuple[str | None, float | None, float | None]:
    """Source, start and end in seconds."""
    start, end = (None if (value := emotion.get(name)) is None else int(value) / 1000 for name in ("start", "end"))
    if start is None and "time-ref-uri" in emotion.attrib and "offset-to-start" in emotion.attrib:
        start = max(int(emotion.attrib["offset-to-start"]), 0) / 1000
    if end is None and start is not None and "duration" in emotion.attrib:
        end = start + int(emotion.attrib["duration"]) / 1000
    references = emotion.findall(f"{NAMESPACE}reference")
    shown = next((each for each in references if each.get("role", "expressedBy") == "expressedBy"), None)
    if shown is None:
        return None, start, end
    address, _, fragment = shown.attrib["uri"].partition("#")
    if match := _FRAGMENT.search(fragment):
        start = float(match[1] or 0)
        end = float(match[2]) if match[2] else end
    if start is not None and end is not None and end < start:
        end = None
    return unquote(address) or None, start, end


def write_emotionml(rows: Sequence[Annotation]) -> str:
    """An EmotionML document.

    It cannot hold a row of text without a label or a number beside it of the same id, times and speaker.

    Raises:
        InputError: ``bad_value`` for a number outside of [0, 1], or a dimension outside of [-1, 1].
    """
    vocabularies: dict[tuple[str, str], dict[str, None]] = {}
    groups: dict[tuple[object, ...], list[Annotation]] = {}
    for row in rows:
        groups.setdefault(unit_of(row), []).append(row)
    emotions = [emotion for group in groups.values() for emotion in _emotions(group, vocabularies)]
    root = Element("emotionml", {"xmlns": NAMESPACE.strip("{}"), "version": "1.0"})
    for (kind, vocabulary), names in vocabularies.items():
        declared = SubElement(root, "vocabulary", {"type": kind, "id": vocabulary})
        for name in names:
            SubElement(declared, "item", {"name": name})
    indent(root)
    for emotion in emotions:
        _indent_descriptors(emotion)
        root.append(emotion)
        emotion.tail = "\n"
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def unit_of(row: Annotation) -> tuple[object, ...]:
    """What the rows about one observation have in common."""
    return row.id, row.source, row.start, row.end, row.speaker


def is_said(row: Annotation) -> bool:
    """Whether a row is written as the text of an emotion."""
    return row.tier == TEXT and row.value is None


def _indent_descriptors(emotion: Element) -> None:
    """Children on lines of their own; white space around the text of an emotion means nothing."""
    for child in emotion:
        child.tail = "\n  "
    emotion.text = f"\n  {emotion.text}\n  " if emotion.text else "\n  "


def _emotions(group: Sequence[Annotation], vocabularies: dict[tuple[str, str], dict[str, None]]) -> list[Element]:
    """The elements of one observation: one for each modality and vocabulary of categories."""
    said = "\n".join(legal(row.label or "") for row in group if is_said(row))
    described = [row for row in group if not is_said(row)]
    sheets: list[list[Annotation]] = []
    for row in described:  # a category once in an emotion, and categories of one vocabulary
        sheet = next((sheet for sheet in sheets if all(_together(row, other) for other in sheet)), None)
        if sheet is None:
            sheets.append([row])
        else:
            sheet.append(row)
    return [_emotion(sheet, said if i == 0 else "", vocabularies) for i, sheet in enumerate(sheets)]


def _together(row: Annotation, other: Annotation) -> bool:
    """Whether two rows fit into one emotion."""
    kinds = [_kind(each) for each in (row, other)]
    if row.modality != other.modality:
        return False
    if kinds[0] != kinds[1]:
        return True
    if kinds[0] == "dimension":
        return row.tier != other.tier
    return row.tier == other.tier and row.label != other.label


def _kind(row: Annotation) -> str:
    return "dimension" if not row.label else row.tier if row.tier in _VALUED_TIERS else "category"


def _emotion(rows: Sequence[Annotation], said: str, vocabularies: dict[tuple[str, str], dict[str, None]]) -> Element:
    first = rows[0]
    emotion = Element("emotion")
    emotion.text = said
    if first.modality in _THROUGH:
        emotion.set("expressed-through", _THROUGH[first.modality])
    if first.timed and not first.source:
        emotion.set("start", str(round((first.start or 0.0) * 1000)))
        emotion.set("end", str(round((first.end or 0.0) * 1000)))
    about = {name: legal(text) for name in ("id", "modality", "speaker") if (text := getattr(first, name))}
    if about:
        SubElement(SubElement(emotion, "info"), "about", {"xmlns": ABOUT.strip("{}"), **about})
    for row in rows:
        kind = _kind(row)
        vocabulary = name_encoded(row.tier if kind == "category" else _DIMENSIONS if kind == "dimension" else kind)
        name = name_encoded(row.label or row.tier)
        vocabularies.setdefault((kind, _apart(kind, vocabulary)), {})[name] = None
        emotion.set(f"{kind}-set", f"#{_apart(kind, vocabulary)}")
        value = {} if row.value is None else {"value": _scaled(row, kind)}
        SubElement(emotion, kind, {"name": name, **value})
    if first.source:
        fragment = f"#t={first.start!r},{first.end!r}" if first.timed else ""
        address = quote(legal(first.source)) + fragment
        SubElement(emotion, "reference", {"uri": address, "role": "expressedBy"})
    return emotion


def _apart(kind: str, vocabulary: str) -> str:
    """An id of a vocabulary that no vocabulary of another type has."""
    reserved = (_DIMENSIONS, *_VALUED_TIERS)
    return f"{vocabulary}_" if kind == "category" and vocabulary in reserved else vocabulary


def _scaled(row: Annotation, kind: str) -> str:
    value = row.value or 0.0
    if kind == "dimension" and row.tier != _UNIPOLAR:
        value = (value + 1) / 2
    if not 0 <= value <= 1:
        raise InputError(
            f"EmotionML has no place for {row.value} on the tier {row.tier!r}.",
            code="bad_value",
            value=row.value,
            next_step="Bring labels to [0, 1] and dimensions to [-1, 1].",
        )
    return repr(value)
