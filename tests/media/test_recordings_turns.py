"""Recordings with speakers told apart, and with rows for what is said."""

import numpy as np
import polars as pl
import pytest

from affectome.media import SpeakerTurns, SpeechDetector, TurnRules, read_recordings, recordings_schema

pytest.importorskip("av", reason="needs the voice extra")


class Loudness:
    """Takes the loud for one speaker and the quiet for another."""

    digest = "loudness"

    def encode(self, sounds):
        loud = np.array([np.abs(sound).max() > 0.2 for sound in sounds])
        return np.stack([loud, ~loud], axis=1).astype(np.float32)


@pytest.fixture
def dialogue(tmp_path, sounds):
    pause = sounds.silence(1)
    parts = [sounds.syllables(2), pause, 0.3 * sounds.syllables(2, seed=1), pause, sounds.syllables(2, seed=2)]
    return sounds.write_wav(tmp_path / "dialogue.wav", np.concatenate(parts))


@pytest.fixture
def detector(silero):
    return SpeechDetector(silero)


def table(source):
    return pl.concat(source.shards())


def test_speakers(dialogue, detector):
    plain = table(read_recordings(dialogue, detector=detector))
    turns = SpeakerTurns(Loudness(), TurnRules(sure_seconds=0.1))
    source = read_recordings(dialogue, detector=detector, turns=turns)
    rows = table(source)
    loud = [np.abs(np.frombuffer(audio, "<i2")).max() > 0.2 * 32767 for audio in rows["audio"]]
    assert loud[0]
    assert not all(loud)
    assert rows["speaker"].to_list() == ["S1" if each else "S2" for each in loud]
    assert rows.drop("speaker").equals(plain.drop("speaker"))
    assert table(source).equals(rows)


def test_every_recording_has_its_own_speakers(dialogue, detector, sounds):
    sounds.write_wav(dialogue.parent / "quiet.wav", 0.3 * sounds.syllables(2))
    sounds.write_wav(dialogue.parent / "silent.wav", sounds.silence(2))
    (dialogue.parent / "broken.wav").write_bytes(b"RIFF")
    rows = table(read_recordings(dialogue.parent, detector=detector, turns=SpeakerTurns(Loudness())))
    found = {name: part["speaker"].to_list() for (name,), part in rows.group_by("source")}
    assert set(found["quiet.wav"]) == {"S1"}
    assert found["silent.wav"] == found["broken.wav"] == [None]


def test_clips_as_a_whole_have_speakers(dialogue, sounds):
    sounds.write_wav(dialogue.parent / "silent.wav", sounds.silence(2))
    rows = table(read_recordings(dialogue.parent, detector=None, whole_clips=True, turns=SpeakerTurns(Loudness())))
    assert rows.select("source", "speaker").rows() == [("dialogue.wav", "S1"), ("silent.wav", None)]


def test_rows_for_what_is_said(dialogue, detector, sounds):
    sounds.write_wav(dialogue.parent / "silent.wav", sounds.silence(2))
    voices = table(read_recordings(dialogue.parent, detector=detector))
    rows = table(read_recordings(dialogue.parent, detector=detector, reads=("voice", "text")))
    assert rows.schema == recordings_schema(words=True)
    assert rows.filter(reads="voice").drop("reads").equals(voices)
    spoken = voices.filter(pl.col("audio").is_not_null())
    same = ["source", "start", "end", "audio"]
    assert rows.filter(reads="text").select(same).equals(spoken.select(same))
    assert rows.filter(reads="text")["id"].to_list() == [f"{name}:text" for name in spoken["id"]]
    alone = table(read_recordings(dialogue.parent, detector=detector, reads=("text",)))
    assert alone["id"].to_list() == voices["id"].to_list()
    assert set(alone["reads"]) == {"text"}


def test_the_fingerprint_knows_speakers_and_rows(dialogue, detector):
    prints = {
        read_recordings(dialogue, detector=detector, **options).fingerprint
        for options in (
            {},
            {"turns": SpeakerTurns(Loudness())},
            {"turns": SpeakerTurns(Loudness(), TurnRules(speakers=2))},
            {"reads": ("text",)},
            {"reads": ("voice", "text")},
        )
    }
    assert len(prints) == 5
