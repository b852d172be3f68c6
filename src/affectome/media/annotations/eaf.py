"""ELAN Annotation Format 3.0.

Source: H. Sloetjes, EAF Annotation Format 3.0 and ELAN, and its schema EAFv3.0.xsd (Max Planck Institute for
Psycholinguistics).

A value hangs on its label as an annotation of a dependent tier (symbolic association) of the linguistic type
``value``; a tier of numbers alone, such as valence, is of the type ``number``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit
from xml.etree.ElementTree import Element, SubElement, indent, tostring

import numpy as np

from affectome.media.annotations.table import Annotation, legal, number, split_name, tiers_of, value_name
from affectome.media.annotations.xml import misfit, parse_xml

_LABEL, _VALUE, _NUMBER = "label", "value", "number"
_SCHEMA = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"
_INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"
_CONSTRAINTS = {
    "Time_Subdivision": "Time subdivision of parent annotation's time interval, no time gaps allowed",
    "Symbolic_Subdivision": "Symbolic subdivision of a parent annotation, in order",
    "Symbolic_Association": "1-1 association with a parent annotation",
    "Included_In": "Time alignable annotations within the parent annotation's time interval, gaps are allowed",
}


def read_eaf(path: Path) -> list[Annotation]:
    """The annotations of an EAF file; annotations of dependent tiers have the times of those they belong to.

    A boundary without a time lies between its neighbours that have one.

    Raises:
        InputError: ``malformed`` or ``unsafe_xml``.
    """
    root = parse_xml(path)
    if root.tag != "ANNOTATION_DOCUMENT":
        raise misfit(path, "EAF", f"its root is {root.tag}")
    source = _source(root)
    slots = _slots(root, path)
    placed: dict[str, Annotation] = {}
    depending: list[tuple[Element, Element]] = []
    for tier in root.iter("TIER"):
        for annotation in tier.iter("ALIGNABLE_ANNOTATION"):
            try:
                start, end = (slots[annotation.attrib[f"TIME_SLOT_REF{side}"]] for side in (1, 2))
            except KeyError as absent:
                raise misfit(path, "EAF", f"the time slot or attribute {absent} is missing") from None
            row = replace(_blank(tier, source), start=min(start, end), end=max(start, end))
            placed[_key(annotation, path)] = _filled(row, _text(annotation), tier.get("LINGUISTIC_TYPE_REF"))
        depending += [(tier, annotation) for annotation in tier.iter("REF_ANNOTATION")]
    while depending:
        left = []
        for tier, annotation in depending:
            owner = placed.get(annotation.get("ANNOTATION_REF", ""))
            if owner is None:
                left.append((tier, annotation))
            elif tier.get("LINGUISTIC_TYPE_REF") == _VALUE and (value := number(_text(annotation))) is not None:
                placed[annotation.get("ANNOTATION_REF", "")] = replace(owner, value=value)
            else:
                row = replace(_blank(tier, source), start=owner.start, end=owner.end)
                placed[_key(annotation, path)] = _filled(row, _text(annotation), None)
        if len(left) == len(depending):
            missing = left[0][1].get("ANNOTATION_REF")
            raise misfit(path, "EAF", f"no annotation {missing!r}, or annotations that hang on each other")
        depending = left
    kept = [row for row in placed.values() if row.label or row.value is not None]
    return sorted(kept, key=lambda row: (row.start or 0.0, row.end or 0.0))


def _blank(tier: Element, source: str | None) -> Annotation:
    modality, name, speaker = split_name(tier.get("TIER_ID", "") or "unnamed")
    return Annotation(tier=name, source=source, modality=modality, speaker=tier.get("PARTICIPANT") or speaker)


def _filled(row: Annotation, text: str, kind: str | None) -> Annotation:
    value = number(text) if kind == _NUMBER else None
    return replace(row, label=text or None) if value is None else replace(row, value=value)


def _key(annotation: Element, path: Path) -> str:
    name = annotation.get("ANNOTATION_ID")
    if not name:
        raise misfit(path, "EAF", "an annotation without an id")
    return name


def _text(annotation: Element) -> str:
    return annotation.findtext("ANNOTATION_VALUE") or ""


def _slots(root: Element, path: Path) -> dict[str, float]:
    """Seconds by time slot."""
    header = root.find("HEADER")
    units = "milliseconds" if header is None else header.get("TIME_UNITS", "milliseconds")
    if units != "milliseconds":
        raise misfit(path, "EAF", f"times in {units} are not read, only in milliseconds")
    slots = [(slot.get("TIME_SLOT_ID", ""), slot.get("TIME_VALUE")) for slot in root.iter("TIME_SLOT")]
    times = [None if value is None else number(value) for _, value in slots]
    if any(time is None and value is not None for time, (_, value) in zip(times, slots, strict=True)):
        raise misfit(path, "EAF", "a time slot that is no number")
    known = [(i, time / 1000) for i, time in enumerate(times) if time is not None]
    if not known:
        return dict.fromkeys((name for name, _ in slots), 0.0)
    if min(time for _, time in known) < 0:
        raise misfit(path, "EAF", "a time slot before the beginning")
    places, seconds = np.array(known).T
    filled = np.interp(np.arange(len(slots)), places, seconds)
    return {name: float(time) for (name, _), time in zip(slots, filled, strict=True)}


def _source(root: Element) -> str | None:
    """The name of the first medium."""
    medium = root.find("HEADER/MEDIA_DESCRIPTOR")
    if medium is None:
        return None
    try:
        told = unquote(urlsplit(medium.get("RELATIVE_MEDIA_URL") or medium.get("MEDIA_URL") or "").path)
    except ValueError:
        return None
    return told.removeprefix("./") or None


def write_eaf(rows: Sequence[Annotation]) -> str:
    """An EAF file with the rows that have times, to the millisecond; it cannot hold ids.

    An annotation lasts one millisecond at least. All rows are taken as of one source.
    """
    timed = [row for row in rows if row.timed]
    root = Element(
        "ANNOTATION_DOCUMENT",
        {
            "AUTHOR": "",
            "DATE": "1970-01-01T00:00:00+00:00",
            "FORMAT": "3.0",
            "VERSION": "3.0",
            "xmlns:xsi": _INSTANCE,
            "xsi:noNamespaceSchemaLocation": _SCHEMA,
        },
    )
    header = SubElement(root, "HEADER", {"MEDIA_FILE": "", "TIME_UNITS": "milliseconds"})
    source = next((row.source for row in timed if row.source), None)
    if source:
        address = "./" + quote(legal(source))
        medium = {"MEDIA_URL": f"file:///{address}", "MIME_TYPE": "unknown", "RELATIVE_MEDIA_URL": address}
        SubElement(header, "MEDIA_DESCRIPTOR", medium)
    order = SubElement(root, "TIME_ORDER")
    ids = count(1)
    slots: list[int] = []
    for name, members in tiers_of(timed):
        _add_tier(root, name, members, ids, slots)
    # ELAN wants the slots in the order of time.
    for place in sorted(range(len(slots)), key=lambda i: slots[i]):
        SubElement(order, "TIME_SLOT", {"TIME_SLOT_ID": f"ts{place + 1}", "TIME_VALUE": str(slots[place])})
    for kind, constraint in ((_LABEL, None), (_NUMBER, None), (_VALUE, "Symbolic_Association")):
        about = {"GRAPHIC_REFERENCES": "false", "LINGUISTIC_TYPE_ID": kind}
        about["TIME_ALIGNABLE"] = "false" if constraint else "true"
        SubElement(root, "LINGUISTIC_TYPE", about | ({"CONSTRAINTS": constraint} if constraint else {}))
    for stereotype, description in _CONSTRAINTS.items():
        SubElement(root, "CONSTRAINT", {"DESCRIPTION": description, "STEREOTYPE": stereotype})
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _add_tier(root: Element, name: str, members: Sequence[Annotation], ids: count[int], slots: list[int]) -> None:
    """One tier, with the tier of its values; numbers without labels have a tier of their own."""
    who = {"PARTICIPANT": legal(members[0].speaker)} if members[0].speaker else {}
    named = [row for row in members if row.label]
    alone = [row for row in members if not row.label]
    for rows, kind, title in ((named, _LABEL, name), (alone, _NUMBER, value_name(name) if named else name)):
        if not rows:
            continue
        tier = SubElement(root, "TIER", {"LINGUISTIC_TYPE_REF": kind, **who, "TIER_ID": legal(title)})
        valued: list[tuple[str, float]] = []
        for row in rows:
            first = round((row.start or 0.0) * 1000)
            slots += [first, max(round((row.end or 0.0) * 1000), first + 1)]
            key = f"a{next(ids)}"
            about = {"ANNOTATION_ID": key}
            about |= {"TIME_SLOT_REF1": f"ts{len(slots) - 1}", "TIME_SLOT_REF2": f"ts{len(slots)}"}
            annotation = SubElement(SubElement(tier, "ANNOTATION"), "ALIGNABLE_ANNOTATION", about)
            SubElement(annotation, "ANNOTATION_VALUE").text = legal(row.label) if row.label else repr(row.value)
            if row.label and row.value is not None:
                valued.append((key, row.value))
        if valued:
            about = {
                "LINGUISTIC_TYPE_REF": _VALUE,
                "PARENT_REF": legal(title),
                **who,
                "TIER_ID": legal(value_name(title)),
            }
            beside = SubElement(root, "TIER", about)
            for owner, value in valued:
                about = {"ANNOTATION_ID": f"a{next(ids)}", "ANNOTATION_REF": owner}
                annotation = SubElement(SubElement(beside, "ANNOTATION"), "REF_ANNOTATION", about)
                SubElement(annotation, "ANNOTATION_VALUE").text = repr(value)
