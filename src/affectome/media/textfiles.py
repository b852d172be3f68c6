"""Text files: whether a file is text at all, in which encoding, and its lines in bounded memory."""

from __future__ import annotations

import codecs
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from affectome.media.records import READ_ERRORS, RECORD_LIMIT, SAMPLE_CHARACTERS, SAMPLE_ROWS

if TYPE_CHECKING:
    from typing_extensions import Buffer

_HEAD_BYTES = 1 << 16
_CHUNK_BYTES = 1 << 20
# Decompressed bytes examined before the encoding is decided: a gzip bomb must not keep us here for ever.
_EXAMINED_BYTES = 1 << 28

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose little-endian mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_BINARY_SIGNATURES = (
    b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"PK\x03\x04", b"%PDF-", b"\x7fELF", b"\x1f\x8b", b"PAR1", b"RIFF", b"OggS",
    b"ID3", b"fLaC", b"SQLite format 3\0", b"\xd0\xcf\x11\xe0", b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf", b"\x28\xb5\x2f\xfd",
)  # fmt: skip
_CONTROL_BYTES = bytes(b for b in range(1, 32) if b not in b"\t\n\v\f\r\x1b") + b"\x7f"

# What English and its neighbours use beyond ASCII; a text whose other bytes are all of these is taken as Windows-1252.
_WESTERN = frozenset("àâäáãåçèéêëìíîïñòóôöõøùúûüÿæœßÀÂÄÁÃÅÇÈÉÊËÌÍÎÏÑÒÓÔÖÕØÙÚÛÜÆŒ“”„‘’‚–—…•€£¥¢©®™°«»¿¡´·§½¼¾²³±×\xa0")
_SYMBOL_INSIDE_WORD = re.compile(r"(?<=[^\W\d_])[¿¡¢£¥©®°²³±«»„•§½¼¾×](?=[^\W\d_])")
_WESTERN_SHARE = 0.3


@dataclass(frozen=True, slots=True)
class TextFile:
    """A text file on disk, perhaps gzip-compressed, whose encoding is known.

    Attributes:
        path: Where it is.
        compressed: Whether it is read through gzip.
        encoding: Python codec name.
        invalid_bytes: Bytes found that the encoding cannot express; they are read as U+FFFD.
    """

    path: Path
    compressed: bool
    encoding: str
    invalid_bytes: int = 0

    @contextmanager
    def lines(self) -> Iterator[Iterator[str | None]]:
        """Open the file for one pass over its lines, None standing for a line above the record limit.

        The lines of a damaged archive end in the error, after all whole lines before the damage.
        """
        with (
            _open_bytes(self.path, self.compressed) as raw,
            io.TextIOWrapper(raw, encoding=self.encoding, errors="replace", newline="") as stream,
        ):
            yield _read_lines(stream, raw)

    def first_lines(self) -> list[str | None]:
        """The first lines, within `SAMPLE_ROWS` and about `SAMPLE_CHARACTERS`; damage ends them."""
        sample: list[str | None] = []
        characters = 0
        with suppress(*READ_ERRORS), self.lines() as lines:
            for line in islice(lines, SAMPLE_ROWS):
                sample.append(line)
                characters += len(line or "")
                if characters > SAMPLE_CHARACTERS:
                    break
        return sample


def examine(path: Path, compressed: bool) -> TextFile | None:
    """The file with its encoding: byte-order mark, then UTF-8, then what its bytes look most like.

    A few damaged bytes in UTF-8 do not make a file something else: it stays UTF-8 while it has at least as many sound
    multi-byte characters as bad bytes.

    Returns:
        None for binary files.

    Raises:
        OSError, EOFError, zlib.error: If the file cannot be read or decompressed.
    """
    with _open_bytes(path, compressed) as stream:
        head = stream.read(_HEAD_BYTES)
        if not head and (damage := _damage(stream)):
            raise damage
        marked = next((name for mark, name in _BYTE_ORDER_MARKS if head.startswith(mark)), None)
        wide = marked or _wide_without_mark(head)
        if wide:
            return TextFile(path, compressed, wide)
        if head.startswith(_BINARY_SIGNATURES):
            return None
        sound, invalid = _survey_utf8(head, stream)
    controls = len(head) - len(head.translate(None, _CONTROL_BYTES))
    if head.count(0) > 0.3 * len(head) or controls > (0.05 if invalid else 0.3) * len(head):
        return None
    if invalid <= sound:
        return TextFile(path, compressed, "utf-8", invalid)
    return TextFile(path, compressed, _guess_encoding(_lines_beyond_ascii(path, compressed)))


