import polars as pl
import pytest

from affectome.errors import InputError
from affectome.media import read_segments


def source_of(tmp_path, content, **options):
    path = tmp_path / "posts.csv"
    path.write_text(content, encoding="utf-8")
    return read_segments([path], **options)


def columns_of(tmp_path, content, **options):
    return source_of(tmp_path, content, **options).entries[0].columns


@pytest.mark.parametrize(
    ("header", "text"),
    [
        ("title,Body,id", "Body"),
        ("message,tweet,content", "content"),
        ("TEXT,text,id", "TEXT"),
        ("utterance,speaker,n", "utterance"),
        ("headline,Title,n", "Title"),
    ],
)
def test_usual_names_of_the_text(tmp_path, header, text):
    assert columns_of(tmp_path, f"{header}\na,b,c\n").text == text


def test_usual_names_of_the_rest(tmp_path):
    found = columns_of(tmp_path, "ID,User,Created_At,Group,date,author,text\n1,a,2024,g,2024,b,c\n")
    assert (found.id, found.speaker, found.time, found.group) == ("ID", "author", "Created_At", "Group")


def test_named_columns_win(tmp_path):
    found = columns_of(
        tmp_path,
        "id,key,text,body,who,when,where\n1,2,a,b,c,d,e\n",
        text_column="body", id_column="key", speaker_column="who", time_column="when", group_column="where",
    )  # fmt: skip
    assert (found.text, found.id, found.speaker, found.time, found.group) == ("body", "key", "who", "when", "where")


@pytest.mark.parametrize(
    ("header", "row"),
    [("n,remark", "1,so it is"), ("when,remark,ok", "2024-01-02,well,true"), ("date,user,remark", "2024-01-02,ann,so")],
)
def test_the_only_prose_is_the_text(tmp_path, header, row):
    assert columns_of(tmp_path, f"{header}\n{row}\n").text == "remark"


def test_several_candidates_are_listed(tmp_path):
    with pytest.raises(InputError) as caught:
        source_of(tmp_path, "n,a,b\n1,so,it is\n")
    assert caught.value.code == "no_text_column"
    assert caught.value.allowed == ("a", "b", "n")


def test_a_first_text_is_not_lost_as_the_name_of_a_column(tmp_path):
    texts = "this is great\nI am so angry\n"
    with pytest.raises(InputError) as caught:
        source_of(tmp_path, texts)
    assert (caught.value.code, caught.value.value) == ("no_header", "this is great")
    assert source_of(tmp_path, texts, text_column="this is great") is not None
    assert source_of(tmp_path, "my posts\nI am so angry\n") is not None


def test_a_missing_column_lists_what_there_is_closest_first(tmp_path):
    with pytest.raises(InputError) as caught:
        source_of(tmp_path, "id,comment_text,score\n1,a,2\n", text_column="Comment")
    assert caught.value.code == "missing_column"
    assert caught.value.value == "Comment"
    assert caught.value.allowed[0] == "comment_text"
    assert set(caught.value.allowed) == {"id", "comment_text", "score"}


@pytest.mark.parametrize("option", ["id_column", "speaker_column", "time_column", "group_column"])
def test_every_named_column_must_be_there(tmp_path, option):
    with pytest.raises(InputError, match="no column 'x'"):
        source_of(tmp_path, "id,text\n1,a\n", **{option: "x"})
    with pytest.raises(InputError, match="no column 'x'"):
        source_of(tmp_path, "id,text\n1,a\n", keep=["x"])


def test_in_a_folder_a_missing_column_costs_that_file(tmp_path):
    (tmp_path / "other.csv").write_text("id,words\n1,a\n")
    source_of(tmp_path, "id,remark\n1,a\n")
    source = read_segments([tmp_path], text_column="remark")
    assert pl.concat(source.shards()).height == 1
    assert [(problem.path.name, problem.code) for problem in source.problems] == [("other.csv", "missing_column")]


def test_only_the_first_characters_are_sampled(tmp_path, monkeypatch):
    monkeypatch.setattr("affectome.media.records.SAMPLE_CHARACTERS", 10)
    source = source_of(tmp_path, "remark,other\nwell then so be it,1\nwell,words far below\n")
    assert source.entries[0].columns.text == "remark"
