"""Taking up jobs, one process each, and clearing away what is over.

A job is leased from the store and the lease renewed while its process runs. When a server is killed, the lease runs out
and the job is taken up again, by this server after its restart or by another one; the runner then goes on where it
stopped. A job that loses its process three times is given up.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import secrets
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from affectome.errors import RunError
from affectome.server.jobs import Job, Status, Store
from affectome.server.metrics import Metrics
from affectome.server.settings import ServerSettings

_LOG = logging.getLogger("affectome.server")
_ATTEMPTS = 3
_LOOK_SECONDS = 2.0  # between looks for jobs that other servers left or took
_SWEEP_SECONDS = 60.0
_ORPHAN_SECONDS = 3600.0  # a folder without a record may be an upload under way
_LINE_BYTES = 1 << 24
_PROGRAM = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from affectome.server.job_program import main; main()"
)


@dataclass(eq=False)
class _Running:
    process: asyncio.subprocess.Process
    progress: dict[str, Any] = field(default_factory=dict)
    outcome: dict[str, Any] | None = None
    stopped: bool = False
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def stop(self) -> None:
        self.stopped = True
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()  # what is scored is safe on disk, and the workers end with the process


class JobRunner:
    """Runs jobs until it is closed; use as an asynchronous context manager.

    Args:
        store: Where the jobs are kept.
        settings: Folders and limits.
        metrics: Where ended jobs are counted.
    """

    def __init__(self, store: Store, settings: ServerSettings, metrics: Metrics) -> None:
        self._store = store
        self._settings = settings
        self._metrics = metrics
        self._worker = secrets.token_hex(8)
        self._arrived = asyncio.Event()
        self._running: dict[str, _Running] = {}
        self._closing = False
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> JobRunner:
        await asyncio.to_thread(self._settings.jobs_folder.mkdir, parents=True, exist_ok=True, mode=0o700)
        loops: list[Callable[[], Any]] = [self._take_up] * self._settings.job_workers
        self._tasks = [asyncio.create_task(loop()) for loop in [*loops, self._sweep]]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop the jobs that run; they wait and go on when a server is there again."""
        self._closing = True
        for running in self._running.values():
            running.stop()
        self._arrived.set()
        for task in self._tasks:
            if not self._running:
                task.cancel()
        for job_id in list(self._running):
            await self._wait(job_id)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def look(self) -> None:
        """Look for a job at once: one has arrived."""
        self._arrived.set()

    async def stop(self, job_id: str) -> None:
        """End the process of a job if it runs here, and wait until it is gone."""
        if running := self._running.get(job_id):
            running.stop()
            await self._wait(job_id)

    async def remove(self, job_ids: list[str]) -> None:
        """Erase what lies on disk of jobs whose records are gone."""
        for job_id in job_ids:
            await self.stop(job_id)
            await asyncio.to_thread(shutil.rmtree, self._folder(job_id), ignore_errors=True)

    async def _wait(self, job_id: str) -> None:
        if running := self._running.get(job_id):
            await running.ended.wait()

    async def _take_up(self) -> None:
        while not self._closing:
            try:
                job = await asyncio.to_thread(self._store.claim, self._worker, self._settings.lease_seconds)
                if job is not None:
                    await self._run(job)
                    continue
            except RunError as error:
                _LOG.warning("%s", error)
            self._arrived.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._arrived.wait(), _LOOK_SECONDS)

    async def _run(self, job: Job) -> None:
        if job.attempts > _ATTEMPTS:
            await self._end(job, "failed", {"error": _died().as_dict()})
            return
        running = self._running[job.id] = _Running(await self._start(job))
        try:
            status, outcome = await self._watch(job, running)
            if running.stopped:
                await self._settle_stopped(job)
            elif status is None:
                await asyncio.to_thread(self._store.release, job.id, self._worker, counted=True)
            else:
                await self._end(job, status, outcome)
        finally:
            running.stop()
            await running.process.wait()
            del self._running[job.id]
            running.ended.set()

    async def _start(self, job: Job) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-c", _PROGRAM, json.dumps(sys.path, default=str)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            process_group=0,  # an interrupt from the keyboard is the server's to handle
            limit=_LINE_BYTES,
        )
        assert process.stdin is not None
        request = {
            **job.request["options"],
            "files": job.request["files"],
            "folder": str(self._folder(job.id).resolve()),
            "megabytes": self._settings.job_megabytes,
            "unpacked_bytes": self._settings.unpacked_megabytes << 20,
            "rows": self._settings.job_rows,
        }
        with contextlib.suppress(ConnectionError):  # a process that is gone shows when its answer is missing
            process.stdin.write(json.dumps(request).encode() + b"\n")
            await process.stdin.drain()
        return process

    async def _watch(self, job: Job, running: _Running) -> tuple[Status | None, dict[str, Any]]:
        """Follow a process to its end; no status if it was lost and may be tried again."""
        following = asyncio.create_task(self._follow(running))
        try:
            left = self._settings.job_minutes * 60
            while not following.done() and left > 0:
                await asyncio.wait([following], timeout=min(self._settings.lease_seconds / 3, 1.0, left))
                left -= min(self._settings.lease_seconds / 3, 1.0)
                if not following.done() and not await self._beat(job, running):
                    running.stop()
                    await running.process.wait()
                    return None, {}
            if not following.done():
                error = RunError(
                    f"The job took longer than {self._settings.job_minutes:g} minutes.",
                    code="job_too_long",
                    next_step="Send less at a time.",
                )
                return "failed", {"error": error.as_dict()}
        finally:
            following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await following
        await self._beat(job, running)  # the last progress
        if running.outcome is None:
            return (None, {}) if job.attempts < _ATTEMPTS else ("failed", {"error": _died().as_dict()})
        return ("failed" if "error" in running.outcome else "finished"), running.outcome

    async def _follow(self, running: _Running) -> None:
        assert running.process.stdout is not None
        async for line in running.process.stdout:
            message = json.loads(line)
            running.progress = message.get("progress", running.progress)
            running.outcome = message.get("outcome", running.outcome)

    async def _beat(self, job: Job, running: _Running) -> bool:
        try:
            return await asyncio.to_thread(
                self._store.beat, job.id, self._worker, self._settings.lease_seconds, running.progress
            )
        except RunError as error:  # the store may be back before the lease is over
            _LOG.warning("%s", error)
            return True

    async def _settle_stopped(self, job: Job) -> None:
        """What to do with a job whose process was ended on purpose."""
        if self._closing:
            await asyncio.to_thread(self._store.release, job.id, self._worker, counted=False)
        kept = await asyncio.to_thread(self._store.get, job.id, job.owner)
        if kept is None or kept.status == "cancelled":
            self._metrics.jobs.labels("cancelled").inc()
            await asyncio.to_thread(shutil.rmtree, self._folder(job.id), ignore_errors=True)

    async def _end(self, job: Job, status: Status, outcome: dict[str, Any]) -> None:
        if await asyncio.to_thread(self._store.end, job.id, self._worker, status, outcome):
            self._metrics.jobs.labels(status).inc()
            uploads = self._folder(job.id) / "uploads"  # what was asked for is there, so they are of no use any more
            await asyncio.to_thread(shutil.rmtree, uploads, ignore_errors=True)

    async def _sweep(self) -> None:
        """Erase jobs whose time is over, and folders that belong to no job."""
        while True:
            try:
                await self.remove(await asyncio.to_thread(self._store.erase, before=time.time()))
                await self.remove(await asyncio.to_thread(self._orphans))
            except RunError as error:
                _LOG.warning("%s", error)
            await asyncio.sleep(_SWEEP_SECONDS)

    def _orphans(self) -> list[str]:
        known = self._store.known()
        old = time.time() - _ORPHAN_SECONDS
        folders = [path for path in self._settings.jobs_folder.iterdir() if path.name not in known]
        return [path.name for path in folders if path.stat().st_mtime < old]

    def _folder(self, job_id: str) -> Path:
        return self._settings.jobs_folder / job_id


def _died() -> RunError:
    return RunError(
        f"The process of the job was lost {_ATTEMPTS} times.",
        code="job_died",
        next_step="Send less at a time, or look for the file that it dies on.",
    )
