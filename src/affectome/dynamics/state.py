"""A mood that lives outside whoever speaks: each signal moves three numbers that have inertia.

Three orders of memory, after S. Subaharan (arXiv 2601.16087), whose equations are given in words only. With the signal
``s``, the state ``E``, its velocity ``v``, the gain ``a`` and the momentum ``m``:

* order 0: ``E = s``;
* order 1: ``E = E + a (s - E)``, exponential smoothing;
* order 2: ``E = E + v`` with ``v = m v + a (s - E)`` in the ``"momentum"`` form and ``v = m v + (1 - m) a (s - E)`` in
  the ``"damped"`` form. With ``m = 0`` both are order 1. As ``m`` grows, the first overshoots and the second gets
  slower.

The momentum form has its poles at the roots of ``z² - (1 + m - a) z + m``: it oscillates where
``(1 + m - a)² < 4 m`` and dies down for every ``m`` below 1.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from affectome.errors import InputError, UsageError

Axes = tuple[float, float, float]
"""Valence, arousal and dominance, each in [-1, 1]."""
Order = Literal[0, 1, 2]
Form = Literal["momentum", "damped"]

_VALENCE = 0


@dataclass(frozen=True)
class StateDynamics:
    """How a state answers to signals.

    Attributes:
        order: 0 has no memory, 1 smooths, 2 has a velocity.
        gain: Share of the way to the signal that one signal moves the state, above 0 and at most 1.
        worsening_gain: Gain while the valence of the signal lies below that of the state, for a mood that gets worse
            faster than it gets better; the ``gain`` where absent. It moves valence only.
        momentum: Share of its velocity that a state of order 2 keeps, at least 0 and below 1.
        form: Which of the two equations of order 2.
        baseline: Where the state starts and where it is pulled to.
        half_life: Seconds after which half of the distance to the baseline is gone; no pull where absent.

    Raises:
        UsageError: ``bad_dynamics`` if a number is out of its range, or the order or form is unknown.
    """

    order: Order = 1
    gain: float = 0.2
    worsening_gain: float | None = None
    momentum: float = 0.0
    form: Form = "momentum"
    baseline: Axes = (0.0, 0.0, 0.0)
    half_life: float | None = None

    def __post_init__(self) -> None:
        if self.order not in get_args(Order):
            raise _refused("order", self.order, "0, 1 or 2")
        if self.form not in get_args(Form):
            raise _refused("form", self.form, " or ".join(get_args(Form)))
        for name in ("gain", "worsening_gain"):
            value = getattr(self, name)
            if value is not None and not 0 < value <= 1:
                raise _refused(name, value, "above 0 and at most 1")
        if not 0 <= self.momentum < 1:
            raise _refused("momentum", self.momentum, "at least 0 and below 1")
        if self.half_life is not None and not 0 < self.half_life < math.inf:
            raise _refused("half_life", self.half_life, "a number of seconds above 0")
        _axes(self.baseline, "baseline")


@dataclass(frozen=True)
class AffectState:
    """A mood between two signals; `after` gives the next one and leaves this one as it is.

    Attributes:
        dynamics: How it moves.
        position: Where it is.
        velocity: Its last step, before it was kept within bounds; zero unless the order is 2.
        turns: Signals so far.
        clipped: Times that an axis had to be kept within [-1, 1]. A large count says that the dynamics do not settle.
    """

    dynamics: StateDynamics
    position: Axes
    velocity: Axes = (0.0, 0.0, 0.0)
    turns: int = 0
    clipped: int = 0

    @classmethod
    def start(cls, dynamics: StateDynamics) -> AffectState:
        """The state at its baseline."""
        return cls(dynamics, dynamics.baseline)

    def after(self, signal: Sequence[float], *, seconds: float = 0.0) -> AffectState:
        """The state after one more signal.

        Args:
            signal: Valence, arousal and dominance in [-1, 1].
            seconds: Time since the last signal, in which the state is pulled to its baseline first.

        Raises:
            UsageError: ``bad_axes`` if the signal is not three numbers in range; ``bad_time`` if time runs backwards.
        """
        target = np.asarray(_axes(signal, "signal"))
        state = self.rested(seconds)
        position, velocity = np.asarray(state.position), np.asarray(state.velocity)
        how = self.dynamics
        if how.order == 0:
            return replace(state, position=_three(target), turns=self.turns + 1)
        gap = target - position
        gains = np.full(3, how.gain)
        if how.worsening_gain is not None and gap[_VALENCE] < 0:
            gains[_VALENCE] = how.worsening_gain
        pull = gains * gap
        if how.order == 2:
            share = 1 - how.momentum if how.form == "damped" else 1.0
            velocity = how.momentum * velocity + share * pull
            pull = velocity
        reached = position + pull
        kept = np.clip(reached, -1, 1)
        return replace(
            state,
            position=_three(kept),
            velocity=_three(velocity),
            turns=self.turns + 1,
            clipped=self.clipped + int((kept != reached).sum()),
        )

    def rested(self, seconds: float) -> AffectState:
        """The state after some time without a signal: position and velocity fade with the half-life.

        Raises:
            UsageError: ``bad_time`` if the time is negative or not finite.
        """
        if not 0 <= seconds < math.inf:
            raise UsageError("Time does not run backwards.", code="bad_time", value=seconds, allowed=("0 or more",))
        if self.dynamics.half_life is None or seconds == 0:
            return self
        left = 0.5 ** (seconds / self.dynamics.half_life)
        home = np.asarray(self.dynamics.baseline)
        return replace(
            self,
            position=_three(home + left * (np.asarray(self.position) - home)),
            velocity=_three(left * np.asarray(self.velocity)),
        )

    def to_json(self) -> str:
        """The state as JSON; floats keep every bit, so that `from_json` goes on exactly where this one stood."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> AffectState:
        """The state that `to_json` wrote.

        Raises:
            InputError: ``bad_state`` if the text is something else.
        """
        try:
            fields = json.loads(text)
            given = fields["dynamics"]
            dynamics = StateDynamics(**given | {"baseline": _axes(given["baseline"], "baseline")})
            # A velocity may be larger than a position can be.
            velocity = _three(np.asarray(fields["velocity"], np.float64))
            position = _axes(fields["position"], "position")
            return cls(dynamics, position, velocity, int(fields["turns"]), int(fields["clipped"]))
        except (AttributeError, KeyError, TypeError, ValueError, UsageError) as error:
            raise InputError(
                f"This is not a saved state: {error}", code="bad_state", value=text[:80], next_step="Start a new one."
            ) from None


