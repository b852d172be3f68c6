"""The table of action units agrees with itself and with the coding system."""

import pytest

from affectome.affect import load_taxonomy
from affectome.affect.action_units import (
    action_unit,
    list_action_units,
    list_facial_expressions,
    strength_grade,
)
from affectome.errors import UsageError


def test_units_are_in_order_and_what_excludes_each_other_does_so_both_ways():
    units = {unit.number: unit for unit in list_action_units()}
    assert list(units) == sorted(units)
    assert len(units) >= 17
    for unit in units.values():
        assert all(unit.number in units[other].excludes for other in unit.excludes)


@pytest.mark.parametrize(
    ("number", "name"), [(1, "inner brow raiser"), (4, "brow lowerer"), (6, "cheek raiser"), (12, "lip corner puller")]
)
def test_names_are_those_of_the_coding_system(number, name):
    assert action_unit(number).name == name


def test_an_unknown_unit_is_refused():
    with pytest.raises(UsageError) as caught:
        action_unit(3)
    assert caught.value.code == "unknown_action_unit"
    assert caught.value.value == "3"


def test_each_side_moves_by_its_own_strength():
    assert action_unit(12).moved(0.5, 0.25) == {"mouthSmile_L": 0.5, "mouthSmile_R": 0.25}
    assert action_unit(26).moved(0.5, 0.5) == {"jawOpen": 0.3}
    with pytest.raises(UsageError) as caught:
        action_unit(26).moved(0.5, 0.25)
    assert caught.value.code == "one_strength"


def test_expressions_are_labels_of_faces_and_made_of_known_units():
    numbers = {unit.number for unit in list_action_units()}
    for expression in list_facial_expressions():
        assert expression.name in load_taxonomy("ferplus8").labels
        assert numbers.issuperset((*expression.core, *expression.further))
    happiness = next(each for each in list_facial_expressions() if each.name == "happiness")
    assert happiness.core == (6, 12)


@pytest.mark.parametrize(
    ("strength", "grade"), [(0, ""), (0.01, "A"), (0.2, "A"), (0.21, "B"), (0.5, "C"), (0.8, "D"), (1, "E")]
)
def test_grades_are_fifths(strength, grade):
    assert strength_grade(strength) == grade


def test_a_strength_outside_is_refused():
    with pytest.raises(UsageError) as caught:
        strength_grade(1.5)
    assert caught.value.code == "value_out_of_range"
