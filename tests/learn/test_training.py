import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

pytest.importorskip("torch", reason='needs the train extra: pip install "affectome[train]"')

import torch
from safetensors import safe_open

from affectome.cli import main
from affectome.errors import InputError, RunError
from affectome.learn.text_model import TextAffectModel
from affectome.learn.training import train_recipe
from affectome.models import Bundle
from affectome.perceive import TextReader

pytestmark = pytest.mark.train

SOURCE = Path(__file__).parents[2] / "src"


def segments(texts):
    """A segment table as the reader takes it."""
    n = len(texts)
    meta = pl.Series(
        [{"time": None, "group": None}] * n, dtype=pl.Struct({"time": pl.Datetime("us"), "group": pl.String})
    )
    return pl.DataFrame(
        {"id": [str(k) for k in range(n)], "source": ["s"] * n, "text": texts, "error": [""] * n, "meta": meta},
        schema_overrides={"text": pl.String},
    ).with_columns(start=pl.lit(None, pl.Float64), end=pl.lit(None, pl.Float64), speaker=pl.lit(None, pl.String))


def test_the_teacher_is_trained_before_the_student(trained):
    out, bundle, log = trained
    assert bundle == out / "toy-second"
    assert sorted(path.name for path in out.iterdir()) == ["checkpoints", "toy-second", "toy-second-encoder"]
    assert sorted(path.name for path in (out / "checkpoints").iterdir()) == ["first", "second"]
    names = [name for name, _ in log]
    assert names == sorted(names)
    assert set(names) == {"first.toml", "second.toml"}


def test_the_encoder_can_be_the_base_of_another_training(trained, base):
    folder = trained[0] / "toy-second-encoder"
    encoder = TextAffectModel(folder, ["joy"]).encoder.state_dict()
    with safe_open(trained[0] / "checkpoints/second/checkpoint.safetensors", "pt") as stored:
        trained_names = {key.removeprefix("average/encoder.") for key in stored.keys() if "average/encoder." in key}  # noqa: SIM118
        assert set(encoder) - trained_names == {"embeddings.word_embeddings.weight"}
        assert all(torch.equal(encoder[name], stored.get_tensor(f"average/encoder.{name}")) for name in trained_names)
    written, original = (json.loads((at / "tokenizer.json").read_text()) for at in (folder, base))
    assert written == original


def test_the_bundle_reads_its_own_labels(trained):
    reader = TextReader(Bundle.open(trained[1], commercial=True))
    texts = ['the "window is joy', 'the "window is grief', 'the "phone is anger', "", None]
    estimates = reader.perceive(segments(texts))
    assert estimates["status"].to_list() == ["scored"] * 3 + ["abstained"] * 2
    assert estimates["top"].to_list()[:3] == ["joy", "grief", "anger"]
    assert estimates["model"].unique().to_list() == ["toy-second@0.1.0"]
    assert set(reader.thresholds) == set(reader.labels)


def test_the_bundle_reads_any_labels(trained):
    labels, things = ["joy", "anger", "grief", "fear", "sadness"], ["window", "dinner", "phone", "river"]
    reader = TextReader(Bundle.open(trained[1]), labels=labels)
    texts = [f"the {thing} is {label}" for thing in things for label in labels]
    probability = reader.probabilities(texts).reshape(len(things), len(labels), len(labels))
    np.testing.assert_allclose(probability.sum(axis=2), 1, rtol=1e-5)
    # Each label is likeliest where the text names it. That it is also likelier than the others there is too much to ask
    # of a network that knows no word of the glosses.
    assert probability.mean(axis=0).argmax(axis=0).tolist() == [0, 1, 2, 3, 4]


def test_the_bundle_measures_valence(trained):
    estimates = TextReader(Bundle.open(trained[1])).perceive(
        segments(["a good phone, they said", "a bad phone, they said"])
    )
    good, bad = estimates["valence"]
    assert good > bad
    assert estimates["valence_sd"].min() > 0


def test_the_same_call_again_gives_the_same_weights(trained, recipes, data, base):
    out, bundle, _ = trained
    before = Bundle.open(bundle).card.files
    train_recipe(
        recipes / "second.toml",
        data=data,
        base=base,
        out=out,
        threads=1,
        report=lambda *_: pytest.fail("a step was taken"),
    )
    assert Bundle.open(bundle).card.files == before


