"""The simulation, and conversations with a model whose replies do or do not follow the mood it is shown."""

import re

import numpy as np
import pytest

from affectome.language import Reply, ScriptedModel
from affectome.studies import s36_explicit_state_dynamics as study


class Moody:
    """Says the valence that it is shown."""

    name = "moody"
    fingerprint = "moody"
    scripted = True

    def answer(self, ask, /):
        return Reply(re.search(r"valence ([+-][\d.]+)", ask.messages[0].content).group(1))


def _estimate(text):
    if re.fullmatch(r"[+-][\d.]+", text):
        return float(text), 0.0, 0.0
    return 2 * (len(text) % 7) / 6 - 1, 0.0, 0.0


def test_the_simulation_is_as_known():
    table, claims = study._simulate()
    assert len(table.rows) == 13
    assert [row.role for row in table.rows][:2] == ["baseline", "result"]
    assert all(claim.holds for claim in claims)
    assert table.rows[6].values["clipped"] == 9


def test_replies_that_follow_what_is_shown(context):
    pytest.importorskip("vaderSentiment")
    context.quick = True
    talks = study._talk(context, Moody(), _estimate)
    assert {name: len(each) for name, each in talks.items()} == dict.fromkeys(talks, 2)
    shown = [float(reply) for reply in talks[study._FIRST][0].replies]
    assert shown == pytest.approx(talks[study._FIRST][0].moods, abs=0.005)
    control = [float(reply) for reply in talks[study._SHUFFLED][0].replies]
    assert sorted(control) == pytest.approx(sorted(shown), abs=1e-9)
    assert control != shown
    table, claims, notes = study._compare(context, talks, lambda text: _estimate(text)[0])
    values = {row.predictor: row.values for row in table.rows}
    assert values[study._FIRST][study._FOLLOWS].value == pytest.approx(1, abs=1e-3)
    assert values[study._SHUFFLED][study._FOLLOWS].value < 0.6
    assert study._GIVEN_SIGNAL not in values[study._STATELESS]
    assert claims[0].holds
    assert claims[1].holds
    assert notes[0] == "0 replies are empty."


def test_replies_that_follow_nothing(context):
    pytest.importorskip("vaderSentiment")
    context.quick = True
    talks = study._talk(context, ScriptedModel(lambda ask: "I see."), _estimate)
    _, claims, _ = study._compare(context, talks, lambda text: len(text))
    assert not any(claim.holds for claim in claims)


def test_partial_correlation_by_hand():
    rng = np.random.default_rng(0)
    heard, own = rng.normal(size=(2, 500))
    assert study._beyond(heard=heard, truth=heard + own, prediction=3 * heard + own) == pytest.approx(1)
    assert abs(study._beyond(heard=heard, truth=heard + own, prediction=heard + rng.normal(size=500))) < 0.15
