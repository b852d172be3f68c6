"""Summaries of whole tables against the same figures computed plainly."""

import math

import numpy as np
import polars as pl
import pytest

from affectome.report.overview import count_outcomes, measure


def test_outcomes_put_scored_first_then_the_most_frequent(invent, opened):
    frame = invent(400, unscored=0.3)
    outcomes = count_outcomes(opened(frame))
    assert outcomes[0].status == "scored"
    assert sum(outcome.rows for outcome in outcomes) == 400
    rows = [outcome.rows for outcome in outcomes[1:]]
    assert rows == sorted(rows, reverse=True)
    assert {outcome.code for outcome in outcomes[1:]} == {"not_english", "too_short", "too_long"}


def test_presence_follows_thresholds(invent, opened):
    frame = invent(300)
    overview = measure(opened(frame), exclusive=False, thresholds={"grief": 0.05})
    scored = frame.filter(status="scored").unnest("emotion")
    for emotion in overview.emotions:
        threshold = 0.05 if emotion.label == "grief" else 0.5
        assert emotion.threshold == threshold
        assert emotion.share.value == pytest.approx((scored[emotion.label] >= threshold).mean())
        assert emotion.mean.value == pytest.approx(scored[emotion.label].mean(), abs=1e-6)
    shares = [emotion.share.value for emotion in overview.emotions]
    assert shares == sorted(shares, reverse=True)


def test_exclusive_labels_count_by_the_top_label(invent, opened):
    frame = invent(200, labels=("joy", "sadness", "never"), exclusive=True).with_columns(
        pl.col("top").replace("never", "joy")
    )
    overview = measure(opened(frame), exclusive=True, thresholds={})
    emotions = {emotion.label: emotion for emotion in overview.emotions}
    assert sum(emotion.share.value for emotion in emotions.values()) == pytest.approx(1)
    joyful = frame.filter(pl.col("top") == "joy")
    assert emotions["joy"].top == len(joyful)
    assert emotions["joy"].valence == pytest.approx(joyful["valence"].mean(), abs=1e-6)
    assert emotions["joy"].threshold is None
    assert (emotions["never"].top, emotions["never"].valence) == (0, None)


def test_dimensions_uncertainty_and_density(invent, opened):
    frame = invent(500, groups=("a", "b", "c"), speakers=("x", "y"))
    overview = measure(opened(frame), exclusive=False, thresholds={})
    scored = frame.filter(status="scored")
    assert overview.rows == len(scored)
    valence = overview.dimensions["valence"]
    assert valence.value == pytest.approx(scored["valence"].mean(), abs=1e-6)
    half = 1.96 * scored["valence"].std() / math.sqrt(len(scored))
    assert valence.high - valence.value == pytest.approx(half, rel=1e-3)
    assert overview.spread["arousal"] == pytest.approx(scored["arousal_sd"].median(), abs=1e-6)
    assert overview.unsure.value == pytest.approx((scored["confidence"] < 0.5).mean())
    assert overview.confidence.median == pytest.approx(scored["confidence"].median(), abs=1e-6)
    assert sum(overview.confidence.counts) == sum(overview.entropy.counts) == len(scored)
    assert overview.entropy.upper == pytest.approx(math.log(28))
    assert (overview.groups, overview.speakers) == (3, 2)
    assert overview.toxic.value == pytest.approx((scored["tone"].struct.field("toxicity") >= 0.5).mean())
    expected, _, _ = np.histogram2d(scored["arousal"], scored["valence"], bins=100, range=[[-1, 1], [-1, 1]])
    assert overview.density.sum() == len(scored)
    assert np.abs(overview.density - expected).sum() <= 4  # values on the edge of a cell may fall to either side


def test_tables_without_toxicity_or_time(invent, opened):
    overview = measure(opened(invent(20, toxicity=False, days=None)), exclusive=False, thresholds={})
    assert overview.toxicity is None
    assert overview.toxic is None
    assert overview.first is None
    assert (overview.groups, overview.speakers) == (0, 0)


def test_one_text(invent, opened):
    overview = measure(opened(invent(1, unscored=0)), exclusive=False, thresholds={})
    assert overview.deviation["valence"] == 0
    assert overview.dimensions["valence"].low == overview.dimensions["valence"].high
