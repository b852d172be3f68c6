"""``affectome analyze``: what it prints; what it writes is tested with the call behind it."""

import io
import json

import pytest

from affectome.cli.analyze import _status
from affectome.pipeline import RunProgress


@pytest.fixture
def posts(tmp_path):
    folder = tmp_path / "posts"
    folder.mkdir()
    long = "I am terrified of everything that is going to happen " * 5
    (folder / "a.csv").write_text(f"text\nThank you so much!\n{long}\n?!\n123\n", encoding="utf-8")
    (folder / "b.csv").touch()
    return folder


@pytest.mark.parametrize("format", ["parquet", "csv", "jsonl"])
def test_for_people(affectome, posts, tmp_path, format):
    outcome = affectome("analyze", posts, "--out", tmp_path / "out", "--no-report", "--format", format)
    assert (outcome.code, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    assert lines[0].split() == ["text", "reading", "p", "valence", "arousal"]
    assert "gratitude" in lines[1]
    assert "…" in lines[2]
    assert "fear" in lines[2]
    assert "abstained: too_short" in lines[3]
    assert all(len(line) <= 120 for line in lines[:5])
    assert "4 rows: 2 scored, 2 abstained, 0 failed (too_short 2)" in lines
    assert f"not read: {posts / 'b.csv'}: It is empty." in lines
    assert f"table   {tmp_path / 'out' / f'estimates.{format}'}" in lines
    assert "report" not in lines[-1]


def test_for_programs(affectome, posts, tmp_path):
    words = ["analyze", posts, "--out", tmp_path / "out", "--labels", "calm,afraid", "--keep", "text", "--json"]
    outcome = affectome(*words)
    record = json.loads(outcome.out)
    assert (outcome.code, outcome.err) == (0, "")
    assert record["labels"] == ["calm", "afraid"]
    assert [problem["code"] for problem in record["problems"]] == ["empty_file"]
    assert (tmp_path / "out" / "report.html").stat().st_size > 10_000
    assert affectome(*words).out == outcome.out
    assert "An earlier call had finished this run" in affectome(*words[:-1]).out
    refused = affectome(*words, "--multi-label")
    assert (refused.code, refused.error()["code"]) == (5, "other_run")


def test_standard_input(affectome, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"Thank you!\nso sad\n")))
    outcome = affectome("analyze", "-", "--out", tmp_path / "out", "--no-report", "--json")
    record = json.loads(outcome.out)
    assert (record["inputs"], record["scored"]) == (["stdin"], 2)


def test_the_progress_line():
    start = RunProgress(done=0, total=None, rate=0.0, seconds_left=None, failed=0)
    later = RunProgress(done=12_000, total=50_000, rate=1234.5, seconds_left=95.2, failed=3)
    assert _status(start) == "0"
    assert _status(later) == "12,000 of 50,000, 1,234 a second, 1:35 left, 3 failed"


def test_listening(affectome, monkeypatch):
    pytest.importorskip("av")
    row = {"start": 1.0, "end": 2.5, "top": "calm", "confidence": 0.7, "valence": 0.1, "arousal": -0.2, "text": None}
    silent = {**row, "top": None, "status": "abstained", "error": "too_short"}
    monkeypatch.setattr("affectome.api.listen", lambda stream, **_: iter([row, silent]))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"")))
    outcome = affectome("analyze", "-", "--modalities", "voice")
    assert outcome.code == 0
    assert [line.strip() for line in outcome.out.splitlines()] == [
        "1.0–2.5 s  calm 0.70  valence +0.10  arousal -0.20",
        "1.0–2.5 s  abstained: too_short",
    ]
    lines = affectome("analyze", "-", "--modalities", "voice", "--json").out.splitlines()
    assert json.loads(lines[0]) == {name: value for name, value in row.items() if value is not None}


def test_listening_really(affectome, monkeypatch):
    pytest.importorskip("av")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(bytes(96_000))))
    outcome = affectome("analyze", "-", "--modalities", "voice")
    assert (outcome.code, outcome.out) == (0, "")


def test_a_folder_is_needed_but_not_to_listen(affectome, tmp_path):
    refused = affectome("analyze", "posts.csv", "--json")
    assert (refused.code, refused.error()["value"]) == (2, "--out")
    refused = affectome("analyze", "-", "--modalities", "voice", "--out", tmp_path, "--json")
    assert (refused.code, refused.error()["code"]) == (2, "bad_usage")
