import gzip
import json
import tracemalloc
from datetime import datetime

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affectome.errors import AffectomeError, UsageError
from affectome.media import read_segments, segments_schema

TABLE = "id,text,author,date,group,place\na,hello,Ann,2024-01-02 10:00,x,Rome\nb,there,,soon,,\n,you,Bob,,y,Oslo\n"


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "posts.csv"
    path.write_text(TABLE)
    return path


def test_columns_of_a_shard(table):
    source = read_segments([table], keep=["place"])
    (shard,) = source.shards()
    assert shard.schema == segments_schema(["place"])
    assert shard.rows() == [
        ("a", "posts.csv", None, None, "Ann", "hello", "",
         {"time": datetime(2024, 1, 2, 10), "group": "x", "place": "Rome"}),
        ("b", "posts.csv", None, None, None, "there", "", {"time": None, "group": None, "place": None}),
        ("posts.csv#2", "posts.csv", None, None, "Bob", "you", "", {"time": None, "group": "y", "place": "Oslo"}),
    ]  # fmt: skip
    assert source.entries[0].notes == {"bad_rows": 0, "unparsed_times": 1}


def test_bad_rows_are_counted_once_a_pass(tmp_path):
    path = tmp_path / "posts.jsonl"
    path.write_text('{"text": "a"}\n{"text": []}\nbroken\n')
    source = read_segments([path])
    for _ in range(2):
        list(source.shards())
        assert source.entries[0].notes["bad_rows"] == 2


