"""Parquet tables, read a slice of rows at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from affectome.media.records import Record, nothing_to_read

_FIRST_SLICE_ROWS = 1000
_SLICE_ROWS = 1 << 16
_SLICE_BYTES = 1 << 26


class ParquetTable:
    """A Parquet file.

    Slices of a lazy scan decode only the row groups they touch. A slice has at most 65,536 rows, fewer where the rows
    before it were long, so that about 64 MiB are held beside the row group being decoded.

    Args:
        path: The file.

    Raises:
        InputError: ``empty_file`` if it has no row.
    """

    encoding: str | None = None

    def __init__(self, path: Path) -> None:
        self._scan = pl.scan_parquet(path, glob=False)
        self.columns = self._scan.collect_schema().names()
        if self._scan.select(pl.len()).collect().item() == 0:
            raise nothing_to_read(path.name)

    def select(self, columns: Sequence[str]) -> None:
        """Read only these columns from now on."""
        self._scan = self._scan.select(columns)

    def records(self) -> Iterator[Record | None]:
        """All rows."""
        start, rows = 0, _FIRST_SLICE_ROWS
        while not (block := self._scan.slice(start, rows).collect()).is_empty():
            yield from block.iter_rows(named=True)
            start += rows
            row_bytes = max(int(block.estimated_size()) // block.height, 1)
            rows = min(max(_SLICE_BYTES // row_bytes, 1), _SLICE_ROWS)
