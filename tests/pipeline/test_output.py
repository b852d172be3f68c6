import json
from datetime import datetime

import polars as pl
import pytest
from pipeline_fakes import FakeScorer, segments

from affectome.errors import RunError
from affectome.pipeline import FORMATS, RunResult
from affectome.pipeline.output import Manifest, OutputFolder

IDENTITY = {"model": "text-en@0.1.0", "taxonomy": "goemotions28"}


def folder(path, file_format="parquet", **changes):
    return OutputFolder(path, Manifest({**IDENTITY, **changes}, "f0", file_format))


def estimates(*texts):
    table = segments([f"i{n}" for n in range(len(texts))], list(texts))
    table = table.with_columns(meta=pl.struct(time=pl.lit(datetime(2026, 1, 2, 3, 4, 5)), group=pl.lit("g")))
    return FakeScorer()(table)


def finish(path, file_format="parquet", tables=None):
    path.mkdir(parents=True, exist_ok=True)
    output = folder(path, file_format)
    assert output.open(overwrite=False) is None
    tables = tables or [estimates("x", "", 'raw, "text"\nhere'), estimates("y")]
    parts = [output.write_part(index, table) for index, table in enumerate(tables)]
    result = RunResult(
        rows=4, scored=3, abstained=1, failed=0, by_code={"empty": 1}, seconds=1, estimates=output.estimates
    )
    output.finish(parts, result)
    return output.estimates


def code_of(call):
    with pytest.raises(RunError) as caught:
        call()
    return caught.value.code


def test_parquet_and_jsonl_keep_structs(tmp_path):
    table = pl.concat([estimates("x", "", 'raw, "text"\nhere'), estimates("y")])
    assert pl.read_parquet(finish(tmp_path / "p")).equals(table)
    lines = [json.loads(line) for line in finish(tmp_path / "j", "jsonl").read_text().splitlines()]
    assert [line["id"] for line in lines] == table["id"].to_list()
    assert lines[0]["emotion"].keys() == {"joy", "anger", "fear"}
    assert lines[0]["meta"]["time"].startswith("2026-01-02")
    assert lines[1]["emotion"] is None


@pytest.mark.parametrize("file_format", FORMATS)
def test_folder_names_are_taken_as_they_are(tmp_path, file_format):
    deep = tmp_path / "year=2026" / "[a-c]*?{x} é%20"
    path = finish(deep, file_format)
    assert path.parent == deep
    assert path.read_bytes() == finish(tmp_path / "plain", file_format).read_bytes()


def test_csv_flattens_structs(tmp_path):
    table = pl.read_csv(finish(tmp_path, "csv"))
    assert table.columns == [
        *("id", "text", "status", "error", "emotion.joy", "emotion.anger", "emotion.fear"),
        *("valence", "tone.sentiment", "meta.time", "meta.group"),
    ]
    assert table["text"].to_list()[2] == 'raw, "text"\nhere'
    assert table["emotion.joy"].null_count() == 1
    assert table["meta.time"][0].startswith("2026-01-02")


@pytest.mark.parametrize("file_format", FORMATS)
def test_no_rows_are_a_file_too(tmp_path, file_format):
    path = finish(tmp_path, file_format, [estimates()])
    if file_format == "parquet":
        assert pl.read_parquet(path).schema == estimates().schema
    elif file_format == "csv":
        assert path.read_text().startswith("id,text,status,error,emotion.joy,")
        assert len(path.read_text().splitlines()) == 1
    else:
        assert path.read_bytes() == b""


def test_a_finished_folder_holds_the_estimates_only(tmp_path):
    finish(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"estimates.parquet", ".complete.json"}
    again = folder(tmp_path).open(overwrite=False)
    assert again.already_complete
    assert again.by_code == {"empty": 1}
    assert again.estimates == tmp_path / "estimates.parquet"


def test_stored_parts_are_found_and_damaged_ones_are_not(tmp_path):
    output = folder(tmp_path)
    output.open(overwrite=False)
    table = estimates("x", "y")
    path = output.write_part(7, table)
    again = folder(tmp_path)
    again.open(overwrite=False)
    found, stored = again.stored_part(7, 2)
    assert found == path
    assert stored.equals(table)
    assert again.stored_part(7, 3) is None
    assert again.stored_part(6, 2) is None
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)
    assert again.stored_part(7, 2) is None
    path.write_bytes(damaged[:-10])
    assert again.stored_part(7, 2) is None


