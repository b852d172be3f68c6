"""Faces that were cut out, to estimates."""

from __future__ import annotations

import json
import math

import numpy as np
import polars as pl
import pytest

pytest.importorskip("ai_edge_litert")
pytest.importorskip("PIL")

from affectome.errors import ModelError
from affectome.media import pictures_schema
from affectome.models import locate
from affectome.perceive import FaceMesh, FaceShape
from affectome.perceive.face import FaceReader
from affectome.perceive.face_encoder import SIDE, FaceEncoder, expression_face
from affectome.perceive.face_mesh import POINTS, _pose, _reduced

EIGHT = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")


class Session:
    """A model whose first label is the mean of the left half of a face."""

    def get_outputs(self):
        return [type("Output", (), {"name": name})() for name in ("vector", "labels.ferplus8", "labels.fer7")]

    def run(self, _, feeds):
        faces = feeds["faces"]
        eight = np.zeros((len(faces), 8), np.float32)
        eight[:, 0] = faces[:, :, : SIDE // 2].mean(axis=(1, 2))
        return [np.ones((len(faces), 4), np.float32) / 2, eight, eight[:, :7]]


class Mesh:
    """Sees a face in whatever is not black."""

    def __call__(self, crops):
        points = np.zeros((len(crops), POINTS, 3), np.float32)
        grid = np.linspace(60, 200, POINTS, dtype=np.float32)
        points[:, :, 0], points[:, :, 1] = grid, grid[::-1]
        return points, (crops.max(axis=(1, 2, 3)) > 0).astype(np.float32)

    def shape(self, crop, points, angle=0.0):
        return FaceShape(1, 2, angle, 4, 5, 0.3, 0.3, 0.1)


class Units:
    names = ("AU01", "AU12")

    def measure(self, points, crops):
        return np.full((len(points), 2), 0.25, np.float32)


@pytest.fixture
def reader(monkeypatch):
    readout = {
        "taxonomy": "ferplus8",
        "temperature": {"ferplus8": 1.0, "fer7": 1.0},
        "term_means": np.linspace(-0.4, 0.4, 24).reshape(8, 3).tolist(),
        "term_spreads": np.full((8, 3), 0.1).tolist(),
    }

    class Bundle:
        sha256 = "0" * 64
        card = type("Card", (), {"versioned_id": "tiny-face@1.0.0"})()

        def session(self, threads):
            return Session()

        def file(self, name):
            return type("File", (), {"read_text": lambda self, encoding: json.dumps(readout)})()

    return FaceReader(Bundle(), Mesh(), Units())


def segments(*rows):
    """A table of faces from (picture, error, face) each."""
    schema = pictures_schema(faces=True)
    columns = {
        "id": [f"a.jpg#{n}" for n in range(len(rows))],
        "source": ["a.jpg"] * len(rows),
        "picture": [picture for picture, _, _ in rows],
        "error": [error for _, error, _ in rows],
        "face": [face for _, _, face in rows],
    }
    return pl.DataFrame(
        {
            name: pl.Series(name, columns.get(name, [None] * len(rows)), kind, strict=False)
            for name, kind in schema.items()
        }
    )


def crop(value=120):
    return np.full((256, 256, 3), value, np.uint8).tobytes()


PLACE = {"x": 300.0, "y": 200.0, "size": 90.0, "angle": 12.0, "score": 0.9}


def test_every_segment_ends_in_one_row(reader):
    table = segments(
        (crop(), "", PLACE), (None, "", None), (None, "undecodable", None), (crop(0), "", PLACE), (crop(), "", None)
    )
    read = reader(table)
    assert read["status"].to_list() == ["scored", "abstained", "failed", "abstained", "scored"]
    assert read["error"].to_list() == ["", "no_face", "undecodable", "unclear_face", ""]
    assert read["id"].to_list() == table["id"].to_list()
    assert read.schema == reader.schema(table.schema["meta"])
    assert read["modality"].unique().to_list() == ["face"]


def test_what_a_scored_face_has(reader):
    row = reader(segments((crop(), "", PLACE))).row(0, named=True)
    assert sum(row["emotion"].values()) == pytest.approx(1, abs=1e-5)
    assert tuple(row["emotion"]) == EIGHT
    assert row["au"] == {"AU01": 0.25, "AU12": 0.25}
    assert (row["face"]["x"], row["face"]["size"], row["face"]["roll"]) == (300, 90, 12)
    # Every expression is as probable, so the point is the mean of their means, and the spread has between and within.
    means = np.linspace(-0.4, 0.4, 24).reshape(8, 3)
    assert row["valence"] == pytest.approx(means[:, 0].mean(), abs=1e-5)
    assert row["valence_sd"] == pytest.approx(math.sqrt(means[:, 0].var() + 0.01), abs=1e-5)


def test_a_picture_that_is_all_face_has_no_place(reader):
    row = reader(segments((crop(), "", None))).row(0, named=True)
    assert row["status"] == "scored"
    assert row["face"]["x"] is None
    assert row["face"]["roll"] == 0


def test_a_table_without_faces_has_the_same_columns(reader):
    full, empty = reader(segments((crop(), "", PLACE))), reader(segments((None, "", None)))
    assert full.schema == empty.schema
    table = segments((crop(), "", PLACE), (crop(), "", PLACE))
    assert reader.failed(table, "worker_lost")["error"].to_list() == ["worker_lost"] * 2


def test_scores_do_not_depend_on_neighbours(reader):
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 255, (256, 256, 3), dtype=np.uint8).tobytes() for _ in range(5)]
    together = reader(segments(*((picture, "", PLACE) for picture in pictures)))["confidence"]
    alone = [reader(segments((picture, "", PLACE)))["confidence"][0] for picture in pictures]
    assert together.to_list() == pytest.approx(alone, abs=1e-6)


