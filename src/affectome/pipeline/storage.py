"""Files that are whole or absent, a folder that one run at a time writes, and storage errors in plain words."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from affectome.errors import RunError

if sys.platform == "win32":  # pragma: no cover
    import msvcrt

    def _try_lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _try_lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


_NO_SPACE = ("disk_full", "Free some space, then run the same command again to resume.")
_NO_ACCESS = ("not_writable", "Choose a folder that you may write, or change its permissions.")
_NO_FOLDER = ("not_a_folder", "Choose an output folder, not a file.")
_NO_HANDLES = ("too_many_open_files", "Raise the limit (ulimit -n), then run the same command again to resume.")
_NO_MEMORY = ("out_of_memory", "Use fewer workers, or smaller shards, then run the same command again to resume.")
_CAUSES = {
    errno.ENOSPC: _NO_SPACE,
    errno.EDQUOT: _NO_SPACE,
    errno.EFBIG: _NO_SPACE,
    errno.EACCES: _NO_ACCESS,
    errno.EPERM: _NO_ACCESS,
    errno.EROFS: _NO_ACCESS,
    errno.EEXIST: _NO_FOLDER,
    errno.ENOTDIR: _NO_FOLDER,
    errno.EMFILE: _NO_HANDLES,
    errno.ENFILE: _NO_HANDLES,
    errno.ENOMEM: _NO_MEMORY,
    errno.EAGAIN: _NO_MEMORY,
}
_OTHER_CAUSE = ("storage_error", "Correct the cause, then run the same command again to resume.")


def run_error(error: Exception, subject: object) -> RunError:
    """A system error as a `RunError`.

    Args:
        error: An `OSError`, or an error of polars that has one inside.
        subject: The path, or the thing, that could not be handled.

    Returns:
        The error to raise: code ``disk_full``, ``not_writable``, ``not_a_folder``, ``too_many_open_files``,
        ``out_of_memory`` or ``storage_error``.
    """
    number = getattr(error, "errno", None)
    if number is None and (found := re.search(r"\(os error (\d+)\)", str(error))):
        number = int(found[1])  # polars tells the number in words only
    code, next_step = _CAUSES.get(number or 0, _OTHER_CAUSE)
    reason = os.strerror(number) if number else str(error)
    return RunError(f"Cannot handle {subject}: {reason}.", code=code, value=subject, next_step=next_step)


@contextlib.contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Raise what goes wrong with a path as a `RunError`."""
    try:
        yield
    except (OSError, pl.exceptions.ComputeError) as error:
        raise run_error(error, path) from error


@contextlib.contextmanager
def replacing(path: Path, temporary: Path) -> Iterator[Path]:
    """Let the caller write a temporary file, then give it its final name for good.

    The final name never shows a part of a file, not even after a power cut: the bytes are forced to the disk before
    the renaming, and the folder after it.

    Args:
        path: The final name.
        temporary: Where to write, in the same file system. It is removed when writing fails.

    Raises:
        RunError: Codes as in `run_error`.
    """
    try:
        with storage_errors(path):
            yield temporary
            _force(temporary, os.O_RDWR)
            temporary.replace(path)
            if sys.platform != "win32":  # pragma: no branch - there a folder cannot be opened, and needs not
                _force(path.parent, os.O_RDONLY)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file at once or not at all.

    Raises:
        RunError: Codes as in `run_error`.
    """
    with replacing(path, path.with_name(f".{path.name}.tmp")) as temporary:
        temporary.write_bytes(data)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep every other run out of a folder, which is made if need be.

    The lock belongs to the open file, so the system frees it with the process, however that ends; a lock file found in
    the folder means nothing by itself.

    Raises:
        RunError: Another run holds the folder (code ``folder_busy``), or codes as in `run_error`.
    """
    path = folder / ".lock"
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = _open_locked(path)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink()
        os.close(descriptor)


def _open_locked(path: Path) -> int:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        with contextlib.ExitStack() as undo:
            undo.callback(os.close, descriptor)
            try:
                _try_lock(descriptor)
            except (BlockingIOError, PermissionError) as error:
                raise RunError(
                    f"Another run is writing {path.parent}.",
                    code="folder_busy",
                    value=path.parent,
                    next_step="Wait until it ends, or choose another output folder.",
                ) from error
            # The run that held the lock may have removed its file just now: then it takes a new one.
            if path.exists() and os.path.samestat(os.fstat(descriptor), path.stat()):
                undo.pop_all()
                return descriptor


def _force(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
