"""The image reader: pictures to estimates of how they look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import polars as pl

from affectome.perceive.estimates import FAILED, SCORED, category_taxonomy, estimates_schema, fill_table
from affectome.perceive.look import look_digest, look_features, measure_look


class _Labelled(Protocol):
    """What has labels that other tables are to have as well."""

    labels: tuple[str, ...]
    taxonomy: str
    exclusive: bool


class ImageReader:
    """Measures the look of pictures.

    Nothing in it is learnt: there is no model that reads feelings out of a look, so ``emotion``, valence, arousal and
    dominance are null in its tables. It has labels only so that its tables fit those of other readers.

    Args:
        labels: Labels of the column ``emotion``.
        taxonomy: Where they come from; empty without labels.
        exclusive: Whether they exclude each other.
    """

    card = None
    model = "look-1"

    def __init__(self, labels: Sequence[str] = (), taxonomy: str = "", *, exclusive: bool = True) -> None:
        self.labels, self.taxonomy, self.exclusive = tuple(labels), taxonomy, exclusive
        self.sha256 = look_digest()
        self.thresholds: dict[str, float] = {}

    @classmethod
    def beside(cls, reader: _Labelled | None) -> ImageReader:
        """The image reader whose tables have the labels of another reader, without one those of ekman7."""
        if reader is None:
            usual = category_taxonomy("ekman7")
            return cls(usual.labels, usual.id, exclusive=usual.exclusive)
        return cls(reader.labels, reader.taxonomy, exclusive=reader.exclusive)

    def perceive(self, segments: pl.DataFrame) -> pl.DataFrame:
        """Estimates for a table of pictures: the same ids in the same order.

        A segment that carries a reading error fails with it; any other picture is scored.
        """
        errors = zip(segments["picture"], segments["error"], strict=True)
        return self._table(segments, [_admit(picture, error) for picture, error in errors])

    __call__ = perceive

    def failed(self, segments: pl.DataFrame, code: str) -> pl.DataFrame:
        """The same table with every segment failed with one code."""
        return self._table(segments, [(FAILED, code)] * len(segments))

    def schema(self, meta: pl.DataType) -> pl.Schema:
        """Columns of the estimates, given the type of the carried ones."""
        return estimates_schema(self.labels, meta, {"look": [feature.name for feature in look_features()]})

    def _table(self, segments: pl.DataFrame, outcome: Sequence[tuple[str, str]]) -> pl.DataFrame:
        rows = np.flatnonzero([state == SCORED for state, _ in outcome])
        measured = _measure(segments[rows]) if len(rows) else {}
        about = {"modality": "image", "model": self.model, "taxonomy": self.taxonomy}
        return fill_table(segments, outcome, about, measured, self.schema(segments.schema["meta"]))


def _admit(picture: bytes | None, error: str) -> tuple[str, str]:
    if error or not picture:
        return FAILED, error or "undecodable"
    return SCORED, ""


def _measure(segments: pl.DataFrame) -> Mapping[str, pl.Series]:
    looks = [
        measure_look(np.frombuffer(content, np.uint8).reshape(high, wide, 3))
        for content, high, wide in segments.select("picture", "height", "width").iter_rows()
    ]
    return {"look": pl.DataFrame(looks).fill_nan(None).to_struct("look")}
