"""Tweets of SemEval-2018 task 1, with all that was said about their affect."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from affectome.studies.corpora import read_rows, readable

Floats = NDArray[np.float64]
Part = Literal["train", "dev", "test"]

FOLDER = "semeval2018_task1"
EMOTIONS = ("anger", "fear", "joy", "sadness")
PRESENT = (
    *("anger", "anticipation", "disgust", "fear", "joy", "love"),
    *("optimism", "pessimism", "sadness", "surprise", "trust"),
)
VALENCE_LEVELS = tuple(str(level) for level in range(-3, 4))
STRENGTH_LEVELS = tuple(str(level) for level in range(4))

_MYSTERY = "mystery"
_NUMBER, _LEVEL = "Intensity Score", "Intensity Class"


@dataclass(frozen=True, eq=False)
class Tweets:
    """Tweets and their affect; NaN where a task does not ask about a tweet.

    Attributes:
        texts: ``n`` tweets.
        valence: ``(n, 1)`` 0 most negative to 1 most positive.
        valence_level: ``(n,)`` place in `VALENCE_LEVELS`.
        strength: ``(n, 4)`` of `EMOTIONS`, 0 to 1.
        strength_level: ``(n, 4)`` place in `STRENGTH_LEVELS`.
        present: ``(n, 11)`` of `PRESENT`, 0 or 1.
        rows: Rows of each task, by its name.
        mystery: Texts of the rows that were planted in the test and never rated.
    """

    texts: list[str]
    valence: Floats
    valence_level: Floats
    strength: Floats
    strength_level: Floats
    present: Floats
    rows: dict[str, int]
    mystery: list[str]

    def targets(self) -> dict[str, Floats]:
        """Targets by the name of the task: V-reg, V-oc, EI-reg, EI-oc of each emotion, E-c."""
        levels = {f"EI-oc {emotion}": self.strength_level[:, k] for k, emotion in enumerate(EMOTIONS)}
        return {
            "V-reg": self.valence,
            "V-oc": self.valence_level,
            "EI-reg": self.strength,
            **levels,
            "E-c": self.present,
        }


def load_tweets(folder: Path, part: Part) -> Tweets:
    """Tweets of all English tasks of one part, each tweet once.

    The gold files of valence and intensity also hold some 17,000 sentences with a 0 for a score, planted to find out
    what systems do with names of women and men. Their identifiers say so; they are kept apart.

    Args:
        folder: Folder with a folder a task.
        part: Which part.

    Raises:
        InputError: A file is not there or has another layout.

    Source: S. Mohammad and others, SemEval-2018 Task 1: Affect in Tweets.
    """
    published = "test-gold" if part == "test" else part
    found: dict[str, dict[str, list[dict[str, str]]]] = {}
    with readable(folder):
        names = {"V-reg": {"": "Valence-reg-En"}, "V-oc": {"": "Valence-oc-En"}, "E-c": {"": "E-c-En"}}
        names |= {task: {e: f"{task}-En-{e}" for e in EMOTIONS} for task in ("EI-reg", "EI-oc")}
        for task, files in names.items():
            found[task] = {
                emotion: read_rows(folder / task / f"{name}-{published}.txt", "\t") for emotion, name in files.items()
            }
        mystery = [row["Tweet"] for row in found["V-reg"][""] if _MYSTERY in row["ID"]]
        real = {
            task: {key: [row for row in rows if _MYSTERY not in row["ID"]] for key, rows in files.items()}
            for task, files in found.items()
        }
        text_of = {row["ID"]: row["Tweet"] for files in real.values() for rows in files.values() for row in rows}
        place = {name: i for i, name in enumerate(text_of)}
        n = len(place)
        valence, valence_level = np.full((n, 1), np.nan), np.full(n, np.nan)
        strength, strength_level = np.full((n, len(EMOTIONS)), np.nan), np.full((n, len(EMOTIONS)), np.nan)
        present = np.full((n, len(PRESENT)), np.nan)
        for row in real["V-reg"][""]:
            valence[place[row["ID"]], 0] = float(row[_NUMBER])
        for row in real["V-oc"][""]:
            valence_level[place[row["ID"]]] = VALENCE_LEVELS.index(_level(row))
        for k, emotion in enumerate(EMOTIONS):
            for row in real["EI-reg"][emotion]:
                strength[place[row["ID"]], k] = float(row[_NUMBER])
            for row in real["EI-oc"][emotion]:
                strength_level[place[row["ID"]], k] = STRENGTH_LEVELS.index(_level(row))
        for row in real["E-c"][""]:
            present[place[row["ID"]]] = [int(row[label]) for label in PRESENT]
    rows = {f"{task} {key}".strip(): len(kept) for task, files in real.items() for key, kept in files.items()}
    return Tweets(list(text_of.values()), valence, valence_level, strength, strength_level, present, rows, mystery)


def _level(row: dict[str, str]) -> str:
    return row[_LEVEL].partition(":")[0]
