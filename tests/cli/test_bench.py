"""``affectome bench`` from its command to its files, killed half-way and taken up again."""

import json
import sys
from pathlib import Path

import pytest

pytest.importorskip("openai", reason="needs the language extra")
sys.path.insert(0, str(Path(__file__).parents[1] / "language"))

from test_emotional_intelligence import invented

from affectome.cli import main

__all__ = ["invented"]


@pytest.fixture
def model(monkeypatch):
    """A scripted model in place of the one that is named; it counts, and may break."""
    from affectome.language import ScriptedModel

    state = {"asked": 0, "breaks_at": None}

    def say(ask):
        state["asked"] += 1
        if state["asked"] == state["breaks_at"]:
            raise KeyboardInterrupt
        return "B"

    monkeypatch.setattr("affectome.cli.bench.open_model", lambda *_, **__: ScriptedModel(say))
    return state


def bench(capsys, *words):
    with pytest.raises(SystemExit) as ended:
        main(["bench", "emotional-intelligence", *map(str, words)])
    return ended.value.code, capsys.readouterr().out


def test_from_the_command_to_the_files(model, invented, tmp_path, capsys):
    code, printed = bench(capsys, "--model", "x", "--data", invented, "--out", tmp_path, "--limit", 8)
    assert code == 0
    assert model["asked"] == 3 * 32
    assert all(name in printed for name in ("always A", "any letter", "0.250"))
    result = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    assert (result["items"], result["scripted"]) == (32, True)
    assert result["scores"]["scripted"][0]["accuracy"]["value"] == 0.25
    lines = (tmp_path / "answers.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 96
    assert json.loads(lines[0])["choice"] == 1


def test_an_interrupted_run_asks_nothing_twice(model, invented, tmp_path, capsys):
    words = ("--model", "x", "--data", invented, "--out", tmp_path, "--limit", 4)
    model["breaks_at"] = 20
    assert bench(capsys, *words)[0] == 130
    assert not (tmp_path / "result.json").exists()
    model["breaks_at"] = None
    assert bench(capsys, *words)[0] == 0
    assert model["asked"] == 48 + 1  # the one that broke is asked again
    first = (tmp_path / "result.json").read_bytes()
    assert bench(capsys, *words)[0] == 0
    assert (model["asked"], (tmp_path / "result.json").read_bytes()) == (49, first)


def test_without_a_corpus(model, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("AFFECTOME_DATA", raising=False)
    assert bench(capsys, "--model", "x", "--out", tmp_path)[0] == 2
