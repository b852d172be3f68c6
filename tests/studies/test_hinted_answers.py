"""A model that is told the likely feelings, with answers that are scripted."""

import numpy as np
import pytest

from affectome.language import ScriptedModel
from affectome.studies import hinted_answers as study

LABELS = ("anger", "fear", "joy", "trust", "pride")


@pytest.fixture
def asked(context, monkeypatch):
    """What a model that always takes the first of the choices has right, where the reader is right on 3 of 4."""
    requests = []

    def say(ask):
        requests.append(ask)
        return ask.choices[0]

    monkeypatch.setattr(study, "open_model", lambda *_, **__: ScriptedModel(say))
    monkeypatch.setattr(study, "_ASKED", 40)
    truth = np.arange(40) % len(LABELS)
    seen = np.where(np.arange(40) % 4 == 0, (truth + 1) % len(LABELS), truth)
    probability = np.full((40, len(LABELS)), 0.1)
    probability[np.arange(40), seen] = 0.6
    texts = [f"situation {k}" for k in range(40)]
    found = study.ask_with_hints(context, context.work, texts, truth, probability, LABELS)
    return (*found, requests)


def test_who_takes_the_likeliest_is_as_good_as_the_reader(asked):
    table, claims, notes, _ = asked
    accuracy = {row.predictor: row.values["accuracy"] for row in table.rows}
    assert accuracy["any feeling"] == 0.2
    assert accuracy["reader alone"].value == accuracy["model, in two stages"].value == 0.75
    assert accuracy["model alone"].value == accuracy["model, told the likely feelings"].value == 0.2
    assert accuracy["model, in two stages, told those of another situation"].value < 0.75
    assert [row.role for row in table.rows][:4] == ["baseline", "baseline", "baseline", "control"]
    assert [claim.holds for claim in claims][:2] == [True, True]
    assert claims[0].value == pytest.approx(0.55)
    assert "scripted" in notes[0]


def test_requests_hold_the_hint_and_the_first_stage_offers_only_what_is_likely(asked):
    *_, requests = asked
    alone, _others, told, staged = (requests[k : k + 40] for k in range(0, 160, 40))
    assert all(ask.choices == LABELS for ask in alone + told)
    assert all(len(ask.choices) == 4 and ask.choices[0] in LABELS for ask in staged)
    assert all(ask.choices[0] in ask.messages[-1].content for ask in staged)
    assert all(len(a.messages[-1].content) < len(b.messages[-1].content) for a, b in zip(alone, told, strict=True))
