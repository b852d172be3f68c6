import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affectome.errors import UsageError
from affectome.evaluate import alert_rate_at_recall, auc, average_precision, hit_at_k, recall_at_alert_rate
from affectome.evaluate.ranking import midranks

NAN = float("nan")


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_average_precision_and_auc_equal_sklearn(seed):
    from sklearn.metrics import average_precision_score, roc_auc_score

    rng = np.random.default_rng(seed)
    n, k = rng.integers(2, 60), rng.integers(1, 5)
    truth = (rng.random((n, k)) < 0.4).astype(float)
    score = np.round(rng.normal(size=(n, k)), rng.integers(0, 4))  # logits, with many equal ones
    ap, area = average_precision(truth=truth, probability=score), auc(truth=truth, probability=score)
    for label in range(k):
        present = truth[:, label].sum()
        expected = average_precision_score(truth[:, label], score[:, label]) if present else NAN
        assert ap.per_label[label] == pytest.approx(expected, nan_ok=True)
        expected = roc_auc_score(truth[:, label], score[:, label]) if 0 < present < n else NAN
        assert area.per_label[label] == pytest.approx(expected, nan_ok=True)
    assert ap.undefined == (truth.sum(axis=0) == 0).sum()
    if ap.undefined < k:
        assert ap.value == pytest.approx(np.nanmean(ap.per_label))


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.data())
def test_hit_at_k_equals_sklearn_without_equal_scores(seed, data):
    from sklearn.metrics import top_k_accuracy_score

    rng = np.random.default_rng(seed)
    n, labels = int(rng.integers(1, 40)), int(rng.integers(3, 8))
    k = data.draw(st.integers(1, labels - 1))
    truth, score = rng.integers(0, labels, n), rng.random((n, labels))
    expected = top_k_accuracy_score(truth, score, k=k, labels=np.arange(labels))
    assert hit_at_k(truth=truth, probability=score, k=k).value == pytest.approx(expected)


def test_average_precision_by_hand():
    # Order 1 0 1 0: precision 1 at recall 1/2, 2/3 at recall 1.
    assert average_precision(truth=[1, 0, 1, 0], probability=[0.9, 0.8, 0.7, 0.1]).value == pytest.approx(5 / 6)
    assert average_precision(truth=[1, 0, 0, 0], probability=[0.5] * 4).value == 0.25
    assert auc(truth=[1, 0, 1, 0], probability=[0.9, 0.8, 0.7, 0.1]).value == 0.75
    assert auc(truth=[1, 0], probability=[0.5, 0.5]).value == 0.5


def test_alerts_by_hand():
    truth, score = [1, 0, 1, 0, 1], [0.9, 0.8, 0.7, 0.7, 0.1]  # rates .2 .4 .8 1, recalls 1/3 1/3 2/3 1
    assert recall_at_alert_rate(truth=truth, probability=score, rate=0.4).value == pytest.approx(1 / 3)
    assert recall_at_alert_rate(truth=truth, probability=score, rate=0.6).value == pytest.approx(1 / 3)
    assert recall_at_alert_rate(truth=truth, probability=score, rate=0.8).value == pytest.approx(2 / 3)
    assert recall_at_alert_rate(truth=truth, probability=score, rate=0.1).value == 0
    assert alert_rate_at_recall(truth=truth, probability=score, recall=1 / 3).value == pytest.approx(0.2)
    assert alert_rate_at_recall(truth=truth, probability=score, recall=0.5).value == pytest.approx(0.8)
    assert alert_rate_at_recall(truth=truth, probability=score, recall=1).value == 1
    assert np.isnan(alert_rate_at_recall(truth=[0, 0], probability=[1, 0], recall=0.9).value)
    assert np.isnan(recall_at_alert_rate(truth=[0, 0], probability=[1, 0], rate=0.9).value)
    both = recall_at_alert_rate(truth=[[1, 0], [0, 0]], probability=[[1, 0], [0, 1]], rate=0.5)
    assert (both.value, both.undefined) == (1, 1)


def test_constant_scores_are_not_hits():
    score = hit_at_k(truth=[0, 1, 2, 3], probability=np.full((4, 4), 0.25), k=1)
    assert score.value == 0.25
    assert hit_at_k(truth=[1], probability=[[0.4, 0.3, 0.3]], k=2).value == 0.5


def test_hit_at_k_with_names_missing_and_abstained():
    probability = [[0.7, 0.2, 0.1], [0.1, 0.2, 0.7], [NAN] * 3, [0.3, 0.3, 0.4]]
    score = hit_at_k(truth=["joy", "fear", "joy", None], probability=probability, k=1, labels=("joy", "anger", "fear"))
    assert (score.value, score.n, score.missing, score.abstained) == (1, 2, 1, 1)
    assert np.isnan(hit_at_k(truth=[None], probability=[[0.1, 0.9]], k=1).value)


def test_missing_cells_are_counted():
    score = auc(truth=[1, 0, NAN, 0], probability=[0.9, 0.1, 0.5, NAN])
    assert (score.value, score.n, score.missing, score.abstained) == (1, 2, 1, 1)


def test_midranks():
    assert midranks(np.array([10.0, 20, 20, 5])).tolist() == [2, 3.5, 3.5, 1]


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda: auc(truth=[0.3, 0.8], probability=[0, 1]), "truth_not_binary"),
        (lambda: average_precision(truth=[0, 1], probability=[[0, 1]]), "shape_mismatch"),
        (lambda: recall_at_alert_rate(truth=[0, 1], probability=[0, 1], rate=0), "bad_rate"),
        (lambda: alert_rate_at_recall(truth=[0, 1], probability=[0, 1], recall=1.1), "bad_recall"),
        (lambda: hit_at_k(truth=[0], probability=[[0.5, 0.5]], k=2), "bad_k"),
        (lambda: hit_at_k(truth=[0], probability=[[0.5, 0.5]], k=0), "bad_k"),
        (lambda: hit_at_k(truth=[5], probability=[[0.5, 0.5]], k=1), "unknown_label"),
        (lambda: hit_at_k(truth=["a"], probability=[[0.5, 0.5]], k=1), "no_labels"),
        (lambda: hit_at_k(truth=["a"], probability=[[0.5, 0.5]], k=1, labels=("a",)), "shape_mismatch"),
        (lambda: hit_at_k(truth=[0, 1], probability=[[0.5, 0.5]], k=1), "shape_mismatch"),
        (lambda: hit_at_k(truth=[[0.1, 0.9]], probability=[1], k=1), "shape_mismatch"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(call, code):
    with pytest.raises(UsageError) as error:
        call()
    assert error.value.code == code
