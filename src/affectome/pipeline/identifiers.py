"""One row an id: telling later rows with an id that is taken."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from affectome.errors import RunError


class TakenIds:
    """The ids of a run so far, as sorted 64-bit hashes: 8 bytes an id.

    Two different ids count as the same with a probability of about n² / 2⁶⁵ for n ids, 1 in 37 million for a million;
    the later row would then be marked as a duplicate, not lost.
    """

    def __init__(self) -> None:
        self._sorted: list[NDArray[np.uint64]] = []
        self._next_number: dict[int, int] = {}

    def mark_duplicates(self, segments: pl.DataFrame) -> pl.DataFrame:
        """Take the ids of a shard and rename those that are taken already.

        The second row with the id ``a`` becomes ``a~2``, the third ``a~3`` and so on, passing over numbers that are
        taken themselves, and gets the error ``duplicate_id``. The outcome depends on the order of the rows alone.

        Args:
            segments: A segment table, in the order of the run.

        Returns:
            The table with ids that no row before has.

        Raises:
            RunError: The table lacks ids or errors in text columns (code ``bad_shard``).
        """
        for column in ("id", "error"):
            if segments.schema.get(column) != pl.String or segments[column].null_count():
                raise RunError(
                    f"The source gives segments without text in the column {column!r}.",
                    code="bad_shard",
                    value=column,
                    next_step="This is a fault of the source, not of the data: correct it, then run again.",
                )
        hashes = _hashes(segments["id"])
        repeated = np.ones(len(hashes), dtype=bool)
        repeated[np.unique(hashes, return_index=True)[1]] = False
        repeated |= self._has(hashes)
        self._take(hashes[~repeated])
        if not repeated.any():
            return segments
        rows = np.flatnonzero(repeated)
        ids, errors = segments["id"].to_list(), segments["error"].to_list()
        for row in rows:
            ids[row] = self._free(ids[row], int(hashes[row]))
            errors[row] = "duplicate_id"
        return segments.with_columns(pl.Series("id", ids, pl.String), pl.Series("error", errors, pl.String))

    def _free(self, taken: str, taken_hash: int) -> str:
        number = self._next_number.get(taken_hash, 2)
        while self._has(candidate := _hashes(pl.Series([f"{taken}~{number}"])))[0]:
            number += 1
        self._take(candidate)
        self._next_number[taken_hash] = number + 1
        return f"{taken}~{number}"

    def _has(self, hashes: NDArray[np.uint64]) -> NDArray[np.bool_]:
        found = np.zeros(len(hashes), dtype=bool)
        for taken in self._sorted:
            places = np.searchsorted(taken, hashes)
            found |= taken[np.minimum(places, len(taken) - 1)] == hashes
        return found

    def _take(self, hashes: NDArray[np.uint64]) -> None:
        # Runs at least halve in length from one to the next, so there are few of them and each id is merged seldom.
        if not len(hashes):
            return
        merged = np.sort(hashes)
        while self._sorted and len(self._sorted[-1]) < 2 * len(merged):
            merged = np.sort(np.concatenate([self._sorted.pop(), merged]), kind="stable")
        self._sorted.append(merged)


def _hashes(ids: pl.Series) -> NDArray[np.uint64]:
    return ids.hash().to_numpy()
