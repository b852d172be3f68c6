"""The messages of PsySUICIDE and the classes of risk in them."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from affectome.domains import load_risk_routing
from affectome.errors import InputError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Messages:
    """Messages with their classes.

    Attributes:
        texts: ``n`` messages as published.
        present: ``(n, 11)`` 1 where a class is present.
        sources: Where each message comes from.
    """

    texts: list[str]
    present: Floats
    sources: list[str]

    @property
    def single(self) -> NDArray[np.bool_]:
        """Messages with one class."""
        return np.asarray(self.present.sum(axis=1) == 1)

    @property
    def labels(self) -> Ints:
        """``(n,)`` the class of each message, of several the most urgent and of those the first."""
        return np.asarray((self.present * (1 + urgencies())).argmax(axis=1))

    @property
    def urgency(self) -> Ints:
        """``(n,)`` urgency of the most urgent band of each message."""
        return urgencies()[self.labels]

    def at(self, rows: Ints) -> Messages:
        """Some of the messages."""
        return Messages([self.texts[i] for i in rows], self.present[rows], [self.sources[i] for i in rows])


def load_messages(path: Path) -> Messages:
    """Messages of PsySUICIDE.

    Raises:
        InputError: The file is not there, is damaged or has other columns.
    """
    names = [risk.chinese for risk in load_risk_routing().classes]
    try:
        rows = json.loads(gzip.decompress(path.read_bytes()).decode("utf-8"))
        present = np.array([row["label"] for row in rows], np.float64)
        if present.shape != (len(rows), len(names)):
            raise ValueError(f"labels of the shape {present.shape}")
        for row, marks in zip(rows, present, strict=True):
            # The order of the columns is a known trap: a service of others swaps self-injury and aggression.
            if {names[i] for i in np.flatnonzero(marks)} != set(row["labels"]):
                raise ValueError(f"columns that do not stand for {row['labels']}")
        return Messages([row["text"] for row in rows], present, [row["data_source"] for row in rows])
    except (OSError, EOFError, ValueError, LookupError, TypeError) as error:
        raise InputError(
            f"The messages {path.name!r} cannot be read: {error!r}.", code="bad_corpus", value=path
        ) from error


def class_names() -> list[str]:
    """Names of the classes in the order of the columns."""
    return [risk.id for risk in load_risk_routing().classes]


def urgencies() -> Ints:
    """Urgency of the band of each class."""
    routing = load_risk_routing()
    return np.array([routing.band_of(risk.id).urgency for risk in routing.classes])
