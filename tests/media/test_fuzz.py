"""Random bytes to each reader: rows or an error of our own, nothing else.

``AFFECTOME_FUZZ`` sets the number of inputs a reader gets, 25 by default.
"""

import gzip
import io
import os

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affectome.errors import AffectomeError
from affectome.media import read_segments, segments_schema, split_sentences

RUNS = int(os.environ.get("AFFECTOME_FUZZ", "25"))
ENDINGS = [".csv", ".tsv", ".jsonl", ".txt", ".csv.gz", ".jsonl.gz", ".parquet", ".bin"]

TOKENS = st.sampled_from(
    [b",", b";", b"\t", b"|", b'"', b'""', b"\n", b"\r", b"\r\n", b"\0", b"id", b"text", b"turns", b"speaker", b"{",
     b"}", b"[", b"]", b":", b'"text":', b'"turns":', b"null", b"1e999", b"\\ud800", b"\xff\xfe", b"\xef\xbb\xbf",
     b"\xc3", b"\xa9", "é😀語".encode(), b"ANNA: hi", b"a b", b" ", b"time", b"1/2/2024"]
)  # fmt: skip
CONTENT = st.binary(max_size=300) | st.lists(TOKENS, max_size=60).map(b"".join)


def packed():
    buffer = io.BytesIO()
    pl.DataFrame({"id": range(50), "text": [f"text {n}" for n in range(50)]}).write_parquet(buffer)
    return buffer.getvalue()


PARQUET = packed()


def exhaust(path, **options):
    """Read everything twice; both passes agree."""
    try:
        source = read_segments([path], **options)
    except AffectomeError:
        return
    first, second = list(source.shards()), list(source.shards())
    assert all(one.equals(two) for one, two in zip(first, second, strict=True))
    for shard in first:
        assert shard.schema == segments_schema()
        assert shard["error"].is_in(["", "bad_row"]).all()
        assert shard["id"].null_count() == 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


@pytest.mark.parametrize("ending", ENDINGS)
@settings(max_examples=RUNS)
@given(content=CONTENT, sentences=st.booleans(), text_column=st.none() | st.just("text"))
def test_random_bytes(folder, ending, content, sentences, text_column):
    path = folder / f"input{ending}"
    path.write_bytes(gzip.compress(content) if ending.endswith("gz") else content)
    exhaust(path, sentences=sentences, text_column=text_column)


@pytest.mark.parametrize("ending", [".csv.gz", ".parquet"])
@settings(max_examples=RUNS)
@given(place=st.floats(0, 1), damage=st.binary(min_size=1, max_size=20), cut=st.booleans())
def test_damaged_containers(folder, ending, place, damage, cut):
    content = PARQUET if ending == ".parquet" else gzip.compress(b"id,text\n" + b"1,some words here\n" * 50)
    start = int(place * len(content))
    path = folder / f"damaged{ending}"
    path.write_bytes(content[:start] + (b"" if cut else damage + content[start + len(damage) :]))
    exhaust(path)


@settings(max_examples=RUNS)
@given(st.text(max_size=300))
def test_sentences_of_any_text(text):
    assert all(0 <= start < end <= len(text) for start, end in split_sentences(text))
