"""From pictures with votes and a recipe to a bundle that reads faces."""

from __future__ import annotations

import gzip
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("PIL")
pytest.importorskip("onnx")
pytest.importorskip("sklearn")

from PIL import Image

from affectome.affect import load_taxonomy
from affectome.errors import InputError, UsageError
from affectome.learn.face_corpus import CLASSES, SIDE, VOTES, FaceCorpus, load_faces, without_repeats
from affectome.learn.face_graph import build_face_graph
from affectome.learn.face_model import FaceAffectModel
from affectome.learn.face_recipe import load_face_recipe
from affectome.learn.face_trainer import FaceTrainer, _ramp, distorted, standardised
from affectome.learn.face_training import train_face_recipe
from affectome.learn.onnx_graph import open_session
from affectome.learn.prototypes import Prototypes
from affectome.learn.recipe import recipe_task
from affectome.models import Bundle, verify
from affectome.perceive.face_encoder import FaceEncoder

pytestmark = pytest.mark.train

RECIPE = """
task = "face-affect"
id = "tiny-face"
version = "0.1.0"
title = "Tiny"
stem = 4
widths = [8, 16]
blocks = [1, 2]
batch = 16
steps = 12
learning_rate = 1e-2
warmup = 0.1
averaging = 0.5
dropout = 0.1
single_labels = 0.3
space = 0.3
consistency = 0.1
prototypes = 0.1
variance_cap = 0.1
seed = 0

[card]
licence = "MIT"
commercial = false
commercial_note = "None."
intended_use = "Tests."
limits = ["Blobs only."]
"""


def faces(n, seed=0):
    """Pictures whose brighter half is the upper one for the first emotion, and the lower one for the second."""
    rng = np.random.default_rng(seed)
    pictures = rng.integers(60, 120, (n, SIDE, SIDE)).astype(np.float64)
    pictures += 20 * rng.standard_normal((n, 6, 6)).repeat(8, axis=1).repeat(8, axis=2)
    for i in range(n):
        half = slice(0, 24) if i % 2 else slice(24, SIDE)
        pictures[i, half] += 80
    return pictures.clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("corpora")
    folder = root / "fer2013plus"
    folder.mkdir()
    pictures = faces(60)
    pictures[50] = pictures[3]  # a test picture that is in training, mirrored
    pictures[3] = pictures[50][:, ::-1]
    images, labels = [], []
    for i, picture in enumerate(pictures):
        content = io.BytesIO()
        Image.fromarray(picture).save(content, "WEBP", lossless=True)
        split = "train" if i < 40 else "valid" if i < 50 else "test"
        name = f"fer{i:07}.png"
        label = "happy" if i % 2 else "sad"
        images.append({"image": name, "webp": content.getvalue(), "split": split, "fer2013_label": label})
        votes = dict.fromkeys((*load_taxonomy(VOTES).labels, "unknown", "NF"), 0)
        votes |= {"happiness": 8, "neutral": 2} if i % 2 else {"sadness": 7, "unknown": 3}
        if i == 5:  # most people saw no face
            votes = dict.fromkeys(votes, 0) | {"NF": 8, "happiness": 2}
        labels.append({"image": name, **votes})
    pl.DataFrame(images).write_parquet(folder / "images.parquet")
    pl.DataFrame(labels).write_csv(folder / "labels.csv")
    sentences = root / "emobank/corpus/emobank.csv.gz"
    sentences.parent.mkdir(parents=True)
    rows = [
        "1,train,4,4,3,what a day",
        "2,train,2,4,3,how dare you",
        "3,train,2,2,3,it is over",
        "4,test,3,3,3,a chair",
    ]
    sentences.write_bytes(gzip.compress("\n".join(["id,split,V,A,D,text", *rows]).encode()))
    return root


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    path = tmp_path_factory.mktemp("recipes") / "tiny-face.toml"
    path.write_text(RECIPE)
    return path


def anchors():
    rng = np.random.default_rng(0)
    found = {}
    for name in (VOTES, CLASSES):
        vectors = rng.standard_normal((len(load_taxonomy(name).labels), 12)).astype(np.float32)
        found[name] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return found


