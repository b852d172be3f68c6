"""Corpora that only studies read: situations and dialogues with the feelings in them.

Each reader knows the published layout of one corpus and nothing else.
"""

from __future__ import annotations

import csv
import gzip
import json
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from affectome.affect import list_taxonomies, load_taxonomy
from affectome.errors import InputError

Ints = NDArray[np.int64]
Part = Literal["train", "dev", "test"]

SITUATIONS = "empatheticdialogues"
MELD = "meld"
FRIENDS = "emotionlines_friends"
_VOTED = ("neutral", "joy", "sadness", "fear", "anger", "surprise", "disgust")  # the digits of a string of votes

# Quotes of an old Windows encoding that were read as control characters.
_WINDOWS = {code: bytes([code]).decode("cp1252", "ignore") for code in range(0x80, 0xA0)}


@dataclass(frozen=True, eq=False)
class Situations:
    """Situations people wrote down, each for one feeling.

    Attributes:
        texts: ``n`` situations.
        labels: ``(n,)`` positions in the taxonomy ``ed32``.
    """

    texts: list[str]
    labels: Ints


@dataclass(frozen=True, eq=False)
class Conversations:
    """What a speaker said about a situation in a conversation with a listener.

    Attributes:
        situations: ``n`` situations, written down before the conversations.
        openings: The speakers' first turns.
        sequels: What the speakers said later, all turns together; empty if nothing.
        labels: ``(n,)`` positions in the taxonomy ``ed32``.
    """

    situations: list[str]
    openings: list[str]
    sequels: list[str]
    labels: Ints


@dataclass(frozen=True, eq=False)
class Turns:
    """Turns of dialogues, each dialogue from its first turn to its last.

    Attributes:
        texts: ``n`` turns.
        speakers: Who speaks.
        dialogues: ``(n,)`` number of the dialogue.
        labels: ``(n,)`` positions in the taxonomy ``meld7``; of the most votes where there are votes.
        votes: ``(n, 7)`` number of raters by label of ``meld7``; zeros where only labels are known.
    """

    texts: list[str]
    speakers: list[str]
    dialogues: Ints
    labels: Ints
    votes: Ints

    def at(self, rows: Ints) -> Turns:
        """Some of the turns."""
        return Turns(
            [self.texts[i] for i in rows],
            [self.speakers[i] for i in rows],
            self.dialogues[rows],
            self.labels[rows],
            self.votes[rows],
        )


def load_situations(folder: Path, part: Literal["dev", "test"]) -> Situations:
    """Situations of EmpatheticDialogues (Rashkin and others 2019).

    Args:
        folder: Folder with ``situations_<part>.csv.gz`` and ``label_names.json``.
        part: Which part; the training part is not published in this form.

    Raises:
        InputError: A file is not there or has another layout.
    """
    with readable(folder):
        names = json.loads((folder / "label_names.json").read_text(encoding="utf-8"))
        names = names["situations (JointMatch ids 1-32)"]
        rows = read_rows(folder / f"situations_{part}.csv.gz")
        labels = [load_taxonomy("ed32").labels.index(names[row["label"]]) for row in rows]
        return Situations([row["content"].strip() for row in rows], np.array(labels, np.int64))


def load_conversations(folder: Path, part: Literal["dev", "test"]) -> Conversations:
    """Conversations of EmpatheticDialogues about the situations of the same part.

    Turns are joined without a mark in the published table. The speaker's first turn is what the text of all turns and
    the text of the speaker's turns have in common at the start. A conversation about a situation that was labelled
    twice in different ways, or that is not among the labelled ones, is left out.

    Args:
        folder: Folder with the dialogues of both parts and what `load_situations` reads.
        part: Which part.

    Raises:
        InputError: A file is not there or has another layout.
    """
    labelled = load_situations(folder, part)
    pairs = set(zip(labelled.texts, labelled.labels.tolist(), strict=True))
    often = Counter(text for text, _ in pairs)
    label_of = {text: label for text, label in pairs if often[text] == 1}
    with readable(folder):
        name = "dialogues_valid.csv.gz" if part == "dev" else "dialogues_test_nolabels.csv.gz"
        rows = [row for row in read_rows(folder / name) if row["prompt"].strip() in label_of]
        openings = [_common_start(row["utterance_data"], row["speaker_utterance"]) for row in rows]
        sequels = [row["speaker_utterance"][len(first) :].strip() for row, first in zip(rows, openings, strict=True)]
        situations = [row["prompt"].strip() for row in rows]
    labels = np.array([label_of[text] for text in situations], np.int64)
    return Conversations(situations, [text.strip() for text in openings], sequels, labels)


