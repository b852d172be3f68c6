"""Values take the output that fits their metric, and claims about intervals take the end that has to clear."""

from functools import partial

import numpy as np
import pytest

from affectome.errors import UsageError
from affectome.evaluate import Interval, accuracy, bootstrap, hit_at_k, mae, paired_bootstrap
from affectome.studies.comparing import claim_difference, claim_end, claim_value, measure, output_of

TRUTH = np.array([0, 1, 2, 0, 1, 2, 0, 1])
SCORES = np.eye(3)[[0, 1, 2, 0, 1, 0, 1, 2]] + np.eye(3)[TRUTH] * 0.5
ANSWERS = np.array([0, 1, 2, 0, 1, 0, 1, 2])
GROUPS = np.array([0, 0, 1, 1, 2, 2, 3, 3])
METRICS = {"accuracy": accuracy, "2-best": partial(hit_at_k, k=2)}


def test_each_metric_gets_its_output():
    assert output_of(accuracy) == "prediction"
    assert output_of(METRICS["2-best"]) == "probability"
    values = measure(METRICS, truth=TRUTH, prediction=ANSWERS, probability=SCORES, groups=GROUPS, seed=1)
    assert list(values) == ["accuracy", "2-best"]
    assert values["accuracy"] == bootstrap(accuracy, seed=1, groups=GROUPS, truth=TRUTH, prediction=ANSWERS)
    assert values["accuracy"].value == 5 / 8
    assert values["2-best"].value == 1


def test_a_metric_without_its_output_is_left_out():
    assert list(measure(METRICS, truth=TRUTH, prediction=ANSWERS, seed=1)) == ["accuracy"]
    assert list(measure(METRICS, truth=TRUTH, probability=SCORES, seed=1, resamples=10)) == ["2-best"]


def test_no_fitting_output_is_refused():
    with pytest.raises(UsageError) as error:
        measure({"accuracy": accuracy}, truth=TRUTH, probability=SCORES, seed=1)
    assert (error.value.code, error.value.allowed) == ("no_output", ("prediction",))


def test_what_is_no_metric_is_refused():
    with pytest.raises(UsageError) as error:
        output_of(np.mean)
    assert error.value.code == "not_a_metric"


INTERVAL = Interval(0.5, 0.4, 0.6, 0.95, 100, 0, 1)


@pytest.mark.parametrize(
    ("comparison", "threshold", "value_holds", "end_holds"),
    [(">=", 0.45, True, False), (">", 0.39, True, True), ("<=", 0.55, True, False), ("<", 0.61, True, True)],
)
def test_claims_of_a_value_and_of_its_end(comparison, threshold, value_holds, end_holds):
    assert claim_value("", INTERVAL, comparison, threshold).holds is value_holds
    claim = claim_end("", INTERVAL, comparison, threshold)
    assert claim.holds is end_holds
    assert claim.interval == INTERVAL


def test_a_difference_is_paired():
    truth, first, second = np.arange(8.0), np.arange(8.0) + 0.1, np.arange(8.0) + 0.2
    claim = claim_difference("", mae, truth=truth, first=first, second=second, comparison="<", seed=1, groups=GROUPS)
    assert claim.interval == paired_bootstrap(mae, truth=truth, first=first, second=second, seed=1, groups=GROUPS)
    assert claim.value == claim.interval.high == pytest.approx(-0.1)
    assert claim.holds


def test_a_difference_may_be_claimed_by_its_value():
    given = {"truth": TRUTH, "first": TRUTH, "second": ANSWERS, "comparison": ">=", "threshold": 0.3, "seed": 1}
    claim = claim_difference("", accuracy, by="value", **given)
    assert claim.value == claim.interval.value == 3 / 8
    assert claim.holds
    assert claim.interval.low < 0.3
    assert not claim_difference("", accuracy, by="interval", **given).holds
