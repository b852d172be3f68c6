"""Receiving files: their names are taken as words, never as paths, and their number and size are bounded."""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path

from starlette.datastructures import UploadFile

from affectome.errors import InputError, UsageError
from affectome.pipeline.storage import storage_errors
from affectome.server.failures import refused

_UNSAFE = re.compile(r"[^\w.,()+@ -]")
_LONGEST_NAME = 100
_BLOCK = 1 << 20
_GZIP = b"\x1f\x8b"
_WINDOW = 16 + zlib.MAX_WBITS  # a gzip header is expected


def safe_name(given: str | None, taken: Sequence[str]) -> str:
    """A file name without a path: what follows the last separator, plain characters only, unlike those taken.

    Args:
        given: The name that the client gave.
        taken: Names that are in use.
    """
    name = re.split(r"[/\\]", given or "")[-1]
    name = _UNSAFE.sub("_", unicodedata.normalize("NFC", name.encode(errors="replace").decode())).strip(" .")
    stem, dot, ending = name.rpartition(".")
    if not dot or len(ending) > 10:
        stem, dot, ending = name, "", ""
    stem = stem.strip(" .")[:_LONGEST_NAME] or "file"
    used = {one.casefold() for one in taken}
    number, name = 1, f"{stem}{dot}{ending}"
    while name.casefold() in used:
        number += 1
        name = f"{stem}-{number}{dot}{ending}"
    return name


async def store_files(uploads: Sequence[UploadFile], folder: Path) -> list[str]:
    """Write uploaded files into a new folder.

    Args:
        uploads: The files.
        folder: The folder, made for its owner alone.

    Returns:
        Their names in the folder.

    Raises:
        RunError: It cannot be written, such as ``disk_full``.
    """
    names: list[str] = []
    with storage_errors(Path(folder.name)):  # the client is not told where it lies
        folder.mkdir(parents=True, mode=0o700)
        for upload in uploads:
            name = safe_name(upload.filename, names)
            with (folder / name).open("xb") as out:
                while block := await upload.read(_BLOCK):
                    out.write(block)
            names.append(name)
    return names


def check_unpacked(paths: Sequence[Path], most: int) -> None:
    """Refuse compressed files that unpack to more than so many bytes together, without keeping what is unpacked.

    Damaged files are left to those who read them.

    Raises:
        InputError: ``unpacks_too_large``.
    """
    total = 0
    for path in paths:
        with path.open("rb") as packed:
            if packed.read(2) != _GZIP:
                continue
            packed.seek(0)
            unpack = zlib.decompressobj(_WINDOW)
            data = b""
            try:
                while data := data or packed.read(_BLOCK):
                    total += len(unpack.decompress(data, _BLOCK))
                    data = unpack.unconsumed_tail
                    if unpack.eof:  # gzip files may be strung together
                        data, unpack = unpack.unused_data + data, zlib.decompressobj(_WINDOW)
                    if total > most:
                        raise InputError(
                            f"The compressed files unpack to more than {most >> 20} MiB.",
                            code="unpacks_too_large",
                            value=path.name,
                            next_step="Send less at a time.",
                        )
            except zlib.error:
                continue


def check_files(uploads: Sequence[UploadFile], most: int) -> None:
    """Refuse an upload without files, or with too many.

    Raises:
        UsageError: ``no_files``.
        HTTPException: 413, code ``too_many_files``.
    """
    if not uploads:
        raise UsageError(
            "There is no file.", code="no_files", next_step="Send at least one file in the form field 'files'."
        )
    if len(uploads) > most:
        raise refused(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            UsageError(
                f"More than {most} files.", code="too_many_files", value=len(uploads), next_step="Send fewer at a time."
            ),
        )
