import numpy as np
import pytest

pytest.importorskip("scipy", reason='needs the train extra: pip install "affectome[train]"')

from affectome.learn.calibration import fit_platt, fit_presence, fit_sharpness, fit_spread_scale

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
