import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affectome.errors import LeakError, UsageError
from affectome.evaluate import Fold, choose_thresholds, decide_across_folds, folds, multilabel_f1

NAN = float("nan")


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_no_other_threshold_is_better(seed):
    rng = np.random.default_rng(seed)
    n, k = rng.integers(2, 40), rng.integers(1, 4)
    truth = (rng.random((n, k)) < 0.4).astype(float)
    truth[0] = 1
    p = np.round(rng.random((n, k)), rng.integers(1, 4))
    chosen = choose_thresholds(dev_truth=truth, dev_probability=p)
    for candidate in np.unique(p):
        other = multilabel_f1(truth=truth, probability=p, thresholds=candidate).per_label
        assert (chosen.f1 >= np.nan_to_num(other) - 1e-12).all()
    assert ((chosen.values >= 0) & (chosen.values <= 1)).all()
    pooled = multilabel_f1(truth=truth, probability=p, thresholds=chosen.pooled, average="micro").value
    best = max(multilabel_f1(truth=truth, probability=p, thresholds=c, average="micro").value for c in np.unique(p))
    assert pooled == pytest.approx(best)


def test_threshold_lies_between_the_scores_of_the_cut():
    chosen = choose_thresholds(dev_truth=[[1], [1], [0], [0]], dev_probability=[[0.9], [0.7], [0.3], [0.1]])
    assert chosen.values == pytest.approx([0.5])
    assert chosen.f1.tolist() == [1]
    assert chosen.support.tolist() == [2]


def test_of_equal_cuts_the_highest_is_taken():
    # Giving the first only, or all three: F1 is 2/3 both times.
    chosen = choose_thresholds(dev_truth=[[1], [0], [0], [1]], dev_probability=[[0.8], [0.6], [0.4], [0.2]])
    assert chosen.f1 == pytest.approx([2 / 3])
    assert chosen.values == pytest.approx([0.7])


def test_neighbouring_numbers_are_kept_apart():
    high = 0.5
    low = np.nextafter(high, 0)
    chosen = choose_thresholds(dev_truth=[[1], [0]], dev_probability=[[high], [low]])
    assert chosen.f1.tolist() == [1]
    assert low < chosen.values[0] <= high


def test_everything_given_when_the_lowest_score_is_present():
    chosen = choose_thresholds(dev_truth=[[1], [1]], dev_probability=[[0.2], [0.0]])
    assert chosen.values.tolist() == [0]
    assert chosen.f1.tolist() == [1]


def test_labels_without_support_take_the_pooled_threshold():
    chosen = choose_thresholds(dev_truth=[[1, 0], [0, 0]], dev_probability=[[0.8, 0.4], [0.2, 0.1]])
    assert chosen.values == pytest.approx([0.5, chosen.pooled])
    assert chosen.pooled == pytest.approx(0.6)
    assert chosen.support.tolist() == [1, 0]
    assert np.isnan(chosen.f1[1])


def test_smoothing_draws_rare_labels_to_the_pooled_threshold():
    rng = np.random.default_rng(1)
    truth = np.stack([rng.random(400) < 0.5, rng.random(400) < 0.01], axis=1).astype(float)
    p = np.clip(truth * [0.4, 0.1] + rng.random((400, 2)) * 0.5, 0, 1)
    own, drawn = (choose_thresholds(dev_truth=truth, dev_probability=p, smoothing=s) for s in (0, 20))
    shift = np.abs(drawn.values - own.values)
    distance = np.abs(own.values - own.pooled)
    assert shift[1] / distance[1] > 0.5
    assert shift[0] <= 0.2 * distance[0] + 1e-9
    assert drawn.f1[1] <= own.f1[1]
    logit = np.log([p / (1 - p) for p in (own.values[1], own.pooled, drawn.values[1])])
    weight = own.support[1] / (own.support[1] + 20)
    assert logit[2] == pytest.approx(weight * logit[0] + (1 - weight) * logit[1])


def test_absent_cells_are_not_used():
    truth = [[1, NAN], [0, 1], [NAN, 0]]
    p = [[0.8, 0.1], [0.2, 0.9], [0.99, NAN]]
    chosen = choose_thresholds(dev_truth=truth, dev_probability=p)
    assert chosen.values == pytest.approx([0.5, 0.45])
    assert chosen.support.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"dev_truth": [[0.2, 0.8]], "dev_probability": [[0, 1]]}, "truth_not_binary"),
        ({"dev_truth": [[0, 1]], "dev_probability": [[0.1]]}, "shape_mismatch"),
        ({"dev_truth": [0, 1], "dev_probability": [0.1, 0.9]}, "shape_mismatch"),
        ({"dev_truth": [[0, 0]], "dev_probability": [[0.1, 0.2]]}, "no_positives"),
        ({"dev_truth": [[0, 1]], "dev_probability": [[0.1, 0.2]], "smoothing": -1}, "bad_smoothing"),
        ({"dev_truth": [[0, 1]], "dev_probability": [[-1.0, 2.0]]}, "not_a_probability"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(options, code):
    with pytest.raises(UsageError) as error:
        choose_thresholds(**options)
    assert error.value.code == code


def test_each_fold_is_decided_by_the_others():
    truth = np.array([[1.0], [0.0], [1.0], [0.0]])
    p = np.array([[0.9], [0.7], [0.3], [0.1]])
    # The first half cuts at 0.8, the second at 0.2.
    halves = [Fold(np.array([0, 1]), np.array([2, 3])), Fold(np.array([2, 3]), np.array([0, 1]))]
    assert decide_across_folds(truth=truth, probability=p, folds=halves).ravel().tolist() == [1, 1, 0, 0]
    p[3] = NAN
    decided = decide_across_folds(truth=truth, probability=p, folds=halves[:1])
    np.testing.assert_array_equal(decided.ravel(), [NAN, NAN, 0, NAN])
    with pytest.raises(LeakError) as error:
        decide_across_folds(truth=truth, probability=p, folds=[halves[0], halves[0]])
    assert error.value.code == "shared_rows"


def test_thresholds_from_other_folds_are_not_optimistic():
    rng = np.random.default_rng(0)
    truth = (rng.random((120, 6)) < 0.1).astype(float)
    noise = rng.random((120, 6))
    everything = choose_thresholds(dev_truth=truth, dev_probability=noise)
    seen = multilabel_f1(truth=truth, probability=noise, thresholds=everything.values).value
    decided = decide_across_folds(truth=truth, probability=noise, folds=folds(120, count=5, seed=0))
    assert multilabel_f1(truth=truth, probability=decided).value < seen - 0.05
