"""Groups against each other."""

import numpy as np
import polars as pl
import pytest

from affectome.report.comparison import compare
from affectome.report.overview import measure


def _compared(table):
    return compare(table, measure(table, exclusive=False, thresholds={}))


def _regrouped(frame, names):
    meta = pl.struct(pl.lit(None, pl.Datetime("us")).alias("time"), pl.Series("group", names, pl.String)).alias("meta")
    return frame.with_columns(meta)


def test_a_planted_difference_is_found(invent, opened):
    frame = invent(600, labels=("joy", "sadness", "fear"), unscored=0)
    one = pl.int_range(600) % 3 == 0
    raised = pl.col("emotion").struct.with_fields(pl.field("fear") * 0.2 + pl.when(one).then(0.5).otherwise(0.0))
    names = ["one" if row % 3 == 0 else "two" for row in range(600)]
    comparison = _compared(opened(_regrouped(frame.with_columns(raised), names)))
    assert comparison.labels[0] == "fear"
    group, label, interval = comparison.widest
    fear = raised = frame.select(pl.col("emotion").struct.field("fear")).to_series().to_numpy() * 0.2
    expected = 0.5 + fear[np.arange(600) % 3 == 0].mean() - fear[np.arange(600) % 3 != 0].mean()
    assert (label, group.name in ("one", "two")) == ("fear", True)
    assert abs(interval.value) == pytest.approx(expected, abs=1e-5)
    assert interval.excludes_zero
    assert {group.name: group.rows for group in comparison.groups} == {"one": 200, "two": 400}
    valences = [group.valence.value for group in comparison.groups]
    assert valences == sorted(valences)


def test_the_same_table_gives_the_same_intervals(invent, opened):
    frame = invent(300, groups=("a", "b", "c"))
    assert _compared(opened(frame)) == _compared(opened(frame))


def test_small_and_tiny_groups(invent, opened):
    names = ["big"] * 60 + ["second"] * 25 + ["small"] * 12 + ["tiny"] * 3
    comparison = _compared(opened(_regrouped(invent(100, unscored=0), names)))
    assert {group.name: group.small for group in comparison.groups} == {"big": False, "second": False, "small": True}
    assert comparison.omitted == 1
    assert comparison.widest is None or not comparison.widest[0].small


def test_only_small_groups_are_compared_but_nothing_is_claimed(invent, opened):
    comparison = _compared(opened(_regrouped(invent(20, unscored=0), ["a", "b"] * 10)))
    assert len(comparison.groups) == 2
    assert comparison.widest is None


def test_the_twelve_largest_groups(invent, opened):
    comparison = _compared(opened(_regrouped(invent(300, unscored=0), [f"g{row % 15}" for row in range(300)])))
    assert len(comparison.groups) == 12
    assert comparison.omitted == 3


def test_speakers_stand_in_for_groups(invent, opened):
    comparison = _compared(opened(invent(60, speakers=("A", "B", "C"), unscored=0)))
    assert comparison.column == "speaker"
    assert sorted(group.name for group in comparison.groups) == ["A", "B", "C"]


@pytest.mark.parametrize("speakers", [(), ("A",), tuple(f"S{k}" for k in range(13))])
def test_nothing_to_compare(invent, opened, speakers):
    assert _compared(opened(invent(130, speakers=speakers, unscored=0))) is None


def test_groups_of_a_few_texts_are_not_compared(invent, opened):
    assert _compared(opened(_regrouped(invent(8, unscored=0), ["a"] * 4 + ["b"] * 4))) is None
