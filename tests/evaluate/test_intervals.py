import sys
from functools import partial

import numpy as np
import pytest

from affectome.errors import MissingExtraError, UsageError
from affectome.evaluate import accuracy, bootstrap, bootstrap_mean, f1, kl, mae, over_seeds, paired_bootstrap, pearson
from affectome.evaluate import intervals as intervals_module


def readers(seed=0, n=300):
    """A truth of three labels, a good reader and a bad one."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, n)
    good = np.where(rng.random(n) < 0.8, truth, rng.integers(0, 3, n))
    bad = np.where(rng.random(n) < 0.4, truth, rng.integers(0, 3, n))
    return truth, good, bad


def test_interval_of_accuracy_is_near_the_binomial_one():
    truth, good, _ = readers()
    interval = bootstrap(accuracy, seed=1, resamples=1000, truth=truth, prediction=good)
    value = (truth == good).mean()
    half = 1.96 * np.sqrt(value * (1 - value) / len(truth))
    assert interval.value == pytest.approx(value)
    assert interval.low == pytest.approx(value - half, abs=0.01)
    assert interval.high == pytest.approx(value + half, abs=0.01)
    assert (interval.level, interval.resamples, interval.undefined, interval.seed) == (0.95, 1000, 0, 1)


def test_same_seed_same_interval_and_blocks_do_not_matter(monkeypatch):
    truth, good, _ = readers()
    run = partial(bootstrap, partial(f1, average="macro"), resamples=50, truth=truth, prediction=good)
    first = run(seed=7)
    assert run(seed=7) == first
    assert run(seed=8) != first
    monkeypatch.setattr(intervals_module, "_CHUNK", len(truth) * 3)
    assert run(seed=7) == first


def test_mean_equals_the_general_bootstrap():
    values = np.random.default_rng(3).normal(size=200)
    groups = np.random.default_rng(4).integers(0, 30, 200)
    for kind in (None, groups):
        general = bootstrap(lambda x: x.mean(), seed=5, resamples=200, groups=kind, x=values)
        fast = bootstrap_mean(values, seed=5, resamples=200, groups=kind)
        assert (fast.value, fast.low, fast.high) == pytest.approx((general.value, general.low, general.high))


def test_groups_are_drawn_whole():
    groups = ["a", "a", "a", "b", "c", "c"]
    seen = []

    def metric(x):
        seen.append(sorted(x.tolist()))
        return 0.0

    bootstrap(metric, seed=0, resamples=100, groups=groups, x=np.arange(6))
    sizes = {0: 3, 3: 1, 4: 2}
    for drawn in seen[:-1]:  # the last call is that on all items
        counts = np.bincount(drawn, minlength=6)
        assert counts[0] == counts[1] == counts[2]
        assert counts[4] == counts[5]
        assert counts[0] + counts[3] + counts[4] == 3
        assert sum(counts[i] * size for i, size in sizes.items()) == len(drawn)


def test_groups_that_agree_within_widen_the_interval():
    rng = np.random.default_rng(0)
    speakers = np.repeat(np.arange(20), 30)
    values = np.repeat(rng.normal(size=20), 30) + rng.normal(scale=0.1, size=600)
    by_item, by_speaker = (bootstrap_mean(values, seed=0, groups=g) for g in (None, speakers))
    assert by_speaker.high - by_speaker.low > 3 * (by_item.high - by_item.low)


def test_coverage_is_near_the_level():
    inside = 0
    for seed in range(200):
        sample = np.random.default_rng(seed).normal(size=60)
        interval = bootstrap_mean(sample, seed=seed, resamples=300, level=0.9)
        inside += interval.low <= 0 <= interval.high
    assert 165 <= inside <= 195


def test_difference_is_paired():
    truth, good, bad = readers()
    interval = paired_bootstrap(accuracy, truth=truth, first=good, second=bad, seed=0, resamples=300)
    assert interval.value == pytest.approx((truth == good).mean() - (truth == bad).mean())
    assert interval.low > 0
    same = paired_bootstrap(accuracy, truth=truth, first=good, second=good, seed=0, resamples=50)
    assert (same.value, same.low, same.high) == (0, 0, 0)
    turned = paired_bootstrap(accuracy, truth=truth, first=bad, second=good, seed=0, resamples=300)
    assert (turned.low, turned.high) == pytest.approx((-interval.high, -interval.low))


def test_difference_of_distributions():
    rng = np.random.default_rng(0)
    truth = rng.dirichlet(np.ones(4), 100)
    near = 0.9 * truth + 0.025
    far = rng.dirichlet(np.ones(4), 100)
    interval = paired_bootstrap(kl, output="probability", truth=truth, first=near, second=far, seed=0, resamples=200)
    assert interval.high < 0


def test_undefined_resamples_are_counted():
    interval = bootstrap(pearson, seed=0, resamples=400, truth=[0.0, 0.0, 1.0], prediction=[0.0, 1.0, 2.0])
    assert 0 < interval.undefined < 400
    assert np.isfinite([interval.low, interval.high]).all()
    never = bootstrap(pearson, seed=0, resamples=10, truth=[0.0, 0.0], prediction=[0.0, 1.0])
    assert never.undefined == 10
    assert np.isnan([never.value, never.low, never.high]).all()


def test_infinite_values_stay_infinite():
    interval = bootstrap(kl, seed=0, resamples=50, truth=[[0.5, 0.5], [1, 0]], probability=[[1, 0], [1, 0]])
    assert interval.value == interval.high == np.inf
    assert interval.low == 0


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda: bootstrap(mae, seed=0, truth=[1, 2], prediction=[1]), "shape_mismatch"),
        (lambda: bootstrap(mae, seed=0, truth=[], prediction=[]), "shape_mismatch"),
        (lambda: bootstrap(mae, seed=0, truth=1.0, prediction=1.0), "shape_mismatch"),
        (lambda: bootstrap(mae, seed=0), "shape_mismatch"),
        (lambda: bootstrap(mae, seed=0, groups=["a"], truth=[1, 2], prediction=[1, 2]), "shape_mismatch"),
        (lambda: bootstrap(mae, seed=0, groups=["a", None], truth=[1, 2], prediction=[1, 2]), "missing_group"),
        (lambda: bootstrap(mae, seed=0, resamples=0, truth=[1], prediction=[1]), "bad_resamples"),
        (lambda: bootstrap(mae, seed=0, level=95, truth=[1], prediction=[1]), "bad_level"),
        (lambda: bootstrap_mean([1, np.nan], seed=0), "not_finite"),
        (lambda: bootstrap_mean([], seed=0), "shape_mismatch"),
        (lambda: bootstrap_mean([1.0], seed=0, resamples=0), "bad_resamples"),
        (lambda: paired_bootstrap(mae, truth=[1], first=[1], second=[1, 2], seed=0), "shape_mismatch"),
        (lambda: paired_bootstrap(mae, output="logits", truth=[1], first=[1], second=[1], seed=0), "unknown_output"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(call, code):
    with pytest.raises(UsageError) as error:
        call()
    assert error.value.code == code


def test_scores_over_seeds_by_hand():
    # Mean 2, standard deviation 1, t with two degrees of freedom 4.3027: 2 +- 4.3027 / sqrt(3).
    scores = over_seeds(float, [1, 2, 3])
    assert (scores.values, scores.seeds, scores.mean, scores.sd) == ((1, 2, 3), (1, 2, 3), 2, 1)
    assert (scores.low, scores.high) == (pytest.approx(2 - 2.48414, abs=1e-4), pytest.approx(2 + 2.48414, abs=1e-4))
    assert over_seeds(float, [1, 2, 3], level=0.8).high == pytest.approx(2 + 1.8856 / 3**0.5, abs=1e-4)
    cut = over_seeds(float, [0, 1], bounds=(0, 1))
    assert (cut.low, cut.mean, cut.high) == (0, 0.5, 1)
    equal = over_seeds(lambda seed: 0.5, range(4))
    assert (equal.sd, equal.low, equal.high) == (0, 0.5, 0.5)


def test_an_undefined_score_is_not_dropped():
    scores = over_seeds(lambda seed: float("nan") if seed == 2 else 1.0, [1, 2, 3])
    assert np.isnan([scores.mean, scores.sd, scores.low, scores.high]).all()
    np.testing.assert_array_equal(scores.values, [1, float("nan"), 1])


@pytest.mark.parametrize(
    ("seeds", "level", "code"), [([1], 0.95, "bad_seeds"), ([1, 1], 0.95, "bad_seeds"), ([1, 2], 1.0, "bad_level")]
)
def test_seeds_that_do_not_fit_are_refused(seeds, level, code):
    with pytest.raises(UsageError) as error:
        over_seeds(float, seeds, level=level)
    assert error.value.code == code


def test_the_install_line_is_given_without_scipy(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.special", None)
    with pytest.raises(MissingExtraError, match="scipy"):
        over_seeds(float, [1, 2])
