"""What ``affectome analyze`` does with voices: which reader, which words, which stretches, and what it refuses."""

import importlib.util
import io
import json
import wave

import numpy as np
import polars as pl
import pytest

pytest.importorskip("av", reason="needs the voice extra")

from affectome.media.voice_activity import SpeechDetector, _in_windows

RATE = 16_000


def buzz(seconds, pitch=180.0, size=0.2):
    """A gliding buzz, as a voice makes it, as 16-bit samples."""
    n = int(seconds * RATE)
    phase = np.cumsum(pitch * (1 + 0.1 * np.sin(np.arange(n) / 3000)) / RATE)
    sound = sum(np.sin(2 * np.pi * k * phase) / k for k in range(1, 12))
    return (size * 32767 / 2.5 * sound).astype("<i2")


def silence(seconds):
    return np.zeros(int(seconds * RATE), "<i2")


def write(path, *parts):
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(RATE)
        sound.writeframes(np.concatenate(parts).tobytes())
    return path


@pytest.fixture
def calls(tmp_path):
    folder = tmp_path / "calls"
    folder.mkdir()
    write(folder / "a.wav", buzz(1.5))
    write(folder / "b.wav", buzz(1.0, 320))
    return folder


@pytest.fixture
def analyzed(affectome, calls, tmp_path):
    """Runs the command on the calls, each taken as one stretch, and gives the outcome, the record and the rows."""

    def run(*words):
        out = tmp_path / "out"
        outcome = affectome(
            "analyze", calls, "--out", out, "--modalities", "voice", "--no-report", "--json", "--whole-clips", *words
        )
        if outcome.code:
            return outcome, None, None
        return outcome, json.loads(outcome.out), pl.read_parquet(out / "estimates.parquet").sort("id")

    return run


class LoudIsSpeech(SpeechDetector):
    """Takes whatever is loud for speech, as a buzz is none."""

    def __init__(self):
        self.digest = "loud"

    def probabilities(self, blocks):
        for windows in _in_windows(blocks):
            yield windows, (np.abs(windows).max(axis=1) > 0.01).astype(np.float32)


@pytest.fixture
def hears(affectome, monkeypatch):
    """Gives raw sound to the command that listens."""
    monkeypatch.setattr("affectome.api.sources.open_speech_detector", LoudIsSpeech)

    def run(raw, *words):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(raw)))
        return affectome("analyze", "-", "--modalities", "voice", *words)

    return run


def test_a_folder_of_calls(analyzed):
    outcome, record, rows = analyzed()
    assert (outcome.code, outcome.err) == (0, "")
    assert (record["scored"], record["problems"]) == (2, [])
    assert rows["id"].to_list() == ["a.wav#0", "b.wav#0"]
    assert rows["modality"].to_list() == ["voice"] * 2
    assert rows["model"].unique().item().startswith("voice-all@")
    assert rows["end"].to_list() == pytest.approx([1.5, 1.0], abs=0.02)
    assert rows["intensity"].struct.fields == rows["emotion"].struct.fields


def test_only_for_commercial_use(analyzed):
    outcome, _, rows = analyzed("--commercial")
    assert outcome.code == 0
    assert rows["model"].unique().item().startswith("voice-clean@")


def test_a_reader_that_is_not_for_commercial_use(analyzed):
    refused, *_ = analyzed("--commercial", "--model", "voice-all")
    assert (refused.code, refused.error()["code"]) == (3, "not_commercial")


@pytest.mark.parametrize(("name", "code"), [("text-en", "wrong_task"), ("voice-none", "unknown_model")])
def test_a_reader_that_reads_no_voices(analyzed, name, code):
    refused, *_ = analyzed("--model", name)
    assert (refused.code, refused.error()["code"]) == (3, code)


def test_words_of_a_taxonomy_and_of_ones_own(analyzed):
    _, _, rows = analyzed("--taxonomy", "emodb7")
    assert "boredom" in rows["emotion"].struct.fields
    _, record, rows = analyzed("--labels", "furious,bored", "--overwrite")
    assert record["labels"] == ["furious", "bored"] == rows["emotion"].struct.fields
    for each in rows["emotion"].to_list():
        assert sum(each.values()) == pytest.approx(1, abs=1e-4)
    _, _, rows = analyzed("--labels", "furious,bored", "--multi-label", "--overwrite")
    assert all(0 <= p <= 1 for each in rows["emotion"].to_list() for p in each.values())
    refused, *_ = analyzed("--taxonomy", "moods", "--overwrite")
    assert (refused.code, refused.error()["code"]) == (2, "unknown_taxonomy")


