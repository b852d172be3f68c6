"""Pictures: files as one stream of segments, the faces in them and they themselves."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

import polars as pl

from affectome.errors import InputError, UsageError
from affectome.media.face_detection import FaceDetector, FoundFace, Pixels, cut_out, framed, pillow_image
from affectome.media.files import FileProblem, FoundFile, content_hash, find_files
from affectome.media.picture_decoding import PictureDecoder, PictureLimits
from affectome.media.segments import segments_schema

_SHARD_PICTURES, _SHARD_FACES = 16, 48
_LONGEST = 320  # pixels of the longer side of a picture whose look is read
_MOST_FACES = 500  # of one picture; the surest are kept


@dataclass(slots=True)
class PictureEntry:
    """One picture that is read.

    Attributes:
        path: Where it is.
        source: Its name in the table.
        digest: SHA-256 of its bytes, hexadecimal.
        format: How the last pass found it stored, such as ``JPEG``; empty before.
        width: Pixels across, as it is shown.
        height: Pixels down, as it is shown.
        notes: What was done to it in the last pass, such as ``turned`` or ``first_frame``.
    """

    path: Path
    source: str
    digest: str
    format: str = ""
    width: int = 0
    height: int = 0
    notes: Counter[str] = field(default_factory=Counter)


class _Row(NamedTuple):
    id: str
    source: str
    error: str
    picture: bytes | None = None
    height: int | None = None
    width: int | None = None
    face: dict[str, float] | None = None


def pictures_schema(*, faces: bool) -> pl.Schema:
    """Columns of a table of pictures: those of `segments_schema` and ``picture``, ``height``, ``width``.

    ``picture`` holds RGB values of 8 bits, row by row; it is null where there is nothing to see. A table of faces has
    squares of 256 pixels around them, and a struct ``face`` with their place in the picture: middle ``x``, ``y`` and
    side ``size`` of the box in pixels as the picture is shown, ``angle`` in degrees, ``score`` in [0, 1]; it is null
    where the whole picture is the face. ``error`` is empty or a code of `PictureDecoder.decode`.
    """
    schema: dict[str, pl.DataType] = {
        **segments_schema(),
        "picture": pl.Binary(),
        "height": pl.Int32(),
        "width": pl.Int32(),
    }
    if faces:
        schema["face"] = pl.Struct(dict.fromkeys(FoundFace._fields, pl.Float64()))
    return pl.Schema(schema)


class PictureSource:
    """Segments of a set of pictures; made by `read_pictures`.

    Attributes:
        entries: The files that are read, with what the last pass found.
        problems: Files that are not read, or could not be decoded in the last pass.
        fingerprint: SHA-256 over names and contents of the files, the detector and all options: equal fingerprints
            mean equal shards.
        groups: By the name of a picture the folder it lies in, as `folder_groups` gives it.
    """

    def __init__(
        self,
        entries: Sequence[PictureEntry],
        problems: Sequence[FileProblem],
        fingerprint: str,
        *,
        faces: bool,
        looks: bool,
        detector: FaceDetector | None,
        limits: PictureLimits,
    ) -> None:
        self.entries = list(entries)
        self.problems = list(problems)
        self.fingerprint = fingerprint
        self.groups = folder_groups([entry.source for entry in self.entries])
        self._faces, self._looks = faces, looks
        self._detector = detector
        self._limits = limits

    def shards(self) -> Iterator[pl.DataFrame]:
        """Tables with the columns of `pictures_schema`, the same ones on every call.

        For each 16 pictures or 48 faces a table of the faces, from left to right, and one of the pictures themselves,
        whichever are read. A picture without a face has one row without a picture, one that cannot be decoded a row
        with an error in each table.
        """
        faces: list[_Row] = []
        looks: list[_Row] = []
        read = 0
        with PictureDecoder(self._limits) as decoder:
            decoded = decoder.decode_all(entry.path for entry in self.entries)
            for entry, found in zip(self.entries, decoded, strict=True):
                entry.format, entry.notes = found.format, Counter(found.notes)
                entry.width, entry.height = found.width, found.height
                self.problems = [problem for problem in self.problems if problem.path != entry.path]
                if found.pixels is None:
                    self.problems.append(FileProblem(entry.path, found.code, found.message))
                    faces.append(_Row(f"{entry.source}#0", entry.source, found.code))
                    looks.append(_Row(entry.source, entry.source, found.code))
                else:
                    faces += self._faces_of(entry, found.pixels) if self._faces else []
                    looks += [_look(entry, found.pixels)] if self._looks else []
                read += 1
                if read == _SHARD_PICTURES or len(faces) >= _SHARD_FACES:
                    yield from self._tables(faces, looks)
                    faces, looks, read = [], [], 0
        if read:
            yield from self._tables(faces, looks)

    def _tables(self, faces: Sequence[_Row], looks: Sequence[_Row]) -> Iterator[pl.DataFrame]:
        if self._faces:
            yield _table(faces, self.groups, faces=True)
        if self._looks:
            yield _table(looks, self.groups, faces=False)

    def _faces_of(self, entry: PictureEntry, pixels: Pixels) -> list[_Row]:
        if self._detector is None:
            crop = framed(pixels)
            return [_Row(f"{entry.source}#0", entry.source, "", crop.tobytes(), crop.shape[0], crop.shape[1])]
        found = self._detector(pixels)
        if not found:
            return [_Row(f"{entry.source}#0", entry.source, "")]
        surest = sorted(sorted(found, key=lambda face: -face.score)[:_MOST_FACES])
        scale = entry.width / pixels.shape[1]
        rows = []
        for number, face in enumerate(surest):
            crop = cut_out(pixels, face)
            place = face._replace(x=face.x * scale, y=face.y * scale, size=face.size * scale)._asdict()
            rows.append(
                _Row(f"{entry.source}#{number}", entry.source, "", crop.tobytes(), crop.shape[0], crop.shape[1], place)
            )
        return rows


def read_pictures(
    paths: Sequence[str | Path],
    *,
    faces: bool = True,
    looks: bool = True,
    detector: FaceDetector | None = None,
    limits: PictureLimits | None = None,
) -> PictureSource:
    """Read pictures, and the faces in them, in bounded memory.

    Args:
        paths: Files or folders; what is no picture is passed over.
        faces: Read the faces.
        looks: Read the pictures themselves.
        detector: Finds the faces; None takes every picture as one face.
        limits: What decoding a file may cost.

    Raises:
        InputError: ``no_paths``, ``missing_path``, ``not_a_file``; ``nothing_readable`` if no file can be opened. What
            is wrong with single files is listed in ``problems``.
        UsageError: ``nothing_to_read`` if neither faces nor pictures are to be read.
        MissingExtraError: The ``face`` extra is not installed.
    """
    if not faces and not looks:
        raise UsageError("Neither faces nor pictures are to be read.", code="nothing_to_read")
    limits = limits or PictureLimits()
    pillow_image()  # says at once what is not installed
    found, problems = find_files([paths] if isinstance(paths, str | Path) else paths, kinds=("picture",))
    entries = _open_all(found, problems)
    read = [[entry.source, entry.digest] for entry in entries]
    options = [astuple(limits), faces, looks, detector and detector.digest]
    fingerprint = hashlib.sha256(json.dumps([options, read]).encode()).hexdigest()
    return PictureSource(entries, problems, fingerprint, faces=faces, looks=looks, detector=detector, limits=limits)


def folder_groups(sources: Sequence[str]) -> dict[str, str]:
    """The folder of each picture by which sets of pictures are told apart.

    It is the first one below the folder that all pictures share, as ``a`` and ``b`` of ``day/a/1.jpg`` and
    ``day/b/2.jpg``; pictures that lie directly in the shared one have none. Fewer than two such folders tell nothing
    apart, and then no picture has one.

    Args:
        sources: Names of the pictures, with ``/`` between folders.
    """
    folders = [source.split("/")[:-1] for source in sources]
    together = takewhile(lambda names: len(set(names)) == 1, zip(*folders, strict=False))
    shared = sum(1 for _ in together)
    groups = {source: parts[shared] for source, parts in zip(sources, folders, strict=True) if len(parts) > shared}
    return groups if len(set(groups.values())) > 1 else {}


def _open_all(found: Sequence[FoundFile], problems: list[FileProblem]) -> list[PictureEntry]:
    """The files that can be opened; the others are added to ``problems``."""
    entries: list[PictureEntry] = []
    for file in found:
        try:
            entries.append(PictureEntry(file.path, file.source, content_hash(file.path)))
        except OSError as error:
            message = f"It cannot be read: {error.strerror or error}."
            problems.append(FileProblem(Path(file.given_as), "unreadable", message))
    if not entries:
        reason = f" {problems[0].path}: {problems[0].message}" if problems else ""
        raise InputError(
            f"There is no picture that can be read.{reason}",
            code="nothing_readable",
            value=problems[0].path if problems else None,
            next_step="Give .jpg, .png, .webp, .gif, .bmp, .tiff or .ppm files, or a folder of them.",
        )
    return entries


def _look(entry: PictureEntry, pixels: Pixels) -> _Row:
    """A whole picture, smaller if it is large."""
    high, wide = pixels.shape[:2]
    scale = min(1.0, _LONGEST / max(high, wide))
    if scale < 1:
        size = (max(1, round(wide * scale)), max(1, round(high * scale)))
        image = pillow_image()
        smaller = image.fromarray(pixels).resize(size, image.Resampling.BILINEAR, reducing_gap=1.5)
        return _Row(entry.source, entry.source, "", smaller.tobytes(), size[1], size[0])
    return _Row(entry.source, entry.source, "", pixels.tobytes(), high, wide)


def _table(rows: Sequence[_Row], groups: Mapping[str, str], *, faces: bool) -> pl.DataFrame:
    schema = pictures_schema(faces=faces)
    columns = dict(zip(_Row._fields, map(list, zip(*rows, strict=True)), strict=True))
    kept = {name: pl.Series(name, columns[name], schema[name]) for name in schema if name in columns}
    group = pl.Series("group", [groups.get(row.source) for row in rows], pl.String)
    meta = pl.DataFrame({"group": group}).select(time=pl.lit(None), group="group").to_struct("meta")
    others = [name for name in schema if name not in columns and name != "meta"]
    missing = [pl.lit(None, dtype=schema[name]).alias(name) for name in others]
    return pl.DataFrame(kept).with_columns(*missing, meta.cast(schema["meta"])).select(list(schema))
