"""The shipped voice readers on sounds made here."""

from __future__ import annotations

import functools
import shutil

import numpy as np
import polars as pl
import pytest

from affectome.affect import load_taxonomy
from affectome.api import ReaderOptions, single_segment
from affectome.errors import ModelError, UsageError
from affectome.models import Bundle, default_model, find_model
from affectome.perceive import Readers, TextReader, VoiceReader

RATE = 16_000
META = pl.Struct({"time": pl.Datetime("us"), "group": pl.String})


def voice(seconds=1.0, pitch=180.0, size=0.2):
    """A buzz with a gliding pitch, as the bytes of a segment."""
    n = int(seconds * RATE)
    phase = np.cumsum(pitch * (1 + 0.1 * np.sin(np.arange(n) / 3000)) / RATE)
    sound = sum(np.sin(2 * np.pi * k * phase) / k for k in range(1, 12))
    sound = sound + 0.03 * np.random.default_rng(0).normal(size=n)
    return (size * 32767 * sound / 2.5).astype("<i2").tobytes()


def segments(audio, errors=None):
    n = len(audio)
    return pl.DataFrame(
        {
            "id": [f"a#{k}" for k in range(n)],
            "source": ["a.wav"] * n,
            "start": [float(k) for k in range(n)],
            "end": [k + 1.0 for k in range(n)],
            "speaker": pl.Series([None] * n, dtype=pl.String),
            "text": pl.Series([None] * n, dtype=pl.String),
            "error": errors or [""] * n,
            "meta": pl.Series([{"time": None, "group": None}] * n, dtype=META),
            "audio": pl.Series(audio, dtype=pl.Binary),
        }
    )


@functools.cache
def reader(name="voice-all", taxonomy=None, labels=()):
    return ReaderOptions(model=name, taxonomy=taxonomy, labels=labels).open_voice()


def test_every_segment_ends_in_one_status():
    audio = [voice(), None, b"", voice(0.1), voice(31), None, voice(0.5, 300)]
    table = reader()(segments(audio, ["", "", "", "", "", "undecodable", ""]))
    assert list(zip(table["status"], table["error"], strict=True)) == [
        ("scored", ""),
        ("abstained", "no_speech"),
        ("abstained", "no_speech"),
        ("abstained", "too_short"),
        ("failed", "too_long"),
        ("failed", "undecodable"),
        ("scored", ""),
    ]
    assert table["id"].to_list() == [f"a#{k}" for k in range(7)]
    assert table["emotion"].struct.unnest()[1:6].null_count().sum_horizontal()[0] == 5 * 8
    assert table["prosody"].struct.field("f0_median_hz")[0] == pytest.approx(180, rel=0.12)


def test_no_segment_and_none_scored_have_the_same_columns():
    whole = reader()(segments([voice()]))
    assert reader()(segments([])).schema == whole.schema
    assert reader().failed(segments([voice()]), "timeout").schema == whole.schema
    assert reader().failed(segments([voice()]), "timeout")["error"].to_list() == ["timeout"]


def test_loudness_says_nothing():
    soft, loud = (reader()(segments([voice(size=size)])) for size in (0.04, 0.4))
    for column in ("valence", "arousal", "confidence"):
        assert soft[column][0] == pytest.approx(loud[column][0], abs=0.05)
    level = [table["prosody"].struct.field("level_dbfs")[0] for table in (soft, loud)]
    assert level[1] - level[0] == pytest.approx(20, abs=0.1)


def test_neighbours_say_nothing():
    alone, among = reader()(segments([voice()])), reader()(segments([voice(2.0, 90), voice(), voice(1.05, 300)]))
    for column in ("valence", "arousal", "confidence"):
        assert alone[column][0] == pytest.approx(among[column][1], abs=1e-4)


@pytest.mark.parametrize("taxonomy", ["ravdess8", "emodb7", "emogator30"])
def test_own_labels_exclude_each_other(taxonomy):
    table = reader(taxonomy=taxonomy)(segments([voice(), voice(1, 320)]))
    p = table["emotion"].struct.unnest()
    assert p.columns == list(load_taxonomy(taxonomy).labels)
    assert p.sum_horizontal().to_list() == pytest.approx([1, 1], abs=1e-5)
    assert (table["intensity"].struct.unnest().sum_horizontal() <= 1.0001).all()


def test_fine_labels_have_strengths_of_their_own():
    table = reader(taxonomy="emonet40")(segments([voice()]))
    emotion, intensity = (table[name].struct.unnest().row(0) for name in ("emotion", "intensity"))
    assert intensity == pytest.approx(emotion)
    assert all(0 <= value <= 1 for value in intensity)


def test_words_are_placed_by_the_text_reader():
    table = reader(labels=("furious", "weary", "merry"))(segments([voice()]))
    assert table["taxonomy"].to_list() == ["custom"]
    assert sum(table["emotion"].struct.unnest().row(0)) == pytest.approx(1, abs=1e-5)
    several = ReaderOptions(labels=("furious", "weary"), multi_label=True).open_voice()
    assert not several.exclusive
    assert several(segments([voice()]))["status"].to_list() == ["scored"]


def test_words_need_a_text_reader_of_the_same_space(tmp_path):
    bundle = find_model("voice-all")
    with pytest.raises(ModelError) as caught:
        VoiceReader(bundle, "goemotions28")
    assert caught.value.code == "other_space"
    other = tmp_path / "other"
    shutil.copytree(default_model("text-affect").path, other)
    card = other / "card.toml"
    card.write_text(card.read_text().replace("English", "Anglais", 1))
    with pytest.raises(ModelError, match="needs the text reader"):
        VoiceReader(bundle, labels=("merry",), words=lambda: TextReader(Bundle.open(other)))


def test_labels_that_cannot_be_read():
    with pytest.raises(UsageError, match="given twice"):
        VoiceReader(find_model("voice-all"), labels=("merry", "merry "))
    with pytest.raises(UsageError) as caught:
        VoiceReader(find_model("voice-all"), "pad-dimensions")
    assert caught.value.code == "not_categories"


def test_commercial_use_picks_the_clean_one():
    assert ReaderOptions().open_voice().card.id == "voice-all"
    clean = ReaderOptions(commercial=True).open_voice()
    assert (clean.card.id, clean.taxonomy) == ("voice-clean", "emodb7")
    assert clean(segments([voice()]))["intensity"].null_count() == 1  # it never learnt strengths


def test_text_and_voice_in_one_table():
    both = ReaderOptions().open_all(("text", "voice"))
    assert both.taxonomy == "ekman7"
    written, heard = both(single_segment("What a lovely surprise!")), both(segments([voice(), None]))
    assert written.schema == heard.schema == both.failed(segments([None]), "x").schema
    table = pl.concat([written, heard])
    assert table["modality"].to_list() == ["text", "voice", "voice"]
    assert table["tone"].null_count() == 2
    assert table["model"].to_list()[:2] == [both.readers["text"].model, both.readers["voice"].model]


def test_a_named_model_answers_for_its_own_kind():
    named = ReaderOptions(model="voice-clean").open_all(("text", "voice"))
    assert named.model == f"{default_model('text-affect').card.versioned_id} + voice-clean@0.1.0"
    with pytest.raises(ModelError, match="voice-affect"):
        ReaderOptions(model="text-en").open_all(("voice",))
    alone = Readers({"text": ReaderOptions().open()})
    assert alone.thresholds
    assert len(alone.cards) == 1
