"""The rewards come out as worked out by hand, and tables stand on their base rates."""

from affectome.evaluate import Interval
from affectome.learn.action_units_scores import Sense
from affectome.studies import s05_facial_r1 as study


def test_rewards_come_out_as_worked_out_by_hand():
    claim = study._rewards()
    assert claim.holds
    assert claim.value == claim.threshold == 6


def test_every_claimed_unit_is_one_that_the_literature_names():
    from affectome.affect.action_units import list_facial_expressions

    core = {each.name: each.core for each in list_facial_expressions()}
    assert all(set(units) <= set(core[name]) for name, units in study._EXPECTED.items())


def test_the_base_rate_of_a_unit_is_its_own_row():
    difference = Interval(0.3, 0.2, 0.4, 0.95, 100, 0, 0)
    sense = Sense("anger", 4, 0.5, 0.2, difference, 0.8, 0.3, 0.7, 40)
    assert study._others(sense).role == "baseline"
    assert study._others(sense).values == {"strength": 0.2, "present": 0.3}
    row = study._row("anger, unit 4", "result", sense)
    assert row.values == {"strength": 0.5, "above the others": difference, "present": 0.8, "AUC": 0.7}
