"""Planted delays are found, unrelated series are not taken for related ones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectome.dynamics import find_contagion
from affectome.errors import UsageError


def _slow(rng, n):
    noise = rng.normal(size=n)
    for i in range(1, n):
        noise[i] += 0.9 * noise[i - 1]
    return noise


@given(st.integers(0, 30), st.sampled_from([-1, 1]))
def test_a_planted_delay_is_found(steps, sign):
    signal = _slow(np.random.default_rng(steps), 600)
    response = sign * np.roll(signal, steps)
    response[:steps] = 0
    found = find_contagion(signal, response, rate=5, longest=6, surrogates=19, seed=0)
    assert found.lag == pytest.approx(steps / 5)
    assert np.sign(found.strength) == sign
    assert found.p_value == 1 / 20


def test_unrelated_series_seldom_pass():
    rng = np.random.default_rng(0)
    small = sum(
        find_contagion(_slow(rng, 300), _slow(rng, 300), rate=1, longest=6, surrogates=39, seed=k).p_value <= 0.05
        for k in range(100)
    )
    assert small <= 12


@pytest.mark.parametrize(
    ("signal", "response"),
    [(np.arange(5), np.arange(5)), (np.arange(40), np.arange(39)), (np.zeros(40), np.arange(40)),
     (np.arange(40), np.full(40, np.nan)), (np.ones((40, 2)), np.ones((40, 2)))],
)  # fmt: skip
def test_what_is_no_pair_of_series(signal, response):
    with pytest.raises(UsageError, match="two varying series"):
        find_contagion(signal, response, rate=1, longest=6, seed=0)
