import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affectome.errors import UsageError
from affectome.evaluate import ap_document, ap_emotion, ccc, mae, pearson, r2, rmse, spearman

NAN = float("nan")


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_scores_equal_scipy_and_sklearn(seed):
    from scipy import stats
    from sklearn import metrics

    rng = np.random.default_rng(seed)
    n = int(rng.integers(3, 60))
    truth = np.round(rng.normal(size=n), 2)
    prediction = np.round(truth * rng.normal() + rng.normal(size=n), rng.integers(1, 4))
    both = {"truth": truth, "prediction": prediction}
    assert mae(**both).value == pytest.approx(metrics.mean_absolute_error(truth, prediction))
    assert rmse(**both).value == pytest.approx(metrics.root_mean_squared_error(truth, prediction))
    assert r2(**both).value == pytest.approx(metrics.r2_score(truth, prediction))
    assert pearson(**both).value == pytest.approx(stats.pearsonr(truth, prediction).statistic, abs=1e-9)
    if np.ptp(prediction) > 0:
        assert spearman(**both).value == pytest.approx(stats.spearmanr(truth, prediction).statistic, abs=1e-9)


@given(st.integers(0, 2**32 - 1), st.floats(-5, 5), st.floats(0.1, 10))
def test_concordance_punishes_shift_and_scale(seed, shift, scale):
    x = np.random.default_rng(seed).normal(size=40)
    x = (x - x.mean()) / x.std()
    assert ccc(truth=x, prediction=x).value == pytest.approx(1, abs=1e-9)
    assert ccc(truth=x, prediction=-x).value == pytest.approx(-1, abs=1e-9)
    assert ccc(truth=x, prediction=x + shift).value == pytest.approx(2 / (2 + shift**2), abs=1e-9)
    assert ccc(truth=x, prediction=scale * x).value == pytest.approx(2 * scale / (1 + scale**2), abs=1e-9)
    assert pearson(truth=x, prediction=scale * x + shift).value == pytest.approx(1)


def test_columns_rows_and_their_means():
    truth = np.array([[0.1, 0.9], [0.5, 0.2], [0.8, 0.4], [0.3, 0.6]])
    prediction = truth[:, ::-1] * 0.5 + np.arange(8).reshape(4, 2) / 10
    by_label = pearson(truth=truth, prediction=prediction)
    assert by_label.per_label == pytest.approx([np.corrcoef(truth[:, i], prediction[:, i])[0, 1] for i in range(2)])
    assert by_label.value == pytest.approx(np.mean(by_label.per_label))
    assert by_label.n == 8
    by_item = pearson(truth=truth.T, prediction=prediction.T)
    assert len(by_item.per_label) == 4
    assert set(np.round(by_item.per_label, 9)) <= {-1.0, 1.0}


def test_absent_values_are_counted_and_not_scored():
    score = mae(truth=[1, NAN, 3, 4], prediction=[2, 2, NAN, 4])
    assert (score.value, score.n, score.missing, score.abstained) == (0.5, 2, 1, 1)
    columns = rmse(truth=[[1, NAN], [2, NAN]], prediction=[[1, 5], [4, 5]])
    assert columns.value == pytest.approx(np.sqrt(2))
    assert (columns.n, columns.missing, columns.undefined) == (2, 2, 1)


@pytest.mark.parametrize("metric", [pearson, spearman])
def test_correlation_with_a_constant_is_undefined_not_zero(metric):
    assert np.isnan(metric(truth=[1, 2, 3], prediction=[0.1, 0.1, 0.1]).value)
    assert np.isnan(metric(truth=[1], prediction=[1]).value)
    two = metric(truth=[[1, 1], [2, 1], [3, 1]], prediction=[[1, 2], [2, 1], [3, 5]])
    assert (two.value, two.undefined) == (pytest.approx(1), 1)


