"""Jobs and keys in an SQL database."""

from __future__ import annotations

import contextlib
import functools
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from affectome.errors import RunError, UsageError
from affectome.server.databases import Connection, Database, open_database
from affectome.server.jobs import Job, Key, Status, Store

_COLUMNS = "id, owner, request, status, created, expires, started, finished, attempts, progress, outcome"
_SCHEMA = (
    """CREATE TABLE IF NOT EXISTS jobs (
        id TEXT PRIMARY KEY, owner TEXT NOT NULL, request TEXT NOT NULL, status TEXT NOT NULL,
        created DOUBLE PRECISION NOT NULL, expires DOUBLE PRECISION NOT NULL, started DOUBLE PRECISION,
        finished DOUBLE PRECISION, attempts INTEGER NOT NULL DEFAULT 0, progress TEXT NOT NULL DEFAULT '{}',
        outcome TEXT NOT NULL DEFAULT '{}', worker TEXT, leased DOUBLE PRECISION NOT NULL DEFAULT 0)""",
    "CREATE INDEX IF NOT EXISTS jobs_by_status ON jobs (status, created)",
    "CREATE INDEX IF NOT EXISTS jobs_by_owner ON jobs (owner, created)",
    """CREATE TABLE IF NOT EXISTS api_keys (
        id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, digest TEXT NOT NULL, created DOUBLE PRECISION NOT NULL,
        requests_a_minute INTEGER)""",
)
_WAITING = "(status = 'queued' OR (status = 'running' AND leased < ?))"

Row = Sequence[Any]


def open_store(folder: Path, database: str | None = None) -> Store:
    """The store in a PostgreSQL database, or in a folder.

    Args:
        folder: Folder of the SQLite file, made if need be, for its owner alone.
        database: Address of a PostgreSQL database, instead of the file.

    Raises:
        MissingExtraError: psycopg is needed and not installed.
        RunError: ``store_unreachable``.
        UsageError: ``bad_database``.
    """
    return _SqlStore(open_database(folder, database))


