"""What was asked for is read out of an answer, and what cannot be read is told apart from what is wrong."""

import pytest

from affectome.errors import UsageError
from affectome.language import Ask, Message, Reply, read_reply

HELLO = (Message("user", "hello"),)
SCHEMA = {"type": "object", "properties": {"score": {"type": "number"}}, "required": ["score"]}


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("B", "B"),
        (" (b).", "B"),
        ("B. Because she smiles", "B"),
        ("**C**", "C"),
        ("The answer is D", "D"),
        ("A dog barked, so the answer is B", "A"),  # it begins like an answer
        ("I think B or C", ""),
        ("none of these", ""),
        ("Bee", ""),
    ],
)
def test_letters(text, choice):
    reply = read_reply(Reply(text), Ask(HELLO, choices=("A", "B", "C", "D")))
    assert (reply.choice, reply.failure) == (choice, "" if choice else "no_choice")


def test_words_that_hold_each_other():
    choices = ("joy", "joyful", "no joy")
    assert read_reply(Reply("She is joyful."), Ask(HELLO, choices=choices)).choice == "joyful"
    assert read_reply(Reply("there is no joy"), Ask(HELLO, choices=choices)).choice == "no joy"


@pytest.mark.parametrize(
    ("text", "value", "failure"),
    [
        ('{"score": 3}', {"score": 3}, ""),
        ('Sure!\n```json\n{"score": 3}\n```', {"score": 3}, ""),
        ('I say {"score": 2.5}, as asked', {"score": 2.5}, ""),
        ('{"score": "high"}', None, "not_schema"),
        ("{}", None, "not_schema"),
        ('{"score": 3', None, "not_json"),
        ("[1, 2]", None, "not_json"),
        ("   ", None, "empty"),
        ("{" * 5000, None, "not_json"),
    ],
)
def test_objects(text, value, failure):
    pytest.importorskip("jsonschema", reason="needs the language extra")
    reply = read_reply(Reply(text), Ask(HELLO, schema=SCHEMA))
    assert (reply.value, reply.failure) == (value, failure)


def test_plain_answers_stay_as_they_are():
    assert read_reply(Reply("hello"), Ask(HELLO)) == Reply("hello")


@pytest.mark.parametrize(
    "wrong",
    [
        {"messages": ()},
        {"max_tokens": 0},
        {"temperature": -1.0},
        {"choices": ("a",), "schema": SCHEMA},
        {"choices": ("a", "a")},
    ],
)
def test_requests_that_cannot_be_answered(wrong):
    with pytest.raises(UsageError) as caught:
        Ask(**{"messages": HELLO} | wrong)
    assert caught.value.code == "bad_ask"
