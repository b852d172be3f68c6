"""Texts to vectors and measures with a bundle's ONNX model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from affectome.perceive.cleaning import clean

if TYPE_CHECKING:
    import onnxruntime
    import tokenizers

Array = NDArray[np.float32]

WINDOW = 96  # tokens read at once; longer texts are read in several windows
_BATCH_TOKENS = 512  # 10 % more texts a second than 2,048 on one core: larger batches leave the processor's cache


class Encoded(NamedTuple):
    """What the model gives for n texts.

    Attributes:
        vectors: Unit vectors in the affect space (n, width).
        labels: Logits of the bundle's own labels (n, labels).
        means: Valence, arousal, dominance, sentiment in [-1, 1], toxicity in [0, 1]: (n, 5).
        spreads: Standard deviations of valence, arousal, dominance (n, 3).
    """

    vectors: Array
    labels: Array
    means: Array
    spreads: Array

    def features(self) -> Array:
        """Everything side by side (n, d) for a linear head: vectors, labels / 4, means, spreads.

        Logits are divided so that no column is much larger than the others.
        """
        return np.hstack([self.vectors, self.labels / 4, self.means, self.spreads])


class TextEncoder:
    """Runs a text model over any number of texts of any length.

    Texts are read in order of their length, so that hardly anything is padded. A text longer than a window is read
    window by window and averaged, weighted by the windows' lengths. The scores of a text do not depend on the texts
    around it.

    Args:
        session: The model, with the inputs ``input_ids`` and ``attention_mask`` and four outputs as in `Encoded`.
        tokenizer: Its tokenizer.
    """

    def __init__(self, session: onnxruntime.InferenceSession, tokenizer: tokenizers.Tokenizer) -> None:
        self._session = session
        self.tokenizer = tokenizer
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()

    def encode(self, texts: Sequence[str]) -> Encoded:
        """Encode n texts, none of them blank after cleaning."""
        windows, owners = self._windows(texts)
        lengths = np.array([len(window) for window in windows], np.float32)
        order = np.argsort(lengths, kind="stable")
        outputs: list[list[Array]] = []
        for batch in _batches(order, lengths):
            ids, mask = _pad([windows[i] for i in batch])
            outputs.append(self._session.run(None, {"input_ids": ids, "attention_mask": mask}))
        if not outputs:
            ids, mask = np.zeros((1, 2), np.int64), np.ones((1, 2), np.int64)
            empty = self._session.run(None, {"input_ids": ids, "attention_mask": mask})
            return Encoded(*(array[:0] for array in empty))
        back = np.argsort(order, kind="stable")
        vectors, labels, means, spreads = (np.concatenate(arrays)[back] for arrays in zip(*outputs, strict=True))
        if len(windows) == len(texts):
            return Encoded(vectors, labels, means, spreads)
        starts = np.flatnonzero(np.diff(owners, prepend=-1))
        share = (lengths / np.add.reduceat(lengths, starts)[owners])[:, None]
        joined = np.add.reduceat(vectors * share, starts)
        joined /= np.maximum(np.linalg.norm(joined, axis=1, keepdims=True), 1e-12)
        return Encoded(
            joined,
            np.add.reduceat(labels * share, starts),
            np.add.reduceat(means * share, starts),
            np.sqrt(np.add.reduceat(spreads**2 * share, starts)),
        )

    def vectors(self, texts: Sequence[str]) -> Array:
        """Unit vectors (n, width) alone."""
        return self.encode(texts).vectors

    def _windows(self, texts: Sequence[str]) -> tuple[list[list[int]], NDArray[np.int64]]:
        """Token ids of all windows and the text each belongs to."""
        windows: list[list[int]] = []
        owners: list[int] = []
        for i, encoding in enumerate(self.tokenizer.encode_batch([clean(text) for text in texts])):
            ids = encoding.ids
            if len(ids) <= WINDOW:
                windows.append(ids)
                owners.append(i)
                continue
            first, last, body = ids[0], ids[-1], ids[1:-1]
            parts = -(-len(body) // (WINDOW - 2))
            for part in np.array_split(np.array(body), parts):
                windows.append([first, *part.tolist(), last])
                owners.append(i)
        return windows, np.array(owners, np.int64)


def _batches(order: NDArray[np.int64], lengths: Array) -> Iterable[NDArray[np.int64]]:
    """Cut windows sorted by length into batches of a bounded number of tokens."""
    start = 0
    while start < len(order):
        size = 1
        while start + size < len(order) and (size + 1) * lengths[order[start + size]] <= _BATCH_TOKENS:
            size += 1
        yield order[start : start + size]
        start += size


def _pad(rows: Sequence[Sequence[int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    ids = np.zeros((len(rows), max(map(len, rows))), np.int64)
    mask = np.zeros_like(ids)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = row
        mask[i, : len(row)] = 1
    return ids, mask
