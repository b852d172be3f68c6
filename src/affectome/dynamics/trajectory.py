"""How a state moved behind its signal: delay, depth, recovery, overshoot, hysteresis and abruptness."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affectome.errors import UsageError

_TOLERANCE = 1e-9  # correlations that differ by rounding are the same


@dataclass(frozen=True)
class Trajectory:
    """One axis of a state beside its signal. Turns count from 1.

    Attributes:
        lag: Turns by which the state follows the signal: the shift with the highest correlation, the smallest of
            equals; NaN where one of them never changes.
        nadir: Lowest value of the state.
        nadir_turn: First turn at which it is reached.
        recovery: Turns from the beginning of the repair, which counts as the first, until the state is back at the
            baseline; NaN if it never is.
        regained: Share of the way from the lowest point before the repair to the baseline that is regained in the end;
            above 1 beyond the baseline, NaN if there was nothing to regain.
        overshoot: How far the state goes beyond the range of the baseline and all signals, at least 0.
        loop_area: Area between the ways down and up in the plane of signal and state (hysteresis); 0 without memory.
        abruptness: Largest step between two turns.
        jerk: Mean absolute change from one step to the next.
    """

    lag: float
    nadir: float
    nadir_turn: int
    recovery: float
    regained: float
    overshoot: float
    loop_area: float
    abruptness: float
    jerk: float


def describe_trajectory(signal: ArrayLike, state: ArrayLike, *, repair: int, baseline: float = 0.0) -> Trajectory:
    """Measure how one axis of a state followed one axis of its signal.

    Args:
        signal: ``(n,)`` what came in, turn by turn.
        state: ``(n,)`` state after each of them.
        repair: First turn, counted from 1, of the part in which the signal gets better again.
        baseline: Value that counts as recovered.

    Raises:
        UsageError: ``bad_trajectory`` if the two differ in length, hold something that is not finite, or have fewer
            than three turns; ``bad_turn`` if the repair does not begin within them.
    """
    came, stood = np.asarray(signal, np.float64), np.asarray(state, np.float64)
    if came.ndim != 1 or came.shape != stood.shape or len(came) < 3 or not np.isfinite([came, stood]).all():
        raise UsageError(
            "A trajectory needs a finite signal and state for each of at least three turns.",
            code="bad_trajectory",
            value=f"{came.shape}, {stood.shape}",
        )
    if not 1 < repair <= len(came):
        raise UsageError(
            "The repair must begin after the first turn and within the others.",
            code="bad_turn",
            value=repair,
            allowed=(f"2 to {len(came)}",),
        )
    steps = np.diff(stood)
    back = np.flatnonzero(stood[repair - 1 :] >= baseline)
    lowest = float(stood[: repair - 1].min())
    known = np.append(came, baseline)
    return Trajectory(
        lag=_lag(came, stood),
        nadir=float(stood.min()),
        nadir_turn=int(stood.argmin()) + 1,
        recovery=float(back[0] + 1) if len(back) else math.nan,
        regained=(float(stood[-1]) - lowest) / (baseline - lowest) if lowest < baseline else math.nan,
        overshoot=max(0.0, float(stood.max() - known.max()), float(known.min() - stood.min())),
        loop_area=loop_area(came, stood),
        abruptness=float(np.abs(steps).max()),
        jerk=float(np.abs(np.diff(steps)).mean()),
    )


def loop_area(signal: ArrayLike, state: ArrayLike) -> float:
    """Area of the closed polygon through the points of signal and state (shoelace formula)."""
    x, y = np.asarray(signal, np.float64), np.asarray(state, np.float64)
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(np.roll(x, -1), y)) / 2)


def _lag(signal: NDArray[np.float64], state: NDArray[np.float64]) -> float:
    found: list[float] = []
    for shift in range(len(signal) // 2):
        first, second = signal[: len(signal) - shift], state[shift:]
        constant = np.ptp(first) == 0 or np.ptp(second) == 0
        found.append(-math.inf if constant else float(np.corrcoef(first, second)[0, 1]))
    best = max(found)
    if best == -math.inf:
        return math.nan
    return float(next(shift for shift, value in enumerate(found) if value >= best - _TOLERANCE))
