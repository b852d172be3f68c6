"""Preferences of choosers, requests for a strategy, priors taken away, and a planner that learns from talks."""

import gzip
import json

import numpy as np
import pytest

from affectome.domains import support
from affectome.domains.support import (
    StrategyPlanner,
    SupportTurn,
    ask_for_strategy,
    load_support_strategies,
    pool_choices,
    preference_bias,
    profile_strategies,
    strategy_position,
    without_prior,
)
from affectome.domains.support_dialogues import load_support_choices
from affectome.errors import InputError, RunError, UsageError


def published(games, sweeps=20):
    """The published loops, for strategies that all win and lose."""
    k = len(games)
    p = [1.0] * k
    for _ in range(sweeps):
        for i in range(k):
            won = sum(games[i][j] * p[j] / (p[i] + p[j]) for j in range(k) if j != i)
            p[i] = won / sum(games[j][i] / (p[i] + p[j]) for j in range(k) if j != i)
        scale = np.prod([value for value in p if value > 0]) ** (1 / sum(value > 0 for value in p))
        p = [value / scale for value in p]
    return np.array(p) * k / sum(p)


def choices(games):
    """Truth and prediction with this many choices of the row where the column was needed."""
    pairs = [(needed, chosen) for chosen, row in enumerate(games) for needed, n in enumerate(row) for _ in range(n)]
    truth, prediction = zip(*pairs, strict=True)
    return {"truth": truth, "prediction": prediction, "strategies": len(games)}


def test_two_strategies_by_hand():
    # The first is chosen wrongly three times, the second once, so the first is liked three times as much.
    found = preference_bias(**choices([[5, 3], [1, 7]]))
    assert found.preferences == pytest.approx([1.5, 0.5])
    assert found.bias == pytest.approx(0.5)
    assert (found.n, found.unread) == (16, 0)


def test_as_the_published_loops():
    games = np.random.default_rng(0).integers(1, 30, (8, 8)).tolist()
    found = preference_bias(**choices(games))
    assert found.preferences == pytest.approx(published(games))
    assert found.bias == pytest.approx(published(games).std())
    assert not np.allclose(found.preferences, published(games, 1), atol=1e-6)


def test_a_strategy_that_is_never_chosen_has_no_preference():
    games = [[4, 2, 3], [1, 4, 2], [0, 0, 0]]
    found = preference_bias(**choices(games))
    assert found.preferences[2] == 0
    assert found.preferences == pytest.approx(published(games))


def test_who_is_always_right_has_no_bias():
    assert preference_bias(truth=range(8), prediction=range(8)).bias == 0
    assert preference_bias(truth=[0, 1], prediction=[0, 1]).preferences.tolist() == [1] * 8


def test_bias_rises_as_one_strategy_takes_the_errors():
    rng = np.random.default_rng(1)
    truth, prediction = rng.integers(0, 8, 2000), rng.integers(0, 8, 2000)
    found = [
        preference_bias(truth=truth, prediction=np.where(rng.random(2000) < share, 4, prediction)).bias
        for share in (0, 0.3, 0.6, 0.9)
    ]
    assert found == sorted(found)
    assert found[0] < 0.2 < 1.5 < found[-1]


def test_who_knows_one_strategy_has_all_the_bias_there_can_be():
    found = preference_bias(truth=[0, 1, 2, 2, 7], prediction=[2] * 5)
    assert found.preferences.tolist() == [0, 0, 8, 0, 0, 0, 0, 0]
    assert found.bias == pytest.approx(7**0.5)
    two = preference_bias(truth=[0, 1, 2, 3], prediction=[2, 3, 2, 3])
    assert two.preferences.tolist() == [0, 0, 4, 4, 0, 0, 0, 0]


def test_what_cannot_be_read_counts_for_nothing():
    found = preference_bias(truth=[0, 1, 0, 1, 3], prediction=[0, 0, 1, -1, -1])
    assert (found.n, found.unread) == (3, 2)
    assert found.preferences == pytest.approx(preference_bias(truth=[0, 1, 0], prediction=[0, 0, 1]).preferences)