class _SqlStore:
    """The store in a database: one connection, shared by all threads; transactions that write exclude each other."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        with self._writing() as execute:
            for statement in _SCHEMA:
                execute(statement)

    def add(self, job: Job, *, queued: int, kept: int) -> str | None:
        with self._writing() as execute:
            if _number(execute("SELECT count(*) FROM jobs WHERE status = 'queued'")) >= queued:
                return "queued"
            if _number(execute("SELECT count(*) FROM jobs WHERE owner = ?", job.owner)) >= kept:
                return "kept"
            execute(
                "INSERT INTO jobs (id, owner, request, status, created, expires) VALUES (?, ?, ?, ?, ?, ?)",
                *(job.id, job.owner, json.dumps(job.request), job.status, job.created, job.expires),
            )
        return None

    def get(self, job_id: str, owner: str) -> Job | None:
        with self._reading() as execute:
            return _first(execute(f"SELECT {_COLUMNS} FROM jobs WHERE id = ? AND owner = ?", job_id, owner))

    def jobs(self, owner: str) -> list[Job]:
        with self._reading() as execute:
            return [
                _job(row)
                for row in execute(f"SELECT {_COLUMNS} FROM jobs WHERE owner = ? ORDER BY created DESC, id", owner)
            ]

    def claim(self, worker: str, lease: float) -> Job | None:
        now = time.time()
        with self._writing() as execute:
            found = execute(f"SELECT {_COLUMNS} FROM jobs WHERE {_WAITING} ORDER BY created, id LIMIT 1", now)
            job = _first(found)
            if job is not None:
                execute(
                    "UPDATE jobs SET status = 'running', worker = ?, leased = ?, attempts = attempts + 1,"
                    " started = coalesce(started, ?) WHERE id = ?",
                    *(worker, now + lease, now, job.id),
                )
                job = _first(execute(f"SELECT {_COLUMNS} FROM jobs WHERE id = ?", job.id))
        return job

    def beat(self, job_id: str, worker: str, lease: float, progress: dict[str, Any]) -> bool:
        with self._writing() as execute:
            return self._changed(
                execute,
                "UPDATE jobs SET leased = ?, progress = ? WHERE id = ? AND worker = ? AND status = 'running'",
                *(time.time() + lease, json.dumps(progress), job_id, worker),
            )

    def end(self, job_id: str, worker: str, status: Status, outcome: dict[str, Any]) -> bool:
        with self._writing() as execute:
            return self._changed(
                execute,
                "UPDATE jobs SET status = ?, outcome = ?, finished = ?"
                " WHERE id = ? AND worker = ? AND status = 'running'",
                *(status, json.dumps(outcome), time.time(), job_id, worker),
            )

    def release(self, job_id: str, worker: str, *, counted: bool) -> None:
        with self._writing() as execute:
            execute(
                "UPDATE jobs SET status = 'queued', worker = NULL, attempts = attempts - ?"
                " WHERE id = ? AND worker = ? AND status = 'running'",
                *(0 if counted else 1, job_id, worker),
            )

    def cancel(self, job_id: str, owner: str) -> Job | None:
        with self._writing() as execute:
            execute(
                "UPDATE jobs SET status = 'cancelled', finished = ?"
                " WHERE id = ? AND owner = ? AND status IN ('queued', 'running')",
                *(time.time(), job_id, owner),
            )
            return _first(execute(f"SELECT {_COLUMNS} FROM jobs WHERE id = ? AND owner = ?", job_id, owner))

    def erase(self, *, owner: str | None = None, job_id: str | None = None, before: float | None = None) -> list[str]:
        conditions = {"owner = ?": owner, "id = ?": job_id, "expires < ?": before}
        given = {condition: value for condition, value in conditions.items() if value is not None}
        where = " AND ".join(given) or "1 = 1"
        with self._writing() as execute:
            return [row[0] for row in execute(f"DELETE FROM jobs WHERE {where} RETURNING id", *given.values())]

    def known(self) -> set[str]:
        with self._reading() as execute:
            return {row[0] for row in execute("SELECT id FROM jobs")}

    def counts(self) -> dict[str, int]:
        with self._reading() as execute:
            return {status: int(count) for status, count in execute(_BY_STATUS)}

    def add_key(self, key: Key) -> None:
        try:
            with self._writing() as execute:
                execute(
                    "INSERT INTO api_keys (id, name, digest, created, requests_a_minute) VALUES (?, ?, ?, ?, ?)",
                    *(key.id, key.name, key.digest, key.created, key.requests_a_minute),
                )
        except self._database.taken as error:
            raise UsageError(
                f"There is a key named {key.name!r} already.",
                code="key_exists",
                value=key.name,
                next_step="Choose another name, or remove that key first.",
            ) from error

    def key(self, key_id: str) -> Key | None:
        with self._reading() as execute:
            return next((_key(row) for row in execute(f"{_KEYS} WHERE id = ?", key_id)), None)

    def all_keys(self) -> list[Key]:
        with self._reading() as execute:
            return [_key(row) for row in execute(f"{_KEYS} ORDER BY name")]

    def remove_key(self, name: str) -> Key | None:
        with self._writing() as execute:
            found = next((_key(row) for row in execute(f"{_KEYS} WHERE name = ?", name)), None)
            execute("DELETE FROM api_keys WHERE name = ?", name)
        return found

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    @staticmethod
    def _changed(execute: Callable[..., list[Row]], statement: str, *values: object) -> bool:
        return bool(execute(f"{statement} RETURNING id", *values))

    @contextlib.contextmanager
    def _writing(self) -> Iterator[Callable[..., list[Row]]]:
        with self._reading() as execute:
            for statement in self._database.begin:
                execute(statement)
            try:
                yield execute
            except BaseException:
                with contextlib.suppress(self._database.unreachable):
                    execute("ROLLBACK")
                raise
            execute("COMMIT")

    @contextlib.contextmanager
    def _reading(self) -> Iterator[Callable[..., list[Row]]]:
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = self._database.connect()
                yield functools.partial(self._execute, self._connection)
            except self._database.unreachable as error:
                if self._connection is not None:
                    with contextlib.suppress(Exception):
                        self._connection.close()
                    self._connection = None  # the next call connects again
                raise RunError(
                    "The store of the jobs cannot be reached.",
                    code="store_unreachable",
                    next_step="Try again; if it stays, the database is down or full.",
                ) from error

    def _execute(self, connection: Connection, statement: str, *values: object) -> list[Row]:
        cursor = connection.execute(statement.replace("?", self._database.placeholder), values)
        return list(cursor.fetchall()) if cursor.description else []


_BY_STATUS = "SELECT status, count(*) FROM jobs GROUP BY status"
_KEYS = "SELECT id, name, digest, created, requests_a_minute FROM api_keys"


def _number(rows: list[Row]) -> int:
    return int(rows[0][0])


def _first(rows: list[Row]) -> Job | None:
    return _job(rows[0]) if rows else None


def _job(row: Row) -> Job:
    values = dict(zip(_COLUMNS.split(", "), row, strict=True))
    return Job(**{**values, **{name: json.loads(values[name]) for name in ("request", "progress", "outcome")}})


def _key(row: Row) -> Key:
    return Key(id=row[0], name=row[1], digest=row[2], created=row[3], requests_a_minute=row[4])
