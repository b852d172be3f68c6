from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affectome.errors import UsageError
from affectome.evaluate import folds, split_rows

seeds = st.integers(0, 2**32 - 1)


@settings(max_examples=50)
@given(seeds, st.integers(12, 80), st.integers(6, 12))
def test_every_row_is_in_one_part_and_no_group_in_two(seed, n, k):
    groups = np.r_[np.arange(k), np.random.default_rng(seed).integers(0, k, n - k)]
    parts = split_rows(n, groups=groups, shares=(0.5, 0.25, 0.25), seed=seed)
    assert sorted(np.concatenate(parts).tolist()) == list(range(n))
    owner = {name: {i for i, part in enumerate(parts) if name in groups[part]} for name in range(k)}
    assert all(len(places) == 1 for places in owner.values())
    assert all((np.diff(part) > 0).all() and part.dtype == np.int64 for part in parts)


@settings(max_examples=50)
@given(seeds, st.integers(12, 60), st.integers(2, 6))
def test_every_row_is_held_out_once_and_groups_stay_together(seed, n, count):
    groups = np.arange(n) % 7
    rounds = folds(n, count=count, groups=groups, seed=seed)
    assert sorted(np.concatenate([fold.test for fold in rounds]).tolist()) == list(range(n))
    for fold in rounds:
        assert not set(groups[fold.train]) & set(groups[fold.test])
        assert sorted([*fold.train, *fold.test]) == list(range(n))


def test_shares_and_strata_are_met():
    rng = np.random.default_rng(0)
    strata = rng.choice(["rare", "common"], 2000, p=[0.05, 0.95])
    groups = rng.integers(0, 400, 2000)
    parts = split_rows(2000, groups=groups, strata=strata, seed=1)
    for part, share in zip(parts, (0.8, 0.1, 0.1), strict=True):
        assert len(part) / 2000 == pytest.approx(share, abs=0.01)
        assert (strata[part] == "rare").mean() == pytest.approx((strata == "rare").mean(), abs=0.005)
    for fold in folds(2000, count=5, strata=strata, seed=1):
        assert len(fold.test) == pytest.approx(400, abs=1)
        assert (strata[fold.test] == "rare").sum() == pytest.approx((strata == "rare").sum() / 5, abs=1)


def test_seeds_repeat_and_differ():
    first, again, other = (split_rows(100, seed=seed) for seed in (1, 1, 2))
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert first.test.tolist() != other.test.tolist()


def test_as_many_folds_as_speakers_leaves_one_out():
    groups = np.array(list("aaaabbbccd"))
    held_out = sorted("".join(sorted(set(groups[fold.test]))) for fold in folds(10, count=4, groups=groups, seed=0))
    assert held_out == ["a", "b", "c", "d"]


def test_near_duplicates_link_groups():
    texts = [
        "what a lovely morning it is",
        "something else entirely",
        "What a lovely morning it is!",
        "and a fourth one",
    ]
    for seed in range(20):
        first, second = (fold.test.tolist() for fold in folds(4, count=2, texts=texts, seed=seed))
        assert (0 in first) == (2 in first) != (2 in second)
    # Rows 0 and 1 share a speaker, 0 and 2 a text: three rows that hang together and one alone.
    rounds = folds(4, count=2, texts=texts, groups=["x", "x", "y", "z"], seed=0)
    assert sorted(fold.test.tolist() for fold in rounds) == [[0, 1, 2], [3]]


def test_a_part_with_share_0_stays_empty():
    parts = split_rows(50, shares=(0.8, 0.0, 0.2), seed=0)
    assert [len(part) for part in parts] == [40, 0, 10]
    parts = split_rows(50, shares=(0.8, 0.0, 0.2), times=np.arange(50), seed=0)
    assert [len(part) for part in parts] == [40, 0, 10]


@settings(max_examples=50)
@given(seeds)
def test_time_goes_one_way(seed):
    times = np.random.default_rng(seed).integers(0, 60, 200)
    train, dev, test = split_rows(200, times=times, seed=0)
    assert times[train].max() < times[dev].min()
    assert times[dev].max() < times[test].min()
    assert len(train) == pytest.approx(160, abs=8)


@settings(max_examples=50)
@given(seeds)
def test_training_holds_nothing_later_than_the_end_of_a_test_group(seed):
    rng = np.random.default_rng(seed)
    times, groups = rng.integers(0, 1000, 200), rng.integers(0, 40, 200)
    parts = split_rows(200, times=times, groups=groups, shares=(0.5, 0.2, 0.3), seed=0)
    train, dev, test = ({name: times[groups == name].max() for name in groups[part]} for part in parts)
    assert max(train.values()) < min(dev.values())
    assert max(dev.values()) < min(test.values())


@pytest.mark.parametrize(
    "times",
    [
        [f"2020-01-{day:02}" for day in range(1, 11)],
        [date(2020, 1, day) for day in range(1, 11)],
        np.arange("2020-01-01", "2020-01-11", dtype="datetime64[D]"),
    ],
)
def test_kinds_of_times(times):
    parts = split_rows(10, times=times, shares=(0.6, 0.2, 0.2), seed=0)
    assert [part.tolist() for part in parts] == [[0, 1, 2, 3, 4, 5], [6, 7], [8, 9]]


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda: split_rows(0, seed=0), "no_rows"),
        (lambda: split_rows(9, shares=(0.8, 0.1, 0.2), seed=0), "bad_shares"),
        (lambda: split_rows(9, shares=(1.2, -0.1, -0.1), seed=0), "bad_shares"),
        (lambda: split_rows(9, shares=(0.5, 0.5), seed=0), "bad_shares"),
        (lambda: split_rows(3, groups=["a", "b"], seed=0), "shape_mismatch"),
        (lambda: split_rows(3, groups=["a", None, "b"], seed=0), "missing_group"),
        (lambda: split_rows(3, texts=["a"], seed=0), "shape_mismatch"),
        (lambda: split_rows(3, strata=["a"], seed=0), "shape_mismatch"),
        (lambda: split_rows(3, times=[1], seed=0), "shape_mismatch"),
        (lambda: split_rows(3, times=[1, float("nan"), 2], seed=0), "missing_time"),
        (lambda: split_rows(3, times=["2020", "", "2021"], seed=0), "missing_time"),
        (lambda: split_rows(3, times=np.array([1, "x", 2], dtype=object), seed=0), "mixed_times"),
        (lambda: split_rows(3, times=[1, 2, 3], strata=[1, 1, 2], seed=0), "times_and_strata"),
        (lambda: split_rows(3, times=[1, 1, 1], seed=0), "too_few_groups"),
        (lambda: split_rows(40, groups=["one"] * 40, seed=0), "too_few_groups"),
        (lambda: folds(9, count=1, seed=0), "bad_folds"),
        (lambda: folds(9, count=4, groups=[0, 1, 2] * 3, seed=0), "too_few_groups"),
    ],
)
def test_what_cannot_be_split_is_refused(call, code):
    with pytest.raises(UsageError) as error:
        call()
    assert error.value.code == code
