"""Searches within their budget, agents of every kind, and test items that are opened once."""

import numpy as np
import pytest

from affectome.errors import LeakError, RunError, UsageError
from affectome.evaluate import Vault
from affectome.language import ScriptedModel
from affectome.language.chat import Reply
from affectome.language.prompt_agents import Edit, ModelAgents, RandomAgents, RuleAgents
from affectome.language.prompt_search import (
    Critique,
    Example,
    Observation,
    Question,
    SearchBudget,
    Target,
    TaskCard,
    assert_equal_searches,
    score_once,
    search_prompt,
)

CARD = TaskCard("Say it.", ("calm", "tense"))
EXAMPLES = [Example(f"text {k}", CARD.labels[k % 2]) for k in range(20)]
EDITS = [Edit("calm", "Calm."), Edit("tense", "Useless."), Edit("tense", "Tense."), Edit("", "Any.")]
PLENTY = SearchBudget(5, 100)


def responder(ask):
    """Says calm, and where it was told about tense ones, the truth."""
    instruction, text, _ = ask.messages[-1].content.split("\n\n")
    return CARD.labels[int(text.split()[1]) % 2] if "Tense." in instruction else "calm"


MODEL = ScriptedModel(responder)


def target(examples=EXAMPLES, model=MODEL):
    return Target(model, CARD, examples)


def test_an_observation_by_hand():
    answers = iter(["calm", "tense", "", "calm"])
    golds = ["calm", "calm", "calm", "tense"]
    model = ScriptedModel(lambda ask: next(answers))
    seen = target([Example(str(k), gold) for k, gold in enumerate(golds)], model).observe("Say it.")
    assert (seen.items, seen.right, seen.unread, seen.score) == (4, 1, 1, 1 / 3)
    assert seen.errors == ((("calm", "tense"), 1), (("tense", "calm"), 1))
    assert Observation("", 1, 0, 1, ()).score == 0


def test_certainty_is_the_mean_probability_of_the_right_answers():
    class Scorer:
        scripted, name, fingerprint = True, "scorer", "scorer"

        def answer(self, ask, /):
            return Reply("calm", choice="calm", scores={"calm": np.log(0.6), "tense": np.log(0.2)})

    assert target(EXAMPLES, Scorer()).observe("Say it.").reward == pytest.approx((0.5, 0.5))
    assert target(EXAMPLES[:1], Scorer()).observe("Say it.").certainty == pytest.approx(0.75)


def test_a_search_goes_on_from_the_best():
    judge = target()
    trace = search_prompt(judge, RuleAgents(EDITS), CARD.instruction, PLENTY)
    tried = [step.observation.instruction for step in trace.steps]
    assert tried[:3] == ["Say it.", "Say it. Useless.", "Say it. Tense."]
    assert [step.kept for step in trace.steps] == [True, False, True]
    assert trace.best.instruction == "Say it. Tense."
    assert trace.best.score == 1
    assert trace.stop == "no goal"  # nothing is missed any more
    assert trace.target_calls == judge.calls == 3 * len(EXAMPLES)
    assert trace.steps[1].question.flaw == "Why is tense taken for calm?"
    # Two plans, and for each of two instructions a question, a critique and a rewriting.
    assert trace.spent == SearchBudget(3, 2 + 2 * 3)


def test_a_search_stays_within_its_budget():
    trace = search_prompt(target(), RandomAgents(EDITS[:2], 0), CARD.instruction, SearchBudget(2, 100))
    assert (trace.stop, trace.spent.evaluations) == ("budget", 2)
    for calls in range(8):
        trace = search_prompt(target(), RandomAgents(EDITS[:2], 0), CARD.instruction, SearchBudget(9, calls))
        assert trace.stop == "budget"
        assert trace.spent.agent_calls == calls
        assert trace.spent.evaluations == 1 + (calls - 1) // 3 if calls else 1
    assert search_prompt(target(), RandomAgents(EDITS[:2], 0), CARD.instruction, PLENTY).stop == "no edit"
    with pytest.raises(UsageError) as error:
        search_prompt(target(), RuleAgents(EDITS), CARD.instruction, SearchBudget(0, 9))
    assert error.value.code == "bad_budget"


def test_the_critic_is_heard_once():
    class Agents(RuleAgents):
        heard = ()

        def teach(self, goal, observation, suggestion):
            self.heard += (suggestion,)
            return Question("Tell.", "Why?")

    agents = Agents(EDITS)
    trace = search_prompt(target(), agents, CARD.instruction, SearchBudget(2, 100))
    assert agents.heard == ("", "Ask a question.")
    assert trace.steps[1].critique == Critique(False, "Ask a question.")
    assert trace.spent.agent_calls == 5


