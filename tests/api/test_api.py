"""Reading one text, and analysing files from end to end."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import affectome
from affectome.api import InputOptions, ReaderOptions, analyze, read
from affectome.errors import InputError, ModelError, RunError, UsageError
from affectome.perceive import estimates_schema
from affectome.pipeline import RunSettings

_POSTS = """id,text,author,created_at,group,city
a,Thank you so much!,Ada,2025-03-01T10:00:00,north,Turku
b,I am terrified of what comes next.,Bo,2025-03-02T10:00:00,south,Oulu
c,,Ada,2025-03-03T10:00:00,north,Turku
d,Je suis très content de te voir ici mon vieil ami,Bo,,south,
"""
_STATUSES = ["scored", "scored", "abstained", "abstained"]


@pytest.fixture(scope="module")
def reader():
    return ReaderOptions().open()


@pytest.fixture(scope="module")
def posts(tmp_path_factory):
    path = tmp_path_factory.mktemp("input") / "posts.csv"
    path.write_text(_POSTS, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def run(posts, tmp_path_factory):
    """A finished run with a report."""
    out = tmp_path_factory.mktemp("run") / "results"
    analyze(posts, out, inputs=InputOptions(keep=("city",)), command="affectome analyze posts.csv")
    return out


def _state(folder):
    return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.iterdir() if path.is_file()}


def test_the_top_level_names_are_these():
    assert affectome.analyze is analyze
    assert affectome.read is read
    assert set(affectome.__all__) <= set(dir(affectome))
    with pytest.raises(AttributeError, match="no attribute 'analyse'"):
        _ = affectome.analyse


def test_read(reader):
    reading = read("Thank you so much!", reader=reader)
    assert (reading.status, reading.error) == ("scored", "")
    assert next(iter(reading.emotion)) == "gratitude"
    assert list(reading.emotion.values()) == sorted(reading.emotion.values(), reverse=True)
    assert len(reading.emotion) == 28
    assert "gratitude" in reading.present
    assert all(reading.emotion[label] >= reader.thresholds[label] for label in reading.present)
    assert reading.confidence == reading.emotion["gratitude"]
    assert set(reading.dimensions) == {f"{d}{sd}" for d in ("valence", "arousal", "dominance") for sd in ("", "_sd")}
    assert set(reading.tone) == {"sentiment", "toxicity"}
    assert (reading.model, reading.taxonomy) == (reader.model, "goemotions28")


@pytest.mark.parametrize(("text", "code"), [("", "empty"), ("?!", "too_short")])
def test_read_abstains(reader, text, code):
    reading = read(text, reader=reader)
    assert (reading.status, reading.error) == ("abstained", code)
    assert (reading.emotion, reading.present, reading.dimensions, reading.tone) == ({}, (), {}, {})
    assert (reading.confidence, reading.entropy) == (None, None)


def test_read_takes_what_a_terminal_may_hand_over(reader):
    reading = read("thank you \udcff so much", reader=reader)
    assert reading.status == "scored"
    assert reading.text == "thank you ? so much"


def test_read_with_own_words():
    reading = read("I miss my home so much", ReaderOptions(labels=("calm", "homesick")))
    assert reading.present == ("homesick",)
    assert reading.taxonomy == "custom"
    several = read("I miss my home so much", ReaderOptions(labels=("calm", "homesick"), multi_label=True))
    assert several.present == tuple(label for label, p in several.emotion.items() if p >= 0.5)


@pytest.mark.parametrize(
    ("options", "kind", "code"),
    [
        (ReaderOptions(taxonomy="nonesuch"), UsageError, "unknown_taxonomy"),
        (ReaderOptions(labels=("joy", "joy")), UsageError, "bad_label"),
        (ReaderOptions(model="nonesuch"), ModelError, "unknown_model"),
    ],
)
def test_options_that_do_not_fit(options, kind, code, posts, tmp_path):
    with pytest.raises(kind) as caught:
        analyze(posts, tmp_path / "out", reader=options)
    assert caught.value.code == code
    assert not (tmp_path / "out").exists()


def test_estimates(run, reader):
    estimates = pl.read_parquet(run / "estimates.parquet")
    meta = pl.Struct({"time": pl.Datetime("us"), "group": pl.String(), "city": pl.String()})
    assert estimates.schema == estimates_schema(reader.labels, meta)
    assert estimates["id"].to_list() == ["a", "b", "c", "d"]
    assert estimates["status"].to_list() == _STATUSES
    assert estimates["error"].to_list() == ["", "", "empty", "not_english"]
    assert estimates["top"].to_list() == ["gratitude", "fear", None, None]
    assert estimates["speaker"].to_list() == ["Ada", "Bo", "Ada", "Bo"]
    assert estimates["source"].unique().to_list() == ["posts.csv"]
    carried = estimates["meta"].struct.unnest()
    assert carried["group"].to_list() == ["north", "south", "north", "south"]
    assert carried["time"].null_count() == 1
    assert carried["city"].to_list() == ["Turku", "Oulu", "Turku", None]


def test_the_record(run, posts, reader):
    record = json.loads((run / "run.json").read_text(encoding="utf-8"))
    assert record["command"] == "affectome analyze posts.csv"
    assert record["inputs"] == [str(posts)]
    assert record["problems"] == []
    assert (record["rows"], record["scored"], record["abstained"], record["failed"]) == (4, 2, 2, 0)
    assert record["by_code"] == {"empty": 1, "not_english": 1}
    assert (record["model"], record["model_sha256"]) == (reader.model, reader.sha256)
    assert record["labels"] == list(reader.labels)
    assert record["thresholds"] == reader.thresholds
    assert record["estimates"] == "estimates.parquet"


def test_the_report_is_one_page(run):
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "</html>" in page
    assert "gratitude" in page


def test_the_same_call_again_touches_nothing(run, posts):
    before = _state(run)
    result = analyze(posts, run, inputs=InputOptions(keep=("city",)))
    assert result.already_complete
    assert (result.rows, result.estimates) == (4, run / "estimates.parquet")
    assert _state(run) == before


def test_what_is_missing_is_written_again(run, posts):
    (run / "run.json").unlink()
    (run / "report.html").unlink()
    analyze(posts, run, inputs=InputOptions(keep=("city",)), command="affectome analyze posts.csv")
    assert json.loads((run / "run.json").read_text(encoding="utf-8"))["rows"] == 4
    assert (run / "report.html").exists()


def test_another_vocabulary_does_not_go_into_the_same_folder(run, posts):
    before = _state(run)
    with pytest.raises(RunError) as caught:
        analyze(posts, run, inputs=InputOptions(keep=("city",)), reader=ReaderOptions(taxonomy="ekman7"))
    assert caught.value.code == "other_run"
    assert "ekman7" in str(caught.value)
    assert _state(run) == before


def test_overwriting_leaves_nothing_of_the_other_run(run, posts, tmp_path):
    settings = RunSettings(overwrite=True)
    out = tmp_path / "copy"
    out.mkdir()
    for path in run.iterdir():
        if path.is_file():
            (out / path.name).write_bytes(path.read_bytes())
    analyze(posts, out, reader=ReaderOptions(taxonomy="ekman7"), settings=settings, report=False)
    assert set(pl.read_parquet(out / "estimates.parquet")["taxonomy"]) == {"ekman7"}
    assert json.loads((out / "run.json").read_text(encoding="utf-8"))["taxonomy"] == "ekman7"
    assert not (out / "report.html").exists()


@pytest.mark.parametrize("format", ["csv", "jsonl"])
def test_other_formats_hold_the_same(run, posts, tmp_path, format):
    settings = RunSettings(format=format)
    result = analyze([posts], tmp_path, inputs=InputOptions(keep=("city",)), settings=settings, report=False)
    assert result.estimates == tmp_path / f"estimates.{format}"
    expected = pl.read_parquet(run / "estimates.parquet")
    columns = ["id", "status", "error", "top", "text"]
    if format == "csv":
        written = pl.read_csv(result.estimates)
        joy = written["emotion.joy"]
        assert {"tone.toxicity", "meta.time", "meta.group", "meta.city"} < set(written.columns)
    else:
        written = pl.read_ndjson(result.estimates)
        joy = written["emotion"].struct.field("joy")
    assert_frame_equal(written.select(columns).fill_null(""), expected.select(columns).fill_null(""))
    for got, want in zip(joy.to_list(), expected["emotion"].struct.field("joy").to_list(), strict=True):
        assert got == (None if want is None else pytest.approx(want, abs=1e-5))


def test_bad_files_beside_good_ones(tmp_path):
    folder = tmp_path / "input"
    folder.mkdir()
    (folder / "a_good.csv").write_text("id,text\n1,Thank you so much!\n1,Same id again\n2,ok\n", encoding="utf-8")
    (folder / "b_latin.csv").write_bytes("text\nThe café was lovely, thank you\n".encode("latin-1"))
    (folder / "c_nul.txt").write_bytes(b"thank you \0 so much\n")
    (folder / "d_lines.jsonl").write_text('{"text": "I love it"}\n{"text": broken\n{"text": "sad \\ud83d day"}\n')
    (folder / "e_empty.csv").touch()
    (folder / "f_binary.csv").write_bytes(bytes(range(256)) * 50)
    (folder / "g_huge.txt").write_text("never ending " * 4_000_000, encoding="utf-8")
    (folder / "h_column.csv").write_text("number\n1\n2\n", encoding="utf-8")
    result = analyze(folder, tmp_path / "out", report=False)
    estimates = pl.read_parquet(result.estimates, columns=["id", "source", "status", "error", "top"])
    outcome = {row[0]: row[1:] for row in estimates.select("id", "status", "error").iter_rows()}
    assert outcome == {
        "1": ("scored", ""),
        "1~2": ("failed", "duplicate_id"),
        "2": ("scored", ""),
        "b_latin.csv#0": ("scored", ""),
        "c_nul.txt#0": ("scored", ""),
        "d_lines.jsonl#0": ("scored", ""),
        "d_lines.jsonl#1": ("failed", "bad_row"),
        "d_lines.jsonl#2": ("scored", ""),
        "g_huge.txt#0": ("failed", "too_long"),
    }
    record = json.loads((tmp_path / "out" / "run.json").read_text(encoding="utf-8"))
    assert {Path(p["path"]).name: p["code"] for p in record["problems"]} == {
        "e_empty.csv": "empty_file",
        "f_binary.csv": "binary_file",
        "h_column.csv": "no_text_column",
    }


def test_sentences(tmp_path):
    (tmp_path / "letter.txt").write_text("Thank you so much! I was so scared.\n", encoding="utf-8")
    inputs = InputOptions(sentences=True)
    result = analyze(tmp_path / "letter.txt", tmp_path / "out", inputs=inputs, report=False)
    estimates = pl.read_parquet(result.estimates)
    assert estimates["id"].to_list() == ["letter.txt#0:0", "letter.txt#0:1"]
    assert estimates["top"].to_list() == ["gratitude", "fear"]
    assert estimates["start"].to_list() == [0.0, 19.0]


@pytest.mark.parametrize(
    ("given", "inputs", "code"),
    [
        (["posts.csv"], InputOptions(text_column="body"), "missing_column"),
        (["nowhere.csv"], InputOptions(), "missing_path"),
        (["empty.csv"], InputOptions(), "nothing_readable"),
        ([], InputOptions(), "no_paths"),
    ],
)
def test_nothing_to_read(posts, tmp_path, given, inputs, code):
    (tmp_path / "empty.csv").touch()
    places = {"posts.csv": posts}
    with pytest.raises(InputError) as caught:
        analyze([places.get(name, tmp_path / name) for name in given], tmp_path / "out", inputs=inputs)
    assert caught.value.code == code
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may read everything")
def test_a_folder_that_cannot_be_opened(tmp_path):
    locked = tmp_path / "locked"
    locked.mkdir(mode=0)
    try:
        with pytest.raises(InputError) as caught:
            analyze(locked, tmp_path / "out")
    finally:
        locked.chmod(0o700)
    assert caught.value.code == "nothing_readable"


def test_results_are_kept_apart_from_what_is_read(tmp_path):
    (tmp_path / "posts.txt").write_text("hello\n", encoding="utf-8")
    for out in (tmp_path, tmp_path / "results", tmp_path / "a" / ".." / "b"):
        with pytest.raises(UsageError) as caught:
            analyze(tmp_path, out)
        assert caught.value.code == "out_inside_input"


def test_unknown_modality(posts, tmp_path):
    with pytest.raises(UsageError) as caught:
        analyze(posts, tmp_path / "out", modalities=["text", "smell"])
    assert (caught.value.code, caught.value.allowed) == (
        "unknown_modality",
        ("text", "voice", "face", "image", "fused"),
    )


def test_progress_reaches_the_end(posts, tmp_path):
    states = []
    analyze(posts, tmp_path / "out", report=False, progress=states.append)
    assert states[-1].done == 4


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_stopped_and_killed_runs_go_on_with_the_same_bytes(tmp_path):
    words = ["so happy today", "what a mess", "thanks a lot", "I am afraid"]
    lines = "\n".join(f"{words[i % 4]} {i % 40}" for i in range(12_000))
    (tmp_path / "lines.txt").write_text(lines, encoding="utf-8")

    def start(out):
        command = [sys.executable, "-m", "affectome", "analyze", "lines.txt", "--no-report", "--out", out]
        return subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(process, send, parts):
        stored = tmp_path / "broken" / ".parts"
        while process.poll() is None and len(list(stored.glob("*.arrow"))) < parts:
            time.sleep(0.005)
        send()
        return process.wait()

    first = start("broken")
    assert stop(first, lambda: first.send_signal(2), parts=1) == 130
    second = start("broken")
    assert stop(second, second.kill, parts=3) == -9
    assert not (tmp_path / "broken" / "estimates.parquet").exists()
    assert start("broken").wait() == 0
    assert start("whole").wait() == 0
    whole = (tmp_path / "whole" / "estimates.parquet").read_bytes()
    assert (tmp_path / "broken" / "estimates.parquet").read_bytes() == whole
    assert pl.read_parquet(tmp_path / "broken" / "estimates.parquet")["id"].n_unique() == 12_000
