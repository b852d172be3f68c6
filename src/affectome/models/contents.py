"""Looks inside model files before any library loads them.

A file is refused unless its bytes have the structure its name promises. Pickles, archives and native code are thereby
refused under every name; they are recognised only to say so in the message.
"""

from __future__ import annotations

import json
import mmap
from collections.abc import Callable
from pathlib import Path

Data = bytes | mmap.mmap

MAX_SAFETENSORS_HEADER = 100_000_000
"""Bytes; the limit the safetensors format itself sets."""

_FOREIGN = (
    (b"PK\x03\x04", "a zip archive, as torch.save writes it"),
    (b"PK\x05\x06", "a zip archive"),
    *((bytes([0x80, protocol]), "a Python pickle") for protocol in range(2, 6)),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x93NUMPY", "a NumPy file, which can hold pickles"),
    (b"\x7fELF", "native code"),
    (b"MZ", "native code"),
    (b"version https://git-lfs", "a Git LFS pointer; the file itself was not fetched"),
)

# Which fields of which ONNX message hold further messages on the way to a tensor (onnx.proto3, IR version 13).
_ONNX_CHILDREN: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14
_MAX_ONNX_DEPTH = 64
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class _BrokenError(Exception):
    """The bytes do not follow the format; the text says how."""


def refusal(path: Path) -> str | None:
    """Why a file must not be loaded.

    Args:
        path: A regular file; its suffix says what it claims to be.

    Returns:
        The reason as a phrase that follows "it is" or None if the bytes look like what the name says. For ONNX this
        covers the whole message structure, for safetensors the header, for text kinds the encoding.
    """
    check = _CHECKS.get(path.suffix)
    if check is None:
        return f"not one of the allowed kinds {', '.join(ALLOWED_SUFFIXES)}"
    with path.open("rb") as stream:
        if not stream.read(1):
            return "empty"
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            try:
                check(data)
            except _BrokenError as error:
                # Only now: two bytes that open a pickle also open safetensors headers of some lengths.
                start = data[:32]
                return next((name for magic, name in _FOREIGN if start.startswith(magic)), str(error))
    return None


def _check_text(data: Data) -> None:
    try:
        text = data[:].decode("utf-8")
    except UnicodeDecodeError:
        raise _BrokenError("not UTF-8 text") from None
    if "\0" in text:
        raise _BrokenError("not text: it holds NUL bytes")


def _check_json(data: Data) -> None:
    _check_text(data)
    if not data[:1024].lstrip().startswith((b"{", b"[")):
        raise _BrokenError("not a JSON object or array")


def _check_safetensors(data: Data) -> None:
    """Header length, header JSON and the range of every tensor; the file ends where the last tensor does."""
    if len(data) < 8:
        raise _BrokenError("not a safetensors file: too short for a header")
    length = int.from_bytes(data[:8], "little")
    if length > MAX_SAFETENSORS_HEADER:
        raise _BrokenError(f"not a safetensors file: a header of {length} bytes is over the limit")
    if 8 + length > len(data):
        raise _BrokenError("not a safetensors file: the header is longer than the file")
    try:
        header = json.loads(data[8 : 8 + length].decode("utf-8"))
    except (ValueError, RecursionError):
        raise _BrokenError("not a safetensors file: the header is not JSON") from None
    if not isinstance(header, dict):
        raise _BrokenError("not a safetensors file: the header is not a JSON object")
    header.pop("__metadata__", None)
    try:
        spans = [tuple(tensor["data_offsets"]) for tensor in header.values()]
        end = max((stop for start, stop in spans if 0 <= start <= stop), default=0)
        ordered = all(0 <= start <= stop for start, stop in spans)
    except (KeyError, TypeError, ValueError):
        raise _BrokenError("not a safetensors file: a tensor has no data offsets") from None
    if not ordered or 8 + length + end != len(data):
        raise _BrokenError("a broken safetensors file: tensors and file length disagree")


def _check_onnx(data: Data) -> None:
    """Walks the protobuf wire format down to every tensor and refuses data kept in other files."""
    if not _walk(data, 0, len(data), "model", 0):
        raise _BrokenError("not an ONNX model: it has no graph")


def _walk(data: Data, position: int, end: int, message: str, depth: int) -> bool:
    """Visits one message in ``[position, end)``; says whether it is a model with a graph."""
    if depth > _MAX_ONNX_DEPTH:
        raise _BrokenError("not an ONNX model: graphs nested too deeply")
    children, has_graph = _ONNX_CHILDREN[message], False
    while position < end:
        tag, position = _varint(data, position, end)
        number, wire = tag >> 3, tag & 7
        value, start = 0, position
        if wire == _VARINT:
            value, position = _varint(data, position, end)
        elif wire == _BYTES:
            length, start = _varint(data, position, end)
            position = start + length
        elif wire in (_FIXED64, _FIXED32):
            position += 8 if wire == _FIXED64 else 4
        else:
            raise _BrokenError("not an ONNX model: unknown wire type")
        if position > end:
            raise _BrokenError("not an ONNX model: a field is longer than its message")
        if message == "tensor" and (number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value)):
            raise _BrokenError("an ONNX model with external data")
        if wire == _BYTES and number in children:
            has_graph = has_graph or (message == "model" and children[number] == "graph")
            _walk(data, start, position, children[number], depth + 1)
    return has_graph


def _varint(data: Data, position: int, end: int) -> tuple[int, int]:
    """One base-128 number of at most ten bytes and the position after it."""
    value = shift = 0
    while position < end and shift < 70:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    raise _BrokenError("not an ONNX model: a number is cut off")


_CHECKS: dict[str, Callable[[Data], None]] = {
    ".onnx": _check_onnx,
    ".safetensors": _check_safetensors,
    ".json": _check_json,
    ".toml": _check_text,
    ".txt": _check_text,
    ".csv": _check_text,
}
ALLOWED_SUFFIXES = tuple(_CHECKS)
"""The kinds of file a bundle may hold."""
