import numpy as np
import pytest

from affectome.errors import UsageError
from affectome.evaluate import accuracy, kl, predict_majority, predict_mean, predict_prior, r2

NAN = float("nan")


def test_majority_is_the_most_frequent_label():
    train = np.array(["joy", "fear", "joy", "anger"])
    assert predict_majority(train_truth=train, items=3).tolist() == ["joy"] * 3
    assert predict_majority(train_truth=[2, 1, 1, 2, -1, None], items=2).tolist() == [1, 1]
    assert accuracy(truth=["joy", "fear"], prediction=predict_majority(train_truth=train, items=2)).value == 0.5


def test_prior_is_the_training_frequency():
    prior = predict_prior(train_truth=["b", "a", "b", None, "b"], labels=("a", "b", "c"), items=2)
    assert prior.tolist() == [[0.25, 0.75, 0], [0.25, 0.75, 0]]
    assert predict_prior(train_truth=[0, 1], labels=("a", "b"), items=1).tolist() == [[0.5, 0.5]]
    assert kl(truth=[[0.25, 0.75, 0]], probability=prior[:1]).value == 0


def test_mean_of_values_and_of_presences():
    assert predict_mean(train_truth=[1, 2, NAN, 6], items=2).tolist() == [3, 3]
    assert predict_mean(train_truth=[[1, 0], [0, 0], [NAN, 1], [1, 1]], items=1) == pytest.approx(
        np.array([[2 / 3, 0.5]])
    )
    assert np.isnan(predict_mean(train_truth=[[1, NAN]], items=1)[0, 1])
    values = np.array([1.0, 2, 3])
    assert r2(truth=values, prediction=predict_mean(train_truth=values, items=3)).value == 0


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda: predict_majority(train_truth=[None], items=1), "no_training_values"),
        (lambda: predict_prior(train_truth=[], labels=("a",), items=1), "no_training_values"),
        (lambda: predict_prior(train_truth=["z"], labels=("a",), items=1), "unknown_label"),
        (lambda: predict_mean(train_truth=[NAN], items=1), "no_training_values"),
        (lambda: predict_mean(train_truth=1.0, items=1), "no_training_values"),
    ],
)
def test_training_values_that_do_not_fit_are_refused(call, code):
    with pytest.raises(UsageError) as error:
        call()
    assert error.value.code == code
