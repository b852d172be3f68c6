"""EQ-Bench, first version: how strong four feelings of somebody in a dialogue are (arXiv 2312.06281).

The questions are a file of the authors, https://github.com/EQ-bench/EQ-Bench. Answers are read and scored as there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from affectome.evaluate import Interval, bootstrap_mean
from affectome.language.chat import Ask, ChatModel, Message, Reply
from affectome.language.published import published, read_text

Pass = Literal["first", "revised"]
PASSES: tuple[Pass, ...] = ("first", "revised")

_LENGTH = 800  # tokens: two times four marks with a critique in between
_FEELINGS = 4
_TOTAL = 10.0
_ENOUGH = 0.95  # as many revised answers have to be readable, beside the first ones
_MARKUP = str.maketrans("", "", "*#")
_FIRST = re.compile(r"First pass scores:(.*?)(?:Critique:|Revised scores:|$)", re.DOTALL)
_REVISED = re.compile(r"Revised scores:(.*)$", re.DOTALL)
_MARK = re.compile(r"(\w+):\s+(\d+)")


@dataclass(frozen=True)
class IntensityQuestion:
    """How strongly somebody feels four feelings at the end of a dialogue.

    Attributes:
        id: Its number in the file.
        dialogue: What the questions about the same dialogue share: who speaks first and what is said.
        prompt: The whole request.
        reference: Intensity of each feeling; they sum to 10.
    """

    id: str
    dialogue: str
    prompt: str
    reference: Mapping[str, float]

    def ask(self) -> Ask:
        """The request as the authors word it."""
        return Ask((Message("user", self.prompt.strip()),), max_tokens=_LENGTH)


class Marks(NamedTuple):
    """What an answer is worth, between -10 and 10, by whether it was thought over; None where it cannot be read.

    Attributes:
        first: The first pass.
        revised: After the critique.
    """

    first: float | None
    revised: float | None


@dataclass(frozen=True)
class PassScore:
    """The figure of the benchmark for one pass.

    Attributes:
        read: Answers that could be read.
        unread: Answers that could not, which count for nothing else.
        score: Between -100 and 100: 100 is the reference, and who does not know is near 0; resampled by dialogue. None
            if no answer can be read.
    """

    read: int
    unread: int
    score: Interval | None


def load_eq_bench(path: Path) -> list[IntensityQuestion]:
    """Questions of EQ-Bench.

    Args:
        path: The file ``eq_bench_v1_questions_60.json`` of the authors, which may be gzipped.

    Raises:
        InputError: ``missing_data_set`` or ``bad_corpus``.
    """
    with published(path, "EQ-Bench"):
        questions = [
            IntensityQuestion(str(number), _opening(entry["prompt"]), str(entry["prompt"]), _reference(entry))
            for number, entry in json.loads(read_text(path)).items()
        ]
        if not questions:
            raise ValueError("no question")
    return questions


def _reference(entry: Mapping[str, Mapping[str, str]]) -> dict[str, float]:
    answer = entry["reference_answer"]
    reference = {str(answer[f"emotion{k}"]): float(answer[f"emotion{k}_score"]) for k in range(1, _FEELINGS + 1)}
    if len(reference) < _FEELINGS or sum(reference.values()) != _TOTAL:
        raise ValueError(f"intensities {reference} that do not sum to {_TOTAL:g}")
    return reference


def _opening(prompt: str) -> str:
    """The first turn; what comes before it is the same in every request."""
    turns = [line for line in prompt.splitlines() if line.strip()]
    return turns[1]


def mark_answer(reference: Mapping[str, float], text: str) -> Marks:
    """What an answer is worth in its first and its revised pass.

    Intensities are divided so that they sum to 10, and their distances from the reference are taken from 10. A pass in
    which one of the four feelings has no number, or all have 0, cannot be read. Unlike the authors' programme this one
    reads a first pass that nothing follows, and does not mind lines about something else.

    Args:
        reference: Intensity of each feeling, as in `IntensityQuestion`.
        text: The answer.
    """
    plain = text.translate(_MARKUP)
    parts = (_FIRST.search(plain), _REVISED.search(plain))
    return Marks(*(part and mark_intensities(reference, _numbers(part.group(1))) for part in parts))


def mark_intensities(reference: Mapping[str, float], intensities: Mapping[str, float]) -> float | None:
    """What intensities are worth, between -10 and 10; None if one of the four is missing or all are 0.

    Args:
        reference: Intensity of each feeling; they sum to 10.
        intensities: Intensity, 0 or more, by feeling; upper and lower case do not matter.
    """
    found = {name.casefold(): intensity for name, intensity in intensities.items()}
    if any(name.casefold() not in found for name in reference):
        return None
    total = sum(found[name.casefold()] for name in reference)
    if total <= 0:
        return None
    return _TOTAL - sum(abs(found[name.casefold()] * _TOTAL / total - wanted) for name, wanted in reference.items())


def _numbers(text: str) -> dict[str, float]:
    return {name: float(number) for name, number in _MARK.findall(text)}


def ask_intensities(
    model: ChatModel, questions: Sequence[IntensityQuestion], *, report: Callable[[int], None] | None = None
) -> list[Reply]:
    """Ask every question once.

    Args:
        model: Who answers; wrapped in a `RememberingModel` the run can be killed and goes on.
        questions: The questions.
        report: Called with the number of answers so far.

    Raises:
        ModelError: The model cannot answer at all.
    """
    replies = []
    for count, question in enumerate(questions, start=1):
        replies.append(model.answer(question.ask()))
        if report is not None:
            report(count)
    return replies


def score_pass(questions: Sequence[IntensityQuestion], marks: Sequence[float | None], *, seed: int = 0) -> PassScore:
    """The figure of one pass.

    Args:
        questions: ``n`` questions.
        marks: What each answer is worth.
        seed: Seed of the resampling.
    """
    read = [(question, worth) for question, worth in zip(questions, marks, strict=True) if worth is not None]
    score = None
    if read:
        groups = [question.dialogue for question, _ in read]
        score = bootstrap_mean([worth * 100 / _TOTAL for _, worth in read], seed=seed, groups=groups)
    return PassScore(len(read), len(questions) - len(read), score)


def counted_pass(first: PassScore, revised: PassScore) -> Pass:
    """Which pass the authors count: the better one, but the first if fewer revised answers can be read."""
    if first.score is None or revised.score is None:
        return "first" if revised.score is None else "revised"
    better = revised.score.value >= first.score.value and revised.read >= _ENOUGH * first.read
    return "revised" if better else "first"
