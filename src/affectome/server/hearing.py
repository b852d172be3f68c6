"""Voices in streams of sound: one reader for all streams, and a thread for each that finds where somebody speaks."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from http import HTTPStatus
from typing import IO, Any, cast

from affectome.api import ReaderOptions, open_speech_detector
from affectome.errors import RunError
from affectome.media import read_stream
from affectome.perceive import VoiceReader
from affectome.server.failures import refused

_READERS = 4  # vocabularies whose readers are kept
_WAITING = 8  # messages of a stream that wait to be heard; the client's sending waits with them


class VoiceService:
    """Hears streams of sound.

    Args:
        streams: Streams that are heard at a time.
    """

    def __init__(self, streams: int) -> None:
        self._most = streams
        self._open = 0
        self._threads = ThreadPoolExecutor(streams, "hear-stream")
        self._one_at_a_time = threading.Lock()
        self._reader = lru_cache(_READERS)(_open_reader)
        self._detector = lru_cache(1)(open_speech_detector)

    def close(self) -> None:
        """End the threads once their streams have ended."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def hear(self, sound: SoundPipe, options: ReaderOptions, max_seconds: float) -> AsyncIterator[dict[str, Any]]:
        """Rows of the estimates, each as soon as a stretch of speech is over.

        Args:
            sound: The sound as it comes.
            options: Model and vocabulary.
            max_seconds: Greatest length of a stretch.

        Raises:
            HTTPException: 429, code ``busy``, if as many streams as may be are open.
            UsageError: An option does not fit.
            ModelError: The weights cannot be used, or the speech detector is not there.
        """
        if self._open >= self._most:
            raise refused(
                HTTPStatus.TOO_MANY_REQUESTS,
                RunError("As many streams as may be are open.", code="busy", next_step="Try again later."),
                retry_after=10,
            )
        loop = asyncio.get_running_loop()
        rows: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()

        def listen() -> None:
            try:
                with self._one_at_a_time:
                    reader, detector = self._reader(options), self._detector()
                for segment in read_stream(
                    cast("IO[bytes]", sound), detector=detector, max_seconds=max_seconds, name="stream"
                ):
                    with self._one_at_a_time:
                        row = reader(segment).row(0, named=True)
                    loop.call_soon_threadsafe(rows.put_nowait, row)
            finally:
                loop.call_soon_threadsafe(rows.put_nowait, None)

        self._open += 1
        heard = loop.run_in_executor(self._threads, listen)
        try:
            while (row := await rows.get()) is not None:
                yield row
            await heard
        finally:
            sound.end()
            self._open -= 1


class SoundPipe(io.RawIOBase):
    """Sound that one side writes in the event loop and the other reads in a thread.

    Args:
        loop: The event loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._loop = loop
        self._pieces: asyncio.Queue[bytes] = asyncio.Queue(_WAITING)
        self._ended = asyncio.Event()
        self._rest = b""

    async def put(self, piece: bytes) -> None:
        """Hand over a piece; waits while the reading side is behind."""
        if piece:
            await self._pieces.put(piece)

    def end(self) -> None:
        """Say that nothing more comes."""
        self._ended.set()

    def read(self, size: int = -1) -> bytes:
        """Up to so many bytes as soon as there are any; none at the end. Called in a thread."""
        if not self._rest:
            self._rest = asyncio.run_coroutine_threadsafe(self._next(), self._loop).result()
        piece, self._rest = (self._rest[:size], self._rest[size:]) if size >= 0 else (self._rest, b"")
        return piece

    async def _next(self) -> bytes:
        if self._pieces.empty() and not self._ended.is_set():
            piece = asyncio.ensure_future(self._pieces.get())
            ended = asyncio.ensure_future(self._ended.wait())
            await asyncio.wait([piece, ended], return_when=asyncio.FIRST_COMPLETED)
            ended.cancel()
            if piece.done():
                return piece.result()
            piece.cancel()
        return b"" if self._pieces.empty() else self._pieces.get_nowait()


def _open_reader(options: ReaderOptions) -> VoiceReader:
    return options.open_voice()
