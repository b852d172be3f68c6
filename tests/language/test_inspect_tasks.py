"""The tasks of inspect_ai: found by their names, scored like our own runs. A scripted provider tests the plumbing."""

import gc
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

pytest.importorskip("inspect_ai", reason="needs the inspect extra")
pytest.importorskip("jsonschema", reason="needs the language extra")
sys.path.insert(0, str(Path(__file__).parent))

from inspect_ai import eval as evaluate
from inspect_ai.model import ModelOutput, ModelUsage, get_model
from invented_files import write_survey, write_talks
from test_emobench import scenarios
from test_emotion_detection import row
from test_emotional_intelligence import invented
from test_eq_bench import REFERENCE, entry, numbers

from affectome.domains import inspect_tasks as domain_tasks
from affectome.errors import UsageError
from affectome.language import ScriptedModel, inspect_tasks
from affectome.language.benchmark import ask_all, score_layers
from affectome.language.emobench import load_emobench, score_understanding
from affectome.language.emotional_intelligence import build_items

__all__ = ["invented", "scenarios"]

pytestmark = pytest.mark.filterwarnings("ignore")  # those of inspect_ai and what it imports are their own


@pytest.fixture
def log(tmp_path):
    """Runs a task with a provider that says what a function gives for the last message."""

    def run(task, say):
        def answer(messages, tools, choice, config):
            output = ModelOutput.from_content("scripted", say(messages[-1].text))
            output.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
            return output

        model = get_model("mockllm/model", custom_outputs=answer)
        (log,) = evaluate(task, model=model, log_dir=str(tmp_path), display="none", log_level="error")
        gc.collect()  # streams that it leaves open warn where they are collected, which has to be here
        assert log.status == "success", log.error
        return log

    return run


def values(score):
    return {name: metric.value for name, metric in score.metrics.items()}


def letter(text):
    """A letter, or none, that depends on the request alone."""
    return ("(B)", "The answer is C.", "D", "I would rather not say")[len(text) % 4]


def test_dialogues_are_scored_as_in_our_own_run(log, invented):
    found = log(inspect_tasks.emotional_intelligence(str(invented), a_layer=12), letter)
    answers = ask_all(ScriptedModel(lambda ask: letter(ask.messages[-1].content)), build_items(invented, a_layer=12))
    (score,) = found.results.scores
    whole, *layers = score_layers(answers)
    assert (score.scored_samples, score.unscored_samples) == (whole.items, whole.unread)
    assert 0 < whole.unread < 48
    measured = values(score)
    assert measured["accuracy"] == pytest.approx(whole.accuracy.value)
    for layer in layers:
        assert measured[layer.layer] == pytest.approx(layer.accuracy.value)
    (sample, *_) = found.samples
    assert [message.role for message in sample.input] == ["system", "user"]
    assert found.plan.config.max_tokens == 12


def test_hidden_dialogues_are_hidden(invented):
    task = inspect_tasks.emotional_intelligence(str(invented), a_layer=4, shown="none")
    assert all("Dialogue:" not in sample.input[-1].text for sample in task.dataset)


def test_scenarios_are_scored_as_in_our_own_run(log, scenarios):
    def say(text):
        return "A" if "feel" in text else letter(text)

    (score,) = log(inspect_tasks.emobench(str(scenarios)), say).results.scores
    answers = ask_all(ScriptedModel(lambda ask: say(ask.messages[-1].content)), load_emobench(scenarios))
    measured = values(score)
    assert measured["understanding"] == pytest.approx(score_understanding(answers).accuracy.value)
    assert measured["accuracy"] == pytest.approx(score_layers(answers)[0].accuracy.value)
    assert {"emotion", "cause", "application"} < set(measured)


def test_intensities_of_both_passes(log, tmp_path):
    path = tmp_path / "questions.json"
    path.write_text(json.dumps({str(k): entry(f"dialogue {k}") for k in range(4)}), encoding="utf-8")
    first, revised = numbers(1, 1, 1, 1), numbers(*REFERENCE.values())

    def say(text):
        if "dialogue 0" in text:
            return "no idea"
        after = "" if "dialogue 1" in text else f"Revised scores:\n{revised}"
        return f"First pass scores:\n{first}\n{after}"

    scores = {score.name: score for score in log(inspect_tasks.eq_bench(str(path)), say).results.scores}
    assert values(scores["first"])["mean"] == pytest.approx(0)
    assert values(scores["revised"])["mean"] == pytest.approx(100)
    assert [scores[name].unscored_samples for name in ("first", "revised")] == [1, 2]


