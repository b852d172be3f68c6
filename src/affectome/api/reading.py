"""Reading one text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import polars as pl

from affectome.api.options import ReaderOptions
from affectome.perceive import TextReader

if TYPE_CHECKING:
    from affectome.dynamics.state import Axes


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What one text shows.

    Attributes:
        text: The text as given, with a question mark for each lone surrogate.
        status: ``scored``, ``abstained`` or ``failed``.
        error: Code of an abstention or failure, empty otherwise.
        emotion: Probability of each label, the most probable first; empty unless scored.
        present: Labels that reach their threshold, 0.5 where none was chosen on labelled texts; for labels that exclude
            each other the most probable one.
        dimensions: Valence, arousal and dominance with their standard deviations, in [-1, 1].
        tone: Sentiment in [-1, 1] and toxicity in [0, 1].
        rating: Measures that the model learnt from a table of its user, on their own scales; mostly empty.
        confidence: Calibrated probability of the first label.
        entropy: Entropy of the labels in nats.
        model: Bundle id and version.
        taxonomy: Taxonomy id; for labels a model learnt from a table of its user, the id of the model.
    """

    text: str
    status: str
    error: str
    emotion: dict[str, float]
    present: tuple[str, ...]
    dimensions: dict[str, float]
    tone: dict[str, float]
    rating: dict[str, float]
    confidence: float | None
    entropy: float | None
    model: str
    taxonomy: str


def read(text: str, options: ReaderOptions | None = None, *, reader: TextReader | None = None) -> Reading:
    """Read one text.

    Args:
        text: English text.
        options: Model and vocabulary.
        reader: A loaded reader, to read many texts one by one; otherwise one is loaded from ``options``.

    Raises:
        ModelError: The bundle is missing, changed, or not allowed for commercial use.
        UsageError: The taxonomy or a label does not fit.
    """
    return read_texts([text], reader or (options or ReaderOptions()).open(threads=2))[0]


def axes_estimator(reader: TextReader) -> Callable[[str], Axes]:
    """A function from a text to its valence, arousal and dominance, neutral where the reader abstains.

    It remembers every text that it was asked for.

    Args:
        reader: A loaded reader.
    """

    @cache
    def estimate(text: str) -> Axes:
        found = read(text, reader=reader).dimensions
        valence, arousal, dominance = (found.get(axis, 0.0) for axis in ("valence", "arousal", "dominance"))
        return valence, arousal, dominance

    return estimate


def read_texts(texts: Sequence[str], reader: TextReader) -> list[Reading]:
    """Read a handful of texts at once; `analyze` is for many.

    Args:
        texts: English texts.
        reader: A loaded reader.
    """
    if not texts:
        return []
    segments = pl.concat([single_segment(text) for text in texts])
    return [_as_reading(row, reader) for row in reader.perceive(segments).iter_rows(named=True)]


def _as_reading(row: dict[str, Any], reader: TextReader) -> Reading:
    emotion: dict[str, float] = row["emotion"] or {}
    dimensions = [f"{name}{suffix}" for name in ("valence", "arousal", "dominance") for suffix in ("", "_sd")]
    if reader.exclusive:
        present: tuple[str, ...] = (row["top"],) if emotion else ()
    else:
        present = tuple(label for label, p in emotion.items() if p >= reader.thresholds.get(label, 0.5))
    return Reading(
        text=row["text"],
        status=row["status"],
        error=row["error"],
        emotion=dict(sorted(emotion.items(), key=lambda item: -item[1])),
        present=present,
        dimensions={name: row[name] for name in dimensions} if emotion else {},
        tone=row["tone"] if emotion else {},
        rating=row.get("rating") or {},
        confidence=row["confidence"],
        entropy=row["entropy"],
        model=row["model"],
        taxonomy=row["taxonomy"],
    )


def single_segment(text: str) -> pl.DataFrame:
    """A segment table with one text."""
    text = text.encode(errors="replace").decode()
    meta = pl.Series(
        "meta", [{"time": None, "group": None}], pl.Struct({"time": pl.Datetime("us"), "group": pl.String})
    )
    return pl.DataFrame({"id": ["text"], "source": ["argument"], "text": [text], "error": [""]}).with_columns(
        meta,
        start=pl.lit(None, pl.Float64),
        end=pl.lit(None, pl.Float64),
        speaker=pl.lit(None, pl.String),
    )
