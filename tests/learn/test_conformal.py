import numpy as np
import pytest

from affectome.errors import UsageError
from affectome.learn.conformal import conformal_limits, conformal_sets

NAN = float("nan")


def simulated(n, seed):
    """True labels and what a reader that is far too sure of itself says; the last label is rare and hard."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(4, n, p=[0.5, 0.3, 0.15, 0.05])
    logits = rng.normal(size=(n, 4)) + np.array([2.5, 2, 1.5, 0.5])[truth][:, None] * np.eye(4)[truth]
    odds = np.exp(2 * logits)
    return truth, odds / odds.sum(axis=1, keepdims=True)


def covered(truth, sets):
    return sets[np.arange(len(truth)), truth]


@pytest.mark.parametrize("error", [0.05, 0.1, 0.3])
@pytest.mark.parametrize("by_label", [False, True])
def test_coverage_is_what_was_promised(error, by_label):
    dev_truth, dev_probability = simulated(8000, 0)
    truth, probability = simulated(20_000, 1)
    sets = conformal_sets(
        dev_truth=dev_truth, dev_probability=dev_probability, probability=probability, error=error, by_label=by_label
    )
    assert covered(truth, sets).mean() == pytest.approx(1 - error, abs=0.02)


def test_only_the_limits_by_label_keep_the_promise_for_a_rare_label():
    dev_truth, dev_probability = simulated(20_000, 0)
    truth, probability = simulated(40_000, 1)
    dev = {"dev_truth": dev_truth, "dev_probability": dev_probability}
    together = covered(truth, conformal_sets(**dev, probability=probability))
    single = covered(truth, conformal_sets(**dev, probability=probability, by_label=True))
    assert together[truth == 3].mean() < 0.8
    for label in range(4):
        assert single[truth == label].mean() == pytest.approx(0.9, abs=0.03)


def test_the_promise_holds_on_average_with_few_items():
    shares = []
    for seed in range(400):
        dev_truth, dev_probability = simulated(15, seed)
        truth, probability = simulated(50, seed + 1000)
        sets = conformal_sets(dev_truth=dev_truth, dev_probability=dev_probability, probability=probability, error=0.2)
        shares.append(covered(truth, sets).mean())
    # With 15 items the expected share is 13/16, the next above 0.8.
    assert np.mean(shares) == pytest.approx(13 / 16, abs=0.02)


def test_limits_by_hand():
    # True labels with 0.9, 0.8, ... 0.1; of 9 + 1 items 3 may miss, so the third lowest is the limit.
    own = np.arange(1, 10) / 10
    rows = np.column_stack([own, 1 - own])
    limits = conformal_limits(dev_truth=np.zeros(9), dev_probability=rows, error=0.3)
    np.testing.assert_allclose(limits, [0.3, 0.3])
    np.testing.assert_allclose(conformal_limits(dev_truth=np.zeros(9), dev_probability=rows, error=0.39), [0.3, 0.3])
    by_label = conformal_limits(dev_truth=np.zeros(9), dev_probability=rows, error=0.3, by_label=True)
    assert by_label.tolist() == [pytest.approx(0.3), -np.inf]


def test_with_too_few_items_every_label_is_in_the_set():
    rows = [[0.9, 0.1]] * 8
    sets = conformal_sets(dev_truth=[0] * 8, dev_probability=rows, probability=[[1.0, 0.0]], error=0.1)
    assert sets.tolist() == [[True, True]]


def test_sets_may_be_empty_and_an_abstention_rules_nothing_out():
    dev = {"dev_truth": [0, 1] * 10, "dev_probability": [[0.9, 0.1], [0.1, 0.9]] * 10}
    sets = conformal_sets(**dev, probability=[[0.5, 0.5], [0.95, 0.05], [NAN, NAN]], error=0.2)
    assert sets.tolist() == [[False, False], [True, False], [True, True]]


def test_unknown_truth_and_abstentions_are_left_out_of_the_limits():
    own = np.arange(1, 10) / 10
    rows = np.vstack([np.column_stack([own, 1 - own]), [[0.0, 1.0], [NAN, NAN]]])
    limits = conformal_limits(dev_truth=[0.0] * 9 + [NAN, 0], dev_probability=rows, error=0.3)
    np.testing.assert_allclose(limits, [0.3, 0.3])


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"error": 0}, "bad_error"),
        ({"error": 1}, "bad_error"),
        ({"dev_truth": [0, 2]}, "unknown_label"),
        ({"dev_truth": [0]}, "shape_mismatch"),
        ({"probability": [[0.5, 0.3, 0.2]]}, "shape_mismatch"),
        ({"probability": [0.5, 0.5]}, "shape_mismatch"),
    ],
)
def test_what_does_not_fit_is_refused(change, code):
    given = {"dev_truth": [0, 1], "dev_probability": [[0.6, 0.4]] * 2, "probability": [[0.5, 0.5]]}
    with pytest.raises(UsageError) as caught:
        conformal_sets(**given | change)
    assert caught.value.code == code
