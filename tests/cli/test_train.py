"""Training from the command line: two forms that do not mix, and a table that becomes a reader."""

import json

import pytest

PLACES = (
    "on the pier", "in the old library", "at my cousin's wedding", "behind the garage", "during the long flight",
    "near the bakery", "under the bridge at night", "while we were cooking", "after the final exam", "at the dentist",
    "by the frozen lake", "inside the crowded tram", "over the telephone", "beyond the village",
)  # fmt: skip


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "days.csv"
    rows = [
        f"{text},{label}\n"
        for place in PLACES
        for text, label in (
            (f"I felt so happy and free {place}", "glad"),
            (f"I laughed all the time {place}", "glad"),
            (f"Such grief and loneliness {place}", "gloomy"),
            (f"I wept without end {place}", "gloomy"),
        )
    ]
    path.write_text("text,mood\n" + "".join(rows), encoding="utf-8")
    return path


@pytest.mark.train
def test_a_table_becomes_a_reader(affectome, table, tmp_path):
    pytest.importorskip("torch", reason="needs the train extra")
    trained = affectome("train", "--data", table, "--label", "mood", "--out", tmp_path / "trained", "--threads", 1)
    assert trained.code == 0
    bundle = tmp_path / "trained" / "days-mood"
    assert "labels shuffled" in trained.out
    assert f"use it  affectome analyze PATH --out DIR --model {bundle}" in trained.out
    assert "glad" in affectome("text", "I laughed so much, what a day", "--model", bundle).out.splitlines()[0]
    analysed = affectome("analyze", table, "--out", tmp_path / "out", "--model", bundle, "--format", "csv")
    assert analysed.code == 0
    header = (tmp_path / "out" / "estimates.csv").read_text(encoding="utf-8").splitlines()[0]
    assert "emotion.glad,emotion.gloomy" in header
    evaluated = affectome("evaluate", "--data", table, "--label", "mood", "--model", bundle, "--json")
    assert json.loads(evaluated.out)["rows"]["learnt"] > 40


@pytest.mark.train
def test_for_programs(affectome, table, tmp_path, monkeypatch):
    pytest.importorskip("torch", reason="needs the train extra")
    table.write_text(
        "text,mood\n" + "".join(f"It was {k} kinds of fine {place},{k}\n" for place in PLACES for k in range(4)),
        encoding="utf-8",
    )
    monkeypatch.chdir(tmp_path)
    trained = json.loads(affectome("train", "--data", table, "--label", "mood", "--id", "fine", "--json").out)
    assert (trained["bundle"], trained["kind"], trained["labels"]) == ("fine", "measure", ["mood"])
    assert sum(trained["rows"].values()) == 56
    assert (trained["results"][0]["role"], trained["results"][0]["value"]) == ("baseline", None)
    printed = affectome("text", "It was fine.", "--model", "fine").out
    assert any(line.startswith("mood ") for line in printed.splitlines())


@pytest.mark.train
def test_the_encoder_learns_too(affectome, table, tmp_path):
    pytest.importorskip("torch", reason="needs the train extra")
    words = ("train", "--data", table, "--label", "mood", "--fine-tune", "--out", tmp_path)
    missing = affectome(*words, "--base", tmp_path)
    assert missing.code == 2
    assert "bad_base_model" in missing.err
    trained = affectome(*words, "--epochs", 0.1, "--threads", 1, "--json")
    found = json.loads(trained.out)
    assert found["agreement"]["valence"] > 0.8
    assert "head, encoder as it was" in [row["predictor"] for row in found["results"]]
    assert affectome("models", "verify", tmp_path / "days-mood").code == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "needs a recipe, or a table"),
        (("--data", "days.csv"), "needs a recipe, or a table"),
        (("--label", "mood"), "--label names a column of a table"),
        (("recipe.toml", "--data", "x", "--label", "mood", "--id", "a"), "--label, --id cannot be given with a recipe"),
        (("--data", "x", "--label", "mood", "--base", "y"), "--base cannot be given with a table without --fine-tune"),
        (("--data", "x", "--label", "mood", "--epochs", "2"), "--epochs cannot be given with a table without"),
        (("recipe.toml", "--fine-tune"), "--fine-tune cannot be given with a recipe"),
        (("recipe.toml", "--data", "x"), "needs a folder for its checkpoints"),
    ],
)
def test_the_two_forms_do_not_mix(affectome, words, message):
    outcome = affectome("train", *words)
    assert outcome.code == 2
    assert message in " ".join(outcome.err.split())


def test_a_recipe_needs_its_corpora(affectome, monkeypatch):
    monkeypatch.delenv("AFFECTOME_DATA", raising=False)
    assert "needs the folder with the corpora" in affectome("train", "recipe.toml", "--out", "x").err
    assert "at least one thread" in affectome("train", "recipe.toml", "--threads", "0").err