class _Archive(io.RawIOBase):
    """The content of a gzip file up to its end or the place where it is damaged."""

    def __init__(self, packed: gzip.GzipFile) -> None:
        super().__init__()
        self.damage: Exception | None = None
        self._packed = packed

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        view = memoryview(buffer)
        try:
            content = self._packed.read1(len(view))
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            self.damage = error
            return 0
        view[: len(content)] = content
        return len(content)

    def close(self) -> None:
        self._packed.close()
        super().close()


def _open_bytes(path: Path, compressed: bool) -> io.BufferedReader:
    return io.BufferedReader(_Archive(gzip.open(path)), _HEAD_BYTES) if compressed else path.open("rb")


def _damage(raw: io.BufferedReader) -> Exception | None:
    return raw.raw.damage if isinstance(raw.raw, _Archive) else None


def _read_lines(stream: TextIO, raw: io.BufferedReader) -> Iterator[str | None]:
    while line := stream.readline(RECORD_LIMIT):
        if len(line) == RECORD_LIMIT and line[-1] not in "\r\n":
            while (rest := stream.readline(_CHUNK_BYTES)) and rest[-1] not in "\r\n":
                pass
            yield None
        elif line[-1] in "\r\n" or not _damage(raw):
            yield line.replace("\0", "")
    if damage := _damage(raw):
        raise damage


def _wide_without_mark(head: bytes) -> str | None:
    """UTF-16 without a byte-order mark: mostly-Latin text has a NUL in every second place and hardly any elsewhere."""
    even, odd = head[0::2].count(0), head[1::2].count(0)
    half = len(head) // 2
    if half >= 2 and max(even, odd) > 0.7 * half and min(even, odd) < 0.1 * half:
        return "utf-16-le" if odd > even else "utf-16-be"
    return None


def _survey_utf8(head: bytes, stream: io.BufferedReader) -> tuple[int, int]:
    """Sound multi-byte characters, and bytes that are not UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")("ignore")
    sound = examined = decoded = 0
    chunk = head
    while chunk:
        examined += len(chunk)
        text = decoder.decode(chunk)
        decoded += len(text.encode())
        sound += len(text) - len(text.encode("ascii", "ignore"))
        chunk = stream.read(_CHUNK_BYTES) if examined < _EXAMINED_BYTES else b""
    unfinished = len(decoder.getstate()[0]) if stream.read(1) else 0
    return sound, examined - decoded - unfinished


def _lines_beyond_ascii(path: Path, compressed: bool) -> bytes:
    """The first lines with bytes beyond ASCII, about 64 KiB."""
    sample = bytearray()
    with _open_bytes(path, compressed) as stream:
        while len(sample) < _HEAD_BYTES and (line := stream.readline(_HEAD_BYTES)):
            if not line.isascii():
                sample += line
    return bytes(sample)


def _guess_encoding(sample: bytes) -> str:
    """The most likely encoding of bytes that are not UTF-8.

    Statistical detection confuses the many single-byte encodings of Western Europe on short texts, so Windows-1252 is
    taken first whenever it yields a plausible English or Western text.
    """
    western = sample.decode("cp1252", errors="replace")
    foreign = [char for char in western if char > "\x7f"]
    letters = sum(map(str.isalpha, western))
    if (
        _WESTERN.issuperset(foreign)
        and len(foreign) <= _WESTERN_SHARE * letters
        and not _SYMBOL_INSIDE_WORD.search(western)
    ):
        return "cp1252"
    from charset_normalizer import from_bytes

    best = from_bytes(sample).best()
    # Unicode has been ruled out; a sample of lines can begin with what only looks like a byte-order mark.
    return best.encoding if best and not best.encoding.startswith("utf") else "cp1252"