def test_what_cannot_end_in_a_bundle_does_not_begin(change_recipe, recipes, data, base, tmp_path, monkeypatch):
    monkeypatch.setattr("affectome.learn.training.TextTrainer", lambda *_, **__: pytest.fail("training began"))

    def refusal(recipe=recipes / "second.toml", data=data, base=base, out=tmp_path):
        with pytest.raises((InputError, RunError)) as caught:
            train_recipe(recipe, data=data, base=base, out=out)
        return caught.value.code

    (tmp_path / "toy-second").mkdir()
    assert refusal() == "not_replaced"
    (tmp_path / "toy-second").rmdir()
    (tmp_path / "toy-second-encoder").mkdir()
    assert refusal() == "not_replaced"
    assert refusal(recipe=tmp_path / "none.toml") == "bad_recipe"
    assert refusal(base=tmp_path) == "bad_base_model"
    assert refusal(data=tmp_path) == "missing_corpus"
    (tmp_path / "file").touch()
    assert refusal(out=tmp_path / "file") == "not_a_folder"
    lacking = change_recipe("lacking.toml", ('corpus = "emobank"', 'corpus = "toxicity"'), of="second.toml")
    assert refusal(recipe=lacking) == "bad_recipe"


def command(*arguments, prelude="pass"):
    """The command line in a process of its own."""
    code = f"import sys; {prelude}; from affectome.cli import main; main(sys.argv[1:])"
    environment = {key: value for key, value in os.environ.items() if key != "AFFECTOME_DATA"}
    environment |= {"PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1", "COLUMNS": "80"}
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, env=environment, check=False
    )


def test_the_command_trains(change_recipe, data, base, tmp_path):
    recipe = change_recipe("short.toml", ("passes = 14", "passes = 3"))
    done = command("train", recipe, "--data", data, "--base", base, "--out", tmp_path, "--threads", "1")
    assert done.returncode == 0, done.stderr
    *log, last = done.stdout.splitlines()
    assert log[0].startswith("short.toml  step 50 of ")
    assert "goemotions 0." in log[0]
    assert last == f"bundle  {tmp_path / 'toy-first'}"
    card = Bundle.open(tmp_path / "toy-first").card
    assert card.released <= datetime.now().astimezone().date()
    shown = command("models", "show", tmp_path / "toy-first", "--json")
    assert json.loads(shown.stdout)["id"] == "toy-first", shown.stderr


def test_without_the_extra_the_command_says_what_to_install(recipes, data, tmp_path):
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError(name='torch')")
    done = command(
        "train",
        recipes / "first.toml",
        "--data",
        data,
        "--out",
        tmp_path,
        prelude=f"sys.path.insert(0, {str(tmp_path)!r})",
    )
    assert done.returncode == 4
    assert "[missing_extra]" in done.stderr
    assert 'pip install "affectome[train]"' in done.stderr
    assert "torch" in done.stderr


def run_here(capsys, *arguments):
    with pytest.raises(SystemExit) as caught:
        main([*map(str, arguments)])
    return caught.value.code, capsys.readouterr().err


def test_the_command_needs_a_data_folder(recipes, tmp_path, capsys, monkeypatch):
    for setting in (None, ""):
        monkeypatch.delenv("AFFECTOME_DATA", raising=False)
        if setting is not None:
            monkeypatch.setenv("AFFECTOME_DATA", setting)
        code, error = run_here(capsys, "train", recipes / "first.toml", "--out", tmp_path)
        assert code == 2
        assert "[missing_data]" in error
        assert "--data" in error


def test_the_data_folder_may_come_from_the_environment(recipes, base, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("AFFECTOME_DATA", str(tmp_path))
    code, error = run_here(capsys, "train", recipes / "first.toml", "--base", base, "--out", tmp_path)
    assert code == 2
    assert "[missing_corpus]" in error


def test_the_command_refuses_a_bad_recipe(change_recipe, data, tmp_path, capsys):
    recipe = change_recipe("warm.toml", ("warmup = 0.1", "warmup = 2"))
    code, error = run_here(capsys, "train", recipe, "--data", data, "--out", tmp_path)
    assert code == 2
    assert "[bad_recipe]" in error
    assert "warmup is 2 and must be between" in error
    code, error = run_here(capsys, "train", tmp_path / "none.toml", "--data", data, "--out", tmp_path)
    assert code == 2
    assert "[bad_recipe]" in error


def test_the_command_needs_a_thread(recipes, data, tmp_path, capsys):
    code, error = run_here(capsys, "train", recipes / "first.toml", "--data", data, "--out", tmp_path, "--threads", "0")
    assert code == 2
    assert "[bad_threads]" in error
