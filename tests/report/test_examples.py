"""The texts to look at."""

import polars as pl
import pytest

from affectome.report.examples import pick_examples


def test_the_surest_of_each_emotion(invent, opened):
    frame = invent(400).with_columns(pl.format("{} {}", "text", pl.int_range(400)).alias("text"))
    examples = pick_examples(opened(frame), ["joy", "neutral", "absent"])
    assert list(examples.surest) == ["joy", "neutral"]
    joyful = frame.filter(pl.col("top") == "joy").sort("confidence", descending=True, maintain_order=True)
    assert [example.id for example in examples.surest["joy"]] == joyful["id"].head(5).to_list()


def test_extremes(invent, opened):
    frame = invent(300).with_columns(pl.format("{} {}", "text", pl.int_range(300)).alias("text"))
    examples = pick_examples(opened(frame), [])
    scored = frame.filter(status="scored")
    for found, column, descending in [
        (examples.ambiguous, "entropy", True),
        (examples.negative, "valence", False),
        (examples.positive, "valence", True),
        (examples.aroused, "arousal", True),
    ]:
        expected = scored.sort(column, descending=descending)["id"].head(5).to_list()
        assert [example.id for example in found] == expected


def test_equal_texts_are_shown_once(invent, opened):
    frame = invent(50, unscored=0).with_columns(pl.lit("the same").alias("text"))
    examples = pick_examples(opened(frame), frame["top"].unique().to_list())
    assert len(examples.ambiguous) == len(examples.positive) == 1
    assert all(len(rows) == 1 for rows in examples.surest.values())


def test_profile_holds_the_three_most_probable_labels(invent, opened):
    frame = invent(30, unscored=0)
    (example, *_) = pick_examples(opened(frame), []).ambiguous
    row = frame.filter(id=example.id)["emotion"][0]
    assert [label for label, _ in example.profile] == sorted(row, key=row.get, reverse=True)[:3]
    assert example.profile[0][1] == pytest.approx(example.confidence)


def test_rows_without_text_are_passed_over(invent, opened):
    frame = invent(20, unscored=0).with_columns(pl.lit(None, pl.String).alias("text"))
    examples = pick_examples(opened(frame), ["joy"])
    assert examples.surest == {}
    assert examples.ambiguous == ()
