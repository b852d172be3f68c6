"""Effects, feedback and edits that are planted are found as often as they should be, and others are not."""

import numpy as np
import pytest

from affectome.language import Ask, Message
from affectome.language.feedback import list_phrases
from affectome.language.prompt_search import Example
from affectome.studies import planted_search as search
from affectome.studies.planted_effects import planted_effects
from affectome.studies.planted_feedback import CHANCE, ESCAPE, Responder, planted_curve, planted_feedback
from affectome.studies.planted_search import planted_search


@pytest.mark.parametrize("controlled", [True, False])
def test_planted_effects(controlled):
    table, claims = planted_effects(1, items=200, runs=60, seed=1, controlled=controlled)
    assert all(claim.holds for claim in claims)
    assert [row.role for row in table.rows] == ["baseline", "control", "result"][:: 1 if controlled else 2]
    assert "1 change at once" in table.title
    assert len(claims) == len(table.rows)


def test_few_items_do_not_have_the_power():
    _, (power, *false) = planted_effects(11, items=40, runs=20, seed=0)
    assert not power.holds
    assert all(claim.holds for claim in false)


def test_planted_feedback():
    table, claims = planted_feedback(rounds=3, runs=20, seed=0)
    power, false, off = claims
    assert power.value >= 0.8
    assert false.value <= 0.1
    assert off.value <= 0.03
    # .2, then .35 of the rest, then .35 of the rest.
    assert planted_curve(0.35, 2).tolist() == pytest.approx([0.2, 0.48, 0.662])
    assert [row.role for row in table.rows] == ["baseline", "control", "result", "ceiling"]


def test_the_responder_hears_feelings():
    say = Responder(ESCAPE, 0)
    question, answer = Message("user", "?"), Message("assistant", "wrong")
    for messages, chance in (
        ((question,), CHANCE),
        ((question, answer, Message("user", "Well. Again.")), CHANCE),
        ((question, answer, Message("user", f"No. {list_phrases('joy')[0]} Again.")), ESCAPE),
        ((question, answer, Message("user", f"No. {list_phrases('logical')[0]} Again.")), CHANCE),
    ):
        right = np.mean([say(Ask(messages)) == "right" for _ in range(4000)])
        assert right == pytest.approx(chance, abs=0.025)


def test_planted_search():
    table, (power, false) = planted_search(runs=20, seed=0)
    assert power.holds
    assert false.holds
    assert [row.role for row in table.rows] == ["baseline", "baseline", "result", "result"]
    found = {row.predictor: row.values.get("planted edit found") for row in table.rows}
    assert found["one edit helps: agents"].value > found["one edit helps: random edits"].value
    assert found["no edit helps: agents"] is None


def test_the_responder_of_the_search():
    examples = [Example(f"text {k}", ("calm", "tense")[k % 2]) for k in range(4000)]
    say = search.Responder(examples, search._PLANTED, 0)

    def right(instruction, gold):
        asks = [Ask((Message("user", f"{instruction}\n\n{each.text}\n\n?"),)) for each in examples if each.gold == gold]
        return np.mean([say(ask) == gold for ask in asks])

    assert right("Say.", "calm") == pytest.approx(0.75, abs=0.03)
    assert right("Say.", "tense") == pytest.approx(0.35, abs=0.03)
    # The planted gain reaches all answers but the share that is drawn anew.
    assert right(f"Say. {search._PLANTED.text}", "tense") == pytest.approx(0.35 + 0.95 * 0.4, abs=0.03)
