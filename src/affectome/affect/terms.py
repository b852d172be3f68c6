"""Emotion terms as Gaussians that come with the package."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from affectome.affect.gaussians import EmotionGaussians

_TABLE = Path(__file__).with_name("data") / "terms_vad.csv"


@cache
def load_term_gaussians() -> EmotionGaussians:
    """A hundred emotion terms in valence, arousal and dominance, each in [-1, 1].

    Our own estimate: the shipped text reader's reading of the situations composed for each term. Its scale is that of
    EmoBank's raters, who seldom use the ends, so the terms lie closer to the middle than in norms of single words.
    `recipes/term_statistics.py` writes the table.
    """
    return EmotionGaussians.from_table(_TABLE)
