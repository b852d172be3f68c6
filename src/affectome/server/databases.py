"""The databases that can keep jobs and keys: a SQLite file, or a schema of a PostgreSQL server."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

from affectome.errors import MissingExtraError, UsageError

_SCHEMES = ("postgresql://", "postgres://")
_SECONDS = 10  # to connect, and for one statement
_LOCK = 0x41666665  # any number that nobody else uses in this database


class Cursor(Protocol):
    """What a statement gave (PEP 249)."""

    @property
    def description(self) -> object:
        """None if the statement gives no rows."""

    def fetchall(self) -> Iterable[Sequence[Any]]:
        """The rows."""


class Connection(Protocol):
    """A connection of `sqlite3` or psycopg."""

    def execute(self, statement: str, values: Sequence[object] = (), /) -> Cursor:
        """Run a statement."""

    def close(self) -> None:
        """Free it."""


class Database(Protocol):
    """What differs between databases.

    Attributes:
        placeholder: Stands for a value in a statement.
        begin: Statements that open a transaction in which nobody else writes.
        unreachable: What it raises if it is down, full or locked for too long.
        taken: What it raises if a value that may occur once is there already.
    """

    placeholder: str
    begin: tuple[str, ...]
    unreachable: type[Exception]
    taken: type[Exception]

    def connect(self) -> Connection:
        """A connection, without transactions of its own."""


class SqliteDatabase:
    """A SQLite file.

    Args:
        path: The file; it is made if need be, for its owner alone.
    """

    placeholder = "?"
    begin: tuple[str, ...] = ("BEGIN IMMEDIATE",)
    unreachable: type[Exception] = sqlite3.OperationalError
    taken: type[Exception] = sqlite3.IntegrityError

    def __init__(self, path: Path) -> None:
        self._path = path

    def connect(self) -> Connection:
        """A connection that any thread may use, durable after every transaction."""
        connection = sqlite3.connect(self._path, timeout=_SECONDS, check_same_thread=False, isolation_level=None)
        self._path.chmod(0o600)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        return connection


class PostgresqlDatabase:
    """The schema ``affectome`` of a database of a PostgreSQL server; it is made if need be.

    Args:
        url: ``postgresql://user:password@host:port/database``, with the parameters of libpq behind ``?``.

    Raises:
        MissingExtraError: psycopg is not installed.
        UsageError: ``bad_database``; the address cannot be read. The message does not repeat it, for its password.
    """

    placeholder = "%s"
    begin: tuple[str, ...] = ("BEGIN", f"SELECT pg_advisory_xact_lock({_LOCK})")

    def __init__(self, url: str) -> None:
        try:
            import psycopg
        except ImportError as error:
            raise MissingExtraError.for_extra("serve", "psycopg") from error
        try:
            psycopg.conninfo.conninfo_to_dict(url)
        except psycopg.ProgrammingError as error:
            raise _bad_database(url) from error
        self.unreachable: type[Exception] = psycopg.OperationalError
        self.taken: type[Exception] = psycopg.IntegrityError
        self._url = url

    def connect(self) -> Connection:
        """A connection whose statements are given up after 10 seconds."""
        import psycopg

        connection = psycopg.connect(self._url, autocommit=True, connect_timeout=_SECONDS)
        connection.execute(f"SET statement_timeout = '{_SECONDS}s'")
        for statement in self.begin:  # two servers that start at once would both make it
            connection.execute(statement)
        connection.execute("CREATE SCHEMA IF NOT EXISTS affectome")
        connection.execute("COMMIT")
        connection.execute("SET search_path = affectome")
        return connection


def open_database(folder: Path, url: str | None) -> Database:
    """The database at an address, or the SQLite file in a folder without one.

    Args:
        folder: Folder of the SQLite file, made if need be, for its owner alone.
        url: Address of a PostgreSQL database.

    Raises:
        MissingExtraError: psycopg is not installed.
        UsageError: ``bad_database``.
    """
    if url is None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return SqliteDatabase(folder / "jobs.sqlite")
    if not url.startswith(_SCHEMES):
        raise _bad_database(url)
    return PostgresqlDatabase(url)


def _bad_database(url: str) -> UsageError:
    return UsageError(
        "The address of the database cannot be read.",
        code="bad_database",
        value=url.split("://")[0] + "://…" if "://" in url else "…",
        allowed=("postgresql://USER:PASSWORD@HOST:PORT/DATABASE",),
        next_step="Correct it, or leave it away to keep the records in a SQLite file.",
    )
