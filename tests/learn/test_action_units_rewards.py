"""Rewards worked out by hand."""

import pytest

from affectome.learn.action_units_rewards import answer_reward, form_reward, named_units, units_reward


def said(thought, answer="happiness"):
    return f"<think>{thought}</think>\n<answer>{answer}</answer>"


@pytest.mark.parametrize(
    ("thought", "units", "reward"),
    [
        ("Cheeks rise (AU6) and lip corners too (AU12).", {6, 12}, 1),
        ("The brow is lowered (AU4).", {6, 12}, -1),
        ("Cheeks rise (AU6), the brow is lowered (AU4).", {6, 12}, 0),  # precision and recall are one half
        ("Nothing moves.", {6, 12}, -1),
        ("Cheeks rise (AU6).", set(), 0),
        ("Everything: AU1 AU2 AU4 AU6 AU12 AU25", {6, 12}, 0),  # long lists pay with precision: F1 is one half
        ("AU6 and once more AU6, AU 12 and au12.", [6, 12, 12], 1),
    ],
)
def test_units_are_rewarded_by_their_overlap(thought, units, reward):
    assert units_reward(said(thought), units) == pytest.approx(reward)


def test_only_units_inside_the_thought_count():
    assert named_units("AU1 <think>AU2</think> <answer>AU4</answer>") == {2}
    assert named_units("<think>WAU6 AU123</think>") == set()


@pytest.mark.parametrize(
    ("text", "feeling", "reward"),
    [
        (said("", "anger"), "anger", 1),
        (said("", "angry"), "anger", 0),
        (said("", "fear") + "<answer> anger </answer>", "anger", 1),
        ("anger", "anger", 0),
        (said("", "anger"), None, 0.5),
    ],
)
def test_the_last_answer_counts(text, feeling, reward):
    assert answer_reward(text, feeling) == reward


@pytest.mark.parametrize(
    ("text", "reward"),
    [
        (said("AU6"), 1),
        ("<answer>fear</answer><think>AU6</think>", 0),
        (said("AU6") + " And more.", 0),
        ("<think>AU6</think>", 0),
        ("<think>a<think>b</think></think><answer>fear</answer>", 0),
    ],
)
def test_the_form_is_kept_or_not(text, reward):
    assert form_reward(text) == reward
