"""Agents of a search for a prompt: by rule over a set of edits, at random, or by a language model."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from affectome.language.chat import Ask, ChatModel, Message
from affectome.language.prompt_search import Critique, Observation, Question

_TABLE = Path(__file__).parent / "data" / "prompt_search.toml"
_GOALS = 4
_TOKENS = 120
_STEP = re.compile(r"^\s*Step\s+\d+\s*:\s*(\S.*)$", re.MULTILINE | re.IGNORECASE)
_FLAW = re.compile(r"^\s*Flaw\s*:\s*(\S.*)$", re.MULTILINE | re.IGNORECASE)
_REMEDY = re.compile(r"^\s*Remedy\s*:\s*(\S.*)$", re.MULTILINE | re.IGNORECASE)
_VERDICT = re.compile(r"\[(True|False)\]\s*(.*)", re.DOTALL)


class Edit(NamedTuple):
    """A sentence that may be added to an instruction.

    Attributes:
        label: The answer that it should bring out; empty if it is about none.
        text: The sentence.
    """

    label: str
    text: str


class RuleAgents:
    """Agents that need no model: goals are the most frequent errors, edits are those for the answer that was missed.

    The teacher asks why one answer is taken for another, the critic accepts questions, and the student adds the next
    edit for the missed answer, or one about no answer once those are used up.

    Args:
        edits: What may be added, in the order in which it is tried.
    """

    def __init__(self, edits: Sequence[Edit]) -> None:
        self._left = list(edits)

    def plan(self, observation: Observation) -> Sequence[str]:
        """The answers that were missed, the most frequently missed first."""
        missed: dict[str, int] = {}
        for (gold, _), count in observation.errors:
            missed[gold] = missed.get(gold, 0) + count
        return sorted(missed, key=lambda gold: -missed[gold])

    def teach(self, goal: str, observation: Observation, suggestion: str) -> Question:
        """Why the answer of the goal is missed, and what would bring it out."""
        taken = next(answer for (gold, answer), _ in observation.errors if gold == goal)
        return Question(f"Why is {goal} taken for {taken}?", f"What in a text tells {goal} from {taken}?")

    def criticise(self, question: Question) -> Critique:
        """Whether both are questions."""
        return Critique(all(each.rstrip().endswith("?") for each in question), "Ask a question.")

    def rewrite(self, goal: str, question: Question, observation: Observation) -> str | None:
        """The instruction with the next edit."""
        fitting = [edit for edit in self._left if edit.label == goal] or [edit for edit in self._left if not edit.label]
        if not (fitting or self._left):
            return None
        edit = (fitting or self._left)[0]
        self._left.remove(edit)
        return f"{observation.instruction} {edit.text}"


class RandomAgents(RuleAgents):
    """The same edits in a random order, whatever the errors are: what a search is worth without its agents.

    Args:
        edits: What may be added.
        seed: Seed of the order.
    """

    def __init__(self, edits: Sequence[Edit], seed: int) -> None:
        order = np.random.default_rng(seed).permutation(len(edits))
        super().__init__([edits[k]._replace(label="") for k in order])

    def plan(self, observation: Observation) -> Sequence[str]:
        """One goal without a meaning."""
        return ["any edit"]

    def teach(self, goal: str, observation: Observation, suggestion: str) -> Question:
        """Questions without a meaning."""
        return Question("What is wrong?", "What would be better?")


class ModelAgents:
    """Agents that are roles of one language model.

    Args:
        model: Who plays them.
        labels: The answers that an instruction has to keep.

    Attributes:
        unread: Answers that had not the form that was asked for. Without a plan there is no goal; without two questions
            none is asked and without a verdict they are turned down; an empty instruction ends the search.
    """

    def __init__(self, model: ChatModel, labels: Sequence[str]) -> None:
        self._model, self._labels = model, ", ".join(labels)
        self.unread = 0

    def plan(self, observation: Observation) -> Sequence[str]:
        """The steps that the model names."""
        said = self._say("plan", observation, items=observation.items, right=observation.right, goals=_GOALS)
        return self._read(_STEP.findall(said))[:_GOALS]

    def teach(self, goal: str, observation: Observation, suggestion: str) -> Question:
        """The two questions of the model."""
        again = _texts()["teach"]["suggestion"].format(suggestion=suggestion) if suggestion else ""
        said = self._say("teach", observation, goal=goal, suggestion=again)
        found = self._read([match for pattern in (_FLAW, _REMEDY) for match in pattern.findall(said)[:1]], wanted=2)
        return Question(*found) if found else Question("", "")

    def criticise(self, question: Question) -> Critique:
        """The verdict of the model."""
        said = self._say("criticise", None, flaw=question.flaw, remedy=question.remedy)
        verdict = self._read(_VERDICT.findall(said)[:1])
        return Critique(verdict[0][0] == "True", verdict[0][1].strip()) if verdict else Critique(False)

    def rewrite(self, goal: str, question: Question, observation: Observation) -> str | None:
        """The instruction of the model, on one line."""
        said = self._say("rewrite", observation, flaw=question.flaw, remedy=question.remedy)
        return " ".join(said.split()) or None

    def _say(self, role: str, observation: Observation | None, **words: object) -> str:
        if observation is not None:
            errors = "; ".join(f"{gold} taken for {answer}: {count}" for (gold, answer), count in observation.errors)
            words |= {"instruction": observation.instruction, "errors": errors or "none", "labels": self._labels}
        text = _texts()[role]["ask"].strip().format(**words)
        return self._model.answer(Ask((Message("user", text),), max_tokens=_TOKENS)).text

    def _read(self, found: list[Any], wanted: int = 1) -> list[Any]:
        if len(found) < wanted:
            self.unread += 1
            return []
        return found


@cache
def _texts() -> dict[str, Any]:
    return tomllib.loads(_TABLE.read_text(encoding="utf-8"))
