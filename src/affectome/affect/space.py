"""The affect space: one set of unit vectors for texts, voices, faces and words for feelings.

An encoder places an observation on the unit sphere. A word for a feeling is placed by encoding the word, its synonyms
and its gloss: its *anchor*. What an observation shows is then read from its position relative to the anchors, so any
list of words is a vocabulary and needs no training.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from affectome.errors import UsageError

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Anchors:
    """Words for feelings as points in the space.

    Attributes:
        labels: k labels.
        vectors: Array (k, width) of unit vectors.
    """

    labels: tuple[str, ...]
    vectors: Vectors


class AffectSpace:
    """Reads labels from positions.

    Args:
        encode: Function from n texts to unit vectors (n, width).
        background: Mean vector (width,) of many ordinary observations. Some words are near to everything; an anchor
            counts only for how much nearer it is than to this mean.
        sharpness: Factor on the similarity in the softmax of labels that exclude each other.
        presence: Slope and intercept of the logit of a label's presence over its similarity.
    """

    def __init__(
        self,
        encode: Callable[[Sequence[str]], Vectors],
        background: Vectors,
        *,
        sharpness: float,
        presence: tuple[float, float],
    ) -> None:
        self._encode = encode
        self._background = background
        self._sharpness = sharpness
        self._slope, self._intercept = presence

    def anchors(self, forms: Mapping[str, Sequence[str]]) -> Anchors:
        """Place labels in the space.

        Args:
            forms: For each label the texts that stand for it: the label, then synonyms, a gloss. The label counts as
                much as all the others together, so that narrow words keep what sets them apart.

        Raises:
            UsageError: There is no label, or a label has no form.
        """
        if not forms or not all(texts and all(text.strip() for text in texts) for texts in forms.values()):
            raise UsageError(
                "A vocabulary needs at least one label, and each label at least one word.",
                code="empty_vocabulary",
                value=list(forms),
            )
        texts = [text for label_forms in forms.values() for text in label_forms]
        vectors = self._encode(texts)
        ends = np.cumsum([len(label_forms) for label_forms in forms.values()])
        parts = np.split(vectors, ends[:-1])
        means = np.stack([(part[0] + part[1:].mean(axis=0)) if len(part) > 1 else part[0] for part in parts])
        return Anchors(tuple(forms), unit(means))

    def similarity(self, vectors: Vectors, anchors: Anchors) -> Vectors:
        """How much nearer than usual each observation (n, width) is to each anchor: differences of cosines (n, k)."""
        return ((vectors - self._background) @ anchors.vectors.T).astype(np.float32)

    def choose(self, vectors: Vectors, anchors: Anchors) -> Vectors:
        """Probabilities (n, k) of labels that exclude each other; every row sums to 1."""
        return softmax(self._sharpness * self.similarity(vectors, anchors))

    def presence(self, vectors: Vectors, anchors: Anchors) -> Vectors:
        """Probability (n, k) that each label is present, each for itself."""
        return sigmoid(self._slope * self.similarity(vectors, anchors) + self._intercept)


def unit(vectors: Vectors) -> Vectors:
    """Rows scaled to length 1."""
    scaled: Vectors = (vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)).astype(np.float32)
    return scaled


def softmax(logits: Vectors) -> Vectors:
    """Softmax over the last axis."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shares: Vectors = (shifted / shifted.sum(axis=-1, keepdims=True)).astype(np.float32)
    return shares


def sigmoid(logits: Vectors) -> Vectors:
    """Logistic function, without overflow."""
    shares: Vectors = (0.5 * (1 + np.tanh(0.5 * logits))).astype(np.float32)
    return shares
