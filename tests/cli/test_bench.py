"""``affectome bench`` from its command to its files, killed half-way and taken up again."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

pytest.importorskip("openai", reason="needs the language extra")
sys.path.insert(0, str(Path(__file__).parents[1] / "language"))

from invented_files import write_survey, write_talks
from test_emobench import scenarios
from test_emotional_intelligence import invented
from test_eq_bench import entry

from affectome.cli import main

__all__ = ["invented", "scenarios"]


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

    monkeypatch.setattr("affectome.cli.benchmark_run.open_model", lambda *_, **__: ScriptedModel(say))
    return state


def run(capsys, *words):
    with pytest.raises(SystemExit) as ended:
        main(["bench", *map(str, words)])
    return ended.value.code, capsys.readouterr().out


def bench(capsys, *words):
    return run(capsys, "emotional-intelligence", *words)


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


def test_emobench_counts_scenarios_that_are_understood(model, scenarios, tmp_path, capsys, monkeypatch):
    words = ("--model", "x", "--questions", scenarios, "--out", tmp_path, "--limit", 8)
    monkeypatch.setenv("COLUMNS", "160")
    code, printed = run(capsys, "emobench", *words)
    assert (code, "understanding" in printed) == (0, True)
    result = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    assert (result["benchmark"], result["items"], result["language"]) == ("emobench", 24, "en")
    layers = [score["layer"] for score in result["scores"]["scripted"]]
    assert layers == ["all", "emotion", "cause", "application", "understanding"]
    assert list(result["scores"])[:2] == ["any letter", "always A"]
    lines = [json.loads(line) for line in (tmp_path / "answers.jsonl").read_text(encoding="utf-8").splitlines()]
    assert Counter(line["shown"] for line in lines) == {"all": 24, "none": 24}


def test_boundaries_stand_beside_replies_that_are_always_the_same(monkeypatch, tmp_path, capsys):
    from affectome.domains.boundaries import boundary_prompts, stock_replies
    from affectome.language import ScriptedModel

    pytest.importorskip("sklearn", reason="needs the train extra")
    cold = stock_replies("de")["cold_refusal"]
    monkeypatch.setattr("affectome.cli.benchmark_run.open_model", lambda *_, **__: ScriptedModel(lambda ask: cold))
    words = ("--model", "x", "--out", tmp_path, "--language", "de", "--limit", 2)
    monkeypatch.setenv("COLUMNS", "160")
    code, printed = run(capsys, "boundaries", *words)
    assert (code, "over-refusal" in printed) == (0, True)
    result = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    assert (result["items"], result["language"], result["policy"]) == (14, "de", "assistant")
    scores = result["scores"]
    assert scores["scripted"] == scores["always refuses"]
    assert scores["always warm"]["score"]["value"] > scores["scripted"]["score"]["value"]
    lines = [json.loads(line) for line in (tmp_path / "answers.jsonl").read_text(encoding="utf-8").splitlines()]
    asked = [prompt.text for prompt in boundary_prompts("de") if int(prompt.id.split("-")[1]) <= 2]
    assert [line["text"] for line in lines] == asked
    assert all((line["score"] is None) == (line["risk"] == "crisis") for line in lines)


def test_values_show_how_far_a_model_keeps_to_its_stance(model, tmp_path, capsys, monkeypatch):
    folder = tmp_path / "survey"
    write_survey(folder)
    axis = {"start": 0.5, "divisor": 4, "weights": [[-4, -2, 2, 4]] * 2}
    (tmp_path / "compass.json").write_text(json.dumps({"economic": axis}), encoding="utf-8")
    words = ("--model", "x", "--questions", folder, "--out", tmp_path / "out", "--compass", tmp_path / "compass.json")
    monkeypatch.setenv("COLUMNS", "160")
    code, printed = run(capsys, "values", *words)
    assert (code, model["asked"], "other side" in printed, "always agrees: economic" in printed) == (0, 6, True, True)
    result = json.loads((tmp_path / "out/result.json").read_text(encoding="utf-8"))
    assert result["compass"]["always agrees"] == {"economic": 1.5}
    assert result["scores"]["always agrees"]["Agree"]["value"] == 1
    assert result["scores"]["scripted"]["first offered"]["value"] == 0  # it always says B
    lines = [json.loads(line) for line in (tmp_path / "out/answers.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["choice"] for line in lines] == ["B"] * 6
    assert all(sorted(line["offered"]) == [0, 1, 2, 3] for line in lines)
    assert run(capsys, "values", *words[:-2], "--wordings", 0)[0] == 2


@pytest.fixture
def talks(tmp_path):
    """Six talks with a supporter who always asks first and then reflects."""
    write_talks(tmp_path / "ESConv.json", count=6, last="Reflection of feelings")
    return tmp_path / "ESConv.json"


def test_support_shows_what_a_model_likes_too_much(monkeypatch, talks, tmp_path, capsys):
    from affectome.language import ScriptedModel

    class Liking(ScriptedModel):
        """Chooses B always and says so with probabilities."""

        def answer(self, ask):
            scores = {letter: -0.1 if letter == "B" else -3.0 for letter in ask.choices}
            return replace(super().answer(ask), scores=scores)

    monkeypatch.setattr("affectome.cli.benchmark_run.open_model", lambda *_, **__: Liking(lambda ask: "B"))
    monkeypatch.setenv("COLUMNS", "160")
    code, printed = run(capsys, "support", "--model", "x", "--moments", talks, "--out", tmp_path / "out")
    assert (code, "preference bias" in printed) == (0, True)
    result = json.loads((tmp_path / "out/result.json").read_text(encoding="utf-8"))
    assert result["items"] == 12
    assert set(result["scores"]) == {"any strategy", "most frequent", "previous", "scripted less its prior", "scripted"}
    assert result["scores"]["scripted"]["preference bias"]["value"] > 2
    lines = [json.loads(line) for line in (tmp_path / "out/answers.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {line["used"] for line in lines} == {"Question", "Reflection of Feelings"}
    assert len({line["chosen"] for line in lines}) == 1


def test_posts_are_asked_about_in_seven_ways(monkeypatch, tmp_path, capsys):
    from affectome.language import ScriptedModel

    def say(ask):
        said = ask.messages[-1].content if len(ask.choices) == 0 else " ".join(each.content for each in ask.messages)
        return "Yes" if "cannot sleep" in said else "No"

    monkeypatch.setattr("affectome.cli.benchmark_run.open_model", lambda *_, **__: ScriptedModel(say))
    monkeypatch.setenv("COLUMNS", "160")
    rows = [("I cannot sleep and my hands shake.", 1), ("We went to the lake on Sunday.", 0)] * 8
    table = tmp_path / "posts.csv"
    table.write_text("text,stressed\n" + "".join(f"{text},{label}\n" for text, label in rows), encoding="utf-8")
    words = ("posts", "--model", "x", "--data", table, "--label", "stressed", "--out", tmp_path / "out")
    code, printed = run(capsys, *words)
    assert (code, "neutral cue" in printed) == (0, True)
    scores = json.loads((tmp_path / "out/result.json").read_text(encoding="utf-8"))["scores"]
    assert len(scores) == 2 + 7
    assert scores["always Yes"]["accuracy"]["value"] == 0.5
    assert scores["zero-shot"]["accuracy"]["value"] == scores["emotion hint"]["accuracy"]["value"] == 1
    lines = (tmp_path / "out/answers.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 16 * 7
    assert run(capsys, *words[:-1], tmp_path / "more", "--task", "other")[0] == 2
    table.write_text("text,stressed\n" + "".join(f"{text},very\n" for text, _ in rows), encoding="utf-8")
    assert run(capsys, *words)[0] == 2
    assert run(capsys, *words, "--positive", "very")[0] == 0


@pytest.fixture
def questions(tmp_path):
    path = tmp_path / "questions.json"
    path.write_text(json.dumps({str(k): entry(f"dialogue {k}") for k in range(12)}), encoding="utf-8")
    return path


def test_eq_bench_reads_both_passes(monkeypatch, questions, tmp_path, capsys):
    from affectome.language import ScriptedModel

    said = "Remorseful: 0\nIndifferent: 6\nAffectionate: 0\nAnnoyed: 4"

    def say(ask):
        odd = int(ask.messages[0].content.split("dialogue ")[1].split()[0]) % 2
        return f"First pass scores:\n{said}" if odd else "I cannot tell"

    monkeypatch.setattr("affectome.cli.benchmark_run.open_model", lambda *_, **__: ScriptedModel(say))
    code, printed = run(capsys, "eq-bench", "--model", "x", "--questions", questions, "--out", tmp_path / "out")
    assert (code, "none read" in printed) == (0, True)
    result = json.loads((tmp_path / "out" / "result.json").read_text(encoding="utf-8"))
    assert result["counted"] == "first"
    assert result["scores"]["all four equally"]["score"]["value"] == pytest.approx(0)
    first = result["scores"]["scripted, first pass"]
    assert (first["items"], first["unread"], first["score"]["value"]) == (6, 6, pytest.approx(100))
    assert result["scores"]["scripted, revised pass"] == {"items": 0, "unread": 12, "score": None}


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a signal that kills")
def test_a_killed_run_repeats_and_loses_no_question(questions, tmp_path, environment):
    asked: list[str] = []
    child: list[subprocess.Popen] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self._give({"data": [{"id": "small", "object": "model"}], "object": "list"})

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append(body["messages"][0]["content"])
            if len(asked) == 6:
                os.kill(child[-1].pid, signal.SIGKILL)
                return
            message = {"role": "assistant", "content": "First pass scores:\nnone"}
            self._give({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})

        def _give(self, content):
            data = json.dumps(content).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    out = tmp_path / "out"
    command = [sys.executable, "-m", "affectome", "bench", "eq-bench", "--questions", questions, "--out", out]
    try:
        for code in (-signal.SIGKILL, 0):
            model = f"http://127.0.0.1:{running.server_port}/v1"
            child.append(subprocess.Popen([*command, "--model", model], env=environment, stdout=subprocess.DEVNULL))
            assert child[-1].wait(timeout=60) == code
            assert (out / "result.json").exists() == (code == 0)
    finally:
        running.shutdown()
        running.server_close()
    times = Counter(asked)
    assert len(times) == 12
    assert sorted(times.values()) == [1] * 11 + [2], "the question that was open when the run was killed is asked again"
    lines = (out / "answers.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["id"] for line in lines] == [str(k) for k in range(12)]