def test_a_level_of_light_does_not_matter():
    encoder = FaceEncoder(Session())
    face = np.random.default_rng(0).uniform(50, 100, (1, SIDE, SIDE)).astype(np.float32)
    one, other = encoder.encode(face), encoder.encode(2 * face + 20)
    assert one.labels["ferplus8"] == pytest.approx(other.labels["ferplus8"], abs=1e-4)


def test_the_face_of_a_face_crop_is_its_middle():
    picture = np.zeros((256, 256, 3), np.uint8)
    picture[43:213, 43:213] = 200
    face = expression_face(picture, None)
    assert face.shape == (SIDE, SIDE)
    assert face[1:-1, 1:-1].min() > 190
    picture[43:213, 128:213] = 100
    assert expression_face(picture, None)[24, [5, 42]] == pytest.approx([200, 100], abs=1)


def test_the_face_lies_where_its_points_are():
    _, columns = np.mgrid[:256, :256]
    picture = np.repeat((100 + columns // 4)[:, :, None], 3, axis=2).astype(np.uint8)
    points = np.zeros((POINTS, 3), np.float32)
    points[:, 0] = np.linspace(100, 160, POINTS)
    points[:, 1] = np.linspace(90, 170, POINTS)
    face = expression_face(picture, points)
    side = 80 / 0.96
    middle = 130 + 0.006 * side
    assert face[24].mean() == pytest.approx(100 + middle / 4, abs=1)
    assert face[24, -1] - face[24, 0] == pytest.approx(side / 4 * 47 / 48, abs=1)


def turned(yaw, pitch):
    """Points of a head with a forehead, a chin and two sides, turned."""
    points = np.zeros((POINTS, 3))
    points[[234, 454, 10, 152]] = [[-1, 0, 0], [1, 0, 0], [0, -1, 0], [0, 1, 0]]
    a, b = math.radians(yaw), math.radians(pitch)
    nod = np.array([[1, 0, 0], [0, math.cos(b), math.sin(b)], [0, -math.sin(b), math.cos(b)]])
    turn = np.array([[math.cos(a), 0, -math.sin(a)], [0, 1, 0], [math.sin(a), 0, math.cos(a)]])
    return (points @ nod.T @ turn.T).astype(np.float32)


@pytest.mark.parametrize(("yaw", "pitch"), [(0, 0), (30, 0), (-25, 0), (0, 20), (0, -15)])
def test_the_pose_of_a_turned_head(yaw, pitch):
    assert _pose(turned(yaw, pitch))[:2] == pytest.approx((yaw, pitch), abs=1e-3)


def test_a_crop_is_reduced_without_a_shift():
    ramp = np.repeat(np.arange(256)[None, :, None], 256, axis=0).repeat(3, axis=2).astype(np.uint8)
    small = _reduced(ramp)
    assert small.shape == (192, 192, 3)
    wanted = (np.arange(192) + 0.5) * 256 / 192 - 0.5
    assert small[96, 1:-1, 0] * 255 == pytest.approx(wanted[1:-1], abs=0.4)


@pytest.fixture(scope="module")
def mesh():
    try:
        return FaceMesh(locate("face-mesh"))
    except ModelError as missing:
        pytest.skip(str(missing))


def test_no_face_in_a_plain_square(mesh):
    _, sure = mesh(np.full((2, 256, 256, 3), 128, np.uint8))
    assert (sure < 0.5).all()
