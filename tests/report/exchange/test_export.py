"""An estimates file in other formats."""

import json

import polars as pl
import pytest

from affectome.errors import AffectomeError, InputError, UsageError
from affectome.media.annotations import read_annotations
from affectome.perceive.estimates import estimates_schema
from affectome.report.exchange import export_estimates

LABELS = ("joy", "fear")
SCHEMA = estimates_schema(LABELS, extras={"au": ("AU12",), "face": ("x", "y", "size")})
DIMENSIONS = [f"{name}{suffix}" for name in ("valence", "arousal", "dominance") for suffix in ("", "_sd")]
MILD = {"sentiment": 0.5, "toxicity": 0.25}
JOY, FEAR = {"joy": 0.75, "fear": 0.25}, {"joy": 0.125, "fear": 0.875}


def row(id, source, modality, *, start=None, end=None, emotion=None, status="scored", error="", **more):
    scored = emotion is not None
    return {
        "id": id,
        "source": source,
        "start": start,
        "end": end,
        "modality": modality,
        "status": status,
        "error": error,
        "emotion": emotion,
        "top": max(emotion, key=emotion.get) if scored else None,
        "confidence": max(emotion.values()) if scored else None,
        "entropy": 0.5 if scored else None,
        **{
            f"{name}{suffix}": 0.5 if scored else None
            for name in ("valence", "arousal", "dominance")
            for suffix in ("", "_sd")
        },
        **more,
    }


ROWS = [
    row("p1", "posts.csv", "text", start=0.0, end=12.0, emotion=JOY, text="I love this!", speaker="Ann", tone=MILD),
    row("p2", "posts.csv", "text", start=13.0, end=20.0, emotion=FEAR, text="Oh no...", speaker="Ann"),
    row("p3", "posts.csv", "text", status="failed", error="too_long"),
    row("p4", "posts.csv", "text", status="abstained", error="empty"),
    row("a#0", "calls/talk.wav", "voice", start=0.5, end=2.0, emotion=FEAR, text="Oh no...", speaker="Ben"),
    row("a#0", "calls/talk.wav", "text", start=0.5, end=2.0, emotion=FEAR, text="Oh no...", speaker="Ben"),
    row("b#0", "../../calls_talk.wav", "voice", start=0.0, end=1.0, emotion=JOY),
    row("f", "face.png", "face", emotion=JOY, au={"AU12": 0.5}, face={"x": 50.0, "y": 40.0, "size": 20.0}),
    row("f2", "whole.png", "face", emotion=JOY),
    row("i", "face.png", "image", status="scored"),
]  # fmt: skip


@pytest.fixture(params=["parquet", "jsonl"])
def estimates(request, tmp_path):
    table = pl.DataFrame(ROWS, schema=SCHEMA)
    path = tmp_path / f"estimates.{request.param}"
    table.write_parquet(path) if request.param == "parquet" else table.write_ndjson(path)
    return path


def test_one_file_for_each_recording(estimates, tmp_path):
    out = tmp_path / "out"
    done = export_estimates(estimates, out, "textgrid")
    assert [path.name for path in done.paths] == ["calls_talk.wav.TextGrid", "calls_talk.wav_2.TextGrid"]
    assert sorted(out.iterdir()) == sorted(done.paths)
    assert (done.rows, done.left_out) == (3, 7)
    read = read_annotations(done.paths[0]).select("start", "end", "modality", "tier", "speaker", "label", "value")
    assert (0.5, 2.0, "voice", "emotion", "Ben", "fear", 0.875) in read.rows()
    assert (0.5, 2.0, "text", "valence", "Ben", None, 0.5) in read.rows()
    assert (0.5, 2.0, None, "text", "Ben", "Oh no...", None) in read.rows()


def test_one_recording_is_one_file(tmp_path):
    path = tmp_path / "estimates.parquet"
    pl.DataFrame(ROWS[4:6], schema=SCHEMA).write_parquet(path)
    done = export_estimates(path, tmp_path / "talk.eaf", "eaf")
    assert done.paths == (tmp_path / "talk.eaf",)
    assert set(read_annotations(tmp_path / "talk.eaf")["source"]) == {"calls/talk.wav"}
    (tmp_path / "folder").mkdir()
    done = export_estimates(path, tmp_path / "folder", "webvtt")
    assert done.paths == (tmp_path / "folder" / "calls_talk.wav.vtt",)


