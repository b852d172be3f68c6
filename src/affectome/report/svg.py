"""Charts as inline SVG that follows the page's colours and can be read aloud."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

_NAMESPACE = "{http://www.w3.org/2000/svg}"
_KEPT = frozenset(
    {"d", "x", "y", "x1", "x2", "y1", "y2", "dx", "dy", "width", "height", "transform", "opacity", "fill",
     "fill-opacity", "stroke", "stroke-opacity", "stroke-width", "stroke-dasharray", "stroke-linejoin", "text-anchor",
     "font-size", "font-weight"}
)  # fmt: skip
_FRACTION = re.compile(r"-?\d+(?:\.\d+(?:e-?\d+)?|e-?\d+)")
_DEFAULTS = frozenset({("opacity", "1"), ("transform", "translate(0,0)"), ("fill-opacity", "1")})
_BLANK = ("", "M0,0h0v0h0Z")
# Characters that may not stand in XML 1.0 (section 2.2).
_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def printable(text: str) -> str:
    """The text without the characters no XML or HTML document may hold."""
    return _NOT_XML.sub("", text)


def shortened(text: str, length: int) -> str:
    """The text on one line, cut at ``length`` characters."""
    line = " ".join(printable(text).split())
    return line if len(line) <= length else f"{line[: length - 1].rstrip()}…"


def render(specification: Mapping[str, Any]) -> str:
    """A Vega-Lite chart as an SVG element to stand inside an HTML page.

    The colours stay custom properties of the page, a mark's description becomes the tooltip browsers show on their own,
    and whatever a page needs no more is left out. The caller gives the element its role and label.

    Args:
        specification: The chart, whose data hold only `printable` texts.
    """
    import vl_convert

    root = ElementTree.fromstring(vl_convert.vegalite_to_svg({**specification, "config": _config()}))
    _clean(root)
    root.tag = "svg"
    root.attrib = {"viewBox": root.get("viewBox", ""), "width": root.get("width", ""), "height": root.get("height", "")}
    return ElementTree.tostring(root, encoding="unicode")


def _clean(parent: ElementTree.Element) -> None:
    """Keep what is seen, with coordinates to a hundredth of a pixel, and turn labels of marks into tooltips."""
    children: list[ElementTree.Element] = []
    for child in parent:
        child.tag = child.tag.removeprefix(_NAMESPACE)
        _clean(child)
        label = child.get("aria-label", "") if child.tag != "g" else ""
        child.attrib = {
            name: _FRACTION.sub(_rounded, value)
            for name, value in child.attrib.items()
            if name in _KEPT and (name, value) not in _DEFAULTS
        }
        if label:
            title = ElementTree.Element("title")
            title.text = label
            child.insert(0, title)
        if child.tag == "g" and not child.attrib:
            children.extend(child)
        elif len(child) or child.tag in ("text", "tspan", "title", "line", "rect") or child.get("d", "") not in _BLANK:
            children.append(child)
    parent[:] = children


def _rounded(match: re.Match[str]) -> str:
    return f"{round(float(match.group()), 2):g}"


@cache
def _config() -> dict[str, Any]:
    config: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "chart_config.json").read_text("utf-8"))
    return config
