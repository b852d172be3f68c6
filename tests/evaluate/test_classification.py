import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affectome.errors import UsageError
from affectome.evaluate import (
    accuracy,
    apply_thresholds,
    error_balance,
    f1,
    hits,
    jaccard,
    multilabel_f1,
    multilabel_per_class,
    per_class,
    uar,
)

NAN = float("nan")
seeds = st.integers(0, 2**32 - 1)


def random_classes(seed):
    rng = np.random.default_rng(seed)
    n, k = rng.integers(1, 60), rng.integers(2, 6)
    return rng.integers(0, k, n), rng.integers(0, k, n)


def random_presence(seed):
    rng = np.random.default_rng(seed)
    n, k = rng.integers(2, 50), rng.integers(2, 5)
    return (rng.random((n, k)) < 0.4).astype(float), np.round(rng.random((n, k)), rng.integers(1, 4))


@settings(max_examples=30)
@given(seeds, st.sampled_from(["macro", "micro", "weighted"]))
def test_single_label_scores_equal_sklearn(seed, average):
    from sklearn import metrics

    truth, prediction = random_classes(seed)
    assert accuracy(truth=truth, prediction=prediction).value == pytest.approx(
        metrics.accuracy_score(truth, prediction)
    )
    expected = metrics.f1_score(truth, prediction, average=average, zero_division=np.nan)
    assert f1(truth=truth, prediction=prediction, average=average).value == pytest.approx(expected)
    expected = metrics.recall_score(truth, prediction, labels=np.unique(truth), average="macro", zero_division=np.nan)
    assert uar(truth=truth, prediction=prediction).value == pytest.approx(expected)


@settings(max_examples=30)
@given(seeds)
def test_per_class_table_equals_sklearn(seed):
    from sklearn.metrics import precision_recall_fscore_support

    truth, prediction = random_classes(seed)
    rows = per_class(truth=truth, prediction=prediction)
    expected = precision_recall_fscore_support(truth, prediction, zero_division=np.nan)
    for column, values in zip(("precision", "recall", "f1", "support"), expected, strict=True):
        np.testing.assert_allclose([getattr(row, column) for row in rows], values, atol=1e-12)
    assert [row.predicted for row in rows] == [(prediction == int(row.label)).sum() for row in rows]


@settings(max_examples=30)
@given(seeds, st.sampled_from(["macro", "micro", "weighted"]))
def test_multilabel_f1_equals_sklearn(seed, average):
    from sklearn.metrics import f1_score

    truth, probability = random_presence(seed)
    thresholds = np.random.default_rng(seed).uniform(0.1, 0.9, truth.shape[1])
    given_labels = (probability >= thresholds).astype(int)
    value = multilabel_f1(truth=truth, probability=probability, thresholds=thresholds, average=average).value
    if average != "macro" and truth.sum() + (given_labels.sum() if average == "micro" else 0) == 0:
        assert np.isnan(value)
        return
    per_label = f1_score(truth, given_labels, average=None, zero_division=np.nan)
    if average == "macro":
        expected = np.nanmean(per_label) if not np.isnan(per_label).all() else NAN
    else:
        expected = f1_score(truth, given_labels, average=average, zero_division=0)
    assert value == pytest.approx(expected, nan_ok=True)


def test_scores_by_hand():
    truth = ["joy", "joy", "joy", "fear"]
    prediction = ["joy", "fear", "joy", "fear"]
    assert accuracy(truth=truth, prediction=prediction).value == 0.75
    score = f1(truth=truth, prediction=prediction)
    assert score.per_label == pytest.approx((2 / 3, 0.8))  # fear, joy
    assert score.value == pytest.approx((2 / 3 + 0.8) / 2)
    assert float(f1(truth=truth, prediction=prediction, average="weighted")) == pytest.approx((2 / 3 + 3 * 0.8) / 4)
    assert float(f1(truth=truth, prediction=prediction, average="micro")) == 0.75
    assert uar(truth=truth, prediction=prediction).value == pytest.approx((1 + 2 / 3) / 2)
    fear, joy = per_class(truth=truth, prediction=prediction)
    assert fear == ("fear", 0.5, 1.0, pytest.approx(2 / 3), 1, 2)
    assert joy == ("joy", 1.0, pytest.approx(2 / 3), pytest.approx(0.8), 3, 2)