def test_clips_in_which_there_is_little_or_nothing(analyzed, calls):
    write(calls / "c.wav", buzz(0.1))
    write(calls / "d.wav", silence(0))
    (calls / "f.wav").write_bytes(b"RIFF nonsense")
    outcome, record, rows = analyzed()
    assert outcome.code == 0
    status = dict(zip(rows["source"], zip(rows["status"], rows["error"], strict=True), strict=True))
    assert status["a.wav"] == ("scored", "")
    assert status["c.wav"] == ("abstained", "too_short")
    unread = {problem["path"].rpartition("/")[2] for problem in record["problems"]} | {
        source for source, (state, _) in status.items() if state != "scored"
    }
    assert {"d.wav", "f.wav"} <= unread


def test_a_long_clip_is_cut(analyzed, calls):
    write(calls / "c.wav", buzz(31))
    _, _, rows = analyzed("--max-seconds", "8")
    parts = rows.filter(source="c.wav").sort("start")
    assert parts["start"].to_list() == pytest.approx([0, 8, 16, 24], abs=0.1)
    assert set(parts["status"]) == {"scored"}


def test_how_many_speakers(analyzed):
    refused, *_ = analyzed("--speakers", "-1")
    assert (refused.code, refused.error()["code"]) == (2, "bad_speakers")


def test_a_transcript_needs_its_model(analyzed, tmp_path):
    refused, *_ = analyzed("--transcribe", tmp_path / "nowhere")
    installed = importlib.util.find_spec("faster_whisper") is not None
    assert refused.code != 0
    assert refused.error()["code"] == ("missing_transcriber" if installed else "missing_extra")


def test_text_is_nothing_a_recording_holds_by_itself(affectome, calls, tmp_path):
    refused = affectome("analyze", calls, "--out", tmp_path / "out", "--modalities", "text", "--json")
    assert (refused.code, refused.error()["code"]) == (2, "nothing_readable")


def test_stretches_of_a_stream(hears):
    raw = np.concatenate([silence(1), buzz(2), silence(2), buzz(1, 320), silence(1.5)]).tobytes()
    outcome = hears(raw, "--json", "--taxonomy", "emodb7")
    assert (outcome.code, outcome.err) == (0, "")
    first, second = map(json.loads, outcome.out.splitlines())
    assert (first["start"], first["end"]) == pytest.approx((1, 3), abs=0.3)
    assert (second["start"], second["end"]) == pytest.approx((5, 6), abs=0.3)
    for row in (first, second):
        assert row["status"] == "scored"
        assert row["top"] in row["emotion"]
        assert sum(row["emotion"].values()) == pytest.approx(1, abs=1e-4)
    lines = hears(raw, "--taxonomy", "emodb7").out.splitlines()
    assert len(lines) == 2
    assert f"{first['top']} {first['confidence']:.2f}  valence {first['valence']:+.2f}" in lines[0]


def test_a_long_stretch_is_cut(hears):
    raw = np.concatenate([buzz(7), silence(1.5)]).tobytes()
    rows = [json.loads(line) for line in hears(raw, "--json", "--max-seconds", "3").out.splitlines()]
    assert len(rows) >= 3
    assert max(row["end"] - row["start"] for row in rows) <= 3.05


def test_a_stream_that_ends_within_speech_and_within_a_sample(hears):
    raw = np.concatenate([silence(0.5), buzz(1.5)]).tobytes() + b"\x01"
    (line,) = hears(raw, "--json").out.splitlines()
    assert json.loads(line)["end"] == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("raw", [b"", b"\x01", silence(2).tobytes()])
def test_a_stream_without_speech(hears, raw):
    outcome = hears(raw, "--json")
    assert (outcome.code, outcome.out, outcome.err) == (0, "", "")


def test_the_reader_of_a_stream_can_be_one_for_commercial_use(hears):
    raw = np.concatenate([buzz(1), silence(1.5)]).tobytes()
    (line,) = hears(raw, "--json", "--commercial").out.splitlines()
    assert json.loads(line)["model"].startswith("voice-clean@")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--speakers",), "no_speakers_in_stream"),
        (("--taxonomy", "moods"), "unknown_taxonomy"),
        (("--model", "voice-all", "--commercial"), "not_commercial"),
        (("--max-seconds", "0"), "bad_segment_length"),
    ],
)
def test_what_is_refused_while_it_listens(hears, words, code):
    refused = hears(buzz(1).tobytes(), "--json", *words)
    assert refused.code != 0
    assert refused.out == ""
    assert refused.error()["code"] == code
