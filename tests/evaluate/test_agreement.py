import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affectome.affect import VoteTable
from affectome.errors import UsageError
from affectome.evaluate import kappa, mae, pearson, rater_against_rest, rater_agreement

NAN = float("nan")


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_kappa_equals_sklearn(seed):
    from sklearn.metrics import cohen_kappa_score

    truth, prediction = np.random.default_rng(seed).integers(0, 4, (2, 30))
    assert kappa(truth=truth, prediction=prediction).value == pytest.approx(cohen_kappa_score(truth, prediction))


def test_kappa_by_hand():
    # Agreement 0.75; by chance 0.5 * 0.25 + 0.5 * 0.75.
    score = kappa(truth=["a", "a", "b", "b", None, "a"], prediction=["a", "b", "b", "b", "a", None])
    assert score.value == pytest.approx(0.5)
    assert (score.n, score.missing, score.abstained) == (4, 1, 1)
    assert np.isnan(kappa(truth=["a", "a"], prediction=["a", "a"]).value)
    assert np.isnan(kappa(truth=[None], prediction=["a"]).value)


def test_a_reader_among_raters_by_hand():
    votes = VoteTable.from_counts([[2, 1], [0, 3], [0, 0], [3, 0], [1, 0]], ("joy", "fear"))
    result = rater_agreement(votes=votes, prediction=["joy", "joy", "joy", None, "joy"])
    assert result.reader == pytest.approx((2 / 3 + 0 + 1) / 3)
    assert result.raters == pytest.approx((1 / 3 + 1) / 2)  # of the two items with several ratings
    assert result.best == pytest.approx((2 / 3 + 1 + 1) / 3)
    assert (result.n, result.missing, result.abstained) == (3, 1, 1)
    assert rater_agreement(votes=votes, prediction=[0, 0, 0, -1, 0]) == result


def test_a_reader_that_reads_nothing_or_something_else():
    votes = VoteTable.from_counts([[2, 1]], ("joy", "fear"))
    nothing = rater_agreement(votes=votes, prediction=[None])
    assert np.isnan([nothing.reader, nothing.raters, nothing.best]).all()
    assert (nothing.n, nothing.abstained) == (0, 1)
    for prediction, code in ((["joy", "joy"], "shape_mismatch"), (["rage"], "unknown_label")):
        with pytest.raises(UsageError) as error:
            rater_agreement(votes=votes, prediction=prediction)
        assert error.value.code == code


def test_each_rater_against_the_others_by_hand():
    ratings = [[1, 2, 3], [4, 4, 4], [NAN, 6, 2], [NAN, NAN, 5]]
    score = rater_against_rest(mae, ratings=ratings)
    # |1 - 2.5|, |4 - 4|; |2 - 2|, 0, |6 - 2|; |3 - 1.5|, 0, |2 - 6|
    assert score.per_label == pytest.approx((0.75, 4 / 3, 5.5 / 3))
    assert score.value == pytest.approx((0.75 + 4 / 3 + 5.5 / 3) / 3)
    assert (score.n, score.missing, score.abstained) == (8, 1, 3)
    constant = rater_against_rest(pearson, ratings=[[1, 1, 5], [2, 2, 5], [3, 3, 5]])
    assert constant.undefined == 1
    assert constant.value == pytest.approx(1)


@pytest.mark.parametrize("ratings", [[1, 2, 3], [[1], [2]]])
def test_one_rater_has_no_others(ratings):
    with pytest.raises(UsageError) as error:
        rater_against_rest(pearson, ratings=ratings)
    assert error.value.code == "too_few_raters"