def test_other_undefined_cases():
    assert np.isnan(r2(truth=[2, 2], prediction=[1, 3]).value)
    assert np.isnan(ccc(truth=[2, 2], prediction=[2, 2]).value)
    assert np.isnan(ccc(truth=[2], prediction=[2]).value)
    assert ccc(truth=[2, 2], prediction=[1, 3]).value == 0
    assert np.isnan(mae(truth=[NAN], prediction=[1]).value)


@pytest.mark.parametrize(
    ("truth", "prediction", "code"),
    [
        ([1, 2], [1, 2, 3], "shape_mismatch"),
        ([[1, 2]], [1, 2], "shape_mismatch"),
        (1.0, 1.0, "shape_mismatch"),
        ([1, np.inf], [1, 2], "not_finite"),
        (["high"], [1.0], "not_numbers"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(truth, prediction, code):
    with pytest.raises(UsageError) as error:
        ccc(truth=truth, prediction=prediction)
    assert error.value.code == code


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_correlations_of_texts_and_of_emotions_equal_scipy(seed):
    from scipy.stats import pearsonr

    rng = np.random.default_rng(seed)
    truth = rng.random((int(rng.integers(3, 30)), 5))
    prediction = truth + rng.normal(size=truth.shape)
    texts = [pearsonr(t, p).statistic for t, p in zip(truth, prediction, strict=True)]
    emotions = [pearsonr(t, p).statistic for t, p in zip(truth.T, prediction.T, strict=True)]
    assert ap_document(truth=truth, prediction=prediction).per_label == pytest.approx(texts)
    assert ap_document(truth=truth, prediction=prediction).value == pytest.approx(np.mean(texts))
    assert ap_emotion(truth=truth, prediction=prediction).value == pytest.approx(np.mean(emotions))


def test_correlation_of_texts_by_hand():
    # Deviations (-1, 0, 1) and (-1, 1, 0): 1 / (sqrt(2) * sqrt(2)).
    assert ap_document(truth=[[0, 1, 2]], prediction=[[0, 2, 1]]).value == pytest.approx(0.5)
    assert ap_document(truth=[[0, 1], [1, 0]], prediction=[[0.2, 0.8], [0.1, 0.9]]).per_label == pytest.approx((1, -1))


def test_sums_over_one_less_with_population_deviations_are_too_high():
    truth, prediction = np.array([0.1, 0.5, 0.2, 0.1, 0.1]), np.array([0.2, 0.4, 0.2, 0.1, 0.1])
    mixed = ((truth - truth.mean()) * (prediction - prediction.mean())).sum() / 4 / (truth.std() * prediction.std())
    assert mixed > 1
    assert mixed == pytest.approx(5 / 4 * ap_document(truth=[truth], prediction=[prediction]).value)


def test_undefined_and_absent_texts_are_counted_not_set_to_zero():
    truth = [[0.0, 1.0], [0.5, 0.5], [NAN, 1.0], [1.0, 0.0], [0.2, 0.8]]
    prediction = [[0.1, 0.9], [0.1, 0.9], [0.1, 0.9], [0.8, NAN], [0.3, 0.7]]
    score = ap_document(truth=truth, prediction=prediction)
    assert (score.value, score.n, score.missing, score.abstained, score.undefined) == (pytest.approx(1), 3, 1, 1, 1)
    assert np.isnan(score.per_label[1])
    score = ap_emotion(truth=truth, prediction=[[0.1, 0.5], [0.2, 0.5], [0, 0], [0, NAN], [0.1, 0.5]])
    assert (score.n, score.missing, score.abstained, score.undefined) == (3, 1, 1, 1)
    nothing = ap_document(truth=[[NAN, 1.0]], prediction=[[0.1, 0.9]])
    assert np.isnan(nothing.value)
    assert (nothing.n, nothing.per_label) == (0, ())
    for metric in (ap_document, ap_emotion):
        with pytest.raises(UsageError) as error:
            metric(truth=[0.1, 0.9], prediction=[0.1, 0.9])
        assert error.value.code == "shape_mismatch"