@pytest.mark.parametrize(
    ("truth", "prediction", "code"),
    [
        ([0, 1], [0], "shape_mismatch"),
        ([], [], "shape_mismatch"),
        ([0, 1], [-1, -1], "shape_mismatch"),
        ([0, 8], [0, 0], "unknown_label"),
        ([0, -1], [0, 0], "unknown_label"),
        ([0, 1], [0, 9], "unknown_label"),
    ],
)
def test_choices_that_make_no_sense(truth, prediction, code):
    with pytest.raises(UsageError) as error:
        preference_bias(truth=truth, prediction=prediction)
    assert error.value.code == code


def test_strategies_by_their_spellings():
    names = [strategy.name for strategy in load_support_strategies()]
    assert [strategy_position(name.upper()) for name in names] == list(range(8))
    assert strategy_position("Questions") == strategy_position(" question ") == 0
    assert strategy_position("Reflection of feelings") == 2
    assert strategy_position("Other") == 7
    with pytest.raises(UsageError) as error:
        strategy_position("Singing")
    assert error.value.code == "unknown_label"


def talk(*turns):
    return tuple(
        SupportTurn("supporter", text, strategy) if strategy is not None else SupportTurn("seeker", text)
        for text, strategy in turns
    )


def test_the_request_shows_the_end_of_the_talk():
    turns = [(f"turn {number} " + "blah " * 40, 0 if number % 2 else None) for number in range(9)]
    ask = ask_for_strategy(talk(*turns, ("{options} {talk}", None)))
    content = ask.messages[-1].content
    assert ask.choices == tuple("ABCDEFGH")
    assert "turn 3" not in content
    assert "supporter (Question): turn 5 blah" in content
    assert content.count("blah") == 5 * 28
    assert "seeker: {options} {talk}" in content
    assert "H) Others" in content
    assert "nothing has been said" in ask_for_strategy(()).messages[-1].content
    assert "supporter: hm" in ask_for_strategy([SupportTurn("supporter", "hm")]).messages[-1].content


def test_a_prior_is_taken_away():
    prior = np.array([0.8, 0.1, 0.1])
    assert without_prior([prior, [0.8, 0.15, 0.05]], prior) == pytest.approx(
        np.array([[1 / 3] * 3, [1 / 3, 0.5, 1 / 6]])
    )
    assert np.isfinite(without_prior([[1, 0, 0]], [0, 0.5, 0.5])).all()


def test_choosers_are_pooled():
    assert pool_choices([[0.5, 0.5], [0.9, 0.1]], [[0.2, 0.8], [0.1, 0.9]]) == pytest.approx(
        np.array([[0.2, 0.8], [0.5, 0.5]])
    )


