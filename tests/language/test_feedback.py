"""Feedback by policy, equal budgets, and a gold that nobody without a verifier can read."""

from dataclasses import replace

import pytest

from affectome.errors import LeakError, RunError, UsageError
from affectome.language import ScriptedModel
from affectome.language import feedback as module
from affectome.language.chat import Reply
from affectome.language.feedback import (
    ALTERNATE,
    NEGATIVE,
    NEUTRAL,
    POLICIES,
    POSITIVE,
    RESAMPLE,
    SELF_REFINE,
    Gold,
    SealedGold,
    assert_equal_budgets,
    list_phrases,
    list_tones,
    run_feedback,
    static,
)
from affectome.language.prompt_changes import Prompt, Sentence, count_words, neutral_control

PROMPT = Prompt("Choose.", "A text.", ("a", "b", "c"))


class Recorder:
    """Answers in turn, and keeps what it was asked."""

    scripted = True
    name = fingerprint = "recorder"

    def __init__(self, *answers, scores=None):
        self.answers, self.asked, self.scores = answers, [], scores or {}

    def answer(self, ask, /):
        self.asked.append(ask)
        text = self.answers[(len(self.asked) - 1) % len(self.answers)]
        return Reply(text, choice=text, scores=self.scores, input_tokens=10)


def ask(model, policy, mode="verifier", gold="c", rounds=3, **options):
    known = Gold(gold) if mode == "verifier" else SealedGold()
    return run_feedback(model, PROMPT, policy, rounds=rounds, gold=known, mode=mode, **options)


def test_a_verifier_ends_a_run():
    model = Recorder("a", "b", "c", "a")
    run = ask(model, ALTERNATE)
    assert [attempt.answer for attempt in run.attempts] == ["a", "b", "c"]
    assert [attempt.verified for attempt in run.attempts] == [False, False, True]
    assert (run.answer, run.calls, run.allowed.calls, run.input_tokens) == ("c", 3, 4, 30)
    assert [run.solved_by(turn) for turn in range(4)] == [False, False, True, True]


def test_without_success_the_last_answer_counts():
    assert ask(Recorder("a", "b"), RESAMPLE).answer == "b"


def test_what_is_said():
    model = Recorder("a")
    run = ask(model, ALTERNATE, seed=4)
    tones = [next(tone for tone in list_tones() if attempt.said in list_phrases(tone)) for attempt in run.attempts[1:]]
    assert [tone in NEGATIVE for tone in tones] == [True, False, True]
    assert tones[1] in POSITIVE
    question, answer, said = model.asked[1].messages
    assert (question.role, answer.role, answer.content, said.role) == ("user", "assistant", "a", "user")
    assert said.content == f"That is not correct. {run.attempts[1].said} Please answer the question again."


def test_all_who_see_their_answer_hear_the_same_verdict():
    for policy in POLICIES:
        model = Recorder("a")
        ask(model, policy)
        heard = ["not correct" in asked.messages[-1].content for asked in model.asked[1:]]
        assert heard == [policy is not RESAMPLE] * 3
        model = Recorder("a")
        ask(model, policy, "verifier-free")
        assert not any("not correct" in asked.messages[-1].content for asked in model.asked)


def test_neutral_phrases_are_as_long():
    for seed in range(40):
        one, other = (policy.phrase(1 + seed % 2, seed) for policy in (ALTERNATE, NEUTRAL))
        assert len(one.split()) == len(other.split())
        assert one != other


