"""The headlines of SemEval-2007 task 14 with the scores of each of their six raters, and what EmoBank says of them."""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from affectome.affect import load_scale
from affectome.errors import InputError

EMOTIONS = ("anger", "disgust", "fear", "joy", "sadness", "surprise")
RATERS = ("F1", "F2", "F3", "M1", "M2", "M3")
FOLDER = "semeval2007_affective_text"


@dataclass(frozen=True, eq=False)
class Headlines:
    """Headlines and what each rater felt on reading them.

    Attributes:
        ids: ``n`` identifiers.
        texts: ``n`` headlines.
        strength: ``(6, n, 6)`` strength of each of `EMOTIONS` by each of `RATERS`, 0 to 100.
        valence: ``(6, n)`` -100 to 100.
    """

    ids: tuple[str, ...]
    texts: list[str]
    strength: NDArray[np.float64]
    valence: NDArray[np.float64]

    def shares(self) -> NDArray[np.float64]:
        """``(n, 7)`` shares of `EMOTIONS` and, last, of none.

        Each rater spreads one vote in proportion to the strengths; a rater without any feeling votes none.
        """
        total = self.strength.sum(axis=2, keepdims=True)
        each = np.concatenate([self.strength / np.where(total > 0, total, 1), total == 0], axis=2)
        return np.asarray(each.mean(axis=0))


class RatedPoint(NamedTuple):
    """Where a sentence lies.

    Attributes:
        point: ``(3,)`` valence, arousal and dominance in -1 to 1.
        split: Part of EmoBank it belongs to; the package's text reader has learnt from ``"train"``.
    """

    point: NDArray[np.float64]
    split: str


def load_headlines(folder: Path) -> Headlines:
    """Reads the test headlines and the six files of ratings, ``<id> <six strengths> <valence>`` a line.

    Args:
        folder: Folder with ``affectivetext_test.xml`` and ``Annotations``.

    Raises:
        InputError: A file is not there or has another layout.

    Source: C. Strapparava and R. Mihalcea, SemEval-2007 task 14: Affective Text.
    """
    try:
        instances = list(ElementTree.parse(folder / "affectivetext_test.xml").getroot())
        ids = tuple(str(instance.attrib["id"]) for instance in instances)
        ratings = np.array([_ratings(folder / "Annotations" / f"{rater}.txt", ids) for rater in RATERS])
        texts = [(instance.text or "").strip() for instance in instances]
        strength, valence = ratings[:, :, :-1], ratings[:, :, -1]
        if strength.shape[2] != len(EMOTIONS):
            raise ValueError(f"{strength.shape[2]} emotions instead of {len(EMOTIONS)}")
    except (OSError, ElementTree.ParseError, KeyError, ValueError) as error:
        raise InputError(
            f"The headlines in {folder.name!r} cannot be read: {error}.",
            code="bad_corpus",
            value=folder,
            next_step="Put the published files there as they are.",
        ) from error
    return Headlines(ids, texts, strength, valence)


def load_points(folder: Path) -> dict[str, RatedPoint]:
    """Ratings of EmoBank, which holds nearly all of the headlines, by the `letters` of each sentence.

    Args:
        folder: Folder with ``corpus/emobank.csv.gz``.

    Raises:
        InputError: The file is not there or has another layout.

    Source: S. Buechel and U. Hahn, EmoBank (2017).
    """
    scale, unit = load_scale("1..5"), load_scale("-1..1")
    try:
        with gzip.open(folder / "corpus" / "emobank.csv.gz", "rt", encoding="utf-8", newline="") as lines:
            return {
                letters(row["text"]): RatedPoint(scale.to(unit, [float(row[axis]) for axis in "VAD"]), row["split"])
                for row in csv.DictReader(lines)
            }
    except (OSError, EOFError, zlib.error, KeyError, ValueError) as error:
        raise InputError(
            f"The ratings in {folder.name!r} cannot be read: {error}.",
            code="bad_corpus",
            value=folder,
            next_step="Put the published files there as they are.",
        ) from error


def letters(text: str) -> str:
    """Letters and digits alone, in lower case, by which copies of a headline are recognised."""
    return re.sub(r"[\W_]+", "", text.casefold())


def _ratings(path: Path, ids: tuple[str, ...]) -> list[list[float]]:
    lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    by_id = {line[0]: [float(word) for word in line[1:]] for line in lines}
    return [by_id[name] for name in ids]