def lessons():
    """After a question comes a suggestion and the other way round; the glad get another strategy than the sad."""
    rows = []
    for number in range(60):
        glad, before = number % 2, (0, 5)[number // 2 % 2]
        words = ("so happy thanks", "sad and lonely")[glad]
        rows.append((talk((f"hello {number}", 7), ("well", None), ("and", before), (words, None)), glad, before))
    return [row[0] for row in rows], np.array([row[1] for row in rows]), np.array([row[2] for row in rows])


def test_a_planner_learns_from_words_and_from_history():
    pytest.importorskip("sklearn")
    contexts, glad, before = lessons()
    by_words = StrategyPlanner(history=False).fit(contexts, 2 + 2 * glad).predict(contexts)
    assert by_words.shape == (60, 8)
    assert by_words.sum(axis=1) == pytest.approx(1)
    assert (by_words.argmax(axis=1) == 2 + 2 * glad).all()
    assert not by_words[:, [0, 1, 3, 5, 6, 7]].any()
    after = np.where(before == 0, 5, 0)
    by_history = StrategyPlanner(words=False).fit(contexts, after).predict(contexts)
    assert (by_history.argmax(axis=1) == after).all()
    blind = StrategyPlanner(words=False).fit(contexts, 2 + 2 * glad).predict(contexts)
    assert len(np.unique(blind.argmax(axis=1))) <= 2
    assert blind.max() < 0.7


def test_a_talk_of_any_shape_can_be_planned():
    pytest.importorskip("sklearn")
    contexts, glad, _ = lessons()
    planner = StrategyPlanner().fit(contexts, glad)
    odd = [(), talk(("hi", None)), talk(("hi", -1)), talk(*[("", None)] * 30), talk(*[("", 3)] * 30)]
    assert np.isfinite(planner.predict(odd)).all()


def test_what_the_seeker_said_last():
    assert support._last_words(talk(("a", None), ("b", 0), ("c", None), ("d", None))) == "c d"
    assert support._last_words(talk(("a", None), ("b", 0))) == ""
    features = support._history(talk(("a", 6), ("b", None), ("c", 1), ("d e?", None)))
    order = features[:27].reshape(3, 9)
    assert order.argmax(axis=1).tolist() == [1, 6, 8]
    assert features[27:35].nonzero()[0].tolist() == [1, 6]
    assert features[-3:] == pytest.approx([0.25, 1, np.log(3) / 5])


def test_a_planner_that_cannot_plan():
    with pytest.raises(UsageError) as error:
        StrategyPlanner(history=False, words=False)
    assert error.value.code == "bad_setting"
    with pytest.raises(RunError) as failure:
        StrategyPlanner().predict([()])
    assert failure.value.code == "not_fitted"


def test_a_profile_leaves_out_what_cannot_be_read_and_counts_it():
    truth, talks = np.arange(8).repeat(3), [f"talk {k // 4}" for k in range(24)]
    perfect = profile_strategies(truth=truth, prediction=truth, talks=talks)
    assert perfect["macro F1"].value == perfect["weighted F1"].value == 1
    assert perfect["preference bias"].value == pytest.approx(0)
    stubborn = np.where(np.arange(24) % 2, 5, -1)
    found = profile_strategies(truth=truth, prediction=stubborn, talks=talks)
    assert found["unread"].value == 0.5
    assert found["preference bias"].value == pytest.approx(np.sqrt(7))
    assert found["macro F1"].value < 0.1


TALK = [
    {"speaker": "seeker", "content": "I lost my job.", "annotation": {}},
    {"speaker": "supporter", "content": "When was that?", "annotation": {"strategy": "Question"}},
    {"speaker": "seeker", "content": "On Monday.", "annotation": {}},
    {"speaker": "supporter", "content": "I see.", "annotation": {"strategy": "Reflection of feelings"}},
]
MOMENT = {
    "context": "seeker\n- Utterance: I lost my job.\nsupporter\n- Strategy: Question\n- Utterance: When?\n"
    "seeker\n- Utterance: Now.",
    "strg_gold": "Others",
    "strg_pred": "Question",
    "situation": "job",
}


@pytest.mark.parametrize("zipped", [False, True])
def test_talks_and_tables_of_moments_are_told_apart(tmp_path, zipped):
    for name, content, contexts in (("ESConv.json", [{"dialog": TALK}], [1, 3]), ("results.json", [MOMENT], [3])):
        path = tmp_path / (f"{name}.gz" if zipped else name)
        text = json.dumps(content).encode()
        path.write_bytes(gzip.compress(text) if zipped else text)
        found = load_support_choices(path)
        assert [len(context) for context in found.contexts] == contexts
        assert len(found.strategies) == len(found.talks) == len(contexts)
        assert found.contexts[-1][1].strategy == strategy_position("Question")


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"[3]", b'[{"dialog": 3}]', b"\xff\xfe"])
def test_another_file_is_refused(tmp_path, content):
    (tmp_path / "talks.json").write_bytes(content)
    with pytest.raises(InputError) as caught:
        load_support_choices(tmp_path / "talks.json")
    assert caught.value.code == "bad_corpus"