def prototypes():
    rng = np.random.default_rng(1)
    vectors = rng.standard_normal((25, 12)).astype(np.float32)
    return Prototypes(vectors, rng.dirichlet(np.ones(25), 8).astype(np.float32))


def test_votes_are_shares_and_repeats_are_left_out(data):
    corpus = load_faces(data)
    assert corpus.votes.sum(axis=1) == pytest.approx(np.ones(len(corpus.names)))
    assert corpus.votes[0, load_taxonomy(VOTES).labels.index("sadness")] == 1
    names = set(corpus.names)
    assert "fer0000003.png" not in names  # in test, mirrored
    assert "fer0000050.png" in names
    assert "fer0000005.png" not in names  # no face
    assert {split: int((corpus.split == split).sum()) for split in ("train", "dev", "test")} == {
        "train": 38,
        "dev": 10,
        "test": 10,
    }
    everything = load_faces(data, judged=False)
    assert len(everything.names) == 59


def test_a_picture_cut_in_another_way_is_a_repeat():
    smooth = faces(3).astype(np.float64).reshape(3, 16, 3, 16, 3).mean(axis=(2, 4)).repeat(3, axis=1).repeat(3, axis=2)
    pictures = np.stack([*smooth, smooth[0] * 0.7 + 20, np.roll(smooth[1], 1, axis=1)]).astype(np.uint8)
    n = len(pictures)
    corpus = FaceCorpus(
        names=np.array([str(i) for i in range(n)]),
        pictures=pictures,
        votes=np.eye(8, dtype=np.float32)[:n],
        classes=np.zeros(n, np.int64),
        split=np.array(["train", "train", "train", "test", "dev"]),
    )
    assert without_repeats(corpus).names.tolist() == ["2", "3", "4"]


@pytest.mark.parametrize("name", ["images.parquet", "labels.csv"])
def test_a_corpus_that_is_not_there(data, tmp_path, name):
    folder = tmp_path / "fer2013plus"
    folder.mkdir()
    other = {"images.parquet": "labels.csv", "labels.csv": "images.parquet"}[name]
    (folder / other).write_bytes((data / "fer2013plus" / other).read_bytes())
    with pytest.raises(InputError) as caught:
        load_faces(tmp_path)
    assert caught.value.code == "bad_corpus"


def test_a_recipe_becomes_a_bundle_that_tells_faces_apart(data, recipe, tmp_path):
    lines = []
    bundle = train_face_recipe(recipe, data=data, out=tmp_path, threads=1, report=lambda *line: lines.append(line))
    assert recipe_task(recipe) == "face-affect"
    assert verify(bundle).problems == ()
    opened = Bundle.open(bundle)
    assert opened.card.task == "face-affect"
    assert opened.card.training_data[0].rows == 38
    readout = json.loads((bundle / "readout.json").read_text())
    assert set(readout["temperature"]) == {VOTES, CLASSES}
    assert np.array(readout["term_means"]).shape == (8, 3)
    happiness = load_taxonomy(VOTES).labels.index("happiness")
    sadness = load_taxonomy(VOTES).labels.index("sadness")
    assert readout["term_means"][happiness][0] > readout["term_means"][sadness][0]
    seen = FaceEncoder(opened.session(threads=1)).encode(faces(40, seed=1).astype(np.float32))
    logits = seen.labels[VOTES]
    right = (logits[:, happiness] > logits[:, sadness]) == (np.arange(40) % 2 == 1)
    assert right.mean() > 0.8
    assert np.linalg.norm(seen.vectors, axis=1) == pytest.approx(np.ones(40), abs=1e-3)


def test_an_interrupted_training_ends_in_the_same_weights(data, recipe, tmp_path):
    corpus, settings = load_faces(data), load_face_recipe(recipe)

    def trained(folder, stop=None):
        trainer = FaceTrainer(settings, corpus, anchors=anchors(), prototypes=prototypes(), out=folder, threads=1)
        if stop:
            losses = trainer._losses

            def stopping(step):
                if step == stop:
                    raise KeyboardInterrupt
                return losses(step)

            trainer._losses = stopping
        return trainer.train(checkpoint_every=4).state_dict()

    whole = trained(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "cut", stop=7)
    again = trained(tmp_path / "cut")
    for name, value in whole.items():
        if "running" not in name and "tracked" not in name:
            assert torch.equal(value, again[name]), name


