"""Questions that give themselves away are found out, and models that read are told from those that do not."""

import numpy as np
import pytest

from affectome.language import ScriptedModel
from affectome.language.emotional_intelligence import LAYERS, LETTERS, Item
from affectome.studies import s27_eicap as study

WORDS = ["glad", "angry", "afraid", "sad", "calm", "tense"]


def _items(count=80, *, given_away=False):
    """Questions whose right option is the word of the last turn, or always the same word."""
    rng = np.random.default_rng(0)
    items = []
    for k in range(count):
        words = [str(word) for word in rng.choice(WORDS, 4, replace=False)]
        gold = k % 4
        if given_away:
            words[gold] = "certainly"
        turns = (("A", f"I began {words[(gold + 1) % 4]}"), ("B", f"now I am {words[gold]}"))
        layer = LAYERS[k // 4 % 4]
        items.append(Item(f"{layer}/{k}", layer, f"d{k}", turns, "How does B feel?", tuple(words), gold))
    return items


def _reads(ask):
    """The letter of the word of the last turn that is shown, else the first."""
    shown, asked = ask.messages[-1].content.split("Question:")
    said = shown.split()[-1] if "now I am" in shown else "?"
    options = [line[3:] for line in asked.splitlines() if line[:1] in LETTERS and line[1:2] == ")"]
    return LETTERS[options.index(said)] if said in options else "A"


@pytest.fixture
def sparse():
    return pytest.importorskip("sklearn", reason="needs the train extra")


def test_the_probe_finds_what_options_give_away(sparse):
    fair, unfair = _items(), _items(given_away=True)
    assert (study._probe(unfair) == study._gold(unfair)).mean() == 1
    assert (study._probe(fair) == study._gold(fair)).mean() < 0.45


def test_who_does_not_read_has_no_skill(sparse):
    items = _items()
    choices = study._without_model(items, 0)
    assert [role for role, _ in choices.values()] == ["baseline"] * 3
    assert (choices["always A"][1] == study._gold(items)).mean() == 0.25


def test_a_model_that_reads_needs_the_dialogue(context, sparse):
    items = _items()
    choices, order = study._ask(context, ScriptedModel(_reads), items)
    right = {name: (chosen == study._gold(items)).mean() for name, (_, chosen) in choices.items()}
    assert right == {study._NONE: 0.25, study._LAST: 1.0, study._WHOLE: 1.0}
    assert [row.role for row in order.rows] == ["baseline", "result"]
    assert set(order.rows[1].values.values()) == {1.0}
    claims = study._about_model(items, choices, 0)
    assert [claim.holds for claim in claims] == [True, False]


def test_a_model_that_likes_a_letter_is_moved_by_the_order(context):
    _, order = study._ask(context, ScriptedModel(lambda ask: "A"), _items())
    same, accuracy = order.rows[1].values.values()
    assert same == 0
    assert accuracy == pytest.approx(0.25)
