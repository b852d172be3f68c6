"""Questions are made from what people marked, with right answers everywhere equally often."""

import json
from collections import Counter

import numpy as np
import pytest

from affectome.errors import InputError
from affectome.language import ScriptedModel
from affectome.language.benchmark import ask_all, choose_always, choose_at_random, score_layers
from affectome.language.emotional_intelligence import LAYERS, LETTERS, build_items, load_dialogues

FEELINGS = ("happiness", "surprise", "anger", "fear", "disgust", "sadness")


def turn(number, speaker, text, feeling="neutral", causes=()):
    return {
        "turn": number,
        "speaker": speaker,
        "utterance": text,
        "emotion": feeling,
        "expanded emotion cause evidence": [*causes, "b"],
    }


@pytest.fixture(scope="session")
def invented(tmp_path_factory):
    """Dialogues of eight turns in which feelings come and go."""
    rng = np.random.default_rng(0)
    dialogues = {}
    for k in range(160):
        one, other = (FEELINGS[(k + shift) % 6] for shift in (0, int(rng.integers(1, 6))))
        said = [f"turn {j} of dialogue {k} about {'this ' * rng.integers(9)}thing" for j in range(8)]
        turns = [turn(j + 1, "AB"[j % 2], said[j]) for j in range(8)]
        turns[2] = turn(3, "A", said[2], one, [3])
        turns[6] = turn(7, "A", said[6], other, [2])
        turns[5] = turn(6, "B", said[5], ["neutral", "happy"][k % 2], [1])
        dialogues[f"d{k}"] = [turns]
    data = tmp_path_factory.mktemp("corpora")
    (data / "reccon").mkdir()
    (data / "reccon" / "dailydialog_test.json").write_text(json.dumps(dialogues), encoding="utf-8")
    return data


@pytest.fixture(scope="session")
def items(invented):
    return build_items(invented, a_layer=24)


def test_right_answers_are_spread_evenly(items):
    assert Counter(item.layer for item in items) == dict.fromkeys(LAYERS, 24)
    for layer in LAYERS:
        own = [item for item in items if item.layer == layer]
        assert Counter(item.gold for item in own) == dict.fromkeys(range(4), 6)
        assert len({item.dialogue for item in own}) == 24
        assert all(len(set(item.options)) == 4 for item in own)
    feelings = Counter(item.options[item.gold] for item in items if item.layer == "foundational")
    assert feelings == dict.fromkeys(FEELINGS, 4)
    directions = Counter(item.options[item.gold] for item in items if item.layer == "dimensional")
    assert set(directions.values()) == {6}


def test_the_options_alone_do_not_tell_the_right_one(items):
    directions = [item for item in items if item.layer == "dimensional"]
    for option in directions[0].options:
        places = {item.gold for item in directions if item.options[item.gold] == option}
        assert len(places) > 1, "a direction is always right at the same letter"
    assert len({item.options.index(directions[0].options[0]) for item in directions}) == 4
    for layer in ("appraisal", "social"):
        options = [(item.options, item.options[item.gold]) for item in items if item.layer == layer]
        ranks = Counter(sum(len(other) < len(right) for other in some) for some, right in options)
        assert ranks == dict.fromkeys(range(4), 6), "right answers are not of every length"


def test_answers_are_what_people_marked(items, invented):
    dialogues = load_dialogues(invented / "reccon")
    for item in items:
        turns = dialogues[item.dialogue]
        k = int(item.id.split("/")[-1])
        right = item.options[item.gold]
        if item.layer == "foundational":
            assert right == turns[k].feeling
        elif item.layer == "appraisal":
            (cause,) = [c for c in turns[k].causes if c < k]
            assert right == turns[cause].text
        elif item.layer == "social":
            assert right == turns[k].text
            assert [text for _, text in item.turns] == [each.text for each in turns[:k]]


def test_the_same_seed_gives_the_same_items(invented, items):
    assert build_items(invented, a_layer=24) == items
    assert build_items(invented, a_layer=24, seed=1) != items


def test_what_is_shown_can_be_less(items):
    item = items[0]
    asked = {shown: item.ask(shown).messages[-1].content for shown in ("all", "last", "none")}
    assert asked["all"].count("of dialogue") > asked["last"].count("of dialogue") >= 1
    assert "Dialogue:" not in asked["none"]
    assert all(text.count("\nA) ") == 1 for text in asked.values())


def test_options_move_on_together_with_the_right_one(items):
    item = items[5]
    moved = item.turned(3)
    assert moved.options[moved.gold] == item.options[item.gold]
    assert moved.turned(1) == item


def test_scores_of_who_knows_who_guesses_and_who_cannot_be_read(items):
    right = {item.ask().messages[-1].content: LETTERS[item.gold] for item in items}
    oracle = ask_all(ScriptedModel(lambda ask: right[ask.messages[-1].content]), items)
    assert [score.accuracy.value for score in score_layers(oracle)] == [1.0] * 5
    assert score_layers(choose_always(items))[0].accuracy.value == pytest.approx(0.25)
    assert abs(score_layers(choose_at_random(items * 20))[0].accuracy.value - 0.25) < 0.04
    mute = ask_all(ScriptedModel(lambda ask: "I would rather not say"), items)
    (whole, *_) = score_layers(mute)
    assert (whole.items, whole.unread, whole.accuracy) == (0, len(items), None)


def test_unread_answers_are_counted_apart(items):
    half = ask_all(ScriptedModel(lambda ask: "A" if "dialogue 1" in ask.messages[-1].content else "hm"), items)
    (whole, *_) = score_layers(half)
    assert whole.items + whole.unread == len(items)
    assert 0 < whole.unread < len(items)


@pytest.mark.parametrize("content", ["{", "[]", '{"a": [[{"turn": 1}]]}', '{"a": []}'])
def test_a_corpus_in_another_layout_is_refused(tmp_path, content):
    (tmp_path / "reccon").mkdir()
    with pytest.raises(InputError) as caught:
        build_items(tmp_path)
    assert caught.value.code == "missing_data_set"
    (tmp_path / "reccon" / "dailydialog_test.json").write_text(content)
    with pytest.raises(InputError) as caught:
        build_items(tmp_path)
    assert caught.value.code == "bad_corpus"


@pytest.mark.data
def test_the_corpus_gives_enough_items(corpora):
    if not (corpora / "reccon").is_dir():
        pytest.skip("AFFECTOME_DATA has no reccon")
    items = build_items(corpora)
    assert len(items) >= 600
    assert set(Counter(item.gold for item in items).values()) == {len(items) // 4}
