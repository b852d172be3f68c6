import json
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason='needs the train extra: pip install "affectome[train]"')

import torch

from affectome.errors import InputError, ModelError, RunError
from affectome.learn import load_recipe
from affectome.learn.bundle import draft_card, held_out, write_bundle
from affectome.learn.text_model import TextAffectModel
from affectome.models import Bundle

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def recipe(recipes):
    return load_recipe(recipes / "first.toml")


@pytest.fixture(scope="module")
def model(base, corpora):
    torch.set_num_threads(1)
    torch.manual_seed(0)
    return TextAffectModel(base, corpora["goemotions"].columns).eval()


def without(recipe, *names):
    return replace(recipe, sources=tuple(source for source in recipe.sources if source.corpus not in names))


def test_the_held_out_rows_are_development_rows(recipe, corpora):
    held = held_out(recipe, corpora)
    assert held.taxonomy == "goemotions28"
    assert [part.name for part in held[1:]] == ["goemotions", "situations", "emobank"]
    assert all(set(part.split) == {"dev"} for part in held[1:])


def test_a_recipe_that_lacks_a_read_out_makes_no_bundle(recipe, corpora):
    with pytest.raises(InputError, match="gives situations"):
        held_out(without(recipe, "situations"), corpora)
    with pytest.raises(InputError, match="gives valence, arousal and dominance"):
        held_out(without(recipe, "emobank"), corpora)
    with pytest.raises(InputError, match="not those of a taxonomy"):
        held_out(replace(recipe, labels_from="crowdflower"), corpora)
    with pytest.raises(InputError, match="'emobank' has no rows"):
        held_out(recipe, corpora | {"emobank": corpora["emobank"].part("train")})


def test_the_card_says_what_the_model_learnt_from(recipe, corpora, base):
    card = draft_card(recipe, corpora, base)
    assert (card.id, card.version, card.languages) == ("toy-first", "0.1.0", ("en",))
    assert (card.training_data[0].rows, card.training_data[0].licence) == (169, "CC-BY-4.0")
    assert card.base_model.name == "sentence-transformers/all-MiniLM-L6-v2"
    assert "pad-dimensions" not in card.taxonomies
    assert "goemotions28" in card.taxonomies


def test_words_that_make_no_card_are_refused(recipe, corpora, base):
    with pytest.raises(ModelError, match="lower-case words"):
        draft_card(replace(recipe, id="../elsewhere"), corpora, base)
    with pytest.raises(InputError, match="no base model named 'bert'"):
        draft_card(replace(recipe, base="bert"), corpora, base)


def test_a_folder_that_is_no_bundle_is_never_replaced(recipe, corpora, base, model, tmp_path):
    (tmp_path / "thesis.txt").write_text("ten years of work")
    with pytest.raises(RunError, match="not replaced") as caught:
        write_bundle(model, recipe, corpora, base, tmp_path, 1)
    assert caught.value.code == "not_replaced"
    assert (tmp_path / "thesis.txt").read_text() == "ten years of work"


def test_a_bundle_is_written_whole_and_replaced_whole(recipe, corpora, base, model, tmp_path):
    out = tmp_path / "new" / "toy"
    write_bundle(model, recipe, corpora, base, out, 1)
    bundle = Bundle.open(out)
    assert set(bundle.card.files) == {"model.onnx", "readout.json", "space.safetensors", "tokenizer.json"}
    background = bundle.arrays("space.safetensors")["background"]
    assert background.shape == (32,)
    assert 0 < np.linalg.norm(background) <= 1
    readout = json.loads(bundle.file("readout.json").read_text())
    toxicity = readout.pop("toxicity")
    assert (np.shape(toxicity["weights"]), np.shape(toxicity["bias"])) == ((32 + 28 + 5 + 3,), ())
    assert {key: np.shape(value) for key, value in readout.items()} == {
        "taxonomy": (), "slope": (28,), "intercept": (28,), "thresholds": (28,), "presence": (2,), "sharpness": (),
        "spread_scale": (3,),
    }  # fmt: skip
    assert all(0 <= threshold <= 1 for threshold in readout["thresholds"])
    assert min(readout["spread_scale"]) > 0
    tokenizer = json.loads(bundle.file("tokenizer.json").read_text())
    assert tokenizer["truncation"] is tokenizer["padding"] is None

    (out / "stale.txt").touch()
    write_bundle(model, recipe, corpora, base, out, 1)
    assert Bundle.open(out).card.files == bundle.card.files  # the same bytes again, and nothing stale
    assert [path.name for path in out.parent.iterdir()] == ["toy"]


def test_a_failure_leaves_the_old_bundle(recipe, corpora, base, model, tmp_path, monkeypatch):
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy/card.toml").write_text("old")
    monkeypatch.setattr("affectome.learn.bundle.save_graph", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_bundle(model, recipe, corpora, base, tmp_path / "toy", 1)
    assert (tmp_path / "toy/card.toml").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["toy"]
