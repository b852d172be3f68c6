import json
from collections import Counter

import pytest

pytest.importorskip("torch", reason="needs the train extra")

from affectome.errors import InputError, UsageError
from affectome.evaluate import near_duplicates
from affectome.language.inside.scenarios import (
    EMOTIONS,
    VALENCES,
    halve_themes,
    load_situations,
    opening,
    plain_prompt,
    tone_prompt,
)

pytestmark = pytest.mark.train
EVENT = {"positive": "It bloomed.", "neutral": "It grew.", "negative": "It died."}


def test_the_shipped_set_is_balanced_and_says_nothing_twice():
    found = load_situations()
    assert len(found) == 8 * 6 * 3
    assert set(Counter((each.theme, each.valence) for each in found).values()) == {6}
    assert len(set(near_duplicates([each.text for each in found]))) == len(found)


def test_no_situation_names_what_is_to_be_felt():
    words = {opening(emotion, k).split()[3].rstrip(".") for emotion in EMOTIONS for k in range(8)}
    for each in load_situations():
        assert not words & set(each.text.lower().replace(".", "").replace(",", "").split()), each.text


def test_a_file_of_scenarios_is_read(tmp_path):
    path = tmp_path / "set.jsonl"
    path.write_text(json.dumps({"theme": "garden", "scenario": "I planted a rose", "event": EVENT}) + "\n\n")
    found = load_situations(path)
    assert [each.valence for each in found] == list(VALENCES)
    assert found[2].text == "I planted a rose. It died."


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("", "bad_scenarios"),
        ("rose", "bad_scenarios"),
        ("[1]", "bad_scenarios"),
        ('{"theme": "garden", "scenario": "I planted a rose"}', "bad_scenarios"),
        ('{"theme": "garden", "scenario": 3, "event": {}}', "bad_scenarios"),
        (None, "missing_file"),
    ],
)
def test_other_files_are_refused(tmp_path, content, code):
    path = tmp_path / "set.jsonl"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError) as caught:
        load_situations(path)
    assert caught.value.code == code


def test_halves_share_no_theme():
    found = load_situations()
    first, second = ({found[k].theme for k in rows} for rows in halve_themes(found))
    assert len(first) == len(second) == 4
    assert not first & second
    with pytest.raises(InputError) as caught:
        halve_themes(found[:54])  # three themes
    assert caught.value.code == "few_themes"


def test_every_theme_has_words_of_its_own():
    openings = [opening(emotion, k) for emotion in EMOTIONS for k in range(8)]
    assert len(set(openings)) == len(openings)
    assert opening("joy", 8) == opening("joy", 0)


def test_prompts_differ_by_what_they_are_to_differ_by():
    situation = load_situations()[0]
    plain, told = plain_prompt(situation), tone_prompt(situation, "fear")
    shown = tone_prompt(situation, "fear", examples=True)
    assert plain[-1] == told[-1] == shown[-1]
    assert "fear" in told[0].content
    assert not any(emotion in plain[0].content for emotion in EMOTIONS)
    assert [turn.role for turn in shown] == ["system", *["user", "assistant"] * 2, "user"]


def test_other_emotions_are_refused():
    for ask in (lambda: opening("hope", 0), lambda: tone_prompt(load_situations()[0], "hope")):
        with pytest.raises(UsageError) as caught:
            ask()
        assert caught.value.code == "unknown_emotion"
