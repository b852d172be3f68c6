"""Which recordings and moments are picked, and curves over seconds."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from affectome.perceive.estimates import estimates_schema
from affectome.report.recording_charts import clock
from affectome.report.recordings import follow_curve, listen

LABELS = ("anger", "joy", "neutral")


def _rows(source, strengths, label="anger", **more):
    others = [name for name in LABELS if name != label]
    return [
        {
            "id": f"{source}#{k}",
            "source": source,
            "start": 2.0 * k,
            "end": 2.0 * k + 1.5,
            "modality": "voice",
            "status": "scored",
            "error": "",
            "emotion": {label: p, others[0]: (1 - p) / 2, others[1]: (1 - p) / 2},
            "top": label,
            "confidence": p,
            **dict.fromkeys(("valence", "arousal", "dominance"), 0.1),
            **dict.fromkeys(("valence_sd", "arousal_sd", "dominance_sd"), 0.2),
            "prosody": {"f0_median_hz": 100.0 + k, "jitter_mean": None},
            **more,
        }
        for k, p in enumerate(strengths)
    ]


@pytest.fixture
def heard(opened):
    def listened(rows, sounds=None):
        schema = estimates_schema(LABELS, extras={"prosody": ("f0_median_hz", "jitter_mean")}, intensity=True)
        return listen(opened(pl.DataFrame([dict.fromkeys(schema) | row for row in rows], schema=schema)), sounds)

    return listened


def test_the_strongest_recordings_come_first(heard):
    rows = [row for n, p in (("a", 0.4), ("b", 0.9), ("c", 0.6), ("d", 0.8)) for row in _rows(n, [p] * 4)]
    voices = heard(rows)
    assert [recording.source for recording in voices.recordings] == ["b", "d", "c"]
    assert (voices.sources, voices.stretches, voices.seconds) == (4, 16, 24.0)
    assert not voices.graded


def test_a_neutral_voice_is_not_a_strong_one(heard):
    voices = heard(_rows("calm", [0.98] * 4, "neutral") + _rows("glad", [0.5] * 4, "joy"))
    assert [recording.source for recording in voices.recordings] == ["glad", "calm"]
    assert voices.moments[0].label == "joy"


def test_strength_goes_before_probability(heard):
    weak = {"intensity": {"anger": 0.1, "joy": 0.0, "neutral": 0.0}}
    strong = {"intensity": {"anger": 0.0, "joy": 0.7, "neutral": 0.0}}
    voices = heard(_rows("sure", [0.9] * 3, **weak) + _rows("loud", [0.5] * 3, "joy", **strong))
    assert voices.graded
    assert voices.moments[0].source == "loud"
    assert voices.moments[0].strength == pytest.approx(0.7)


def test_no_more_than_three_moments_of_one_emotion(heard):
    voices = heard(_rows("a", [0.9] * 8) + _rows("b", [0.5] * 8, "joy"))
    assert [moment.label for moment in voices.moments] == ["anger"] * 3 + ["joy"] * 3


def test_long_recordings_show_their_strongest_part(heard):
    strengths = [0.4] * 300
    strengths[290] = 0.9
    (recording,) = heard(_rows("long", strengths)).recordings
    assert not recording.whole
    assert len(recording.stretches) == 240
    assert recording.first <= 580 <= recording.last


def test_long_moments_are_cut_to_their_loudest_part(heard):
    def sounds(source, start, end):
        sound = np.zeros(round((end - start) * 16000), np.float32)
        sound[-16000 * 6 :] = 0.5
        return sound

    voices = heard(_rows("a", [0.9], end=20.0), sounds)
    assert (voices.moments[0].start, voices.moments[0].end) == (14.0, 20.0)
    assert voices.audible


def test_spreads_have_quantiles_and_undefined_features_are_left_out(heard):
    (pitch,) = heard(_rows("a", [0.5] * 5) + _rows("b", [0.4] * 5)).prosody
    assert pitch.unit == "Hz"
    assert pitch.recordings[0] == pytest.approx((100.2, 101, 102, 103, 103.8))


def test_no_voice_without_scored_rows(heard):
    lost = {"status": "failed", "error": "undecodable", "emotion": None, "top": None}
    assert heard(_rows("a", [0.5] * 2, **lost)) is None
    assert heard(_rows("a", [0.5] * 2, modality="text")) is None


def test_curves_are_means_of_their_neighbourhoods():
    steps = follow_curve(np.array([0.0, 1.0, 2.0]), np.array([0.2, 0.5, 0.8], np.float32), reach=1e6)
    assert [step.value for step in steps] == pytest.approx([0.5] * 3)
    # Equal weights: variance .09, standard error sqrt(.03), cut at neither end.
    assert steps[0].low == pytest.approx(0.5 - 1.96 * 0.03**0.5)
    assert steps[0].high == pytest.approx(0.5 + 1.96 * 0.03**0.5)
    assert [step.own for step in steps] == pytest.approx([0.2, 0.5, 0.8])


def test_lonely_stretches_have_no_interval():
    (step,) = follow_curve(np.array([3.0]), np.array([0.4], np.float32), reach=1.0)
    assert (step.value, step.low, step.high) == (pytest.approx(0.4), None, None)


@pytest.mark.parametrize(
    ("second", "text"), [(7.54, "0:07.5"), (59.97, "1:00.0"), (750.0, "12:30.0"), (3723.0, "1:02:03.0")]
)
def test_times_as_people_read_them(second, text):
    assert clock(second) == text
