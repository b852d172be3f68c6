import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectome.errors import UsageError
from affectome.evaluate import ece, reliability

NAN = float("nan")


def ece_by_definition(right, confidence, bins):
    total = 0.0
    for b in range(bins):
        upper_closed = confidence <= 1 if b == bins - 1 else confidence < (b + 1) / bins
        inside = (confidence >= b / bins) & upper_closed
        if inside.any():
            total += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    return total


@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 4, 10, 16]))
def test_presence_equals_its_definition(seed, bins):
    rng = np.random.default_rng(seed)
    truth, p = (rng.random((30, 3)) < 0.3).astype(float), rng.random((30, 3))
    expected = ece_by_definition(truth.ravel(), p.ravel(), bins)
    assert ece(truth=truth, probability=p, bins=bins).value == pytest.approx(expected)
    assert ece(truth=truth[:, 0], probability=p[:, 0], bins=bins).value == pytest.approx(
        ece_by_definition(truth[:, 0], p[:, 0], bins)
    )


@given(st.integers(0, 2**32 - 1))
def test_top_label_equals_its_definition(seed):
    rng = np.random.default_rng(seed)
    truth, p = rng.integers(0, 4, 50), rng.dirichlet(np.ones(4), 50)
    right = (p.argmax(axis=1) == truth).astype(float)
    assert ece(truth=truth, probability=p, bins=10).value == pytest.approx(ece_by_definition(right, p.max(axis=1), 10))


@given(st.integers(0, 2**32 - 1), st.sampled_from(["width", "mass"]))
def test_curve_accounts_for_every_answer(seed, binning):
    rng = np.random.default_rng(seed)
    truth, p = (rng.random(60) < 0.5).astype(float), np.round(rng.random(60), rng.integers(1, 4))
    curve = reliability(truth=truth, probability=p, bins=7, binning=binning)
    assert curve.count.sum() == curve.n == 60
    filled = curve.count > 0
    assert (curve.count[filled] * curve.frequency[filled]).sum() == pytest.approx(truth.sum())
    assert (curve.count[filled] * curve.confidence[filled]).sum() == pytest.approx(p.sum())
    assert (curve.confidence[filled] >= curve.lower[filled] - 1e-12).all()
    assert (curve.confidence[filled] <= curve.upper[filled] + 1e-12).all()
    assert np.isnan(curve.confidence[~filled]).all()
    assert curve.ece <= curve.mce <= 1


def test_width_curve_equals_sklearn():
    from sklearn.calibration import calibration_curve

    rng = np.random.default_rng(0)
    p = rng.random(500)
    truth = (rng.random(500) < p).astype(float)
    frequency, confidence = calibration_curve(truth, p, n_bins=10)
    curve = reliability(truth=truth, probability=p, bins=10)
    np.testing.assert_allclose(curve.frequency, frequency)
    np.testing.assert_allclose(curve.confidence, confidence)


def test_mass_bins_hold_equally_many_and_merge_equal_probabilities():
    p = np.linspace(0, 1, 100) ** 3
    curve = reliability(truth=np.zeros(100), probability=p, bins=10, binning="mass")
    assert curve.count.tolist() == [10] * 10
    same = reliability(truth=[0, 1, 1, 0], probability=[0.3] * 4, bins=10, binning="mass")
    assert same.count.max() == 4
    assert same.ece == pytest.approx(0.2)


def test_scores_by_hand():
    truth, p = [1, 0, 1, 1], [0.9, 0.9, 0.2, 0.2]
    curve = reliability(truth=truth, probability=p, bins=2)
    assert curve.frequency.tolist() == [1, 0.5]
    assert curve.ece == pytest.approx((0.8 + 0.4) / 2)
    assert curve.mce == pytest.approx(0.8)
    assert ece(truth=[1, 0], probability=[1.0, 0.0]).value == 0


def test_absent_answers_are_counted():
    score = ece(truth=[1, NAN, 0], probability=[1, 0.5, NAN])
    assert (score.value, score.n, score.missing, score.abstained) == (0, 1, 1, 1)
    score = ece(truth=[0, -1, 1], probability=[[1, 0], [0.5, 0.5], [NAN, NAN]])
    assert (score.value, score.n, score.missing, score.abstained) == (0, 1, 1, 1)
    for binning in ("width", "mass"):
        nothing = reliability(truth=[NAN], probability=[0.5], binning=binning)
        assert np.isnan([nothing.ece, nothing.mce]).all()


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"truth": [0.4, 0.7], "probability": [0, 1]}, "truth_not_binary"),
        ({"truth": [0, 1], "probability": [-2, 3]}, "not_a_probability"),
        ({"truth": [0, 1], "probability": [[-2, 3], [1, 0]]}, "not_a_probability"),
        ({"truth": [0, 1], "probability": [0.5]}, "shape_mismatch"),
        ({"truth": [[0, 1]], "probability": [0]}, "shape_mismatch"),
        ({"truth": [0], "probability": [0.5], "bins": 0}, "bad_bins"),
        ({"truth": [0], "probability": [0.5], "binning": "even"}, "unknown_binning"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(options, code):
    with pytest.raises(UsageError) as error:
        ece(**options)
    assert error.value.code == code
