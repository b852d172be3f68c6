import numpy as np
import pytest

pytest.importorskip("scipy", reason='needs the train extra: pip install "affectome[train]"')

pytest.importorskip("sklearn", reason='needs the train extra: pip install "affectome[train]"')

from scipy.special import softmax

from affectome.errors import UsageError
from affectome.evaluate import brier, ece, kl
from affectome.learn.calibration import (
    fit_dirichlet,
    fit_isotonic,
    fit_platt,
    fit_presence,
    fit_sharpness,
    fit_spread_scale,
    fit_temperature,
)

pytestmark = pytest.mark.train


def drawn(logits, slope, intercept, seed=1):
    """Labels drawn with the probabilities of a known calibration."""
    probability = 1 / (1 + np.exp(-(slope * logits + intercept)))
    return (np.random.default_rng(seed).random(logits.shape) < probability).astype(np.float32)


def test_slopes_and_intercepts_are_recovered():
    logits = np.random.default_rng(0).normal(0, 2, (8000, 3)).astype(np.float32)
    slope, intercept = np.array([0.5, 1.0, 1.6]), np.array([-1.0, 0.0, 0.7])
    fitted = fit_platt(logits, drawn(logits, slope, intercept))
    np.testing.assert_allclose(fitted.slope, slope, atol=0.1)
    np.testing.assert_allclose(fitted.intercept, intercept, atol=0.1)
    assert fitted.slope.dtype == fitted.intercept.dtype == np.float32


def test_a_label_with_hardly_a_positive_keeps_its_slope():
    logits = np.random.default_rng(0).normal(0, 1, (200, 1)).astype(np.float32)
    targets = np.zeros_like(logits)
    targets[np.argmax(logits)] = 1
    loose, held = fit_platt(logits, targets, strength=0.001), fit_platt(logits, targets)
    assert abs(held.slope[0] - 1) < 0.5 < abs(loose.slope[0] - 1)
    assert np.isfinite(fit_platt(logits, np.zeros_like(logits)).intercept).all()


def test_one_presence_rule_is_fitted_to_all_labels():
    similarity = np.random.default_rng(0).uniform(-0.5, 0.9, (4000, 5)).astype(np.float32)
    slope, intercept = fit_presence(similarity, drawn(similarity, 9, -3))
    assert slope == pytest.approx(9, abs=0.6)
    assert intercept == pytest.approx(-3, abs=0.3)


@pytest.mark.parametrize("sharpness", [2.0, 6.0, 20.0])
def test_the_sharpness_is_recovered(sharpness):
    rng = np.random.default_rng(0)
    similarity = rng.uniform(-1, 1, (6000, 6)).astype(np.float32)
    choice = (sharpness * similarity + rng.gumbel(size=similarity.shape)).argmax(axis=1)  # draws from the softmax
    assert fit_sharpness(similarity, np.eye(6, dtype=np.float32)[choice]) == pytest.approx(sharpness, rel=0.1)


def test_the_scale_of_spreads_is_recovered():
    rng = np.random.default_rng(0)
    means = rng.normal(size=(20_000, 3)).astype(np.float32)
    spreads = rng.uniform(0.1, 0.6, (20_000, 3)).astype(np.float32)
    scale = np.array([0.5, 1.0, 2.0])
    targets = (means + scale * spreads * rng.normal(size=means.shape)).astype(np.float32)
    fitted = fit_spread_scale(means, spreads, targets)
    np.testing.assert_allclose(fitted, scale, rtol=0.03)
    assert fitted.dtype == np.float32


def chosen(logits, seed):
    """Labels drawn with the probabilities of logits."""
    return (logits + np.random.default_rng(seed).gumbel(size=logits.shape)).argmax(axis=1)


@pytest.mark.parametrize("temperature", [0.5, 3.0])
def test_a_temperature_restores_the_calibration(temperature):
    honest = np.random.default_rng(0).normal(0, 1.5, (8000, 4)).astype(np.float32)
    truth, given = chosen(honest, 1), temperature * honest
    dev, test = slice(0, 4000), slice(4000, 8000)
    fitted = fit_temperature(given[dev], np.eye(4, dtype=np.float32)[truth[dev]])
    assert fitted == pytest.approx(temperature, rel=0.08)
    before = ece(truth=truth[test], probability=softmax(given[test], axis=1)).value
    after = ece(truth=truth[test], probability=softmax(given[test] / fitted, axis=1)).value
    assert before > 0.1
    assert after < 0.025


