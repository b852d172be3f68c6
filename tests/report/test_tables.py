"""Every format opens to the same table, and files that are no estimates are refused."""

import polars as pl
import pytest

from affectome.errors import InputError, UsageError
from affectome.report.tables import open_estimates


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_formats_open_to_the_same_table(invent, store, tmp_path, suffix):
    frame = invent(60, labels=("joy", "a.b", "neutral"), groups=("x", "1"), speakers=("A", "B"))
    with open_estimates(store(frame, tmp_path / "e.parquet")) as expected:
        reference = expected.rows.collect()
        with open_estimates(store(frame, tmp_path / f"e.{suffix}")) as table:
            found = table.rows.collect()
            assert table.labels == expected.labels == ("joy", "a.b", "neutral")
    assert found.schema == reference.schema
    numbers = reference.select(pl.col(pl.Float32)).columns
    assert found.drop(numbers).equals(reference.drop(numbers))
    for name in numbers:
        assert (found[name] - reference[name]).abs().fill_null(0).max() < 1e-6, name
        assert found[name].is_null().equals(reference[name].is_null())


def test_json_lines_may_start_with_rows_that_hold_nothing(invent, store, tmp_path):
    frame = invent(30, unscored=0).with_columns(pl.int_range(30).alias("n"))
    frame = frame.with_columns(
        pl.when(pl.col("n") > 20).then(pl.col(name)).alias(name) for name in ("emotion", "top", "valence")
    ).drop("n")
    with open_estimates(store(frame, tmp_path / "e.jsonl")) as table:
        assert "joy" in table.labels
        assert table.rows.select(pl.col("valence").count()).collect().item() == 9


def test_optional_columns_may_be_absent(invent, store, tmp_path):
    frame = invent(5, unscored=0).drop("tone", "meta")
    with open_estimates(store(frame, tmp_path / "e.parquet")) as table:
        rows = table.scored.select("tone.toxicity", "meta.time", "meta.group", "meta.turn").collect()
    assert rows.null_count().row(0) == (5, 5, 5, 5)


def test_missing_columns_are_named(invent, store, tmp_path):
    path = store(invent(3).drop("valence", "top"), tmp_path / "e.parquet")
    with pytest.raises(InputError) as caught, open_estimates(path):
        pass
    assert caught.value.code == "missing_column"
    assert caught.value.value == "top, valence"


@pytest.mark.parametrize("name", ["e.parquet", "e.csv", "e.jsonl"])
def test_other_content_is_unreadable(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b'"\x00\xff{' if name != "e.csv" else b"")
    with pytest.raises(InputError) as caught, open_estimates(path):
        pass
    assert caught.value.code == "unreadable"


def test_unknown_format(tmp_path):
    with pytest.raises(UsageError) as caught, open_estimates(tmp_path / "e.xlsx"):
        pass
    assert caught.value.code == "unknown_format"
    assert ".parquet" in caught.value.allowed


def test_missing_file(tmp_path):
    with pytest.raises(InputError) as caught, open_estimates(tmp_path / "e.parquet"):
        pass
    assert caught.value.code == "missing_file"
