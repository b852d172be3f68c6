"""Asking a model the questions of a benchmark, and what its answers are worth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from affectome.evaluate import Interval, bootstrap
from affectome.language.chat import Ask, ChatModel
from affectome.language.emotional_intelligence import Shown

_RESAMPLES = 1000


class Question(Protocol):
    """A question of a benchmark with some options, such as an `affectome.language.emotional_intelligence.Item`."""

    @property
    def id(self) -> str:
        """Identifier in its benchmark."""
        ...

    @property
    def layer(self) -> str:
        """What it asks for."""
        ...

    @property
    def dialogue(self) -> str:
        """What it is about; questions about the same thing are resampled together."""
        ...

    @property
    def options(self) -> Sequence[str]:
        """The answers to choose from."""
        ...

    @property
    def gold(self) -> int:
        """Position of the right one."""
        ...

    def ask(self, shown: Shown = "all") -> Ask:
        """The request, with as many choices as options and in their order."""
        ...


Q = TypeVar("Q", bound=Question)


class Answer(NamedTuple, Generic[Q]):
    """What a model chose.

    Attributes:
        item: The question.
        choice: Position of the option, -1 where the answer could not be read.
        failure: Why not.
    """

    item: Q
    choice: int
    failure: str


@dataclass(frozen=True)
class LayerScore:
    """How many answers are right.

    Attributes:
        layer: Which questions, ``all`` of them together.
        items: Answers that could be read.
        unread: Answers that could not, which count for nothing else.
        accuracy: Share of right ones among those that could be read, resampled by dialogue; None without any.
    """

    layer: str
    items: int
    unread: int
    accuracy: Interval | None


def ask_all(
    model: ChatModel,
    items: Sequence[Q],
    *,
    shown: Shown = "all",
    report: Callable[[int], None] | None = None,
) -> list[Answer[Q]]:
    """Ask every question once.

    Args:
        model: Who answers; wrapped in a `RememberingModel` the run can be killed and goes on.
        items: The questions.
        shown: How much of the dialogues is shown.
        report: Called with the number of answers so far.

    Raises:
        ModelError: The model cannot answer at all.
    """
    answers = []
    for count, item in enumerate(items, start=1):
        ask = item.ask(shown)
        reply = model.answer(ask)
        choice = ask.choices.index(reply.choice) if reply.choice else -1
        answers.append(Answer(item, choice, reply.failure))
        if report is not None:
            report(count)
    return answers


def score_layers(answers: Sequence[Answer[Q]], *, seed: int = 0) -> list[LayerScore]:
    """Scores of all questions together and of each layer, in the order in which they come."""
    layers = list(dict.fromkeys(answer.item.layer for answer in answers))
    return [
        _score(name, [answer for answer in answers if name in ("all", answer.item.layer)], seed)
        for name in ("all", *layers)
    ]


def _score(name: str, answers: Sequence[Answer[Q]], seed: int) -> LayerScore:
    read = [answer for answer in answers if answer.choice >= 0]
    accuracy = None
    if read:
        accuracy = bootstrap(
            _share_right,
            seed=seed,
            resamples=_RESAMPLES,
            groups=np.array([answer.item.dialogue for answer in read]),
            truth=np.array([answer.item.gold for answer in read]),
            prediction=np.array([answer.choice for answer in read]),
        )
    return LayerScore(name, len(read), len(answers) - len(read), accuracy)


def _share_right(*, truth: NDArray[np.int64], prediction: NDArray[np.int64]) -> float:
    return float((truth == prediction).mean())


def choose_always(items: Sequence[Q], letter: int = 0) -> list[Answer[Q]]:
    """The answers of somebody who always takes the same letter."""
    return [Answer(item, letter, "") for item in items]


def choose_at_random(items: Sequence[Q], *, seed: int = 0) -> list[Answer[Q]]:
    """The answers of somebody who does not read the questions."""
    chosen = np.random.default_rng(seed).integers(0, [len(item.options) for item in items])
    return [Answer(item, int(choice), "") for item, choice in zip(items, chosen, strict=True)]
