import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectome.errors import UsageError
from affectome.evaluate import accuracy, brier, mae, mcnemar, pearson, permutation_test


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 20))
def test_mcnemar_equals_the_binomial_test(first_only, second_only, both):
    from scipy.stats import binomtest

    truth = np.zeros(first_only + second_only + both, dtype=int)
    first = np.r_[np.zeros(first_only), np.ones(second_only), np.zeros(both)].astype(int)
    second = np.r_[np.ones(first_only), np.zeros(second_only), np.zeros(both)].astype(int)
    result = mcnemar(truth=truth, first=first, second=second)
    apart = first_only + second_only
    assert result.p_value == pytest.approx(binomtest(first_only, apart).pvalue if apart else 1)
    assert (result.first_only, result.second_only, result.n) == (first_only, second_only, len(truth))


def test_mcnemar_of_many_items_and_of_missing_ones():
    truth = np.zeros(6000, dtype=int)
    result = mcnemar(
        truth=truth, first=np.r_[np.zeros(3100), np.ones(2900)], second=np.r_[np.ones(3100), np.zeros(2900)]
    )
    assert result.p_value == pytest.approx(0.0102, abs=2e-4)
    few = mcnemar(truth=["a", "b", None, "a"], first=["a", None, "a", "b"], second=["b", "b", "a", None])
    assert (few.first_only, few.second_only, few.n, few.missing, few.abstained) == (1, 0, 1, 1, 2)
    assert few.p_value == 1


def test_permutation_equals_scipy():
    from scipy.stats import permutation_test as reference

    rng = np.random.default_rng(0)
    truth = rng.normal(size=40)
    first, second = truth + rng.normal(scale=0.5, size=40), truth + rng.normal(scale=0.8, size=40)
    ours = permutation_test(mae, truth=truth, first=first, second=second, seed=1, permutations=4000)
    theirs = reference(
        (np.abs(first - truth), np.abs(second - truth)),
        lambda a, b: a.mean() - b.mean(),
        permutation_type="samples",
        n_resamples=4000,
        rng=2,
    )
    assert ours.difference == pytest.approx(theirs.statistic)
    assert ours.p_value == pytest.approx(theirs.pvalue, abs=0.02)


def test_permutation_of_equal_and_of_different_readers():
    truth = np.arange(200) % 3
    wrong = (truth + 1) % 3
    equal = permutation_test(accuracy, truth=truth, first=wrong, second=wrong, seed=0, permutations=50)
    assert (equal.difference, equal.p_value) == (0, 1)
    different = permutation_test(accuracy, truth=truth, first=truth, second=wrong, seed=0, permutations=199)
    assert (different.difference, different.p_value) == (1, 1 / 200)
    again = permutation_test(accuracy, truth=truth, first=truth, second=wrong, seed=0, permutations=199)
    assert again == different


def test_permutation_of_groups_and_of_rows():
    truth = np.zeros(40, dtype=int)
    first, second = np.zeros(40, dtype=int), np.ones(40, dtype=int)
    grouped = permutation_test(
        accuracy, truth=truth, first=first, second=second, seed=0, groups=np.repeat([0, 1], 20), permutations=400
    )
    assert grouped.p_value == pytest.approx(0.5, abs=0.08)  # two groups: half of the exchanges are as extreme
    rows = permutation_test(
        brier,
        output="probability",
        truth=[[1, 0]] * 8,
        first=[[0.9, 0.1]] * 8,
        second=[[0.5, 0.5]] * 8,
        seed=0,
        permutations=300,
    )
    assert rows.difference == pytest.approx(0.02 - 0.5)
    assert rows.p_value < 0.05


def test_undefined_permutations_count_as_extreme():
    test = permutation_test(pearson, truth=[1.0, 2.0], first=[1.0, 2.0], second=[2.0, 1.0], seed=0, permutations=100)
    assert 0 < test.undefined < 100
    assert test.p_value == 1
    undefined = permutation_test(pearson, truth=[1.0, 1.0], first=[1.0, 2.0], second=[2.0, 1.0], seed=0, permutations=5)
    assert np.isnan(undefined.p_value)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"truth": [1], "first": [1], "second": [1, 2]}, "shape_mismatch"),
        ({"truth": [1, 2], "first": [1], "second": [1]}, "shape_mismatch"),
        ({"truth": [], "first": [], "second": []}, "shape_mismatch"),
        ({"truth": [1], "first": [[1]], "second": [1]}, "shape_mismatch"),
        ({"truth": [1], "first": [1], "second": [1], "permutations": 0}, "bad_permutations"),
        ({"truth": [1], "first": [1], "second": [1], "groups": ["a", "b"]}, "shape_mismatch"),
        ({"truth": [1], "first": [1], "second": [1], "output": "score"}, "unknown_output"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(options, code):
    with pytest.raises(UsageError) as error:
        permutation_test(mae, seed=0, **options)
    assert error.value.code == code
