"""Whether one person's affect follows another's: by how many seconds, how strongly, and whether chance does as well."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affectome.errors import UsageError

Floats = NDArray[np.float64]


class Contagion(NamedTuple):
    """How a response follows a signal.

    Attributes:
        lag: Seconds by which it follows, where the correlation is strongest.
        strength: Correlation there, in [-1, 1].
        p_value: Share of surrogates that are at least as strong, the signal itself counted in.
    """

    lag: float
    strength: float
    p_value: float


def find_contagion(
    signal: ArrayLike, response: ArrayLike, *, rate: float, longest: float, surrogates: int = 199, seed: int
) -> Contagion:
    """Find the delay of a response and test it against rotated signals.

    A surrogate is the signal moved round by a random time, its end put before its beginning: it keeps all that makes a
    slow series look related to another slow one, and loses the time they share.

    Args:
        signal: ``(n,)`` finite values, e.g. of who speaks.
        response: ``(n,)`` finite values at the same times, e.g. of who listens.
        rate: Values a second.
        longest: Longest delay looked for, in seconds.
        surrogates: Number of rotations.
        seed: Seed of the rotations.

    Raises:
        UsageError: ``bad_series`` if the two differ in length, are not finite, do not vary, or are shorter than four
            times the longest delay.
    """
    given, felt = np.asarray(signal, np.float64), np.asarray(response, np.float64)
    steps = round(longest * rate)
    finite = given.shape == felt.shape and given.ndim == 1 and np.isfinite(given).all() and np.isfinite(felt).all()
    if not finite or len(given) < max(4 * steps, 8) or np.ptp(given) == 0 or np.ptp(felt) == 0:
        raise UsageError(
            "Contagion needs two varying series of one length, four times the longest delay or more.",
            code="bad_series",
            value=f"{given.shape}, {felt.shape}",
        )
    found = _correlations(given, felt, steps)
    best = int(np.abs(found).argmax())
    rng = np.random.default_rng(seed)
    moves = rng.integers(steps + 1, len(given) - steps, size=surrogates)
    strongest = [float(np.abs(_correlations(np.roll(given, move), felt, steps)).max()) for move in moves]
    p_value = (1 + int((np.array(strongest) >= abs(found[best])).sum())) / (1 + surrogates)
    return Contagion(best / rate, float(found[best]), p_value)


def _correlations(signal: Floats, response: Floats, steps: int) -> Floats:
    """Correlation at each delay from 0 on; 0 where a part does not vary."""
    found = np.zeros(steps + 1)
    for delay in range(steps + 1):
        first, second = signal[: len(signal) - delay], response[delay:]
        first, second = first - first.mean(), second - second.mean()
        size = np.sqrt((first @ first) * (second @ second))
        found[delay] = first @ second / size if size > 0 else 0.0
    return found
