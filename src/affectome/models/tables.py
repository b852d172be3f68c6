"""Frozen dataclasses from TOML tables, and back, with nothing unknown and nothing missing.

A dataclass is its own schema: field names are the keys, annotations the types, a field with a default may be absent.
Supported annotations: ``str``, ``bool``, ``int``, ``float``, ``datetime.date``, other dataclasses, ``X | None``,
``tuple[X, ...]`` (a TOML array) and ``dict[str, X]`` (a table whose keys are names).
"""

from __future__ import annotations

import dataclasses
import json
import math
import tomllib
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from affectome.errors import ModelError

T = TypeVar("T")

MAX_TOML_BYTES = 1_000_000
"""Largest TOML file read; a card is a few kilobytes, so anything near this is not a card."""


def invalid(where: str, problem: str, *, value: object = None, allowed: Sequence[str] = ()) -> ModelError:
    """The error for a table that breaks its schema; ``where`` is the dotted key."""
    return ModelError(f"{where}: {problem}.", code="card_invalid", value=value, allowed=allowed)


def parse_toml(raw: bytes) -> dict[str, Any]:
    """A TOML document as plain types.

    Args:
        raw: The bytes of the file, UTF-8.

    Returns:
        The top-level table.

    Raises:
        ModelError: ``card_invalid`` if the bytes are too many, not UTF-8 or not TOML.
    """
    if len(raw) > MAX_TOML_BYTES:
        raise invalid("file", f"longer than {MAX_TOML_BYTES} bytes", value=len(raw))
    try:
        return tomllib.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # nesting without end exhausts the parser's stack
        raise invalid("file", f"not readable as TOML ({error})") from None


def build(kind: type[T], table: object, where: str = "") -> T:
    """Turn a TOML table into a dataclass.

    Args:
        kind: The dataclass to build; its ``__post_init__`` checks values.
        table: What the TOML parser returned.
        where: Dotted key of the table, for messages.

    Returns:
        An instance of ``kind``.

    Raises:
        ModelError: ``card_invalid`` for an unknown or missing key or a value of the wrong type.
    """
    if not isinstance(table, dict):
        raise invalid(where or "file", "a table is needed", value=table)
    prefix = f"{where}." if where else ""
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    for key in table:
        if key not in fields:
            raise invalid(f"{prefix}{key}", "this key is not known", value=key, allowed=sorted(fields))
    for name, field in fields.items():
        optional = field.default is not dataclasses.MISSING
        if name not in table and not optional:
            raise invalid(f"{prefix}{name}", "this key is missing", value=name)
    hints = get_type_hints(kind)
    return kind(**{name: _convert(hints[name], table[name], f"{prefix}{name}") for name in fields if name in table})


def _convert(hint: Any, value: object, where: str) -> Any:  # noqa: ANN401 - one function over all annotations
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is UnionType:  # X | None: TOML has no null, so a value that is there is an X
        return _convert(arguments[0], value, where)
    if origin is tuple:
        if not isinstance(value, list):
            raise invalid(where, "an array is needed", value=value)
        return tuple(_convert(arguments[0], item, f"{where}[{index}]") for index, item in enumerate(value))
    if origin is dict:
        if not isinstance(value, dict):
            raise invalid(where, "a table is needed", value=value)
        return {name: _convert(arguments[1], item, f"{where}.{name}") for name, item in value.items()}
    if dataclasses.is_dataclass(hint):
        return build(hint, value, where)  # type: ignore[arg-type]
    if type(value) is int and abs(value) >= 2**63:
        raise invalid(where, "a number beyond 64 bits")
    if hint is float and type(value) in (int, float):
        return float(value)  # type: ignore[arg-type]
    if type(value) is not hint:
        raise invalid(where, f"a value of type {hint.__name__} is needed", value=value)
    return value


def plain(value: object) -> Any:  # noqa: ANN401 - JSON
    """A dataclass as JSON types: tuples become lists, dates ISO text, absent optional fields are left out."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        pairs = ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))
        return {name: plain(item) for name, item in pairs if item is not None}
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return value.isoformat() if isinstance(value, date) else value


def write_toml(path: Path, value: object) -> None:
    """Write a dataclass that :func:`build` reads back as an equal one.

    Args:
        path: The file to write, UTF-8 with Unix line ends.
        value: The dataclass instance.
    """
    path.write_bytes("".join(_lines(value, "")).encode("utf-8"))


def _lines(table: object, header: str) -> list[str]:
    """TOML lines of one table; sub-tables come last because TOML assigns every later key to them."""
    if isinstance(table, dict):
        items = table
    else:
        items = {field.name: getattr(table, field.name) for field in dataclasses.fields(table)}  # type: ignore[arg-type]
    keys, tables = [], []
    for name, value in items.items():
        label = f"{header}{_text(name) if isinstance(table, dict) else name}"
        if value is None:
            continue
        if dataclasses.is_dataclass(value) or isinstance(value, dict):
            tables += ["\n", f"[{label}]\n", *_lines(value, f"{label}.")]
        elif isinstance(value, tuple) and any(map(dataclasses.is_dataclass, value)):
            for item in value:
                tables += ["\n", f"[[{label}]]\n", *_lines(item, f"{label}.")]
        else:
            keys.append(f"{name} = {_literal(value)}\n")
    return keys + tables


def _literal(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_literal, value))}]"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, date):
        return value.isoformat()
    return repr(value)


def _text(value: str) -> str:
    # A JSON string is a TOML basic string but for DEL, which TOML wants escaped too.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def is_finite(*values: float) -> bool:
    """Whether none of the numbers is NaN or infinite."""
    return all(map(math.isfinite, values))
