import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from affectome.errors import MissingExtraError, ModelError, UsageError
from affectome.media import Transcriber, find_transcription
from affectome.media.transcription import _is_sure


@pytest.fixture
def whisper():
    """A small English Whisper model in CTranslate2 layout, such as whisper-tiny.en."""
    pytest.importorskip("faster_whisper", reason="needs the transcribe extra")
    folder = os.environ.get("AFFECTOME_WHISPER")
    if not folder:
        pytest.skip("AFFECTOME_WHISPER names no folder of an English Whisper model in CTranslate2 layout")
    return Path(folder)


@pytest.fixture
def empty_model(tmp_path):
    """A folder that looks like a model."""
    pytest.importorskip("faster_whisper", reason="needs the transcribe extra")
    folder = tmp_path / "model"
    folder.mkdir()
    for name in ("config.json", "model.bin", "tokenizer.json", "vocabulary.txt"):
        (folder / name).write_text("{}")
    return folder


def refusal(call, kind=ModelError):
    with pytest.raises(kind) as caught:
        call()
    return caught.value


def test_without_the_extra(monkeypatch):
    monkeypatch.setattr("affectome.media.transcription.find_spec", lambda _: None)
    error = refusal(lambda: find_transcription("small"), MissingExtraError)
    assert 'pip install "affectome[transcribe]"' in str(error)


def test_folders_that_are_no_model(tmp_path, empty_model):
    error = refusal(lambda: find_transcription(str(tmp_path / "nowhere" / "model")))
    assert error.code == "missing_transcriber"
    assert "tiny.en" in error.allowed
    (empty_model / "tokenizer.json").unlink()
    (empty_model / "vocabulary.txt").unlink()
    error = refusal(lambda: find_transcription(str(empty_model)))
    assert error.code == "bad_transcriber"
    assert "tokenizer.json, vocabulary.txt" in str(error)
    assert refusal(lambda: find_transcription(str(empty_model / "config.json"))).code == "missing_transcriber"


def test_what_the_hub_does_not_deliver(empty_model, monkeypatch):
    def fail(model, local_files_only=False):
        raise ConnectionError("no route to the hub")

    monkeypatch.setattr("faster_whisper.utils.download_model", fail)
    error = refusal(lambda: find_transcription("tiny.en"))
    assert error.code == "source_unavailable"
    assert "no route to the hub" in str(error)
    assert refusal(lambda: find_transcription("tinny")).code == "missing_transcriber"


def test_what_lies_in_the_hubs_cache_is_not_fetched(empty_model, monkeypatch):
    def cached(model, local_files_only=False):
        assert local_files_only
        return str(empty_model)

    monkeypatch.setattr("faster_whisper.utils.download_model", cached)
    assert find_transcription("someone/their-model").folder == empty_model


def test_the_digest_tells_models_and_languages_apart(empty_model):
    first = find_transcription(str(empty_model))
    assert find_transcription(str(empty_model)) == first
    assert find_transcription(str(empty_model), "de").digest != first.digest
    (empty_model / "model.bin").write_text("other")
    assert find_transcription(str(empty_model)).digest != first.digest


def test_a_damaged_model(empty_model):
    error = refusal(lambda: Transcriber(find_transcription(str(empty_model))))
    assert error.code == "bad_transcriber"


@pytest.mark.parametrize(
    ("log_probability", "compression", "silence", "sure"),
    [(-0.2, 1.0, 0.1, True), (-1.2, 1.0, 0.1, False), (-0.2, 3.0, 0.1, False), (-0.2, 1.0, 0.7, False)],
)
def test_what_the_model_is_not_sure_of_is_left_out(log_probability, compression, silence, sure):
    piece = SimpleNamespace(avg_logprob=log_probability, compression_ratio=compression, no_speech_prob=silence)
    assert _is_sure(piece) is sure


def test_nothing_is_heard_in_noise(whisper, sounds):
    transcriber = Transcriber(find_transcription(str(whisper), "en"))
    noise = np.random.default_rng(0).normal(scale=0.1, size=48_000).astype(np.float32)
    for sound in (noise, sounds.tone(3), sounds.silence(3), noise[:3000], noise[:0]):
        assert transcriber(sound) is None


@pytest.mark.data
def test_what_is_said(whisper, corpora):
    from affectome.learn.voice_corpora import load_clips

    (clip,) = load_clips([corpora / "ravdess_speech" / "audio" / "03-01-01-01-01-01-01.ogg"])
    transcriber = Transcriber(find_transcription(str(whisper)))
    assert transcriber(clip) == transcriber(clip) == "Kids are talking by the door."


def test_languages_the_model_does_not_know(whisper):
    error = refusal(lambda: Transcriber(find_transcription(str(whisper), "tlh")), UsageError)
    assert error.code == "unknown_language"


@pytest.mark.parametrize("left", [0, 1000, 1_000_000])
def test_a_model_that_was_cut_off(whisper, tmp_path, left):
    folder = tmp_path / "cut"
    folder.mkdir()
    for name in ("config.json", "tokenizer.json", "vocabulary.txt"):
        shutil.copy(whisper / name, folder / name)
    with (whisper / "model.bin").open("rb") as whole:
        (folder / "model.bin").write_bytes(whole.read(left))
    error = refusal(lambda: Transcriber(find_transcription(str(folder))))
    assert error.code == "bad_transcriber"
