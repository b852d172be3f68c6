"""Finding the files to read: folders, standard input, what each one is."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

from affectome.errors import InputError

Format: TypeAlias = Literal["delimited", "jsonlines", "parquet", "text"]
Kind: TypeAlias = Literal["text", "sound", "film", "picture"]

_FORMATS: dict[str, Format] = {
    ".csv": "delimited",
    ".tsv": "delimited",
    ".tab": "delimited",
    ".jsonl": "jsonlines",
    ".ndjson": "jsonlines",
    ".parquet": "parquet",
    ".txt": "text",
}
# fmt: off
SOUND_ENDINGS = frozenset({
    ".aac", ".ac3", ".aif", ".aifc", ".aiff", ".amr", ".ape", ".au", ".caf", ".eac3", ".flac", ".m4a", ".m4b", ".mka",
    ".mp2", ".mp3", ".oga", ".ogg", ".opus", ".rf64", ".snd", ".spx", ".tta", ".voc", ".w64", ".wav", ".wave", ".wma",
    ".wv",
})
"""Endings of the files that are sound alone."""
FILM_ENDINGS = frozenset({
    ".3gp", ".asf", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ogv", ".webm",
    ".wmv",
})
"""Endings of films."""
PICTURE_ENDINGS = frozenset({
    ".apng", ".bmp", ".dib", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif",
    ".tiff", ".webp",
})
# fmt: on
"""Endings of the files that are pictures."""

READABLE = (*_FORMATS, ".csv.gz", ".tsv.gz", ".jsonl.gz", ".ndjson.gz", ".txt.gz")
_KINDS: dict[str, Kind] = {
    **dict.fromkeys(SOUND_ENDINGS, "sound"),
    **dict.fromkeys(FILM_ENDINGS, "film"),
    **dict.fromkeys(PICTURE_ENDINGS, "picture"),
}
_STDIN = "-"
_GZIP = b"\x1f\x8b"
_SOUND_MARK = re.compile(
    rb"RIFF....WAVE|RF64|FORM....AIF[FC]|fLaC|OggS|ID3|\.snd|caff|\x1aE\xdf\xa3|....ftyp|FLV\x01|\x30\x26\xb2\x75",
    re.DOTALL,
)
_PICTURE_MARK = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|GIF8[79]a|RIFF....WEBP|II\*\0|MM\0\*|P[1-6]\s[\d#\s]|BM....\0\0\0\0", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class FileProblem:
    """A file that is not read, or not to its end, while the others go on.

    Attributes:
        path: The file.
        code: ``empty_file``, ``binary_file``, ``unreadable``, ``unknown_format``, ``bad_format``, ``missing_column``,
            ``no_text_column``, ``no_header``, ``outside_folder`` or ``empty_folder``.
        message: One or two sentences for people.
    """

    path: Path
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file to read.

    Attributes:
        path: Where it is.
        source: Its name in the table: relative to the folder given, the file name of a file given, or ``stdin``.
        given_as: The path through the argument as the user wrote it; tells files with the same ``source`` apart.
        named: Whether the user named this very file rather than a folder.
        format: How it is written; None if that is to be found out from its content.
        compressed: Whether it is gzip-compressed.
        temporary: Whether it is a copy of standard input that whoever reads it deletes.
        kind: What it is by its ending or, named and of no known ending, by its beginning; ``text`` otherwise.
    """

    path: Path
    source: str
    given_as: str
    named: bool
    format: Format | None
    compressed: bool
    temporary: bool = False
    kind: Kind = "text"


def find_files(
    paths: Sequence[str | Path], *, kinds: Sequence[Kind] = ("text",)
) -> tuple[list[FoundFile], list[FileProblem]]:
    """Every file behind ``paths``, each once, folders in the order of their sorted relative paths.

    In folders, hidden files and folders are passed over. Symbolic links are not followed: what they point at inside
    the folder is found anyway, and what is outside was not asked for.

    Args:
        paths: Files, folders, or ``-`` for standard input.
        kinds: Find the files of other kinds than texts and pass over everything else and standard input, which others
            read.

    Raises:
        InputError: ``no_paths``, ``missing_path`` or ``not_a_file``.
    """
    if not paths:
        raise InputError(
            "No file was given.", code="no_paths", next_step="Name files, folders, or - for standard input."
        )
    found: list[FoundFile] = []
    problems: list[FileProblem] = []
    seen: set[Path] = set()
    for path in paths:
        if "text" not in kinds and str(path) == _STDIN:
            continue
        for item in _behind(path):
            if isinstance(item, FileProblem):
                problems.append(item)
            elif "text" not in kinds and item.kind not in kinds:
                continue
            elif item.kind not in kinds and not item.named:
                problems.append(_unknown(item.path))
            elif (place := item.path.resolve()) not in seen:
                seen.add(place)
                found.append(item)
    if len({file.source for file in found}) < len(found):
        found = [replace(file, source=file.given_as) for file in found]
    return found, problems


