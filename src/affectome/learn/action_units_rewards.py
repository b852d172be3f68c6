"""What a text that argues from action units earns: units named, feeling named, form kept.

Rewards of Facial-R1 (arXiv 2511.10254) as its published code has them. The code that is published trains without the
first; here all three are whole.
"""

from __future__ import annotations

import re
from collections.abc import Collection

_UNIT = re.compile(r"\bAU\s?(\d{1,2})\b", re.IGNORECASE)
_THOUGHT = re.compile(r"<think>(.*?)</think>", re.DOTALL)
_ANSWER = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)
_FORM = re.compile(r"\s*<think>(?:(?!</?think>|</?answer>).)*</think>\s*<answer>[^<]*</answer>\s*", re.DOTALL)


def named_units(text: str) -> set[int]:
    """Numbers of the action units that are named inside ``<think>``; those outside do not count."""
    return {int(number) for thought in _THOUGHT.findall(text) for number in _UNIT.findall(thought)}


def units_reward(text: str, units: Collection[int]) -> float:
    """2 F1 - 1 of the units named: 1 for the true set, -1 without overlap, or where none is named.

    Args:
        text: The text.
        units: The true units; without any the reward is 0.
    """
    if not units:
        return 0.0
    named = named_units(text)
    return 4 * len(named & set(units)) / (len(named) + len(set(units))) - 1


def answer_reward(text: str, feeling: str | None) -> float:
    """1 if the last answer is the true word, 0 if not, 0.5 where the truth is not known."""
    if feeling is None:
        return 0.5
    answers = _ANSWER.findall(text)
    return float(bool(answers) and answers[-1].strip() == feeling)


def form_reward(text: str) -> float:
    """1 if the text is one thought and then one answer and nothing else, else 0."""
    return float(_FORM.fullmatch(text) is not None)
