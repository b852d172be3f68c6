"""What the expressions of faces are in valence and arousal, and prototypes for them from sentences people rated."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from affectome.affect import EmotionGaussians, load_taxonomy, load_term_gaussians
from affectome.learn.corpora import load_corpus
from affectome.learn.face_corpus import VOTES
from affectome.learn.prototypes import PrototypeBank, Prototypes, label_shares

if TYPE_CHECKING:
    from affectome.perceive import TextReader

Array = NDArray[np.float32]

_OTHER_WORD = {"happiness": "joy"}  # the table of Gaussians has this word instead


def expression_gaussians() -> EmotionGaussians:
    """The Gaussian of each expression of ``ferplus8``, in its order."""
    terms = load_term_gaussians()
    labels = load_taxonomy(VOTES).labels
    rows = [terms.terms.index(_OTHER_WORD.get(label, label)) for label in labels]
    return EmotionGaussians(labels, terms.mean[rows], terms.sd[rows], terms.correlation[rows])


def rated_sentences(words: TextReader, data: Path) -> tuple[Array, Array]:
    """Training sentences of EmoBank as a text reader sees them, and how their readers rated them.

    No face and no label of a feeling takes part: the text reader stands in for a teacher that reads brain signals.

    Args:
        words: The text reader.
        data: Folder that holds ``emobank``.

    Returns:
        Features (n, space) and ratings (n, 2) of valence and arousal.

    Raises:
        InputError: The sentences cannot be read.
    """
    rated = load_corpus("emobank", data).part("train")
    return words.encoder.vectors(rated.texts), rated.targets[:, :2]


def expression_prototypes(bank: PrototypeBank) -> Prototypes:
    """What a trainer of faces needs of a bank."""
    return Prototypes(bank.vectors, label_shares(bank.centres, expression_gaussians()))