def is_picture(path: str | Path) -> bool:
    """Whether a path ends like a picture; text readers leave such files to `read_pictures`."""
    return Path(path).suffix.lower() in PICTURE_ENDINGS


def is_recording(path: str | Path) -> bool:
    """Whether a path ends like a file with sound, films included; text readers leave such to `read_recordings`."""
    return Path(path).suffix.lower() in SOUND_ENDINGS | FILM_ENDINGS


def content_hash(path: Path) -> str:
    """SHA-256 of the bytes of a file, hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _behind(given: str | Path) -> Iterator[FoundFile | FileProblem]:
    if str(given) == _STDIN:
        yield _spool_stdin()
        return
    path = Path(given)
    try:
        kind = "folder" if path.is_dir() else "file" if path.is_file() else "other" if path.exists() else "missing"
    except (OSError, ValueError):  # a NUL character, a name that is too long, a folder that may not be entered
        kind = "missing"
    if kind == "folder":
        yield from _in_folder(path)
    elif kind == "file":
        yield _found(path, path.name, named=True)
    else:
        raise InputError(
            f"{str(given)!r} is not there." if kind == "missing" else f"{str(given)!r} is neither a file nor a folder.",
            code="missing_path" if kind == "missing" else "not_a_file",
            value=given,
            next_step="Check the path." if kind == "missing" else "Pipe its content in and name - instead.",
        )


def _in_folder(folder: Path) -> Iterator[FoundFile | FileProblem]:
    problems: list[FileProblem] = []

    def note(error: OSError) -> None:
        problems.append(
            FileProblem(Path(error.filename), "unreadable", f"The folder cannot be opened: {error.strerror}.")
        )

    names: list[Path] = []
    for parent, folders, files in os.walk(folder, onerror=note):
        linked = [name for name in folders if Path(parent, name).is_symlink()]
        folders[:] = [name for name in folders if not name.startswith(".") and name not in linked]
        names += [Path(parent, name) for name in (*files, *linked) if not name.startswith(".")]
    for path in sorted(names, key=lambda name: name.relative_to(folder).as_posix()):
        if path.is_symlink():
            if not path.resolve().is_relative_to(folder.resolve()):
                problems.append(FileProblem(path, "outside_folder", "The link points out of the folder."))
        elif not path.is_file():
            problems.append(FileProblem(path, "unknown_format", "It is not a regular file."))
        elif (file := _found(path, path.relative_to(folder).as_posix(), named=False)).format or file.kind != "text":
            yield file
        else:
            problems.append(_unknown(path))
    if not names and not problems:
        problems.append(FileProblem(folder, "empty_folder", "There is no file in it."))
    yield from problems


def _found(path: Path, source: str, *, named: bool) -> FoundFile:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    compressed = suffixes[-1:] == [".gz"]
    ending = suffixes[-2:-1] if compressed else suffixes[-1:]
    written_as = _FORMATS.get("".join(ending))
    if compressed and written_as == "parquet":  # Parquet compresses itself and cannot be read through gzip
        written_as = None
    kind: Kind = _KINDS.get(path.suffix.lower(), "text")
    if named and kind == "text" and written_as is None:
        kind = _kind_by_beginning(path)
    return FoundFile(path, source, path.as_posix(), named=named, format=written_as, compressed=compressed, kind=kind)


def _kind_by_beginning(path: Path) -> Kind:
    try:
        with path.open("rb") as stream:
            start = stream.read(12)
    except OSError:  # whoever reads it will say so
        return "text"
    return "picture" if _PICTURE_MARK.match(start) else "sound" if _SOUND_MARK.match(start) else "text"


def _unknown(path: Path) -> FileProblem:
    return FileProblem(path, "unknown_format", f"Only {', '.join(READABLE)} recordings and pictures are read.")


def _spool_stdin() -> FoundFile:
    """A copy of standard input on disk, so that it can be read more than once."""
    with tempfile.NamedTemporaryFile(prefix="affectome-stdin-", delete=False) as spool:
        shutil.copyfileobj(sys.stdin.buffer, spool)
    path = Path(spool.name)
    with path.open("rb") as stream:
        compressed = stream.read(2) == _GZIP
    return FoundFile(path, "stdin", "stdin", named=True, format=None, compressed=compressed, temporary=True)
