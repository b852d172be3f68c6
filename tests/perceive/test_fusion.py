"""What modalities say together, against values worked by hand."""

from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from affectome.perceive import Fusion, estimates_schema
from affectome.perceive.fusion import CELL, hellinger

LABELS = ("joy", "anger")
READER = SimpleNamespace(labels=LABELS, taxonomy="custom", exclusive=True)


def rows(*each):
    """Estimates: modality, start, end, speaker, probability of joy, valence, and the mouth of a face."""
    schema = estimates_schema(LABELS) | {"face": pl.Struct({"mouth": pl.Float32()})}
    table = [
        dict.fromkeys(schema)
        | {"id": str(k), "source": "a.mp4", "start": start, "end": end, "speaker": speaker, "modality": modality}
        | {"status": "scored", "error": "", "emotion": {"joy": joy, "anger": 1 - joy}, "valence": valence}
        | {"arousal": 0.0, "dominance": 0.0, "valence_sd": 0.2, "arousal_sd": 0.2, "dominance_sd": 0.2}
        | ({"face": {"mouth": mouth}} if modality == "face" else {})
        for k, (modality, start, end, speaker, joy, valence, mouth) in enumerate(each)
    ]
    return pl.DataFrame(table, schema=schema)


def face(start, joy, valence=0.0, mouth=0.0, track="F1"):
    return ("face", start, start + 0.25, track, joy, valence, mouth)


def voice(start, end, joy, valence=0.0, speaker=None):
    return ("voice", start, end, speaker, joy, valence, None)


def speaking(start, end, joy, valence=0.0):
    """A face whose mouth opens and closes all the time."""
    times = np.arange(start, end, 0.25)
    return [face(float(t), joy, valence, 0.4 * (k % 2)) for k, t in enumerate(times)]


def fuse(*each, **options):
    return Fusion(READER, **options).fuse(rows(*each))


def test_one_modality_is_what_it_was():
    found = fuse(*speaking(0, 2, 0.8, 0.3))
    assert found["start"].to_list() == [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75]
    assert (found["end"] - found["start"]).to_list() == [CELL] * 8
    assert found["emotion"].struct.field("joy").to_list() == pytest.approx([0.8] * 8, abs=1e-6)
    assert found["valence"].to_list() == pytest.approx([0.3] * 8, abs=1e-6)
    assert found["valence_sd"].to_list() == pytest.approx([0.2] * 8, abs=1e-6)
    assert found["conflict"].struct.field("discord").is_null().all()
    assert found["speaker"].unique().to_list() == ["P1"]


def test_two_modalities_are_pooled_log_linearly():
    found = fuse(*speaking(0, 4, 0.8, 0.4), voice(0, 4, 0.2, -0.4))
    link = found["fusion"].struct.field("link")[8]
    assert link > 0.99
    # Equal weights: the geometric means of .8 and .2, and of .2 and .8, are equal.
    middle = found.row(8, named=True)
    assert middle["emotion"]["joy"] == pytest.approx(0.5, abs=0.01)
    assert middle["valence"] == pytest.approx(0.0, abs=0.01)
    assert middle["valence_sd"] == pytest.approx(0.2, abs=0.002)
    assert middle["fusion"]["face"] == pytest.approx(0.5, abs=0.005)
    assert middle["conflict"]["face_voice_valence"] == pytest.approx(0.8, abs=1e-5)
    # Gaussians of equal spread .2 that are .8 apart: 1 - exp(-.64 / (8 * .04)) under the root.
    assert middle["conflict"]["discord"] == pytest.approx(np.sqrt(1 - np.exp(-2)), abs=1e-4)


def test_reliability_shifts_the_weights():
    found = fuse(*speaking(0, 4, 0.8), voice(0, 4, 0.2), reliability={"voice": 3.0})
    assert found["fusion"].struct.field("voice")[8] == pytest.approx(0.75, abs=0.01)
    assert found["emotion"].struct.field("joy")[8] < 0.4


