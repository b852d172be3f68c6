"""``affectome steer`` from situations to its file."""

import json

import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from cyclopts import App

from affectome.cli.steer import steer
from affectome.errors import InputError, ModelError, UsageError

pytestmark = pytest.mark.train

WORDS = "I am so angry furious sad happy glad afraid scared surprised disgusted . rain key lamp user system assistant :"


@pytest.fixture
def model(tmp_path):
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    words = {word: k for k, word in enumerate(["<pad>", "<eos>", "<unk>", *WORDS.split()])}
    known = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    known.pre_tokenizer = pre_tokenizers.Whitespace()
    named = {"pad_token": "<pad>", "eos_token": "<eos>", "unk_token": "<unk>"}
    PreTrainedTokenizerFast(tokenizer_object=known, **named).save_pretrained(tmp_path / "model")
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 80, "num_hidden_layers": 3, "num_attention_heads": 4}
    LlamaForCausalLM(LlamaConfig(vocab_size=len(words), **sizes)).save_pretrained(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def scenarios(tmp_path):
    path = tmp_path / "scenarios.jsonl"
    event = {"positive": "glad rain", "neutral": "key", "negative": "sad lamp"}
    rows = [{"theme": f"theme {k}", "scenario": f"I am key {'rain ' * k}", "event": event} for k in range(4)]
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def test_dials_are_compared_and_written(model, scenarios, tmp_path, capsys):
    out = tmp_path / "out"
    options = {
        "model": model,
        "emotion": "joy",
        "dose": 0.4,
        "method": "layers",
        "out": out,
        "scenarios": scenarios,
        "tokens": 5,
        "situations": 4,
    }
    assert steer(**options) == 0
    assert "joy at a dose of 0.4" in capsys.readouterr().out
    found = json.loads((out / "steering.json").read_text())
    assert [row["way"] for row in found["ways"]] == [
        "unsteered",
        "prompting",
        "prompting with examples",
        "random direction",
        "layers",
        "layer",
        "circuit",
    ]
    assert [row["dose"] for row in found["doses"]] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5])
    same = ("rate", "perplexity", "samples")
    assert [found["doses"][4][key] for key in same] == [found["ways"][4][key] for key in same]
    assert set(json.loads((out / "circuit.json").read_text())["emotions"]) >= {"joy", "fear"}
    assert len(found["ways"][0]["samples"]) == 4
    assert "joy" in (out / "inside.html").read_text()
    before = sorted((out / "replies").iterdir())
    steer(**options, json=True)
    assert json.loads(capsys.readouterr().out) == found
    assert sorted((out / "replies").iterdir()) == before


def test_prompts_are_answered_and_again_through_the_file(model, scenarios, tmp_path, capsys):
    out = tmp_path / "out"
    options = {"model": model, "emotion": "fear", "dose": 2.0, "prompt": ("rain .", "key"), "tokens": 5, "json": True}
    steer(**options, out=out, scenarios=scenarios, method="circuit")
    found = json.loads(capsys.readouterr().out)
    assert [answer["prompt"] for answer in found["answers"]] == ["rain .", "key"]
    steer(**options, out=tmp_path / "again", circuit=out / "circuit.json")
    assert json.loads(capsys.readouterr().out)["answers"] == found["answers"]
    assert not (tmp_path / "again" / "activations").exists()


def test_a_model_without_circuits_has_the_other_dials(model, scenarios, tmp_path, monkeypatch, capsys):
    def refuse(*_):
        raise ModelError("A norm follows the projection.", code="normed_output", value="Gemma2ForCausalLM")

    monkeypatch.setattr("affectome.language.inside.Dials.circuit", refuse)
    options = {"model": model, "emotion": "fear", "out": tmp_path / "out", "scenarios": scenarios, "prompt": ("rain",)}
    assert steer(**options, method="layer", tokens=4) == 0
    assert "steered" in capsys.readouterr().out
    with pytest.raises(ModelError) as caught:
        steer(**options, method="circuit")
    assert caught.value.code == "normed_output"


@pytest.mark.parametrize(
    ("options", "kind", "code"),
    [
        ({"emotion": "hope"}, UsageError, "unknown_emotion"),
        ({"dose": float("nan")}, UsageError, "bad_dose"),
        ({"dose": 0}, UsageError, "bad_dose"),
        ({"situations": 1}, UsageError, "too_few"),
        ({"circuit": "circuit.json"}, UsageError, "bad_usage"),
        ({"circuit": "circuit.json", "prompt": ("rain",)}, ModelError, "bad_circuit"),
        ({"scenarios": "nowhere.jsonl"}, InputError, "missing_file"),
        ({"model": "nowhere"}, ModelError, "model_unusable"),
    ],
)
def test_what_does_not_fit_is_refused(model, tmp_path, options, kind, code):
    for name in ("circuit", "scenarios", "model"):
        if name in options:
            options = options | {name: tmp_path / options[name]}
    with pytest.raises(kind) as caught:
        steer(**{"model": model, "emotion": "joy", "out": tmp_path / "out"} | options)
    assert caught.value.code == code


def test_its_words_are_understood(capsys):
    app = App()
    app.command(steer, name="steer")
    with pytest.raises(SystemExit) as ended:
        app(["steer", "--help"], exit_on_error=True, result_action="sys_exit")
    assert ended.value.code == 0
    assert "--emotion" in capsys.readouterr().out
