"""A contact sheet: small pictures of the surest faces, which a page holds only when somebody asked for it."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import zip_longest

import polars as pl

from affectome.media.face_detection import pillow_image
from affectome.media.picture_decoding import Picture
from affectome.report.faces import Face, FaceTable
from affectome.report.palette import is_neutral

Pictures = Callable[[str], Picture | None]
"""Gives a picture by its name in the table; None if it cannot."""

SHEET_PICTURES = 24
LONGEST = 220
_QUALITY = 80
_CANDIDATES, _TRIED = 100, 60
_MOST_BOXES = 30


@dataclass(frozen=True)
class Box:
    """A face in a small picture; places are pixels of it, None if the whole picture is the face."""

    face: Face
    x: float | None
    y: float | None
    size: float | None


@dataclass(frozen=True)
class Thumbnail:
    """A small picture.

    Args:
        source: Its name in the table.
        uri: It as a JPEG file, a ``data:`` address.
        width: Pixels across.
        height: Pixels down.
        boxes: Its faces, the first 30, in the order of the table.
        omitted: Further faces, which have no box.
    """

    source: str
    uri: str
    width: int
    height: int
    boxes: tuple[Box, ...]
    omitted: int


@dataclass(frozen=True)
class ContactSheet:
    """At most 24 small pictures, and how many were asked for and could not be shown."""

    thumbnails: tuple[Thumbnail, ...]
    missing: int


def lay_out(table: FaceTable, pictures: Pictures) -> ContactSheet:
    """The pictures with the surest faces, the expressions by turns and neutral ones last.

    Args:
        table: The rows of faces.
        pictures: Gives a picture.
    """
    found: list[Thumbnail] = []
    missing = 0
    for source in _telling(table):
        if len(found) == SHEET_PICTURES or missing == _TRIED:
            break
        picture = pictures(source)
        if picture is None or picture.pixels is None:
            missing += 1
            continue
        faces = table.describe(table.scored.filter(pl.col("source") == source))
        found.append(_thumbnail(source, picture, faces))
    return ContactSheet(tuple(found), missing)


def _telling(table: FaceTable) -> Iterator[str]:
    """Names of pictures, each once."""
    by_label = table.surest(_CANDIDATES)
    wanted = [row for rows in by_label.values() for row in rows]
    named = table.scored.filter(pl.col("row").is_in(wanted), pl.col("source").is_not_null())
    sources: dict[int, str] = dict(named.select("row", "source").collect(engine="streaming").iter_rows())
    neutral = [rows for label, rows in by_label.items() if is_neutral(label)]
    others = [rows for label, rows in by_label.items() if not is_neutral(label)]
    seen: set[str] = set()
    for kind in (others, neutral):
        for turn in zip_longest(*kind):
            for row in turn:
                source = sources.get(row)
                if source is not None and source not in seen:
                    seen.add(source)
                    yield source


def _thumbnail(source: str, picture: Picture, faces: list[Face]) -> Thumbnail:
    image = pillow_image()
    small = image.fromarray(picture.pixels)
    small.thumbnail((LONGEST, LONGEST))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=_QUALITY)
    scale = small.width / picture.width
    boxes = tuple(
        Box(
            face,
            *(None if place is None or face.size is None else place * scale for place in (face.x, face.y, face.size)),
        )
        for face in faces[:_MOST_BOXES]
    )
    uri = f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
    return Thumbnail(source, uri, small.width, small.height, boxes, len(faces) - len(boxes))
