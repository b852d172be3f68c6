"""Scores of a reader on labelled tables: baselines first, abstentions apart, unknown labels named."""

import json

import pytest

TABLE = """text,label
Thank you so much!,gratitude
I am so angry at you!,anger
"I love this, it is hilarious",amusement
The meeting is at three.,neutral
Thanks a lot for your help!,gratitude
,neutral
"""


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "labelled.csv"
    path.write_text(TABLE, encoding="utf-8")
    return path


def rows_by_name(result):
    return {(row["predictor"], row["metric"]): row for row in result["results"]}


def test_several_labels_are_scored_beside_the_prior(affectome, table):
    outcome = affectome("evaluate", table, "--label-column", "label", "--json")
    result = json.loads(outcome.out)
    assert outcome.code == 0
    assert result["texts"] == 6
    assert result["not_scored"] == {"empty": 1}
    rows = rows_by_name(result)
    assert next(iter(rows)) == ("prior", "macro F1")
    reader = rows[result["model"], "micro F1"]
    assert rows["prior", "micro F1"]["value"] < reader["value"]
    assert reader["low"] <= reader["value"] <= reader["high"]


def test_labels_that_exclude_each_other_are_scored_beside_the_majority(affectome, table):
    table.write_text(TABLE.replace("gratitude", "joy").replace("amusement", "joy"), encoding="utf-8")
    outcome = affectome("evaluate", table, "--label-column", "label", "--taxonomy", "ekman7", "--json")
    rows = rows_by_name(json.loads(outcome.out))
    assert rows["majority", "accuracy"]["value"] == pytest.approx(3 / 6)
    assert {metric for _, metric in rows} == {"accuracy", "macro F1", "UAR", "ECE"}


def test_own_labels_and_a_printed_table(affectome, table):
    table.write_text("text,mood\nWe won the cup!!!,proud\nHe died last night.,grieving\n", encoding="utf-8")
    outcome = affectome("evaluate", table, "--label-column", "mood", "--labels", "proud,grieving")
    assert outcome.code == 0
    assert "majority" in outcome.out
    assert "2 texts, 0 not scored" in outcome.out


def test_a_label_outside_the_vocabulary_is_named(affectome, table):
    table.write_text("text,label\nI envy him.,envious\n", encoding="utf-8")
    outcome = affectome("evaluate", table, "--label-column", "label", "--json")
    assert outcome.code == 2
    error = outcome.error()
    assert (error["code"], error["value"]) == ("unknown_label", "envious")
    assert "gratitude" in error["allowed"]


def test_a_missing_label_column_is_named(affectome, table):
    outcome = affectome("evaluate", table, "--label-column", "mood", "--json")
    assert outcome.code == 2
    assert outcome.error()["code"] == "missing_column"
