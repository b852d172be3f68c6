"""Posts about loneliness: composed ones along four axes with simulated votes, and published ones with labels."""

from __future__ import annotations

import gzip
import json
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from affectome.perceive import TextReader
from affectome.studies.corpora import read_rows, readable

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LONELY = "lonely"
ABSENT = "not said"
_GENERAL = ("duration", "wish")  # axes of which posts that are not lonely say something, too
_CODEBOOK = Path(__file__).parent / "data" / "loneliness_codebook.toml"
_POST = re.compile(r"Post: (?P<post>.+?)\s*Question: The answer to the question .+", re.DOTALL)
_NAMED = re.compile(r"\blonel|\blonesome|\balone\b", re.IGNORECASE)
_RATERS = 3
_SAID = 0.75  # share of lonely posts that say something about an axis
_SURE, _SURE_LONELY = 0.8, 0.95  # chance that a simulated rater names the composed label


@dataclass(frozen=True, eq=False)
class Composed:
    """Composed posts with simulated votes.

    Attributes:
        texts: ``n`` posts.
        labels: Labels of each axis, `LONELY` first.
        truth: ``(n,)`` position of the composed label by axis; -1 on the axes of a post that is not lonely.
        votes: ``(n, labels)`` number of three simulated raters by axis; they vote on every axis of every post, as the
            published raters did.
    """

    texts: list[str]
    labels: dict[str, tuple[str, ...]]
    truth: dict[str, Ints]
    votes: dict[str, Ints]

    def shares(self, axis: str) -> Floats:
        """``(n, labels)`` share of the votes."""
        return np.asarray(self.votes[axis] / self.votes[axis].sum(axis=1, keepdims=True))

    def majority(self, axis: str) -> Floats:
        """``(n, labels)`` the label with most votes, with equal weights where several have."""
        top = self.votes[axis] == self.votes[axis].max(axis=1, keepdims=True)
        return np.asarray(top / top.sum(axis=1, keepdims=True))

    def expected(self, axis: str) -> Floats:
        """``(n, labels)`` the chances by which the raters voted, which no reader of votes can beat."""
        count = len(self.labels[axis])
        meant = np.where(self.truth[axis] < 0, count - 1, self.truth[axis])
        sure = _SURE_LONELY if axis == LONELY else _SURE
        return np.where(np.eye(count, dtype=np.bool_)[meant], sure, (1 - sure) / (count - 1))


@dataclass(frozen=True, eq=False)
class Labelled:
    """Published posts and whether they are labelled as lonely.

    Attributes:
        texts: ``n`` posts, behind their titles where they have one.
        lonely: ``(n,)`` 1 if labelled so.
    """

    texts: list[str]
    lonely: Floats


class Seen(NamedTuple):
    """Posts as the reader sees them: features (n, d), its own chance of the label lonely (n,), words, naming words."""

    features: Floats
    lonely: Floats
    length: Floats
    named: Floats

    def at(self, rows: Ints | NDArray[np.bool_]) -> Seen:
        """Some of the posts."""
        return Seen(*(column[rows] for column in self))