PLAIN = {"single_labels": 0.0, "space": 0.0, "consistency": 0.0, "prototypes": 0.0, "variance_cap": 0.0}


@pytest.fixture
def losses(data, recipe):
    """Losses of a step of a trainer that has these weights and no others."""
    corpus, settings = load_faces(data), load_face_recipe(recipe)

    def at(step=0, **weights):
        given = prototypes() if weights.get("prototypes") else None
        plain = replace(settings, **(PLAIN | weights))
        return FaceTrainer(plain, corpus, anchors=anchors(), prototypes=given, out=None, threads=1)._losses(step)

    return at


def test_without_extras_only_the_votes_count(losses):
    assert set(losses()) == {"votes"}


def test_a_weight_scales_its_loss_and_leaves_the_votes_alone(losses):
    plain = losses(step=9)["votes"]
    for name in ("prototypes", "variance_cap", "consistency"):
        once, twice = (losses(step=9, **{name: weight}) for weight in (0.5, 1.0))
        assert set(once) == {"votes", name}
        assert torch.equal(once["votes"], plain)
        assert once[name].item() > 0
        assert twice[name].item() == pytest.approx(2 * once[name].item())


def test_the_cap_on_variance_sets_in_slowly(losses):
    assert losses(step=0, variance_cap=1.0)["variance_cap"].item() == 0
    assert [_ramp(done) for done in (0, 0.2, 0.4, 0.6, 1)] == pytest.approx([0, 0, 0.5, 1, 1])


def test_prototypes_have_to_be_given(data, recipe):
    with pytest.raises(UsageError) as caught:
        FaceTrainer(load_face_recipe(recipe), load_faces(data), anchors=anchors(), out=None)
    assert caught.value.code == "no_prototypes"


def test_the_shipped_recipe_has_every_setting():
    shipped = load_face_recipe(Path(__file__).parents[2] / "recipes" / "face.toml")
    assert (shipped.prototypes, shipped.variance_cap) == (0, 0)


def test_the_graph_gives_what_the_model_gives():
    torch.manual_seed(0)
    tensors = {name: torch.from_numpy(each) for name, each in anchors().items()}
    model = FaceAffectModel(4, (8, 16), (2, 1), 0.1, tensors).train()
    for _ in range(3):
        model.features(torch.randn(8, 1, SIDE, SIDE))
    model.eval()
    weights = {name: value.numpy() for name, value in model.state_dict().items()}
    graph = build_face_graph(weights, strides=[stage.stride for stage in model.stages], vocabularies=(CLASSES, VOTES))
    given = faces(5).astype(np.float32)
    seen = FaceEncoder(open_session(graph.SerializeToString(), 1)).encode(given)
    x = standardised(torch.from_numpy(given))
    with torch.inference_mode():
        features = (model.features(x) + model.features(x.flip(3))) / 2
        assert seen.labels[VOTES] == pytest.approx(model.label_logits(features, VOTES).numpy(), abs=2e-2)
        assert seen.vectors == pytest.approx(model.vectors(features).numpy(), abs=2e-2)


def test_distorted_faces_are_standardised_and_follow_from_the_seed():
    pictures = torch.from_numpy(faces(16))
    one, same = (distorted(pictures, np.random.default_rng(3)) for _ in range(2))
    assert torch.equal(one, same)
    assert one.shape == (16, 1, SIDE, SIDE)
    assert one.mean((1, 2, 3)).abs().max() < 1e-4
    assert (one.std((1, 2, 3)) - 1).abs().max() < 0.01
    dark = torch.zeros((2, SIDE, SIDE), dtype=torch.uint8)
    assert torch.isfinite(distorted(dark, np.random.default_rng(0))).all()
