"""Questions about scenarios keep their right answers, wherever the options stand."""

import json
from collections import Counter

import pytest

from affectome.errors import InputError, UsageError
from affectome.language import ScriptedModel
from affectome.language.benchmark import Answer, ask_all, choose_at_random, score_layers
from affectome.language.emobench import load_emobench, score_understanding


def understanding(number, language="en"):
    return {
        "qid": str(number),
        "language": language,
        "coarse_category": "cues",
        "scenario": f"Scene {number}.",
        "subject": "Ada",
        "emotion_choices": ["Joy", "Fear", "Anger", "Pride", "Guilt", "Hope"],
        "emotion_label": "Fear",
        "cause_choices": ["one", "two", "three", "four"],
        "cause_label": "four",
    }


def application(number, language="en"):
    return {
        "qid": str(number),
        "language": language,
        "category": "Social-Self",
        "question type": ("Action", "Response")[number % 2],
        "scenario": f"Scene {number}.",
        "subject": "Ada",
        "choices": ["leave", "stay", "ask", "wait"],
        "label": "ask",
    }


def write(folder, understood, applied):
    for name, rows in (("EU", understood), ("EA", applied)):
        folder.joinpath(f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


@pytest.fixture(scope="session")
def scenarios(tmp_path_factory):
    """A folder with the two files."""
    folder = tmp_path_factory.mktemp("emobench")
    both = [(k, language) for k in range(40) for language in ("en", "zh")]
    write(folder, [understanding(*each) for each in both], [application(*each) for each in both])
    return folder


def test_two_questions_of_understanding_and_one_of_application(scenarios):
    questions = load_emobench(scenarios)
    assert Counter(question.layer for question in questions) == {"emotion": 40, "cause": 40, "application": 40}
    assert len({question.id for question in questions}) == 120
    right = {"emotion": "Fear", "cause": "four", "application": "ask"}
    assert all(question.options[question.gold] == right[question.layer] for question in questions)
    assert all(len({each.gold for each in questions if each.layer == layer}) >= 4 for layer in right)
    assert load_emobench(scenarios, seed=1) != questions == load_emobench(scenarios)


def test_the_request_shows_scenario_and_options_in_the_language(scenarios):
    question = load_emobench(scenarios)[0]
    ask = question.ask()
    assert ask.choices == tuple("ABCDEF")
    assert "Scenario: Scene 0." in ask.messages[1].content
    assert f"{ask.choices[question.gold]}) Fear" in ask.messages[1].content
    assert "Scene 0" not in question.ask("none").messages[1].content
    assert "情景：Scene 0." in load_emobench(scenarios, "zh")[0].ask().messages[1].content
    said, done = (each for each in load_emobench(scenarios)[-1:-3:-1])
    assert ("say" in said.question, "do" in done.question) == (True, True)


def test_understanding_wants_feeling_and_cause(scenarios):
    first, second = [each for each in load_emobench(scenarios) if each.layer != "application"][:2]
    wrong = (second.gold + 1) % 4
    assert score_understanding([Answer(first, first.gold, ""), Answer(second, second.gold, "")]).accuracy.value == 1
    assert score_understanding([Answer(first, first.gold, ""), Answer(second, wrong, "")]).accuracy.value == 0
    half = score_understanding([Answer(first, first.gold, ""), Answer(second, -1, "no_choice")])
    assert (half.items, half.unread, half.accuracy) == (0, 1, None)


def test_who_does_not_read_is_at_chance(scenarios):
    questions = load_emobench(scenarios)
    whole, *layers = score_layers(choose_at_random(questions * 30))
    assert whole.accuracy.value == pytest.approx((1 / 6 + 1 / 4 + 1 / 4) / 3, abs=0.03)
    assert [score.layer for score in layers] == ["emotion", "cause", "application"]
    answers = ask_all(ScriptedModel(lambda ask: ask.choices[-1]), questions)
    assert all(answer.choice == len(answer.item.options) - 1 for answer in answers)


def test_other_languages_and_layouts_are_refused(scenarios, tmp_path):
    with pytest.raises(UsageError) as caught:
        load_emobench(scenarios, "fr")
    assert caught.value.allowed == ("en", "zh")
    with pytest.raises(InputError) as caught:
        load_emobench(tmp_path)
    assert caught.value.code == "missing_data_set"
    for rows in ([understanding(0) | {"emotion_label": "Envy"}], [{"language": "en"}], [understanding(0, "de")]):
        write(tmp_path, rows, [])
        with pytest.raises(InputError) as caught:
            load_emobench(tmp_path)
        assert caught.value.code == "bad_corpus"


@pytest.mark.data
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_published_scenarios(corpora, language):
    if not (corpora / "emobench").is_dir():
        pytest.skip("AFFECTOME_DATA has no emobench")
    layers = Counter(question.layer for question in load_emobench(corpora / "emobench", language))
    assert layers == {"emotion": 200, "cause": 200, "application": 200}
