"""``affectome text``."""

import io
import json

import pytest


@pytest.fixture
def stdin(monkeypatch):
    def give(raw):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(raw), encoding="utf-8"))

    return give


def test_for_people(affectome):
    outcome = affectome("text", "Thank you so much!")
    lines = outcome.out.splitlines()
    assert (outcome.code, outcome.err) == (0, "")
    assert lines[0].startswith("gratitude ")
    assert "█" in lines[0]
    assert "valence +" in outcome.out
    assert "goemotions28, read by text-en@" in lines[-1]


def test_for_programs(affectome):
    outcome = affectome("text", "Thank you so much!", "--json", "--why")
    reading = json.loads(outcome.out)
    assert list(reading) == [
        "text", "status", "error", "emotion", "present", "dimensions", "tone", "rating", "confidence", "entropy",
        "model", "taxonomy", "why",
    ]  # fmt: skip
    assert next(iter(reading["emotion"])) == "gratitude"
    assert [word["word"] for word in reading["why"]] == ["Thank", "you", "so", "much!"]


def test_own_words_and_why(affectome):
    outcome = affectome("text", "I miss my home so much", "--labels", "calm,homesick", "--why")
    assert outcome.out.splitlines()[0].startswith("homesick ")
    assert "what moved homesick:" in outcome.out
    assert "custom, read by" in outcome.out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "abstained: the text is empty"),
        ("?!", "abstained: there is no word in it"),
        ("Je suis très content de te voir ici mon vieil ami", "abstained: it does not look like English"),
        ("word " * 30_000, "failed: it is longer than 100,000 characters"),
    ],
)
def test_what_cannot_be_read_is_said(affectome, text, said):
    outcome = affectome("text", text, "--why")
    assert outcome.code == 0
    assert outcome.out.startswith(said)


@pytest.mark.parametrize("text", ["-_- thank you", "--- thanks a lot", "@you thank you", "[bold]thanks[/]"])
def test_texts_that_look_like_something_else(affectome, text):
    assert json.loads(affectome("text", text, "--json").out)["text"] == text


@pytest.mark.parametrize(
    ("raw", "text"), [(b"thanks\n", "thanks"), (b"thank \xff you\r\n", "thank \ufffd you"), (b"", "")]
)
def test_standard_input(affectome, stdin, raw, text):
    stdin(raw)
    outcome = affectome("text", "-", "--json")
    assert outcome.code == 0
    assert json.loads(outcome.out)["text"] == text


def test_as_a_process(process):
    outcome = process("-m", "affectome", "text", "-", "--why", stdin="thank you 😂".encode(), PYTHONIOENCODING="ascii")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.startswith("gratitude ")
