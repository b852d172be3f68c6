"""Situations in which any emotion can be felt, and what a language model is told in them.

A situation is one scenario with one of its outcomes. In each the model is made to begin its reply with every emotion in
turn; what the situation brings with it is then the same for all, so that it cancels in `contrast_directions`.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from affectome.errors import InputError, UsageError
from affectome.language.chat import Message

EMOTIONS = ("anger", "disgust", "fear", "joy", "sadness", "surprise")
VALENCES = ("positive", "neutral", "negative")


@dataclass(frozen=True)
class Situation:
    """One scenario with one outcome.

    Attributes:
        theme: What it is about; a theme is never in two parts of a study.
        text: What happened, told by whom it happened to.
        valence: ``positive``, ``neutral`` or ``negative``, that of the outcome.
    """

    theme: str
    text: str
    valence: str


def load_situations(path: Path | None = None) -> list[Situation]:
    """The situations of a file of scenarios, in its order, three a scenario.

    Args:
        path: JSON lines ``{"theme": …, "scenario": …, "event": {"positive": …, "neutral": …, "negative": …}}``, the
            layout of the SEV set (arXiv 2510.11328); by default the 48 scenarios of eight themes that are shipped.

    Raises:
        InputError: ``missing_file`` or ``bad_scenarios`` with the number of the line.
    """
    source = path or files("affectome.language").joinpath("data/scenarios.jsonl")
    try:
        lines = source.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The file of scenarios cannot be read: {error}", code="missing_file", value=path) from error
    found = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            found += [
                Situation(str(row["theme"]), f"{_sentence(row['scenario'])} {row['event'][valence].strip()}", valence)
                for valence in VALENCES
            ]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"Line {number} holds no scenario: {type(error).__name__} {error}",
                code="bad_scenarios",
                value=line[:80],
                next_step='Write {"theme": …, "scenario": …, "event": {"positive": …, "neutral": …, "negative": …}}.',
            ) from error
    if not found:
        raise InputError("The file holds no scenario.", code="bad_scenarios", value=path)
    return found


def halve_themes(situations: Sequence[Situation]) -> tuple[list[int], list[int]]:
    """Row numbers of two halves of the themes, every other one in the order in which they first appear.

    Raises:
        InputError: ``few_themes`` if there are fewer than four, two a half.
    """
    themes = list(dict.fromkeys(situation.theme for situation in situations))
    if len(themes) < 4:
        raise InputError("There must be four themes or more, two a half.", code="few_themes", value=themes)
    first = set(themes[::2])
    rows = range(len(situations))
    return [k for k in rows if situations[k].theme in first], [k for k in rows if situations[k].theme not in first]


def plain_prompt(situation: Situation) -> tuple[Message, ...]:
    """What is asked of a model whose tone is not set."""
    return Message("system", _material()["plain"]), Message("user", situation.text)


def opening(emotion: str, wording: int) -> str:
    """How a reply begins that is in an emotion, in one of several wordings; directions are read behind it.

    Raises:
        UsageError: The emotion is not one of `EMOTIONS`.
    """
    words = _material()["wordings"][known_emotion(emotion)]
    return str(_material()["opening"].format(word=words[wording % len(words)]))


def tone_prompt(situation: Situation, emotion: str, *, examples: bool = False) -> tuple[Message, ...]:
    """What is asked of a model whose tone is set by the prompt alone, the rival of a dial.

    Args:
        situation: The situation.
        emotion: The tone.
        examples: Whether two replies in that tone go before.

    Raises:
        UsageError: The emotion is not one of `EMOTIONS`.
    """
    told = _material()["told"].format(emotion=known_emotion(emotion))
    shown = _material()["examples"] if examples else []
    turns = [turn for each in shown for turn in (Message("user", each["message"]), Message("assistant", each[emotion]))]
    return Message("system", told), *turns, Message("user", situation.text)


def known_emotion(emotion: str) -> str:
    """The emotion itself.

    Raises:
        UsageError: It is not one of `EMOTIONS`.
    """
    if emotion not in EMOTIONS:
        raise UsageError(f"There is no emotion {emotion!r}.", code="unknown_emotion", value=emotion, allowed=EMOTIONS)
    return emotion


def _sentence(text: str) -> str:
    """A text with a full stop behind it."""
    text = text.strip()
    return text if text[-1:] in ".!?" else f"{text}."


@cache
def _material() -> dict[str, Any]:
    text = files("affectome.language").joinpath("data/steering.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
