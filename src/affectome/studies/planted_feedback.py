"""Feedback whose effect is planted, so that it is known whether a comparison of policies finds it.

The answers come from a made-up responder that goes through the same loop as a language model; they say something about
the loop and its test, and nothing about any model.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from affectome.evaluate import bootstrap_mean
from affectome.language import Ask, ScriptedModel
from affectome.language.feedback import (
    ALTERNATE,
    NEUTRAL,
    RESAMPLE,
    Gold,
    assert_equal_budgets,
    list_phrases,
    list_tones,
    run_feedback,
)
from affectome.language.paired_effects import paired_effects
from affectome.language.prompt_changes import Prompt
from affectome.studies.comparing import claim_value
from affectome.studies.study import Claim, Role, Row, Table, Value

Floats = NDArray[np.float64]

CHANCE, ESCAPE = 0.20, 0.35
"""Chance that an answer is right, and that it is after emotional feedback, where planted."""
_ITEMS = 200
_POLICIES = (RESAMPLE, NEUTRAL, ALTERNATE)
_ROLES: Mapping[str, Role] = {RESAMPLE.name: "baseline", NEUTRAL.name: "control", ALTERNATE.name: "result"}
_PROMPT = Prompt("made up", "made up", ("right", "wrong"))


class Responder:
    """Is right with a chance that depends on what it was told.

    Args:
        escape: Chance after emotional feedback.
        seed: Seed of the draws.
    """

    def __init__(self, escape: float, seed: int) -> None:
        self._escape = escape
        self._rng = np.random.default_rng(seed)
        tones = [tone for tone, polarity in list_tones().items() if polarity != "neutral"]
        self._emotional = tuple(phrase for tone in tones for phrase in list_phrases(tone))

    def __call__(self, ask: Ask) -> str:
        """The answer to a request."""
        said = ask.messages[-1].content
        chance = self._escape if any(phrase in said for phrase in self._emotional) else CHANCE
        return "right" if self._rng.random() < chance else "wrong"


def planted_curve(escape: float, rounds: int) -> Floats:
    """Share of items that should be solved by each round of emotional feedback."""
    return np.asarray(1 - (1 - CHANCE) * (1 - escape) ** np.arange(rounds + 1))


def planted_feedback(*, rounds: int, runs: int, seed: int) -> tuple[Table, list[Claim]]:
    """How often emotional feedback is found to help where it does and where it does not.

    Args:
        rounds: Rounds of feedback.
        runs: Experiments that are drawn of either kind.
        seed: Seed of the draws.

    Returns:
        The table of the kind with an effect, and claims about both.
    """
    helped: dict[float, list[float]] = {}
    solved: dict[str, Floats] = {}
    for escape in (CHANCE, ESCAPE):
        helped[escape], curves = [], {policy.name: np.zeros(rounds + 1) for policy in _POLICIES}
        for number in range(runs):
            right = _experiment(escape, rounds, seed + number)
            changed, control = (
                {ALTERNATE.name: right[ALTERNATE.name][:, -1]},
                {ALTERNATE.name: right[NEUTRAL.name][:, -1]},
            )
            (effect,) = paired_effects(right[RESAMPLE.name][:, -1], changed, control, resamples=1)
            helped[escape].append(float(effect.helped))
            for name, by_round in right.items():
                curves[name] += by_round.mean(axis=0) / runs
        solved = curves
    columns = tuple(f"solved by round {turn}" for turn in range(rounds + 1))
    rows = [
        Row(name, _ROLES[name], dict(zip(columns, map(float, curve), strict=True))) for name, curve in solved.items()
    ]
    planted: dict[str, Value] = dict(zip(columns, map(float, planted_curve(ESCAPE, rounds)), strict=True))
    rows.append(Row("as planted", "ceiling", planted))
    off = float(np.abs(solved[ALTERNATE.name] - planted_curve(ESCAPE, rounds)).max())
    power, false = (bootstrap_mean(helped[escape], seed=seed) for escape in (ESCAPE, CHANCE))
    said = f"made-up responder, {_ITEMS} items"
    claims = [
        claim_value(f"{said}: power to find planted feedback", power, ">=", 0.90),
        claim_value(f"{said}: false alarms without an effect", false, "<=", 0.05),
        Claim(f"{said}: solved by each round, off what is planted by at most", off, 0.01, "<="),
    ]
    title = (
        f"Made-up responder that is right with a chance of {CHANCE:.0%}, after emotional feedback of "
        f"{ESCAPE:.0%}: {_ITEMS} items, {runs} runs"
    )
    return Table(title, columns, rows), claims


def _experiment(escape: float, rounds: int, seed: int) -> dict[str, Floats]:
    """Whether each item is solved by each round, ``(items, rounds + 1)`` by policy."""
    model = ScriptedModel(Responder(escape, seed))
    runs = {
        policy.name: [
            run_feedback(model, _PROMPT, policy, rounds=rounds, gold=Gold("right"), mode="verifier", seed=seed + item)
            for item in range(_ITEMS)
        ]
        for policy in _POLICIES
    }
    assert_equal_budgets(runs)
    return {
        name: np.array([[float(run.solved_by(turn)) for turn in range(rounds + 1)] for run in some])
        for name, some in runs.items()
    }
