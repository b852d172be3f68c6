"""The rules of EmotionML 1.0 that a document must keep, beyond being XML.

Source: W3C, Emotion Markup Language (EmotionML) 1.0, Recommendation, 22 May 2014, sections 2 and 3.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn
from xml.etree.ElementTree import Element

from affectome.media.annotations.table import number
from affectome.media.annotations.xml import misfit

NAMESPACE = "{http://www.w3.org/2009/10/emotionml}"
ABOUT = "{urn:affectome:annotation}"
"""Namespace of the element ``about`` in an ``info``: id, modality and speaker, for which EmotionML has no place."""

DESCRIPTORS = ("category", "dimension", "appraisal", "action-tendency")
_ROLES = ("expressedBy", "experiencedBy", "triggeredBy", "targetedAt")
_ANCHORS = ("start", "end")
_WHOLE = re.compile(r"\d+")
_SIGNED = re.compile(r"-?\d+")
_RATE = re.compile(r"\d*\.?\d+\s*Hz")
_NOT_IN_NAMES = re.compile(r"[^\w.-]|(?<=^)[\d.-]|_(?=x[0-9A-F]{4,6}_)")
_ENCODED = re.compile(r"_x([0-9A-F]{4,6})_")


def name_encoded(name: str) -> str:
    """A name as an XML name; what has no place in one becomes ``_x0020_``, its code in hexadecimal digits."""
    return _NOT_IN_NAMES.sub(lambda match: f"_x{ord(match[0]):04X}_", name)


def name_decoded(name: str) -> str:
    """The name that `name_encoded` has written."""
    return _ENCODED.sub(lambda match: chr(min(int(match[1], 16), 0x10FFFF)), name)


def check_emotionml(root: Element, path: Path) -> None:
    """Make sure that a document keeps the rules.

    Raises:
        InputError: ``malformed``, with the rule that is broken.
    """
    rules = _Rules(root, path)
    if root.tag != f"{NAMESPACE}emotionml":
        rules.broken(f"the root is {root.tag}, not emotionml in its namespace")
    if root.get("version") != "1.0":
        rules.broken("the version must be 1.0")
    rules.at_most_one_info(root)
    rules.check_vocabularies()
    for emotion in root.findall(f"{NAMESPACE}emotion"):
        rules.check_emotion(emotion)


class _Rules:
    """Rules that need the whole document.

    Args:
        root: The document.
        path: The file, for errors.
    """

    def __init__(self, root: Element, path: Path) -> None:
        self.root, self.path = root, path
        self.vocabularies: dict[str, tuple[str, frozenset[str]]] = {}

    def broken(self, rule: str) -> NoReturn:
        raise misfit(self.path, "EmotionML", rule)

    def at_most_one_info(self, parent: Element) -> None:
        if len(parent.findall(f"{NAMESPACE}info")) > 1:
            self.broken("more than one info in an element")

    def check_vocabularies(self) -> None:
        for vocabulary in self.root.findall(f"{NAMESPACE}vocabulary"):
            kind, name = vocabulary.get("type"), vocabulary.get("id")
            if kind not in DESCRIPTORS:
                self.broken(f"{kind!r} is no type of vocabulary")
            if not name or name in self.vocabularies:
                self.broken("a vocabulary needs an id of its own")
            self.at_most_one_info(vocabulary)
            items = [item.get("name", "") for item in vocabulary.findall(f"{NAMESPACE}item")]
            if not items or not all(items) or len(set(items)) < len(items):
                self.broken(f"the vocabulary {name!r} needs items with names of their own")
            self.vocabularies[name] = (kind, frozenset(items))

    def check_emotion(self, emotion: Element) -> None:
        if emotion.get("version", "1.0") != "1.0":
            self.broken("the version must be 1.0")
        self.at_most_one_info(emotion)
        for name, pattern in (("start", _WHOLE), ("end", _WHOLE), ("duration", _WHOLE), ("offset-to-start", _SIGNED)):
            if name in emotion.attrib and not pattern.fullmatch(emotion.attrib[name].strip()):
                self.broken(f"{name} must be whole milliseconds, not {emotion.attrib[name]!r}")
        if {"start", "end"} <= emotion.attrib.keys() and int(emotion.attrib["end"]) < int(emotion.attrib["start"]):
            self.broken("an emotion ends before it starts")
        if emotion.get("time-ref-anchor-point", "start") not in _ANCHORS:
            self.broken("time-ref-anchor-point must be start or end")
        for reference in emotion.findall(f"{NAMESPACE}reference"):
            if "uri" not in reference.attrib or reference.get("role", _ROLES[0]) not in _ROLES:
                self.broken(f"a reference needs a uri, and one of the roles {', '.join(_ROLES)}")
        found = [descriptor for kind in DESCRIPTORS for descriptor in self._descriptors(emotion, kind)]
        if not found:
            self.broken(f"an emotion needs one of {', '.join(DESCRIPTORS)}")

    def _descriptors(self, emotion: Element, kind: str) -> Iterator[Element]:
        seen: set[str] = set()
        for element in emotion.findall(f"{NAMESPACE}{kind}"):
            address = emotion.get(f"{kind}-set", self.root.get(f"{kind}-set", ""))
            if not address:
                self.broken(f"a {kind} needs a {kind}-set on its emotion or on the root")
            name = element.get("name", "")
            if not name or name in seen:
                self.broken(f"a {kind} needs a name, once in an emotion")
            seen.add(name)
            if address.startswith("#"):
                declared, items = self.vocabularies.get(address[1:], ("", frozenset()))
                if declared != kind or name not in items:
                    self.broken(f"{name!r} is not in the {kind} vocabulary {address!r}")
            self._check_numbers(element, kind)
            yield element

    def _check_numbers(self, element: Element, kind: str) -> None:
        traces = element.findall(f"{NAMESPACE}trace")
        if len(traces) + ("value" in element.attrib) > 1:
            self.broken(f"a {kind} has a value or one trace, not both")
        if kind == "dimension" and not traces and "value" not in element.attrib:
            self.broken("a dimension needs a value or a trace")
        for name in ("value", "confidence"):
            if name in element.attrib:
                self._check_scale(element.attrib[name])
        for trace in traces:
            if not _RATE.fullmatch(trace.get("freq", "").strip()):
                self.broken("a trace needs a frequency in Hz")
            samples = trace.get("samples", "").split()
            if not samples:
                self.broken("a trace needs samples")
            for sample in samples:
                self._check_scale(sample)

    def _check_scale(self, text: str) -> None:
        value = number(text)
        if value is None or not 0 <= value <= 1:
            self.broken(f"{text!r} does not lie in [0, 1]")
