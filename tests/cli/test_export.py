"""``affectome export``."""

import json

import pytest


@pytest.fixture
def estimates(affectome, tmp_path):
    (tmp_path / "posts.csv").write_text("id,text\n1,Thank you so much!\n2,\n")
    assert affectome("analyze", tmp_path / "posts.csv", "--out", tmp_path / "results", "--no-report").code == 0
    return tmp_path / "results" / "estimates.parquet"


def test_for_people(affectome, estimates, tmp_path):
    outcome = affectome("export", estimates, "--format", "emotionml", "--out", tmp_path / "a.emotionml")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.splitlines() == [
        f"written {tmp_path / 'a.emotionml'}",
        "1 row, 1 left out: unscored, or without a place in this format",
    ]
    assert "gratitude" in (tmp_path / "a.emotionml").read_text()


def test_for_programs(affectome, estimates, tmp_path):
    outcome = affectome("export", estimates, "--format", "hume", "--out", tmp_path / "a.json", "--json")
    assert json.loads(outcome.out) == {"paths": [str(tmp_path / "a.json")], "rows": 1, "left_out": 1}
    (result,) = json.loads((tmp_path / "a.json").read_text())
    assert list(result["results"]["predictions"][0]["models"]) == ["language"]


def test_refusals(affectome, estimates, tmp_path):
    outcome = affectome("export", estimates, "--format", "webvtt", "--out", tmp_path / "a.vtt", "--json")
    assert (outcome.code, outcome.error()["code"]) == (2, "no_times")
    outcome = affectome("export", estimates, "--format", "docx", "--out", tmp_path / "a", "--json")
    assert (outcome.code, outcome.error()["code"]) == (2, "bad_usage")
