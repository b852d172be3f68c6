"""FER+ faces: pictures, the votes of ten people, the older single labels, and which pictures are the same.

Pictures are read with the ``face`` extra.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from affectome.affect import load_taxonomy
from affectome.errors import InputError, MissingExtraError

Array = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]

VOTES, CLASSES = "ferplus8", "fer7"
"""Taxonomies of the votes and of the single labels."""
SIDE = 48
"""Pixels on each side of a picture."""

_NO_EMOTION = ("unknown", "NF")  # what people could vote for beside the emotions: I do not know, this is no face
_SPLITS = {"train": "train", "valid": "dev", "test": "test"}
_CELLS = 16
_SAME = 0.95  # correlation of two pictures of 16 x 16 cells, looked at pair by pair: above it they are one photograph


@dataclass(frozen=True, eq=False)
class FaceCorpus:
    """Grey pictures of faces with labels.

    Attributes:
        names: n names.
        pictures: ``(n, 48, 48)`` grey values.
        votes: ``(n, 8)`` share of each emotion in the votes for emotions.
        classes: ``(n,)`` positions in ``fer7``.
        split: n strings, ``train``, ``dev`` or ``test``.
    """

    names: NDArray[np.str_]
    pictures: Bytes
    votes: Array
    classes: Ints
    split: NDArray[np.str_]

    def at(self, rows: Ints) -> FaceCorpus:
        """The pictures at some rows."""
        return replace(
            self,
            names=self.names[rows],
            pictures=self.pictures[rows],
            votes=self.votes[rows],
            classes=self.classes[rows],
            split=self.split[rows],
        )

    def part(self, *splits: str) -> FaceCorpus:
        """The pictures of some splits."""
        return self.at(np.flatnonzero(np.isin(self.split, splits)))

    @property
    def majority(self) -> Ints:
        """The emotion (n,) with the most votes; of several the first."""
        return np.asarray(self.votes.argmax(axis=1), np.int64)


def load_faces(data: Path, *, judged: bool = True) -> FaceCorpus:
    """Read FER+ (Barsoum et al. 2016, arXiv:1608.01041) and take out training pictures that occur in another split.

    Args:
        data: Folder with ``fer2013plus/images.parquet`` and ``labels.csv``.
        judged: Leave out pictures that most people called no face, or could not name a feeling of, as the authors do.

    Raises:
        InputError: A file is missing or has no such columns, or a picture is not 48 x 48 pixels.
        MissingExtraError: The ``face`` extra is not installed.
    """
    folder = data / "fer2013plus"
    emotions = load_taxonomy(VOTES).labels
    position = {label: k for k, label in enumerate(load_taxonomy(CLASSES).labels)}
    try:
        images = pl.read_parquet(folder / "images.parquet", columns=["image", "webp", "split", "fer2013_label"])
        labels = pl.read_csv(folder / "labels.csv", columns=["image", *emotions, *_NO_EMOTION])
        table = images.join(labels, on="image", how="inner", maintain_order="left")
        votes = table.select(*emotions, *_NO_EMOTION).to_numpy().astype(np.float32)
        kept = votes[:, : len(emotions)].sum(axis=1) > 0
        if judged:
            kept &= votes.argmax(axis=1) < len(emotions)
        corpus = FaceCorpus(
            names=table["image"].to_numpy().astype(np.str_),
            pictures=_decoded(table["webp"]),
            votes=votes[:, : len(emotions)] / np.maximum(votes[:, : len(emotions)].sum(axis=1, keepdims=True), 1),
            classes=np.array([position[label] for label in table["fer2013_label"]], np.int64),
            split=np.array([_SPLITS[split] for split in table["split"]]),
        )
    except (OSError, KeyError, ValueError, pl.exceptions.PolarsError) as reason:
        raise InputError(
            f"The faces of FER+ cannot be read: {reason}.",
            code="bad_corpus",
            value=folder,
            next_step="Give the folder that holds the corpora.",
        ) from reason
    return without_repeats(corpus.at(np.flatnonzero(kept)))


def without_repeats(corpus: FaceCorpus) -> FaceCorpus:
    """The corpus without training pictures that are also in another split, and without development ones also in test.

    Two pictures are the same if they, or one and the mirror image of the other, correlate by 0.95 and more at 16 x 16
    cells: the same photograph cut, scaled or stored in another way.
    """
    cells = _cells(corpus.pictures)
    mirrored = _cells(corpus.pictures[:, :, ::-1])
    kept = np.ones(len(cells), np.bool_)
    for split, others in (("train", ("dev", "test")), ("dev", ("test",))):
        rows, held = np.flatnonzero(corpus.split == split), np.isin(corpus.split, others)
        if held.any():
            for part in np.array_split(rows, max(1, len(rows) // 2048)):
                nearest = np.maximum((cells[part] @ cells[held].T).max(1), (cells[part] @ mirrored[held].T).max(1))
                kept[part] = nearest < _SAME
    return corpus.at(np.flatnonzero(kept))


def _cells(pictures: Bytes) -> Array:
    """Pictures as unit vectors (n, 256) of what their cells have beyond the mean."""
    size = SIDE // _CELLS
    means = pictures.reshape(len(pictures), _CELLS, size, _CELLS, size).mean(axis=(2, 4), dtype=np.float32)
    flat = means.reshape(len(pictures), -1)
    flat -= flat.mean(axis=1, keepdims=True)
    return np.asarray(flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6), np.float32)


def _decoded(content: pl.Series) -> Bytes:
    pillow = _pillow()
    pictures = np.zeros((len(content), SIDE, SIDE), np.uint8)
    for i, each in enumerate(content):
        with pillow.open(io.BytesIO(each)) as picture:
            pictures[i] = np.asarray(picture.convert("L"))
    return pictures


def _pillow() -> Any:  # noqa: ANN401 - a module that may be missing
    try:
        from PIL import Image
    except ModuleNotFoundError:
        raise MissingExtraError.for_extra("face", "pillow") from None
    return Image
