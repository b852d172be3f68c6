"""The table of scores: golden values, order, what is not known."""

import numpy as np
import pytest

from affectome.evaluate import ece
from affectome.evaluate.scoring import Predictor, score_rows

NAN = np.nan


def _values(rows):
    return {(row.predictor, row.metric): row.interval.value for row in rows}


def test_choice():
    truth = np.array([[1, 0, 0], [0, 1, 0], [0, 1, 0], [NAN, NAN, NAN], [1, 0, 0]])
    output = np.array([[0.8, 0.1, 0.1], [0.6, 0.4, 0], [0.2, 0.8, 0], [0, 1, 0], [NAN, NAN, NAN]])
    prior = np.tile([0.5, 0.5, 0.0], (5, 1))
    rows = score_rows(
        "choice",
        truth=truth,
        predictors=[Predictor("prior", "baseline", prior), Predictor("r", "result", output)],
        seed=0,
    )
    assert [row.predictor for row in rows] == ["prior"] * 4 + ["r"] * 4
    values = _values(rows)
    # Three items are scored: right, wrong, right.
    assert values["r", "accuracy"] == pytest.approx(2 / 3)
    assert values["r", "macro F1"] == pytest.approx(2 / 3)  # both labels: 2 right of 3, the third label is nowhere
    assert values["r", "UAR"] == pytest.approx((1 + 1 / 2) / 2)
    # Answers .8 (two, both right) and .6 (one, wrong): (2 * .2 + .6) / 3.
    assert values["r", "ECE"] == pytest.approx((2 * 0.2 + 0.6) / 3)
    assert values["prior", "accuracy"] == pytest.approx(1 / 2)
    assert {row.n for row in rows if row.predictor == "r"} == {3}
    assert {row.n for row in rows if row.predictor == "prior"} == {4}


def test_presence():
    truth = np.array([[1, 0], [1, 1], [0, 0]])
    output = np.array([[0.9, 0.4], [0.2, 0.6], [0.1, 0.3]])
    rows = score_rows(
        "presence", truth=truth, predictors=[Predictor("r", "result", output)], thresholds=[0.5, 0.35], seed=0
    )
    values = _values(rows)
    # First label: one of two found, none wrong: 2/3. Second: found, and once wrongly: 2/3.
    assert values["r", "macro F1"] == pytest.approx(2 / 3)
    assert values["r", "micro F1"] == pytest.approx(2 * 2 / (3 + 3))
    assert values["r", "ECE"] == pytest.approx(float(ece(truth=truth, probability=output)))


def test_measure_with_speakers():
    truth = np.array([1.0, 2.0, 3.0, NAN])
    rows = score_rows(
        "measure",
        truth=truth,
        predictors=[
            Predictor("mean", "baseline", np.full(4, 2.0)),
            Predictor("r", "result", truth + np.array([0.5, 0.5, 0.5, 1])),
        ],
        units=[0, 0, 1, 1],
        seed=0,
    )
    values = _values(rows)
    assert np.isnan(values["mean", "Pearson r"])
    assert values["mean", "R²"] == pytest.approx(0)
    assert values["r", "Pearson r"] == pytest.approx(1)
    assert values["r", "MAE"] == pytest.approx(0.5)
    # Every resample of the two speakers has the same error.
    interval = next(row.interval for row in rows if row.predictor == "r" and row.metric == "MAE")
    assert (interval.low, interval.high) == pytest.approx((0.5, 0.5))
