"""One scorer for segments of every modality."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from affectome.perceive.face import FaceReader
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
    """

    def __init__(self, readers: Mapping[str, Reader]) -> None:
        self.readers = dict(readers)
        first = next(iter(self.readers.values()))
        self.labels, self.taxonomy, self.exclusive = first.labels, first.taxonomy, first.exclusive
        self.thresholds = first.thresholds if len(self.readers) == 1 else {}
        self.model = " + ".join(reader.model for reader in self.readers.values())
        self.sha256 = " ".join(reader.sha256 for reader in self.readers.values())

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

    def _reader(self, segments: pl.DataFrame) -> Reader:
        return self.readers[next((name for column, name in _TELLING.items() if column in segments.columns), "text")]

    def _widened(self, table: pl.DataFrame) -> pl.DataFrame:
        """A table with the columns of all modalities; those of others are null."""
        if len(self.readers) == 1:
            return table
        schema = pl.Schema(
            {
                name: kind
                for reader in self.readers.values()
                for name, kind in reader.schema(table.schema["meta"]).items()
            }
        )
        absent = [pl.lit(None, dtype=kind).alias(name) for name, kind in schema.items() if name not in table.columns]
        return table.with_columns(absent).select(list(schema))
