"""A vault for test rows: handed out once a run, and on record."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from affectome.errors import LeakError, UsageError
from affectome.evaluate.inputs import Codes


class Vault:
    """Keeps the rows of parts that may be looked at once a run, such as test sets.

    Whoever chooses a threshold, a layer or a checkpoint by its test score has to look twice: to choose and to report.
    The second time is refused. One vault is one run; it does not outlive the process.

    Args:
        parts: Row numbers of each part by its name.
        run: Name of the run, for the record and for errors.

    Raises:
        UsageError: If a part does not hold row numbers, or there is none.
    """

    def __init__(self, parts: Mapping[str, Sequence[int] | NDArray[np.int64]], *, run: str) -> None:
        if not parts:
            raise UsageError("A vault needs at least one part.", code="no_parts", value=run)
        self._run = run
        self._parts = {name: _rows(rows, name) for name, rows in parts.items()}
        self._opened: dict[str, dict[str, object]] = {}

    def open(self, name: str, *, purpose: str) -> Codes:
        """The rows of a part, for the first and only time.

        Args:
            name: Name of the part.
            purpose: What the rows are for, for the record.

        Returns:
            ``(n,)`` row numbers in the order given; the array cannot be written to.

        Raises:
            UsageError: If there is no such part or no purpose is given.
            LeakError: If the part was opened before.
        """
        if name not in self._parts:
            raise UsageError("There is no such part.", code="unknown_part", value=name, allowed=tuple(self._parts))
        if not purpose.strip():
            raise UsageError("Say what the rows are for.", code="no_purpose", value=name)
        if name in self._opened:
            raise LeakError(
                f"The part {name!r} of the run {self._run!r} was opened already, for: {self._opened[name]['purpose']}.",
                code="opened_twice",
                value=purpose,
                next_step="Choose on development data; open the test data once, to report.",
            )
        rows = self._parts[name]
        self._opened[name] = {
            "run": self._run,
            "name": name,
            "rows": len(rows),
            "sha256": hashlib.sha256(rows.astype("<i8").tobytes()).hexdigest(),
            "purpose": purpose,
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        return rows

    def record(self) -> list[dict[str, object]]:
        """What was opened, in order: ``run, name, rows`` (how many), ``sha256`` of the numbers, ``purpose, time``."""
        return [dict(opened) for opened in self._opened.values()]


def _rows(rows: Sequence[int] | NDArray[np.int64], name: str) -> Codes:
    given = np.asarray(rows)
    if given.ndim != 1 or given.dtype.kind not in "iu" or not given.size or (given < 0).any():
        raise UsageError(
            f"The part {name!r} must hold row numbers, at least one.",
            code="not_rows",
            value=f"{given.dtype} {given.shape}",
        )
    own = given.astype(np.int64)
    own.flags.writeable = False
    return own
