"""Messages between the runner and a worker process: a small JSON head and a table as Arrow IPC."""

from __future__ import annotations

import io
import json
import struct
from dataclasses import dataclass
from typing import IO, Any

import polars as pl

_LENGTHS = struct.Struct("<IQ")


@dataclass(frozen=True)
class Message:
    """One request or reply.

    Args:
        kind: What it is about.
        values: Plain JSON values.
        body: Bytes, a packed table except for the first request of all.
    """

    kind: str
    values: dict[str, Any]
    body: bytes = b""


def send(stream: IO[bytes], message: Message) -> None:
    """Write a message.

    Raises:
        OSError: The other side is gone.
    """
    head = json.dumps([message.kind, message.values]).encode()
    stream.write(_LENGTHS.pack(len(head), len(message.body)))
    stream.write(head)
    stream.write(message.body)
    stream.flush()


def receive(stream: IO[bytes]) -> Message | None:
    """Read a message, waiting for it; None when the other side is gone, be it in the middle of a message."""
    lengths = stream.read(_LENGTHS.size)
    if len(lengths) < _LENGTHS.size:
        return None
    head_length, body_length = _LENGTHS.unpack(lengths)
    head, body = stream.read(head_length), stream.read(body_length)
    if len(head) < head_length or len(body) < body_length:
        return None
    kind, values = json.loads(head)
    return Message(kind, values, body)


def pack(table: pl.DataFrame) -> bytes:
    """A table as the bytes of an Arrow IPC file, the same bytes for the same table."""
    buffer = io.BytesIO()
    table.rechunk().write_ipc(buffer, compression="zstd")
    return buffer.getvalue()


def unpack(data: bytes) -> pl.DataFrame:
    """The table that was packed."""
    return pl.read_ipc(io.BytesIO(data))
