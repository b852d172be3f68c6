"""Labelled corpora in one form: texts, targets, split.

Each reader knows the published file layout of one corpus below a data folder and nothing else. Files may be gzipped.
"""

from __future__ import annotations

import csv
import errno
import functools
import gzip
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from affectome.affect import load_taxonomy
from affectome.errors import InputError, UsageError

Kind = Literal["presence", "distribution", "measure"]


@dataclass(frozen=True)
class Corpus:
    """Texts with targets.

    Attributes:
        name: Identifier of the reader that made it.
        texts: n texts.
        columns: k target names: labels, or measures such as ``valence``.
        targets: Array (n, k) of float32. For ``presence`` 1 means the label is present and NaN that nothing is known
            about it, a ``distribution`` sums to 1 over the row, a ``measure`` is a number in [-1, 1] or [0, 1].
        split: n strings, ``train``, ``dev`` or ``test``.
        kind: How ``targets`` are to be read.
    """

    name: str
    texts: list[str]
    columns: tuple[str, ...]
    targets: NDArray[np.float32]
    split: NDArray[np.str_]
    kind: Kind

    def part(self, split: str) -> Corpus:
        """The rows of one split."""
        rows = np.flatnonzero(self.split == split)
        return Corpus(
            self.name, [self.texts[i] for i in rows], self.columns, self.targets[rows], self.split[rows], self.kind
        )


def load_corpus(name: str, folder: Path) -> Corpus:
    """Read one corpus by its name.

    Args:
        name: One of the names in ``CORPORA``.
        folder: Folder that holds one subfolder a corpus.

    Raises:
        UsageError: The name is not known.
        InputError: A file of the corpus is not below ``folder``, or is damaged or in another layout.
    """
    if name not in CORPORA:
        raise UsageError(
            f"There is no corpus named {name!r}.", code="unknown_corpus", value=name, allowed=sorted(CORPORA)
        )
    try:
        return CORPORA[name](folder)
    except (FileNotFoundError, NotADirectoryError) as missing:
        composed = name in COMPOSED
        raise InputError(
            f"The corpus {name!r} needs {Path(missing.filename).name!r}, which is not "
            f"{'beside the recipe' if composed else 'below the data folder'}.",
            code="missing_corpus",
            value=missing.filename,
            next_step="Keep the folder 'situations' beside the recipe."
            if composed
            else "Give the folder that holds the corpora with --data or AFFECTOME_DATA.",
        ) from None
    except (OSError, EOFError, zlib.error, ValueError, LookupError, TypeError, AttributeError, csv.Error) as reason:
        # Whatever a file in another layout, or a damaged one, makes a reader trip over.
        raise InputError(
            f"A file of the corpus {name!r} is damaged or not in its published layout: {reason!r}.",
            code="bad_corpus",
            value=name,
            next_step="Fetch the corpus again.",
        ) from reason


def _lines(path: Path) -> Iterator[str]:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8", newline="") as lines:
        yield from lines


def _table(path: Path, delimiter: str = ",") -> list[dict[str, str]]:
    if delimiter == ",":
        return list(csv.DictReader(_lines(path)))
    return list(csv.DictReader(_lines(path), delimiter=delimiter, quoting=csv.QUOTE_NONE))


def _fixed_split(n: int, seed: int = 0, dev_share: float = 0.1) -> NDArray[np.str_]:
    """A reproducible random split for corpora that come without one."""
    return np.where(np.random.default_rng(seed).random(n) < dev_share, "dev", "train")


def _one_hot(labels: Sequence[str], columns: Sequence[str]) -> NDArray[np.float32]:
    position = {label: i for i, label in enumerate(columns)}
    targets = np.zeros((len(labels), len(columns)), np.float32)
    targets[np.arange(len(labels)), [position[label] for label in labels]] = 1
    return targets


