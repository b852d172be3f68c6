import json

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affectome.errors import InputError
from affectome.media import read_segments

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    return tmp_path_factory.mktemp("json")


def read(tmp_path, lines, **options):
    path = tmp_path / "posts.jsonl"
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines), encoding="utf-8")
    return pl.concat(read_segments([path], **options).shards())


@pytest.mark.parametrize(
    ("line", "text", "error"),
    [
        ('{"text": "hi"}', "hi", ""),
        ('{"text": ""}', "", ""),
        ('{"text": null}', None, ""),
        ('{"other": 1}', None, ""),
        ('{"text": 3}', "3", ""),
        ('{"text": -2.5}', "-2.5", ""),
        ('{"text": true}', "true", ""),
        ('{"text": false}', "false", ""),
        ('{"text": "a\\u0000b"}', "ab", ""),
        ('{"text": "a\\ud800b"}', "a\ufffdb", ""),
        ('{"text": "\\ud83d\\ude00"}', "😀", ""),
        ('{"text": ["hi"]}', None, "bad_row"),
        ('{"text": {"a": 1}}', None, "bad_row"),
        ('{"text": "broken', None, "bad_row"),
        ('{"text": NaN}', None, "bad_row"),
        ('{"text": ' + "9" * 5000 + "}", None, "bad_row"),
        ("[" * 100_000, None, "bad_row"),
        ('["text"]', None, "bad_row"),
        ('"text"', None, "bad_row"),
    ],
)
def test_values(tmp_path, line, text, error):
    frame = read(tmp_path, [{"text": "before"}, "", line, "  ", {"text": "after"}])
    assert frame["text"].to_list() == ["before", text, "after"]
    assert frame["error"].to_list() == ["", error, ""]
    assert frame["id"].to_list() == [f"posts.jsonl#{number}" for number in range(3)]


@settings(max_examples=40)
@given(values=st.lists(JSON, min_size=1, max_size=6))
def test_every_json_value_becomes_one_row(shared, values):
    rows = [{"text": "first"}, *({"text": value, "id": value, "user": value, "date": value} for value in values)]
    frame = read(shared, rows, keep=["id"])
    assert frame.height == len(rows)
    assert frame["error"].to_list()[1:] == ["bad_row" if isinstance(v, list | dict) else "" for v in values]


def test_columns_need_not_be_in_the_first_object(tmp_path):
    frame = read(
        tmp_path, [{"id": "a"}, {"id": 7, "body": "hi", "user": "Ann", "tags": ["x", {"é": 1}]}], keep=["tags"]
    )
    assert frame["text"].to_list() == [None, "hi"]
    assert frame["id"].to_list() == ["a", "7"]
    assert frame["meta"].struct.field("tags").to_list() == [None, '["x", {"é": 1}]']


def test_dialogues_become_turns(tmp_path):
    frame = read(
        tmp_path,
        [
            {
                "id": "d1",
                "date": "2024-01-02",
                "turns": [{"speaker": "A", "text": "hi"}, {"speaker": "B", "text": "yo"}],
            },
            {"id": 2, "turns": [{"text": "alone"}, "no object", {"text": {}}]},
            {"turns": [{"speaker": "C", "text": "no id"}]},
            {"id": "d4", "turns": "none"},
            {"id": "d5", "turns": []},
            {"id": "d6"},
        ],
    )
    assert frame.select("id", "speaker", "text", "error").rows() == [
        ("d1:0", "A", "hi", ""),
        ("d1:1", "B", "yo", ""),
        ("2:0", None, "alone", ""),
        ("posts.jsonl#3", None, None, "bad_row"),
        ("2:2", None, None, "bad_row"),
        ("posts.jsonl#5", "C", "no id", ""),
        ("posts.jsonl#6", None, None, "bad_row"),
        ("posts.jsonl#7", None, None, "bad_row"),
    ]
    assert [str(time)[:10] for time in frame["meta"].struct.field("time").to_list()[:2]] == ["2024-01-02"] * 2


def test_the_id_of_a_dialogue_may_have_another_name(tmp_path):
    frame = read(tmp_path, [{"conv": "x", "turns": [{"id": 9, "text": "hi"}]}], id_column="conv")
    assert frame["id"].to_list() == ["x:0"]


def test_a_file_of_something_else_is_refused(tmp_path):
    with pytest.raises(InputError, match="JSON Lines") as caught:
        read(tmp_path, ["[", "]"])
    assert caught.value.code == "nothing_readable"


def test_a_line_beyond_the_limit_is_a_bad_row(tmp_path, monkeypatch):
    monkeypatch.setattr("affectome.media.textfiles.RECORD_LIMIT", 100)
    frame = read(tmp_path, [{"text": "a"}, {"text": "b" * 500}, {"text": "c"}])
    assert frame["text"].to_list() == ["a", None, "c"]
