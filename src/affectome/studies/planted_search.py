"""Edits of which one is planted, so that it is known whether a search finds it and whether its test can be trusted.

The answers come from a made-up responder that goes through the same search as a language model; they say something
about the search and its test, and nothing about any model.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from affectome.evaluate import Vault, bootstrap_mean
from affectome.language import Ask, ScriptedModel
from affectome.language.paired_effects import paired_effects
from affectome.language.prompt_agents import Edit, RandomAgents, RuleAgents
from affectome.language.prompt_search import (
    Example,
    SearchBudget,
    Target,
    TaskCard,
    assert_equal_searches,
    score_once,
    search_prompt,
)
from affectome.studies.comparing import claim_value
from affectome.studies.study import Claim, Row, Table

BUDGET = SearchBudget(6, 60)
_DEV, _TEST = 60, 200
_RIGHT = {"calm": 0.75, "tense": 0.35}  # share of the texts of a gold that are right
_GAIN = 0.4  # more of the tense ones, where the planted edit stands in the instruction
_NOISE = 0.05
_EDITS = tuple(Edit(label, f"Edit {number}.") for number, label in enumerate(("calm", "tense", "") * 3))
_PLANTED = _EDITS[4]  # the second one for the answer that is mostly missed
_CARD = TaskCard("Say what it is.", ("calm", "tense"))
_FOUND, _HELPED = "planted edit found", "helped on locked items"
_SAME = "helped on the items it was chosen on"


class Responder:
    """Is right on the easier texts, and on more of them where an edit stands in the instruction.

    Args:
        examples: Texts with their golds.
        planted: The edit that helps, if any.
        seed: Seed of how hard texts are and of the noise.
    """

    def __init__(self, examples: Sequence[Example], planted: Edit | None, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._gold = {example.text: example.gold for example in examples}
        self._hard = {example.text: float(self._rng.random()) for example in examples}
        self._planted = planted

    def __call__(self, ask: Ask) -> str:
        """The answer to a request."""
        instruction, text, _ = ask.messages[-1].content.split("\n\n")
        gold = self._gold[text]
        helped = gold == "tense" and self._planted is not None and self._planted.text in instruction
        right = self._hard[text] < _RIGHT[gold] + _GAIN * helped
        if self._rng.random() < _NOISE:
            right = self._rng.random() < _RIGHT[gold]
        return gold if right else next(label for label in _CARD.labels if label != gold)


def planted_search(*, runs: int, seed: int) -> tuple[Table, list[Claim]]:
    """How often a search finds the planted edit, and how often it seems to help where nothing does.

    Args:
        runs: Searches that are drawn of either kind.
        seed: Seed of the draws.

    Returns:
        The table, and the claims of power and false alarms.
    """
    kinds = {planted: [_experiment(planted, seed + number) for number in range(runs)] for planted in (None, _PLANTED)}
    rows = []
    measured = {}
    for planted, found in kinds.items():
        said = "one edit helps" if planted else "no edit helps"
        for name in ("random edits", "agents"):
            values = {
                metric: bootstrap_mean([run[name][metric] for run in found], seed=seed)
                for metric in (_HELPED, _SAME, *((_FOUND,) if planted else ()))
            }
            rows.append(Row(f"{said}: {name}", "baseline" if name == "random edits" else "result", values))
            measured[bool(planted), name] = values
    rows.sort(key=lambda row: row.role != "baseline")
    title = (
        f"Made-up responder, {len(_EDITS)} edits of which one gains {_GAIN * 100:.0f} points on half of the items: "
        f"{BUDGET.evaluations} evaluations on {_DEV} items, test on {_TEST}, {runs} runs"
    )
    claims = [
        claim_value("made-up responder: power to find the planted edit", measured[True, "agents"][_HELPED], ">=", 0.90),
        claim_value("made-up responder: false alarms, no edit helps", measured[False, "agents"][_HELPED], "<=", 0.05),
    ]
    return Table(title, (_FOUND, _HELPED, _SAME), rows), claims


def _experiment(planted: Edit | None, seed: int) -> dict[str, dict[str, float]]:
    """A search by agents and one at random, both tested once."""
    examples = [Example(f"text {k}", _CARD.labels[k % 2]) for k in range(_DEV + _TEST)]
    model = ScriptedModel(Responder(examples, planted, seed))
    target = Target(model, _CARD, examples[:_DEV])
    traces = {
        "agents": search_prompt(target, RuleAgents(_EDITS), _CARD.instruction, BUDGET),
        "random edits": search_prompt(target, RandomAgents(_EDITS, seed), _CARD.instruction, BUDGET),
    }
    assert_equal_searches(traces)
    best = {name: trace.best.instruction for name, trace in traces.items()}
    vault = Vault({"test": np.arange(_DEV, _DEV + _TEST)}, run="made up")
    _, effects = score_once(model, _CARD, examples, vault, best)
    start = target.right(_CARD.instruction)
    found: dict[str, dict[str, float]] = {}
    for effect in effects:
        (same,) = paired_effects(start, {effect.name: target.right(best[effect.name])}, resamples=1)
        found[effect.name] = {
            _FOUND: float(_PLANTED.text in best[effect.name]),
            _HELPED: float(effect.helped),
            _SAME: float(same.helped),
        }
    return found
