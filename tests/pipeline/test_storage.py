import errno
import os

import polars as pl
import pytest

from affectome.errors import RunError
from affectome.pipeline import storage
from affectome.pipeline.storage import locked, replacing, run_error, storage_errors, write_bytes


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OSError(errno.ENOSPC, "x"), "disk_full"),
        (OSError(errno.EROFS, "x"), "not_writable"),
        (OSError(errno.EMFILE, "x"), "too_many_open_files"),
        (OSError(errno.ENOMEM, "x"), "out_of_memory"),
        (OSError(errno.EIO, "x"), "storage_error"),
        (OSError("No space left on device (os error 28)"), "disk_full"),
        (pl.exceptions.ComputeError("parquet: underlying IO error: File too large (os error 27)"), "disk_full"),
        (pl.exceptions.ComputeError("something else"), "storage_error"),
    ],
)
def test_system_errors_get_a_code_and_a_next_step(error, code):
    described = run_error(error, "some/file")
    assert described.code == code
    assert described.value == "some/file"
    assert described.next_step


def test_other_errors_pass(tmp_path):
    with pytest.raises(ZeroDivisionError), storage_errors(tmp_path):
        raise ZeroDivisionError


def test_bytes_replace_what_was_there(tmp_path):
    path = tmp_path / "a.bin"
    write_bytes(path, b"one")
    write_bytes(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch, failing):
    path = tmp_path / "a.bin"
    write_bytes(path, b"one")

    def fail(*_):
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(storage.os if failing == "fsync" else storage.Path, failing, fail)
    with pytest.raises(RunError) as caught:
        write_bytes(path, b"two")
    assert caught.value.code == "storage_error"
    assert path.read_bytes() == b"one"
    assert list(tmp_path.iterdir()) == [path]


def test_a_writer_that_stops_leaves_nothing(tmp_path):
    def stop():
        with replacing(tmp_path / "a", tmp_path / "t") as temporary:
            temporary.write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop()
    assert not list(tmp_path.iterdir())


def test_one_at_a_time(tmp_path):
    folder = tmp_path / "new" / "out"
    with locked(folder):
        with pytest.raises(RunError) as caught, locked(folder):
            raise AssertionError
        assert caught.value.code == "folder_busy"
    with locked(folder):
        pass
    assert not list(folder.iterdir())


def test_a_lock_file_of_a_dead_run_means_nothing(tmp_path):
    (tmp_path / ".lock").write_text("4711")
    with locked(tmp_path):
        pass


def test_a_lock_file_removed_while_waiting_is_made_anew(tmp_path, monkeypatch):
    really, calls = storage._try_lock, []

    def meanwhile_removed(descriptor):
        if not calls:
            (tmp_path / ".lock").unlink()
        calls.append(descriptor)
        really(descriptor)

    monkeypatch.setattr(storage, "_try_lock", meanwhile_removed)
    with locked(tmp_path):
        assert len(calls) == 2
        assert (tmp_path / ".lock").exists()


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "out").touch()
    for folder in (tmp_path / "out", tmp_path / "out" / "deeper"):
        with pytest.raises(RunError) as caught, locked(folder):
            raise AssertionError
        assert caught.value.code == "not_a_folder"


def test_no_descriptor_is_left_open(tmp_path, monkeypatch):
    def count():
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208

    if not os.path.isdir("/proc/self/fd"):  # noqa: PTH112
        pytest.skip("needs /proc")
    before = count()
    for _ in range(3):
        with locked(tmp_path):
            write_bytes(tmp_path / "a", b"a")
            with pytest.raises(RunError), locked(tmp_path):
                raise AssertionError
    assert count() == before
    monkeypatch.setattr(storage, "_try_lock", lambda _: (_ for _ in ()).throw(OSError(errno.ENOLCK, "no locks")))
    with pytest.raises(RunError) as caught, locked(tmp_path):
        raise AssertionError
    assert caught.value.code == "storage_error"
    assert count() == before