def compose_posts(count: int, *, places: slice, seed: int) -> Composed:
    """Posts put together from the sentences of the codebook, half of them lonely.

    Every post has two sentences and one more for each axis it says something about. Where a post is not lonely, what it
    says about who is missing and where it comes from is left to the sentences about other things.

    Args:
        count: Number of posts.
        places: Which sentences of every list may be used, so that parts share none.
        seed: Seed of what is put together and of the votes.
    """
    book = tomllib.loads(_CODEBOOK.read_text(encoding="utf-8"))
    axes = {axis: {name: said[places] for name, said in lists.items()} for axis, lists in book["axes"].items()}
    lonely_ones, others = book[LONELY][places], book["not_lonely"][places]
    labels = {LONELY: ("not lonely", LONELY)} | {axis: (*lists, ABSENT) for axis, lists in axes.items()}
    rng = np.random.default_rng(seed)
    texts: list[str] = []
    truth: dict[str, list[int]] = {axis: [] for axis in labels}
    for _ in range(count):
        lonely = bool(rng.random() < 0.5)
        truth[LONELY].append(int(lonely))
        sentences = [_pick(lonely_ones, rng)] if lonely else []
        for axis, lists in axes.items():
            place = int(rng.integers(len(lists))) if rng.random() < _SAID else len(lists)
            truth[axis].append(place if lonely else -1)
            if place < len(lists):
                fits = lonely or axis in _GENERAL
                sentences.append(_pick([*lists.values()][place] if fits else others, rng))
        sentences += [_pick(others, rng) for _ in range(1 if lonely else 2)]
        texts.append(" ".join(sentences[i] for i in rng.permutation(len(sentences))))
    meant = {axis: np.array(own_truth, np.int64) for axis, own_truth in truth.items()}
    posts = Composed(texts, labels, meant, {})
    return replace(posts, votes={axis: _votes(posts.expected(axis), rng) for axis in labels})


def load_depressed(folder: Path) -> Labelled:
    """Test posts of DepressionEmo (Rahman and others 2024), for evaluation only: its terms forbid building on it.

    Args:
        folder: Folder with ``test.jsonl.gz``.

    Raises:
        InputError: The file is not there, is damaged or has other fields.
    """
    with readable(folder):
        lines = gzip.decompress((folder / "test.jsonl.gz").read_bytes()).decode("utf-8").splitlines()
        rows = [json.loads(line) for line in lines if line]
        return Labelled(
            [f"{row['title']} {row['post']}".strip() for row in rows],
            np.array(["loneliness" in row["emotions"] for row in rows], np.float64),
        )


def load_explained(folder: Path) -> Labelled:
    """Posts with a label and an explanation: the loneliness test set of IMHI (Yang and others 2023, arXiv 2309.13567).

    Args:
        folder: Folder of IMHI.

    Raises:
        InputError: The file is not there or has another layout.
    """
    with readable(folder):
        rows = read_rows(folder / "test_data" / "test_complete" / "loneliness.csv")
        found = [_POST.fullmatch(row["query"].strip()) for row in rows]
        answers = [row["gpt-3.5-turbo"].strip().casefold() for row in rows]
        if not rows or not all(found) or not all(answer.startswith(("yes", "no")) for answer in answers):
            raise ValueError("a row is no post with a question and an answer")
        return Labelled(
            [post["post"].strip() for post in found if post],
            np.array([answer.startswith("yes") for answer in answers], np.float64),
        )


def load_neutral(folder: Path, part: Literal["dev", "test"]) -> list[str]:
    """Comments of GoEmotions (Demszky and others 2020) whose only label is neutral.

    Args:
        folder: Folder with the parts and ``emotions.txt``.
        part: Which part.

    Raises:
        InputError: A file is not there or is damaged.
    """
    with readable(folder):
        neutral = str((folder / "emotions.txt").read_text(encoding="utf-8").split().index("neutral"))
        lines = gzip.decompress((folder / f"{part}.tsv.gz").read_bytes()).decode("utf-8").splitlines()
        return [text for text, labels, _ in (line.split("\t") for line in lines) if labels == neutral]


def see(reader: TextReader, texts: Sequence[str]) -> Seen:
    """What the reader makes of n posts, none of them blank."""
    encoded = reader.encoder.encode(list(texts))
    return Seen(
        encoded.features().astype(np.float64),
        reader.read_out(encoded)[:, reader.labels.index(LONELY)].astype(np.float64),
        np.log1p([[len(text.split())] for text in texts]),
        np.array([bool(_NAMED.search(text)) for text in texts], np.float64),
    )


def _votes(expected: Floats, rng: np.random.Generator) -> Ints:
    """Votes of three raters, each drawn by the expected distribution of the post."""
    return np.asarray(rng.multinomial(_RATERS, expected), np.int64)


def _pick(sentences: Sequence[str], rng: np.random.Generator) -> str:
    return sentences[int(rng.integers(len(sentences)))]
