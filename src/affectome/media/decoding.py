"""Decoding sound files of any kind into mono samples at 16 kHz, in a child process with limits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from affectome.errors import MissingExtraError
from affectome.media import decoder
from affectome.media.child import BLOCK, LOST, UNUSABLE, DecodingChild
from affectome.media.decoder import Findings

Samples: TypeAlias = NDArray[np.float32]

SAMPLE_RATE = decoder.RATE
"""Samples a second of everything that is decoded."""

_PACKAGES = ("av", "soundfile", "soxr")


@dataclass(frozen=True, kw_only=True)
class DecodingLimits:
    """What a file may cost.

    Attributes:
        block_seconds: Seconds within which the next block of sound has to arrive.
        memory: Megabytes the child may take beyond its libraries (only where the system can limit address space).
        hours: Length of sound after which decoding ends with ``too_long``.
    """

    block_seconds: float = 20.0
    memory: int = 512
    hours: float = 48.0


class Decoder:
    """Decodes one file after the other; use as a context manager.

    The child starts with the first file and is replaced when it dies.

    Args:
        limits: What a file may cost.

    Raises:
        MissingExtraError: The ``voice`` extra is not installed.
    """

    def __init__(self, limits: DecodingLimits | None = None) -> None:
        for package in _PACKAGES:
            if find_spec(package) is None:
                raise MissingExtraError.for_extra("voice", package)
        self._limits = limits or DecodingLimits()
        self._child = DecodingChild(
            decoder.__file__, memory=self._limits.memory, decodes="sound", imports=", ".join(_PACKAGES)
        )

    def __enter__(self) -> Decoder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def decode(self, path: Path) -> Iterator[Samples | Findings]:
        """The sound of a file: blocks (n,) of float32 in [-1, 1] at 16 kHz, then what was found, last and once.

        Several channels are averaged; of several sound tracks the first is taken. Samples that are no finite numbers
        become 0. The codes of the findings are those of `Findings.code`: ``undecodable``, ``no_audio_stream``,
        ``damaged`` or ``truncated`` (what came before is good), ``too_long``, ``decode_timeout``, ``decode_memory``,
        ``decoder_died``.

        Args:
            path: The file.

        Raises:
            RunError: The child cannot be started (code ``decoder_start``).
        """
        count = 0
        findings: Findings | None = None
        try:
            self._child.ask(path, self._limits.block_seconds, most_seconds=self._limits.hours * 3600)
            while findings is None:
                frame = self._child.receive(self._limits.block_seconds)
                if isinstance(frame, str):
                    findings = Findings(code=frame, message=LOST[frame], seconds=count / SAMPLE_RATE)
                elif frame[0] == BLOCK:
                    block = np.frombuffer(frame[1], np.float32)
                    count += len(block)
                    yield block
                else:
                    findings = Findings(**json.loads(frame[1]))
        finally:
            # Whoever stops early leaves the child in the middle of a file.
            if findings is None or findings.code in UNUSABLE:
                self.close()
        yield findings

    def close(self) -> None:
        """End the child."""
        self._child.close()
