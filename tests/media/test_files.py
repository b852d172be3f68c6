import gzip
import io
import os
import sys
import types

import polars as pl
import pytest

from affectome.errors import InputError
from affectome.media import read_segments


def problems(source):
    return {problem.path.name: problem.code for problem in source.problems}


def all_rows(source):
    return pl.concat(source.shards())


def pipe(monkeypatch, content):
    monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(buffer=io.BytesIO(content)))


def test_folders_are_read_in_order_without_hidden_files(tmp_path):
    for name in ["b.txt", "a/z.txt", "a/b.csv", "a.txt", ".hidden.txt", ".git/x.txt", "a/.h.txt"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("text\nhello\n")
    source = read_segments([tmp_path])
    assert list(dict.fromkeys(all_rows(source)["source"])) == ["a.txt", "a/b.csv", "a/z.txt", "b.txt"]
    assert source.files == [tmp_path / name for name in ["a.txt", "a/b.csv", "a/z.txt", "b.txt"]]
    assert source.problems == []


def test_bad_files_do_not_keep_good_ones(tmp_path):
    (tmp_path / "good.csv").write_text("text\nhello\n")
    (tmp_path / "empty.csv").touch()
    (tmp_path / "blank.txt").write_text(" \n\n")
    (tmp_path / "header.csv").write_text("id,text\n")
    (tmp_path / "spaces.jsonl").write_text("\n \n")
    (tmp_path / "picture.txt").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
    (tmp_path / "array.jsonl").write_text("[\n1\n]\n")
    (tmp_path / "numbers.csv").write_text("a,b\n1,2\n")
    (tmp_path / "fake.csv.gz").write_text("text\nhello\n")
    (tmp_path / "fake.parquet").write_text("PAR1 text")
    (tmp_path / "posts.parquet.gz").write_bytes(gzip.compress(b"x"))
    (tmp_path / "movie.mp4").write_bytes(b"x")
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "nested").mkdir()
    source = read_segments([tmp_path, tmp_path / "nested"])
    assert source.files == [tmp_path / "good.csv"]
    assert problems(source) == {
        "empty.csv": "empty_file",
        "blank.txt": "empty_file",
        "header.csv": "empty_file",
        "spaces.jsonl": "empty_file",
        "picture.txt": "binary_file",
        "array.jsonl": "bad_format",
        "numbers.csv": "no_text_column",
        "fake.csv.gz": "unreadable",
        "fake.parquet": "unreadable",
        "posts.parquet.gz": "unknown_format",
        "movie.mp4": "unknown_format",
        "pipe.txt": "unknown_format",
        "nested": "empty_folder",
    }
    assert all(problem.message for problem in source.problems)


def test_links_do_not_lead_out_of_the_folder(tmp_path):
    inside, outside = tmp_path / "in", tmp_path / "out"
    (inside / "sub").mkdir(parents=True)
    outside.mkdir()
    (outside / "secret.txt").write_text("secret\n")
    (inside / "sub" / "a.txt").write_text("open\n")
    (inside / "secret.txt").symlink_to(outside / "secret.txt")
    (inside / "folder").symlink_to(outside)
    (inside / "loop").symlink_to(inside)
    (inside / "again.txt").symlink_to(inside / "sub" / "a.txt")
    (inside / "broken.txt").symlink_to(tmp_path / "nowhere.txt")
    source = read_segments([inside])
    assert all_rows(source)["text"].to_list() == ["open"]
    assert problems(source) == dict.fromkeys(["secret.txt", "folder", "broken.txt"], "outside_folder")


def test_a_link_the_user_names_is_followed(tmp_path):
    (tmp_path / "real.txt").write_text("hi\n")
    (tmp_path / "link.txt").symlink_to(tmp_path / "real.txt")
    assert all_rows(read_segments([tmp_path / "link.txt"]))["source"].to_list() == ["link.txt"]


def test_a_file_behind_two_paths_is_read_once(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("hi\n")
    assert all_rows(read_segments([path, tmp_path, str(path)])).height == 1


def test_sources_of_the_same_name_are_told_apart(tmp_path):
    for folder in ["x", "y"]:
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.txt").write_text("hi\n")
    frame = all_rows(read_segments([tmp_path / "x", tmp_path / "y" / "a.txt"]))
    assert frame["source"].to_list() == [f"{tmp_path}/x/a.txt", f"{tmp_path}/y/a.txt"]
    assert frame["id"].n_unique() == 2


@pytest.mark.parametrize(
    ("paths", "code"),
    [([], "no_paths"), (["missing.csv"], "missing_path"), (["a\0b"], "missing_path"), (["x" * 5000], "missing_path")],
)
def test_paths_that_are_not_there(paths, code):
    with pytest.raises(InputError) as caught:
        read_segments(paths)
    assert caught.value.code == code


def test_a_pipe_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError) as caught:
        read_segments([tmp_path / "pipe"])
    assert caught.value.code == "not_a_file"


