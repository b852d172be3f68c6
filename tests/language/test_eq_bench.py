"""Intensities of four feelings are read and marked as the authors of EQ-Bench do."""

import gzip
import json

import pytest

from affectome.errors import InputError
from affectome.language import ScriptedModel
from affectome.language.eq_bench import (
    ask_intensities,
    counted_pass,
    load_eq_bench,
    mark_answer,
    mark_intensities,
    score_pass,
)

REFERENCE = {"Remorseful": 0.0, "Indifferent": 6.0, "Affectionate": 0.0, "Annoyed": 4.0}


def entry(dialogue, reference=REFERENCE):
    answer = {}
    for k, (name, score) in enumerate(reference.items(), start=1):
        answer |= {f"emotion{k}": name, f"emotion{k}_score": score}
    return {"prompt": f"\nTell what he feels:\n\nA: {dialogue}\nB: well\n[End]\n", "reference_answer": answer}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "questions.json"
    path.write_text(json.dumps({"1": entry("hello"), "2": entry("hello"), "3": entry("bye")}), encoding="utf-8")
    return path


def numbers(*values):
    return "\n".join(f"{name}: {value}" for name, value in zip(REFERENCE, values, strict=True))


def test_questions_are_those_of_the_file(path):
    questions = load_eq_bench(path)
    assert [question.dialogue for question in questions] == ["A: hello", "A: hello", "A: bye"]
    assert questions[0].reference == REFERENCE
    assert questions[0].ask().messages[0].content.startswith("Tell what he feels:")
    packed = path.with_name("packed.json.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert load_eq_bench(packed) == load_eq_bench(packed.with_suffix("")) == questions


@pytest.mark.parametrize(
    ("values", "worth"),
    [
        ((0, 6, 0, 4), 10),
        ((0, 3, 0, 2), 10),  # the same shares
        ((10, 0, 0, 0), -10),  # 10 + 6 + 0 + 4 apart
        ((1, 1, 1, 1), 0),  # 2.5 + 3.5 + 2.5 + 1.5 apart
        ((0, 10, 0, 0), 2),  # 4 + 4 apart
    ],
)
def test_marks_worked_by_hand(values, worth):
    marked = mark_intensities(REFERENCE, dict(zip(map(str.upper, REFERENCE), values, strict=True)))
    assert marked == pytest.approx(worth)


def test_both_passes_are_read():
    text = (
        f"**First pass scores:**\n{numbers(1, 1, 1, 1)}\n\nCritique: Annoyed: 9 is too much.\n\n"
        f"## Revised scores:\n{numbers(0, 6, 0, 4)}\n[End of answer]"
    )
    assert mark_answer(REFERENCE, text) == (pytest.approx(0), pytest.approx(10))
    cut = text[: text.index("Critique")]
    assert mark_answer(REFERENCE, cut) == (pytest.approx(0), None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "He is annoyed.",
        "First pass scores:\nRemorseful: 1\nIndifferent: 2\nAnnoyed: 4",
        f"First pass scores:\n{numbers(0, 0, 0, 0)}",
        f"First pass scores:\n{numbers('<score>', 1, 1, 1)}",
        numbers(0, 6, 0, 4),
    ],
)
def test_what_cannot_be_read_has_no_mark(text):
    assert mark_answer(REFERENCE, text) == (None, None)


def test_the_score_is_the_mean_of_what_could_be_read(path):
    questions = load_eq_bench(path)
    score = score_pass(questions, [10.0, None, -5.0])
    assert (score.read, score.unread, score.score.value) == (2, 1, pytest.approx(25))
    assert score_pass(questions, [None] * 3).score is None


def test_the_better_pass_counts_unless_fewer_answers_can_be_read(path):
    questions = load_eq_bench(path)
    low, high = score_pass(questions, [1.0, 1.0, 1.0]), score_pass(questions, [5.0, 5.0, 5.0])
    few, none = score_pass(questions, [9.0, 9.0, None]), score_pass(questions, [None] * 3)
    assert [counted_pass(low, high), counted_pass(high, low), counted_pass(low, few)] == ["revised", "first", "first"]
    assert [counted_pass(low, none), counted_pass(none, low)] == ["first", "revised"]


def test_every_question_is_asked_once(path):
    questions, told = load_eq_bench(path), []
    replies = ask_intensities(ScriptedModel(lambda ask: "fine"), questions, report=told.append)
    assert ([reply.text for reply in replies], told) == (["fine"] * 3, [1, 2, 3])


@pytest.mark.parametrize(
    "content",
    ["{", "{}", "[1]", '{"1": {"prompt": "a"}}', json.dumps({"1": entry("x", REFERENCE | {"Annoyed": 9})})],
)
def test_files_in_another_layout_are_refused(tmp_path, content):
    path = tmp_path / "questions.json"
    with pytest.raises(InputError) as caught:
        load_eq_bench(path)
    assert caught.value.code == "missing_data_set"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_eq_bench(path)
    assert caught.value.code == "bad_corpus"


@pytest.mark.data
def test_the_published_questions(corpora):
    if not (corpora / "eq_bench").is_dir():
        pytest.skip("AFFECTOME_DATA has no eq_bench")
    questions = load_eq_bench(corpora / "eq_bench" / "eq_bench_v1_questions_60.json")
    assert (len(questions), len({question.dialogue for question in questions})) == (60, 27)