def test_emotionml_holds_every_label_of_every_row(estimates, tmp_path):
    done = export_estimates(estimates, tmp_path / "a.emotionml", "emotionml")
    assert (done.rows, done.left_out) == (7, 3)
    read = read_annotations(tmp_path / "a.emotionml")
    first = read.filter(pl.col("id") == "p1").select("start", "tier", "label", "value").rows()
    assert first == [
        (None, "text", "I love this!", None),
        (None, "emotion", "joy", 0.75),
        (None, "emotion", "fear", 0.25),
        (None, "valence", None, 0.5),
        (None, "arousal", None, 0.5),
        (None, "dominance", None, 0.5),
    ]
    assert read.filter(pl.col("source") == "calls/talk.wav")["start"].unique().to_list() == [0.5]


def test_hume(estimates, tmp_path):
    done = export_estimates(estimates, tmp_path / "a.json", "hume")
    assert (done.rows, done.left_out) == (7, 3)
    results = {each["source"]["filename"]: each for each in json.loads((tmp_path / "a.json").read_text())}
    posts = results["posts.csv"]
    assert set(posts) == {"source", "results", "error"}
    assert posts["source"] == {"type": "file", "filename": "posts.csv", "content_type": None, "md5sum": ""}
    assert posts["results"]["errors"] == [{"message": "p3: too_long", "file": "posts.csv"}]
    (prediction,) = posts["results"]["predictions"]
    assert prediction["file"] == "posts.csv"
    (group,) = prediction["models"]["language"]["grouped_predictions"]
    assert group["id"] == "Ann"
    assert group["predictions"][0] == {
        "text": "I love this!",
        "position": {"begin": 0, "end": 12},
        "time": None,
        "confidence": None,
        "speaker_confidence": None,
        "emotions": [{"name": "joy", "score": 0.75}, {"name": "fear", "score": 0.25}],
        "sentiment": None,
        "toxicity": [{"name": "toxic", "score": 0.25}],
    }
    assert group["predictions"][1]["position"] == {"begin": 13, "end": 21}
    assert group["predictions"][1]["toxicity"] is None
    talk = results["calls/talk.wav"]["results"]["predictions"][0]["models"]
    assert set(talk) == {"prosody", "language"}
    (group,) = talk["prosody"]["grouped_predictions"]
    assert (group["id"], group["predictions"][0]["time"]) == ("Ben", {"begin": 0.5, "end": 2.0})
    assert "position" not in group["predictions"][0]
    (face,) = results["face.png"]["results"]["predictions"][0]["models"]["face"]["grouped_predictions"]
    assert face["id"] == "unknown"
    assert face["predictions"][0]["box"] == {"x": 40.0, "y": 30.0, "w": 20.0, "h": 20.0}
    assert face["predictions"][0]["facs"] == [{"name": "AU12", "score": 0.5}]
    (whole,) = results["whole.png"]["results"]["predictions"][0]["models"]["face"]["grouped_predictions"]
    assert whole["predictions"][0]["facs"] is None


def test_without_times(tmp_path):
    path = tmp_path / "estimates.parquet"
    pl.DataFrame(ROWS[:4], schema=SCHEMA).write_parquet(path)
    with pytest.raises(InputError) as caught:
        export_estimates(path, tmp_path / "a.vtt", "webvtt")
    assert caught.value.code == "no_times"
    assert "emotionml" in caught.value.allowed


@pytest.mark.parametrize("format", ["hume", "eaf", "emotionml"])
def test_where_nothing_can_be_written(format, estimates, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(AffectomeError) as caught:
        export_estimates(estimates, tmp_path / "file" / "below", format)
    assert caught.value.code == "not_writable"


def test_refusals(estimates, tmp_path):
    with pytest.raises(UsageError) as caught:
        export_estimates(estimates, tmp_path / "a", "docx")
    assert caught.value.code == "unknown_format"
    (tmp_path / "a.vtt").touch()
    with pytest.raises(UsageError) as caught:
        export_estimates(estimates, tmp_path / "a.vtt", "webvtt")
    assert caught.value.code == "needs_folder"
    with pytest.raises(InputError) as caught:
        export_estimates(tmp_path / "none.parquet", tmp_path / "a", "hume")
    assert caught.value.code == "missing_file"
