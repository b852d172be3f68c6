"""A job and what keeps its record."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, Protocol, TypeAlias

Status: TypeAlias = Literal["queued", "running", "finished", "failed", "cancelled"]
ENDED: tuple[Status, ...] = ("finished", "failed", "cancelled")


@dataclass(frozen=True, kw_only=True)
class Job:
    """A job.

    Attributes:
        id: 32 hexadecimal digits, made by the server.
        owner: Id of the key that sent it.
        request: Files, options and declared purpose, as JSON types.
        status: Where it stands.
        created: Seconds since 1970, as are the other times.
        expires: When everything about it is erased.
        started: When it was first taken up.
        finished: When it ended.
        attempts: How often it was taken up.
        progress: As `RunProgress` has it.
        outcome: ``counts`` and ``problems`` of a job that is finished, ``error`` of one that is not.
    """

    id: str
    owner: str
    request: dict[str, Any]
    status: Status = "queued"
    created: float
    expires: float
    started: float | None = None
    finished: float | None = None
    attempts: int = 0
    progress: dict[str, Any] = field(default_factory=dict)
    outcome: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, object]:
        """The job as its owner sees it."""
        there = f"/v1/jobs/{self.id}"
        return {
            "id": self.id,
            "status": self.status,
            "files": self.request["files"],
            "modalities": self.request["modalities"],
            "purpose": self.request["purpose"],
            "created": _iso(self.created),
            "started": _iso(self.started),
            "finished": _iso(self.finished),
            "expires": _iso(self.expires),
            "progress": {"done": 0, "total": None, "rate": 0.0, "seconds_left": None, "failed": 0, **self.progress},
            "counts": self.outcome.get("counts"),
            "problems": self.outcome.get("problems", []),
            "error": self.outcome.get("error"),
            "links": {"self": there, "results": f"{there}/results"},
        }


@dataclass(frozen=True, kw_only=True)
class Key:
    """What is kept of a key; the key itself is known to its holder alone.

    Attributes:
        id: The part of the key that is no secret.
        name: Whose it is.
        digest: SHA-256 of the key, hexadecimal.
        created: Seconds since 1970.
        requests_a_minute: Its rate limit, None for that of the server.
    """

    id: str
    name: str
    digest: str
    created: float
    requests_a_minute: int | None = None


class Store(Protocol):
    """Keeps jobs and keys; several servers may share one.

    A job that runs is leased to a worker: as long as the worker calls `beat` it is his, afterwards anybody's.
    All methods raise `RunError` (code ``store_unreachable``) if the store cannot be reached.
    """

    def add(self, job: Job, *, queued: int, kept: int) -> str | None:
        """Add a job unless ``queued`` jobs wait in all or its owner keeps ``kept``; which of the two it was."""

    def get(self, job_id: str, owner: str) -> Job | None:
        """A job of this owner."""

    def jobs(self, owner: str) -> list[Job]:
        """The jobs of an owner, the newest first."""

    def claim(self, worker: str, lease: float) -> Job | None:
        """Take up the oldest job that waits or whose lease has run out."""

    def beat(self, job_id: str, worker: str, lease: float, progress: dict[str, Any]) -> bool:
        """Note the progress of a job and renew its lease; False if it is not the worker's any more."""

    def end(self, job_id: str, worker: str, status: Status, outcome: dict[str, Any]) -> bool:
        """Note how a job ended; False if it is not the worker's any more."""

    def release(self, job_id: str, worker: str, *, counted: bool) -> None:
        """Give a job back to those that wait; ``counted`` tells whether the attempt counts."""

    def cancel(self, job_id: str, owner: str) -> Job | None:
        """Mark a job that has not ended as cancelled, and give it."""

    def erase(self, *, owner: str | None = None, job_id: str | None = None, before: float | None = None) -> list[str]:
        """Remove the records of all jobs that fit everything given, and give their ids."""

    def known(self) -> set[str]:
        """Ids of all jobs."""

    def counts(self) -> dict[str, int]:
        """Number of jobs by status."""

    def add_key(self, key: Key) -> None:
        """Add a key; it raises `UsageError` (code ``key_exists``) if one of that name is there."""

    def key(self, key_id: str) -> Key | None:
        """The key of this id."""

    def all_keys(self) -> list[Key]:
        """All keys, by name."""

    def remove_key(self, name: str) -> Key | None:
        """Remove the key of this name, and give it."""

    def close(self) -> None:
        """Free what it holds."""


def _iso(moment: float | None) -> str | None:
    if moment is None:
        return None
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