def _goemotions(folder: Path) -> Corpus:
    """GoEmotions (Demszky et al. 2020), official split, 28 labels, several a text."""
    root = folder / "goemotions"
    columns = tuple((root / "emotions.txt").read_text(encoding="utf-8").split())
    texts, rows, split = [], [], []
    for part in ("train", "dev", "test"):
        for row in csv.reader(_lines(root / f"{part}.tsv.gz"), delimiter="\t", quoting=csv.QUOTE_NONE):
            present = np.zeros(len(columns), np.float32)
            present[[int(i) for i in row[1].split(",")]] = 1
            texts.append(row[0])
            rows.append(present)
            split.append(part)
    return Corpus("goemotions", texts, columns, np.stack(rows), np.array(split), "presence")


def _emobank(folder: Path) -> Corpus:
    """EmoBank (Buechel and Hahn 2017), official split; ratings 1 to 5 become -1 to 1."""
    rows = [r for r in _table(folder / "emobank/corpus/emobank.csv.gz") if r["text"].strip()]
    ratings = np.array([[float(r[c]) for c in "VAD"] for r in rows], np.float32)
    targets = (ratings - np.float32(3)) / np.float32(2)
    columns = ("valence", "arousal", "dominance")
    return Corpus(
        "emobank", [r["text"] for r in rows], columns, targets, np.array([r["split"] for r in rows]), "measure"
    )


_CROWDFLOWER = {
    "sadness": "sadness", "enthusiasm": "excitement", "worry": "worry", "surprise": "surprise", "love": "love",
    "fun": "amusement", "hate": "hate", "happiness": "joy", "boredom": "boredom", "relief": "relief", "anger": "anger",
}  # fmt: skip


def _crowdflower(folder: Path) -> Corpus:
    """CrowdFlower tweets, 13 labels by one vote each; ``neutral`` and ``empty`` are mostly undecided and left out."""
    rows = [
        r for r in _table(folder / "crowdflower_text_emotion/text_emotion.csv.gz") if r["sentiment"] in _CROWDFLOWER
    ]
    columns = tuple(sorted(set(_CROWDFLOWER.values())))
    targets = _one_hot([_CROWDFLOWER[r["sentiment"]] for r in rows], columns)
    return Corpus(
        "crowdflower", [r["content"] for r in rows], columns, targets, _fixed_split(len(rows)), "distribution"
    )


def _toxicity(folder: Path) -> Corpus:
    """Share of raters who call a post hateful, offensive or toxic, in [0, 1].

    Davidson et al. 2017 (counts of hate, offensive and neither) and the toxic spans of Civil Comments (Pavlopoulos et
    al. 2022; share of workers who did not answer "not toxic").
    """
    texts, values = [], []
    for row in _table(folder / "davidson_hate_offensive/labeled_data.csv.gz"):
        texts.append(row["tweet"])
        values.append(1 - int(row["neither"]) / int(row["count"]))
    harmless: dict[str, list[bool]] = {}
    for row in _table(folder / "toxic_spans/annotations.csv.gz"):
        harmless.setdefault(row["comment_id"], []).append(row["not toxic"] == "True")
    for row in _table(folder / "toxic_spans/comments.csv.gz"):
        if row["comment_id"] in harmless and row["comment_text"].strip():
            texts.append(row["comment_text"])
            values.append(1 - float(np.mean(harmless[row["comment_id"]])))
    targets = np.array(values, np.float32)[:, None]
    return Corpus("toxicity", texts, ("toxicity",), targets, _fixed_split(len(texts)), "measure")


def _vader_ratings(folder: Path) -> Corpus:
    """Mean sentiment ratings of tweets, reviews and editorials (Hutto and Gilbert 2014), -4 to 4 become -1 to 1."""
    texts, values = [], []
    for source in ("tweets", "amazonReviewSnippets", "movieReviewSnippets", "nytEditorialSnippets"):
        for line in _lines(folder / f"vader/icwsm2014/{source}_GroundTruth.txt.gz"):
            _, value, text = line.rstrip("\r\n").split("\t", 2)
            texts.append(text)
            values.append(float(value) / 4)
    targets = np.array(values, np.float32)[:, None]
    return Corpus("vader_ratings", texts, ("sentiment",), targets, _fixed_split(len(texts)), "measure")


