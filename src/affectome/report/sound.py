"""Sound in a page: the outline of a recording, and short clips that play without any other file."""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

RATE = 16_000
"""Samples a second of everything here."""
Samples = NDArray[np.float32]
Sounds = Callable[[str, float, float], Samples | None]
"""Gives the samples (n,) of a source from a second to a second: mono, 16 kHz, full scale ±1; None if it cannot."""

_PIECE_SECONDS = 30.0
_BIAS, _LOUDEST, _FULL_SCALE = 132, 32_635, 32_767
_MU_LAW = 7  # its number in the header of a WAV file


def outline(sounds: Sounds, source: str, start: float, end: float, columns: int) -> list[tuple[float, float] | None]:
    """Lowest and highest sample in each of some columns of equal length, None where nothing could be read.

    The sound is asked for half a minute at a time, so that memory does not grow with the recording.

    Args:
        sounds: Gives the samples.
        source: Of which recording.
        start: In seconds.
        end: In seconds, after ``start``.
        columns: How many.
    """
    found: list[tuple[float, float] | None] = []
    step = (end - start) / columns
    at_once = max(int(_PIECE_SECONDS / step), 1)
    for first in range(0, columns, at_once):
        count = min(at_once, columns - first)
        samples = sounds(source, start + first * step, start + (first + count) * step)
        if samples is None or not len(samples):
            found += [None] * count
            continue
        sound = np.nan_to_num(np.asarray(samples, np.float32)).clip(-1, 1)
        edges = np.round(np.arange(count + 1) * step * RATE).astype(np.int64)
        for left, right in pairwise(edges.tolist()):
            part = sound[left : max(right, left + 1)]
            found.append((float(part.min()), float(part.max())) if len(part) else None)
    return found


def cut_loudest(samples: Samples, seconds: float) -> tuple[float, Samples]:
    """The loudest stretch of at most some seconds, with the second at which it starts."""
    length = int(seconds * RATE)
    sound = np.nan_to_num(np.asarray(samples, np.float32)).clip(-1, 1)
    if len(sound) <= length:
        return 0.0, sound
    energy = np.concatenate([[0.0], np.cumsum(sound.astype(np.float64) ** 2)])
    first = int(np.argmax(energy[length:] - energy[:-length]))
    return first / RATE, sound[first : first + length]


def clip_uri(samples: Samples) -> str:
    """A clip as a ``data:`` address that every browser plays: a WAV file of one byte a sample (ITU-T G.711 mu-law)."""
    data = _mu_law(samples)
    header = struct.pack("<HHIIHHH", _MU_LAW, 1, RATE, RATE, 1, 8, 0)
    chunks = [(b"fmt ", header), (b"fact", struct.pack("<I", len(data))), (b"data", data)]
    body = b"".join(name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
                    for name, content in chunks)  # fmt: skip
    file = b"RIFF" + struct.pack("<I", len(body) + 4) + b"WAVE" + body
    return f"data:audio/wav;base64,{base64.b64encode(file).decode()}"


def _mu_law(samples: Samples) -> bytes:
    """The code of each sample: its sign, the number of its segment and the step in it, all bits turned."""
    numbers = np.round(np.asarray(samples, np.float32) * _FULL_SCALE).astype(np.int32)
    size = np.minimum(np.abs(numbers), _LOUDEST) + _BIAS
    segment = np.floor(np.log2(size)).astype(np.int32) - 7
    step = (size >> (segment + 3)) & 15
    code: NDArray[np.int32] = np.where(numbers < 0, 128, 0) | segment << 4 | step
    return (~code & 255).astype(np.uint8).tobytes()
