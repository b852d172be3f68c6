"""Ways of asking about a post: what the model is shown, and what is read from its answers."""

import pytest

from affectome.errors import UsageError
from affectome.language import Reply, ScriptedModel
from affectome.language.wellbeing_prompts import ask_about_post, load_post_strategies, load_post_tasks

TASK = load_post_tasks()["stress"]
POST = 'He said "no" {hint} {question} {post}'


class Listening:
    """Keeps what it is asked, reasons at length, and finds Yes more probable."""

    name = fingerprint = "listening"
    scripted = True

    def __init__(self):
        self.asked = []

    def answer(self, ask, /):
        self.asked.append(ask)
        if ask.choices:
            return Reply("Yes", choice="Yes", scores={"Yes": -0.5, "No": -1.0})
        return Reply(" Rent is due. ", finished=False)


def test_the_shipped_strategies():
    strategies = load_post_strategies()
    assert next(iter(strategies)) == "zero-shot"
    assert strategies["zero-shot"].cue == ""
    assert {name for name, strategy in strategies.items() if strategy.reasons} == {
        "chain of thought",
        "chain of thought with emotions",
    }
    assert [name for name, strategy in strategies.items() if strategy.wants_hint] == ["emotion hint"]
    assert [name for name, strategy in strategies.items() if strategy.examples] == ["few-shot"]
    assert TASK.answers == ("Yes", "No")
    assert {answer for _, answer in TASK.examples} == set(TASK.answers)


def test_the_neutral_cue_is_as_long_as_the_cue_to_emotions():
    lengths = [len(load_post_strategies()[name].cue.split()) for name in ("neutral cue", "emotion cue")]
    assert abs(lengths[0] - lengths[1]) <= 2
    assert "emotion" not in load_post_strategies()["neutral cue"].cue


@pytest.mark.parametrize("name", list(load_post_strategies()))
def test_every_strategy_asks_about_the_post(name):
    model, strategy = Listening(), load_post_strategies()[name]
    answer = ask_about_post(model, POST, strategy, TASK, hint="fear, sadness" if strategy.wants_hint else "")
    assert (answer.choice, answer.failure) == ("Yes", "")
    assert answer.scores == {"Yes": -0.5, "No": -1.0}
    assert model.asked[-1].choices == TASK.answers
    said = [message.content for ask in model.asked for message in ask.messages]
    assert any("He said 'no' {hint} {question} {post}" in text for text in said)
    assert all(TASK.question in text for text in said if text.startswith("Post:"))
    assert any(strategy.cue.replace("{hint}", "fear, sadness") in text for text in said)
    assert (answer.reasons, answer.finished) == (("Rent is due.", False) if strategy.reasons else ("", True))


def test_reasons_come_before_the_answer():
    model = Listening()
    ask_about_post(model, "p", load_post_strategies()["chain of thought"], TASK, reason_tokens=7)
    first, second = model.asked
    assert (first.max_tokens, first.choices) == (7, ())
    assert "Yes or No" not in first.messages[-1].content
    assert [message.role for message in second.messages] == ["system", "user", "assistant", "user"]
    assert second.messages[2].content == " Rent is due. "
    assert "Yes or No" in second.messages[-1].content


def test_examples_are_turns_with_their_answers():
    model = Listening()
    ask_about_post(model, "p", load_post_strategies()["few-shot"], TASK)
    (ask,) = model.asked
    assert [message.role for message in ask.messages] == ["system", *["user", "assistant"] * 2, "user"]
    assert [ask.messages[k].content for k in (2, 4)] == [answer for _, answer in TASK.examples]


def test_every_answer_of_a_model_that_speaks_freely_is_read():
    says = ["Yes.", "(No)", "Yes, because of the rent", "The answer is No", "no"]
    for said, choice in zip(says, ("Yes", "No", "Yes", "No", "No"), strict=True):
        model = ScriptedModel(lambda ask, said=said: said)
        for strategy in load_post_strategies().values():
            answer = ask_about_post(model, "p", strategy, TASK, hint="fear" if strategy.wants_hint else "")
            assert answer.choice == choice


def test_an_answer_that_is_none_is_told_apart():
    answer = ask_about_post(ScriptedModel(lambda ask: "Who knows"), "p", load_post_strategies()["zero-shot"], TASK)
    assert (answer.choice, answer.failure) == ("", "no_choice")


def test_a_hint_that_is_missing():
    with pytest.raises(UsageError) as error:
        ask_about_post(Listening(), "p", load_post_strategies()["emotion hint"], TASK)
    assert error.value.code == "missing_hint"