def test_what_is_missing_is_left_out():
    found = fuse(*speaking(0, 4, 0.8), voice(2, 4, 0.2))
    weights = found["fusion"].struct.field("voice").to_list()
    assert weights[:8] == [0] * 8
    assert weights[12] == pytest.approx(0.5, abs=0.01)
    assert found["emotion"].struct.field("joy")[1] == pytest.approx(0.8, abs=1e-6)


def test_a_face_that_leaves_leaves_the_voice():
    found = fuse(*speaking(0, 2, 0.8), voice(0, 6, 0.2, speaker="S1"))
    assert found["end"].max() == 6
    late = found.filter(pl.col("start") >= 4)
    assert late["fusion"].struct.field("face").to_list() == [0] * 8
    assert late["emotion"].struct.field("joy").to_list() == pytest.approx([0.2] * 8, abs=1e-6)


def test_the_curve_does_not_lag():
    moments = [face(float(t), 0.1 if t < 5 else 0.9) for t in np.arange(0, 10, 0.25)]
    joy = fuse(*moments)["emotion"].struct.field("joy").to_numpy()
    assert joy[19] < 0.5 < joy[20]


def test_events_depart_from_what_is_usual():
    moments = [face(float(t), 0.9 if 4 <= t < 6 else 0.2) for t in np.arange(0, 20, 0.25)]
    departure = fuse(*moments)["fusion"].struct.field("departure").to_numpy()
    assert departure[18:22] == pytest.approx(0.7, abs=0.03)
    assert departure[:14].max() < 0.02


def test_presences_are_pooled_by_their_odds():
    several = SimpleNamespace(labels=LABELS, taxonomy="custom", exclusive=False)
    table = rows(*speaking(0, 4, 0.8), voice(0, 4, 0.8))
    found = Fusion(several).fuse(table)
    assert found["emotion"].struct.field("joy")[8] == pytest.approx(0.8, abs=1e-5)


def test_words_count_as_well():
    words = ("text", 0.0, 4.0, None, 0.5, 0.0, None)
    found = fuse(*speaking(0, 4, 0.8, 0.6), voice(0, 4, 0.5), words).row(8, named=True)
    assert found["fusion"]["text"] == pytest.approx(1 / 3, abs=0.01)
    assert found["conflict"]["face_text_valence"] == pytest.approx(0.6, abs=1e-5)
    assert found["conflict"]["voice_text_valence"] == pytest.approx(0.0, abs=1e-6)


def test_films_are_fused_one_by_one_and_other_rows_passed_over():
    one, other = rows(*speaking(0, 2, 0.8)), rows(*speaking(0, 1, 0.3)).with_columns(source=pl.lit("b.mp4"))
    posts = rows(("text", 0.0, 1.0, None, 0.5, 0.0, None)).with_columns(source=pl.lit("posts.csv"))
    fusion = Fusion(READER)
    tables = list(fusion.over([posts, one[:4], one[4:], other], {"a.mp4", "b.mp4"}))
    assert [(table["source"][0], len(table)) for table in tables] == [("a.mp4", 8), ("b.mp4", 4)]
    assert set(fusion.people) == {"a.mp4", "b.mp4"}


def test_a_film_of_which_nothing_was_read():
    silent = rows(*speaking(0, 1, 0.8)).with_columns(status=pl.lit("failed"))
    found = Fusion(READER).fuse(silent)
    assert found.is_empty()
    assert found.schema == Fusion(READER).schema(silent.schema["meta"])


def test_hellinger_of_equal_and_of_far_gaussians():
    zero, one = np.zeros((1, 2)), np.full((1, 2), 0.1)
    assert hellinger(zero, one, zero, one)[0] == pytest.approx(0)
    assert hellinger(zero, one, zero + 9, one)[0] == pytest.approx(1)
    assert np.isnan(hellinger(zero, one, zero * np.nan, one)[0])
