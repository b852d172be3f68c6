"""The read-out of toxicity that a text bundle carries beside its model.

Corpora of rated toxicity hold hardly any everyday writing, and a network trained on them takes nearly everything for
half toxic. The linear read-out here learns from the same ratings together with texts that can be taken as harmless.

Needs the ``train`` extra.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from affectome.learn.corpora import Corpus
from affectome.learn.heads import fit_head

if TYPE_CHECKING:
    from affectome.perceive.encoder import TextEncoder

HOSTILE = frozenset({"anger", "annoyance", "contempt", "disapproval", "disgust", "embarrassment", "hate"})
"""Labels with which a comment is not taken as harmless."""
_HARMLESS_SHARE = 0.5  # weight of all harmless texts together, against 1 of all rated ones
_STRENGTH = 3e-3


def harmless_texts(labelled: Corpus) -> list[str]:
    """Texts without any of the labels of `HOSTILE`, which are taken as free of toxicity though nobody was asked."""
    hostile = [k for k, label in enumerate(labelled.columns) if label in HOSTILE]
    return [labelled.texts[i] for i in np.flatnonzero(~(labelled.targets[:, hostile] > 0).any(axis=1))]


def fit_toxicity(encoder: TextEncoder, rated: Sequence[Corpus], harmless: Sequence[str]) -> dict[str, object]:
    """Fit the read-out on training rows: the share of raters who find a text toxic, from `Encoded.features`.

    Args:
        encoder: The encoder as the bundle runs it.
        rated: Corpora of shares in [0, 1], with one column; one of zeros alone is harmless too.
        harmless: Texts whose share is taken as 0.

    Returns:
        ``weights``, one a feature, and ``bias``: the logit of the share is linear in the features.

    Raises:
        RunError: The optimum was not reached.
    """
    parts = [corpus.part("train") for corpus in rated]
    shares = np.concatenate([part.targets[:, 0] for part in parts] + [np.zeros(len(harmless), np.float32)])
    texts = [text for part in parts for text in part.texts] + list(harmless)
    asked = np.array([bool(part.targets.any()) for part in parts for _ in part.texts] + [False] * len(harmless))
    weights = np.where(asked, 1.0, _HARMLESS_SHARE * asked.sum() / max((~asked).sum(), 1))
    features = encoder.encode(texts).features()
    head = fit_head(features, shares[:, None], kind="presence", strength=_STRENGTH, weights=weights)
    matrix = head.matrix[:, 0].astype(np.float64) / head.scale
    bias = float(head.bias[0] - head.mean @ matrix)
    return {"weights": [round(float(value), 6) for value in matrix], "bias": round(bias, 6)}
