"""The part of the page about recordings: what it shows, plays and says where something is missing."""

from __future__ import annotations

import base64
import re

import numpy as np
import polars as pl
import pytest

from affectome.perceive.estimates import estimates_schema
from affectome.perceive.prosody import prosody_features
from affectome.report import write_report

LABELS = ("anger", "joy", "sadness", "fear", "neutral")
TALK, CALL = "calls/talk.wav", "calls/<b>call</b>.mp3"


def speak(rows_each=14, *, intensity=True):
    """Two recordings: one grows angry and holds a silence and a failure, the other one stays glad."""
    generator = np.random.default_rng(5)
    names = [feature.name for feature in prosody_features()]
    schema = estimates_schema(LABELS, extras={"prosody": names}, intensity=True)
    rows = []
    for source, mood in ((TALK, "anger"), (CALL, "joy")):
        for k in range(rows_each):
            logits = generator.normal(0, 0.5, len(LABELS))
            logits[LABELS.index(mood)] += 3 * k / rows_each
            p = np.exp(logits) / np.exp(logits).sum()
            row = dict.fromkeys(schema) | {
                "id": f"{source}#{k}",
                "source": source,
                "start": k * 3.0,
                "end": k * 3.0 + 2.6,
                "modality": "voice",
                "status": "scored",
                "error": "",
                "model": "voice@0.1.0",
                "taxonomy": "custom",
            }
            if source == TALK and k in (4, rows_each - 1):
                row |= {"status": "abstained", "error": "no_speech"} if k == 4 else {}
                row |= {"status": "failed", "error": "undecodable", "end": k * 3.0} if k != 4 else {}
            else:
                row |= {
                    "emotion": dict(zip(LABELS, p, strict=True)),
                    "intensity": dict(zip(LABELS, p * 0.8, strict=True)) if intensity else None,
                    "top": LABELS[int(p.argmax())],
                    "confidence": p.max(),
                    "entropy": -(p * np.log(p)).sum(),
                    "valence": -0.4 + 0.8 * (mood == "joy") + generator.normal(0, 0.1),
                    "arousal": 0.1 + 0.5 * k / rows_each,
                    "dominance": 0.0,
                    **dict.fromkeys(("valence_sd", "arousal_sd", "dominance_sd"), 0.2),
                    "prosody": dict.fromkeys(names, 1.0)
                    | {
                        "f0_median_hz": generator.normal(190 if mood == "anger" else 120, 15),
                        "level_dbfs": generator.normal(-20, 3),
                        "syllable_rate": generator.normal(4.5, 0.6),
                        "jitter_mean": generator.uniform(0.01, 0.03),
                        "shimmer_mean_db": generator.uniform(0.6, 1.5),
                        "hnr_mean_db": generator.normal(12, 3),
                    },
                }
            rows.append(row)
    return pl.DataFrame(rows, schema=schema)


def sounds(source, start, end):
    """A voice-like hum whose level goes up and down."""
    seconds = np.arange(round(start * 16000), round(end * 16000)) / 16000
    swell = 0.5 + 0.45 * np.sin(2 * np.pi * seconds / 3 - 1)
    pitch = 190 if source == TALK else 120
    hum = sum(np.sin(2 * np.pi * pitch * k * seconds) / k for k in range(1, 6))
    return (0.35 * swell * hum).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("voices")


@pytest.fixture(scope="module")
def heard(store, run_info, folder):
    path = store(speak(), folder / "voice.parquet")
    return write_report(path, run_info, folder / "heard.html", sounds=sounds).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def unheard(store, folder):
    path = store(speak(intensity=False), folder / "voice.jsonl")
    return write_report(path, {}, folder / "unheard.html").read_text(encoding="utf-8")


def words(html):
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


def test_the_section_stands_in_the_page_and_its_links(heard):
    assert heard.count('<section id="voice"') == 1
    assert '<a href="#voice">Voice</a>' in heard
    assert "26 stretches of speech in 2 recordings, 1.1 minutes together" in words(heard)


def test_clips_are_embedded_and_small(heard):
    clips = re.findall(r'src="data:audio/wav;base64,([^"]+)"', heard)
    assert 4 <= len(clips) <= 10
    assert sum(map(len, clips)) < 1_500_000
    assert all(base64.b64decode(clip).startswith(b"RIFF") for clip in clips)
    assert heard.count("<audio ") == len(clips) == heard.count('preload="none"')
    assert "media-src data:;" in heard


def test_the_page_reaches_nothing_else(heard):
    assert not re.search(r"url\(|@import|https?://", heard)
    assert set(re.findall(r'\ssrc="(.{15})', heard)) == {"data:audio/wav;"}


def test_sources_never_become_markup(heard):
    assert "<b>call" not in heard
    assert "&lt;b&gt;call" in heard


def test_stretches_that_were_not_read_are_seen_and_said(heard):
    assert "0:12.0 to 0:14.6: abstained (no_speech)" in heard
    assert "0:39.0 to 0:39.0: failed (undecodable)" in heard
    assert "Not read: 0:12.0 (abstained), 0:39.0 (failed)." in heard


def test_features_have_units(heard):
    for title in ("Pitch (median F0) (Hz)", "Level (dB of full scale)", "Rate (syllables/s)", "Jitter (%)",
                  "Shimmer (dB)", "Harmonics to noise (dB)"):  # fmt: skip
        assert title in heard


def test_a_page_without_sound_says_so(unheard):
    assert "No sound was at hand when this page was written" in words(unheard)
    assert "<audio " not in unheard
    assert "media-src" not in unheard
    assert "Outline of the sound" not in unheard
    assert "its probability stands for it" in words(unheard)
    assert "Probability" in words(unheard)


def test_a_source_that_gives_no_sound_is_like_none(store, folder):
    path = store(speak(), folder / "silent.csv")
    html = write_report(path, {}, folder / "silent.html", sounds=lambda *_: None).read_text()
    assert "No sound was at hand" in html
    assert "Pitch (median F0) (Hz)" in html


def test_text_tables_have_no_voice(invent, store, folder):
    html = write_report(store(invent(20), folder / "text.parquet"), {}, folder / "text.html").read_text()
    assert 'id="voice"' not in html
