"""Strategies of asking a model about a post: plain, with a cue to emotions, with examples, with reasons first.

After Yang and others, Towards interpretable mental health analysis with large language models (arXiv 2304.03347), in
words of our own. An answer tells what a post shows; it is no statement about the health of a person.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from affectome.errors import UsageError
from affectome.language.chat import Ask, ChatModel, Failure, Message

_REASON_TOKENS = 40


@dataclass(frozen=True)
class PostStrategy:
    """A way of asking.

    Attributes:
        id: Its name.
        cue: What stands before the question, with ``{hint}`` where a hint goes; empty for nothing.
        examples: Whether answered posts are shown first.
        reasons: Whether the model writes its reasons before it answers.
    """

    id: str
    cue: str = ""
    examples: bool = False
    reasons: bool = False

    @property
    def wants_hint(self) -> bool:
        """Whether it cannot do without a hint."""
        return "{hint}" in self.cue


@dataclass(frozen=True)
class PostTask:
    """What is asked about posts.

    Attributes:
        question: The question.
        answers: What may be answered, each a word of its own.
        examples: Posts with their answers, for strategies that show some.
    """

    question: str
    answers: tuple[str, ...]
    examples: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class PostAnswer:
    """What a model said about a post.

    Attributes:
        choice: One of the answers of the task; empty if it cannot be told.
        failure: Why not.
        scores: Log-probability of each answer where the model tells it.
        reasons: What it wrote before it answered; empty where no reasons were asked for.
        finished: Whether it came to an end with its reasons.
    """

    choice: str
    failure: Failure
    scores: Mapping[str, float]
    reasons: str = ""
    finished: bool = True


def ask_about_post(
    model: ChatModel,
    post: str,
    strategy: PostStrategy,
    task: PostTask,
    *,
    hint: str = "",
    reason_tokens: int = _REASON_TOKENS,
) -> PostAnswer:
    """Ask a model about one post.

    Args:
        model: Who answers.
        post: The post.
        strategy: How it is asked.
        task: What it is asked.
        hint: What an expert reader found, for strategies that pass it on, such as ``sadness, fear``.
        reason_tokens: Length of the reasons at most.

    Raises:
        UsageError: ``missing_hint`` if the strategy passes a hint on and there is none.
        ModelError: The model cannot answer at all.
    """
    if strategy.wants_hint and not hint:
        raise UsageError(
            f"The strategy {strategy.id!r} passes a hint on.", code="missing_hint", value=hint, next_step="Give one."
        )
    texts = _texts()
    answers = " or ".join(task.answers)
    cue = strategy.cue.replace("{hint}", hint)

    def asked(template: str, about: str) -> Message:
        question = f"{cue} {task.question}".strip()
        # The post goes in last: braces in it are not to be filled in.
        filled = texts[template].replace("{question}", question).replace("{answers}", answers)
        return Message("user", filled.replace("{post}", about.replace('"', "'")))

    turns = [Message("system", texts["system"])]
    for example, answer in task.examples if strategy.examples else ():
        turns += [asked("ask", example), Message("assistant", answer)]
    if not strategy.reasons:
        reply = model.answer(Ask((*turns, asked("ask", post)), choices=task.answers))
        return PostAnswer(reply.choice, reply.failure, reply.scores)
    turns.append(asked("reason", post))
    said = model.answer(Ask(tuple(turns), max_tokens=reason_tokens))
    turns += [Message("assistant", said.text), Message("user", texts["decide"].replace("{answers}", answers))]
    reply = model.answer(Ask(tuple(turns), choices=task.answers))
    return PostAnswer(reply.choice, reply.failure, reply.scores, said.text.strip(), said.finished)


@cache
def load_post_strategies() -> dict[str, PostStrategy]:
    """The shipped strategies by name, the plain one first."""
    return {row["id"]: PostStrategy(**row) for row in _texts()["strategies"]}


@cache
def load_post_tasks() -> dict[str, PostTask]:
    """The shipped tasks by name."""
    return {
        name: PostTask(
            row["question"],
            tuple(row["answers"]),
            tuple((example["post"], example["answer"]) for example in row["examples"]),
        )
        for name, row in _texts()["tasks"].items()
    }


@cache
def _texts() -> dict[str, Any]:
    text = files("affectome.language").joinpath("data/wellbeing_prompts.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
