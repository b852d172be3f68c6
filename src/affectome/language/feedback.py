"""Asking again with feedback between the answers: emotional, logical, neutral, or none, at equal cost.

After HEART (emotionally driven test-time scaling). With a verifier, a model is told that it is wrong and asked again
until it is right. Without one, it answers a fixed number of times and then weighs its own answers; the gold of such a
run is an object that raises when it is read.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple, NoReturn

import numpy as np

from affectome.errors import LeakError, RunError, UsageError
from affectome.language.chat import Ask, ChatModel, Message, Reply
from affectome.language.prompt_changes import CountTokens, Prompt, Sentence, count_words, neutral_control

Mode = Literal["verifier", "verifier-free"]
Drawn = Literal["by the model", "from scores"]

NEGATIVE = ("sadness", "anger", "disgust", "fear")
POSITIVE = ("joy", "surprise")

_TABLE = Path(__file__).parent / "data" / "feedback.toml"


class Gold:
    """The right answer to a question, with which an answer can be compared.

    Args:
        answer: The right answer.
    """

    def __init__(self, answer: str) -> None:
        self._answer = answer

    def verify(self, answer: str) -> bool:
        """Whether an answer is right."""
        return answer == self._answer


class SealedGold(Gold):
    """Stands where a gold would stand, holds nothing, and raises whatever is read of it.

    Raises:
        LeakError: ``gold_read`` on any use.
    """

    def __init__(self) -> None:
        """Nothing is kept."""

    def __getattribute__(self, name: str) -> NoReturn:
        """Refuse."""
        raise _leak(name)

    def __eq__(self, other: object) -> bool:
        """Refuse."""
        raise _leak("==")

    def __hash__(self) -> int:
        """Refuse."""
        raise _leak("hash")

    def __repr__(self) -> str:
        """Refuse."""
        raise _leak("repr")

    def __bool__(self) -> bool:
        """Refuse."""
        raise _leak("bool")


@dataclass(frozen=True)
class Policy:
    """What is said between two answers.

    Attributes:
        name: What it is called.
        tones: From which tones a phrase is drawn in the first round, the second and so on, over and over. Without any
            the question is asked again as if for the first time.
        neutral: Whether something neutral with as many tokens is said instead of each phrase.
    """

    name: str
    tones: tuple[tuple[str, ...], ...] = ()
    neutral: bool = False

    def phrase(self, turn: int, seed: int, count_tokens: CountTokens = count_words) -> str:
        """What is said before the answer of a round; policies with the same tones draw the same phrases.

        Args:
            turn: Number of the round from 1.
            seed: Seed of the draw.
            count_tokens: As in `neutral_control`.

        Raises:
            UsageError: ``unknown_tone`` if a tone has no phrases.
        """
        if not self.tones:
            return ""
        rng = np.random.default_rng((seed, turn))
        tones = self.tones[(turn - 1) % len(self.tones)]
        phrases = list_phrases(tones[int(rng.integers(len(tones)))])
        phrase = phrases[int(rng.integers(len(phrases)))]
        return neutral_control(Sentence("feedback", phrase), count_tokens).text if self.neutral else phrase


RESAMPLE = Policy("asked again")
SELF_REFINE = Policy("logical feedback", (("logical",),))
ALTERNATE = Policy("critical, then encouraging", (NEGATIVE, POSITIVE))
NEUTRAL = Policy("neutral, as long as the emotional", (NEGATIVE, POSITIVE), neutral=True)
POLICIES = (RESAMPLE, SELF_REFINE, NEUTRAL, ALTERNATE)
"""Baselines and the control first."""


def static(tone: str) -> Policy:
    """The policy that always takes the same tone."""
    return Policy(f"always {tone}", ((tone,),))


class Budget(NamedTuple):
    """What a run may cost.

    Attributes:
        calls: Requests to the model.
        answer_tokens: Tokens of each answer at most.
    """

    calls: int
    answer_tokens: int


class Attempt(NamedTuple):
    """One answer.

    Attributes:
        turn: 0 for the first answer.
        said: The feedback before it, empty if none.
        answer: The choice, empty if it cannot be read.
        verified: Whether it is right; None without a verifier.
        input_tokens: Tokens of the request, 0 where the model does not tell.
    """

    turn: int
    said: str
    answer: str
    verified: bool | None
    input_tokens: int


@dataclass(frozen=True)
class FeedbackRun:
    """All answers to one question under one policy.

    Attributes:
        policy: Name of the policy.
        mode: With or without a verifier.
        attempts: The answers in their order.
        answer: The answer in the end: the first verified one, else the last; without a verifier what the model says
            after it has weighed all.
        majority: The answer given most often, of equal ones the first; empty if none can be read.
        allowed: What the run was allowed to cost.
        calls: What it did cost.
        input_tokens: Tokens of all requests.
    """

    policy: str
    mode: Mode
    attempts: tuple[Attempt, ...]
    answer: str
    majority: str
    allowed: Budget
    calls: int
    input_tokens: int

    def solved_by(self, turn: int) -> bool:
        """Whether an answer up to this round was verified."""
        return any(attempt.verified for attempt in self.attempts if attempt.turn <= turn)


class _Meter:
    """Asks a model within a budget and counts."""

    def __init__(self, model: ChatModel, allowed: Budget, drawn: Drawn, temperature: float) -> None:
        self._model, self.allowed, self._drawn, self._temperature = model, allowed, drawn, temperature
        self.calls = self.input_tokens = 0

    def answer(self, messages: Sequence[Message], choices: tuple[str, ...], seed: int, turn: int) -> Reply:
        """An answer drawn at the temperature of the run."""
        return self._answer(messages, choices, seed, turn, self._temperature)

    def weigh(self, messages: Sequence[Message], choices: tuple[str, ...]) -> Reply:
        """The most probable answer."""
        return self._answer(messages, choices, 0, 0, 0.0)

    def _answer(
        self, messages: Sequence[Message], choices: tuple[str, ...], seed: int, turn: int, temperature: float
    ) -> Reply:
        if self.calls == self.allowed.calls:
            raise RunError("The budget of calls is spent.", code="budget_spent", value=self.allowed.calls)
        scored = self._drawn == "from scores"
        ask = Ask(
            tuple(messages),
            max_tokens=self.allowed.answer_tokens,
            temperature=0.0 if scored else temperature,
            seed=0 if scored else seed + turn,
            choices=choices,
        )
        reply = self._model.answer(ask)
        self.calls += 1
        self.input_tokens += reply.input_tokens
        return _draw(reply, choices, temperature, (seed, turn)) if scored and temperature > 0 else reply


def run_feedback(
    model: ChatModel,
    prompt: Prompt,
    policy: Policy,
    *,
    rounds: int,
    gold: Gold,
    mode: Mode,
    seed: int = 0,
    temperature: float = 1.0,
    drawn: Drawn = "by the model",
    count_tokens: CountTokens = count_words,
    answer_tokens: int = 16,
) -> FeedbackRun:
    """Ask a question, and ask again with feedback between the answers.

    Every policy may make ``rounds + 1`` calls, and one more without a verifier. In the verifier mode everybody who sees
    the answer before is also told that it is wrong, and a run ends with the first right answer. All answers are drawn
    at the same temperature with the same seeds, so the first answers of all policies are the same one.

    Args:
        model: Who answers.
        prompt: The question.
        policy: What is said.
        rounds: Rounds of feedback after the first answer.
        gold: The right answer; a verifier-free run takes a `SealedGold` and nothing else.
        mode: With or without a verifier.
        seed: Seed of phrases and draws.
        temperature: Of the draws; the weighing at the end takes the most probable answer.
        drawn: Who draws: the model, or this function from the scores of the choices, where the model gives them.
        count_tokens: How long neutral phrases are.
        answer_tokens: Tokens of an answer at most.

    Raises:
        LeakError: ``gold_open`` if a verifier-free run is given a gold that can be read.
        UsageError: ``bad_rounds`` if there is less than one round, ``no_scores`` if the model gives none to draw from.
    """
    if rounds < 1:
        raise UsageError("There must be a round of feedback.", code="bad_rounds", value=rounds)
    if mode == "verifier-free" and type(gold) is not SealedGold:
        raise LeakError(
            "A run without a verifier may not be given the gold.",
            code="gold_open",
            next_step="Give SealedGold(), and compare the answers with the gold once all runs are over.",
        )
    meter = _Meter(model, Budget(rounds + 1 + (mode == "verifier-free"), answer_tokens), drawn, temperature)
    question = prompt.ask().messages
    attempts: list[Attempt] = []
    for turn in range(rounds + 1):
        said = policy.phrase(turn, seed, count_tokens) if turn else ""
        messages = _conversation(question, attempts[-1].answer, said, mode) if said else question
        reply = meter.answer(messages, prompt.choices, seed, turn)
        verified = gold.verify(reply.choice) if mode == "verifier" else None
        attempts.append(Attempt(turn, said, reply.choice, verified, reply.input_tokens))
        if verified:
            break
    answers = [attempt.answer for attempt in attempts if attempt.answer]
    final = attempts[-1].answer
    if mode == "verifier-free":
        final = _synthesis(meter, prompt, answers)
    return FeedbackRun(
        policy.name,
        mode,
        tuple(attempts),
        final,
        max(answers, key=answers.count, default=""),
        meter.allowed,
        meter.calls,
        meter.input_tokens,
    )


def assert_equal_budgets(runs: Mapping[str, Sequence[FeedbackRun]]) -> None:
    """Refuse a comparison of policies that were not given the same, or without a verifier did not spend the same.

    Args:
        runs: Runs on the same questions by policy.

    Raises:
        RunError: ``unequal_budgets``.
    """
    first, *others = runs.items()
    for name, some in others:
        for one, other in zip(first[1], some, strict=True):
            spent = one.mode == "verifier-free" and one.calls != other.calls
            if one.mode != other.mode or one.allowed != other.allowed or spent:
                raise RunError(
                    f"{first[0]!r} and {name!r} were not given the same: {one.allowed}, {one.calls} calls, against "
                    f"{other.allowed}, {other.calls} calls.",
                    code="unequal_budgets",
                    value=name,
                    next_step="Give every policy the same rounds, mode and length of answers.",
                )


def list_tones() -> Mapping[str, str]:
    """Polarity by tone: ``negative``, ``positive`` or ``neutral``."""
    return {name: str(tone["polarity"]) for name, tone in _texts()["tones"].items()}


def list_phrases(tone: str) -> tuple[str, ...]:
    """The phrases of a tone.

    Raises:
        UsageError: ``unknown_tone``.
    """
    tones = _texts()["tones"]
    if tone not in tones:
        raise UsageError("There is no such tone.", code="unknown_tone", value=tone, allowed=list(tones))
    return tuple(tones[tone]["phrases"])


def _conversation(question: Sequence[Message], answer: str, said: str, mode: Mode) -> list[Message]:
    """The question, the last answer and the feedback; with a verifier everybody is told the same verdict."""
    say = _texts()["say"]
    parts = [say["wrong"]] if mode == "verifier" else []
    return [*question, Message("assistant", answer), Message("user", " ".join([*parts, said, say["again"]]))]


def _synthesis(meter: _Meter, prompt: Prompt, answers: Sequence[str]) -> str:
    """What the model says after it has seen all its answers, most probable first."""
    said = _texts()["say"]["synthesis"].format(answers=", ".join(answers))
    turn = Message("user", f"{prompt.ask().messages[0].content}\n\n{said}")
    return meter.weigh([turn], prompt.choices).choice


def _draw(reply: Reply, choices: Sequence[str], temperature: float, seed: tuple[int, int]) -> Reply:
    """The reply with a choice drawn from its scores."""
    if not reply.scores:
        raise UsageError(
            "The model gives no scores to draw from.",
            code="no_scores",
            value="from scores",
            next_step='Use drawn="by the model".',
        )
    scores = np.array([reply.scores[choice] for choice in choices])
    weights = np.exp((scores - scores.max()) / temperature)
    at = int(np.random.default_rng(seed).choice(len(choices), p=weights / weights.sum()))
    return Reply(choices[at], choice=choices[at], input_tokens=reply.input_tokens, scores=reply.scores)


def _leak(what: str) -> LeakError:
    return LeakError(
        f"The gold was read ({what}) in a run without a verifier.",
        code="gold_read",
        next_step="Compare answers with the gold once all runs are over.",
    )


@cache
def _texts() -> dict[str, Any]:
    return tomllib.loads(_TABLE.read_text(encoding="utf-8"))
