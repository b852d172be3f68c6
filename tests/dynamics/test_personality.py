"""Temperaments by hand, and what a personality does to a change."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectome.dynamics import BigFive, PersonalityTransition, nearest_anchor
from affectome.errors import UsageError

strength = st.floats(0, 1)
people = st.builds(BigFive, strength, strength, strength, strength, strength)


def test_temperament_by_hand():
    found = BigFive(0.6, 0.4, 0.5, 0.8, 0.3).temperament()
    assert found == pytest.approx(
        [
            0.21 * 0.5 + 0.59 * 0.8 + 0.19 * 0.3,
            0.15 * 0.6 + 0.30 * 0.8 - 0.57 * 0.3,
            0.25 * 0.6 + 0.17 * 0.4 + 0.60 * 0.5 - 0.32 * 0.8,
        ]
    )


def test_one_trait_more():
    least = BigFive(0, 0, 0, 0, 0).temperament()
    assert BigFive(0, 0, 0, 0, 1).temperament() - least == pytest.approx([0.19, -0.57, 0])
    assert BigFive(0, 0, 0, 1, 0).temperament() - least == pytest.approx([0.59, 0.30, -0.32])


@given(people, st.tuples(*[st.floats(-1, 1)] * 3))
def test_nothing_happens_nothing_moves(person, affect):
    assert PersonalityTransition().after(affect, np.zeros(3), person).tolist() == list(affect)


def test_a_change_counts_by_the_gain():
    person = BigFive(0, 0, 1, 0, 0)
    how = PersonalityTransition(np.diag([2.0, 1, 1]), np.array([0, 0.5, 0]))
    assert how.gain(person) == pytest.approx([0.42, 0.5, 0.6])
    assert how.after([[0, 0, 0], [0.1, 0, 0]], [1, -1, 0.5], person) == pytest.approx(
        np.array([[0.42, -0.5, 0.3], [0.52, -0.5, 0.3]])
    )


def test_nearest_anchor():
    anchors = np.array([[0.0, 0], [1, 0], [0, 1]])
    labels = ["a", "b", "c"]
    assert nearest_anchor(anchors, anchors, labels) == labels
    assert nearest_anchor([[0.6, 0.1], [0.5, 0]], anchors, labels) == ["b", "a"]


def test_bad_input():
    with pytest.raises(UsageError, match="openness"):
        BigFive(1.2, 0, 0, 0, 0)
    with pytest.raises(UsageError, match="neuroticism"):
        BigFive(1, 0, 0, 0, float("nan"))
    with pytest.raises(UsageError, match="three axes"):
        PersonalityTransition(np.eye(2))
    with pytest.raises(UsageError, match="fit together"):
        nearest_anchor([[0, 0]], [[0, 0]], ["a", "b"])
