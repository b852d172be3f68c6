"""What the runner asks of a source and a scorer, and what it gives back."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import polars as pl

from affectome.errors import UsageError

FORMATS = ("parquet", "csv", "jsonl")
"""File formats of the estimates: ``parquet`` and ``jsonl`` keep structs, ``csv`` flattens them to ``emotion.joy``."""

ENGINES = ("local", "ray")
"""Where workers run: as processes of this machine, or as actors of a Ray cluster."""

STATUSES = ("scored", "abstained", "failed")


class Scorer(Protocol):
    """Turns a segment table into an estimates table: one row a segment, the same ids in the same order.

    The estimates have at least the text columns ``id``, ``status`` (``scored``, ``abstained`` or ``failed``) and
    ``error`` (a code, empty when scored), and one schema whatever the segments hold, none at all included. A segment
    whose own ``error`` is not empty becomes a ``failed`` row with that code.
    """

    def __call__(self, segments: pl.DataFrame, /) -> pl.DataFrame:
        """Score the segments."""
        ...

    def failed(self, segments: pl.DataFrame, code: str, /) -> pl.DataFrame:
        """The same table with every segment ``failed`` with ``code``, without running the model."""
        ...


ScorerFactory = Callable[[], Scorer]
"""Builds a scorer inside a worker process: a module-level function, or a ``functools.partial`` of one."""


class ShardSource(Protocol):
    """Segments in shards. A source that also has a ``rows`` attribute lets the progress know the total."""

    @property
    def fingerprint(self) -> str:
        """Digest of everything the shards depend on: equal fingerprints promise equal shards."""
        ...

    def shards(self) -> Iterator[pl.DataFrame]:
        """The segment tables from the first one on, in the same order at each call."""
        ...


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """How to run.

    Args:
        workers: Worker processes, at least 1. The output does not depend on their number.
        format: One of `FORMATS`.
        shard_timeout: Seconds a worker may take for one shard. A worker that takes longer is killed, and the rows it
            hangs on are searched for with proportionally shorter limits, but not below ten seconds.
        overwrite: Discard what another or a finished run left in the folder. An unfinished run of the same kind is
            resumed nevertheless.
        engine: One of `ENGINES`. The output does not depend on it.

    Raises:
        UsageError: A value out of range (codes ``bad_workers``, ``bad_format``, ``bad_timeout``, ``bad_engine``).
    """

    workers: int = 1
    format: str = "parquet"
    shard_timeout: float = 300.0
    overwrite: bool = False
    engine: str = "local"

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise UsageError(
                f"{self.workers} workers cannot score anything.",
                code="bad_workers",
                value=self.workers,
                next_step="Give the number of worker processes, 1 or more.",
            )
        if self.format not in FORMATS:
            raise UsageError(
                f"{self.format!r} is not an output format.",
                code="bad_format",
                value=self.format,
                allowed=FORMATS,
                next_step="Choose one of these formats.",
            )
        if self.engine not in ENGINES:
            raise UsageError(f"{self.engine!r} is no engine.", code="bad_engine", value=self.engine, allowed=ENGINES)
        if not 0 < self.shard_timeout < math.inf:
            raise UsageError(
                f"A shard cannot be given {self.shard_timeout} seconds.",
                code="bad_timeout",
                value=self.shard_timeout,
                next_step="Give the seconds a worker may take for one shard, more than 0.",
            )


@dataclass(frozen=True, kw_only=True)
class RunProgress:
    """Where a run stands.

    Args:
        done: Rows that are safely on disk, those of an earlier call included.
        total: Rows in all, None while unknown.
        rate: Rows a second in this call, 0 before the first shard is scored.
        seconds_left: Estimate of the time to go, None while unknown.
        failed: Rows so far with status ``failed``.
    """

    done: int
    total: int | None
    rate: float
    seconds_left: float | None
    failed: int


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """What a finished run wrote; ``rows = scored + abstained + failed``.

    Args:
        rows: Rows in the estimates file.
        scored: Rows with status ``scored``.
        abstained: Rows with status ``abstained``.
        failed: Rows with status ``failed``.
        by_code: Rows for each abstention or failure code, sorted by code.
        seconds: Wall time of the call that finished the run.
        estimates: The file that was written.
        already_complete: Whether an earlier call had finished this very run, so that nothing was done now.
    """

    rows: int
    scored: int
    abstained: int
    failed: int
    by_code: dict[str, int]
    seconds: float
    estimates: Path
    already_complete: bool = False

    def as_dict(self) -> dict[str, object]:
        """The result as plain JSON types, the estimates by their file name."""
        return {**asdict(self), "estimates": self.estimates.name}
