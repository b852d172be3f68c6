"""Faces in pictures, and the squares that are cut out around them."""

from __future__ import annotations

import io
import math

import numpy as np
import polars as pl
import pytest

pytest.importorskip("ai_edge_litert")
pytest.importorskip("PIL")

from PIL import Image

from affectome.errors import ModelError
from affectome.media import FaceDetector, FoundFace, cut_out, framed
from affectome.media.face_detection import CROP, _merged, _views
from affectome.models import locate


@pytest.fixture(scope="module")
def detector():
    try:
        return FaceDetector(locate("face-mesh") / "face_detection_full_range.tflite")
    except ModelError as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def faces(corpora):
    """Grey faces (48, 48) of people who look into the camera."""
    table = pl.read_parquet(corpora / "fer2013plus" / "images.parquet", columns=["webp", "split"])
    kept = table.filter(pl.col("split") == "train")["webp"][:12]
    return [np.asarray(Image.open(io.BytesIO(each)).convert("RGB")) for each in kept]


def on_canvas(face, side, where, canvas=(720, 1280)):
    picture = np.full((*canvas, 3), 90, np.uint8)
    large = np.asarray(Image.fromarray(face).resize((side, side)))
    top, left = where[1] - side // 2, where[0] - side // 2
    picture[top : top + side, left : left + side] = large
    return picture


def blob(x, y, side=900):
    rows, columns = np.mgrid[:side, :side]
    spot = 250 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 200)
    return np.repeat(spot[:, :, None], 3, axis=2).astype(np.uint8)


def brightest(crop):
    return np.unravel_index(crop[:, :, 0].astype(int).argmax(), crop.shape[:2])[::-1]


def test_the_middle_of_a_face_is_the_middle_of_its_square():
    x, y = brightest(cut_out(blob(300, 420), FoundFace(300, 420, 120, 0, 1)))
    assert (abs(x - CROP / 2), abs(y - CROP / 2)) < (2, 2)


@pytest.mark.parametrize("size", [60, 170, 340, 590])
def test_what_lies_beside_the_middle_keeps_its_place_at_any_size(size):
    step = size / 3
    x, y = brightest(cut_out(blob(450 + step, 450 - step / 2), FoundFace(450, 450, size, 0, 1)))
    scale = CROP / (1.5 * size)
    assert x == pytest.approx(CROP / 2 + step * scale, abs=2.5)
    assert y == pytest.approx(CROP / 2 - step / 2 * scale, abs=2.5)


def test_a_turned_face_is_turned_back():
    angle, far = 30, 100
    x = 450 + far * math.cos(math.radians(angle))
    y = 450 + far * math.sin(math.radians(angle))
    found = brightest(cut_out(blob(x, y), FoundFace(450, 450, 200, angle, 1)))
    assert found[0] == pytest.approx(CROP / 2 + far * CROP / 300, abs=2.5)
    assert found[1] == pytest.approx(CROP / 2, abs=2.5)


def test_beyond_the_picture_is_black():
    crop = cut_out(np.full((100, 100, 3), 255, np.uint8), FoundFace(0, 0, 80, 0, 1))
    assert crop[:100, :100].max() == 0
    assert crop[200:, 200:].min() == 255


def test_a_face_crop_fills_two_thirds():
    picture = np.zeros((40, 80, 3), np.uint8)
    picture[:, :40], picture[:, 40:] = 100, 200
    crop = framed(picture)
    assert crop.shape == (CROP, CROP, 3)
    columns = crop[128, :, 0]
    assert columns[0] == 100
    assert columns[-1] == 200
    assert np.flatnonzero(columns > 150)[0] == pytest.approx(128, abs=2)


def test_long_pictures_are_looked_at_in_squares_that_cover_them():
    assert _views(200, 300) == [(0, 0, 300)]
    for high, wide in ((720, 1280), (1280, 720), (100, 6000)):
        whole, *parts = _views(high, wide)
        assert whole == (0, 0, max(high, wide))
        covered = np.zeros(max(high, wide), bool)
        for left, top, side in parts:
            covered[max(left, top) : max(left, top) + side] = True
        assert covered.all()
    assert len(_views(720, 1280)) <= 4


def test_finds_of_one_face_become_one():
    finds = np.array(
        [
            [100, 100, 200, 200, 30, 0, 0.9],
            [110, 100, 210, 200, 30, 0, 0.6],
            [120, 120, 160, 160, 20, 0, 0.7],  # inside of the first
            [400, 100, 500, 200, 0, 30, 0.8],
            [600, 600, 608, 608, 3, 0, 0.9],  # too small to read
        ],
        np.float32,
    )
    faces = sorted(_merged(finds))
    assert len(faces) == 2
    assert faces[0].score == pytest.approx(0.9)
    assert faces[1].angle == pytest.approx(90)


def test_no_face_in_noise(detector):
    rng = np.random.default_rng(0)
    assert detector(rng.integers(0, 255, (480, 640, 3), dtype=np.uint8)) == []
    assert detector(np.zeros((1, 1, 3), np.uint8)) == []
    assert detector(np.zeros((1, 4000, 3), np.uint8)) == []


@pytest.mark.parametrize("side", [90, 200, 600])
def test_faces_are_found_where_they_are(detector, faces, side):
    found = [detector(on_canvas(face, side, (700, 360))) for face in faces]
    hit = [len(each) == 1 and math.hypot(each[0].x - 700, each[0].y - 360) < side / 3 for each in found]
    assert sum(hit) >= len(faces) * 0.5  # cut tightly, without a head around them, some are missed


def test_several_faces_come_from_left_to_right(detector, faces):
    alone = next(face for face in faces if len(detector(on_canvas(face, 200, (200, 400)))) == 1)
    picture = on_canvas(alone, 200, (900, 300))
    picture[300:500, 100:300] = on_canvas(alone, 200, (200, 400))[300:500, 100:300]
    assert [round(face.x / 100) for face in detector(picture)] == [2, 9]