def test_a_folder_without_anything_to_read(tmp_path):
    with pytest.raises(InputError) as caught:
        read_segments([tmp_path])
    assert caught.value.code == "nothing_readable"
    (tmp_path / "a.bin").write_bytes(b"x")
    with pytest.raises(InputError, match=r"a\.bin"):
        read_segments([tmp_path])


def test_folders_and_files_that_may_not_be_opened(tmp_path, monkeypatch):
    (tmp_path / "good.txt").write_text("hi\n")
    (tmp_path / "locked.txt").write_text("hi\n")
    (tmp_path / "locked").mkdir()
    real_open, real_scan = type(tmp_path).open, os.scandir

    def refuse_open(path, *args, **options):
        if path.name == "locked.txt":
            raise PermissionError(13, "Permission denied", str(path))
        return real_open(path, *args, **options)

    def refuse_scan(path):
        if os.fspath(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return real_scan(path)

    monkeypatch.setattr(type(tmp_path), "open", refuse_open)
    monkeypatch.setattr(os, "scandir", refuse_scan)
    source = read_segments([tmp_path])
    assert all_rows(source).height == 1
    assert problems(source) == {"locked": "unreadable", "locked.txt": "unreadable"}
    assert "Permission denied" in source.problems[0].message


def test_a_path_that_cannot_be_examined_is_missing(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(type(tmp_path), "is_dir", refuse)
    with pytest.raises(InputError) as caught:
        read_segments([tmp_path])
    assert caught.value.code == "missing_path"


@pytest.mark.parametrize(
    ("content", "texts", "how"),
    [
        (b"one\ntwo\n", ["one", "two"], "text"),
        (b"id,text\n1,one\n2,two\n", ["one", "two"], "delimited"),
        (b"text\none\ntwo\n", ["one", "two"], "delimited"),
        (b"Comment, please\nsay it\nor not\n", ["Comment, please", "say it", "or not"], "text"),
        (b'\n{"text": "one"}\n{"text": "two"}\n', ["one", "two"], "jsonlines"),
        (gzip.compress(b"id,text\n1,one\n"), ["one"], "delimited"),
        ("id;text\n1;één\n".encode("utf-16"), ["één"], "delimited"),
        (b"[Applause] thank you\n", ["[Applause] thank you"], "text"),
    ],
)
def test_standard_input_is_recognised_and_can_be_read_twice(monkeypatch, content, texts, how):
    pipe(monkeypatch, content)
    source = read_segments(["-"])
    assert source.entries[0].format == how
    for _ in range(2):
        frame = all_rows(source)
        assert frame["text"].to_list() == texts
        assert set(frame["source"]) == {"stdin"}


def test_standard_input_may_be_parquet(monkeypatch):
    buffer = io.BytesIO()
    pl.DataFrame({"text": ["one"]}).write_parquet(buffer)
    pipe(monkeypatch, buffer.getvalue())
    assert all_rows(read_segments(["-"]))["id"].to_list() == ["stdin#0"]


def test_columns_asked_for_make_standard_input_a_table(monkeypatch):
    pipe(monkeypatch, b"remark,n\nfine,1\n")
    assert all_rows(read_segments(["-"], text_column="remark"))["text"].to_list() == ["fine"]


def test_the_copy_of_standard_input_is_deleted(monkeypatch):
    pipe(monkeypatch, b"hello\n")
    source = read_segments(["-"])
    copy = source.files[0]
    assert copy.exists()
    del source
    assert not copy.exists()


def test_the_copy_is_deleted_when_it_cannot_be_read(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    pipe(monkeypatch, b"")
    with pytest.raises(InputError):
        read_segments(["-"])
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_unknown_ending_is_recognised_when_named(tmp_path):
    (tmp_path / "notes.md").write_text("one\n\ntwo\n")
    (tmp_path / "posts.json").write_text('{"text": "one"}\n')
    assert all_rows(read_segments([tmp_path / "notes.md"]))["text"].to_list() == ["one", "two"]
    assert all_rows(read_segments([tmp_path / "posts.json"]))["text"].to_list() == ["one"]


@pytest.mark.parametrize("ending", [".CSV", ".tsv", ".TAB", ".csv.gz"])
def test_endings_in_any_case(tmp_path, ending):
    content = b"text\nhello\n"
    (tmp_path / f"a{ending}").write_bytes(gzip.compress(content) if ending.endswith("gz") else content)
    assert all_rows(read_segments([tmp_path]))["text"].to_list() == ["hello"]
