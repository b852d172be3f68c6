import polars as pl
import pytest

from affectome.media import read_segments


def read(tmp_path, content, **options):
    path = tmp_path / "notes.txt"
    path.write_bytes(content.encode())
    return pl.concat(read_segments([path], **options).shards())


def test_a_segment_is_a_line_that_is_not_blank(tmp_path):
    frame = read(tmp_path, "\n one \r\n\r\n \t\ntwo\rthree")
    assert frame["text"].to_list() == [" one ", "two", "three"]
    assert frame["id"].to_list() == ["notes.txt#0", "notes.txt#1", "notes.txt#2"]
    assert frame["speaker"].null_count() == 3


@pytest.mark.parametrize(
    ("content", "speakers"),
    [
        ("ANNA: Hi there\nBEN: Hello\n", ["ANNA", "BEN"]),
        ("Anna: Hi\nBen: Yes: no\nAnna: Bye\n(she leaves)\n", ["Anna", "Ben", "Anna", None]),
        ("anna-lee: hi\nanna-lee: you?\n", ["anna-lee", "anna-lee"]),
        ("Dr. Lee Jr.: Hi\nDr. Lee Jr.: Well\n", ["Dr. Lee Jr.", "Dr. Lee Jr."]),
        ("MRS O’HARA: Come in\nPAT: Thanks\n", ["MRS O’HARA", "PAT"]),
    ],
)
def test_scripts_name_their_speakers(tmp_path, content, speakers):
    frame = read(tmp_path, content)
    assert frame["speaker"].to_list() == speakers
    lines = content.splitlines()
    expected = [line.removeprefix(f"{who}: ") if who else line for who, line in zip(speakers, lines, strict=True)]
    assert frame["text"].to_list() == expected


@pytest.mark.parametrize(
    "content",
    [
        "Update: it works\nsee below\nQuestion: why\nplain\n",
        "Note: one thing\nQuestion: another\nAnswer: third\n",
        "http://a.b is down\nhttps://c.d too\n",
        "10:30 we left\n11:15: arrived\n",
        "WARNING: alone\n",
        "a very long remark that is no name: yes\na very long remark that is no name: no\n",
    ],
)
def test_other_texts_have_no_speakers(tmp_path, content):
    frame = read(tmp_path, content)
    assert frame["speaker"].null_count() == frame.height
    assert frame["text"].to_list() == content.splitlines()


def test_named_columns_do_not_concern_plain_text(tmp_path):
    frame = read(tmp_path, "hello\n", text_column="body", keep=["place"])
    assert frame["text"].to_list() == ["hello"]
    assert frame["meta"].to_list() == [{"time": None, "group": None, "place": None}]


def test_a_line_beyond_the_limit_is_a_bad_row(tmp_path, monkeypatch):
    monkeypatch.setattr("affectome.media.textfiles.RECORD_LIMIT", 10)
    frame = read(tmp_path, "one\n" + "x" * 30 + "\ntwo\n" + "y" * 30)
    assert frame["text"].to_list() == ["one", None, "two", None]
    assert frame["error"].to_list() == ["", "bad_row", "", "bad_row"]
