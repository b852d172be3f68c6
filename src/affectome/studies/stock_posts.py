"""Posts about stocks with an emotion and a sentiment, and a cleaner that knows symbols and companies."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from affectome.affect import load_taxonomy
from affectome.errors import InputError
from affectome.perceive import PostCleaner

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

EMOTION, SENTIMENT = "emotion", "sentiment"
TASKS = (EMOTION, SENTIMENT)
SENTIMENTS = ("bearish", "bullish")


@dataclass(frozen=True, eq=False)
class Posts:
    """Posts about stocks.

    Attributes:
        texts: ``n`` posts as written.
        emotions: ``(n,)`` positions in the taxonomy ``stockemotions12``.
        sentiments: ``(n,)`` 0 for bearish, 1 for bullish.
        tickers: The stock each post is about.
        months: Month of each post.
    """

    texts: list[str]
    emotions: Ints
    sentiments: Ints
    tickers: list[str]
    months: list[str]

    def truth(self, task: str) -> Ints:
        """``(n,)`` labels of a task."""
        return self.emotions if task == EMOTION else self.sentiments

    def targets(self, task: str) -> Floats:
        """``(n, labels)`` with a 1 for the label of each post."""
        return np.eye(len(labels_of(task)))[self.truth(task)]

    def at(self, rows: Ints) -> Posts:
        """Some of the posts."""
        texts, tickers, months = ([column[i] for i in rows] for column in (self.texts, self.tickers, self.months))
        return Posts(texts, self.emotions[rows], self.sentiments[rows], tickers, months)

    def with_labels_of(self, rows: Ints) -> Posts:
        """These posts with the labels of others."""
        return replace(self, emotions=self.emotions[rows], sentiments=self.sentiments[rows])


def load_posts(path: Path) -> Posts:
    """Posts of StockEmotions (Lee and others 2023, arXiv 2301.09279).

    Raises:
        InputError: The file is not there, is damaged or has other columns.
    """
    labels = labels_of(EMOTION)
    try:
        rows = list(csv.DictReader(io.StringIO(gzip.decompress(path.read_bytes()).decode("utf-8"), newline="")))
        return Posts(
            [row["original"] for row in rows],
            np.array([labels.index(row["emo_label"]) for row in rows], np.int64),
            np.array([SENTIMENTS.index(row["senti_label"]) for row in rows], np.int64),
            [row["ticker"] for row in rows],
            [row["date"][:7] for row in rows],
        )
    except (OSError, EOFError, zlib.error, ValueError, LookupError, TypeError, csv.Error) as error:
        raise InputError(
            f"The posts {path.name!r} cannot be read: {error!r}.", code="bad_corpus", value=path
        ) from error


def load_cleaner(folder: Path) -> PostCleaner:
    """The cleaner with the symbols and companies of EmTract, without those that are words as well.

    Raises:
        InputError: A list is not there or has other columns.
    """
    names = []
    for name, column, ambiguous in (
        ("symbol_df.csv", "symbol", "ambiguous_ticker"),
        ("company_name_df.csv", "title", "ambiguous_title"),
    ):
        try:
            with (folder / name).open(encoding="utf-8", newline="") as lines:
                rows = list(csv.DictReader(lines))
            # A symbol behind a dollar sign is never a word.
            kept = [row[column].lower() for row in rows if column == "symbol" or row[ambiguous] == "FALSE"]
        except (OSError, ValueError, LookupError, csv.Error) as error:
            raise InputError(
                f"The list {name!r} cannot be read: {error!r}.", code="bad_corpus", value=folder
            ) from error
        names.append(frozenset(kept))
    return PostCleaner(tickers=names[0], companies=names[1])


def labels_of(task: str) -> tuple[str, ...]:
    """Labels of a task in the order of their positions."""
    return load_taxonomy("stockemotions12").labels if task == EMOTION else SENTIMENTS
