"""Corpora of explanations and stress: graded explanations of language models, and posts that people labelled."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from affectome.errors import InputError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Writer = Literal["chat model, right", "chat model, wrong", "weak model"]
Aspect = Literal["fluency", "completeness", "reliability", "overall"]

EXPLAINED = "imhi_mentallama"
STRESS = "dreaddit"
ASPECTS: tuple[Aspect, ...] = ("fluency", "completeness", "reliability", "overall")
_GRADED: dict[Writer, tuple[str, str]] = {
    "chat model, right": ("chatgpt_data.csv.gz", "gpt-3.5-turbo"),
    "chat model, wrong": ("chatgpt_false_data.csv", "gpt-3.5-turbo"),
    "weak model": ("gpt3_data.csv", "curie-instruct-beta"),
}
WRITERS = tuple(_GRADED)


@dataclass(frozen=True, eq=False)
class Explanations:
    """Explanations that people graded.

    Attributes:
        posts: ``n`` posts.
        texts: ``n`` explanations.
        writers: Who wrote each.
        grades: ``(n,)`` mean grade of three people, 0 to 3, by aspect.
    """

    posts: list[str]
    texts: list[str]
    writers: list[Writer]
    grades: Mapping[Aspect, Floats]

    def at(self, rows: Ints) -> Explanations:
        """Some of them."""
        return Explanations(
            [self.posts[i] for i in rows],
            [self.texts[i] for i in rows],
            [self.writers[i] for i in rows],
            {aspect: values[rows] for aspect, values in self.grades.items()},
        )


@dataclass(frozen=True, eq=False)
class Posts:
    """Parts of posts with people's labels.

    Attributes:
        texts: ``n`` parts.
        posts: The post of each.
        stressed: ``(n,)`` 1 where most people saw stress.
    """

    texts: list[str]
    posts: list[str]
    stressed: Ints

    def at(self, rows: Ints) -> Posts:
        """Some of them."""
        return Posts([self.texts[i] for i in rows], [self.posts[i] for i in rows], self.stressed[rows])


def load_explanations(folder: Path) -> Explanations:
    """Graded explanations of Yang and others (2023).

    Args:
        folder: Folder of the published repository, with ``human_evaluation/DR_annotation``.

    Raises:
        InputError: A file is not there or has another layout.
    """
    posts, texts, writers = [], [], []
    grades: dict[Aspect, list[float]] = {aspect: [] for aspect in ASPECTS}
    for writer, (name, column) in _GRADED.items():
        for row in read_table(folder / "human_evaluation" / "DR_annotation" / name):
            try:
                given = {aspect: json.loads(row[aspect]) for aspect in ASPECTS}
                posts.append(row["text"])
                texts.append(row[column])
                for aspect, values in given.items():
                    grades[aspect].append(float(np.mean(values)))
            except (KeyError, ValueError, TypeError) as error:
                raise _unreadable(folder, error) from error
            writers.append(writer)
    return Explanations(posts, texts, writers, {aspect: np.array(values) for aspect, values in grades.items()})


def count_tests(folder: Path) -> dict[str, int]:
    """Number of items of each published test set that is there."""
    tests = folder / "test_data" / "test_complete"
    return {file.name.partition(".")[0]: len(read_table(file)) for file in sorted(tests.glob("*.csv*"))}


def load_stress(folder: Path, part: Literal["train", "test"]) -> Posts:
    """Parts of posts of Dreaddit (Turcan and McKeown 2019).

    Args:
        folder: Folder with ``dreaddit-<part>.csv``, which may be gzipped.
        part: Which part.

    Raises:
        InputError: The file is not there or has another layout.
    """
    found = sorted(folder.glob(f"dreaddit-{part}.csv*"))
    rows = read_table(found[0] if found else folder / f"dreaddit-{part}.csv")
    try:
        return Posts(
            [row["text"] for row in rows],
            [row["post_id"] for row in rows],
            np.array([int(row["label"]) for row in rows], np.int64),
        )
    except (KeyError, ValueError, TypeError) as error:
        raise _unreadable(folder, error) from error


def read_table(path: Path) -> list[dict[str, str]]:
    """Rows of a table, which may be gzipped.

    Raises:
        InputError: It is not there or is no table.
    """
    try:
        content = path.read_bytes()
        text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8-sig")
        return list(csv.DictReader(text.splitlines(keepends=True)))
    except (OSError, EOFError, ValueError, csv.Error) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> InputError:
    return InputError(
        f"The corpus in {path.name!r} cannot be read: {error!r}.",
        code="bad_corpus",
        value=path,
        next_step="Use the published files.",
    )
