"""One scorer for segments of every modality."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import polars as pl

from affectome.perceive.face import FaceReader
from affectome.perceive.fusion import Fusion
from affectome.perceive.image import ImageReader
from affectome.perceive.text import TextReader
from affectome.perceive.voice import VoiceReader

Reader = TextReader | VoiceReader | FaceReader | ImageReader

_TELLING = {"audio": "voice", "face": "face", "picture": "image"}
"""Columns that only segments of a modality have; the first that is there decides."""


class Readers:
    """Hands each segment table to the reader of its modality; all give the same labels.

    Args:
        readers: Readers by modality, ``text``, ``voice``, ``face`` or ``image``, at least one.
        fusion: Fuses what they read in films.
    """

    def __init__(self, readers: Mapping[str, Reader], fusion: Fusion | None = None) -> None:
        self.readers = dict(readers)
        self.fusion = fusion
        first = next(iter(self.readers.values()))
        self.labels, self.taxonomy, self.exclusive = first.labels, first.taxonomy, first.exclusive
        self.thresholds = first.thresholds if len(self.readers) == 1 else {}
        self._all: list[Reader | Fusion] = [*self.readers.values(), *([fusion] if fusion else [])]
        self.model = " + ".join(reader.model for reader in self._all)
        self.sha256 = " ".join(reader.sha256 for reader in self._all)

    @property
    def cards(self) -> list[dict[str, Any]]:
        """The cards of the models."""
        return [reader.card.as_dict() for reader in self.readers.values() if reader.card is not None]

    def __call__(self, segments: pl.DataFrame) -> pl.DataFrame:
        """Estimates of a table of one modality: the same ids in the same order."""
        return self._widened(self._reader(segments)(segments))

    def failed(self, segments: pl.DataFrame, code: str) -> pl.DataFrame:
        """The same table with every segment failed with one code."""
        return self._widened(self._reader(segments).failed(segments, code))

    def fused(self, tables: Iterable[pl.DataFrame], films: Collection[str]) -> Iterator[pl.DataFrame]:
        """Fused rows of films, given all estimates in their order; see `Fusion.over`."""
        if self.fusion is not None:
            for table in self.fusion.over(tables, films):
                yield self._widened(table)

    def _reader(self, segments: pl.DataFrame) -> Reader:
        return self.readers[next((name for column, name in _TELLING.items() if column in segments.columns), "text")]

    def _widened(self, table: pl.DataFrame) -> pl.DataFrame:
        """A table with the columns of all modalities; those of others are null."""
        if len(self._all) == 1:
            return table
        schema = pl.Schema(
            {name: kind for reader in self._all for name, kind in reader.schema(table.schema["meta"]).items()}
        )
        absent = [pl.lit(None, dtype=kind).alias(name) for name, kind in schema.items() if name not in table.columns]
        return table.with_columns(absent).select(list(schema))
