"""Search for an instruction: planner, teacher, critic and student change it, a target model is what it is for.

A decision process that is only partly observed: how well the target understands an instruction is hidden; seen are its
score and its errors on development items. An action is a question of the teacher, a critique and what the student makes
of them; the reward is the score. Test items stay in a vault and are opened once, when the search is over.

After MARS and APOLO (arXiv 2601.13481).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from affectome.errors import RunError, UsageError
from affectome.evaluate import Vault
from affectome.language.chat import ChatModel, Reply
from affectome.language.paired_effects import Effect, paired_effects
from affectome.language.prompt_changes import Prompt

Floats = NDArray[np.float64]
Stop = Literal["budget", "no goal", "no edit"]


class Example(NamedTuple):
    """A text with its label.

    Attributes:
        text: The text.
        gold: The right answer.
    """

    text: str
    gold: str


@dataclass(frozen=True)
class TaskCard:
    """What a prompt is searched for.

    Attributes:
        instruction: The instruction to start from.
        labels: The answers.
        request: Form of the answer; it is not searched.
    """

    instruction: str
    labels: tuple[str, ...]
    request: str = "Answer with one word."


@dataclass(frozen=True)
class Observation:
    """What the agents see of an instruction: counts, and no text of an item it was scored on.

    Attributes:
        instruction: The instruction.
        items: Items it was scored on.
        right: How many of them are right.
        unread: Answers that could not be read, which count as neither.
        errors: How often each gold was taken for each other answer, the most frequent first.
        certainty: Mean probability of the right answers among all, 0 where the model tells no probabilities. It tells
            two instructions apart of which neither changes an answer.
    """

    instruction: str
    items: int
    right: int
    unread: int
    errors: tuple[tuple[tuple[str, str], int], ...]
    certainty: float = 0.0

    @property
    def score(self) -> float:
        """Share right among the answers that could be read, 0 without any."""
        read = self.items - self.unread
        return self.right / read if read else 0.0

    @property
    def reward(self) -> tuple[float, float]:
        """What the search goes by: the score, and of equal scores the certainty."""
        return self.score, self.certainty


class Question(NamedTuple):
    """What the teacher asks.

    Attributes:
        flaw: What is wrong with the instruction?
        remedy: How could the goal be reached?
    """

    flaw: str
    remedy: str


class Critique(NamedTuple):
    """What the critic says about the questions.

    Attributes:
        accepted: Whether they lead to an answer without giving it.
        suggestion: What to do better, where they are turned down.
    """

    accepted: bool
    suggestion: str = ""


class Agents(Protocol):
    """The roles beside the target. Each method is one call of the budget of agents."""

    def plan(self, observation: Observation) -> Sequence[str]:
        """Goals, the most important first."""
        ...

    def teach(self, goal: str, observation: Observation, suggestion: str) -> Question:
        """Two questions under a goal; a suggestion of the critic the second time."""
        ...

    def criticise(self, question: Question) -> Critique:
        """Whether the questions are fit."""
        ...

    def rewrite(self, goal: str, question: Question, observation: Observation) -> str | None:
        """The next instruction, None where there is none left to try."""
        ...


class SearchBudget(NamedTuple):
    """What a search may cost.

    Attributes:
        evaluations: Instructions that are scored, the first one included.
        agent_calls: Calls of agents.
    """

    evaluations: int
    agent_calls: int


class Step(NamedTuple):
    """One instruction that was tried.

    Attributes:
        goal: Under which goal; empty for the first instruction.
        question: What was asked.
        critique: What the critic said.
        observation: What came of it.
        kept: Whether the search went on from it.
    """

    goal: str
    question: Question
    critique: Critique
    observation: Observation
    kept: bool


@dataclass(frozen=True)
class SearchTrace:
    """A search.

    Attributes:
        steps: What was tried, the first instruction first.
        stop: Why it ended; without a goal where nothing is missed any more.
        allowed: What it was allowed to cost.
        spent: What it did cost.
        target_calls: Requests to the target.
    """

    steps: tuple[Step, ...]
    stop: Stop
    allowed: SearchBudget
    spent: SearchBudget
    target_calls: int

    @property
    def best(self) -> Observation:
        """The instruction with the best reward, of equal ones the first."""
        return max((step.observation for step in self.steps), key=lambda observation: observation.reward)


class Target:
    """The model that an instruction is for, and the items it is scored on.

    Args:
        model: The model.
        card: The task.
        examples: Items.

    Attributes:
        calls: Requests so far.

    Raises:
        UsageError: ``unknown_label`` if an item has a gold that is no answer, ``no_items`` if there is none.
    """

    def __init__(self, model: ChatModel, card: TaskCard, examples: Sequence[Example]) -> None:
        if not examples:
            raise UsageError("A search needs items to score an instruction on.", code="no_items", value=0)
        if unknown := sorted({example.gold for example in examples} - set(card.labels)):
            raise UsageError(
                "An item has a label that is no answer.", code="unknown_label", value=unknown[0], allowed=card.labels
            )
        self._model, self._card, self._examples = model, card, tuple(examples)
        self.calls = 0

    def right(self, instruction: str) -> Floats:
        """1 where the answer is right, 0 where it is wrong, NaN where it cannot be read."""
        pairs = zip(self._replies(instruction), self._examples, strict=True)
        return np.array([float(reply.choice == each.gold) if reply.choice else np.nan for reply, each in pairs])

    def observe(self, instruction: str) -> Observation:
        """Score an instruction."""
        replies = self._replies(instruction)
        pairs = [(example.gold, reply.choice) for example, reply in zip(self._examples, replies, strict=True)]
        errors = Counter((gold, answer) for gold, answer in pairs if answer and gold != answer)
        unread = sum(not answer for _, answer in pairs)
        right = len(pairs) - unread - errors.total()
        ranked = sorted(errors.items(), key=lambda pair: (-pair[1], pair[0]))
        certainty = np.mean([_probability(reply, gold) for (gold, _), reply in zip(pairs, replies, strict=True)])
        return Observation(instruction, len(pairs), right, unread, tuple(ranked), float(certainty))

    def _replies(self, instruction: str) -> list[Reply]:
        self.calls += len(self._examples)
        prompts = (Prompt(instruction, each.text, self._card.labels, self._card.request) for each in self._examples)
        return [self._model.answer(prompt.ask()) for prompt in prompts]


def search_prompt(target: Target, agents: Agents, start: str, budget: SearchBudget) -> SearchTrace:
    """Search from an instruction on, always from the best one so far.

    Goals are taken in turn. A question that the critic turns down is asked anew once. After each new best instruction
    the planner plans again.

    Args:
        target: Scores instructions on development items.
        agents: Planner, teacher, critic and student.
        start: The instruction to start from.
        budget: What the search may cost; it never costs more.

    Raises:
        UsageError: ``bad_budget`` if there is no evaluation in the budget.
    """
    if budget.evaluations < 1:
        raise UsageError("The first instruction has to be scored.", code="bad_budget", value=budget.evaluations)
    before = target.calls
    best = target.observe(start)
    steps = [Step("", Question("", ""), Critique(True), best, kept=True)]
    turns = _Turns(agents, budget.agent_calls)
    stop: Stop = "budget"
    goals = turns.goals(best)
    while len(steps) < budget.evaluations:
        try:
            goal = next(goals, None)
            if goal is None:
                stop = "no goal"
                break
            question, critique = turns.question(goal, best)
            instruction = turns.rewritten(goal, question, best)
            if instruction is None:
                stop = "no edit"
                break
            seen = target.observe(instruction)
            kept = seen.reward > best.reward
            steps.append(Step(goal, question, critique, seen, kept))
            if kept:
                best, goals = seen, turns.goals(seen)
        except _Spent:
            break
    spent = SearchBudget(len(steps), turns.calls)
    return SearchTrace(tuple(steps), stop, budget, spent, target.calls - before)


def assert_equal_searches(traces: Mapping[str, SearchTrace]) -> None:
    """Refuse a comparison of searches that were not allowed the same, or did not score on equally many items.

    Raises:
        RunError: ``unequal_budgets``.
    """
    allowed = {name: (trace.allowed, trace.best.items) for name, trace in traces.items()}
    if len(set(allowed.values())) > 1:
        raise RunError(
            f"The searches were not allowed the same: {allowed}.",
            code="unequal_budgets",
            value=sorted(allowed),
            next_step="Give every search the same budget and the same items.",
        )


def score_once(
    model: ChatModel,
    card: TaskCard,
    examples: Sequence[Example],
    vault: Vault,
    found: Mapping[str, str],
    controls: Mapping[str, str] | None = None,
    *,
    seed: int = 0,
) -> tuple[dict[str, Floats], list[Effect]]:
    """Open the test items, once, and test instructions that were found against the one of the card.

    Args:
        model: The target.
        card: The task with the instruction to start from.
        examples: All items, of which the vault holds the numbers of part ``test``.
        vault: Where the test items are locked.
        found: Instructions by name.
        controls: A control instruction by the name of what it stands beside.
        seed: Seed of the intervals.

    Returns:
        Whether each test item is right by name of the instruction, ``start`` and ``control of <name>`` among them; and
        the effects of what was found.

    Raises:
        LeakError: The test items were opened before.
    """
    rows = vault.open("test", purpose="instructions found on development items, tested once")
    target = Target(model, card, [examples[k] for k in rows])
    start = target.right(card.instruction)
    right = {name: target.right(instruction) for name, instruction in found.items()}
    control = {name: target.right(instruction) for name, instruction in (controls or {}).items()}
    effects = paired_effects(start, right, control, seed=seed)
    return {"start": start, **{f"control of {name}": each for name, each in control.items()}, **right}, effects


def _probability(reply: Reply, choice: str) -> float:
    """Probability of a choice among all, 0 where the model tells none."""
    if not reply.scores:
        return 0.0
    highest = max(reply.scores.values())
    weights = {name: np.exp(score - highest) for name, score in reply.scores.items()}
    return float(weights[choice] / sum(weights.values()))


class _Spent(Exception):  # noqa: N818 - ends a search, which is no error
    """No call of agents is left."""


class _Turns:
    """Agents within their budget of calls."""

    def __init__(self, agents: Agents, allowed: int) -> None:
        self._agents, self._allowed = agents, allowed
        self.calls = 0

    def goals(self, observation: Observation) -> Iterator[str]:
        """The goals of a plan, which is made when the first one is wanted, over and over."""
        self._count()
        yield from cycle(self._agents.plan(observation))

    def question(self, goal: str, observation: Observation) -> tuple[Question, Critique]:
        """What the teacher asks, a second time if the critic turns it down."""
        self._count()
        question = self._agents.teach(goal, observation, "")
        self._count()
        critique = self._agents.criticise(question)
        if not critique.accepted:
            self._count()
            question = self._agents.teach(goal, observation, critique.suggestion)
        return question, critique

    def rewritten(self, goal: str, question: Question, observation: Observation) -> str | None:
        """What the student makes of it."""
        self._count()
        return self._agents.rewrite(goal, question, observation)

    def _count(self) -> None:
        if self.calls == self._allowed:
            raise _Spent
        self.calls += 1
