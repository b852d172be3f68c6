"""Recordings whose words and speakers are asked for: what is opened, and what is refused."""

import importlib.util

import numpy as np
import pytest

from affectome.api import InputOptions, listen, open_source
from affectome.errors import InputError, ModelError, UsageError

pytest.importorskip("av", reason="needs the voice extra")


@pytest.fixture
def folder(tmp_path):
    import wave

    with wave.open(str(tmp_path / "tone.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        sound = 0.5 * np.sin(np.arange(32_000) / 6)
        file.writeframes((sound * 32767).astype("<i2").tobytes())
    return tmp_path


SPOKEN = InputOptions(transcribe="small", whole_clips=True)


def rows(source):
    return [shard for table in source.shards() for shard in table.select("id", "source").rows()]


def test_words_are_a_column_unless_text_is_asked_for(folder):
    source, read_as = open_source([folder], SPOKEN)
    assert read_as == ("voice",)
    assert rows(source) == [("tone.wav#0", "tone.wav")]


def test_words_are_rows_of_their_own_on_request(folder):
    source, read_as = open_source([folder], SPOKEN, ["voice", "text"])
    assert read_as == ("text", "voice")
    assert source.texts is None
    assert rows(source) == [("tone.wav#0", "tone.wav"), ("tone.wav#0:text", "tone.wav")]


def test_words_alone(folder):
    source, read_as = open_source([folder / "tone.wav"], SPOKEN, ["text"])
    assert read_as == ("text",)
    assert rows(source) == [("tone.wav#0", "tone.wav")]


def test_words_beside_texts(folder):
    (folder / "posts.csv").write_text("text\nhello\n")
    source, read_as = open_source([folder], SPOKEN, ["voice", "text"])
    assert read_as == ("text", "voice")
    assert [name for name, _ in rows(source)] == ["posts.csv#0", "tone.wav#0", "tone.wav#0:text"]


def test_without_a_transcript_a_recording_holds_no_text(folder):
    with pytest.raises(InputError) as caught:
        open_source([folder], InputOptions(whole_clips=True), ["voice", "text"])
    assert caught.value.code == "nothing_readable"


@pytest.mark.parametrize("speakers", [0, -1])
def test_no_number_of_speakers_below_one(folder, speakers, monkeypatch):
    with pytest.raises(UsageError) as caught:
        open_source([folder], InputOptions(whole_clips=True, speakers=speakers))
    assert caught.value.code == "bad_speakers"


def test_speakers_need_the_encoder(folder, monkeypatch):
    def nowhere(name):
        raise ModelError("It is not here.", code="base_model_missing", value=name)

    monkeypatch.setattr("affectome.api.sources.locate", nowhere)
    with pytest.raises(ModelError) as caught:
        open_source([folder], InputOptions(whole_clips=True, speakers=True))
    assert (caught.value.code, caught.value.value) == ("base_model_missing", "speaker-encoder")


def test_speakers_are_not_told_apart_while_it_listens():
    import io

    with pytest.raises(UsageError) as caught:
        next(listen(io.BytesIO(b""), inputs=InputOptions(speakers=True)))
    assert caught.value.code == "no_speakers_in_stream"


@pytest.mark.skipif(importlib.util.find_spec("faster_whisper") is None, reason="needs the transcribe extra")
def test_a_model_that_is_nowhere():
    with pytest.raises(ModelError) as caught:
        InputOptions(transcribe="no/such/model").transcription()
    assert caught.value.code == "missing_transcriber"
