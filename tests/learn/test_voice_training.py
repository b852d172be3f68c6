"""From recordings and a recipe to a bundle that reads them."""

from __future__ import annotations

import csv
import json
import wave
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("av")
pytest.importorskip("sklearn")

from safetensors.torch import save_file

from affectome.affect import load_taxonomy
from affectome.errors import InputError, UsageError
from affectome.learn.recipe import recipe_task
from affectome.learn.voice_corpora import languages_of, load_clips, load_voice_corpus
from affectome.learn.voice_model import VoiceEncoder
from affectome.learn.voice_recipe import load_voice_recipe
from affectome.learn.voice_trainer import Clips, lower_states, pad
from affectome.learn.voice_training import label_measures, train_voice_recipe
from affectome.models import Bundle, default_model, verify
from affectome.perceive import TextReader, VoiceReader
from affectome.perceive.log_mel import log_mel
from affectome.perceive.voice import FINE

pytestmark = pytest.mark.train

WIDTH, RATE = 64, 16_000
FEELINGS = ("neutral", "angry", "sad", "happy")
RECIPE = """
task = "voice-affect"
id = "tiny-voice"
version = "0.1.0"
title = "Tiny"
base = "whisper-base"
layers = 2
frozen = 1
copies = 1
steps = 12
learning_rate = 1e-3
layer_decay = 0.9
warmup = 0.1
averaging = 0.5
smoothing = 0.1
seed = 0

[card]
licence = "CC-BY-NC-SA-4.0"
commercial = false
commercial_note = "None."
intended_use = "Tests."
limits = ["Tones only."]

[[sources]]
corpus = "ravdess"
batch = 8
"""


def write_tone(path, hertz, seconds=0.4):
    samples = 9000 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * RATE)) / RATE)
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(RATE)
        sound.writeframes(samples.astype("<i2").tobytes())


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("corpora")
    folder = root / "ravdess_speech"
    folder.mkdir()
    with (folder / "labels.csv").open("w", newline="") as table:
        rows = csv.writer(table)
        rows.writerow(["file", "speaker", "emotion", "intensity", "split"])
        for actor, split in enumerate(["train"] * 4 + ["dev", "test"]):
            for k, feeling in enumerate(FEELINGS):
                for grade in ("normal", "strong"):
                    name = f"{actor}-{feeling}-{grade}.wav"
                    write_tone(folder / name, 300 * (k + 1) + 10 * actor + 40 * (grade == "strong"))
                    rows.writerow([name, actor, feeling, grade, split])
    return root


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("whisper")
    made = VoiceEncoder(WIDTH, 1, 2, 0).state_dict()
    made["embed_positions.weight"] = made.pop("positions")
    save_file(
        {f"model.encoder.{name}": value.contiguous() for name, value in made.items()}, folder / "model.safetensors"
    )
    return folder


@pytest.fixture(scope="module")
def trained(data, base, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    recipe = out / "tiny.toml"
    recipe.write_text(RECIPE)
    assert recipe_task(recipe) == "voice-affect"
    prepared = []
    bundle = train_voice_recipe(recipe, data=data, base=base, out=out, threads=1, prepared=prepared.append)
    assert prepared[:-1] == ["ravdess: copy 0 of 1", "ravdess: copy 1 of 1"]
    assert prepared[-1].startswith("share of the layer that was not trained: ravdess8 ")
    return out, bundle


def test_corpus(data):
    corpus = load_voice_corpus("ravdess", data)
    labels = load_taxonomy("ravdess8").labels
    assert len(corpus.files) == 48
    assert [labels[k] for k in corpus.labels[:8:2]] == list(FEELINGS)
    assert corpus.strengths[:2].tolist() == [0.5, 1.0]
    assert set(corpus.part("train").speakers) & set(corpus.part("test").speakers) == set()
    fine = corpus.fine_strengths()
    anger = load_taxonomy(FINE).labels.index("anger")
    assert fine[2:4, anger].tolist() == [0.5, 1.0]
    assert fine[2:4].sum() == 1.5
    assert not fine[:2].any()  # neutral is the strength of nothing
    assert languages_of(["ravdess", "emogator", "emodb"]) == ("de", "en")


def test_corpora_that_are_not_there(data, tmp_path):
    with pytest.raises(UsageError, match="no corpus of voices"):
        load_voice_corpus("choir", data)
    with pytest.raises(InputError, match="cannot be read"):
        load_voice_corpus("emodb", data)
    (tmp_path / "emodb").mkdir()
    (tmp_path / "emodb" / "labels.csv").write_text("file,speaker,emotion,intensity,split\na.wav,03,glee,,\n")
    with pytest.raises(InputError, match="'glee'"):
        load_voice_corpus("emodb", tmp_path)
    (tmp_path / "noise.wav").write_bytes(b"RIFF nonsense")
    with pytest.raises(InputError, match=r"noise\.wav"):
        load_clips([tmp_path / "noise.wav"])


def test_a_base_that_is_none(tmp_path, base):
    with pytest.raises(InputError, match="no Whisper encoder"):
        VoiceEncoder.from_whisper(tmp_path, 2, 1)
    with pytest.raises(InputError, match="no Whisper encoder"):
        VoiceEncoder.from_whisper(base, 3, 1)


@pytest.mark.parametrize(
    ("line", "other", "message"),
    [("steps = 12", "steps = 0", "steps is 0"), ("batch = 8", "batch = 1", "batch is 1"), ("id =", "name =", "id")],
)
def test_recipes_that_do_not_fit(tmp_path, line, other, message):
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE.replace(line, other))
    with pytest.raises(InputError, match=message):
        load_voice_recipe(path)