def test_labels_that_do_not_occur_are_undefined_not_zero():
    score = f1(truth=["a", "b"], prediction=["a", "b"], labels=("a", "b", "c"))
    assert score.value == 1
    assert score.undefined == 1
    assert np.isnan(score.per_label[2])
    recall = uar(truth=["a", "a"], prediction=["a", "b"], labels=("a", "b"))
    assert (recall.value, recall.undefined) == (0.5, 1)
    row = per_class(truth=["a"], prediction=["a"], labels=("a", "c"))[1]
    assert row.support == row.predicted == 0
    assert np.isnan([row.precision, row.recall, row.f1]).all()


@pytest.mark.parametrize(
    ("truth", "prediction"),
    [
        (["a", None, "b", "b", ""], ["a", "a", None, "b", None]),
        (np.array(["a", None, "b", "b", None], dtype=object), np.array(["a", "a", NAN, "b", None], dtype=object)),
        (["a", NAN, "b", "b", None], ["a", "a", NAN, "b", None]),
        ([0, -1, 1, 1, -1], [0, 0, -1, 1, -1]),
        ([0, None, 1, 1, None], [0, 0, None, 1, None]),
        (np.array([0, NAN, 1, 1, NAN]), np.array([0, 0, NAN, 1, NAN])),
    ],
)
def test_absent_labels_are_counted_and_not_scored(truth, prediction):
    for score in (
        accuracy(truth=truth, prediction=prediction),
        f1(truth=truth, prediction=prediction),
        uar(truth=truth, prediction=prediction),
    ):
        assert (score.value, score.n, score.missing, score.abstained) == (1, 2, 2, 1)
    right = hits(truth=truth, prediction=prediction)
    np.testing.assert_array_equal(right.values, [1, NAN, NAN, 1, NAN])
    assert (right.missing, right.abstained) == (2, 1)


@pytest.mark.parametrize("truth", [[0, 1], ["a", "b"], np.array([0.0, 1.0])])
def test_a_reader_that_never_answers(truth):
    score = f1(truth=truth, prediction=[None, None])
    assert np.isnan(score.value)
    assert (score.n, score.missing, score.abstained) == (0, 0, 2)
    assert np.isnan(accuracy(truth=truth, prediction=[None, None]).value)
    assert accuracy(truth=[None, None], prediction=truth).missing == 2


def test_absent_cells_of_several_labels_are_masks_not_zeros():
    truth = np.array([[1, 0], [NAN, 1], [1, 1], [0, 0]])
    probability = np.array([[0.9, 0.1], [0.9, 0.8], [NAN, 0.7], [0.2, 0.1]])
    score = multilabel_f1(truth=truth, probability=probability)
    assert (score.value, score.n, score.missing, score.abstained) == (1, 6, 1, 1)
    first, second = multilabel_per_class(truth=truth, probability=probability, labels=("anger", "joy"))
    assert (first.label, first.support, first.predicted) == ("anger", 1, 1)
    assert (second.label, second.support, second.predicted) == ("joy", 2, 2)


def test_thresholds_are_reached_from_equality():
    probability = np.array([[0.5, 0.2], [0.4, NAN]])
    assert apply_thresholds(probability, 0.5).tolist() == [[True, False], [False, False]]
    assert apply_thresholds(probability, [0.4, 0.2]).tolist() == [[True, True], [True, False]]
    for thresholds in ([0.1, 0.2, 0.3], NAN, [[0.1, 0.2]]):
        with pytest.raises(UsageError) as error:
            apply_thresholds(probability, thresholds)
        assert error.value.code == "bad_thresholds"


