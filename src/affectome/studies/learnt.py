"""Whether texts are among those that the package's reader was trained on."""

from __future__ import annotations

import re
from collections.abc import Sequence

from affectome.learn import load_corpus
from affectome.studies.headlines import letters
from affectome.studies.study import Context

FOLDERS = (
    *("crowdflower_text_emotion", "davidson_hate_offensive", "emobank", "goemotions", "toxic_spans"),
    "vader",
)
"""Folders of the published corpora that the reader was trained on; the rest of its training was composed for it."""

_CORPORA = ("crowdflower", "emobank", "goemotions", "toxicity", "vader_ratings")
_PLACES = re.compile(r"@\w+|https?://\S+|\[NAME\]")


def note_learnt(context: Context, texts: Sequence[str], what: str) -> str:
    """How many texts the reader has seen in its training, as a sentence for the notes of a study.

    Texts are compared by their letters and digits, without names of users and links, whatever their case. Parts that
    were kept from the reader's training and its choices do not count.

    Args:
        context: What the study runs with; the folders become part of its data.
        texts: Texts to be predicted.
        what: What they are, in the plural.
    """
    for folder in FOLDERS:
        context.folder(folder)
    seen = set()
    for name in _CORPORA:
        corpus = load_corpus(name, context.data)
        pairs = zip(corpus.texts, corpus.split, strict=True)
        seen |= {_plain(text) for text, part in pairs if part != "test"}
    seen.discard("")
    found = sum(_plain(text) in seen for text in texts)
    return f"Of the {len(texts):,} {what}, {found} occur in the corpora that the package's reader was trained on."


def _plain(text: str) -> str:
    return letters(_PLACES.sub("", text))
