"""`analyze` with the fast reader in front."""

import json

import pytest

from affectome.api import ReaderOptions, analyze
from affectome.pipeline import RunSettings

TEXTS = ["Thank you so much!", "I miss my home.", "What a strange, strange day it was", "", "hm"]


@pytest.mark.parametrize("format", ["parquet", "csv", "jsonl"])
def test_the_record_and_the_report_say_how_often(format, tmp_path):
    (tmp_path / "posts.txt").write_text("\n".join(TEXTS) + "\n")
    settings = RunSettings(format=format)
    analyze(tmp_path / "posts.txt", tmp_path / "out", reader=ReaderOptions(fast=True), settings=settings)
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert record["fast"]["model"].startswith("text-en-fast@")
    assert record["fast"]["texts"] == record["scored"] == 4
    assert 0 <= record["fast"]["escalated"] <= 4
    page = (tmp_path / "out" / "report.html").read_text()
    assert f"{record['fast']['escalated']} of 4" in page


def test_it_is_another_run(tmp_path):
    (tmp_path / "posts.txt").write_text("\n".join(TEXTS) + "\n")
    analyze(tmp_path / "posts.txt", tmp_path / "out", report=False)
    assert "fast" not in json.loads((tmp_path / "out" / "run.json").read_text())
    with pytest.raises(Exception, match="another kind"):
        analyze(tmp_path / "posts.txt", tmp_path / "out", reader=ReaderOptions(fast=True), report=False)
