"""Decoding sound files of any kind into mono samples at 16 kHz, in a child process with limits.

Codecs are large, written in C, and fed with files of unknown origin. So they run in a process of their own: what they
crash, hang or swell on costs this process nothing and the file its reading, and the next file gets a new child.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from affectome.errors import MissingExtraError, RunError
from affectome.media import decoder
from affectome.media.decoder import Findings

Samples: TypeAlias = NDArray[np.float32]

SAMPLE_RATE = decoder.RATE
"""Samples a second of everything that is decoded."""

_PACKAGES = ("av", "soundfile", "soxr")
_START_SECONDS = 60.0
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


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
        self._process: subprocess.Popen[bytes] | None = None

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
        if self._process is None:
            self._start()
        request = {
            "path": os.fspath(path.resolve()),
            "most_seconds": self._limits.hours * 3600,
            "patience": self._limits.block_seconds,
        }
        count = 0
        findings: Findings | None = None
        try:
            self._send(json.dumps(request).encode() + b"\n")
            while findings is None:
                frame = self._receive(self._limits.block_seconds)
                if isinstance(frame, str):
                    findings = replace(_LOST[frame], seconds=count / SAMPLE_RATE)
                elif frame[0] == decoder.BLOCK:
                    block = np.frombuffer(frame[1], np.float32)
                    count += len(block)
                    yield block
                else:
                    findings = Findings(**json.loads(frame[1]))
        finally:
            # Whoever stops early leaves the child in the middle of a file.
            if findings is None or findings.code in _UNUSABLE:
                self.close()
        yield findings

    def close(self) -> None:
        """End the child."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):  # what could not be sent any more
                    stream.close()

    def _start(self) -> None:
        command = [sys.executable, "-P", decoder.__file__, json.dumps(sys.path, default=str), str(self._limits.memory)]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # codecs chatter, and everything that matters is in the findings
                env={**os.environ, **_ONE_THREAD},
                process_group=0,  # an interrupt from the keyboard is this process's to handle
            )
            frame = self._receive(_START_SECONDS)
        except OSError as error:
            frame = str(error)
        if isinstance(frame, str):
            self.close()
            raise RunError(
                f"The process that decodes sound cannot be started ({frame}).",
                code="decoder_start",
                value=frame,
                next_step='Check that python -c "import av, soundfile, soxr" works and that memory is free.',
            )

    def _send(self, line: bytes) -> None:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        with contextlib.suppress(OSError):  # a child that is gone shows when its answer is missing
            process.stdin.write(line)
            process.stdin.flush()

    def _receive(self, seconds: float) -> tuple[bytes, bytes] | str:
        """The next frame, or the code for why there is none."""
        process = self._process
        assert process is not None
        assert process.stdout is not None
        expired = threading.Event()

        def expire() -> None:
            expired.set()
            process.kill()

        timer = threading.Timer(seconds, expire)
        timer.daemon = True
        timer.start()
        try:
            head = process.stdout.read(decoder.FRAME.size)
            if len(head) == decoder.FRAME.size:
                kind, length = decoder.FRAME.unpack(head)
                content = process.stdout.read(length)
                if len(content) == length:
                    return kind, content
        finally:
            timer.cancel()
        return "decode_timeout" if expired.is_set() else "decoder_died"


_LOST = {
    "decode_timeout": Findings(code="decode_timeout", message="Decoding it takes too long."),
    "decoder_died": Findings(code="decoder_died", message="The process that decoded it was lost."),
}
_UNUSABLE = {*_LOST, "decode_memory"}
