"""Trajectories of the published simulation, to three decimals, and worked by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectome.dynamics import StateDynamics, describe_trajectory, follow, loop_area
from affectome.errors import UsageError

SCRIPT = np.repeat([0.0, -0.8, 0.6, 0.1], [5, 8, 7, 5])


def _simulated(how):
    signals = np.zeros((25, 3))
    signals[:, 0] = SCRIPT
    return describe_trajectory(SCRIPT, follow(how, signals).positions[:, 0], repair=14)


def _momentum(momentum):
    return StateDynamics(2, momentum=momentum)


def _damped(momentum):
    return StateDynamics(2, 0.5, momentum=momentum, form="damped")


# Condition, nadir turn, recovery, loop area, largest step.
TABLE = [
    (StateDynamics(0), 6, 1, 0.000, 1.400),
    (StateDynamics(1), 13, 4, 0.855, 0.253),
    (_momentum(0.3), 13, 3, 1.067, 0.300),
    (_momentum(0.5), 12, 3, 1.255, 0.378),
    (_momentum(0.7), 11, 3, 1.481, 0.485),
    (_momentum(0.8), 10, 3, 1.549, 0.561),
    (_momentum(0.9), 9, 3, 1.641, 0.622),
    (_damped(0.0), 13, 2, 0.706, 0.698),
    (_damped(0.5), 11, 3, 1.173, 0.456),
    (_damped(0.7), 13, 3, 1.646, 0.405),
    (_damped(0.8), 13, 5, 1.781, 0.345),
    (_damped(0.9), 14, 7, 1.362, 0.248),
    (_damped(0.95), 16, 11, 0.669, 0.118),
]


@pytest.mark.parametrize(("how", "nadir", "recovery", "area", "step"), TABLE, ids=str)
def test_the_published_simulation(how, nadir, recovery, area, step):
    found = _simulated(how)
    assert (found.nadir_turn, found.recovery) == (nadir, recovery)
    assert found.loop_area == pytest.approx(area, abs=5e-4)
    assert found.abruptness == pytest.approx(step, abs=5e-4)


def test_by_hand():
    found = describe_trajectory([0, -1, -1, 1, 1, 0], [0, -0.5, -0.75, 0.125, 1.25, 0.5], repair=4)
    assert (found.nadir, found.nadir_turn, found.recovery) == (-0.75, 3, 1)
    assert found.regained == pytest.approx(1.25 / 0.75)
    assert found.overshoot == pytest.approx(0.25)
    assert found.abruptness == pytest.approx(1.125)
    assert found.jerk == pytest.approx((0.25 + 1.125 + 0.25 + 1.875) / 4)


def test_a_unit_square_is_a_loop_of_one():
    assert loop_area([0, 1, 1, 0], [0, 0, 1, 1]) == 1


@given(st.integers(0, 5))
def test_a_delay_is_found(shift):
    wave = np.sin(np.arange(40) / 3) + np.cos(np.arange(40) / 7)
    assert describe_trajectory(wave, np.roll(wave, shift), repair=20).lag == shift


def test_a_state_that_never_moves():
    found = describe_trajectory(SCRIPT, np.zeros(25), repair=14)
    assert math.isnan(found.lag)
    assert math.isnan(found.regained)
    assert (found.recovery, found.loop_area, found.abruptness) == (1, 0, 0)


def test_no_recovery():
    assert math.isnan(describe_trajectory(SCRIPT, np.linspace(0, -1, 25), repair=14).recovery)


@pytest.mark.parametrize(
    ("signal", "state"),
    [([0, 1], [0, 1]), ([0, 1, 2], [0, 1]), ([0, 1, math.nan], [0, 1, 2]), ([[0, 1, 2]], [[0, 1, 2]])],
)
def test_what_is_not_a_trajectory(signal, state):
    with pytest.raises(UsageError, match="finite signal and state"):
        describe_trajectory(signal, state, repair=2)


@pytest.mark.parametrize("repair", [0, 1, 26])
def test_a_repair_outside(repair):
    with pytest.raises(UsageError, match="repair"):
        describe_trajectory(SCRIPT, SCRIPT, repair=repair)
