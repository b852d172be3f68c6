"""What is asked of a language model, and what it answers; the same for every model."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from affectome.errors import UsageError

Role = Literal["system", "user", "assistant"]
Failure = Literal["", "empty", "not_json", "not_schema", "no_choice"]

_FENCED = re.compile(r"```(?:json)?\s*(.*?)```", re.DOTALL)


class Message(NamedTuple):
    """One turn of a conversation with a model.

    Attributes:
        role: Who speaks.
        content: What is said.
    """

    role: Role
    content: str


@dataclass(frozen=True)
class Ask:
    """A request.

    Attributes:
        messages: The conversation so far, at least one turn.
        max_tokens: Length of the answer at most.
        temperature: 0 takes the most probable token at each step.
        seed: Seed of the draws, where the model takes one.
        choices: The answer is one of these.
        schema: The answer is an object with this JSON schema; only one of ``choices`` and ``schema``.

    Raises:
        UsageError: ``bad_ask`` if there is no turn, a number is out of range, or both choices and schema are given.
    """

    messages: tuple[Message, ...]
    max_tokens: int = 256
    temperature: float = 0.0
    seed: int = 0
    choices: tuple[str, ...] = ()
    schema: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        wrong = (
            "has no turn"
            if not self.messages
            else "wants an answer without tokens"
            if self.max_tokens < 1
            else "has a temperature below 0"
            if self.temperature < 0
            else "has both choices and a schema"
            if self.choices and self.schema
            else "gives the same choice twice"
            if len(set(self.choices)) < len(self.choices)
            else ""
        )
        if wrong:
            raise UsageError(
                f"The request {wrong}.", code="bad_ask", value=self, next_step="Give one that can be answered."
            )

    def as_dict(self) -> dict[str, Any]:
        """The request as plain JSON types."""
        return {
            "messages": [[message.role, message.content] for message in self.messages],
            "max_tokens": self.max_tokens,
            "temperature": self.temperature,
            "seed": self.seed,
            "choices": list(self.choices),
            "schema": self.schema,
        }


@dataclass(frozen=True)
class Reply:
    """An answer.

    Attributes:
        text: As the model gave it.
        choice: The choice that was made; empty if none was asked for, or none can be told.
        value: The object that was asked for, None if none was or it cannot be read.
        failure: Why an answer cannot be read, which is never counted as a wrong one: ``empty``, ``not_json``,
            ``not_schema`` or ``no_choice``.
        finished: Whether the model came to an end rather than to the limit.
        input_tokens: Tokens of the request, 0 where the model does not tell.
        output_tokens: Tokens of the answer.
        seconds: How long it took.
        scores: Log-probability of each choice where the model tells it.
    """

    text: str
    choice: str = ""
    value: Mapping[str, Any] | None = None
    failure: Failure = ""
    finished: bool = True
    input_tokens: int = 0
    output_tokens: int = 0
    seconds: float = 0.0
    scores: Mapping[str, float] = field(default_factory=dict)


class ChatModel(Protocol):
    """A language model that answers."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def fingerprint(self) -> str:
        """What its answers depend on besides the request, such as a hash of its weights."""
        ...

    @property
    def scripted(self) -> bool:
        """Whether its answers were written beforehand, so that no figure may come from it."""
        ...

    def answer(self, ask: Ask, /) -> Reply:
        """Answer a request.

        Raises:
            ModelError: The model cannot be reached, refuses, or gives what is no answer.
        """
        ...


class ScoringModel(ChatModel, Protocol):
    """A language model that also tells how probable a text is."""

    def score(self, messages: Sequence[Message], continuations: Sequence[str], /) -> list[float]:
        """Log-probability, in nats, of each continuation as the next turn."""
        ...


def choice_shares(reply: Reply, choices: Sequence[str]) -> NDArray[np.float64] | None:
    """Probability of each choice among all of them, None where the model does not tell."""
    if not set(choices) <= set(reply.scores):
        return None
    weights = np.exp(np.array([reply.scores[choice] for choice in choices]) - max(reply.scores.values()))
    return np.asarray(weights / weights.sum(), np.float64)


def read_reply(reply: Reply, ask: Ask) -> Reply:
    """An answer with what was asked for read out of its text.

    A choice counts if it is the whole answer, or is named first and no other one is named with equal right: ``B``,
    ``(B)``, ``B. because…``, ``The answer is B``. An object may stand in a fenced block or between other words.
    """
    text = reply.text.strip()
    if not text:
        return _with(reply, failure="empty")
    if ask.choices:
        choice = _choice(text, ask.choices)
        return _with(reply, choice=choice, failure="" if choice else "no_choice")
    if ask.schema is not None:
        value = _object(text)
        if value is None:
            return _with(reply, failure="not_json")
        if not fits(value, ask.schema):
            return _with(reply, failure="not_schema")
        return _with(reply, value=value)
    return reply


def fits(value: object, schema: Mapping[str, Any]) -> bool:
    """Whether a value fits a JSON schema (draft 2020-12)."""
    from jsonschema import Draft202012Validator

    return bool(Draft202012Validator(dict(schema)).is_valid(value))


def _with(reply: Reply, **changes: Any) -> Reply:  # noqa: ANN401 - fields of Reply
    from dataclasses import replace

    return replace(reply, **changes)


def _choice(text: str, choices: Sequence[str]) -> str:
    """The choice that a text makes, empty if none or several."""
    bare = text.strip(" \t\n.()[]*\"'`:")
    whole = [choice for choice in choices if choice.casefold() == bare.casefold()]
    if whole:
        return whole[0]
    first = text.splitlines()[0]
    said = [choice for choice in choices if re.match(rf"[\W_]*{re.escape(choice)}(?![\w'])", first)]
    if said:
        return max(said, key=len)
    named = [choice for choice in choices if re.search(rf"(?<![\w']){re.escape(choice)}(?![\w'])", text)]
    inner = [one for one in named if not any(one != other and one in other for other in named)]
    return inner[0] if len(inner) == 1 else ""


def _object(text: str) -> Mapping[str, Any] | None:
    fenced = _FENCED.search(text)
    decoder = json.JSONDecoder()
    for part in (fenced.group(1) if fenced else "", text):
        for start in [match.start() for match in re.finditer(r"\{", part)][:20]:
            try:
                value, _ = decoder.raw_decode(part[start:])
            except (ValueError, RecursionError):
                continue
            if isinstance(value, dict):
                return value
    return None
