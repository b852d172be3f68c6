"""States against the table of the published simulation, against themselves, and against bad input."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectome.dynamics import AffectState, StateDynamics, follow
from affectome.errors import InputError, UsageError

SCRIPT = np.zeros((25, 3))
SCRIPT[:, 0] = np.repeat([0.0, -0.8, 0.6, 0.1], [5, 8, 7, 5])

unit = st.floats(-1, 1)
signals = st.lists(st.tuples(unit, unit, unit), min_size=1, max_size=12)
gains = st.floats(0.01, 1)
momenta = st.floats(0, 0.99)
forms = st.sampled_from(["momentum", "damped"])
dynamics = st.builds(
    StateDynamics,
    order=st.sampled_from([0, 1, 2]),
    gain=gains,
    worsening_gain=st.none() | gains,
    momentum=momenta,
    form=forms,
    baseline=st.tuples(unit, unit, unit),
    half_life=st.none() | st.floats(0.1, 1000),
)


def test_two_steps_by_hand():
    first = AffectState.start(StateDynamics(2, 0.5, momentum=0.5)).after([0.8, -0.4, 0])
    assert first.position == pytest.approx((0.4, -0.2, 0))
    second = first.after([0.8, -0.4, 0])
    assert second.velocity == pytest.approx((0.4, -0.2, 0))  # half of .4 and half of the way of .4
    assert second.position == pytest.approx((0.8, -0.4, 0))
    damped = AffectState.start(StateDynamics(2, 0.5, momentum=0.5, form="damped")).after([0.8, -0.4, 0])
    assert damped.position == pytest.approx((0.2, -0.1, 0))


@given(signals, gains, forms)
def test_without_momentum_the_second_order_is_the_first(given_signals, gain, form):
    first = follow(StateDynamics(1, gain), given_signals).positions
    second = follow(StateDynamics(2, gain, form=form), given_signals).positions
    assert np.abs(first - second).max() <= 1e-12


@given(signals)
def test_without_memory_the_state_is_the_signal(given_signals):
    assert follow(StateDynamics(0), given_signals).positions.tolist() == [list(each) for each in given_signals]


@given(dynamics, signals, signals, st.floats(0, 100))
def test_saved_in_the_middle_it_goes_on_as_if_nothing_had_been(how, before, after, seconds):
    middle = follow(how, before, seconds=seconds).last
    again = AffectState.from_json(middle.to_json())
    assert again == middle
    assert follow(again, after, seconds=seconds).last == follow(how, [*before, *after], seconds=seconds).last


@given(dynamics, signals)
def test_a_state_stays_within_bounds(how, given_signals):
    trace = follow(how, given_signals)
    assert (np.abs(trace.positions) <= 1).all()
    assert trace.last.turns == len(given_signals)


@given(st.tuples(unit, unit, unit), gains, forms, st.floats(0, 0.9))
def test_a_lasting_signal_is_reached(target, gain, form, momentum):
    gain = max(gain, 0.1)
    last = follow(StateDynamics(2, gain, momentum=momentum, form=form), [target] * 1500).last
    assert last.position == pytest.approx(target, abs=1e-3)


def test_half_a_life_halves_the_distance_to_the_baseline():
    how = StateDynamics(1, 1.0, half_life=30, baseline=(0.2, 0, 0))
    state = AffectState.start(how).after([1, -1, 0.5])
    assert state.rested(30).position == pytest.approx((0.6, -0.5, 0.25))
    assert state.rested(60).position == pytest.approx((0.4, -0.25, 0.125))
    assert state.rested(0) == state
    assert AffectState.start(StateDynamics(1)).after([1, 1, 1]).rested(1e6).position == (0.2, 0.2, 0.2)


def test_half_a_life_halves_the_velocity():
    state = AffectState.start(StateDynamics(2, 0.5, momentum=0.5, half_life=10)).after([0.8, 0, 0])
    assert state.rested(10).velocity == pytest.approx((0.2, 0, 0))


def test_getting_worse_is_faster_than_getting_better():
    how = StateDynamics(1, 0.2, worsening_gain=0.6)
    assert AffectState.start(how).after([-0.5, -0.5, -0.5]).position == pytest.approx((-0.3, -0.1, -0.1))
    assert AffectState.start(how).after([0.5, 0.5, 0.5]).position == pytest.approx((0.1, 0.1, 0.1))


def test_clips_are_counted():
    assert follow(StateDynamics(2, momentum=0.5), SCRIPT).last.clipped == 0
    assert follow(StateDynamics(2, momentum=0.9), SCRIPT).last.clipped == 9


@pytest.mark.parametrize(
    "wrong",
    [
        {"order": 3},
        {"form": "square"},
        {"gain": 0},
        {"gain": 1.1},
        {"gain": float("nan")},
        {"worsening_gain": -1},
        {"momentum": 1},
        {"momentum": float("nan")},
        {"half_life": 0},
        {"half_life": float("inf")},
        {"baseline": (2, 0, 0)},
        {"baseline": (0, 0)},
    ],
    ids=str,
)
def test_dynamics_out_of_range(wrong):
    with pytest.raises(UsageError):
        StateDynamics(**wrong)


@pytest.mark.parametrize("signal", [[], [0, 0], [0, 0, 1.1], [0, float("nan"), 0], ["a", 0, 0], "abc"], ids=str)
def test_a_signal_that_is_none(signal):
    with pytest.raises(UsageError, match="valence, arousal and dominance"):
        AffectState.start(StateDynamics()).after(signal)


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf")])
def test_time_runs_forwards(seconds):
    with pytest.raises(UsageError, match="backwards"):
        AffectState.start(StateDynamics(half_life=1)).after([0, 0, 0], seconds=seconds)


def _changed(**changes):
    return json.dumps(json.loads(AffectState.start(StateDynamics()).to_json()) | changes)


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "7", _changed(position=[0, 0]), _changed(position=[9, 0, 0]), _changed(dynamics={}),
     _changed(dynamics=3), _changed(turns="x"), _changed(velocity=None)],
)  # fmt: skip
def test_what_is_not_a_saved_state(text):
    with pytest.raises(InputError, match="saved state"):
        AffectState.from_json(text)
