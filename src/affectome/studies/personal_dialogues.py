"""The triples of PELD and the dialogues they are cut from.

A triple is a turn, an answer and the next turn of the first speaker. Triples overlap: the third turn of one is the
first of another. PELD gives no dialogue, so dialogues are found again in the transcripts of MELD and EmoryNLP.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import tomllib
from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from affectome.dynamics import BigFive
from affectome.errors import InputError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TRIPLES, MELD, EMORYNLP = "peld", "meld", "emorynlp"
_FILE = "Dyadic_PELD.tsv.gz"
_TRANSCRIPTS = ("meld/MELD", "emorynlp")
_CLEAR = 12  # words of a triple that is not found elsewhere by chance
_LONG = 8  # words of a line that is not said elsewhere by chance


@dataclass(frozen=True, eq=False)
class Triples:
    """Triples of turns between two people.

    Attributes:
        texts: ``n`` triples of lines.
        emotions: ``(n, 3)`` position of the emotion of each line among `emotion_names`.
        speakers: ``n`` names of who says the first and the third line.
        people: ``n`` personalities of those speakers.
        dialogues: ``(n,)`` number of the dialogue, the same for triples that share a dialogue or a long line.
    """

    texts: list[tuple[str, str, str]]
    emotions: Ints
    speakers: list[str]
    people: list[BigFive]
    dialogues: Ints


@cache
def emotion_names() -> tuple[str, ...]:
    """The seven emotions, sorted."""
    return tuple(sorted(_anchors()))


def emotion_anchors() -> Floats:
    """``(7, 3)`` valence, arousal and dominance of `emotion_names`."""
    return np.array([_anchors()[name] for name in emotion_names()])


@cache
def _anchors() -> dict[str, list[float]]:
    path = Path(__file__).parent / "data" / "peld.toml"
    found: dict[str, list[float]] = tomllib.loads(path.read_text(encoding="utf-8"))["anchors"]
    return found


def load_triples(data: Path) -> Triples:
    """PELD with its dialogues.

    Args:
        data: Folder that holds the folders ``peld``, ``meld`` and ``emorynlp``.

    Raises:
        InputError: A file is not there, is damaged or has other columns.
    """
    names = emotion_names()
    texts, emotions, speakers, people = [], [], [], []
    for row in _rows(data / TRIPLES / _FILE, "\t"):
        texts.append((row["Utterance_1"], row["Utterance_2"], row["Utterance_3"]))
        emotions.append([names.index(row[f"Emotion_{k}"]) for k in (1, 2, 3)])
        speakers.append(row["Speaker_1"])
        people.append(BigFive(*json.loads(row["Personality"])))
    return Triples(texts, np.array(emotions, np.int64), speakers, people, _dialogues(texts, _scenes(data)))


def _rows(path: Path, delimiter: str) -> Iterator[dict[str, str]]:
    try:
        content = path.read_bytes()
        text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8")
        lines = io.StringIO(text, newline="")
        if delimiter == "\t":  # quotes are part of what is said
            yield from csv.DictReader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE)
        else:
            yield from csv.DictReader(lines)
    except (OSError, EOFError, UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path.name} cannot be read: {error}", code="bad_file", value=path.name, next_step="Fetch it again."
        ) from None


def _scenes(data: Path) -> dict[str, set[Hashable]]:
    """The scenes in which each line is said."""
    found: dict[str, set[Hashable]] = defaultdict(set)
    for folder in _TRANSCRIPTS:
        for path in sorted((data / folder).glob("*.csv*")):
            for row in _rows(path, ","):
                scene = row.get("Dialogue_ID") or row.get("Scene_ID")
                found[_letters(row["Utterance"])].add((path.name, row["Season"], row["Episode"], scene))
    return found


def _dialogues(texts: Sequence[tuple[str, str, str]], scenes: dict[str, set[Hashable]]) -> Ints:
    """Triples that share a scene or a long line are of one dialogue, and so are those that share one with these."""
    parents: dict[Hashable, Hashable] = {}

    def root(node: Hashable) -> Hashable:
        while (parent := parents.setdefault(node, node)) != node:
            parents[node] = parents[parent]
            node = parent
        return node

    for number, lines in enumerate(texts):
        keys = [_letters(line) for line in lines]
        common = set.intersection(*(scenes.get(key, set()) for key in keys))
        # Three short lines, such as "Yeah.", are said in many scenes that have nothing else in common.
        clear = len(common) == 1 or sum(len(line.split()) for line in lines) >= _CLEAR
        shared: list[Hashable] = [*(common if clear else ())]
        shared += [key for key, line in zip(keys, lines, strict=True) if len(line.split()) >= _LONG]
        for node in shared:
            parents[root(number)] = root(node)
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(root(number), len(numbers)) for number in range(len(texts))], np.int64)


def _letters(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())
