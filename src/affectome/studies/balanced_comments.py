"""Comments of GoEmotions on six basic emotions and neutral, as many of each: train, dev and test."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from affectome.evaluate import Part, assert_disjoint, near_duplicates
from affectome.studies.corpora import readable

FOLDER = "goemotions"
PARTS = ("train", "dev", "test")


@dataclass(frozen=True, eq=False)
class Comments:
    """Comments of all parts, train first.

    Attributes:
        texts: The comments.
        labels: ``(n,)`` emotion of each, as a number in ``emotions``.
        emotions: Names of the emotions.
        rows: Row numbers of each part.
    """

    texts: list[str]
    labels: NDArray[np.int64]
    emotions: tuple[str, ...]
    rows: dict[str, NDArray[np.int64]]


def load_comments(folder: Path, each: Mapping[str, int], seed: int) -> Comments:
    """Draw comments whose labels all belong to one emotion, of which no two are alike.

    Args:
        folder: The data set.
        each: Comments of each emotion by part; a part has fewer where there are not enough.
        seed: Seed of the draw.

    Raises:
        InputError: A file is missing or cannot be read.
        LeakError: Two parts share a comment.
    """
    with readable(folder):
        groups = json.loads((folder / "mappings.json").read_text(encoding="utf-8"))["ekman"]
        names = (folder / "emotions.txt").read_text(encoding="utf-8").split()
        emotions = tuple(sorted(groups))
        group_of = {name: emotions.index(emotion) for emotion, members in groups.items() for name in members}
        found: list[tuple[str, int, str]] = []
        for part in PARTS:
            with gzip.open(folder / f"{part}.tsv.gz", "rt", encoding="utf-8", newline="") as stream:
                for text, numbers, _ in csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE):
                    labels = {group_of[names[int(number)]] for number in numbers.split(",")}
                    if len(labels) == 1 and text.strip():
                        found.append((text, labels.pop(), part))
    draw = np.random.default_rng(seed)
    drawn = []
    for part in PARTS:
        for emotion in range(len(emotions)):
            some = [row for row in found if row[1:] == (emotion, part)]
            # A third more than is wanted, as some will be alike.
            drawn += [some[k] for k in draw.permutation(len(some))[: -(-4 * each[part] // 3)]]
    clusters = near_duplicates([text for text, _, _ in drawn])
    _, first = np.unique(clusters, return_index=True)
    kept: list[tuple[str, int, str]] = []
    for part in PARTS:
        for emotion in range(len(emotions)):
            kept += [drawn[k] for k in sorted(first) if drawn[k][1:] == (emotion, part)][: each[part]]
    rows = {name: np.array([k for k, (_, _, part) in enumerate(kept) if part == name], np.int64) for name in PARTS}
    texts = [text for text, _, _ in kept]
    parts = {name: Part(rows=some, texts=[texts[k] for k in some]) for name, some in rows.items()}
    assert_disjoint(train=parts["train"], dev=parts["dev"], test=parts["test"])
    return Comments(texts, np.array([label for _, label, _ in kept], np.int64), emotions, rows)
