"""The runner's side of its worker processes: start, ask, watch, replace."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import queue
import subprocess
import sys
import threading
from dataclasses import dataclass

import polars as pl

from affectome.errors import RunError
from affectome.media.child import reap, watched
from affectome.pipeline.contracts import ScorerFactory
from affectome.pipeline.isolation import bisect
from affectome.pipeline.storage import run_error
from affectome.pipeline.wire import Message, pack, receive, send, unpack

START_SECONDS = 300.0
"""Seconds in which a worker has to build its scorer."""
_START_ATTEMPTS = 3
_LEAST_SECONDS = 10.0
_MOST_DEATHS = 256
"""Deaths in a row, before a first answer ever, after which the model and not a row is taken to be at fault."""

# A bare interpreter, not multiprocessing: the program's own main module is not run again, so that scripts without a
# main guard, notebooks and standard input work alike.
_PROGRAM = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from affectome.pipeline.worker import main; main()"

# One thread each: workers do not compete, and sums come out the same whatever the number of workers. With one heap,
# glibc gives back what others would keep of a long film.
WORKER_ENVIRONMENT = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS", "MALLOC_ARENA_MAX"), "1"
)


class _UnansweredError(Exception):
    """A worker died (``worker_died``) or had to be killed (``timed_out``) over a request."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class _StoppedError(Exception):
    """The pool is being stopped."""


def pickled(factory: ScorerFactory) -> bytes:
    """The factory as the bytes that a worker process builds its scorer from.

    Raises:
        RunError: It cannot be sent to another process (code ``scorer_build``).
    """
    try:
        return pickle.dumps(factory)
    except Exception as error:  # pickle raises what the object raises
        raise RunError(
            f"The scorer factory cannot be sent to a worker process: {error}.",
            code="scorer_build",
            value=repr(factory),
            next_step="Use a module-level function, or a functools.partial of one.",
        ) from error


@dataclass(frozen=True)
class Scored:
    """A shard that is done: its place in the run and its estimates."""

    index: int
    estimates: pl.DataFrame


class WorkerPool:
    """Worker processes, each with a thread that feeds it; use as a context manager.

    Args:
        factory: The pickled scorer factory.
        size: Number of worker processes. They start when there is work for them.
        shard_timeout: Seconds for one shard.
        outcomes: Where `Scored` shards go as they are done, or the exception that ends the run.
        worker: What a worker is, a process of this machine by default.
    """

    def __init__(
        self,
        factory: bytes,
        size: int,
        shard_timeout: float,
        outcomes: queue.SimpleQueue[Scored | BaseException],
        worker: type[Worker] | None = None,
    ) -> None:
        worker = worker or Worker
        self._shards: queue.SimpleQueue[tuple[int, pl.DataFrame] | None] = queue.SimpleQueue()
        self._outcomes = outcomes
        self._trust = _Trust()
        self._workers = [worker(factory, shard_timeout, self._trust) for _ in range(size)]
        self._threads = [threading.Thread(target=self._feed, args=(worker,), daemon=True) for worker in self._workers]

    def __enter__(self) -> WorkerPool:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.stop()
            self._shards.put(None)
        for thread in self._threads:
            thread.join()

    def submit(self, index: int, segments: pl.DataFrame) -> None:
        """Queue a shard; the caller limits how many are under way."""
        self._shards.put((index, segments))

    def trust(self) -> None:
        """Note that the scorer is known to work, whatever happens to the shards to come."""
        self._trust.earned = True

    def _feed(self, worker: Worker) -> None:
        try:
            while (shard := self._shards.get()) is not None:
                index, segments = shard
                self._outcomes.put(Scored(index, worker.estimates(segments)))
        except _StoppedError:
            pass
        except BaseException as error:  # the main thread raises it
            self._outcomes.put(error)
        finally:
            worker.close()


class _Trust:
    """Tells a model that never works from rows that it dies on."""

    def __init__(self) -> None:
        self.earned = False
        self._deaths = 0

    def lose(self, code: str) -> None:
        self._deaths += 1
        if not self.earned and self._deaths >= _MOST_DEATHS:
            raise RunError(
                f"{self._deaths} workers were lost one after the other, and none has scored anything.",
                code="workers_lost",
                value=code,
                next_step="Check that the model runs on this machine and that the memory suffices, then run again.",
            )


