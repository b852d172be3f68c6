"""An agent's mood follows what it hears, is written into what it asks, and can be taken up again."""

import pytest

from affectome.dynamics import AffectState, StateDynamics
from affectome.errors import UsageError
from affectome.language.chat import Reply
from affectome.language.mood import MoodAgent, mood_prompt, shop_talk

WORDS = {"good": (0.8, 0.2, 0.0), "bad": (-0.8, 0.6, -0.4), "chair": (0.0, 0.0, 0.0)}


class Echo:
    """Answers with the last thing that was said to it."""

    name = "echo"
    fingerprint = "echo"
    scripted = True

    def __init__(self):
        self.asked = []

    def answer(self, ask, /):
        self.asked.append(ask)
        return Reply(ask.messages[-1].content)


def _agent(state=None, **options):
    state = state or AffectState.start(StateDynamics(1, 0.5))
    return MoodAgent(Echo(), state, WORDS.__getitem__, persona="You mend chairs.", **options)


def test_the_user_alone_moves_the_state():
    agent = _agent(listens_to="user")
    assert agent.respond("bad").state.position == pytest.approx((-0.4, 0.3, -0.2))
    second = agent.respond("chair")
    assert second.state.position == pytest.approx((-0.2, 0.15, -0.1))
    assert (second.turn, second.heard, second.reply, second.signal) == (2, "chair", "chair", (0, 0, 0))


def test_its_own_words_move_the_state_a_turn_later():
    agent = _agent()
    agent.respond("bad")
    assert agent.respond("good").signal == pytest.approx((0, 0.4, -0.2))


def test_the_mood_stands_in_the_request():
    agent = _agent(memory=1)
    for text in ("bad", "good", "bad"):
        agent.respond(text)
    last = agent._model.asked[-1]
    assert [message.role for message in last.messages] == ["system", "user", "assistant", "user"]
    assert last.messages[0].content == mood_prompt(agent.state.position, "You mend chairs.")
    assert [ask.seed for ask in agent._model.asked] == [0, 1, 2]


def test_without_memory_only_the_present_is_shown():
    agent = _agent(memory=0)
    agent.respond("bad")
    agent.respond("bad")
    assert [message.role for message in agent._model.asked[-1].messages] == ["system", "user"]


def test_a_control_is_shown_another_mood():
    agent = _agent(listens_to="user")
    agent.respond("bad", shown=(0.9, 0, 0))
    assert "very high" in agent._model.asked[0].messages[0].content
    assert agent.state.position[0] == pytest.approx(-0.4)


@pytest.mark.parametrize(
    ("valence", "band"),
    [(-1, "very low"), (-0.5, "very low"), (-0.49, "low"), (0, "neutral"), (0.5, "high"), (1, "very high")],
)
def test_bands(valence, band):
    text = mood_prompt((valence, 0, 0), "You mend chairs.")
    assert text.startswith("You mend chairs.\n")
    assert f"valence {valence:+.2f} ({band}:" in text


def test_taken_up_again():
    whole, first = _agent(listens_to="user"), _agent(listens_to="user")
    for text in ("bad", "good"):
        whole.respond(text)
        first.respond(text)
    rest = _agent(AffectState.from_json(first.state.to_json()), listens_to="user")
    assert whole.respond("bad").state == rest.respond("bad").state


def test_time_between_turns():
    agent = _agent(AffectState.start(StateDynamics(1, 1.0, half_life=60)))
    agent.respond("good")
    assert agent.state.rested(60).position[0] == pytest.approx(0.4)
    with pytest.raises(UsageError, match="backwards"):
        agent.respond("good", seconds=-1)


def test_a_negative_memory():
    with pytest.raises(UsageError, match="memory"):
        _agent(memory=-1)


def test_the_shipped_talk_has_the_phases_of_the_simulation():
    talk = shop_talk()
    assert len(set(talk.lines)) == 25
    assert "bicycle" in talk.persona
