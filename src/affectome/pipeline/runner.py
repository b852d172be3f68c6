"""The run: shards out to workers, parts down to disk, one file in the end."""

from __future__ import annotations

import contextlib
import queue
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import polars as pl

from affectome.errors import RunError
from affectome.pipeline.contracts import RunProgress, RunResult, RunSettings, ScorerFactory, ShardSource
from affectome.pipeline.identifiers import TakenIds
from affectome.pipeline.isolation import schema_error
from affectome.pipeline.output import Manifest, OutputFolder
from affectome.pipeline.storage import locked
from affectome.pipeline.workers import Scored, WorkerPool, pickled

_SHARDS_A_WORKER = 2
"""Shards under way for each worker: the one it scores and the next."""


def run(
    source: ShardSource,
    scorer_factory: ScorerFactory,
    out: Path,
    *,
    settings: RunSettings,
    identity: dict[str, str],
    progress: Callable[[RunProgress], None] | None = None,
    conclude: Callable[[Iterator[pl.DataFrame]], Iterator[pl.DataFrame]] | None = None,
) -> RunResult:
    """Score every segment of a source into ``out/estimates.<format>``.

    Each shard is scored in a worker process and stored as a part file under ``out/.parts``, so that the run may be
    killed at any moment and called again with the same arguments: what is stored is not scored again, and the file has
    the same bytes as if nothing had happened, whatever the number of workers. Memory is bounded by the shards under
    way, two for each worker, and 8 bytes a row to tell duplicate ids.

    Every row of the source is a row of the output. Rows that the scorer raises on are ``failed`` with the code of the
    `AffectomeError` or ``model_error``; rows that kill a worker with ``worker_died``; rows that a worker hangs on with
    ``timed_out``; later rows with an id that is taken with ``duplicate_id``, renamed to ``<id>~2``, ``<id>~3`` and so
    on. Their neighbours are scored.

    In the main thread, SIGINT and SIGTERM stop the run in good order; a second one acts as usual.

    Args:
        source: The segments.
        scorer_factory: Builds the scorer in each worker process.
        out: Output folder, made if need be.
        settings: How to run.
        identity: What else the bytes depend on, such as the versions of model and package, taxonomy and options.
        progress: Called after each stored shard.
        conclude: Called once everything is stored, with the tables of the shards in their order, one at a time; gives
            further tables that depend on nothing else.

    Returns:
        What was written. A run that is complete already is answered without any work.

    Raises:
        RunError: The folder is held by a running run (code ``folder_busy``) or by the output of another
            (``other_run``, ``output_exists``, ``output_changed``, ``bad_manifest``); the scorer cannot be built
            (``scorer_build``, ``worker_start``, or the code of the `AffectomeError` it raises) or breaks its contract
            (``scorer_rows``, ``scorer_columns``, ``scorer_status``, ``scorer_schema``, ``scorer_empty``,
            ``scorer_failed``), or none of its workers survives (``workers_lost``); the source gives segments without
            ids (``bad_shard``); storage fails (``disk_full``, ``not_writable``, ``not_a_folder``,
            ``too_many_open_files``, ``out_of_memory``, ``storage_error``); a signal came (``interrupted``).
    """
    started = time.monotonic()
    out = Path(out)
    factory = pickled(scorer_factory)
    with locked(out):
        folder = OutputFolder(out, Manifest(identity, source.fingerprint, settings.format))
        finished = folder.open(overwrite=settings.overwrite)
        if finished is not None:
            return finished
        book = _Book(getattr(source, "rows", None), progress)
        _score(source, factory, settings, folder, book)
        if conclude is not None:
            _conclude(conclude, folder, book)
        result = book.result(time.monotonic() - started, folder.estimates)
        folder.finish(book.parts(), result)
        return result


