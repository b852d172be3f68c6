"""Events begin at one threshold and end at a lower one."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectome.dynamics.events import Event, find_events
from affectome.errors import UsageError


def found(values, **rules):
    starts = np.arange(len(values)) * 0.5
    return find_events(starts, starts + 0.5, values, **({"on": 0.5, "off": 0.3} | rules))


def test_two_thresholds():
    values = [0.1, 0.4, 0.6, 0.4, 0.35, 0.2, 0.4, 0.1]
    assert found(values) == [Event(1.0, 2.5, 0.6)]
    assert found(values, off=0.5) == [Event(1.0, 1.5, 0.6)]


def test_an_event_at_the_end_ends_with_the_track():
    assert found([0.1, 0.6]) == [Event(0.5, 1.0, 0.6)]
    assert found([0.6]) == [Event(0.0, 0.5, 0.6)]


def test_what_is_missing_ends_an_event():
    assert found([0.6, np.nan, 0.6]) == [Event(0.0, 0.5, 0.6), Event(1.0, 1.5, 0.6)]
    assert found([np.nan, np.nan]) == []


def test_short_gaps_are_bridged_and_short_events_left_out():
    values = [0.6, 0.1, 0.7, 0.1, 0.1, 0.6]
    assert found(values, gap=0.5) == [Event(0.0, 1.5, 0.7), Event(2.5, 3.0, 0.6)]
    assert found(values, gap=0.5, least=1.0) == [Event(0.0, 1.5, 0.7)]


def test_edges_reach_a_share_of_the_peak():
    values = [0.3, 0.5, 1.0, 0.45, 0.35, 0.1]
    assert found(values, on=0.3, edge=0.5) == [Event(0.5, 1.5, 1.0)]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(([0], [1], [0.5], 0.3, 0.5), "bad_thresholds"), (([0], [1], [0.5, 0.6], 0.5, 0.3), "bad_lengths")],
)
def test_what_does_not_fit_is_refused(arguments, code):
    starts, ends, values, on, off = arguments
    with pytest.raises(UsageError) as caught:
        find_events(starts, ends, values, on=on, off=off)
    assert caught.value.code == code


@given(st.lists(st.floats(0, 1), max_size=40))
def test_events_do_not_touch_and_hold_their_peak(values):
    events = found(values)
    assert all(one.end <= other.start for one, other in pairwise(events))
    assert all(event.peak >= 0.5 for event in events)
    high = sum(value >= 0.5 for value in values)
    assert sum(event.end - event.start for event in events) >= 0.5 * high - 1e-9
