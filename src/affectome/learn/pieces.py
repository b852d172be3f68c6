"""Further texts put together from parts of others, for a teacher to read."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

_BETWEEN_PARTS = re.compile(r"(?<=[.!?,;:])\s+|\s+(?=(?:but|and|because|so|though|when|if)\s)")
_PART_WORDS = (2, 25)
_CROP, _JOIN = 0.35, 0.7  # up to which draw a text is cropped, and up to which parts are joined
_ALONE = 0.3
_LEFT_OUT = (0.1, 0.35)


def make_pieces(texts: Sequence[str], count: int, seed: int) -> list[str]:
    """New texts: stretches of a text, parts of two texts behind each other, and texts with words left out.

    Args:
        texts: Texts to take from.
        count: How many; fewer where there are not so many different ones.
        seed: Decides what is drawn.

    Returns:
        Texts that differ from each other and from those given.
    """
    rng = np.random.default_rng(seed)
    parts = [part for text in texts for part in _BETWEEN_PARTS.split(text) if _fits(part)]
    known, made = set(texts), list[str]()
    for _ in range(10 * count):
        if len(made) == count or not texts:
            break
        piece = _piece(texts[int(rng.integers(len(texts)))], parts, rng).strip()
        if piece and piece not in known:
            known.add(piece)
            made.append(piece)
    return made


def _fits(part: str) -> bool:
    return _PART_WORDS[0] <= len(part.split()) <= _PART_WORDS[1]


def _piece(text: str, parts: Sequence[str], rng: np.random.Generator) -> str:
    draw = rng.random()
    own = _BETWEEN_PARTS.split(text)
    if draw < _CROP and len(own) > 1:
        start = int(rng.integers(len(own)))
        return " ".join(own[start : int(rng.integers(start, len(own))) + 1])
    if _CROP <= draw < _JOIN and parts:
        first, second = (parts[int(rng.integers(len(parts)))] for _ in range(2))
        return first if rng.random() < _ALONE else f"{first} {second}"
    words = text.split()
    kept = rng.random(len(words)) > rng.uniform(*_LEFT_OUT)
    return " ".join(word for word, keep in zip(words, kept, strict=True) if keep)
