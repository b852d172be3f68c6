"""What a language model stands for: propositions it agrees with or not, in many wordings and personas, on a compass.

Propositions, instructions and personas come from the folder of a published study and are not shipped; nor are the
weights of the compass, which the user brings.

Source: arXiv 2406.19238 (D. Wright et al.).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from affectome.errors import InputError, UsageError
from affectome.evaluate import Interval, bootstrap_mean
from affectome.language import Ask, Message

LETTERS = ("A", "B", "C", "D")
"""What is answered where the stances are offered."""
STANCES = ("Strongly disagree", "Disagree", "Agree", "Strongly agree")
"""The answers from no to yes; a stance is a position among them."""

_QUESTIONS = "data/political_compass/political_compass_questions.txt"
_GROUPS = "data/political_compass/question_category_mapping.json"
_INSTRUCTIONS = "data/prompting/instructions.json"
_PERSONAS = "data/prompting/personas.json"
_PERSONA_KINDS = {
    "age": "You are {} years old.",
    "gender": "Your gender is {}.",
    "political_orientation": "Politically you stand {}.",
    "cls": "You belong to the {}.",
    "nation": "You are from {}.",
}
_ANYWHERE = re.compile(
    r"(?P<no>(?:\bnot|n['’]t|\bcannot|\bnever)\s+)?(?<![a-z])(?P<strong>strong(?:ly)?\s+)?(?P<side>dis)?agree"
    r"(?:s|d|ing|ment)?(?![a-z])(?P<also>\W{1,2}strongly)?",
    re.IGNORECASE,
)


class Proposition(NamedTuple):
    """Something to agree with or not.

    Attributes:
        number: From 1.
        group: What it is about.
        text: The proposition.
    """

    number: int
    group: str
    text: str


class Variant(NamedTuple):
    """A way to ask for an opinion.

    Attributes:
        instruction: Text with the places ``{proposition}`` and, where the stances are to be offered, ``{options}``.
        closed: Whether the stances are offered.
        persona: Who is asked, empty for nobody in particular.
    """

    instruction: str
    closed: bool
    persona: str

    def ask(self, proposition: Proposition, stances: Sequence[str] = STANCES) -> str:
        """The request, with the stances in the order they are given in."""
        said = self.instruction.format(proposition=proposition.text, options=", ".join(stances))
        return f"{self.persona} {said}".strip()


def ask_for_stance(variant: Variant, proposition: Proposition, offered: Sequence[int]) -> Ask:
    """The request for a letter, A to D, with the stances in the order in which they are offered."""
    shown = [f"{letter}. {STANCES[k]}" for letter, k in zip(LETTERS, offered, strict=True)]
    return Ask((Message("user", variant.ask(proposition, shown)),), choices=LETTERS)


@dataclass(frozen=True)
class Survey:
    """A questionnaire of values.

    Attributes:
        propositions: In the order of the questionnaire.
        closed: Instructions that offer the stances.
        opened: Instructions that leave the answer open.
        personas: Sentences that tell a model who it is.
    """

    propositions: tuple[Proposition, ...]
    closed: tuple[str, ...]
    opened: tuple[str, ...]
    personas: tuple[str, ...]

    def variants(self, *, personas: bool = False) -> list[Variant]:
        """Every instruction for nobody in particular, or for each persona."""
        told = self.personas if personas else ("",)
        return [
            Variant(instruction, closed, persona)
            for persona in told
            for closed, instructions in ((True, self.closed), (False, self.opened))
            for instruction in instructions
        ]


def load_survey(folder: Path) -> Survey:
    """Read a survey from the folder of github.com/copenlu/llm-pct-tropes.

    Raises:
        InputError: ``bad_survey`` if a file is missing or holds something else.
    """
    try:
        texts = [line.strip() for line in (folder / _QUESTIONS).read_text(encoding="utf-8").splitlines()]
        groups = json.loads((folder / _GROUPS).read_text(encoding="utf-8"))
        group_of = {int(number): str(group["name"]) for group in groups for number in group["questions"]}
        instructions = json.loads((folder / _INSTRUCTIONS).read_text(encoding="utf-8"))
        personas = json.loads((folder / _PERSONAS).read_text(encoding="utf-8"))
        return Survey(
            tuple(Proposition(number + 1, group_of[number], text) for number, text in enumerate(texts) if text),
            tuple(map(str, instructions["closed_domain"])),
            tuple(map(str, instructions["open_domain"])),
            tuple(said.format(value) for kind, said in _PERSONA_KINDS.items() for value in personas[kind]),
        )
    except (OSError, ValueError, KeyError, TypeError) as reason:
        raise InputError(
            f"The folder {str(folder)!r} holds no survey of values: {type(reason).__name__} {reason}.",
            code="bad_survey",
            value=folder,
            next_step="Give a checkout of github.com/copenlu/llm-pct-tropes.",
        ) from reason


def read_stance(text: str) -> int | None:
    """The stance that an answer says it takes.

    The first words of agreement count; "do not agree" is disagreement, and a denied disagreement says nothing. Nor does
    an answer that names both sides, as when it repeats the question or weighs one part against another.

    Returns:
        Position among `STANCES`, None if the answer does not say.
    """
    found = [_stance(match) for match in _ANYWHERE.finditer(text)]
    return found[0] if len({stance is None or stance < STANCES.index("Agree") for stance in found}) == 1 else None


def _stance(match: re.Match[str]) -> int | None:
    against, strong = bool(match["side"]), bool(match["strong"] or match["also"])
    if match["no"]:
        return None if against or strong else STANCES.index("Disagree")
    return (0 if strong else 1) if against else (3 if strong else 2)


class Axis(NamedTuple):
    """A direction of a compass.

    Attributes:
        name: What it measures.
        start: Where somebody stands who answers nothing.
        divisor: Points that make one unit.
        weights: ``(propositions, 4)`` points of each stance.
    """

    name: str
    start: float
    divisor: float
    weights: NDArray[np.float64]


def load_compass(path: Path) -> tuple[Axis, ...]:
    """Read the axes of a compass: a JSON object of ``start``, ``divisor`` and ``weights`` by the name of each axis.

    Raises:
        InputError: ``bad_compass`` if the file is missing or holds something else.
    """
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        axes = tuple(
            Axis(name, float(axis["start"]), float(axis["divisor"]), np.array(axis["weights"], np.float64))
            for name, axis in table.items()
        )
        if not axes or any(axis.weights.ndim != 2 or axis.weights.shape[1] != len(STANCES) for axis in axes):
            raise ValueError("weights need a row of four numbers for each proposition")
        if not all(axis.divisor and np.isfinite(axis.weights).all() for axis in axes):
            raise ValueError("divisors must not be 0, and weights must be finite")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as reason:
        raise InputError(
            f"{path} holds no compass: {type(reason).__name__} {reason}.",
            code="bad_compass",
            value=path,
            next_step='Write {"economic": {"start": 0.38, "divisor": 8.0, "weights": [[..4 numbers..], ..]}, ..}.',
        ) from reason
    return axes


def place(axes: Sequence[Axis], stances: Sequence[Sequence[int]]) -> dict[str, float]:
    """Where somebody stands.

    Args:
        axes: The compass.
        stances: The stances taken on each proposition, in the order of the weights; of several the rounded mean
            counts, and a proposition without any is left out.

    Returns:
        Position on each axis, rounded to two decimals as published.

    Raises:
        UsageError: ``bad_stances`` if their number differs from that of the weights, or one is not 0 to 3.
    """
    known = range(len(STANCES))
    if any(len(stances) != len(axis.weights) for axis in axes) or any(s not in known for each in stances for s in each):
        raise UsageError(
            "Stances do not fit the compass.",
            code="bad_stances",
            value=len(stances),
            allowed=(f"{len(axes[0].weights)} propositions with stances 0 to 3",) if axes else (),
        )
    taken = [(row, round(float(np.mean(each)))) for row, each in enumerate(stances) if each]
    return {
        axis.name: round(sum(float(axis.weights[row, s]) for row, s in taken) / axis.divisor + axis.start, 2)
        for axis in axes
    }


def profile_stances(stances: NDArray[np.float64], places: NDArray[np.float64], *, seed: int = 0) -> dict[str, Interval]:
    """What somebody answers who was asked about ``n`` propositions ``k`` times each.

    Args:
        stances: ``(n, k)`` positions among `STANCES`, NaN for an answer that could not be read.
        places: ``(n, k)`` place from 0 at which the chosen stance was offered, NaN where unread.
        seed: Seed of the intervals, which draw propositions.

    Returns:
        Share of each stance among those read; ``other side``, the share of propositions, read twice or more, that are
        agreed with once and not another time; ``first offered``, 0.25 for somebody whom the order does not move;
        ``unread``. A figure without any answer is left out.
    """
    read = np.isfinite(stances)
    rows = np.broadcast_to(np.arange(len(stances))[:, None], stances.shape)
    agree = np.where(read, stances >= STANCES.index("Agree"), False).sum(axis=1)
    several = read.sum(axis=1) > 1
    values = {name: (stances[read] == k, rows[read]) for k, name in enumerate(STANCES)}
    values["other side"] = (((agree > 0) & (agree < read.sum(axis=1)))[several], rows[several, 0])
    values["first offered"] = (places[read] == 0, rows[read])
    values["unread"] = (~read.ravel(), rows.ravel())
    return {
        name: bootstrap_mean(each.astype(float), seed=seed, groups=groups)
        for name, (each, groups) in values.items()
        if len(each)
    }
