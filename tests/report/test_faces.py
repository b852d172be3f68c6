"""What the report counts, means and picks of faces and pictures, against the same figures computed plainly."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import polars as pl
import pytest

from affectome.affect.action_units import PRESENT
from affectome.report.canvas import Canvas, draw
from affectome.report.face_charts import expression_map, full_strength, unit_heat_map
from affectome.report.faces import MOST_POINTS, FaceTable, look_at
from affectome.report.looks import measure_looks
from affectome.report.overview import count_outcomes, measure
from affectome.report.palette import Palette

UNITS = ("AU01", "AU04", "AU06", "AU12", "AU26")


@pytest.fixture
def frame(invent_faces):
    return invent_faces(120, folders=("a", "b"))


@pytest.fixture
def table(frame, opened):
    return opened(frame)


@pytest.fixture
def faces(table):
    return look_at(FaceTable(table))


def test_pictures_and_faces_are_counted_apart(frame, faces):
    rows = frame.filter(modality="face")
    scored = rows.filter(status="scored")
    assert faces.faces == len(scored)
    assert faces.pictures == rows["source"].n_unique() == 120
    assert faces.with_faces == scored["source"].n_unique() < faces.faces
    assert faces.without == rows.filter(status="abstained")["source"].n_unique() > 0
    assert faces.unreadable == rows.filter(status="failed")["source"].n_unique() > 0
    assert faces.with_faces + faces.without + faces.unreadable == faces.pictures


def test_rows_without_a_feeling_are_in_no_mean_of_feelings(frame, table):
    overview = measure(table, exclusive=True, thresholds={})
    scored = frame.filter(modality="face", status="scored")
    assert overview.rows == len(scored)
    assert sum(emotion.share.value for emotion in overview.emotions) == pytest.approx(1)
    assert overview.dimensions["valence"].value == pytest.approx(scored["valence"].mean(), abs=1e-6)
    assert overview.groups == 2


def test_outcomes_are_told_apart_by_modality(frame, table):
    outcomes = {(each.status, each.code, each.modality): each.rows for each in count_outcomes(table)}
    assert outcomes["scored", "", "image"] == len(frame.filter(modality="image", status="scored"))
    assert outcomes["failed", "truncated", "face"] == outcomes["failed", "truncated", "image"]
    assert sum(outcomes.values()) == len(frame)


def test_cells_are_the_mean_of_their_faces(frame, faces):
    scored = frame.filter(modality="face", status="scored")
    assert [row.code for row in faces.units.rows] == list(UNITS)
    assert faces.units.rows[3].name == "lip corner puller"
    counts = dict(scored["top"].value_counts().iter_rows())
    assert dict(faces.units.columns) == counts
    assert [count for _, count in faces.units.columns] == sorted(counts.values(), reverse=True)
    for row in faces.units.rows:
        values = scored.select("top", value=pl.col("au").struct.field(row.code))
        assert row.everywhere.value == pytest.approx(values["value"].mean(), abs=1e-6)
        for (label, count), cell in zip(faces.units.columns, row.cells, strict=True):
            own = values.filter(top=label)["value"]
            assert cell.value == pytest.approx(own.mean(), abs=1e-6)
            assert cell.high - cell.value == pytest.approx(1.96 * own.std() / count**0.5, rel=1e-3)


def test_units_that_were_not_measured_are_left_out(frame, opened):
    no_unit = pl.col("au").struct.with_fields(AU26=None, AU12=pl.when(pl.col("top") == "anger").then(None).otherwise(1))
    found = look_at(FaceTable(opened(frame.with_columns(no_unit.alias("au")))))
    assert [row.code for row in found.units.rows] == list(UNITS[:-1])
    angry = [label for label, _ in found.units.columns].index("anger")
    assert [row.cells[angry] is None for row in found.units.rows] == [False, False, False, True]
    svg = draw(lambda canvas: unit_heat_map(found.units, canvas)).wide
    assert "AU12 lip corner puller in anger" not in svg
    assert "AU12 lip corner puller in happiness" in svg


def test_without_action_units(frame, opened):
    found = look_at(FaceTable(opened(frame.drop("au"))))
    assert found.units is None
    assert {face.units for faces in found.surest.values() for face in faces} == {()}


def test_the_surest_faces_with_what_stands_out(frame, faces):
    scored = frame.filter(modality="face", status="scored")
    assert "neutral" not in faces.surest
    for label, found in faces.surest.items():
        own = scored.filter(top=label).sort("confidence", descending=True)
        assert [face.id for face in found] == own["id"].head(5).to_list()
        assert all(strength >= PRESENT for face in found for _, strength in face.units)
    joyful = {name for face in faces.surest["happiness"] for name, _ in face.units}
    assert joyful == {"AU06 cheek raiser", "AU12 lip corner puller"}


def test_pose(frame, faces, opened):
    place = frame.filter(modality="face", status="scored").unnest("face")
    angle = np.degrees(np.arccos(np.cos(np.radians(place["yaw"])) * np.cos(np.radians(place["pitch"]))))
    assert faces.pose.turned.value == pytest.approx((angle > 30).mean())
    quantiles = faces.pose.angles["head to its left"]
    assert quantiles == pytest.approx(np.quantile(place["yaw"], (0.05, 0.25, 0.5, 0.75, 0.95)), abs=1e-4)
    assert look_at(FaceTable(opened(frame.head(20)))).pose is None
    assert look_at(FaceTable(opened(frame.drop("face")))).pose is None


def test_of_many_faces_a_sample_is_drawn_and_it_is_the_same_each_time(frame, opened, faces):
    assert not faces.sampled
    assert len(faces.points) == faces.faces
    many = opened(pl.concat([frame] * 20))
    sampled = look_at(FaceTable(many))
    assert sampled.sampled
    assert len(sampled.points) == MOST_POINTS
    assert sampled.points == look_at(FaceTable(many)).points


def test_no_face_was_read(frame, opened):
    assert look_at(FaceTable(opened(frame.filter(pl.col("status") != "scored")))) is None
    assert look_at(FaceTable(opened(frame.filter(modality="image")))) is None


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_every_format_tells_the_same(frame, faces, store, tmp_path, suffix):
    from affectome.report.tables import open_estimates

    with open_estimates(store(frame, tmp_path / f"e.{suffix}")) as table:
        found = look_at(FaceTable(table))
        looks = measure_looks(table)
    assert (found.faces, found.without, found.units.columns) == (faces.faces, faces.without, faces.units.columns)
    assert [row.everywhere.value for row in found.units.rows] == pytest.approx(
        [row.everywhere.value for row in faces.units.rows], abs=1e-5
    )
    assert looks.pictures == len(frame.filter(modality="image", status="scored"))


def test_looks(frame, table):
    looks = measure_looks(table)
    scored = frame.filter(modality="image", status="scored").unnest("look")
    assert looks.pictures == len(scored)
    brightness = next(spread for spread in looks.spreads if spread.title == "Brightness")
    assert sum(brightness.counts) == len(scored)
    assert (brightness.lower, brightness.upper) == (0, 1)
    assert brightness.quantiles[2] == pytest.approx(scored["brightness"].median())
    edges = next(spread for spread in looks.spreads if spread.title == "Edges")
    assert edges.upper == pytest.approx(0.3)
    assert edges.counts[-1] == len(scored)
    hues = dict(enumerate(looks.hues.counts))
    assert sum(hues.values()) == scored["hue"].count() > 0
    assert {sector for sector, count in hues.items() if count} == {0, 2, 4}  # 0, 30 and 60 degrees


def test_looks_without_a_hue_or_at_all(frame, opened, invent, invent_faces):
    grey = pl.col("look").struct.with_fields(hue=float("nan"))
    assert measure_looks(opened(frame.with_columns(grey.alias("look")))).hues is None
    assert measure_looks(opened(invent_faces(10, looks=False))) is None
    assert measure_looks(opened(invent(10))) is None


def test_the_deepest_shade_is_the_greatest_mean(faces):
    greatest = max(cell.value for row in faces.units.rows for cell in row.cells)
    assert greatest <= full_strength(faces.units) < greatest + 0.1
    canvas = Canvas(680, "faces")
    unit_heat_map(faces.units, canvas)
    depths = [row["depth"] for row in canvas.datasets["rows-0"]]
    assert max(depths) == pytest.approx(0.92 * greatest / full_strength(faces.units), abs=1e-3)


def test_every_face_is_a_point_with_its_name(faces):
    svg = draw(
        lambda canvas: expression_map(faces, Palette(("neutral", "happiness", "surprise", "anger")), canvas)
    ).wide
    titles = re.findall(r"<title>([^<]*)</title>", svg)
    assert len(titles) == faces.faces
    source, label, probability, _, _ = faces.points[0]
    assert f"{source}: {label} {probability:.2f}" in titles


def _picture(source):
    from affectome.media.picture_decoding import Picture

    pixels = np.full((300, 400, 3), 200, np.uint8)
    return Picture(pixels=pixels, width=1600, height=1200, format="PNG", code="", message="", notes=())


def test_a_contact_sheet_takes_the_expressions_by_turns(table, faces):
    pytest.importorskip("PIL")
    from affectome.report.contact_sheet import LONGEST, SHEET_PICTURES, lay_out

    sheet = lay_out(FaceTable(table), _picture)
    assert len(sheet.thumbnails) == SHEET_PICTURES
    assert sheet.missing == 0
    sources = [thumbnail.source for thumbnail in sheet.thumbnails]
    assert len(set(sources)) == len(sources)
    first = {found[0].source for found in faces.surest.values()}
    assert set(sources[: len(first)]) == first
    for thumbnail in sheet.thumbnails:
        assert (thumbnail.width, thumbnail.height) == (LONGEST, LONGEST * 3 / 4)
        assert [box.face.source for box in thumbnail.boxes] == [thumbnail.source] * len(thumbnail.boxes)
        assert thumbnail.boxes[0].x == pytest.approx(400 * LONGEST / 1600)
        assert thumbnail.boxes[0].size == pytest.approx(200 * LONGEST / 1600)


def test_a_thumbnail_is_a_plain_small_picture(table):
    image = pytest.importorskip("PIL.Image")
    from affectome.report.contact_sheet import lay_out

    uri = lay_out(FaceTable(table), _picture).thumbnails[0].uri
    small = image.open(io.BytesIO(base64.b64decode(uri.removeprefix("data:image/jpeg;base64,"))))
    assert (small.format, small.size) == ("JPEG", (220, 165))
    assert not small.getexif()
    assert np.abs(np.asarray(small, int) - 200).max() <= 3  # nothing is drawn into it


def test_pictures_that_are_gone_are_passed_over(table):
    pytest.importorskip("PIL")
    from affectome.report.contact_sheet import lay_out

    sheet = lay_out(FaceTable(table), lambda source: None if source.startswith("a/") else _picture(source))
    assert {thumbnail.source[0] for thumbnail in sheet.thumbnails} == {"b"}
    assert sheet.missing > 0
    assert lay_out(FaceTable(table), lambda _: None).thumbnails == ()