@pytest.mark.parametrize("tone", [*NEGATIVE, *POSITIVE])
def test_every_phrase_has_a_neutral_one_of_equal_length(tone):
    def pieces(text):
        return sum(-(-len(word) // 4) for word in text.split())

    for phrase in list_phrases(tone):
        for count in (count_words, pieces):
            assert count(neutral_control(Sentence("feedback", phrase), count).text) == count(phrase)


def test_static_and_logical_feedback():
    assert static("joy").phrase(1, 0) in list_phrases("joy")
    assert SELF_REFINE.phrase(2, 0) in list_phrases("logical")
    assert RESAMPLE.phrase(1, 0) == ""
    with pytest.raises(UsageError) as error:
        static("glee").phrase(1, 0)
    assert error.value.code == "unknown_tone"


def test_the_phrase_bank():
    tones = list_tones()
    assert {tone for tone, polarity in tones.items() if polarity == "negative"} == set(NEGATIVE)
    assert {tone for tone, polarity in tones.items() if polarity == "positive"} == set(POSITIVE)
    for tone in tones:
        assert len(set(list_phrases(tone))) >= 5


def test_without_a_verifier_answers_are_weighed():
    model = Recorder("a", "b", "b", "a", "c")
    run = ask(model, NEUTRAL, "verifier-free")
    assert (run.answer, run.majority, run.calls, run.allowed.calls) == ("c", "a", 5, 5)
    assert "a, b, b, a" in model.asked[-1].messages[-1].content
    assert {attempt.verified for attempt in run.attempts} == {None}


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
def test_the_gold_is_never_read_without_a_verifier(policy):
    assert ask(Recorder("a", "b"), policy, "verifier-free").calls == 5


def test_a_gold_that_can_be_read_is_refused():
    with pytest.raises(LeakError) as error:
        run_feedback(Recorder("a"), PROMPT, ALTERNATE, rounds=1, gold=Gold("a"), mode="verifier-free")
    assert error.value.code == "gold_open"


def test_reading_a_sealed_gold_raises():
    gold = SealedGold()
    readings = [
        lambda: gold.verify("a"),
        lambda: gold._answer,
        lambda: gold.__dict__,
        lambda: gold == "a",
        lambda: gold != "a",
        lambda: hash(gold),
        lambda: repr(gold),
        lambda: str(gold),
        lambda: f"{gold}",
        lambda: bool(gold),
        lambda: gold in {"a"},
        lambda: vars(gold),
    ]
    for read in readings:
        with pytest.raises(LeakError) as error:
            read()
        assert error.value.code == "gold_read"


def test_a_loop_that_peeks_is_caught(monkeypatch):
    """The loop as it would be if it looked at the gold to choose the last answer."""

    def peeking(meter, prompt, answers):
        return next(answer for answer in answers if peeking.gold.verify(answer))

    peeking.gold = SealedGold()
    monkeypatch.setattr(module, "_synthesis", peeking)
    with pytest.raises(LeakError) as error:
        ask(Recorder("a", "b"), ALTERNATE, "verifier-free")
    assert error.value.code == "gold_read"


def test_equal_budgets():
    runs = {policy.name: [ask(Recorder("a", "b"), policy, "verifier-free")] for policy in POLICIES}
    assert_equal_budgets(runs)
    found = {
        policy.name: [ask(Recorder(*answers), policy)] for policy, answers in zip(POLICIES, ("ac", "c"), strict=False)
    }
    assert_equal_budgets(found)  # a verifier may end one of them sooner


@pytest.mark.parametrize(
    "other",
    [
        lambda run: replace(run, calls=run.calls + 1),
        lambda run: replace(run, allowed=run.allowed._replace(calls=9)),
        lambda run: replace(run, allowed=run.allowed._replace(answer_tokens=99)),
        lambda run: replace(run, mode="verifier"),
    ],
)
def test_unequal_budgets(other):
    run = ask(Recorder("a"), ALTERNATE, "verifier-free")
    with pytest.raises(RunError) as error:
        assert_equal_budgets({"one": [run], "other": [other(run)]})
    assert error.value.code == "unequal_budgets"


def test_no_call_beyond_the_budget():
    meter = module._Meter(Recorder("a"), module.Budget(1, 4), "by the model", 0.5)
    meter.answer(PROMPT.ask().messages, PROMPT.choices, 3, 2)
    assert (meter._model.asked[0].temperature, meter._model.asked[0].seed, meter._model.asked[0].max_tokens) == (
        0.5,
        5,
        4,
    )
    with pytest.raises(RunError) as error:
        meter.weigh(PROMPT.ask().messages, PROMPT.choices)
    assert error.value.code == "budget_spent"


def test_draws_from_scores():
    scores = {"a": -1.0, "b": -1.0, "c": -50.0}
    found = [ask(Recorder("a", scores=scores), RESAMPLE, drawn="from scores", seed=seed) for seed in range(40)]
    answers = [attempt.answer for run in found for attempt in run.attempts]
    assert set(answers) == {"a", "b"}
    assert 50 < answers.count("a") < 110
    model = Recorder("a", scores=scores)
    again = ask(model, RESAMPLE, drawn="from scores", seed=7)
    assert again == found[7]
    assert {(asked.temperature, asked.seed) for asked in model.asked} == {(0, 0)}
    with pytest.raises(UsageError) as error:
        ask(Recorder("a"), RESAMPLE, drawn="from scores")
    assert error.value.code == "no_scores"


def test_the_first_answer_is_the_same_for_all():
    scores = {"a": -1.0, "b": -1.0, "c": -1.0}
    for seed in range(10):
        first = {
            ask(Recorder("a", scores=scores), policy, drawn="from scores", seed=seed).attempts[0] for policy in POLICIES
        }
        assert len({attempt.answer for attempt in first}) == 1


def test_there_must_be_a_round():
    with pytest.raises(UsageError) as error:
        ask(Recorder("a"), RESAMPLE, rounds=0)
    assert error.value.code == "bad_rounds"


def test_an_answer_that_cannot_be_read():
    run = ask(ScriptedModel(lambda ask: "well"), ALTERNATE, "verifier-free")
    assert (run.answer, run.majority) == ("", "")
