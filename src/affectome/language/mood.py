"""An agent with a mood: what it hears moves a state outside the model, and the state is written into each request.

After S. Subaharan (arXiv 2601.16087): the model's weights and its choice of words stay its own; the tone that it is
asked for has inertia.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from affectome.dynamics.state import AffectState, Axes
from affectome.errors import UsageError
from affectome.language.chat import Ask, ChatModel, Message

Estimator = Callable[[str], Axes]
"""Valence, arousal and dominance of one text, without memory of others."""
Source = Literal["user", "both"]

_DATA = Path(__file__).parent / "data"


class MoodTurn(NamedTuple):
    """One turn of an agent with a mood.

    Attributes:
        turn: Number from 1.
        heard: What the user said.
        signal: Affect that moved the state.
        state: The state after it.
        reply: What the agent said.
    """

    turn: int
    heard: str
    signal: Axes
    state: AffectState
    reply: str


class Talk(NamedTuple):
    """One side of a conversation.

    Attributes:
        persona: Who answers.
        lines: What is said, turn by turn.
    """

    persona: str
    lines: tuple[str, ...]


class MoodAgent:
    """Answers in a mood that follows the conversation.

    The state after turn t is moved by what the user says in it and, if the agent listens to both, by what it said
    itself the turn before; then its own tone feeds back into its mood.

    Args:
        model: Who answers.
        state: The mood at the beginning; a saved one goes on where it stopped.
        estimate: Reads the affect of a text.
        persona: Who the agent is, for the first lines of every request.
        listens_to: Whose words move the state: the mean of the user's and the agent's, or the user's alone.
        memory: Turns before the present one that the model is shown.
        max_tokens: Length of a reply at most.
        temperature: As in `Ask`.
        seed: Seed of the first turn; each later turn takes the next.

    Raises:
        UsageError: ``bad_memory`` if the memory is negative.
    """

    def __init__(
        self,
        model: ChatModel,
        state: AffectState,
        estimate: Estimator,
        *,
        persona: str,
        listens_to: Source = "both",
        memory: int = 6,
        max_tokens: int = 96,
        temperature: float = 0.7,
        seed: int = 0,
    ) -> None:
        if memory < 0:
            raise UsageError("A memory cannot be negative.", code="bad_memory", value=memory, allowed=("0 or more",))
        self._model = model
        self._estimate = estimate
        self._persona = persona
        self._listens_to = listens_to
        self._memory = memory
        self._max_tokens, self._temperature, self._seed = max_tokens, temperature, seed
        self.state = state
        self.turns: list[MoodTurn] = []
        """All turns so far; with those of an earlier conversation and its last state, that one goes on."""

    def respond(self, text: str, *, seconds: float = 0.0, shown: Axes | None = None) -> MoodTurn:
        """Hear a text, move the mood and answer in it.

        Args:
            text: What the user says.
            seconds: Time since the last turn, in which the mood rests.
            shown: A place to write into the request instead of the state's: the control that should not help.

        Raises:
            ModelError: As `ChatModel.answer`; the mood has moved all the same.
        """
        heard = [self._estimate(text)]
        if self._listens_to == "both" and self.turns:
            heard.append(self._estimate(self.turns[-1].reply))
        valence, arousal, dominance = np.mean(heard, axis=0).tolist()
        signal = (valence, arousal, dominance)
        self.state = self.state.after(signal, seconds=seconds)
        messages = [Message("system", mood_prompt(self.state.position if shown is None else shown, self._persona))]
        for turn in self.turns[max(0, len(self.turns) - self._memory) :]:
            messages += [Message("user", turn.heard), Message("assistant", turn.reply)]
        ask = Ask(
            (*messages, Message("user", text)),
            max_tokens=self._max_tokens,
            temperature=self._temperature,
            seed=self._seed + len(self.turns),
        )
        reply = self._model.answer(ask).text
        self.turns.append(MoodTurn(len(self.turns) + 1, text, signal, self.state, reply))
        return self.turns[-1]


def mood_prompt(position: Axes, persona: str) -> str:
    """The lines of a request that tell who speaks and in what mood: three numbers and a band in words for each."""
    table = _table()
    given: dict[str, Any] = {"persona": persona}
    for axis, value in zip(("valence", "arousal", "dominance"), position, strict=True):
        given[axis] = value
        given[f"{axis}_band"] = next(row["band"] for row in table[axis] if value <= row["limit"])
    return str(table["block"].strip().format(**given))


def shop_talk() -> Talk:
    """A customer of a bicycle shop through 25 turns: 5 neutral, 8 of pressure, 7 of repair, 5 to close."""
    script = tomllib.loads((_DATA / "mood_talk.toml").read_text(encoding="utf-8"))
    return Talk(script["persona"], tuple(line for phase in script["phases"] for line in phase["turns"]))


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads((_DATA / "mood.toml").read_text(encoding="utf-8"))
