"""Pools, intervals and decision curves by hand; readers that cope with what is missing."""

import numpy as np
import pytest

from affectome.domains.severity import decision_curve, fit_severity, grade_interval, pool
from affectome.errors import UsageError

NAN = np.nan


def test_pool_by_hand():
    prior = np.array([[0.5, 0.25, 0.25]])
    evidence = {"text": np.log([[2.0, 1.0, 1.0]]), "face": np.zeros((1, 3))}
    assert pool(evidence, {"text": 1.0, "face": 1.0}, prior)[0] == pytest.approx([1 / 1.5, 0.25 / 1.5, 0.25 / 1.5])
    assert pool(evidence, {"text": 0.0, "face": 1.0}, prior)[0] == pytest.approx(prior[0])


def test_intervals_by_hand():
    probability = [[0.04, 0.5, 0.42, 0.04], [1, 0, 0, 0], [0.25, 0.25, 0.25, 0.25]]
    low, high = grade_interval(probability, 0.9)
    assert (low.tolist(), high.tolist()) == ([1, 0, 0], [2, 0, 3])
    with pytest.raises(UsageError, match="between"):
        grade_interval(probability, 1)


def test_a_decision_curve_by_hand():
    found = decision_curve(truth=[1, 0, 1, 0], probability=[0.9, 0.6, 0.3, 0.1], thresholds=[0.2, 0.5])
    # At .2 two true and one false positive, at .5 one of each.
    assert found.benefit == pytest.approx([2 / 4 - 1 / 4 * 0.25, 1 / 4 - 1 / 4])
    assert found.everyone == pytest.approx([2 / 4 - 2 / 4 * 0.25, 0])
    with pytest.raises(UsageError, match="threshold"):
        decision_curve(truth=[1], probability=[1], thresholds=[1])
    with pytest.raises(UsageError, match="one value a person"):
        decision_curve(truth=[1], probability=[1, 1], thresholds=[0.5])


@pytest.fixture(scope="module")
def cohort():
    """Two streams show a severity of three grades, one of them barely; one interview in five lacks one."""
    pytest.importorskip("sklearn")
    rng = np.random.default_rng(1)
    severity = rng.normal(size=300)
    grades = np.digitize(severity, [-0.5, 0.5])
    clear = rng.normal(size=(300, 3))
    clear[:, 0] += 3 * severity
    vague = rng.normal(size=(300, 2))
    vague[:, 0] += severity
    clear[:60] = NAN
    return {"clear": clear, "vague": vague}, grades


@pytest.fixture(scope="module")
def reader(cohort):
    streams, grades = cohort
    return fit_severity(streams, grades, groups=np.arange(300), levels=3)


def test_both_streams_are_better_than_one(cohort, reader):
    streams, grades = cohort
    both = reader.predict(streams)
    assert both.sum(axis=1) == pytest.approx(np.ones(300))
    right = {
        name: float((reader.predict({name: rows}).argmax(axis=1) == grades)[60:].mean())
        for name, rows in streams.items()
    }
    assert right["clear"] > right["vague"] > 0.45
    assert (both.argmax(axis=1) == grades)[60:].mean() >= right["clear"] - 0.02


def test_what_is_missing_is_no_evidence(cohort, reader):
    streams, _ = cohort
    assert reader.predict(streams)[:60] == pytest.approx(reader.predict({"vague": streams["vague"]})[:60])
    assert reader.predict({"clear": streams["clear"]})[0] == pytest.approx(reader.prior)
    assert (reader.attribute(streams)["clear"][:60] == 0).all()


def test_attributions_add_up_to_the_place_on_the_scale(cohort, reader):
    streams, _ = cohort
    rows = streams["vague"]
    head = reader.heads["vague"]
    place = head.scores(rows)[:, 0] - head.scores(head.mean[None])[0, 0]
    parts = reader.attribute({"vague": rows})["vague"]
    assert parts.sum(axis=1) == pytest.approx(reader.weights["vague"] * place, abs=1e-4)
    assert np.abs(parts[:, 0]).mean() > 3 * np.abs(parts[:, 1]).mean()


def test_streams_that_do_not_fit(reader):
    with pytest.raises(UsageError, match="stream"):
        reader.predict({"smell": np.zeros((2, 2))})
    with pytest.raises(UsageError, match="stream"):
        reader.predict({})
    with pytest.raises(UsageError, match="one row"):
        reader.predict({"clear": np.zeros((2, 3)), "vague": np.zeros((3, 2))})
    with pytest.raises(UsageError):
        reader.predict({"clear": np.zeros((2, 5))})