def test_isotonic_by_hand():
    # The scores 0.2 and 0.4 are in the wrong order, so they share their mean.
    fitted = fit_isotonic(np.array([[0.1], [0.2], [0.4], [0.8]]), np.array([[0.0], [1], [0], [1]]))
    np.testing.assert_allclose(fitted.apply(np.array([[0.0], [0.3], [0.6], [0.9]]))[:, 0], [0, 0.5, 0.75, 1], atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_isotonic_never_falls_and_stays_a_probability(seed):
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(60, 2)).astype(np.float32)
    targets = (rng.random((60, 2)) < 0.4).astype(np.float32)
    targets[rng.random((60, 2)) < 0.2] = np.nan
    line = np.linspace(-4, 4, 200)[:, None].repeat(2, axis=1)
    found = fit_isotonic(scores, targets).apply(line)
    assert (np.diff(found, axis=0) >= 0).all()
    assert found.min() >= 0
    assert found.max() <= 1


def test_isotonic_mends_what_no_slope_can():
    rng = np.random.default_rng(0)
    scores = rng.random((8000, 1)).astype(np.float32)
    truth = (rng.random((8000, 1)) < 0.1 + 0.8 * (scores > 0.6)).astype(np.float32)
    dev, test = slice(0, 4000), slice(4000, 8000)
    platt = fit_platt(scores[dev], truth[dev], strength=0)
    straight = 1 / (1 + np.exp(-(platt.slope * scores[test] + platt.intercept)))
    rising = fit_isotonic(scores[dev], truth[dev]).apply(scores[test])
    assert float(brier(truth=truth[test, 0], probability=rising[:, 0])) < float(
        brier(truth=truth[test, 0], probability=straight[:, 0])
    )
    assert ece(truth=truth[test], probability=rising).value < 0.03


def skewed(n, seed):
    """Outputs of a reader that gives the first label too often and takes two others for each other."""
    honest = np.random.default_rng(seed).normal(0, 1.2, (n, 4))
    truth = chosen(honest, seed + 1)
    given = 1.8 * honest + np.array([1.5, 0, 0, 0])
    given[:, 1] += 0.5 * given[:, 2]
    return softmax(given, axis=1).astype(np.float32), np.eye(4, dtype=np.float32)[truth]


def test_dirichlet_beats_the_temperature_on_a_skewed_reader():
    given, truth = skewed(2000, 0)
    test, test_truth = skewed(4000, 10)
    temperature = fit_temperature(np.log(given), truth)
    scaled = softmax(np.log(test) / temperature, axis=1)
    mended = fit_dirichlet(given, truth).apply(test)
    np.testing.assert_allclose(mended.sum(axis=1), 1, atol=1e-5)
    assert float(kl(truth=test_truth, probability=mended)) < float(kl(truth=test_truth, probability=scaled)) - 0.03


def test_dirichlet_with_few_data_is_the_temperature():
    given, truth = skewed(30, 0)
    temperature = fit_temperature(np.log(given), truth)
    held = fit_dirichlet(given, truth, strength=1e6)
    np.testing.assert_allclose(held.apply(given), softmax(np.log(given) / temperature, axis=1), atol=1e-3)
    np.testing.assert_allclose(held.bias, 0, atol=1e-3)


def test_dirichlet_is_never_worse_than_the_temperature_where_it_was_fitted():
    for seed in range(5):
        given, truth = skewed(60, seed)
        scaled = softmax(np.log(given) / fit_temperature(np.log(given), truth), axis=1)
        mended = fit_dirichlet(given, truth).apply(given)
        assert float(kl(truth=truth, probability=mended)) <= float(kl(truth=truth, probability=scaled)) + 1e-6


def test_a_probability_of_zero_is_calibrated_too():
    given = np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]], np.float32)
    found = fit_dirichlet(given, np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]], np.float32)).apply(given)
    assert np.isfinite(found).all()


SQUARE = np.full((2, 2), 0.5, np.float32)


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda: fit_isotonic(SQUARE, SQUARE[:1]), "shape_mismatch"),
        (lambda: fit_isotonic(SQUARE, np.full((2, 2), np.nan)), "no_targets"),
        (lambda: fit_dirichlet(SQUARE[0], SQUARE[0]), "shape_mismatch"),
        (lambda: fit_dirichlet(SQUARE, SQUARE, strength=-1), "bad_strength"),
        (lambda: fit_isotonic(SQUARE, SQUARE).apply(SQUARE[:, :1]), "shape_mismatch"),
        (lambda: fit_dirichlet(SQUARE, SQUARE).apply(SQUARE[:, :1]), "shape_mismatch"),
    ],
)
def test_what_does_not_fit_is_refused(call, code):
    with pytest.raises(UsageError) as caught:
        call()
    assert caught.value.code == code