def test_random_edits_know_nothing_of_errors():
    orders = set()
    for seed in range(20):
        agents = RandomAgents(EDITS, seed)
        observation = target().observe("Say it.")
        orders.add(tuple(agents.rewrite("any edit", Question("", ""), observation) for _ in EDITS))
    assert len(orders) > 5
    assert all(set(order) == {f"Say it. {edit.text}" for edit in EDITS} for order in orders)


def test_equal_searches():
    one = search_prompt(target(), RandomAgents(EDITS, 0), CARD.instruction, SearchBudget(2, 100))
    other = search_prompt(target(), RandomAgents(EDITS, 1), CARD.instruction, SearchBudget(3, 100))
    sooner = search_prompt(target(), RandomAgents(EDITS[:0], 0), CARD.instruction, SearchBudget(2, 100))
    assert_equal_searches({"one": one, "sooner": sooner})
    fewer = search_prompt(target(EXAMPLES[:4]), RandomAgents(EDITS, 0), CARD.instruction, SearchBudget(2, 100))
    with pytest.raises(RunError):
        assert_equal_searches({"one": one, "fewer items": fewer})
    with pytest.raises(RunError) as error:
        assert_equal_searches({"one": one, "other": other})
    assert error.value.code == "unequal_budgets"


def test_test_items_are_opened_once():
    vault = Vault({"test": np.arange(10, 20)}, run="here")
    found, controls = {"found": "Say it. Tense."}, {"found": "Say it. Any."}
    right, (effect,) = score_once(MODEL, CARD, EXAMPLES, vault, found, controls)
    assert {name: values.mean() for name, values in right.items()} == {
        "start": 0.5,
        "control of found": 0.5,
        "found": 1.0,
    }
    assert (effect.won, effect.lost, effect.helped) == (5, 0, False)  # five of ten are too few to tell
    with pytest.raises(LeakError) as error:
        score_once(MODEL, CARD, EXAMPLES, vault, found)
    assert error.value.code == "opened_twice"


def test_a_search_sees_nothing_of_the_test_items():
    """Golds of test items may be anything: the search is the same."""
    asked = []

    def say(ask):
        asked.append(ask.messages[-1].content)
        return responder(ask)

    search_prompt(target(EXAMPLES[:10], ScriptedModel(say)), RuleAgents(EDITS), CARD.instruction, PLENTY)
    assert not any(f"\n{example.text}\n" in content for content in asked for example in EXAMPLES[10:])


@pytest.mark.parametrize(("examples", "code"), [([], "no_items"), ([Example("text", "glad")], "unknown_label")])
def test_items_that_cannot_be_scored(examples, code):
    with pytest.raises(UsageError) as error:
        target(examples)
    assert error.value.code == code


def model_agents(**said):
    roles = {"Name up to": "plan", "Ask exactly": "teach", "Two questions were": "criticise", "Rewrite": "rewrite"}

    def say(ask):
        content = ask.messages[-1].content
        role = next(role for start, role in roles.items() if start in content)
        answer = said[role]
        return answer(content) if callable(answer) else answer

    return ModelAgents(ScriptedModel(say), CARD.labels)


SAID = {
    "plan": "Total steps: 2\nStep 1: define tense\nStep 2: be short",
    "teach": "Flaw: Why calm?\nRemedy: What is tense?",
    "criticise": "[True]",
    "rewrite": "Say it.\nTense.",
}


def test_agents_that_are_a_model():
    agents = model_agents(**SAID)
    trace = search_prompt(target(), agents, CARD.instruction, SearchBudget(2, 100))
    step = trace.steps[1]
    assert (step.goal, step.question, step.critique) == (
        "define tense",
        Question("Why calm?", "What is tense?"),
        Critique(True),
    )
    assert (trace.best.instruction, trace.best.score, agents.unread) == ("Say it. Tense.", 1, 0)


def test_a_suggestion_reaches_the_teacher():
    seen = []

    def teach(content):
        seen.append("turned down: be brief" in content)
        return SAID["teach"]

    agents = model_agents(**SAID | {"teach": teach, "criticise": "[False] be brief"})
    search_prompt(target(), agents, CARD.instruction, SearchBudget(2, 100))
    assert seen == [False, True]


@pytest.mark.parametrize(("role", "stop"), [("plan", "no goal"), ("teach", "budget"), ("criticise", "budget")])
def test_answers_of_agents_that_have_no_form(role, stop):
    agents = model_agents(**SAID | {role: "As you like {it}."})
    trace = search_prompt(target(), agents, CARD.instruction, SearchBudget(2, 100))
    assert trace.stop == stop
    assert agents.unread == 1


def test_an_empty_instruction_ends_a_search():
    trace = search_prompt(target(), model_agents(**SAID | {"rewrite": " "}), CARD.instruction, PLENTY)
    assert (trace.stop, len(trace.steps)) == ("no edit", 1)
