"""Is a steered reply in the wanted tone, and is it still a reply? A reader that never saw it, and a fluency guard."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affectome.errors import UsageError
from affectome.language.in_process import InProcessModel
from affectome.language.inside.replies import ReadPrompts
from affectome.language.inside.scenarios import EMOTIONS, Situation, plain_prompt
from affectome.perceive import TextReader

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Judged:
    """What is found of n replies in one wanted emotion.

    Attributes:
        replies: The replies.
        read: ``(n,)`` label that the reader finds strongest, empty where it abstains.
        probabilities: ``(n, 6)`` of the `EMOTIONS` by the reader, 0 where it abstains.
        log_probabilities: ``(n,)`` nats of each reply after its plain prompt, by the unsteered model.
        tokens: ``(n,)`` tokens of each.
        relevant: ``(n,)`` whether the unsteered model finds the reply more probable after its own situation than after
            one of another theme; a reply that fits everything is so in half of the cases.
    """

    replies: tuple[str, ...]
    read: tuple[str, ...]
    probabilities: Floats
    log_probabilities: Floats
    tokens: NDArray[np.int64]
    relevant: NDArray[np.bool_]

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> Judged:
        """What `as_dict` gave."""
        return cls(
            tuple(content["replies"]),
            tuple(content["read"]),
            np.array(content["probabilities"], np.float64),
            np.array(content["log_probabilities"], np.float64),
            np.array(content["tokens"], np.int64),
            np.array(content["relevant"], np.bool_),
        )

    def as_dict(self) -> dict[str, list[Any]]:
        """All of it in plain JSON types."""
        return {
            "replies": list(self.replies),
            "read": list(self.read),
            "probabilities": self.probabilities.tolist(),
            "log_probabilities": self.log_probabilities.tolist(),
            "tokens": self.tokens.tolist(),
            "relevant": self.relevant.tolist(),
        }

    def hits(self, emotion: str) -> Floats:
        """``(n,)`` 1 where the emotion is read, else 0."""
        return np.array([float(label == emotion) for label in self.read])

    @property
    def perplexity(self) -> float:
        """Perplexity of all tokens of the replies; NaN without a token."""
        total = self.tokens.sum()
        return float(np.exp(-self.log_probabilities.sum() / total)) if total else float("nan")

    @property
    def distinct_2(self) -> float:
        """Different pairs of neighbouring words among all pairs of the replies, in [0, 1] (Li et al. 2016).

        The same reply to everything is near 0; NaN without a pair.
        """
        pairs = [pair for reply in self.replies for pair in itertools.pairwise(reply.lower().split())]
        return len(set(pairs)) / len(pairs) if pairs else float("nan")


class ReplyJudge:
    """Judges replies to situations.

    Args:
        language_model: The model that wrote them, which must not be steered while it judges.
        reader: A reader of text that reads the six `EMOTIONS` and neutral, which exclude each other.
        situations: n situations of two themes or more.

    Attributes:
        situations: The situations.
        prompts: Their plain prompts.

    Raises:
        UsageError: ``unfit_reader`` if the reader does not know the emotions, ``one_theme`` if all situations are of
            one theme.
    """

    def __init__(self, language_model: InProcessModel, reader: TextReader, situations: Sequence[Situation]) -> None:
        if not set(EMOTIONS) <= set(reader.labels) or not reader.exclusive:
            raise UsageError(
                "The judge needs a reader of the six emotions that exclude each other.",
                code="unfit_reader",
                value=reader.taxonomy,
                next_step='Open the reader with the taxonomy "ekman7".',
            )
        self.language_model = language_model
        self.reader = reader
        self.situations = situations
        prompts = [plain_prompt(each) for each in situations]
        others = other_themes(situations)
        self.prompts = ReadPrompts(language_model, prompts)
        self._elsewhere = ReadPrompts(language_model, [prompts[k] for k in others])

    def judge(self, replies: Sequence[str]) -> Judged:
        """Judge a reply to each situation."""
        found, tokens = self.prompts.score(replies)
        elsewhere, _ = self._elsewhere.score(replies)
        return Judged(tuple(replies), *self.read(replies), found, tokens, found > elsewhere)

    def read(self, replies: Sequence[str]) -> tuple[tuple[str, ...], Floats]:
        """The strongest label of each reply and the probabilities of the emotions.

        Replies that are not English or too short to be read have an empty label and probabilities of 0.
        """
        rows = [k for k, reply in enumerate(replies) if self.reader.admit(reply)[0] == "scored"]
        found, probabilities = [""] * len(replies), np.zeros((len(replies), len(EMOTIONS)))
        if rows:
            read = self.reader.probabilities([replies[k] for k in rows])
            probabilities[rows] = read[:, [self.reader.labels.index(emotion) for emotion in EMOTIONS]]
            for row, best in zip(rows, read.argmax(axis=1), strict=True):
                found[row] = self.reader.labels[best]
        return tuple(found), probabilities


def other_themes(situations: Sequence[Situation]) -> list[int]:
    """For each situation the number of one of another theme, half a round further in the list.

    Raises:
        UsageError: ``one_theme`` if there is none.
    """
    n = len(situations)
    if len({each.theme for each in situations}) < 2:
        raise UsageError("Relevance needs situations of two themes or more.", code="one_theme", value=n)
    return [
        next(
            (k + n // 2 + step) % n
            for step in range(n)
            if situations[(k + n // 2 + step) % n].theme != situations[k].theme
        )
        for k in range(n)
    ]
