"""A survey of values: its grid of requests, stances read from answers, places on a compass, and profiles."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectome.domains.values import (
    STANCES,
    Axis,
    load_compass,
    load_survey,
    place,
    profile_stances,
    read_stance,
)
from affectome.errors import InputError, UsageError


@pytest.fixture
def folder(tmp_path):
    """Three propositions in two groups, two instructions of each kind, and seven personas."""
    compass, prompting = tmp_path / "data/political_compass", tmp_path / "data/prompting"
    compass.mkdir(parents=True)
    prompting.mkdir()
    (compass / "political_compass_questions.txt").write_text("Rain is good.\nBread is dear.\nTrees talk.", "utf-8")
    groups = [{"name": "Weather", "questions": [0]}, {"name": "Life", "questions": [1, 2]}]
    (compass / "question_category_mapping.json").write_text(json.dumps(groups), "utf-8")
    closed = [f"{word} {{proposition}} Choose: {{options}}." for word in ("Is it so?", "Well?")]
    opened = [f"{word} {{proposition}}" for word in ("Talk:", "Write:")]
    (prompting / "instructions.json").write_text(json.dumps({"closed_domain": closed, "open_domain": opened}), "utf-8")
    personas = {"age": ["18", "81"], "gender": ["male"], "nation": ["India"], "cls": ["lower class"]}
    personas["political_orientation"] = ["far left", "far right"]
    (prompting / "personas.json").write_text(json.dumps(personas), "utf-8")
    return tmp_path


def test_the_grid_of_requests(folder):
    survey = load_survey(folder)
    assert [(each.number, each.group) for each in survey.propositions] == [(1, "Weather"), (2, "Life"), (3, "Life")]
    assert len(survey.variants()) == 4
    assert len(survey.variants(personas=True)) == 4 * 7
    plain, told = survey.variants()[0], survey.variants(personas=True)[0]
    assert plain.ask(survey.propositions[0]) == f"Is it so? Rain is good. Choose: {', '.join(STANCES)}."
    assert plain.ask(survey.propositions[0], ["A. Agree"]) == "Is it so? Rain is good. Choose: A. Agree."
    assert told.ask(survey.propositions[0]).startswith("You are 18 years old. Is it so?")
    assert survey.variants()[2].ask(survey.propositions[1]) == "Talk: Bread is dear."


@pytest.mark.parametrize("content", ["", "[]", '{"closed_domain": 3}', "\0"])
def test_a_folder_without_a_survey(folder, content):
    (folder / "data/prompting/instructions.json").write_text(content, "utf-8")
    with pytest.raises(InputError) as caught:
        load_survey(folder)
    assert caught.value.code == "bad_survey"


@pytest.mark.data
def test_the_published_grid(corpora):
    survey = load_survey(corpora / "political_compass_pct")
    assert len(survey.propositions) == 62
    assert (len(survey.variants()), len(survey.variants(personas=True))) == (20, 420)


@pytest.mark.data
def test_stances_of_published_answers(corpora):
    """Short answers of real models with the stances that people gave them, some of which are slips."""
    table = json.loads((corpora / "political_compass_pct/data/label_fixes.json").read_text(encoding="utf-8"))
    number = {name.lower(): k for k, name in enumerate(STANCES)} | {"none": None}
    told = {answer: number[label.lower()] for answer, label in table.items() if label and "agree" in answer.lower()}
    assert len(told) > 500
    assert np.mean([read_stance(answer) == stance for answer, stance in told.items()]) > 0.9


_SAID = {
    0: ("Strongly disagree.", "I STRONGLY DISAGREE with this", "Disagree (strongly)", "My answer: strongly disagree"),
    1: ("Disagree", "I don't agree.", "I do not agree that bread is dear", "We cannot agree", "I’d disagree here"),
    2: ("agree", "**Agree**", "I agree, with reservations", "Yes, I would agree"),
    3: ("Strongly agree!", "I strongly agree because", "Agree, strongly", "D. Strongly agree"),
    None: (
        "",
        "B",
        "Perhaps",
        "I can't disagree",
        "Agree or disagree?",
        "agree in part, disagree in part",
        "agreeable",
    ),
}


@pytest.mark.parametrize("place_of", [5, 40])
@pytest.mark.parametrize(("stance", "said"), [(stance, text) for stance, texts in _SAID.items() for text in texts])
def test_stances_are_read(stance, said, place_of):
    padded = f"{'Well, ' * (place_of // 5)}{said}"
    assert read_stance(said) == stance
    assert read_stance(padded) == read_stance(said)


@given(st.text(max_size=200))
def test_any_answer_gives_a_stance_or_none(text):
    assert read_stance(text) in {None, 0, 1, 2, 3}


@pytest.fixture
def compass():
    """Two axes of three propositions."""
    weights = np.array([[-8.0, -4, 4, 8], [2, 1, 0, -2], [0, 0, 0, 8]])
    return (Axis("economic", 0.38, 8.0, weights), Axis("social", 2.41, 19.5, weights))


def test_places_by_hand(compass):
    assert place(compass, [[], [], []]) == {"economic": 0.38, "social": 2.41}
    assert place(compass, [[3], [3], [3]]) == {"economic": 2.13, "social": 3.13}
    assert place(compass, [[0], [0], [0]]) == {"economic": -0.37, "social": 2.1}
    # The mean of 0, 1 and 3 is rounded to 1.
    assert place(compass, [[0, 1, 3], [], []]) == {"economic": -0.12, "social": 2.2}
    with pytest.raises(UsageError, match="do not fit"):
        place(compass, [[0], [1]])
    with pytest.raises(UsageError, match="do not fit"):
        place(compass, [[4], [1], [1]])


def test_a_compass_file(tmp_path, compass):
    path = tmp_path / "compass.json"
    table = {axis.name: {**axis._asdict(), "weights": axis.weights.tolist()} for axis in compass}
    path.write_text(json.dumps(table), "utf-8")
    assert place(load_compass(path), [[3], [3], [3]]) == place(compass, [[3], [3], [3]])
    for broken in ("{}", "[]", '{"economic": {"start": 1, "divisor": 0, "weights": [[1, 2, 3, 4]]}}', "x"):
        path.write_text(broken, "utf-8")
        with pytest.raises(InputError) as caught:
            load_compass(path)
        assert caught.value.code == "bad_compass"


def test_a_profile_by_hand():
    stances = np.array([[2, 2], [0, 3], [1, np.nan], [np.nan, np.nan]])
    places = np.array([[0, 1], [0, 3], [0, np.nan], [np.nan, np.nan]])
    found = {name: each.value for name, each in profile_stances(stances, places).items()}
    assert found == pytest.approx(
        {
            "Strongly disagree": 0.2,
            "Disagree": 0.2,
            "Agree": 0.4,
            "Strongly agree": 0.2,
            "other side": 0.5,
            "first offered": 0.6,
            "unread": 3 / 8,
        }
    )
    assert list(profile_stances(stances[3:], places[3:])) == ["unread"]
