"""Layers are chosen by what a probe feels, votes are borrowed from clips acted alike, and all of it runs on tones."""

from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("av")

from safetensors.torch import save_file

from affectome.errors import UsageError
from affectome.learn.heads import Head, fit_head
from affectome.learn.voice_corpora import load_voice_corpus
from affectome.learn.voice_model import VoiceEncoder
from affectome.studies import voice_disagreement, vote_students
from affectome.studies.voice_disagreement import SpokenFeelings, borrow_votes
from affectome.studies.voice_layers import LAYERS, LayerReader, _probe, choose_layer, saliency

pytestmark = pytest.mark.train

WIDTH = 64


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    """A Whisper encoder of random weights."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("whisper")
    made = VoiceEncoder(WIDTH, 1, LAYERS, 0).state_dict()
    made["embed_positions.weight"] = made.pop("positions")
    weights = {f"model.encoder.{name}": value.contiguous() for name, value in made.items()}
    save_file(weights, folder / "model.safetensors")
    return folder


@pytest.fixture
def spoken_context(context, base, made_voices):
    context.data, context.base = made_voices, base
    return context


def test_saliency_by_hand():
    # Logits 2 x and 0 of a feature with mean 1 and deviation 2; the second feature says nothing.
    mean, scale = np.array([1, 0], np.float32), np.array([2, 1], np.float32)
    head = Head("choice", mean, scale, np.array([[2, 0], [0, 0]], np.float32), np.zeros(2, np.float32))
    p = 1 / (1 + np.exp(-2.0))  # of the first label at activation 1
    found = saliency(head, np.array([[3, 5]], np.float32), np.array([[0.0, 1.0]]))
    assert found == pytest.approx([p * 2 * 1, 0])
    right = saliency(head, np.array([[3, 5]], np.float32), np.array([[1.0, 0.0]]))
    assert right == pytest.approx([(1 - p) * 2, 0])  # less to gain where it is right already


def test_the_layer_that_says_something_is_chosen():
    rng = np.random.default_rng(0)
    labels = np.arange(120) % 3
    layers = rng.normal(size=(120, 4, 6)).astype(np.float32)
    layers[:, 2, 4] += 3 * labels
    choice = choose_layer(layers[:80], labels[:80], layers[80:], labels[80:])
    assert (choice.salient, choice.best, choice.order[0]) == (2, 2, 4)
    assert choice.saliency.sum() == pytest.approx(1)
    assert choice.gain[2] > 0.8 > choice.gain[[0, 1, 3]].max()
    # The unit of a layer does not count.
    layers[:, 0] *= 1000
    assert choose_layer(layers[:80], labels[:80], layers[80:], labels[80:]).salient == 2


def test_a_probe_is_the_head_that_is_fitted_without_the_turn():
    rng = np.random.default_rng(0)
    features, labels = rng.normal(3, 2, size=(30, 50)).astype(np.float32), np.arange(30) % 3
    features[:, 0] += labels
    targets = np.eye(3)[labels]
    head, strength = _probe(features, targets, features, targets)
    assert strength == 0.1  # the weakest fits clips best that it has seen
    whole = fit_head(features, targets, kind="choice", strength=strength)
    assert head.predict(features) == pytest.approx(whole.predict(features), abs=1e-3)
    assert head.matrix == pytest.approx(whole.matrix, abs=1e-3)


def test_what_layers_keep_is_kept(spoken_context):
    reader = LayerReader(spoken_context)
    tone = np.sin(np.arange(8000) / 5).astype(np.float32)
    first = reader.read("tones", lambda: [tone, 0.5 * tone[:4000]])
    assert first.shape == (2, LAYERS + 1, 2 * WIDTH)
    assert (first[:, :, WIDTH:] >= 0).all()  # deviations behind the means
    assert np.array_equal(reader.read("tones", lambda: pytest.fail("is kept already")), first)


def test_a_base_is_needed(context):
    with pytest.raises(UsageError, match="base model"):
        LayerReader(context)


def test_votes_are_borrowed_from_clips_acted_alike(made_voices):
    corpus = load_voice_corpus("ravdess", made_voices)
    names = ("neutral", "calm", "happy", "sad", "angry")
    rows = np.flatnonzero([corpus.labels[i] == 4 for i in range(len(corpus.labels))])  # angry, normal and strong
    votes = pl.read_csv(made_voices / "crema_d_votes" / "votes.csv.gz")
    table = borrow_votes(corpus.at(rows), votes, np.random.default_rng(0))
    assert names[4] == table.labels[0]
    # Votes are one a label and 2 more, for strong ones 4 more, of the acted one; actors (odd) get one more of the next.
    for i, counts in zip(rows, table.counts, strict=True):
        actress = int(corpus.speakers[i][-2:]) % 2 == 0
        assert counts[0] == (5 if corpus.strengths[i] == 1 else 3)
        assert counts[1] == (1 if actress else 2)


@pytest.mark.slow
def test_the_voice_part_on_tones(spoken_context, monkeypatch):
    monkeypatch.setattr(vote_students, "SEEDS", 2)
    for module in (voice_disagreement, vote_students):
        for name in ("measure", "claim_difference"):
            monkeypatch.setattr(module, name, partial(getattr(module, name), resamples=10))
    part = SpokenFeelings(spoken_context)
    assert part.choice.saliency.sum() == pytest.approx(1)
    tables, claims, notes = part.run()
    assert notes
    german = next(table for table in tables if table.title.startswith("EMO-DB, 7 labels"))
    assert [row.role for row in german.rows] == ["baseline", *["control"] * 2, *["result"] * (LAYERS + 2)]
    assert "each of 5 speakers by the others: 35 clips" in german.title
    distorted = next(table for table in tables if table.title.startswith("RAVDESS test actors"))
    assert set(distorted.metrics) == {"as recorded", "noise of 10 dB", "reverberation of 0.6 s", "telephone"}
    by_actor = next(table for table in tables if "n-best" in table.title)
    for row in by_actor.rows:
        best = [row.values[f"{n}-best"].value for n in (1, 2, 3)]
        assert best == sorted(best)
    students = next(table for table in tables if "unheard actors" in table.title)
    assert [row.role for row in students.rows] == ["baseline", "baseline", "control", "result", "result"]
    assert "2 seeds" in students.title
    assert [claim.text.partition(":")[0] for claim in claims[:2]] == [
        "EMO-DB, every speaker by the others",
        "RAVDESS to EMO-DB, 6 labels",
    ]
    names = [entry["name"] for vault in spoken_context.vaults for entry in vault.record()]
    assert len(names) == len(set(names)) == 5 + 1 + 2 * 3
    assert spoken_context.used == {"ravdess_speech", "emodb", "crema_d_votes"}