def _situations(folder: Path, name: str = "situations", sets: str = "first") -> Corpus:
    """Situations composed for this project, one feeling each: a folder a set, a file a label, one text a line."""
    texts, labels = [], []
    root = folder / "situations"
    paths = sorted(root.glob(f"{sets}/*.txt"))
    if not paths:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(root / sets))
    for path in paths:
        for line in _lines(path):
            if line.strip():
                texts.append(line.strip())
                labels.append(path.stem)
    columns = tuple(sorted(set(labels)))
    return Corpus(name, texts, columns, _one_hot(labels, columns), _fixed_split(len(texts)), "distribution")


def _composed_presence(folder: Path) -> Corpus:
    """Composed situations of the 28 GoEmotions labels, as presences.

    Rated comments seldom show grief, pride or relief. A situation says that its own feeling is present and that
    feelings of other families and neutrality are not; about its own family it says nothing.
    """
    goemotions = load_taxonomy("goemotions28")
    situations = _situations(folder, sets="*")
    labels = [situations.columns[k] for k in situations.targets.argmax(1)]
    rows = [i for i, label in enumerate(labels) if label in goemotions.labels]
    families = goemotions.groups["ekman"].values()
    silent = {label: [other for family in families if label in family for other in family] for label in labels}
    targets = np.zeros((len(rows), len(goemotions.labels)), np.float32)
    for target, i in zip(targets, rows, strict=True):
        target[[goemotions.index(other) for other in silent[labels[i]]]] = np.nan
        target[goemotions.index(labels[i])] = 1
    texts = [situations.texts[i] for i in rows]
    return Corpus("composed_presence", texts, goemotions.labels, targets, situations.split[rows], "presence")


def _composed_harmless(folder: Path) -> Corpus:
    """Composed situations of feelings that are not hostile, as examples without toxicity.

    The rated posts are mostly toxic; without everyday text beside them a model takes every feeling for toxic.
    """
    corpus = _situations(folder, sets="*")
    hostile = {"anger", "contempt", "disgust", "furious", "hate", "malice", "outrage"}
    rows = [i for i, k in enumerate(corpus.targets.argmax(1)) if corpus.columns[k] not in hostile]
    texts = [corpus.texts[i] for i in rows]
    zeros = np.zeros((len(rows), 1), np.float32)
    return Corpus("composed_harmless", texts, ("toxicity",), zeros, corpus.split[rows], "measure")


def _composed_posts(folder: Path) -> Corpus:
    """Posts composed for this project with one to three feelings each."""
    rows = _table(folder / "situations/posts.tsv", "\t")
    present = [[label.strip() for label in r["labels"].split(",")] for r in rows]
    columns = tuple(sorted({label for labels in present for label in labels}))
    targets = np.array([[label in labels for label in columns] for labels in present], np.float32)
    return Corpus("composed_posts", [r["text"] for r in rows], columns, targets, _fixed_split(len(rows)), "presence")


def _composed_headlines(folder: Path) -> Corpus:
    """Headlines composed for this project; the strengths of six feelings (0 to 100) become shares."""
    rows = _table(folder / "situations/headlines.tsv", "\t")
    columns = ("anger", "disgust", "fear", "joy", "sadness", "surprise", "neutral")
    strength = np.array([[float(r[c]) for c in columns[:-1]] for r in rows], np.float32)
    quiet = np.clip(50 - strength.max(1, keepdims=True), 5, None)
    targets = np.concatenate([strength, quiet], 1)
    targets /= targets.sum(1, keepdims=True)
    return Corpus(
        "composed_headlines", [r["text"] for r in rows], columns, targets, _fixed_split(len(rows)), "distribution"
    )


CORPORA: dict[str, Callable[[Path], Corpus]] = {
    "goemotions": _goemotions,
    "emobank": _emobank,
    "crowdflower": _crowdflower,
    "toxicity": _toxicity,
    "vader_ratings": _vader_ratings,
    "situations": _situations,
    "situations_all": functools.partial(_situations, name="situations_all", sets="*"),
    "composed_harmless": _composed_harmless,
    "composed_presence": _composed_presence,
    "composed_posts": _composed_posts,
    "composed_headlines": _composed_headlines,
}

COMPOSED = frozenset(
    {"situations", "situations_all", "composed_harmless", "composed_presence", "composed_posts", "composed_headlines"}
)
"""Corpora that come with the recipes rather than from a data folder."""
