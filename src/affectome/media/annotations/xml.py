"""XML from anybody: no document types, no entities of its own, bounded size and depth."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from affectome.errors import InputError

MAX_BYTES = 64 * 2**20
_MAX_DEPTH = 64


def read_bytes(path: Path) -> bytes:
    """The content of an annotation file.

    Raises:
        InputError: ``missing_file``, ``unreadable``, or ``too_large`` above 64 MiB.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(
                f"{path} is larger than {MAX_BYTES // 2**20} MiB.",
                code="too_large",
                value=path,
                next_step="Cut the annotations into several files.",
            )
        return path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"There is no file {path}.", code="missing_file", value=path) from None
    except OSError as reason:
        raise InputError(f"{path} cannot be read: {reason.strerror}.", code="unreadable", value=path) from reason


def parse_xml(path: Path) -> Element:
    """The root element of a file; names carry their namespace as ``{namespace}name``.

    A document type is refused, since with it come entities that grow without bound or read other files.

    Raises:
        InputError: ``malformed``, ``unsafe_xml``, or what `read_bytes` raises.
    """
    builder = TreeBuilder()
    parser = expat.ParserCreate(namespace_separator="}")
    parser.buffer_text = True
    depth = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _MAX_DEPTH:
            raise _unsafe(path, f"more than {_MAX_DEPTH} elements inside each other")
        builder.start(_qualified(name), {_qualified(key): value for key, value in attributes.items()})

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(_qualified(name))

    def refuse(*_: object) -> NoReturn:
        raise _unsafe(path, "a document type or an entity of its own")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = parser.ExternalEntityRefHandler = refuse
    try:
        parser.Parse(read_bytes(path), True)
    except (expat.ExpatError, ValueError, LookupError) as reason:  # the latter two for encodings nobody knows
        raise InputError(f"{path} is no well-formed XML: {reason}.", code="malformed", value=path) from None
    return builder.close()


def misfit(path: Path, what: str, reason: str) -> InputError:
    """The error for a file that breaks the rules of its format."""
    return InputError(f"{path} is no valid {what}: {reason}.", code="malformed", value=path)


def _qualified(name: str) -> str:
    return "{" + name if "}" in name else name


def _unsafe(path: Path, found: str) -> InputError:
    return InputError(
        f"{path} holds {found}, which is not read.",
        code="unsafe_xml",
        value=path,
        next_step="Save it again without, in the tool it comes from.",
    )