def test_lower_states_do_not_depend_on_their_neighbours(base):
    encoder = VoiceEncoder.from_whisper(base, 2, 1).eval()
    rng = np.random.default_rng(0)
    features = [log_mel(rng.normal(0, 0.05, n).astype(np.float32)) for n in (3200, 8000, 4800)]
    together = lower_states(encoder, features)
    assert [len(each) for each in together] == [10, 25, 15]
    alone = lower_states(encoder, features[:1])[0]
    assert together[0].astype(float) == pytest.approx(alone.astype(float), abs=0.03)  # 16-bit floats
    batch, mask = pad(together)
    assert batch.shape == (3, 25, WIDTH)
    assert mask.sum(1).tolist() == [10, 25, 15]


def test_what_is_kept_of_clips_is_used_again(data, trained):
    out, _ = trained
    corpus = load_voice_corpus("ravdess", data)
    clips = Clips(corpus, out / "states" / "whisper-base-1", copies=1)
    clips.prepare(None)  # nothing is missing, so no encoder is needed
    assert clips.of(0).shape == (20, WIDTH)
    assert not np.array_equal(clips.of(5), clips.of(5, 1)[: len(clips.of(5))])


def test_the_bundle_is_whole_and_says_what_it_learnt(trained):
    _, folder = trained
    assert verify(folder).ok
    card = Bundle.open(folder).card
    assert (card.task, card.commercial, card.languages) == ("voice-affect", False, ("en",))
    assert [each.rows for each in card.training_data] == [32]
    assert "awe" in card.limits[-1]
    assert "anger" not in card.limits[-1].split(", ")
    readout = json.loads((folder / "readout.json").read_text())
    assert readout["strength"] is True
    assert set(readout["temperature"]) == {"ravdess8", FINE}
    assert readout["space"]["sha256"] == default_model("text-affect").sha256


def segments(files):
    audio = []
    for file in files:
        with wave.open(str(file), "rb") as sound:
            audio.append(sound.readframes(sound.getnframes()))
    n = len(audio)
    meta = pl.Series(
        "meta", [{"time": None, "group": None}] * n, pl.Struct({"time": pl.Datetime("us"), "group": pl.String})
    )
    return pl.DataFrame(
        {
            "id": [str(k) for k in range(n)],
            "source": ["x"] * n,
            "start": [0.0] * n,
            "end": [0.4] * n,
            "speaker": pl.Series([None] * n, dtype=pl.String),
            "text": pl.Series([None] * n, dtype=pl.String),
            "error": [""] * n,
            "audio": audio,
        }
    ).with_columns(meta)


def test_the_reader_reads(data, trained):
    corpus = load_voice_corpus("ravdess", data).part("test")
    reader = VoiceReader(Bundle.open(trained[1]))
    table = reader(segments(corpus.files))
    assert table["status"].to_list() == ["scored"] * 8
    assert table["emotion"].struct.unnest().sum_horizontal().to_list() == pytest.approx([1.0] * 8, abs=1e-5)
    assert table["modality"].unique().to_list() == ["voice"]
    assert table["prosody"].struct.field("f0_median_hz")[0] == pytest.approx(350, rel=0.05)
    strongest = table["intensity"].struct.unnest().max_horizontal()
    assert (strongest <= table["confidence"]).all()


def test_training_goes_on_and_ends_the_same(data, base, trained, tmp_path):
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(RECIPE)
    first = train_voice_recipe(recipe, data=data, base=base, out=tmp_path, threads=1)
    assert Bundle.open(first).sha256 == Bundle.open(trained[1]).sha256
    again = train_voice_recipe(recipe, data=data, base=base, out=tmp_path, threads=1)  # at its last checkpoint
    assert Bundle.open(again).card.files == Bundle.open(first).card.files


def test_measures_of_words():
    words = TextReader(default_model("text-affect"))
    measures = dict(zip(load_taxonomy("ravdess8").labels, label_measures(words, "ravdess8"), strict=True))
    assert measures["happy"][0] > 0.2 > -0.2 > measures["sad"][0]
    assert measures["angry"][1] > measures["sad"][1]


def test_recipe_settings_are_kept(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE)
    recipe = load_voice_recipe(path)
    assert (recipe.steps, recipe.sources[0].weight) == (12, 1.0)
    assert replace(recipe, steps=1) != recipe