def _score(source: ShardSource, factory: bytes, settings: RunSettings, folder: OutputFolder, book: _Book) -> None:
    events: queue.SimpleQueue[Scored | BaseException] = queue.SimpleQueue()
    limit = _SHARDS_A_WORKER * settings.workers
    under_way = 0

    def settle(most: int) -> None:
        nonlocal under_way
        while under_way > most or not events.empty():
            event = events.get()
            if isinstance(event, BaseException):
                raise event
            under_way -= 1
            book.enter(event.index, event.estimates, folder.write_part(event.index, event.estimates))

    worker = None
    if settings.engine == "ray":
        from affectome.pipeline.ray_workers import connect  # Ray takes seconds to import

        worker = connect(settings.workers)
    pool_of_workers = WorkerPool(factory, settings.workers, settings.shard_timeout, events, worker)
    with pool_of_workers as pool, _interrupts(events):
        taken = TakenIds()
        rows = 0
        for index, shard in enumerate(_shards(source)):
            settle(most=limit - 1)
            segments = taken.mark_duplicates(shard)
            rows += segments.height
            stored = folder.stored_part(index, segments.height)
            if stored is None:
                pool.submit(index, segments)
                under_way += 1
            else:
                path, estimates = stored
                book.enter(index, estimates, path, resumed=True)
                pool.trust()
        book.total = rows
        settle(most=0)


def _conclude(
    conclude: Callable[[Iterator[pl.DataFrame]], Iterator[pl.DataFrame]], folder: OutputFolder, book: _Book
) -> None:
    """Store the tables that follow from those of the shards behind them."""
    parts = book.parts()
    for index, table in enumerate(conclude(folder.read_part(path) for path in parts), start=len(parts)):
        book.total = (book.total or 0) + table.height
        book.enter(index, table, folder.write_part(index, table))


def _shards(source: ShardSource) -> Iterator[pl.DataFrame]:
    """The shards, or one without rows if there are none: it gives the columns of the empty output."""
    empty = True
    for shard in source.shards():
        empty = False
        yield shard
    if empty:
        from affectome.media import segments_schema  # readers that no other run and no worker needs

        yield pl.DataFrame(schema=segments_schema())


class _Book:
    """What is on disk so far."""

    def __init__(self, total: int | None, progress: Callable[[RunProgress], None] | None) -> None:
        self.total = total
        self._progress = progress
        self._started = time.monotonic()
        self._parts: dict[int, Path] = {}
        self._schema: pl.Schema | None = None
        self._statuses: Counter[str] = Counter()
        self._codes: Counter[str] = Counter()
        self._resumed_rows = 0

    def enter(self, index: int, estimates: pl.DataFrame, path: Path, *, resumed: bool = False) -> None:
        """Note a stored shard and report the progress."""
        if self._schema is None:
            self._schema = estimates.schema
        if estimates.schema != self._schema:
            raise schema_error(self._schema, estimates.schema)
        self._parts[index] = path
        for status, code, rows in estimates.group_by("status", "error").len().iter_rows():
            self._statuses[status] += rows
            if status != "scored":
                self._codes[code] += rows
        if resumed:
            self._resumed_rows += estimates.height
        if self._progress is not None:
            self._progress(self._state())

    def parts(self) -> list[Path]:
        """The part files in the order of the shards."""
        return [self._parts[index] for index in sorted(self._parts)]

    def result(self, seconds: float, estimates: Path) -> RunResult:
        """The result of the run once everything is stored."""
        return RunResult(
            rows=self._statuses.total(),
            scored=self._statuses["scored"],
            abstained=self._statuses["abstained"],
            failed=self._statuses["failed"],
            by_code=dict(sorted(self._codes.items())),
            seconds=seconds,
            estimates=estimates,
        )

    def _state(self) -> RunProgress:
        done = self._statuses.total()
        rate = (done - self._resumed_rows) / max(time.monotonic() - self._started, 1e-9)
        left = (self.total - done) / rate if self.total is not None and rate > 0 else None
        return RunProgress(done=done, total=self.total, rate=rate, seconds_left=left, failed=self._statuses["failed"])


@contextlib.contextmanager
def _interrupts(events: queue.SimpleQueue[Scored | BaseException]) -> Iterator[None]:
    """Turn the first SIGINT or SIGTERM into an event; only the main thread can."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, action in previous.items():
            signal.signal(number, action)

    def interrupt(number: int, _: FrameType | None) -> None:
        restore()
        name = signal.Signals(number).name
        events.put(
            RunError(
                f"The run was interrupted by {name}. What is scored so far is kept.",
                code="interrupted",
                value=name,
                next_step="Run the same command again to resume.",
            )
        )

    for number in previous:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        restore()