class StateTrace(NamedTuple):
    """What a state did while it followed a sequence of signals.

    Attributes:
        positions: ``(n, 3)`` state after each signal.
        last: The state at the end, from which a later sequence goes on.
    """

    positions: NDArray[np.float64]
    last: AffectState


def follow(
    state: AffectState | StateDynamics,
    signals: Sequence[Sequence[float]] | NDArray[np.float64],
    *,
    seconds: float = 0.0,
) -> StateTrace:
    """Let a state follow a sequence of signals.

    Args:
        state: Where it starts, or how it moves if it starts at its baseline.
        signals: ``(n, 3)`` valence, arousal and dominance in [-1, 1].
        seconds: Time before each signal.

    Raises:
        UsageError: As `AffectState.after`.
    """
    now = AffectState.start(state) if isinstance(state, StateDynamics) else state
    positions = []
    for signal in signals:
        now = now.after(signal, seconds=seconds)
        positions.append(now.position)
    return StateTrace(np.asarray(positions, np.float64).reshape(-1, 3), now)


def _three(values: NDArray[np.float64]) -> Axes:
    valence, arousal, dominance = (float(value) for value in values)
    return valence, arousal, dominance


def _axes(values: Sequence[float], what: str) -> Axes:
    try:
        given = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        given = np.zeros(0)
    if given.shape != (3,) or not (np.abs(given) <= 1).all():
        raise UsageError(
            f"The {what} must be valence, arousal and dominance.",
            code="bad_axes",
            value=values,
            allowed=("three numbers in [-1, 1]",),
        )
    return _three(given)


def _refused(name: str, value: object, allowed: str) -> UsageError:
    return UsageError(f"The {name} is out of range.", code="bad_dynamics", value=value, allowed=(allowed,))
