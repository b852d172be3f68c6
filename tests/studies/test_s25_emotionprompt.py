"""Reading the tasks, drawing parts, counting tokens, and the whole study on made-up tasks with a scripted model."""

import gzip
import json
from collections import Counter

import numpy as np
import pytest

from affectome.errors import InputError
from affectome.language import ScriptedModel
from affectome.language.prompt_changes import Prompt, list_stimuli
from affectome.studies import StudySettings, run_study
from affectome.studies import s25_emotionprompt as study
from affectome.studies.s25_emotionprompt import Question, draw_parts, load_questions, right_answers

NOUNS = ("apples", "books", "cats", "doors", "eggs", "forks", "gates", "hats", "inks", "jars", "kites", "lamps")


def write(folder):
    """The four tasks with 24 items each, half of each answer, in both published layouts."""
    for task in study.tomllib.loads(study._TASKS.read_text())["tasks"]:
        golds = list(task["answers"])
        rows = []
        for k in range(24):
            text = f"{NOUNS[k % 12]} {'and ' * (k // 12)}number {k} in {task['name']}  here"
            gold = golds[k % 2]
            scores = {each: float(each == gold) for each in golds}
            rows.append({"input": text, **({"output": gold} if "raw" in task["file"] else {"target_scores": scores})})
        rows.append(rows[0] | {"input": "word " * 80})
        examples = {str(k): row for k, row in enumerate(rows, start=1)} if "raw" in task["file"] else rows
        content = json.dumps({"examples": examples}).encode()
        path = folder / task["file"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return folder


def test_the_tasks_are_read(tmp_path):
    questions = load_questions(write(tmp_path / study._FOLDER))
    assert len(questions) == 4 * 24  # the long ones are left out
    assert Counter(question.gold for question in questions)["different"] == 12
    assert questions[0] == Question(
        "sentiment",
        Prompt(
            "Is the opinion in the review positive or negative?",
            "apples number 0 in sentiment here",
            ("positive", "negative"),
        ),
        "positive",
    )


@pytest.mark.parametrize("content", [b"no json", b"{}", b'{"examples": [{}]}', b'{"examples": [{"input": "a"}]}'])
def test_what_is_no_task(tmp_path, content):
    folder = write(tmp_path)
    (folder / "bigbench-ii/implicatures/task.json").write_bytes(content)
    with pytest.raises(InputError) as error:
        load_questions(folder)
    assert error.value.code == "bad_corpus"


def test_parts_are_balanced_and_apart(tmp_path):
    questions = load_questions(write(tmp_path))
    dev, test = draw_parts(questions, 4, 6, 0)
    assert not set(dev) & set(test)
    for part, each in ((dev, 2), (test, 3)):
        found = Counter((questions[k].task, questions[k].gold) for k in part)
        assert set(found.values()) == {each}
        assert len(found) == 8
    assert draw_parts(questions, 4, 6, 1)[0].tolist() != dev.tolist()


def test_items_that_are_alike_are_drawn_once():
    same = [
        Question("t", Prompt("?", "the very same long text stands here again", ("a", "b")), gold) for gold in "aabb"
    ]
    dev, test = draw_parts(same, 2, 2, 0)
    assert len(dev) + len(test) == 1


def test_answers_that_cannot_be_read():
    questions = [Question("t", Prompt("?", text, ("a", "b")), "a") for text in ("a", "b", "c")]
    model = ScriptedModel(lambda ask: ask.messages[0].content.split("\n\n")[1])
    assert np.array_equal(right_answers(model, questions, None), [1, 0, np.nan], equal_nan=True)


@pytest.fixture
def settings(tmp_path):
    write(tmp_path / "data" / study._FOLDER)
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "model.safetensors").write_bytes(b"")
    return StudySettings(tmp_path / "data", tmp_path / "out", base=tmp_path / "base", threads=1)


@pytest.mark.train
@pytest.mark.parametrize("works", [True, False])
def test_the_whole_study_on_toys(settings, monkeypatch, works):
    """A model that is right where it is told to be proud, or nowhere but by chance."""
    pride = next(stimulus.sentence for stimulus in list_stimuli() if stimulus.sentence.name == "pride")

    def say(ask):
        if works and pride.text in ask.messages[0].content:
            return ask.choices[int(ask.messages[0].content.split("number ")[1].split()[0]) % 2]
        return ask.choices[0]

    monkeypatch.setattr(study, "open_model", lambda *_, **__: ScriptedModel(say))
    monkeypatch.setattr(study, "_PLANTED", ((1, 200),))
    monkeypatch.setattr(study, "_RUNS", 20)
    monkeypatch.setattr(study, "_DEV", 4)
    monkeypatch.setattr(study, "_TEST", 16)
    result = run_study(study.STUDY, settings)
    _, dev, test, tasks = result.outcome.tables
    assert [row.role for row in dev.rows] == ["baseline"] * 2 + ["control", "result"] * 11
    assert [row.role for row in test.rows] == ["baseline", "baseline", "control", "result"]
    assert [row.role for row in tasks.rows] == ["baseline", "control", "result"]
    chosen = test.rows[3]
    claims = {claim.text: claim for claim in result.outcome.claims}
    (over,) = (claim for text, claim in claims.items() if "over its neutral control" in text)
    assert over.holds is works
    assert claims["tokens by which a control differs from its stimulus, at most"].value == 0
    assert result.vaults[0]["rows"] == 64
    if works:
        assert chosen.predictor == "pride"
        assert (chosen.values["right"].value, chosen.values["gain"].value) == (1, 0.5)
        assert "'pride' helped: 32 items won and 0 lost" in result.outcome.notes[3]
    else:
        assert chosen.values["gain"].value == 0
        assert "did not help" in result.outcome.notes[3]


@pytest.mark.data
def test_the_published_tasks(corpora):
    found = Counter(question.task for question in load_questions(corpora / study._FOLDER))
    assert found["sentiment"] == 100
    assert all(count >= 90 for count in found.values())
