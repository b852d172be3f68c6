"""Scores of a reader on labelled tables: baselines first, what is not scored apart, a report on request."""

import json

import pytest

TABLE = """text,label,site
Thank you so much!,gratitude,a
I am so angry at you!,anger,a
"I love this, it is hilarious",amusement,b
The meeting is at three.,neutral,b
Thanks a lot for your help!,gratitude,b
,neutral,b
"""


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "labelled.csv"
    path.write_text(TABLE, encoding="utf-8")
    return path


def rows_by_name(result):
    return {(row["predictor"], row["metric"]): row for row in result["results"]}


def test_several_labels_are_scored_beside_the_prior(affectome, table):
    outcome = affectome("evaluate", "--data", table, "--label", "label", "--json")
    result = json.loads(outcome.out)
    assert outcome.code == 0
    assert (result["rows"]["total"], result["rows"]["scored"]) == (6, 5)
    assert result["codes"] == {"empty": 1}
    rows = rows_by_name(result)
    assert next(iter(rows)) == ("prior", "macro F1")
    reader = rows[result["model"], "micro F1"]
    assert rows["prior", "micro F1"]["value"] < reader["value"]
    assert reader["low"] <= reader["value"] <= reader["high"]


def test_labels_that_exclude_each_other_are_scored_beside_the_majority(affectome, table):
    table.write_text(TABLE.replace("gratitude", "joy").replace("amusement", "joy"), encoding="utf-8")
    outcome = affectome("evaluate", "--data", table, "--label", "label", "--taxonomy", "ekman7", "--json")
    rows = rows_by_name(json.loads(outcome.out))
    assert rows["majority", "accuracy"]["value"] == pytest.approx(3 / 5)
    assert {metric for _, metric in rows} == {"accuracy", "macro F1", "UAR", "ECE"}


def test_own_labels_and_a_printed_table(affectome, table):
    rows = "".join(f"We won the cup number {k}!!!,proud\nHe died last night {k}.,grieving\n" for k in range(20))
    table.write_text(f"text,mood\n{rows}What now?,puzzled\n", encoding="utf-8")
    outcome = affectome("evaluate", "--data", table, "--label", "mood", "--labels", "proud,grieving")
    assert outcome.code == 0
    assert "majority" in outcome.out
    assert "41 rows: 40 scored, 1 unknown label;" in outcome.out
    assert "labels the reader does not know: puzzled (1)" in outcome.out


def test_the_report_compares_groups(affectome, table, tmp_path):
    table.write_text(TABLE + "".join(f"Thank you so much {k}!,gratitude,c\n" for k in range(30)), encoding="utf-8")
    out = tmp_path / "report"
    outcome = affectome("evaluate", "--data", table, "--label", "label", "--group-column", "site", "--out", out)
    assert outcome.code == 0
    assert "worst group: c, 30 texts" in outcome.out
    written = json.loads((out / "evaluation.json").read_text(encoding="utf-8"))
    assert [group["group"] for group in written["slices"]["groups"]] == ["a", "b", "c"]
    assert written["columns"]["group"] == "site"
    assert (out / "evaluation.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_label_outside_the_vocabulary_is_named(affectome, table):
    table.write_text("text,label\nI envy him.,envious\n", encoding="utf-8")
    outcome = affectome("evaluate", "--data", table, "--label", "label", "--json")
    assert outcome.code == 2
    error = outcome.error()
    assert (error["code"], error["value"]) == ("unknown_label", "envious")
    assert "gratitude" in error["allowed"]


def test_a_missing_label_column_is_named(affectome, table):
    outcome = affectome("evaluate", "--data", table, "--label", "mood", "--json")
    assert outcome.code == 2
    assert outcome.error()["code"] == "missing_column"