@settings(max_examples=30)
@given(
    lengths=st.lists(st.integers(0, 30), min_size=1, max_size=30),
    shard_rows=st.integers(1, 10),
    sentences=st.booleans(),
)
def test_shards_are_bounded_complete_and_repeatable(tmp_path_factory, lengths, shard_rows, sentences):
    path = tmp_path_factory.getbasetemp() / "shards.jsonl"
    path.write_text(
        "".join(json.dumps({"text": "Hi. " * (length // 4) + "x" * (length % 4)}) + "\n" for length in lengths)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("affectome.media.segments._SHARD_CHARACTERS", 50)
        source = read_segments([path], shard_rows=shard_rows, sentences=sentences)
        shards = list(source.shards())
        again = list(source.shards())
    assert all(first.equals(second) for first, second in zip(shards, again, strict=True))
    assert all(0 < shard.height <= shard_rows for shard in shards)
    assert all(shard["text"].str.len_chars().sum() < 50 + 30 for shard in shards)
    ids = [name for shard in shards for name in shard["id"]]
    assert len(set(ids)) == len(ids)
    if not sentences:
        assert ids == [f"shards.jsonl#{number}" for number in range(len(lengths))]


def test_shards_may_hold_several_files(tmp_path):
    for name in "abc":
        (tmp_path / f"{name}.txt").write_text("one\ntwo\n")
    assert [shard.height for shard in read_segments([tmp_path], shard_rows=4).shards()] == [4, 2]


def test_sentences_have_offsets_into_their_row(tmp_path):
    path = tmp_path / "posts.jsonl"
    texts = ["It rains.  We stay. 😀 Good!", "", None, " \n", ["bad"], "One"]
    path.write_text("".join(json.dumps({"id": n, "text": text, "user": "Ann"}) + "\n" for n, text in enumerate(texts)))
    frame = pl.concat(read_segments([path], sentences=True).shards())
    assert frame.select("id", "start", "end", "text", "error").rows() == [
        ("0:0", 0.0, 9.0, "It rains.", ""),
        ("0:1", 11.0, 21.0, "We stay. 😀", ""),
        ("0:2", 22.0, 27.0, "Good!", ""),
        ("1", None, None, "", ""),
        ("2", None, None, None, ""),
        ("3", None, None, " \n", ""),
        ("4", None, None, None, "bad_row"),
        ("5:0", 0.0, 3.0, "One", ""),
    ]
    assert set(frame["speaker"]) == {"Ann"}


def test_one_path_may_be_given_alone(table):
    assert pl.concat(read_segments(str(table)).shards()).height == 3


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"shard_rows": 0}, "bad_shard_rows"),
        ({"keep": ["time"]}, "reserved_column"),
        ({"keep": ["group"]}, "reserved_column"),
    ],
)
def test_options_that_do_not_fit(table, options, code):
    with pytest.raises(UsageError) as caught:
        read_segments([table], **options)
    assert caught.value.code == code


def test_the_fingerprint_depends_on_content_names_and_options(table):
    first = read_segments([table]).fingerprint
    assert len(first) == 64
    table.touch()
    assert read_segments([table]).fingerprint == first
    others = {
        read_segments([table], sentences=True).fingerprint,
        read_segments([table], shard_rows=7).fingerprint,
        read_segments([table], keep=["place"]).fingerprint,
        read_segments([table], text_column="place").fingerprint,
    }
    renamed = table.with_name("other.csv")
    renamed.write_bytes(table.read_bytes())
    others.add(read_segments([renamed]).fingerprint)
    others.add(read_segments([table.parent]).fingerprint)
    table.write_text(TABLE.replace("hello", "hullo"))
    others.add(read_segments([table]).fingerprint)
    assert first not in others
    assert len(others) == 7


@pytest.mark.parametrize(
    ("rows", "harm"), [(20, "cut"), (20_000, "cut"), (20_000, "changed"), (20, "checksum"), (20_000, "checksum")]
)
def test_a_damaged_archive_ends_with_a_bad_row(tmp_path, rows, harm):
    texts = [f"text number {number} {number * 7919 % 10007}" for number in range(rows)]
    table = "id,text,date\n" + "".join(f"{number},{text},2024-01-02\n" for number, text in enumerate(texts))
    packed = bytearray(gzip.compress(table.encode()))
    third = len(packed) // 3
    if harm == "cut":
        del packed[-third:]
    elif harm == "changed":
        packed[-third:] = b"\xff" * third
    else:
        packed[-8:] = bytes(8)
    path = tmp_path / "posts.csv.gz"
    path.write_bytes(packed)
    source = read_segments([path])
    frame = pl.concat(source.shards())
    good = frame["error"].to_list().index("bad_row")
    assert rows // 3 <= good <= rows
    certain = rows // 3 if harm == "changed" else good  # changed bytes may unpack to other rows before they are noticed
    assert frame["text"].to_list()[:certain] == texts[:certain]
    assert frame["error"].to_list()[-1] == "bad_row"
    assert [problem.code for problem in source.problems] == ["unreadable"]


def test_a_file_that_breaks_while_read_ends_with_a_bad_row(tmp_path):
    path = tmp_path / "posts.csv.gz"
    rows = "".join(f"{n},text number {n} {n * 7919 % 10007}\n" for n in range(20_000))
    packed = gzip.compress(f"id,text\n{rows}".encode())
    path.write_bytes(packed)
    (tmp_path / "z.txt").write_text("fine\n")
    source = read_segments([tmp_path])
    path.write_bytes(packed[: len(packed) // 2])
    for _ in range(2):
        frame = pl.concat(source.shards())
        good = frame.height - 2
        assert 0 < good < 20_000
        assert frame["id"].to_list()[:-2] == [str(number) for number in range(good)]
        assert frame["error"].to_list()[-2:] == ["bad_row", ""]
        assert [problem.code for problem in source.problems] == ["unreadable"]
    path.write_bytes(packed)
    assert pl.concat(source.shards()).height == 20_001
    assert source.problems == []


def test_surrogates_and_nuls_harm_no_column(tmp_path):
    path = tmp_path / "posts.jsonl"
    bad = "a\ud800\0b"
    path.write_text(json.dumps({"id": bad, "text": bad, "user": bad, "group": bad, "k": bad, "time": bad}))
    (shard,) = read_segments([path], keep=["k"]).shards()
    assert shard.row(0) == (
        "a�b", "posts.jsonl", None, None, "a�b", "a�b", "", {"time": None, "group": "a�b", "k": "a�b"},
    )  # fmt: skip


@pytest.mark.parametrize("name", ["big.txt", "big.csv", "big.jsonl", "big.parquet"])
def test_a_text_of_fifty_megabytes_is_passed_on(tmp_path, name):
    path = tmp_path / name
    text = "word " * 10_000_000
    rows = ["before", text, "after"]
    if name.endswith("parquet"):
        pl.DataFrame({"text": rows}).write_parquet(path)
    elif name.endswith("jsonl"):
        path.write_text("".join(json.dumps({"text": row}) + "\n" for row in rows))
    else:
        path.write_text("text\n" * name.endswith("csv") + "\n".join(rows) + "\n")
    heights, lengths = [], []
    for shard in read_segments([path]).shards():
        heights.append(shard.height)
        lengths += shard["text"].str.len_chars().to_list()
    assert heights == [2, 1]
    assert lengths == [6, len(text), 5]


def peak_memory(path, **options):
    tracemalloc.start()
    rows = sum(shard.height for shard in read_segments([path], **options).shards())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return rows, peak


@pytest.mark.parametrize("name", ["many.csv", "many.jsonl", "many.txt"])
def test_memory_does_not_grow_with_the_rows(tmp_path, name):
    path = tmp_path / name
    row = json.dumps({"text": "a word or two " * 10}) if name.endswith("jsonl") else "a word or two " * 10
    peaks = []
    for rows in (8_000, 20_000):
        path.write_text("text\n" * name.endswith("csv") + f"{row}\n" * rows)
        found, peak = peak_memory(path, shard_rows=500)
        assert found == rows
        peaks.append(peak)
    assert peaks[1] < 1.2 * peaks[0]


def test_memory_does_not_grow_with_an_archive_bomb(tmp_path, monkeypatch):
    monkeypatch.setattr("affectome.media.segments._SHARD_CHARACTERS", 1 << 20)
    monkeypatch.setattr("affectome.media.textfiles.SAMPLE_CHARACTERS", 1 << 20)
    monkeypatch.setattr("affectome.media.textfiles.RECORD_LIMIT", 1 << 20)
    path = tmp_path / "bomb.txt.gz"
    with gzip.open(path, "wb") as stream:
        stream.write(b"x" * 50_000_000 + b"\n" + (b"y" * 500_000 + b"\n") * 40)
    rows, peak = peak_memory(path)
    assert rows == 41
    assert peak < 20_000_000


def test_problems_and_errors_say_what_to_do(tmp_path):
    (tmp_path / "a.csv").write_text("n,m\n1,2\n")
    with pytest.raises(AffectomeError) as caught:
        read_segments([tmp_path / "a.csv"])
    assert caught.value.next_step
    with pytest.raises(AffectomeError) as caught:
        read_segments([tmp_path])
    assert "a.csv" in str(caught.value)
