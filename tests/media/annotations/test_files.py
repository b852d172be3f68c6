"""What is written is read back, by Affectome and, for what it holds, the same in every format."""

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from affectome.errors import AffectomeError, InputError, UsageError
from affectome.media.annotations import ANNOTATION_SCHEMA, FORMATS, read_annotations, write_annotations

LOST = {"eaf": ("id",), "emotionml": (), "textgrid": ("id", "source"), "webvtt": ("source",)}
SLOW = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("format", sorted(FORMATS))
def test_round_trip(format, annotations, comparable, tmp_path):
    path = tmp_path / f"a{FORMATS[format].endings[0]}"
    assert write_annotations(annotations, path) == 0
    assert comparable(read_annotations(path), *LOST[format]) == comparable(annotations, *LOST[format])
    again = tmp_path / f"b{FORMATS[format].endings[0]}"
    write_annotations(read_annotations(path), again)
    assert comparable(read_annotations(again)) == comparable(read_annotations(path))


SPOILT = ("malformed", "unsafe_xml", "bad_encoding")
letters = st.characters(
    codec="utf-8", exclude_characters="@/", exclude_categories=("Cc", "Cs", "Zs", "Zl", "Zp", "Co", "Cn")
)
words = st.text(letters, min_size=1, max_size=8)
times = st.integers(0, 10**7).flatmap(
    lambda start: st.integers(1, 10**5).map(lambda length: (start / 1000, (start + length) / 1000))
)


@SLOW
@given(
    rows=st.lists(
        st.tuples(times, words, st.none() | words, words, st.none() | st.integers(0, 1000).map(lambda n: n / 1000)),
        min_size=1,
        max_size=6,
        unique_by=lambda row: row[0][0] // 101,
    ),
    format=st.sampled_from(sorted(FORMATS)),
)
def test_any_names_come_back(rows, format, tmp_path_factory, comparable):
    table = pl.DataFrame(
        [
            ("a.wav", start, end, f"t{tier}", speaker, label, value)
            for (start, end), tier, speaker, label, value in rows
        ],
        schema={name: kind for name, kind in ANNOTATION_SCHEMA.items() if name not in ("id", "modality")},
        orient="row",
    )
    path = tmp_path_factory.mktemp("any") / f"a{FORMATS[format].endings[0]}"
    assert write_annotations(table, path, format) == 0
    read = read_annotations(path, format)
    lanes = pl.col("tier").str.replace(r" \(\d\)$", "")  # what overlaps is on a tier of its own
    lost = ("id", "modality", "source")
    assert comparable(read.with_columns(lanes), *lost) == comparable(
        table.with_columns(lanes, id=None, modality=None), *lost
    )


def code_of(path, format):
    """The code of the error that a file ends in, None if it can be read."""
    try:
        read_annotations(path, format)
    except InputError as error:
        return error.code
    return None


@SLOW
@given(content=st.binary(max_size=200), format=st.sampled_from(sorted(FORMATS)), whole=st.booleans())
def test_no_file_raises_anything_else(content, format, whole, tmp_path_factory):
    head = {
        "eaf": b'<ANNOTATION_DOCUMENT><TIME_ORDER><TIME_SLOT TIME_SLOT_ID="t1" TIME_VALUE="',
        "emotionml": b'<emotionml xmlns="http://www.w3.org/2009/10/emotionml" version="1.0"><emotion ',
        "textgrid": b'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n3\n<exists>\n1\n"IntervalTier"\n',
        "webvtt": b"WEBVTT\n\n00:00.000 --> 00:01.000\n",
    }[format]
    path = tmp_path_factory.mktemp("fuzz") / "file"
    path.write_bytes(content if whole else head + content)
    assert code_of(path, format) in (None, *SPOILT)


@SLOW
@given(data=st.data(), format=st.sampled_from(sorted(FORMATS)))
def test_a_damaged_file_raises_nothing_else(data, format, annotations, tmp_path_factory):
    path = tmp_path_factory.mktemp("damaged") / "file"
    write_annotations(annotations, path, format)
    raw = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(raw) - 1))
        raw[place : place + data.draw(st.integers(0, 40))] = data.draw(st.binary(max_size=8))
    path.write_bytes(raw)
    assert code_of(path, format) in (None, *SPOILT)


def test_what_has_no_place_is_counted(tmp_path):
    table = pl.DataFrame({"tier": ["emotion", "text"], "label": ["joy", "hello"], "id": ["1", "2"]})
    assert write_annotations(table, tmp_path / "a.eaf") == 2
    assert write_annotations(table, tmp_path / "a.vtt") == 2
    assert write_annotations(table, tmp_path / "a.emotionml") == 1
    assert read_annotations(tmp_path / "a.emotionml")["label"].to_list() == ["joy"]


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ({"start": -1.0, "end": 1.0}, "bad_times"),
        ({"start": 2.0, "end": 1.0}, "bad_times"),
        ({"start": 0.0, "end": float("inf")}, "bad_times"),
        ({"value": float("nan")}, "bad_value"),
        ({"label": ""}, "empty_annotation"),
        ({"tier": ""}, "empty_annotation"),
    ],
)
def test_rows_that_say_nothing_sensible(row, code, tmp_path):
    table = pl.DataFrame([{"tier": "emotion", "label": "joy", **row}], strict=False)
    with pytest.raises(InputError) as caught:
        write_annotations(table, tmp_path / "a.eaf")
    assert caught.value.code == code
    assert list(tmp_path.iterdir()) == []


def test_a_table_without_tiers(tmp_path):
    with pytest.raises(InputError, match="tier"):
        write_annotations(pl.DataFrame({"label": ["joy"]}), tmp_path / "a.eaf")


def test_unknown_format(tmp_path):
    with pytest.raises(UsageError) as caught:
        read_annotations(tmp_path / "a.docx")
    assert caught.value.allowed == tuple(FORMATS)
    with pytest.raises(UsageError):
        read_annotations(tmp_path / "a.eaf", "docx")


@pytest.mark.parametrize("format", sorted(FORMATS))
def test_files_that_cannot_be_opened(format, tmp_path):
    with pytest.raises(InputError) as caught:
        read_annotations(tmp_path / "none", format)
    assert caught.value.code == "missing_file"
    with pytest.raises(InputError) as caught:
        read_annotations(tmp_path, format)
    assert caught.value.code == "unreadable"
    huge = tmp_path / "huge"
    with huge.open("wb") as out:
        out.truncate(2**31)
    with pytest.raises(InputError) as caught:
        read_annotations(huge, format)
    assert caught.value.code == "too_large"
    with pytest.raises(AffectomeError) as caught:
        write_annotations(pl.DataFrame({"tier": ["a"], "label": ["b"]}), tmp_path / "no" / "folder", format)
    assert caught.value.code == "not_writable"
