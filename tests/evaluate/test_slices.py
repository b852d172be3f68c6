from functools import partial

import numpy as np
import pytest

from affectome.errors import UsageError
from affectome.evaluate import accuracy, f1, mae, slice_scores

NAN = float("nan")


def test_worst_group_and_spread():
    result = slice_scores(
        accuracy,
        by=["x", "x", "y", "y", "z", None],
        truth=[0, 1, 0, 1, 1, 0],
        prediction=[0, 1, 0, 0, 0, 0],
    )
    assert [(s.group, s.items, s.score.value) for s in result.groups] == [("x", 2, 1), ("y", 2, 0.5), ("z", 1, 0)]
    assert result.worst.group == "z"
    assert result.spread == 1
    assert result.overall.value == pytest.approx(4 / 6)
    assert result.ungrouped == 1


def test_small_groups_are_shown_but_not_worst():
    result = slice_scores(accuracy, by=["x", "x", "y"], minimum=2, truth=[0, 1, 0], prediction=[0, 0, 1])
    assert result.worst.group == "x"
    assert result.spread == 0
    assert [s.group for s in result.groups] == ["x", "y"]


def test_errors_are_worst_when_high():
    result = slice_scores(mae, by=[1, 1, 2, 2], higher_is_better=False, truth=[0, 0, 0, 0], prediction=[1, 1, 2, 4])
    assert result.worst.group == "2"
    assert result.worst.score.value == 3
    assert result.spread == 2


def test_options_counts_and_undefined_groups():
    macro = partial(f1, labels=("a", "b"))
    result = slice_scores(macro, by=["x", "x", "y"], truth=["a", "b", "a"], prediction=["a", None, None])
    x, y = result.groups
    assert (x.score.value, x.score.n, x.score.abstained, x.score.undefined) == (1, 1, 1, 1)
    assert np.isnan(y.score.value)
    assert result.worst.group == "x"
    none = slice_scores(mae, by=[None, NAN], truth=[1, 2], prediction=[1, 2])
    assert none.groups == ()
    assert none.worst is None
    assert np.isnan(none.spread)
    assert none.ungrouped == 2


@pytest.mark.parametrize(("by", "truth"), [(["x"], [1, 2]), (["x", "y"], [1, 2, 3]), ([["x"], ["y"]], [1, 2])])
def test_lengths_that_differ_are_refused(by, truth):
    with pytest.raises(UsageError) as error:
        slice_scores(mae, by=by, truth=truth, prediction=[1, 2])
    assert error.value.code == "shape_mismatch"
