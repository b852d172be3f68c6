import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affectome.errors import UsageError
from affectome.evaluate import quadratic_kappa, within_one

NAN = float("nan")
STEPS = ("none", "low", "moderate", "high")


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_quadratic_kappa_equals_sklearn(seed):
    from sklearn.metrics import cohen_kappa_score

    rng = np.random.default_rng(seed)
    n, k = int(rng.integers(2, 40)), int(rng.integers(2, 7))
    truth, prediction = rng.integers(0, k, n), rng.integers(0, k, n)
    truth[:2], prediction[:2] = (0, k - 1), (k - 1, 0)
    # The distance of levels counts, so sklearn is told all of them; on its own it takes those that occur.
    expected = cohen_kappa_score(truth, prediction, weights="quadratic", labels=range(k))
    assert quadratic_kappa(truth=truth, prediction=prediction).value == pytest.approx(expected)
    assert quadratic_kappa(truth=truth - 3, prediction=prediction - 3).value == pytest.approx(expected)


def test_scores_by_hand():
    # Squared misses 0, 0, 1, 0; expected (0.6875 + 0.5 + 0.25 ** 2): 1 - 0.25 / 1.25.
    truth, prediction = [0, 1, 2, 2], [0, 1, 1, 2]
    assert quadratic_kappa(truth=truth, prediction=prediction).value == pytest.approx(0.8)
    assert within_one(truth=[-3, 0, 3, 1], prediction=[-2, 2, 3, 0]).value == 0.75
    named = {"truth": ["none", "low", "moderate", "moderate"], "prediction": ["none", "low", "low", "moderate"]}
    assert quadratic_kappa(**named, levels=STEPS).value == pytest.approx(0.8)
    assert within_one(truth=["none", "high"], prediction=["moderate", "high"], levels=STEPS).value == 0.5


@pytest.mark.parametrize("metric", [quadratic_kappa, within_one])
def test_absent_and_undefined(metric):
    score = metric(truth=[1, 2, NAN, 3, 2], prediction=[1, 2, 1, NAN, 2])
    assert (score.value, score.n, score.missing, score.abstained) == (pytest.approx(1), 3, 1, 1)
    score = metric(truth=["low", "none", None], prediction=["low", "none", "low"], levels=STEPS)
    assert (score.value, score.n, score.missing) == (pytest.approx(1), 2, 1)
    assert np.isnan(metric(truth=[NAN], prediction=[1]).value)
    assert np.isnan(quadratic_kappa(truth=[1, 1], prediction=[1, 1]).value)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"truth": [0, 1], "prediction": [0.2, 0.9]}, "not_levels"),
        ({"truth": [0.2, 0.9], "prediction": [0, 1]}, "not_levels"),
        ({"truth": [[0, 1]], "prediction": [[0, 1]]}, "not_levels"),
        ({"truth": [0, 1], "prediction": [0]}, "shape_mismatch"),
        ({"truth": ["low"], "prediction": ["high"]}, "not_numbers"),
        ({"truth": ["low"], "prediction": ["extreme"], "levels": STEPS}, "unknown_label"),
    ],
)
def test_what_is_no_level_is_refused(options, code):
    with pytest.raises(UsageError) as error:
        quadratic_kappa(**options)
    assert error.value.code == code