class Worker:
    """One worker process at a time, replaced when it dies.

    A worker elsewhere has its own way to open and close it, and to ask it: `_open`, `_ask`, `_is_open`, `stop` and
    `close`.
    """

    def __init__(self, factory: bytes, shard_timeout: float, trust: _Trust) -> None:
        self._factory = factory
        self._shard_timeout = shard_timeout
        self._trust = trust
        self._lock = threading.Lock()
        self._stopped = False
        self._process: subprocess.Popen[bytes] | None = None

    def estimates(self, segments: pl.DataFrame) -> pl.DataFrame:
        """The estimates of a shard, with failed rows for those that a worker dies or hangs on."""

        def attempt(piece: pl.DataFrame) -> pl.DataFrame | str:
            # A worker can be killed through no fault of its rows (by the system, by hand), and halving changes the
            # batches that the model sees. So a whole shard gets a second chance, and so does a row about to be blamed.
            chances = 2 if piece.height in (1, segments.height) else 1
            share = piece.height / max(segments.height, 1)
            seconds = max(self._shard_timeout * share, min(self._shard_timeout, _LEAST_SECONDS))
            answer = self._answer(Message("score", {"seconds": seconds}, pack(piece)), chances)
            self._trust.earned |= isinstance(answer, pl.DataFrame)
            return answer

        def failed(piece: pl.DataFrame, code: str) -> pl.DataFrame:
            request = Message("failed", {"seconds": self._shard_timeout, "code": code}, pack(piece))
            answer = self._answer(request, chances=2)
            if isinstance(answer, str):
                raise RunError(
                    f"A worker is lost ({answer}) even when it only has to note that a row failed.",
                    code="scorer_failed",
                    value=piece["id"][0],
                    next_step="Correct the scorer's handling of failed rows, then run again.",
                )
            return answer

        return bisect(segments, attempt, failed)

    def stop(self) -> None:
        """End the process at once; the thread that waits for it gives up."""
        with self._lock:
            self._stopped = True
            process = self._process  # the thread may be about to forget it
        if process is not None:
            process.kill()

    def close(self) -> None:
        """Reap the process and free its pipes."""
        process, self._process = self._process, None
        if process is not None:
            reap(process)

    def _answer(self, request: Message, chances: int) -> pl.DataFrame | str:
        code = ""
        for _ in range(chances):
            if not self._is_open():
                self._start()
            try:
                reply = self._exchange(request, request.values["seconds"])
            except _UnansweredError as error:
                code = error.code
                self._trust.lose(code)
                continue
            if reply.kind == "error":
                raise RunError(**reply.values)
            return unpack(reply.body)
        return code

    def _start(self) -> None:
        for _ in range(_START_ATTEMPTS):
            with self._lock:
                if self._stopped:
                    raise _StoppedError
                self._open()
            try:
                reply = self._exchange(Message("build", {}, self._factory), START_SECONDS)
            except _UnansweredError as error:
                code = error.code
                continue
            if reply.kind == "error":
                raise RunError(**reply.values)
            return
        raise RunError(
            f"A worker process was lost {_START_ATTEMPTS} times while it built the scorer.",
            code="worker_start",
            value=code,
            next_step="Check that the model runs on this machine and that the memory suffices, then run again.",
        )

    def _exchange(self, request: Message, seconds: float) -> Message:
        reply = self._ask(request, seconds)
        if isinstance(reply, Message):
            return reply
        self.close()
        if self._stopped:
            raise _StoppedError
        raise _UnansweredError(reply)

    def _is_open(self) -> bool:
        return self._process is not None

    def _open(self) -> None:
        """Start the process."""
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _PROGRAM, json.dumps(sys.path, default=str)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, **WORKER_ENVIRONMENT},
                process_group=0,  # an interrupt from the keyboard is the runner's to handle
            )
        except OSError as error:
            raise run_error(error, "a worker process") from error

    def _ask(self, request: Message, seconds: float) -> Message | str:
        """The reply, or ``timed_out`` or ``worker_died``."""
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        reply = None
        with watched(process, seconds) as expired, contextlib.suppress(OSError):  # the pipe broke
            send(process.stdin, request)
            reply = receive(process.stdout)
        if reply is not None:
            return reply
        return "timed_out" if expired.is_set() else "worker_died"