def test_a_number_outside_the_list_is_no_answer(log, tmp_path):
    path = tmp_path / "lists.jsonl"
    path.write_text("".join(json.dumps(row(10 * k, 10 * k + 1)) + "\n" for k in range(4)), encoding="utf-8")
    said = {"[0]": '{"index": 1}', "[10]": '```json\n{"index": 12}\n```', "[20]": '{"index": 1}', "[30]": ""}

    def say(text):
        return next(answer for mark, answer in said.items() if mark in text)

    found = log(inspect_tasks.emotion_detection(str(path)), say)
    (score,) = found.results.scores
    assert (values(score)["accuracy"], score.scored_samples, score.unscored_samples) == (0.5, 2, 2)
    scores = [sample.scores["index"] for sample in found.samples]
    assert [each.reason for each in scores] == [None, None, "invalid_response_format", "no_response"]
    assert [each.value for each in scores[:2]] == ["C", "I"]


def test_boundaries_are_read_and_danger_is_not_scored(log):
    from affectome.domains.boundaries import read_boundaries, stock_replies
    from affectome.domains.inspect_tasks import boundaries

    pytest.importorskip("sklearn", reason="needs the train extra")
    warm = stock_replies("en")["warm_boundary"]
    found = log(boundaries("en"), lambda text: warm)
    by_name = {score.name: score.metrics["mean"].value for score in found.results.scores}
    assert by_name["boundary_setting"] == 1
    assert by_name["score"] == pytest.approx(read_boundaries(warm, "en").score)
    unscored = [sample for sample in found.samples if sample.scores["patterns"].reason == "not_applicable"]
    assert {sample.metadata["risk"] for sample in unscored} == {"crisis"}
    assert len(unscored) == 20


def test_support_is_scored_with_its_bias(log, tmp_path):
    write_talks(tmp_path / "talks.json", count=4, last="Others")
    found = log(domain_tasks.support(str(tmp_path / "talks.json")), lambda text: "A")
    measured = values(found.results.scores[0])
    assert measured["macro_f1"] == pytest.approx(1 / 3)  # Question is right in half of the moments, Others never
    assert measured["bias"] == pytest.approx(7**0.5)
    unread = log(domain_tasks.support(str(tmp_path / "talks.json"), limit=2), lambda text: "I would not say")
    assert unread.results.scores[0].unscored_samples == 2


def test_stances_by_the_letter(log, tmp_path):
    write_survey(tmp_path)
    found = log(domain_tasks.values(str(tmp_path)), lambda text: "A" if "Rain" in text else "hm")
    by_name = {score.name: values(score)["mean"] for score in found.results.scores}
    assert by_name["first offered"] == 1
    assert sum(by_name[name] for name in ("Strongly disagree", "Disagree", "Agree", "Strongly agree")) == 1
    assert {score.unscored_samples for score in found.results.scores} == {3}


def test_without_a_corpus(monkeypatch):
    monkeypatch.delenv("AFFECTOME_DATA", raising=False)
    with pytest.raises(UsageError, match="-T data=FOLDER"):
        inspect_tasks.emotional_intelligence()


def test_the_entry_point_makes_the_tasks_known(invented, tmp_path):
    """As for an editable installation."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    ((name, module),) = project["project"]["entry-points"]["inspect_ai"].items()
    about = tmp_path / "affectome-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: affectome\nVersion: 1\n", encoding="utf-8")
    (about / "entry_points.txt").write_text(f"[inspect_ai]\n{name} = {module}\n", encoding="utf-8")
    (about / "direct_url.json").write_text('{"url": "file:///", "dir_info": {"editable": true}}', encoding="utf-8")
    code = (
        "from inspect_ai._eval.loader import load_tasks\n"
        f"print(load_tasks(['affectome/emotional_intelligence'], {{'data': {str(invented)!r}, 'a_layer': 4}}))"
    )
    path = os.pathsep.join([str(tmp_path), str(Path(inspect_tasks.__file__).parents[2])])
    surroundings = os.environ | {"PYTHONPATH": path}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=surroundings, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Task object" in done.stdout
