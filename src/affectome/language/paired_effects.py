"""Whether a change helped: the same items with and without it, and with a neutral control of equal length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affectome.errors import UsageError
from affectome.evaluate import Interval, bootstrap_mean, mcnemar

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Effect:
    """What one change did.

    Attributes:
        name: The change.
        gain: Share right with it minus share right without, on items read both times.
        gain_over_control: The same against its neutral control; None where it has none.
        won: Items that only the change has right, against no change.
        lost: Items that only the prompt without it has right.
        unread: Items one of the answers to which could not be read; they count for nothing else.
        p_value: Exact McNemar test, two-sided; of the two tests the larger one where there is a control.
        adjusted: The same after Holm's correction for the number of changes.
        level: Share of false alarms that is allowed over all changes together.
    """

    name: str
    gain: Interval
    gain_over_control: Interval | None
    won: int
    lost: int
    unread: int
    p_value: float
    adjusted: float
    level: float

    @property
    def net_gain(self) -> Interval:
        """The gain over its control, or over no change where it has none."""
        return self.gain if self.gain_over_control is None else self.gain_over_control

    @property
    def helped(self) -> bool:
        """Whether it is better than no change and than its control, beyond chance."""
        return self.adjusted <= self.level and self.gain.value > 0 and self.net_gain.value > 0


def paired_effects(
    plain: ArrayLike,
    changed: Mapping[str, ArrayLike],
    controls: Mapping[str, ArrayLike] | None = None,
    *,
    level: float = 0.05,
    seed: int = 0,
    resamples: int = 1000,
) -> list[Effect]:
    """Test every change against no change and against its neutral control, on the same items.

    A change has to be better than both, so the larger of the two p-values counts, which keeps the level. Over several
    changes the p-values are corrected after Holm.

    Args:
        plain: ``(n,)`` 1 right, 0 wrong, NaN unread, without a change.
        changed: The same by change.
        controls: The same by change for its neutral control; a change may have none.
        level: Share of false alarms that is allowed.
        seed: Seed of the intervals.
        resamples: Resamples of the intervals.

    Returns:
        One effect a change, in the order given.

    Raises:
        UsageError: ``unpaired`` if answers differ in number or none was read in both ways, ``unknown_change`` if a
            control belongs to no change.
    """
    controls = controls or {}
    if unknown := sorted(set(controls) - set(changed)):
        raise UsageError(
            "A control belongs to no change.", code="unknown_change", value=unknown[0], allowed=list(changed)
        )
    tests = {
        name: [_Pair.of(right, plain, name), *([_Pair.of(right, controls[name], name)] if name in controls else [])]
        for name, right in changed.items()
    }
    p_values = [max(pair.p_value() for pair in pairs) for pairs in tests.values()]
    return [
        Effect(
            name,
            pairs[0].gain(seed, resamples),
            pairs[1].gain(seed, resamples) if len(pairs) > 1 else None,
            int((pairs[0].first > pairs[0].second).sum()),
            int((pairs[0].first < pairs[0].second).sum()),
            max(pair.unread for pair in pairs),
            p_value,
            adjusted,
            level,
        )
        for (name, pairs), p_value, adjusted in zip(tests.items(), p_values, holm(p_values), strict=True)
    ]


def share_right(right: ArrayLike, seed: int = 0) -> Interval | float:
    """Share of right ones among the answers that could be read, NaN without any.

    Args:
        right: ``(n,)`` 1 right, 0 wrong, NaN unread.
        seed: Seed of the interval.
    """
    values = np.asarray(right, np.float64)
    read = values[~np.isnan(values)]
    return bootstrap_mean(read, seed=seed) if len(read) else float("nan")


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for their number, in the order given.

    Source: S. Holm, Scandinavian Journal of Statistics 6 (1979).
    """
    order = np.argsort(p_values, kind="stable")
    steps = np.asarray(p_values, np.float64)[order] * np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1) if len(steps) else steps
    return [float(value) for value in adjusted]


@dataclass(frozen=True, eq=False)
class _Pair:
    """Items that were read both times."""

    first: Floats
    second: Floats
    unread: int

    @classmethod
    def of(cls, first: ArrayLike, second: ArrayLike, name: str) -> _Pair:
        one, two = np.asarray(first, np.float64), np.asarray(second, np.float64)
        read = ~(np.isnan(one) | np.isnan(two)) if one.shape == two.shape and one.ndim == 1 else np.zeros(0, np.bool_)
        if not read.any():
            raise UsageError(
                f"The answers with and without {name!r} do not belong to the same items, or none was read both times.",
                code="unpaired",
                value=f"{one.shape} and {two.shape}",
                next_step="Ask the same items each time, and give one number an item.",
            )
        return cls(one[read], two[read], int((~read).sum()))

    def p_value(self) -> float:
        right = np.ones(len(self.first), np.int64)
        return mcnemar(truth=right, first=self.first.astype(np.int64), second=self.second.astype(np.int64)).p_value

    def gain(self, seed: int, resamples: int) -> Interval:
        return bootstrap_mean(self.first - self.second, seed=seed, resamples=resamples)
