"""Passages are cut, found, annotated and kept in the order of the text; scores are those of the publication."""

import numpy as np
import pytest

from affectome.errors import UsageError
from affectome.language import ScriptedModel
from affectome.language.long_context import (
    answer_f1,
    answer_with_evidence,
    cut_chunks,
    find_chunks,
    odd_one_out,
    overall_score,
)

WORDS = ("anger", "joy", "river", "letter")


def embed(texts):
    """How often each word of a few occurs, as unit vectors."""
    counts = np.array([[text.lower().count(word) for word in WORDS] for text in texts], np.float32) + 1e-3
    return counts / np.linalg.norm(counts, axis=1, keepdims=True)


def test_chunks_cover_everything_and_share_what_they_should():
    said = [f"w{k}" for k in range(300)]
    chunks = [chunk.split() for chunk in cut_chunks(" ".join(said))]
    assert [chunk[0] for chunk in chunks] == ["w0", "w78", "w156", "w234"]
    assert chunks[0][78:] == chunks[1][:50]
    assert chunks[-1][-1] == "w299"
    assert {word for chunk in chunks for word in chunk} == set(said)


def test_short_and_empty_texts():
    assert cut_chunks("one two") == ["one two"]
    assert cut_chunks("  ") == []
    assert find_chunks("joy", [], embed, most=3) == []


@pytest.mark.parametrize(("words", "overlap"), [(0, 0), (5, 5), (5, -1)])
def test_chunks_that_do_not_get_on_are_refused(words, overlap):
    with pytest.raises(UsageError) as raised:
        cut_chunks("a b c", words=words, overlap=overlap)
    assert raised.value.code == "bad_chunks"


def test_the_nearest_come_in_the_order_of_the_text():
    chunks = ["the river", "anger and anger", "a letter", "anger once, joy once", "joy"]
    assert find_chunks("why the anger?", chunks, embed, most=2) == [1, 3]


def test_an_answer_rests_on_notes_and_the_whole_text():
    chunks = [f"chunk {k} with {'anger' if k in (2, 5) else 'river'}" for k in range(9)]
    helper, model = [], []

    def note(ask):
        helper.append(ask.messages[-1].content)
        return "It is full of anger." if "chunk 5" in helper[-1] else "Nothing of note."

    def answer(ask):
        model.append(ask.messages[-1].content)
        return "Because of the fifth."

    given = answer_with_evidence(
        "Where is the anger?",
        "\n".join(chunks),
        embed=embed,
        helper=ScriptedModel(note),
        model=ScriptedModel(answer),
        chunks=chunks,
        first=4,
        kept=2,
    )
    assert len(helper) == 4
    assert len(model) == 1
    assert len(given.found) == 4
    assert {2, 5} <= set(given.found)
    assert list(given.found) == sorted(given.found)
    assert [each.position for each in given.evidence] == [2, 5]
    assert given.evidence[1].note == "It is full of anger."
    assert "chunk 0" in model[0], "the whole text is shown"
    assert "1. chunk 2 with anger\nNote: Nothing of note." in model[0]
    assert given.reply.text == "Because of the fifth."


def test_braces_in_a_text_are_harmless():
    model = ScriptedModel(lambda ask: ask.messages[-1].content)
    given = answer_with_evidence("{why}?", "a {text} {0}", embed=embed, helper=model, model=model)
    assert "a {text} {0}" in given.reply.text


def test_more_kept_than_found_is_refused():
    model = ScriptedModel(lambda ask: "")
    with pytest.raises(UsageError) as raised:
        answer_with_evidence("?", "text", embed=embed, helper=model, model=model, first=2, kept=3)
    assert raised.value.code == "bad_chunks"


def test_the_one_that_differs():
    places = np.array([[0.1, 0.0], [0.0, 0.1], [-0.8, 0.5], [0.0, 0.0]])
    assert odd_one_out(places) == 2
    assert odd_one_out(places[:1]) == 0


@pytest.mark.parametrize(
    ("truth", "said", "score"),
    [
        ("The calm mind", "a calm mind!", 1.0),
        ("fear of loss", "fear", 0.5),
        ("fear", "joy", 0.0),
        ("", "", 1.0),
        ("the", "fear", 0.0),
    ],
)
def test_answers_by_shared_words(truth, said, score):
    assert answer_f1(truth, said) == pytest.approx(score)


def test_the_overall_figure_as_printed():
    parts = {"classification": 56.5, "detection": 24.51, "answers": 45.53, "summary": 4.62, "conversation": 3.99}
    assert overall_score(parts | {"expression": 81.75}) == pytest.approx(63.42, abs=0.005)
    with pytest.raises(UsageError) as raised:
        overall_score(parts)
    assert raised.value.code == "missing_part"
