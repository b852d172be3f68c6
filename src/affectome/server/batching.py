"""One reader of text for all requests: what comes together is read together, in one thread.

A request costs the server one place in a line, not a model of its own. The line is bounded by characters, since they
are what reading costs; who comes when it is full is refused at once and told when to come again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict, deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http import HTTPStatus

from affectome.api import ReaderOptions, Reading, read_texts
from affectome.errors import RunError
from affectome.perceive import Contribution, TextReader
from affectome.server.failures import refused
from affectome.server.metrics import Metrics

_BATCH_CHARACTERS = 8_000  # about a sixth of a second of one core: the longest that a short text waits for others
_WAITING_CHARACTERS = 400_000
_READERS = 8  # vocabularies whose readers are kept


@dataclass(eq=False)
class _Waiting:
    texts: Sequence[str]
    options: ReaderOptions
    done: asyncio.Future[list[Reading]]
    characters: int = field(init=False)

    def __post_init__(self) -> None:
        self.characters = sum(map(len, self.texts))


class TextService:
    """Reads texts for many callers; use as an asynchronous context manager.

    Args:
        metrics: Where texts are counted.
        threads: Processor threads of the reader.
    """

    def __init__(self, metrics: Metrics, *, threads: int = 1) -> None:
        self._metrics = metrics
        self._threads = threads
        self._line: deque[_Waiting] = deque()
        self._characters = 0
        self._filled = asyncio.Event()
        self._readers: OrderedDict[ReaderOptions, TextReader] = OrderedDict()
        self._reading = ThreadPoolExecutor(1, "read-texts")
        self._explaining = ThreadPoolExecutor(1, "explain-texts")
        self._worker: asyncio.Task[None] | None = None

    async def __aenter__(self) -> TextService:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._reading, self._reader, ReaderOptions())
        self._worker = asyncio.create_task(self._work())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._worker is not None:
            self._worker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._worker
        for waiting in self._line:
            waiting.done.cancel()
        self._reading.shutdown(cancel_futures=True)
        self._explaining.shutdown(cancel_futures=True)

    async def read(self, texts: Sequence[str], options: ReaderOptions) -> list[Reading]:
        """Read texts, together with those of other callers.

        Args:
            texts: The texts.
            options: Model and vocabulary.

        Raises:
            HTTPException: 429, code ``busy``, if too much waits already.
            UsageError: The taxonomy or a label does not fit.
            ModelError: The bundle cannot be used.
        """
        if self._characters > _WAITING_CHARACTERS:
            raise refused(
                HTTPStatus.TOO_MANY_REQUESTS,
                RunError("Too many texts wait to be read.", code="busy", next_step="Try again in a moment."),
                retry_after=2,
            )
        waiting = _Waiting(texts, options, asyncio.get_running_loop().create_future())
        self._line.append(waiting)
        self._count(waiting, 1)
        self._filled.set()
        return await waiting.done

    async def explain(self, text: str, options: ReaderOptions) -> list[Contribution]:
        """Which words moved the most probable label; one such request at a time, beside the reading of texts."""
        loop = asyncio.get_running_loop()
        reader = await loop.run_in_executor(self._reading, self._reader, options)
        return await loop.run_in_executor(self._explaining, reader.explain, text)

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._filled.wait()
            batch = self._next_batch()
            if not batch:
                self._filled.clear()
                continue
            texts = [text for waiting in batch for text in waiting.texts]
            self._metrics.batches.observe(len(texts))
            try:
                readings = await loop.run_in_executor(self._reading, self._read, texts, batch[0].options)
            except asyncio.CancelledError:
                for waiting in batch:
                    waiting.done.cancel()
                raise
            except Exception as error:  # whatever it is, it belongs to those who asked
                for waiting in batch:
                    if not waiting.done.done():
                        waiting.done.set_exception(error)
                continue
            for reading in readings:
                self._metrics.texts.labels(reading.status).inc()
            for waiting in batch:
                mine, readings = readings[: len(waiting.texts)], readings[len(waiting.texts) :]
                if not waiting.done.done():
                    waiting.done.set_result(mine)

    def _next_batch(self) -> list[_Waiting]:
        """Those at the head of the line that want the same vocabulary, up to a size; who gave up is left out."""
        batch: list[_Waiting] = []
        characters = 0
        while self._line:
            head = self._line[0]
            fits = not batch or characters + head.characters <= _BATCH_CHARACTERS
            if not head.done.done() and not (fits and (not batch or head.options == batch[0].options)):
                break
            self._count(self._line.popleft(), -1)
            if not head.done.done():
                batch.append(head)
                characters += head.characters
        return batch

    def _count(self, waiting: _Waiting, sign: int) -> None:
        self._characters += sign * waiting.characters
        self._metrics.waiting.inc(sign * len(waiting.texts))

    def _read(self, texts: Sequence[str], options: ReaderOptions) -> list[Reading]:
        return read_texts(texts, self._reader(options))

    def _reader(self, options: ReaderOptions) -> TextReader:
        """The reader of a vocabulary, called in one thread only."""
        reader = self._readers.get(options)
        if reader is None:
            reader = self._readers[options] = options.open(threads=self._threads)
        self._readers.move_to_end(options)
        if len(self._readers) > _READERS:
            self._readers.popitem(last=False)
        return reader
