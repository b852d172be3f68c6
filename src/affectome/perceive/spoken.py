"""Recorded segments whose words are written down before they are read."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
from numpy.typing import NDArray

from affectome.perceive.readers import Readers

Array = NDArray[np.float32]

_FULL_SCALE = 32767.0


class SpokenReaders:
    """Fills the ``text`` of recorded segments, then hands each row to the reader of what it is there for.

    Args:
        readers: The readers of the modalities.
        transcribe: Writes down a sound (n,) at 16 kHz; None where nothing is said.
    """

    def __init__(self, readers: Readers, transcribe: Callable[[Array], str | None]) -> None:
        self.readers = readers
        self._transcribe = transcribe

    def __call__(self, segments: pl.DataFrame) -> pl.DataFrame:
        """Estimates of a table: the same ids in the same order.

        Rows of a recording with ``text`` in the column ``reads`` are read as texts, all others as voices.
        """
        if "audio" not in segments.columns:
            return self.readers(segments)
        return self._apart(self.write_down(segments), self.readers)

    def failed(self, segments: pl.DataFrame, code: str) -> pl.DataFrame:
        """The same table with every segment failed with one code."""
        return self._apart(segments, lambda part: self.readers.failed(part, code))

    def write_down(self, segments: pl.DataFrame) -> pl.DataFrame:
        """The segments with what is said in them; a sound that several rows share is listened to once."""
        texts: dict[bytes, str | None] = {}
        for audio in segments.filter(pl.col("error") == "")["audio"]:
            if audio and audio not in texts:
                texts[audio] = self._transcribe(
                    np.frombuffer(audio, "<i2").astype(np.float32) / np.float32(_FULL_SCALE)
                )
        said = [texts.get(audio) if audio else None for audio in segments["audio"]]
        return segments.with_columns(pl.Series("text", said, pl.String))

    def _apart(self, segments: pl.DataFrame, read: Callable[[pl.DataFrame], pl.DataFrame]) -> pl.DataFrame:
        if "reads" not in segments.columns:
            return read(segments)
        numbered = segments.with_row_index("row")
        parts = []
        for reads in ("voice", "text"):
            part = numbered.filter(pl.col("reads") == reads)
            if len(part):
                table = read(part.drop("row", "reads", *(["audio"] if reads == "text" else [])))
                parts.append(table.with_columns(part["row"]))
        return pl.concat(parts).sort("row").drop("row") if parts else read(segments.drop("audio", "reads"))