def test_another_run_is_refused_with_the_difference(tmp_path):
    folder(tmp_path).open(overwrite=False)
    with pytest.raises(RunError, match=r"'text-en@0\.1\.0' there, 'text-en@0\.2\.0' now") as caught:
        folder(tmp_path, model="text-en@0.2.0").open(overwrite=False)
    assert caught.value.code == "other_run"
    assert "unfinished" in caught.value.message
    assert "--out" in caught.value.next_step
    assert "--overwrite" in caught.value.next_step
    with pytest.raises(RunError, match=r"identity\.extra 'none' there"):
        folder(tmp_path, extra="1").open(overwrite=False)
    with pytest.raises(RunError, match="format 'parquet' there, 'csv' now"):
        folder(tmp_path, "csv").open(overwrite=False)


def test_another_finished_run_is_refused(tmp_path):
    finish(tmp_path)
    with pytest.raises(RunError, match="a finished run") as caught:
        folder(tmp_path, model="other").open(overwrite=False)
    assert caught.value.code == "other_run"


def test_estimates_that_are_not_ours_are_kept(tmp_path):
    (tmp_path / "estimates.parquet").write_text("precious")
    assert code_of(lambda: folder(tmp_path).open(overwrite=False)) == "output_exists"
    assert (tmp_path / "estimates.parquet").read_text() == "precious"


def test_estimates_that_were_changed_are_kept(tmp_path):
    path = finish(tmp_path, "csv")
    path.write_text("edited")
    assert code_of(lambda: folder(tmp_path, "csv").open(overwrite=False)) == "output_changed"
    assert path.read_text() == "edited"


def test_estimates_that_were_removed_are_made_again(tmp_path):
    finish(tmp_path).unlink()
    assert folder(tmp_path, model="other").open(overwrite=False) is None
    assert {path.name for path in tmp_path.iterdir()} == {".parts"}


def test_overwriting_discards_a_finished_run(tmp_path):
    finish(tmp_path, "csv")
    (tmp_path / "report.html").touch()
    assert folder(tmp_path).open(overwrite=True) is None
    assert {path.name for path in tmp_path.iterdir()} == {".parts", "report.html"}


def test_overwriting_resumes_its_own_unfinished_run(tmp_path):
    output = folder(tmp_path)
    output.open(overwrite=True)
    output.write_part(0, estimates("x"))
    again = folder(tmp_path)
    again.open(overwrite=True)
    assert again.stored_part(0, 1)
    other = folder(tmp_path, model="other")
    other.open(overwrite=True)
    assert other.stored_part(0, 1) is None


def test_parts_without_a_manifest_belong_to_nobody(tmp_path):
    output = folder(tmp_path)
    output.open(overwrite=False)
    output.write_part(0, estimates("x"))
    (tmp_path / ".parts" / "manifest.json").unlink()
    again = folder(tmp_path)
    again.open(overwrite=False)
    assert again.stored_part(0, 1) is None


@pytest.mark.parametrize(
    "damage", ["", "{", "[]", "{}", '{"manifest": {"format": "../../x"}, "sha256": "", "result": {}}']
)
def test_damaged_notes_are_refused_and_can_be_overwritten(tmp_path, damage):
    finish(tmp_path)
    (tmp_path / ".complete.json").write_text(damage)
    assert code_of(lambda: folder(tmp_path).open(overwrite=False)) == "bad_manifest"
    assert folder(tmp_path).open(overwrite=True) is None


def test_a_damaged_manifest_is_refused_and_can_be_overwritten(tmp_path):
    folder(tmp_path).open(overwrite=False)
    (tmp_path / ".parts" / "manifest.json").write_text("\0")
    assert code_of(lambda: folder(tmp_path).open(overwrite=False)) == "bad_manifest"
    assert folder(tmp_path).open(overwrite=True) is None


def test_parts_elsewhere_are_not_followed(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").touch()
    out = tmp_path / "out"
    out.mkdir()
    (out / ".parts").symlink_to(elsewhere)
    assert code_of(lambda: folder(out).open(overwrite=True)) == "storage_error"
    assert (elsewhere / "kept").exists()
