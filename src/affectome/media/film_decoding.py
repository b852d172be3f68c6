"""Decoding the pictures of films of any kind, in a child process with limits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType

import numpy as np

from affectome.errors import MissingExtraError
from affectome.media import film_decoder
from affectome.media.child import BLOCK, LOST, UNUSABLE, DecodingChild
from affectome.media.film_decoder import HEAD, FilmFindings, Taken


@dataclass(frozen=True, kw_only=True)
class FilmLimits:
    """What a film may cost.

    Attributes:
        a_second: Pictures that are taken a second; where much moves it is twice as many.
        longest: Pixels of the longer side to which larger pictures are made smaller.
        picture_seconds: Time within which the next picture has to arrive.
        memory: Megabytes the child may take beyond its libraries (only where the system can limit address space).
        hours: Length after which decoding ends with ``too_long``.
    """

    a_second: float = 4.0
    longest: int = 1280
    picture_seconds: float = 20.0
    memory: int = 1000
    hours: float = 48.0


class FilmDecoder:
    """Takes pictures from one film after the other; use as a context manager.

    The child starts with the first film and is replaced when it dies.

    Args:
        limits: What a film may cost.

    Raises:
        MissingExtraError: The ``voice`` extra, which decodes films, is not installed.
    """

    def __init__(self, limits: FilmLimits | None = None) -> None:
        if find_spec("av") is None:
            raise MissingExtraError.for_extra("voice", "av")
        self._limits = limits or FilmLimits()
        self._child = DecodingChild(film_decoder.__file__, memory=self._limits.memory, decodes="films", imports="av")

    def __enter__(self) -> FilmDecoder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the child."""
        self._child.close()

    def decode(self, path: Path) -> Iterator[Taken | FilmFindings]:
        """Pictures of a film in the order of time, then what was found, last and once.

        Pictures stand as the camera says, with square pixels. The codes of the findings are ``undecodable``,
        ``no_video_stream``, ``damaged`` or ``truncated`` (what came before is good), ``too_many_pixels``, ``too_long``,
        ``decode_timeout``, ``decode_memory`` and ``decoder_died``.

        Args:
            path: The file.

        Raises:
            RunError: The child cannot be started (code ``decoder_start``).
        """
        limits = self._limits
        findings: FilmFindings | None = None
        last = 0.0
        try:
            self._child.ask(
                path,
                limits.picture_seconds,
                a_second=limits.a_second,
                longest=limits.longest,
                most_seconds=limits.hours * 3600,
            )
            while findings is None:
                frame = self._child.receive(limits.picture_seconds)
                if isinstance(frame, str):
                    findings = FilmFindings(code=frame, message=LOST[frame], seconds=last)
                elif frame[0] == BLOCK:
                    taken = _taken(frame[1])
                    last = taken.second
                    yield taken
                else:
                    findings = FilmFindings(**json.loads(frame[1]))
        finally:
            # Whoever stops early leaves the child in the middle of a film.
            if findings is None or findings.code in UNUSABLE:
                self.close()
        yield findings


def _taken(block: bytes) -> Taken:
    second, scale, high, wide, cut, blank = HEAD.unpack_from(block)
    pixels = np.frombuffer(block, np.uint8, offset=HEAD.size).reshape(high, wide, 3)
    return Taken(second, scale, pixels, bool(cut), bool(blank))
