"""``affectome probe`` from a table to its file."""

import json

import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from cyclopts import App

from affectome.cli.probe import probe
from affectome.errors import UsageError

pytestmark = pytest.mark.train

PLACES = ["kitchen", "station", "harbour", "library", "meadow", "tower", "cellar", "bridge", "market", "chapel"]


@pytest.fixture
def model(tmp_path):
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    words = {word: k for k, word in enumerate(["<pad>", "<eos>", "<unk>", "glad", "angry", *PLACES])}
    known = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    known.pre_tokenizer = pre_tokenizers.Whitespace()
    named = {"pad_token": "<pad>", "eos_token": "<eos>", "unk_token": "<unk>"}
    PreTrainedTokenizerFast(tokenizer_object=known, **named).save_pretrained(tmp_path / "model")
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    LlamaForCausalLM(LlamaConfig(vocab_size=len(words), **sizes)).save_pretrained(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def table(tmp_path):
    lines = ["text,feeling,speaker"]
    for k in range(100):
        feeling = ("glad", "angry")[k % 2]
        place, other = PLACES[k % 10], PLACES[k // 10]
        lines.append(f"{feeling} {place} {other} number{k * 7919},{feeling},{k % 25}")
    path = tmp_path / "comments.csv"
    path.write_text("\n".join([*lines, ",glad,1", "no feeling here,,2"]))
    return path


def test_layers_are_probed_and_written(model, table, tmp_path, capsys):
    out = tmp_path / "out"
    assert probe(table, model=model, label="feeling", out=out, seeds=2) == 0
    assert "best on dev" in capsys.readouterr().out
    found = json.loads((out / "layers.json").read_text())
    assert found["classes"] == ["angry", "glad"]
    assert sum(found["texts"].values()) == 100
    assert [layer["layer"] for layer in found["layers"]] == [0, 1, 2]
    best = found["layers"][found["best_layer"]]
    assert best["test"]["mean"] > found["majority"]["macro_f1"] + 0.2
    assert len(best["test"]["values"]) == 2
    assert best["selectivity"] == pytest.approx(best["accuracy"]["mean"] - best["control"]["mean"])
    assert set(found["answer"]) == {"macro_f1", "macro_f1_centred"}
    endured = found["persistence"]
    assert endured["layer"] == found["best_layer"]
    assert endured["offsets"][0] == 0
    assert len(endured["accuracies"]) == len(endured["offsets"])
    assert endured["accuracies"][0]["value"] > 0.9
    assert len(list((out / "activations").rglob("*.safetensors"))) == 100


def test_the_result_can_be_printed_as_json(model, table, tmp_path, capsys):
    options = {"kind": "mlp", "pooling": "last", "random_weights": True, "json": True}
    probe(table, model=model, label="feeling", out=tmp_path / "out", seeds=2, **options)
    found = json.loads(capsys.readouterr().out)
    assert "random weights" in found["model"]
    assert found["probe"] == {"kind": "mlp", "pooling": "last", "seed": 0, "seeds": 2}


def test_labels_that_begin_alike_are_not_asked_for(model, table, tmp_path, capsys):
    table.write_text(table.read_text().replace(",glad,", ",so good,").replace(",angry,", ",so bad,"))
    probe(table, model=model, label="feeling", out=tmp_path / "out", seeds=2)
    assert "ambiguous_labels" in capsys.readouterr().out


def test_a_handful_of_texts_is_refused(model, tmp_path):
    table = tmp_path / "few.csv"
    table.write_text("text,feeling\nglad kitchen,glad\nangry market,angry\n")
    with pytest.raises(UsageError) as caught:
        probe(table, model=model, label="feeling", out=tmp_path / "out")
    assert caught.value.code == "too_few_texts"


def test_its_words_are_understood(capsys):
    app = App()
    app.command(probe, name="probe")
    with pytest.raises(SystemExit) as ended:
        app(["probe", "--help"], exit_on_error=True, result_action="sys_exit")
    assert ended.value.code == 0
    assert "--random-weights" in capsys.readouterr().out