def test_error_balance_by_hand():
    balance = error_balance(truth=[1, 1, 1, 1, 0, 0, NAN, 1], prediction=[1, 0, 0, 1, 1, 0, 1, NAN])
    assert (balance.fnr, balance.fpr, balance.balance) == (0.5, 0.5, 0)
    assert (balance.n, balance.missing, balance.abstained) == (6, 1, 1)
    eager = error_balance(truth=[0, 0], prediction=[1, 0])
    assert np.isnan(eager.fnr)
    assert eager.fpr == 0.5
    with pytest.raises(UsageError) as error:
        error_balance(truth=[1, 0], prediction=[0.4, 0.3])
    assert error.value.code == "prediction_not_binary"


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda: accuracy(truth=[0, 1], prediction=[0, 1, 1]), "shape_mismatch"),
        (lambda: accuracy(truth=[[0, 1]], prediction=[[0, 1]]), "shape_mismatch"),
        (lambda: accuracy(truth=[0, 1], prediction=[0.3, 0.9]), "not_labels"),
        (lambda: accuracy(truth=[0, 1], prediction=[0, np.inf]), "not_labels"),
        (lambda: accuracy(truth=["a"], prediction=[{}]), "not_labels"),
        (lambda: accuracy(truth=np.array([1j]), prediction=[1]), "not_labels"),
        (lambda: accuracy(truth=["a", "b"], prediction=[0, 1]), "kind_mismatch"),
        (lambda: f1(truth=["a"], prediction=["z"], labels=("a", "b")), "unknown_label"),
        (lambda: f1(truth=[0], prediction=[2], labels=("a", "b")), "unknown_label"),
        (lambda: f1(truth=["a"], prediction=["a"], average="samples"), "unknown_average"),
        (lambda: multilabel_f1(truth=[[0.2, 0.9]], probability=[[0, 1]]), "truth_not_binary"),
        (lambda: multilabel_f1(truth=[[0, 1]], probability=[[-3.0, 4.0]]), "not_a_probability"),
        (lambda: multilabel_f1(truth=[[0, 1]], probability=[[0.5]]), "shape_mismatch"),
        (lambda: multilabel_f1(truth=[0, 1], probability=[0.5, 0.5]), "shape_mismatch"),
        (lambda: multilabel_f1(truth=[["a"]], probability=[[0.5]]), "not_numbers"),
        (lambda: multilabel_f1(truth=[[np.inf]], probability=[[0.5]]), "not_finite"),
        (lambda: jaccard(truth=[0, 1], probability=[0.5, 0.5]), "shape_mismatch"),
        (lambda: multilabel_per_class(truth=[[0, 1]], probability=[[0, 1]], labels=("a",)), "shape_mismatch"),
        (lambda: error_balance(truth=[[0, 1]], prediction=[[0, 1]]), "prediction_not_binary"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(call, code):
    with pytest.raises(UsageError) as error:
        call()
    assert error.value.code == code


def test_metrics_take_no_positional_arguments():
    with pytest.raises(TypeError):
        accuracy([0, 1], [0, 1])


@settings(max_examples=30)
@given(seeds)
def test_jaccard_equals_sklearn(seed):
    from sklearn.metrics import jaccard_score

    truth, probability = random_presence(seed)
    expected = jaccard_score(truth, probability >= 0.5, average="samples", zero_division=1)
    assert jaccard(truth=truth, probability=probability).value == pytest.approx(expected)


def test_jaccard_by_hand():
    truth = [[1, 1, 0], [0, 0, 0], [0, 0, 0], [1, 0, NAN], [1, 0, 0]]
    probability = [[0.9, 0.1, 0.8], [0.1, 0.2, 0.3], [0.7, 0, 0], [1, 1, 1], [NAN, 0, 0]]
    score = jaccard(truth=truth, probability=probability)  # 1 of 3; neither side gives any; 0 of 1
    assert score.value == pytest.approx((1 / 3 + 1 + 0) / 3)
    assert (score.n, score.missing, score.abstained) == (3, 1, 1)
    assert jaccard(truth=[[1, 1]], probability=[[0.4, 0.4]], thresholds=[0.3, 0.5]).value == 0.5
    assert np.isnan(jaccard(truth=[[NAN, 1]], probability=[[0.4, 0.4]]).value)
