import csv
import io

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affectome.media import read_segments
from affectome.media.delimited import DelimitedTable
from affectome.media.textfiles import examine

FIELD = st.text(alphabet="ab \"',;\t|\n.é😀", max_size=12)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    return tmp_path_factory.mktemp("csv")


def read(tmp_path, content, name="posts.csv", **options):
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return pl.concat(read_segments([path], **options).shards())


def texts(frame):
    return frame["text"].to_list()


def errors(frame):
    return frame["error"].to_list()


@settings(max_examples=40)
@given(
    rows=st.lists(st.tuples(FIELD, FIELD, FIELD), min_size=1, max_size=8),
    delimiter=st.sampled_from(",;|"),
    ending=st.sampled_from(["\n", "\r\n"]),
)
def test_agrees_with_two_other_parsers_on_well_formed_tables(shared, rows, delimiter, ending):
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, delimiter=delimiter, lineterminator=ending, quoting=csv.QUOTE_ALL)
    writer.writerow(["text", "name", "note"])
    writer.writerows(rows)
    content = buffer.getvalue()
    path = shared / "table.csv"
    path.write_bytes(content.encode())

    table = DelimitedTable(examine(path, compressed=False), {"text"})
    ours = [tuple(record.values()) for record in table.records()]

    assert ours == [tuple(row) for row in csv.reader(io.StringIO(content, newline=""), delimiter=delimiter)][1:]
    theirs = pl.read_csv(path, separator=delimiter, infer_schema=False, empty_string_is_null=False)
    assert ours == theirs.rows()


@settings(max_examples=40)
@given(rows=st.lists(st.tuples(FIELD, FIELD), min_size=1, max_size=8))
def test_minimal_quoting_round_trip(shared, rows):
    path = shared / "table.csv"
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([("text", "note"), *rows])
    table = DelimitedTable(examine(path, compressed=False), {"text"})
    assert [tuple(record.values()) for record in table.records()] == rows


@settings(max_examples=40)
@given(
    good=st.lists(st.text(alphabet="abc ,é", min_size=1, max_size=8), min_size=1, max_size=12),
    poison=st.lists(
        st.tuples(st.integers(0, 11), st.sampled_from(['x,"open', "x,y,z", "alone", 'x,"a"b'])), max_size=4
    ),
)
def test_damaged_rows_cost_no_good_row(shared, good, poison):
    rows = [f'{number},"{text}"' for number, text in enumerate(good)]
    for place, bad in poison:
        rows.insert(min(place, len(rows)), bad)
    path = shared / "table.csv"
    path.write_text("id,text\n" + "\n".join(rows) + "\n", encoding="utf-8")
    frame = pl.concat(read_segments([path]).shards())
    assert frame.filter(pl.col("error") == "")["text"].to_list() == good
    assert frame.filter(pl.col("error") == "bad_row").height == len(poison)


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("id,text", "1,a b"),
        ("id;text", "1;a, b"),
        ("id\ttext", "1\ta; b"),
        ("id|text", "1|a, b"),
        ("text", "a, b; c|d"),
    ],
)
def test_delimiters_are_found(tmp_path, header, row):
    assert texts(read(tmp_path, f"{header}\n{row}\n")) == [row.split(header[2])[-1] if len(header) > 4 else row]


def test_a_delimiter_inside_other_fields_does_not_mislead(tmp_path):
    content = "text;score\nwell, well, well;1\nyes, no, maybe;2\n"
    assert texts(read(tmp_path, content)) == ["well, well, well", "yes, no, maybe"]


def test_a_known_name_outweighs_regular_rows(tmp_path):
    content = "id;text|x\n1;a, b\n"
    assert texts(read(tmp_path, content, text_column="text|x")) == ["a, b"]


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ('1,"a ""quoted"" word"', 'a "quoted" word'),
        ('1,5 feet 3" tall', '5 feet 3" tall'),
        ('1,"two\nlines"', "two\nlines"),
        ('1,"two\r\nlines"', "two\r\nlines"),
        ("1,nul\0byte", "nulbyte"),
        ("1,trailing,,", "trailing"),
        ("1,", ""),
        ('"1","" ', None),
        ("1,too,many", None),
        ("1", None),
        ('1,"never closed', None),
        ('1,"closed"too early', None),
    ],
)
def test_row_forms(tmp_path, row, text):
    frame = read(tmp_path, f"id,text\n0,before\n{row}\n2,after\n")
    assert texts(frame) == ["before", text, "after"]
    assert errors(frame) == ["", "" if text is not None else "bad_row", ""]


def test_a_quote_that_swallows_rows_is_given_up(tmp_path):
    content = 'id,text\n1,"never closed\n2,fine\n3,"good, too"\n4,""\n'
    frame = read(tmp_path, content)
    assert texts(frame) == [None, "fine", "good, too", ""]
    assert frame["id"].to_list() == ["posts.csv#0", "2", "3", "4"]


def test_quotes_in_tab_separated_files_may_be_ordinary_characters(tmp_path):
    content = 'id\ttext\n1\t"lol" she said\n2\t"open\n3\t5"\n4\t"whole ""field"""\n5\t"two\nlines"\n6\tend\n'
    frame = read(tmp_path, content, "posts.tsv")
    assert texts(frame) == ['"lol" she said', '"open', '5"', 'whole "field"', "two\nlines", "end"]
    assert set(errors(frame)) == {""}


def test_quotes_in_one_column_may_be_ordinary_characters(tmp_path):
    frame = read(tmp_path, 'text\n"a, b"\n"no" she said\n"x\ny"\n')
    assert texts(frame) == ["a, b", '"no" she said', "x\ny"]


def test_column_names_are_made_unique_and_stripped(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("\ufeff text ,a,a,,a\n1,2,3,4,5\n", encoding="utf-8")
    assert DelimitedTable(examine(path, compressed=False), ()).columns == ["text", "a", "a_2", "column_4", "a_3"]


def test_a_header_that_cannot_be_divided_is_one_column(tmp_path):
    frame = read(tmp_path, '"text\nhello there\n', text_column='"text')
    assert texts(frame) == ["hello there"]


def test_long_lines_and_long_fields_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr("affectome.media.textfiles.RECORD_LIMIT", 64)
    monkeypatch.setattr("affectome.media.delimited.RECORD_LIMIT", 64)
    monkeypatch.setattr("affectome.media.delimited._LINE_COST", 0)
    lines = [
        "id,text",
        "1," + "x" * 200,
        "2,ok",
        '3,"' + "y" * 50,
        "z" * 50,
        "4,ok",
        '5,"' + "y" * 10,
        "w" * 200,
        "6,ok",
    ]
    frame = read(tmp_path, "\n".join(lines) + "\n")
    assert texts(frame) == [None, "ok", None, None, "ok", None, None, "ok"]


def test_rescans_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr("affectome.media.delimited._RESCAN_LIMIT", 10)
    content = 'id,text\n1,"open\n2,plain\n3,"two\nlines"\n4,end\n'
    frame = read(tmp_path, content)
    assert "plain" in texts(frame)
    assert texts(frame)[-1] == "end"
    assert "two\nlines" not in texts(frame)


def test_reading_stays_linear_on_crafted_quotes(tmp_path):
    content = "a,b,text\n" + '5",",",\n' * 20_000  # each line keeps the quotes of the one before open
    assert len(texts(read(tmp_path, content))) == 20_000
