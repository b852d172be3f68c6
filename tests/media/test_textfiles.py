import codecs
import gzip
import random

import polars as pl
import pytest

from affectome.media import read_segments
from affectome.media.textfiles import examine

WESTERN = "id,text\n1,The café wasn’t open – naïve me\n2,It cost £5 or 6 €\n3,plain\n"


def encoding_of(tmp_path, content, compressed=False):
    path = tmp_path / "file"
    path.write_bytes(gzip.compress(content) if compressed else content)
    found = examine(path, compressed)
    return found and found.encoding


@pytest.mark.parametrize(
    ("codec", "text"),
    [
        ("utf-8", WESTERN),
        ("utf-8-sig", WESTERN),
        ("utf-16", WESTERN),
        ("utf-16-le", WESTERN),
        ("utf-16-be", WESTERN),
        ("utf-32", WESTERN),
        ("cp1252", WESTERN),
        ("latin-1", "id,text\n1,Un été à Paris, ça va très bien\n2,Größe und Maß\n"),
        ("cp1251", "id,text\n1,Привет, как дела сегодня\n2,хорошо спасибо большое\n"),
        ("shift_jis", "id,text\n1,こんにちは世界、今日はいい天気ですね\n"),
        ("gb18030", "id,text\n1,今天天气很好，我们去公园吧\n"),
        ("big5", "id,text\n1,今天天氣很好，我們去公園吧\n"),
        ("cp1250", "id,text\n1,Zażółć gęślą jaźń i dziękuję bardzo\n"),
    ],
)
def test_encodings_are_found_and_recorded(tmp_path, codec, text):
    path = tmp_path / "posts.csv"
    path.write_bytes(text.encode(codec))
    source = read_segments([path])
    expected = [line.split(",", 1)[1] if line.count(",") == 1 else None for line in text.splitlines()[1:]]
    assert pl.concat(source.shards())["text"].to_list() == expected
    assert codecs.decode(text.encode(codec), source.entries[0].encoding) == text


@pytest.mark.parametrize("size", [10, 20_000])
def test_damaged_utf8_stays_utf8(tmp_path, size):
    path = tmp_path / "posts.txt"
    path.write_bytes(("plain\n" * size + "é😀 fine\n").encode() + b"cut \xf0\x9f\n")
    source = read_segments([path])
    assert source.entries[0].encoding == "utf-8"
    assert source.entries[0].notes["invalid_bytes"] == 2
    *_, last = source.shards()
    assert last["text"].to_list()[-2:] == ["é😀 fine", "cut �"]


def test_a_late_western_byte_is_seen(tmp_path):
    content = b"plain english line\n" * 200_000 + "a café at last\n".encode("cp1252")
    assert encoding_of(tmp_path, content) == "cp1252"
    assert encoding_of(tmp_path, content, compressed=True) == "cp1252"


@pytest.mark.parametrize("split", range(1, 5))
def test_characters_across_chunks_are_sound(tmp_path, split):
    content = b"x" * ((1 << 16) - split) + "😀é".encode() * 3
    path = tmp_path / "file"
    path.write_bytes(content)
    assert examine(path, compressed=False).invalid_bytes == 0


@pytest.mark.parametrize("text", ["é", "éa", "aé", "aaé"])
def test_tiny_western_files(tmp_path, text):
    assert encoding_of(tmp_path, text.encode("cp1252") + b" and so on, plainly") == "cp1252"


def test_bytes_no_detector_knows_are_still_text(tmp_path, monkeypatch):
    class Nothing:
        def best(self):
            return None

    monkeypatch.setattr("charset_normalizer.from_bytes", lambda sample: Nothing())
    assert encoding_of(tmp_path, b"word " + b"\x81\x8d\x8f" * 5) == "cp1252"


def test_a_mark_inside_the_file_is_no_byte_order_mark(tmp_path):
    path = tmp_path / "posts.txt"
    path.write_bytes(b"plain\n\xff\xfea\xffb\xffc\n")
    frame = pl.concat(read_segments([path]).shards())
    assert frame["text"].to_list()[0] == "plain"
    assert frame.height == 2


@pytest.mark.parametrize(
    "content",
    [
        b"\x89PNG\r\n\x1a\n" + bytes(100),
        b"\xff\xd8\xff\xe0" + bytes(100),
        b"PK\x03\x04 xlsx",
        b"%PDF-1.7 text",
        b"\0" * 1000,
        bytes(range(256)) * 10,
        b"\x01\x02\x03 abc",
        random.Random(0).randbytes(5000),
        gzip.compress(b"twice"),
    ],
)
def test_binary_content_is_no_text(tmp_path, content):
    assert encoding_of(tmp_path, content) is None


@pytest.mark.parametrize("content", [b"a\x01b and enough words around it", b"esc \x1b[0m", b"nul\0 here and there"])
def test_a_few_control_characters_do_not_make_a_binary(tmp_path, content):
    assert encoding_of(tmp_path, content) == "utf-8"
