from datetime import UTC, date, datetime
from decimal import Decimal

import polars as pl
import pytest

from affectome.errors import InputError
from affectome.media import read_segments


def read(tmp_path, columns, **options):
    path = tmp_path / "posts.parquet"
    pl.DataFrame(columns).write_parquet(path)
    return pl.concat(read_segments([path], **options).shards())


def test_columns_are_read_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr("affectome.media.parquet._FIRST_SLICE_ROWS", 3)
    monkeypatch.setattr("affectome.media.parquet._SLICE_BYTES", 100)
    rows = 100
    frame = read(tmp_path, {"id": range(rows), "body": [f"text {n}" for n in range(rows)], "n": [1.5] * rows})
    assert frame["id"].to_list() == [str(number) for number in range(rows)]
    assert frame["text"].to_list() == [f"text {number}" for number in range(rows)]


@pytest.mark.parametrize(
    ("values", "texts", "error"),
    [
        (["a\0b", None, ""], ["ab", None, ""], ""),
        ([1, 2, None], ["1", "2", None], ""),
        ([True, False, None], ["true", "false", None], ""),
        ([Decimal("1.50"), None], ["1.50", None], ""),
        ([date(2024, 1, 2)], ["2024-01-02"], ""),
        ([["a"], ["b"]], [None, None], "bad_row"),
        ([{"a": 1}], [None], "bad_row"),
        ([b"a"], [None], "bad_row"),
    ],
)
def test_texts_of_other_types(tmp_path, values, texts, error):
    frame = read(tmp_path, {"text": values})
    assert frame["text"].to_list() == texts
    assert set(frame["error"].to_list()) == {error}


def test_times_with_a_zone_become_utc(tmp_path):
    local = pl.Series([datetime(2024, 7, 1, 12, tzinfo=UTC)]).dt.convert_time_zone("America/New_York")
    frame = read(tmp_path, {"text": ["a"], "time": local})
    assert frame["meta"].struct.field("time").to_list() == [datetime(2024, 7, 1, 12)]


def test_the_only_string_column_is_the_text(tmp_path):
    assert read(tmp_path, {"n": [1], "remark": ["so it is"]})["text"].to_list() == ["so it is"]


def test_no_rows_means_an_empty_file(tmp_path):
    path = tmp_path / "none.parquet"
    pl.DataFrame({"text": []}, schema={"text": pl.String}).write_parquet(path)
    with pytest.raises(InputError, match="nothing in it"):
        read_segments([path])


def test_a_truncated_file_is_unreadable(tmp_path):
    good = tmp_path / "good.parquet"
    pl.DataFrame({"text": ["a" * 100] * 100}).write_parquet(good)
    (tmp_path / "bad.parquet").write_bytes(good.read_bytes()[:-40])
    source = read_segments([tmp_path])
    assert source.files == [good]
    assert [problem.code for problem in source.problems] == ["unreadable"]


def test_a_damaged_page_ends_the_file_with_a_bad_row(tmp_path, capfd):
    path = tmp_path / "posts.parquet"
    frame = pl.DataFrame({"text": [f"text number {n}" for n in range(3000)]})
    frame.write_parquet(path, row_group_size=1000, compression="zstd", use_pyarrow=False)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 200] = b"\xff" * 200
    path.write_bytes(content)
    source = read_segments([path])
    read = pl.concat(source.shards())
    assert 1000 <= read.height < 3000
    assert read["error"].to_list() == [""] * (read.height - 1) + ["bad_row"]
    assert [problem.code for problem in source.problems] == ["unreadable"]
    list(source.shards())
    assert len(source.problems) == 1
