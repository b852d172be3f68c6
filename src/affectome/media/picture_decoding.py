"""Decoding pictures of any kind into RGB values, in a child process with limits."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from affectome.errors import MissingExtraError
from affectome.media import picture_decoder
from affectome.media.child import END, LOST, UNUSABLE, DecodingChild
from affectome.media.picture_decoder import PictureFindings


@dataclass(frozen=True, kw_only=True)
class PictureLimits:
    """What a picture may cost.

    Attributes:
        longest: Pixels of the longer side to which a larger picture is made smaller.
        most_pixels: Pixels above which a picture is not decoded at all.
        seconds: Time that decoding may take.
        memory: Megabytes the child may take beyond its libraries (only where the system can limit address space).
    """

    longest: int = 1600
    most_pixels: int = 100_000_000
    seconds: float = 20.0
    memory: int = 420


@dataclass(frozen=True, kw_only=True, eq=False)
class Picture:
    """A decoded picture, or why there is none.

    Attributes:
        pixels: RGB values ``(h, w, 3)``, standing as the camera says; None if it could not be decoded.
        width: Pixels across as it is shown, before it was made smaller.
        height: Pixels down.
        format: How it is stored, such as ``JPEG``.
        code: Empty, or why there are no pixels.
        message: The same for people.
        notes: What was done to it; see `PictureFindings`.
    """

    pixels: NDArray[np.uint8] | None
    width: int
    height: int
    format: str
    code: str
    message: str
    notes: tuple[str, ...]


class PictureDecoder:
    """Decodes one picture after the other; use as a context manager.

    The child starts with the first picture and is replaced when it dies.

    Args:
        limits: What a picture may cost.

    Raises:
        MissingExtraError: The ``face`` extra is not installed.
    """

    def __init__(self, limits: PictureLimits | None = None) -> None:
        if find_spec("PIL") is None:
            raise MissingExtraError.for_extra("face", "pillow")
        self._limits = limits or PictureLimits()
        self._child = DecodingChild(
            picture_decoder.__file__, memory=self._limits.memory, decodes="pictures", imports="PIL"
        )

    def __enter__(self) -> PictureDecoder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the child."""
        self._child.close()

    def decode(self, path: Path) -> Picture:
        """A picture as it is to be shown, in 8 bits and the colours of screens, what is transparent over white.

        Of an animation it is the first frame. The codes are ``empty``, ``undecodable``, ``truncated``,
        ``too_many_pixels``, ``decode_timeout``, ``decode_memory`` and ``decoder_died``.

        Args:
            path: The file.

        Raises:
            RunError: The child cannot be started (code ``decoder_start``).
        """
        return next(self.decode_all([path]))

    def decode_all(self, paths: Iterable[Path]) -> Iterator[Picture]:
        """Several pictures, as `decode` gives them; the next is decoded while the caller is busy with one."""
        asked = False
        for path in paths:
            picture = self._answer() if asked else None
            self._ask(path)
            asked = True
            if picture is not None:
                yield picture
        if asked:
            yield self._answer()

    def _ask(self, path: Path) -> None:
        limits = self._limits
        self._child.ask(path, limits.seconds, longest=limits.longest, most_pixels=limits.most_pixels)

    def _answer(self) -> Picture:
        child = self._child
        pixels = b""
        while True:
            frame = child.receive(self._limits.seconds)
            if isinstance(frame, str):
                findings = PictureFindings(code=frame, message=LOST[frame])
            elif frame[0] == END:
                findings = PictureFindings(**json.loads(frame[1]))
            else:
                pixels = frame[1]
                continue
            if findings.code in UNUSABLE:
                child.close()
            return _picture(findings, pixels)


def _picture(findings: PictureFindings, pixels: bytes) -> Picture:
    return Picture(
        pixels=None if findings.code else np.frombuffer(pixels, np.uint8).reshape(*findings.shape, 3),
        width=findings.width,
        height=findings.height,
        format=findings.format,
        code=findings.code,
        message=findings.message,
        notes=tuple(findings.notes),
    )
