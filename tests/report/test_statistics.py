"""Intervals against published values, exact properties and simulated coverage."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectome.report.statistics import Interval, mean_interval, resampled_means, share_interval


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    # Newcombe 1998, Statistics in Medicine 17: 857-872, table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_interval_has_the_published_values(count, total, low, high):
    interval = share_interval(count, total)
    assert interval.value == count / total
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=6e-5)


@given(st.integers(1, 10**7).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total))))
def test_share_lies_within_its_interval(case):
    interval = share_interval(*case)
    assert 0 <= interval.low <= interval.value <= interval.high <= 1


def test_mean_interval_shrinks_with_the_root_of_the_number():
    wide, narrow = mean_interval(0.2, 0.5, 25), mean_interval(0.2, 0.5, 2500)
    assert wide.high - wide.low == pytest.approx(2 * 1.96 * 0.5 / 5, rel=1e-4)
    assert wide.high - wide.low == pytest.approx(10 * (narrow.high - narrow.low))


@pytest.mark.parametrize(("low", "high", "excluded"), [(0.1, 0.2, True), (-0.2, -0.1, True), (-0.1, 0.1, False)])
def test_excludes_zero(low, high, excluded):
    assert Interval(0.0, low, high).excludes_zero is excluded


def _blocks(values):
    """Each value a block of its own: the ordinary bootstrap."""
    return values[:, None], np.ones(len(values))


def test_bootstrap_agrees_with_the_standard_error():
    generator = np.random.default_rng(3)
    values = generator.normal(2.0, 1.5, 400)
    (interval,) = resampled_means(*_blocks(values), generator).means()
    error = values.std(ddof=1) / 20
    assert interval.value == pytest.approx(values.mean())
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * error, rel=0.08)


def test_blocks_of_many_rows_give_the_same_interval_as_rows():
    generator = np.random.default_rng(4)
    values = generator.normal(0.0, 1.0, 20_000)
    blocks = values.reshape(200, 100).sum(axis=1)[:, None], np.full(200, 100.0)
    (interval,) = resampled_means(*blocks, generator).means()
    assert interval.high - interval.low == pytest.approx(2 * 1.96 / np.sqrt(20_000), rel=0.15)


def test_difference_of_groups_covers_the_truth_as_often_as_it_should():
    generator = np.random.default_rng(5)
    hits = 0
    for _ in range(120):
        one = resampled_means(*_blocks(generator.exponential(1.0, 60)), generator)
        other = resampled_means(*_blocks(generator.exponential(0.5, 40)), generator)
        (interval,) = one.minus(other)
        hits += interval.low <= 0.5 <= interval.high
    assert 0.87 <= hits / 120 <= 0.99


def test_sum_of_groups_is_the_mean_of_all_rows():
    generator = np.random.default_rng(6)
    one, other = generator.normal(size=30), generator.normal(size=50)
    together = resampled_means(*_blocks(one), generator) + resampled_means(*_blocks(other), generator)
    assert together.means()[0].value == pytest.approx(np.concatenate([one, other]).mean())
