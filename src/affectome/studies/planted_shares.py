"""Shares and changes that are planted, so that it is known whether a correction finds them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from affectome.errors import UsageError
from affectome.evaluate import Interval, bootstrap_mean, prevalence, prevalence_change
from affectome.studies.comparing import claim_value
from affectome.studies.study import Claim, Role, Row, Table

Ints = NDArray[np.int64]

_BEFORE, _CHANGE, _POSTS, _LABELLED = 0.30, 0.08, 1000, 500
_Z = 1.96
_REPORTED, _ELSEWHERE, _CORRECTED = "counted as reported", "corrected, errors of other posts", "corrected"
_ROLES: dict[str, Role] = {_REPORTED: "baseline", _ELSEWHERE: "control", _CORRECTED: "result"}
_CHANGE_IN, _SAME_IN, _SHARE_IN = "change inside", "no change inside", "share inside"
_METRICS = (_CHANGE_IN, _SAME_IN, _SHARE_IN, "error of change", "error of share")


@dataclass(frozen=True, eq=False)
class Counted:
    """Items with a true label, and what a reader reports on each.

    Attributes:
        truth: ``(n,)`` 0 or 1.
        reported: ``(n,)`` 0 or 1.
    """

    truth: Ints
    reported: Ints

    def draw(self, share: float, count: int, rng: np.random.Generator) -> Ints:
        """What is reported on items drawn with replacement, each present with a chance of ``share``."""
        present, absent = (rng.choice(np.flatnonzero(self.truth == value), count) for value in (1, 0))
        return self.reported[np.where(rng.random(count) < share, present, absent)]


def planted_shares(name: str, pool: Counted, other: Counted, *, runs: int, seed: int) -> tuple[Table, list[Claim]]:
    """How often intervals hold a planted change, no change, and a planted share.

    Where a reader errs so much that its counts cannot be corrected, the run has no interval, which then holds nothing,
    and its error is that of the count as reported.

    Args:
        name: What is counted, for the title.
        pool: Items that are counted, and labelled anew in each run for the correction.
        other: Items of another kind, whose errors should not serve.
        runs: Number of draws.
        seed: Seed of the draws.
    """
    planted = (_CHANGE, 0.0, _BEFORE + _CHANGE)
    found: dict[str, list[list[float]]] = {kind: [] for kind in _ROLES}
    for number in range(runs):
        rng = np.random.default_rng((seed, number))
        before, after, same = (pool.draw(share, _POSTS, rng) for share in (_BEFORE, _BEFORE + _CHANGE, _BEFORE))
        ends = {_REPORTED: [_as_reported(before, after), _as_reported(before, same), _as_reported(None, after)]}
        for kind, labelled in ((_ELSEWHERE, other), (_CORRECTED, pool)):
            rows = rng.integers(len(labelled.truth), size=_LABELLED)
            change = partial(prevalence_change, dev_truth=labelled.truth[rows], dev_prediction=labelled.reported[rows])
            share = partial(prevalence, dev_truth=labelled.truth[rows], dev_prediction=labelled.reported[rows])
            try:
                corrected = (
                    change(before=before, after=after),
                    change(before=before, after=same),
                    share(prediction=after),
                )
            except UsageError as error:
                if error.code != "no_better_than_chance":
                    raise
                ends[kind] = [(np.nan, value, np.nan) for _, value, _ in ends[_REPORTED]]
                continue
            ends[kind] = [(each.low, each.value, each.high) for each in corrected]
        for kind, three in ends.items():
            held = [float(low <= true <= high) for (low, _, high), true in zip(three, planted, strict=True)]
            found[kind].append([*held, 100 * (three[0][1] - planted[0]), 100 * (three[2][1] - planted[2])])
    values: dict[str, dict[str, Interval]] = {
        kind: {
            metric: bootstrap_mean(column, seed=seed)
            for metric, column in zip(_METRICS, np.array(found[kind]).T, strict=True)
        }
        for kind in _ROLES
    }
    said = f"{_BEFORE:.0%} before, {_BEFORE + _CHANGE:.0%} after, {_POSTS:,} posts each, {_LABELLED} labelled"
    held_text = f"{name}: runs whose interval holds the planted"
    claims = [
        claim_value(f"{held_text} change", values[_CORRECTED][_CHANGE_IN], ">=", 0.90),
        claim_value(f"{held_text} share", values[_CORRECTED][_SHARE_IN], ">=", 0.90),
        claim_value(f"{held_text} share, errors taken from other posts", values[_ELSEWHERE][_SHARE_IN], "<", 0.90),
    ]
    rows_of = [Row(kind, role, values[kind]) for kind, role in _ROLES.items()]
    return Table(f"{name}: {said}, {runs} runs", _METRICS, rows_of), claims


def _as_reported(before: Ints | None, after: Ints) -> tuple[float, float, float]:
    """A reported share, or change of it, between the ends of its interval."""
    shares = [float(counted.mean()) for counted in (before, after) if counted is not None]
    half = _Z * float(np.sqrt(sum(share * (1 - share) / _POSTS for share in shares)))
    value = shares[-1] - (0.0 if before is None else shares[0])
    return value - half, value, value + half
