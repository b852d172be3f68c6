"""Measures of explanations, by hand, and what they do with odd texts."""

import numpy as np
import pytest

from affectome.domains.explanations import copied_share, likelihood, log_length, shared_words
from affectome.errors import UsageError
from affectome.language import Reply, ScriptedModel


def test_length_is_logarithmic():
    assert log_length(["", "one", "one two three"]) == pytest.approx(np.log([1, 2, 4]))


def test_shared_words():
    found = shared_words(["a b c", "a b c", "a b", ""], ["a b c", "d e f", "", "a"])
    assert found == pytest.approx([1, 0, 0, 0])
    # Both have a, which weighs 1; what one of two has weighs 1 + ln(3 / 2).
    weight = 1 + np.log(3 / 2)
    assert shared_words(["a b"], ["A c"]) == pytest.approx([1 / (1 + weight**2)])


def test_rare_words_weigh_more():
    common, rare = shared_words(["the cat", "the dog", "the cow"], ["the", "dog", "the"])[:2]
    assert rare > common


def test_copied_share():
    posts = ["i am sad and i am lonely"] * 4
    # All of it in order; two of four; the longest run in order of the reversed one is one word.
    assert copied_share(posts, ["I am lonely", "you am so sad", "lonely sad", ""]) == pytest.approx([1, 0.5, 0.5, 0])


class Telling:
    """Every word has the log-probability -1, or -2 if the post does not have it."""

    name = fingerprint = "telling"
    scripted = True

    def __init__(self):
        self.asked = []

    def answer(self, ask, /):
        self.asked.append(ask)
        (text,) = ask.choices
        known = ask.messages[0].content.split()
        return Reply(text, choice=text, scores={text: -sum(1 + (word not in known) for word in text.split())})


def test_likelihood_is_by_word():
    model = Telling()
    found = likelihood(model, ["a b", "a b", "a b"], ["a b", "a c", " "], question="why?")
    assert found[:2] == pytest.approx([-1, -1.5])
    assert np.isnan(found[2])
    assert [ask.messages[0].content for ask in model.asked] == ["a b\n\nwhy?"] * 2


def test_likelihood_reads_the_beginning():
    model = Telling()
    likelihood(model, ["p q r", ""], ["a b c d", "e"], question="why?", post_words=2, explanation_words=3)
    assert [(ask.messages[0].content, ask.choices) for ask in model.asked] == [
        ("p q\n\nwhy?", ("a b c",)),
        ("why?", ("e",)),
    ]


def test_a_model_that_does_not_tell():
    assert np.isnan(likelihood(ScriptedModel(lambda ask: ask.choices[0]), ["a"], ["b"], question="?")).all()


@pytest.mark.parametrize("measure", [shared_words, copied_share])
def test_every_explanation_has_its_post(measure):
    with pytest.raises(UsageError) as error:
        measure(["a"], [])
    assert error.value.code == "shape_mismatch"
