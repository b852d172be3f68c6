import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affectome.errors import UsageError
from affectome.evaluate import brier, emd, js, kl, rps

NAN = float("nan")
METRICS = (kl, js, brier, rps, emd)


def random_rows(seed):
    rng = np.random.default_rng(seed)
    n, k = rng.integers(1, 20), rng.integers(2, 7)
    return rng.dirichlet(np.ones(k), n), rng.dirichlet(np.ones(k), n)


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_divergences_equal_scipy(seed):
    from scipy.spatial.distance import jensenshannon
    from scipy.stats import entropy, wasserstein_distance

    truth, p = random_rows(seed)
    places = np.sort(np.random.default_rng(seed).normal(size=truth.shape[1]))
    assert kl(truth=truth, probability=p).value == pytest.approx(np.mean(entropy(truth, p, axis=1)))
    assert js(truth=truth, probability=p).value == pytest.approx(np.mean(jensenshannon(truth, p, axis=1) ** 2))
    moved = [wasserstein_distance(places, places, t, q) for t, q in zip(truth, p, strict=True)]
    assert emd(truth=truth, probability=p, positions=places).value == pytest.approx(np.mean(moved))


@given(st.integers(0, 2**32 - 1))
def test_bounds_and_identity(seed):
    truth, p = random_rows(seed)
    k = truth.shape[1]
    for metric, highest in ((kl, np.inf), (js, np.log(2)), (brier, 2), (rps, 1), (emd, k - 1)):
        assert 0 <= metric(truth=truth, probability=p).value <= highest + 1e-12
        assert metric(truth=truth, probability=truth).value == pytest.approx(0, abs=1e-12)


def test_scores_by_hand():
    truth, p = [[1, 0, 0]], [[0.5, 0.25, 0.25]]
    assert kl(truth=truth, probability=p).value == pytest.approx(np.log(2))
    assert brier(truth=truth, probability=p).value == pytest.approx(0.25 + 2 / 16)
    assert rps(truth=truth, probability=p).value == pytest.approx((0.25 + 0.0625) / 2)
    assert emd(truth=truth, probability=p).value == pytest.approx(0.75)
    assert emd(truth=truth, probability=p, positions=[-1, 0, 3]).value == pytest.approx(0.25 + 1)
    assert js(truth=[[1, 0]], probability=[[0, 1]]).value == pytest.approx(np.log(2))


def test_a_ruled_out_label_costs_infinitely_much():
    assert kl(truth=[[0.5, 0.5]], probability=[[1, 0]]).value == np.inf
    assert kl(truth=[[1, 0]], probability=[[1, 0]]).value == 0


def test_order_matters_to_ranked_scores_only():
    truth, near, far = [[1, 0, 0]], [[0, 1, 0]], [[0, 0, 1]]
    for metric in (rps, emd):
        assert metric(truth=truth, probability=near).value < metric(truth=truth, probability=far).value
    for metric in (js, brier):
        assert metric(truth=truth, probability=near).value == metric(truth=truth, probability=far).value


def test_brier_of_one_label_equals_sklearn():
    from sklearn.metrics import brier_score_loss

    truth, p = np.array([1, 0, 1, 1]), np.array([0.9, 0.4, 0.3, 1.0])
    assert brier(truth=truth, probability=p).value == pytest.approx(brier_score_loss(truth, p))
    score = brier(truth=[1, NAN, 0], probability=[1, 0.2, NAN])
    assert (score.value, score.n, score.missing, score.abstained) == (0, 1, 1, 1)
    assert np.isnan(brier(truth=[NAN], probability=[0.5]).value)


@pytest.mark.parametrize("metric", METRICS)
def test_absent_rows_are_counted_and_not_scored(metric):
    truth = [[1, 0], [NAN, NAN], [0.5, 0.5], [NAN, NAN]]
    p = [[1, 0], [0.5, 0.5], [NAN, NAN], [NAN, NAN]]
    score = metric(truth=truth, probability=p)
    assert (score.value, score.n, score.missing, score.abstained) == (0, 1, 2, 1)
    assert np.isnan(metric(truth=truth[1:2], probability=p[1:2]).value)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    ("truth", "probability", "code"),
    [
        ([[1, 0]], [[0.9, 0.8]], "not_a_distribution"),
        ([[1, 1]], [[0.5, 0.5]], "not_a_distribution"),
        ([[1, 0]], [[1.5, -0.5]], "not_a_probability"),
        ([[1, 0]], [[1, 0, 0]], "shape_mismatch"),
        ([[1, 0]], [1], "shape_mismatch"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(metric, truth, probability, code):
    with pytest.raises(UsageError) as error:
        metric(truth=truth, probability=probability)
    assert error.value.code == code


def test_places_and_orders_that_do_not_fit_are_refused():
    with pytest.raises(UsageError) as error:
        rps(truth=[[1]], probability=[[1]])
    assert error.value.code == "too_few_labels"
    for positions in ([0, 1, 2], [1, 0], [0, NAN]):
        with pytest.raises(UsageError) as error:
            emd(truth=[[1, 0]], probability=[[1, 0]], positions=positions)
        assert error.value.code == "bad_positions"
