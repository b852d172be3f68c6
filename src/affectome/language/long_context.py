"""Feelings that lie buried in long texts: cut, find, annotate and answer; and the one text that differs from the rest.

After LongEmotion (arXiv 2509.07403): its retrieval with notes on feelings, its scores, and its overall figure.
"""

from __future__ import annotations

import re
import string
import tomllib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from affectome.errors import UsageError
from affectome.language.chat import Ask, ChatModel, Message, Reply

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
"""Unit vectors ``(n, d)`` of n texts."""

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_PARTS = ("classification", "detection", "answers", "expression", "summary", "conversation")
_OF_FIVE = ("summary", "conversation")


class Evidence(NamedTuple):
    """A passage that was kept.

    Attributes:
        position: Its number among the passages of the text.
        chunk: The passage.
        note: What the helper said of the feelings in it.
    """

    position: int
    chunk: str
    note: str


class LongAnswer(NamedTuple):
    """An answer and what it rests on.

    Attributes:
        reply: What the answering model said.
        evidence: What it was shown beside the text, in the order of the text.
        found: Positions that the first search kept, in the order of the text.
    """

    reply: Reply
    evidence: tuple[Evidence, ...]
    found: tuple[int, ...]


def cut_chunks(text: str, *, words: int = 128, overlap: int = 50) -> list[str]:
    """Passages of a number of words that begin in each other.

    Args:
        text: Any text.
        words: Words of a passage, 1 or more.
        overlap: Words that a passage shares with the one before, fewer than it has.

    Raises:
        UsageError: ``bad_chunks`` if a number is out of range.
    """
    if not 0 <= overlap < words:
        raise UsageError(
            "Passages have to be longer than what they share.",
            code="bad_chunks",
            value=(words, overlap),
            allowed=("0 <= overlap < words",),
        )
    said = text.split()
    last = max(0, len(said) - overlap)
    return [" ".join(said[k : k + words]) for k in range(0, max(1, last), words - overlap)] if said else []


def find_chunks(question: str, chunks: Sequence[str], embed: Embed, *, most: int) -> list[int]:
    """Positions of the passages nearest to a question, in the order of the text.

    Args:
        question: What is looked for.
        chunks: Passages.
        embed: Gives the vectors of texts.
        most: How many are kept.
    """
    if not chunks:
        return []
    vectors = embed([question, *chunks])
    nearness = vectors[1:] @ vectors[0]
    return sorted(np.argsort(-nearness, kind="stable")[:most].tolist())


def answer_with_evidence(
    question: str,
    text: str,
    *,
    embed: Embed,
    helper: ChatModel,
    model: ChatModel,
    chunks: Sequence[str] | None = None,
    first: int = 8,
    kept: int = 4,
) -> LongAnswer:
    """Answer a question about a long text: find passages, note the feelings in them, rank again, and answer.

    The answering model sees the whole text and what was kept of it; cutting a text that is too long for it is for the
    caller to decide. Helper and model are asked ``min(first, passages) + 1`` times together. The helper should not be
    the model that judges the answers afterwards.

    Args:
        question: What is asked.
        text: The long text.
        embed: Gives the vectors of texts.
        helper: Who writes the notes.
        model: Who answers.
        chunks: Passages, if they are not to be cut by length.
        first: Passages that get a note.
        kept: Passages that are shown with it.

    Raises:
        ModelError: A model cannot answer.
        UsageError: ``bad_chunks`` if more are to be kept than found.
    """
    if not 0 < kept <= first:
        raise UsageError(
            "No more passages can be kept than are found.",
            code="bad_chunks",
            value=(first, kept),
            allowed=("0 < kept <= first",),
        )
    passages = cut_chunks(text) if chunks is None else list(chunks)
    found = find_chunks(question, passages, embed, most=first)
    notes = [_say(helper, _texts()["note"].format(chunk=passages[k], question=question)).text.strip() for k in found]
    packs = [f"{passages[k]}\n{note}" for k, note in zip(found, notes, strict=True)]
    again = find_chunks(question, packs, embed, most=kept)
    evidence = tuple(Evidence(found[k], passages[found[k]], notes[k]) for k in again)
    shown = "\n\n".join(f"{number}. {each.chunk}\nNote: {each.note}" for number, each in enumerate(evidence, start=1))
    reply = _say(model, _texts()["answer"].format(text=text, evidence=shown or "none", question=question))
    return LongAnswer(reply, evidence, tuple(found))


def odd_one_out(places: NDArray[np.floating]) -> int:
    """The one of n texts that differs from the rest: the farthest from their median, summed over the axes.

    Args:
        places: ``(n, d)``, such as valence, arousal and dominance; n is 1 or more.
    """
    return int(np.abs(places - np.median(places, axis=0)).sum(axis=1).argmax())


def answer_f1(truth: str, said: str) -> float:
    """Overlap of the words of two answers in [0, 1]: without case, punctuation and articles (SQuAD's F1)."""
    one, other = (_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split() for text in (truth, said))
    if not one or not other:
        return float(one == other)
    shared = sum((Counter(one) & Counter(other)).values())
    return 2 * shared / (len(one) + len(other))


def overall_score(parts: Mapping[str, float]) -> float:
    """LongEmotion's overall figure: the mean of six, of which those in [0, 5] count twenty times.

    Args:
        parts: ``classification`` (the mean of its two halves), ``detection``, ``answers``, ``expression`` in [0, 100],
            ``summary`` and ``conversation`` (its fourth stage) in [0, 5].

    Raises:
        UsageError: ``missing_part`` if one is not there.
    """
    missing = [name for name in _PARTS if name not in parts]
    if missing:
        raise UsageError("A part of the overall figure is missing.", code="missing_part", value=missing, allowed=_PARTS)
    return sum(parts[name] * (20 if name in _OF_FIVE else 1) for name in _PARTS) / len(_PARTS)


def _say(model: ChatModel, content: str) -> Reply:
    return model.answer(Ask((Message("user", content),)))


@cache
def _texts() -> dict[str, str]:
    path = files("affectome.language").joinpath("data/long_context.toml")
    texts: dict[str, str] = tomllib.loads(path.read_text(encoding="utf-8"))
    return texts
