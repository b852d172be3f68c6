"""Child processes of this one: asked, watched, ended.

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
from pathlib import Path

from affectome.errors import RunError
from affectome.media import child_program

BLOCK, END = child_program.BLOCK, child_program.END
LOST = {
    "decode_timeout": "Decoding it takes too long.",
    "decoder_died": "The process that decoded it was lost.",
}
"""Codes of a child that gives no answer, and what they mean."""
UNUSABLE = {*LOST, "decode_memory"}
"""Codes after which a child is not asked again."""

_START_SECONDS = 60.0
_PIPE = 1 << 20  # bytes that are handed over without the two processes taking turns, where the system can do that
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class DecodingChild:
    """One child process at a time that decodes one file after the other.

    It starts with the first request and, once closed, anew with the next one.

    Args:
        decoder: File of the module that decodes, as `affectome.media.child_program` wants it.
        memory: Megabytes the child may take beyond its libraries (only where the system can limit address space).
        decodes: What it decodes, for messages.
        imports: Modules it needs, for messages.

    Attributes:
        process: The child, None if there is none.
    """

    def __init__(self, decoder: str, *, memory: int, decodes: str, imports: str) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self._decoder, self._memory = decoder, memory
        self._decodes, self._imports = decodes, imports

    def ask(self, path: Path, seconds: float, **limits: float) -> None:
        """Send a request.

        Args:
            path: The file.
            seconds: Seconds of computing for one block after which the system ends the child.
            limits: What else the decoder asks for.

        Raises:
            RunError: The child cannot be started (code ``decoder_start``).
        """
        if self.process is None:
            self._start()
        request = {"path": os.fspath(path.resolve()), "patience": seconds, **limits}
        assert self.process is not None
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):  # a child that is gone shows when its answer is missing
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
            self.process.stdin.flush()

    def receive(self, seconds: float) -> tuple[bytes, bytes] | str:
        """Kind and content of the next frame, or the code of `LOST` for why there is none within so many seconds."""
        process = self.process
        assert process is not None
        assert process.stdout is not None
        frame = child_program.FRAME
        with watched(process, seconds) as expired:
            head = process.stdout.read(frame.size)
            if len(head) == frame.size:
                kind, length = frame.unpack(head)
                content = process.stdout.read(length)
                if len(content) == length:
                    return kind, content
        return "decode_timeout" if expired.is_set() else "decoder_died"

    def close(self) -> None:
        """End the child."""
        process, self.process = self.process, None
        if process is not None:
            reap(process)

    def _start(self) -> None:
        path = json.dumps(sys.path, default=str)
        command = [sys.executable, "-P", child_program.__file__, path, str(self._memory), self._decoder]
        try:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # codecs chatter, and everything that matters is in the findings
                env={**os.environ, **_ONE_THREAD},
                process_group=0,  # an interrupt from the keyboard is this process's to handle
                pipesize=_PIPE,
            )
            frame = self.receive(_START_SECONDS)
        except OSError as error:
            frame = str(error)
        if isinstance(frame, str):
            self.close()
            raise RunError(
                f"The process that decodes {self._decodes} cannot be started ({frame}).",
                code="decoder_start",
                value=frame,
                next_step=f'Check that python -c "import {self._imports}" works and that memory is free.',
            )


@contextlib.contextmanager
def watched(process: subprocess.Popen[bytes], seconds: float) -> Iterator[threading.Event]:
    """Kill a process that takes longer; the event tells whether that was done."""
    expired = threading.Event()

    def expire() -> None:
        expired.set()
        process.kill()

    timer = threading.Timer(seconds, expire)
    timer.daemon = True
    timer.start()
    try:
        yield expired
    finally:
        timer.cancel()


def reap(process: subprocess.Popen[bytes]) -> None:
    """End a process and free its pipes."""
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(OSError):  # what could not be sent any more
                stream.close()
