"""Essays and conversations about news, with the empathy their writers felt and showed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from affectome.studies.corpora import read_rows, readable

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ESSAYS = "empathic_reactions_2018"
SHARED_TASKS = "wassa2022_2023_empathy"
FELT = ("empathy", "distress")
SHOWN = ("polarity", "intensity", "empathy")
FELT_RANGE = (1.0, 7.0)
SHOWN_RANGE = ((0.0, 2.0), (0.0, 5.0), (0.0, 5.0))

_COLUMNS = ("EmotionalPolarity", "Emotion", "Empathy")
_BINS = 8  # of a scale, for weights
_SMOOTHING = 4  # essays with the mean score that an article starts from
_KINDS = {"gender": ("1", "2", "5"), "race": ("1", "2", "3", "4", "5", "6")}


@dataclass(frozen=True, eq=False)
class Essays:
    """What people wrote to a friend after they had read about misfortune.

    Attributes:
        texts: ``n`` essays.
        authors: Who wrote each.
        articles: Number of the article each is about.
        scores: ``(n, 2)`` of `FELT`, each the mean of a battery of items, 1 to 7.
    """

    texts: list[str]
    authors: list[str]
    articles: list[str]
    scores: Floats

    def first(self, n: int) -> Essays:
        """The first n essays."""
        return Essays(self.texts[:n], self.authors[:n], self.articles[:n], self.scores[:n])


@dataclass(frozen=True, eq=False)
class Turns:
    """Turns of conversations of two about an article, each conversation from its first turn to its last.

    Attributes:
        texts: ``n`` turns.
        conversations: Name of the conversation of each turn.
        numbers: ``(n,)`` number of the turn in its conversation, from 0.
        speakers: Which of the two speaks, ``"1"`` or ``"2"``.
        people: Who speaks, a name that is used once in all parts.
        scores: ``(n, 3)`` of `SHOWN`, means over annotators, within `SHOWN_RANGE`.
    """

    texts: list[str]
    conversations: list[str]
    numbers: Ints
    speakers: list[str]
    people: list[str]
    scores: Floats

    def first(self, n: int) -> Turns:
        """The first n turns."""
        return Turns(
            self.texts[:n],
            self.conversations[:n],
            self.numbers[:n],
            self.speakers[:n],
            self.people[:n],
            self.scores[:n],
        )


def load_essays(folder: Path) -> Essays:
    """The essays of Buechel and others (2018), Modeling Empathy and Distress in Reaction to News Stories.

    Args:
        folder: Folder with ``messages.csv``, which may be gzipped.

    Raises:
        InputError: The file is not there or has another layout.
    """
    with readable(folder):
        return _essays(read_rows(folder / "messages.csv"), "response_id", "")


def load_later_essays(folder: Path) -> Essays:
    """Rated essays of other people from the shared tasks: of 2022 the development part, of 2023 the training part.

    The development part of 2023 is left out: its writers speak in the conversations that are held out.

    Args:
        folder: Folder of the shared tasks.

    Raises:
        InputError: A file is not there or has another layout.
    """
    with readable(folder):
        earlier = read_rows(folder / "2022" / "messages_dev_features_ready_for_WS_2022.tsv", "\t")
        gold = _gold(folder / "2022" / "goldstandard_dev_2022.tsv", 2)
        for row, scores in zip(earlier, gold, strict=True):
            row |= dict(zip(FELT, map(str, scores), strict=True))
        later = read_rows(folder / "2023" / "WASSA23_essay_level_with_labels_train.tsv", "\t")
        parts = [_essays(earlier, "response_id", "2022 "), _essays(later, "speaker_id", "2023 ")]
    return Essays(
        [text for part in parts for text in part.texts],
        [author for part in parts for author in part.authors],
        [article for part in parts for article in part.articles],
        np.concatenate([part.scores for part in parts]),
    )


def load_people(folder: Path, authors: Sequence[str]) -> Floats:
    """What the authors of the essays of 2018 said about themselves: gender, race, education, age and income.

    Args:
        folder: Folder of the shared tasks, which published it.
        authors: ``n`` authors, as `load_essays` names them.

    Returns:
        ``(n, 12)``: one column a gender and a race, education, age in years, logarithm of the yearly income; zeros for
        an author who is not in the file.

    Raises:
        InputError: The file is not there or has another layout.
    """
    with readable(folder):
        known = {}
        for row in read_rows(folder / "2022" / "messages_train_ready_for_WS.tsv", "\t"):
            said = [float(row[name] == kind) for name, kinds in _KINDS.items() for kind in kinds]
            numbers = [float(row["education"]), float(row["age"]), float(np.log1p(float(row["income"])))]
            known[row["response_id"]] = np.array([*said, *numbers])
    nobody = np.zeros(sum(map(len, _KINDS.values())) + 3)
    return np.array([known.get(author, nobody) for author in authors])


def load_turns(folder: Path, *, held_out: bool) -> Turns:
    """Turns of the conversations of the shared task of 2023 (Omitaomu and others 2022, Empathic Conversations).

    Turns are published in the order of their numbers as words: 0, 1, 10, 11, 2. The ratings of the held-out part stand
    in that order in a file of their own.

    Args:
        folder: Folder of the shared tasks.
        held_out: The official development part instead of the training part.

    Raises:
        InputError: A file is not there or has another layout.
    """
    with readable(folder):
        if held_out:
            rows = read_rows(folder / "2023" / "WASSA23_conv_level_dev.tsv", "\t")
            scores = _gold(folder / "2023" / "goldstandard_CONV_dev.tsv", 3)
        else:
            rows = read_rows(folder / "2023" / "WASSA23_conv_level_with_labels_train.tsv", "\t")
            scores = [[float(row[column]) for column in _COLUMNS] for row in rows]
        if len(rows) != len(scores):
            raise ValueError(f"{len(rows)} turns and {len(scores)} ratings")
        order = sorted(range(len(rows)), key=lambda i: (rows[i]["conversation_id"], int(rows[i]["turn_id"])))
        rows = [rows[i] for i in order]
        return Turns(
            [row["text"].strip() for row in rows],
            [row["conversation_id"] for row in rows],
            np.array([int(row["turn_id"]) for row in rows], np.int64),
            [row["speaker_number"] for row in rows],
            [row["speaker_id"] for row in rows],
            np.array(scores, np.float64)[order],
        )


def _essays(rows: list[dict[str, str]], author: str, prefix: str) -> Essays:
    return Essays(
        [row["essay"].strip() for row in rows],
        [f"{prefix}{row[author]}" for row in rows],
        [row["article_id"] for row in rows],
        np.array([[float(row[name]) for name in FELT] for row in rows]),
    )


def _gold(path: Path, columns: int) -> list[list[float]]:
    """The first columns of a table without a head line."""
    return [[float(cell) for cell in line.split("\t")[:columns]] for line in path.read_text("utf-8").splitlines()]


def join_turns(parts: Sequence[Turns]) -> Turns:
    """The turns of several parts that share no conversation, one after the other."""
    return Turns(
        [text for part in parts for text in part.texts],
        [name for part in parts for name in part.conversations],
        np.concatenate([part.numbers for part in parts]),
        [name for part in parts for name in part.speakers],
        [name for part in parts for name in part.people],
        np.concatenate([part.scores for part in parts]),
    )


def turns_before(turns: Turns, count: int) -> list[str]:
    """What was said just before each turn in its conversation, the latest first; empty before the first turn.

    Args:
        turns: Turns, each conversation in order.
        count: How many turns to go back.
    """
    said = []
    for i, name in enumerate(turns.conversations):
        back = [j for j in range(i - 1, max(i - count, 0) - 1, -1) if turns.conversations[j] == name]
        said.append(" | ".join(turns.texts[j] for j in back))
    return said


def talk_before(turns: Turns, read: Floats, written: Floats) -> Floats:
    """What is known before each turn: of the last two, of all so far on average, how many there are, and who speaks.

    Args:
        turns: ``n`` turns, each conversation in order.
        read: ``(n, d)`` what a reader makes of each turn.
        written: ``(n, e)`` how each turn is written.

    Returns:
        ``(n, 3 d + e + 4)``, zeros where nothing was said yet.
    """
    last, last_but_one, so_far = (np.zeros_like(read) for _ in range(3))
    wording = np.zeros_like(written)
    conversation = np.array(turns.conversations)
    for name in np.unique(conversation):
        rows = np.flatnonzero(conversation == name)
        last[rows[1:]], wording[rows[1:]] = read[rows[:-1]], written[rows[:-1]]
        last_but_one[rows[2:]] = read[rows[:-2]]
        so_far[rows[1:]] = read[rows[:-1]].cumsum(axis=0) / np.arange(1, len(rows))[:, None]
    first_speaks = np.array(turns.speakers) == "1"
    place = np.column_stack([turns.numbers, np.log1p(turns.numbers), turns.numbers == 0, first_speaks])
    return np.hstack([last, last_but_one, so_far, wording, place])


def balanced_weights(scores: Floats, low: float, high: float) -> Floats:
    """Weights with mean 1 in inverse proportion to the root of how often scores like each occur.

    Args:
        scores: ``(n,)``.
        low: Lowest score of the scale.
        high: Highest score of the scale.
    """
    part = np.minimum((_BINS * (scores - low) / (high - low)).astype(np.int64), _BINS - 1)
    weights = 1 / np.sqrt(np.bincount(part, minlength=_BINS)[part])
    return np.asarray(weights / weights.mean())


def article_means(articles: Ints, scores: Floats, train: Ints, test: Ints) -> Floats:
    """Mean scores of the training rows about the same article, drawn towards the mean of all; ``(m, k)``.

    Args:
        articles: ``(n,)`` numbers of articles, from 0.
        scores: ``(n, k)``.
        train: Rows to learn from.
        test: ``m`` rows to predict.
    """
    size = int(articles.max()) + 1
    mean = scores[train].mean(axis=0)
    counts = np.bincount(articles[train], minlength=size)
    sums = np.stack([np.bincount(articles[train], column, size) for column in scores[train].T], axis=1)
    return np.asarray(((sums + _SMOOTHING * mean) / (counts + _SMOOTHING)[:, None])[articles[test]])
