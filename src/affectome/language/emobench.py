"""EmoBench: what somebody feels in a scenario, why, and what to do about it (Sabour and others 2024, arXiv 2402.12071).

The scenarios are files of the authors, https://github.com/Sahandfer/EmoBench; the wording of the request is ours.
"""

from __future__ import annotations

import string
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

from affectome.errors import UsageError
from affectome.evaluate import bootstrap_mean
from affectome.language.benchmark import Answer, LayerScore
from affectome.language.chat import Ask, Message
from affectome.language.emotional_intelligence import Shown
from affectome.language.published import published, read_lines

Language = Literal["en", "zh"]
Layer = Literal["emotion", "cause", "application"]

_SEEN = 12  # tokens of a letter with some words around it


@dataclass(frozen=True)
class ScenarioQuestion:
    """A question about a scenario.

    Attributes:
        id: Layer and number of the scenario.
        layer: What it asks for: ``emotion`` and ``cause`` are emotional understanding, two questions a scenario, and
            ``application`` is what to do or to say.
        dialogue: Identifier of the scenario.
        category: What makes the scenario hard, or what it is about.
        language: Language of the scenario.
        scenario: What happens.
        question: What is asked.
        options: Answers.
        gold: Position of the right one.
    """

    id: str
    layer: Layer
    dialogue: str
    category: str
    language: Language
    scenario: str
    question: str
    options: tuple[str, ...]
    gold: int

    def ask(self, shown: Shown = "all") -> Ask:
        """The request; the scenario is hidden if nothing is to be shown."""
        texts = _texts()[self.language]
        letters = tuple(string.ascii_uppercase[: len(self.options)])
        options = "\n".join(f"{letter}) {option}" for letter, option in zip(letters, self.options, strict=True))
        scene = [] if shown == "none" else [texts["scenario"].format(scenario=self.scenario)]
        content = "\n\n".join([*scene, f"{self.question}\n{options}", texts["ask"]])
        messages = (Message("system", texts["system"]), Message("user", content))
        return Ask(messages, max_tokens=_SEEN, choices=letters)


def load_emobench(folder: Path, language: Language = "en", *, seed: int = 0) -> list[ScenarioQuestion]:
    """Questions of EmoBench, with the options of each in any order: in the files right ones are seldom the first.

    Args:
        folder: Folder with ``EU.jsonl`` and ``EA.jsonl`` of the authors, which may be gzipped.
        language: Which of the two languages.
        seed: Seed of the order of options.

    Raises:
        InputError: ``missing_data_set`` or ``bad_corpus``.
        UsageError: ``unknown_language``.
    """
    if language not in _texts():
        raise UsageError(
            "EmoBench has two languages.", code="unknown_language", value=language, allowed=tuple(_texts())
        )
    rng = np.random.default_rng(seed)
    questions = []
    with published(folder, "EmoBench"):
        for row in read_lines(folder / "EU.jsonl"):
            if row["language"] == language:
                category = str(row["coarse_category"])
                questions += [
                    _question(row, layer, category, row[f"{layer}_choices"], row[f"{layer}_label"], rng)
                    for layer in ("emotion", "cause")
                ]
        for row in read_lines(folder / "EA.jsonl"):
            if row["language"] == language:
                questions.append(_question(row, "application", str(row["category"]), row["choices"], row["label"], rng))
        if not questions:
            raise ValueError(f"no scenario in {language}")
    return questions


def _question(
    row: Mapping[str, Any], layer: Layer, category: str, options: Sequence[str], label: str, rng: np.random.Generator
) -> ScenarioQuestion:
    order = rng.permutation(len(options))
    shown = tuple(str(options[k]) for k in order)
    wording = _texts()[row["language"]][layer]
    if layer == "application":
        wording = wording[row["question type"]]
    return ScenarioQuestion(
        f"{layer}/{row['qid']}",
        layer,
        f"{'application' if layer == 'application' else 'understanding'}/{row['qid']}",
        category,
        row["language"],
        str(row["scenario"]),
        wording.format(subject=row["subject"]),
        shown,
        shown.index(label),
    )


def score_understanding(answers: Sequence[Answer[ScenarioQuestion]], *, seed: int = 0) -> LayerScore:
    """EmoBench's figure of emotional understanding: scenarios whose feeling and cause are both right.

    A scenario counts if both answers could be read.
    """
    of: dict[str, list[Answer[ScenarioQuestion]]] = {}
    for answer in answers:
        if answer.item.layer != "application":
            of.setdefault(answer.item.dialogue, []).append(answer)
    read = [both for both in of.values() if all(answer.choice >= 0 for answer in both)]
    right = [float(all(answer.choice == answer.item.gold for answer in both)) for both in read]
    return LayerScore(
        "understanding", len(read), len(of) - len(read), bootstrap_mean(right, seed=seed) if right else None
    )


@cache
def _texts() -> dict[str, Any]:
    return tomllib.loads((Path(__file__).parent / "data" / "emobench.toml").read_text(encoding="utf-8"))
