"""Effects of prompts that are planted, so that it is known whether the paired test finds them.

The answers are drawn from a made-up responder whose accuracy is known; they say something about the test, and nothing
about any model.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from affectome.evaluate import bootstrap_mean
from affectome.language.paired_effects import paired_effects
from affectome.studies.comparing import claim_value
from affectome.studies.study import Claim, Role, Row, Table

Floats = NDArray[np.float64]

GAIN = 0.10
_ACCURACY = 0.5
_NOISE = 0.05  # share of answers that change with any change of the prompt, for the better or the worse
_FOUND, _FALSE = "planted change found", "false alarms"
_NONE, _LENGTH, _PLANTED = "no effect", "any longer prompt gains the same", "one change gains"
_ROLES: Mapping[str, Role] = {_NONE: "baseline", _LENGTH: "control", _PLANTED: "result"}


def planted_effects(
    changes: int, *, items: int, runs: int, seed: int, controlled: bool = True
) -> tuple[Table, list[Claim]]:
    """How often the paired test finds a gain of ten points, and how often one that is not there.

    Args:
        changes: Changes that are tested together, of which at most one has an effect of its own.
        items: Items that are asked.
        runs: Experiments that are drawn.
        seed: Seed of the draws.
        controlled: Whether each change has a neutral control that it has to beat too.

    Returns:
        The table, and the claims of power and false alarms.
    """
    kinds = [kind for kind in _ROLES if controlled or kind != _LENGTH]
    outcomes: dict[str, list[tuple[float, float]]] = {kind: [] for kind in kinds}
    names = [f"change {number}" for number in range(changes)]
    for kind in kinds:
        for number in range(runs):
            rng = np.random.default_rng((seed, number))
            difficulty = rng.random(items)
            gains = {
                name: GAIN if kind == _LENGTH or (kind == _PLANTED and name == names[0]) else 0.0 for name in names
            }
            plain = _answers(difficulty, 0.0, rng)
            changed = {name: _answers(difficulty, gain, rng) for name, gain in gains.items()}
            control = GAIN if kind == _LENGTH else 0.0
            controls = {name: _answers(difficulty, control, rng) for name in names} if controlled else {}
            effects = paired_effects(plain, changed, controls, seed=number, resamples=1)
            helped = {effect.name for effect in effects if effect.helped}
            true = {names[0]} if kind == _PLANTED else set()
            outcomes[kind].append((float(bool(true & helped)), float(bool(helped - true))))
    rows, values = [], {}
    for kind in kinds:
        found, false = (bootstrap_mean(column, seed=seed) for column in np.array(outcomes[kind]).T)
        values[kind] = {_FALSE: false} | ({_FOUND: found} if kind == _PLANTED else {})
        rows.append(Row(kind, _ROLES[kind], values[kind]))
    title = (
        f"Made-up responder, {_ACCURACY:.0%} right, {GAIN * 100:.0f} points planted, {items} items, {changes} change"
        f"{'s' if changes > 1 else ''} at once, {runs} runs"
    )
    said = f"made-up responder, {items} items, {changes} change{'s' if changes > 1 else ''} at once"
    claims = [
        claim_value(f"{said}: power to find ten planted points", values[_PLANTED][_FOUND], ">=", 0.90),
        *(
            claim_value(f"{said}: false alarms, {kind}", values[kind][_FALSE], "<=", 0.05)
            for kind in kinds
            if kind != _PLANTED
        ),
    ]
    return Table(title, (_FOUND, _FALSE), rows), claims


def _answers(difficulty: Floats, gain: float, rng: np.random.Generator) -> Floats:
    """1 where an item is right: the same items at every time but for some noise, and more of them with a gain."""
    steady = difficulty < _ACCURACY + gain / (1 - _NOISE)
    drawn = rng.random(len(difficulty)) < _ACCURACY
    return np.where(rng.random(len(difficulty)) < _NOISE, drawn, steady).astype(np.float64)