def load_meld(folder: Path, part: Part) -> Turns:
    """Turns of MELD (Poria and others 2019).

    Args:
        folder: Folder with ``MELD/<part>_sent_emo.csv``, which may be gzipped.
        part: Which part.

    Raises:
        InputError: A file is not there or has another layout.
    """
    with readable(folder):
        rows = read_rows(folder / "MELD" / f"{part}_sent_emo.csv")
        rows.sort(key=lambda row: (int(row["Dialogue_ID"]), int(row["Utterance_ID"])))
        labels = [load_taxonomy("meld7").labels.index(row["Emotion"]) for row in rows]
        return Turns(
            [row["Utterance"].strip() for row in rows],
            [row["Speaker"] for row in rows],
            np.array([int(row["Dialogue_ID"]) for row in rows], np.int64),
            np.array(labels, np.int64),
            np.zeros((len(rows), len(_VOTED)), np.int64),
        )


def load_friends(folder: Path, part: Part) -> Turns:
    """Turns of the Friends part of EmotionLines (Chen and others 2018) with the votes of five raters each.

    Args:
        folder: Folder with ``friends_<part>.json.gz``.
        part: Which part.

    Raises:
        InputError: A file is not there or has another layout.
    """
    with readable(folder):
        path = folder / f"friends_{part}.json.gz"
        dialogues = json.loads(gzip.decompress(path.read_bytes()).decode("utf-8"))
        turns = [(number, turn) for number, dialogue in enumerate(dialogues) for turn in dialogue]
        votes = np.array([[int(digit) for digit in turn["annotation"]] for _, turn in turns], np.int64)
        if votes.shape != (len(turns), len(_VOTED)):
            raise ValueError(f"votes of the shape {votes.shape}")
        votes = votes[:, [_VOTED.index(label) for label in load_taxonomy("meld7").labels]]
        return Turns(
            [turn["utterance"].translate(_WINDOWS).strip() for _, turn in turns],
            [turn["speaker"] for _, turn in turns],
            np.array([number for number, _ in turns], np.int64),
            votes.argmax(axis=1),
            votes,
        )


def emotion_words() -> list[str]:
    """Every label of the category taxonomies and every synonym of one, for `affectome.learn.features.masked_words`."""
    taxonomies = [load_taxonomy(name) for name in list_taxonomies()]
    named = {name for taxonomy in taxonomies for label in taxonomy.labels for name in taxonomy.names(label)}
    alike = {word for taxonomy in taxonomies for words in taxonomy.synonyms.values() for word in words}
    return sorted(named | alike)


def _common_start(first: str, second: str) -> str:
    return first[: sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False)))]


def read_rows(path: Path, delimiter: str = ",") -> list[dict[str, str]]:
    """Rows of a table with a head line, by column. A table of tabs has no quotes; ``.gz`` may be added to its name.

    Args:
        path: The file, or what it was called before it was compressed.
        delimiter: What stands between two cells.
    """
    path = path if path.exists() else path.with_name(f"{path.name}.gz")
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8", newline="") as lines:
        if delimiter == ",":
            return list(csv.DictReader(lines))
        return list(csv.DictReader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE))


@contextmanager
def readable(folder: Path) -> Iterator[None]:
    """Turns what a damaged file, or one in another layout, makes a reader trip over into one error.

    Args:
        folder: The folder of the corpus.

    Raises:
        InputError: The corpus cannot be read.
    """
    try:
        yield
    except (OSError, EOFError, zlib.error, ValueError, LookupError, TypeError, AttributeError, csv.Error) as error:
        raise InputError(
            f"The corpus in {folder.name!r} cannot be read: {error!r}.",
            code="bad_corpus",
            value=folder,
            next_step="Put the published files there as they are.",
        ) from error
