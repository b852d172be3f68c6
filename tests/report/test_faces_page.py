"""The parts of the page about faces and pictures: what it says, counts and, only when asked, shows."""

from __future__ import annotations

import re

import numpy as np
import polars as pl
import pytest

from affectome.report import write_report

HOSTILE = 'a"><script>alert(1)</script>'


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("faces")


@pytest.fixture(scope="module")
def frame(invent_faces):
    return invent_faces(60, folders=(HOSTILE, "b"))


@pytest.fixture(scope="module")
def info():
    return {"modalities": ["face", "image"], "exclusive": True, "grouped_by": "folder", "taxonomy": "custom"}


@pytest.fixture(scope="module")
def plain(store, frame, info, folder):
    """Without a contact sheet."""
    return write_report(store(frame, folder / "plain.jsonl"), info, folder / "plain.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def sheet(store, frame, info, folder):
    """With a contact sheet of grey pictures."""
    pytest.importorskip("PIL")
    from affectome.media.picture_decoding import Picture

    def pictures(_):
        pixels = np.full((30, 40, 3), 200, np.uint8)
        return Picture(pixels=pixels, width=1600, height=1200, format="PNG", code="", message="", notes=())

    path = store(frame, folder / "sheet.parquet")
    with pytest.MonkeyPatch.context() as undrawn:
        undrawn.setattr("affectome.report.canvas._drawn", lambda *_: "<svg></svg>")
        return write_report(path, info, folder / "sheet.html", pictures=pictures).read_text(encoding="utf-8")


@pytest.fixture
def undrawn(monkeypatch):
    """Charts cost most of the time, and these tests look at none."""
    monkeypatch.setattr("affectome.report.canvas._drawn", lambda *_: "<svg></svg>")


def words(html):
    return " ".join(re.sub(r"<[^>]*>", " ", re.sub(r"<(style|script|svg)>?.*?</\1>", " ", html, flags=re.S)).split())


def test_no_picture_is_in_a_page_that_nobody_asked_for_pictures(plain):
    assert "data:image" not in plain
    assert "<img" not in plain
    assert "img-src" not in plain
    assert not re.search(r"\b(src|href)=\"(?!#)", plain)
    assert "This page holds no picture. With --contact-sheet it shows small ones" in words(plain)


def test_sections_and_links(plain):
    assert re.findall(r'<section id="(\w+)"', plain) == [
        "emotions", "map", "groups", "faces", "uncertainty", "looks", "outcomes", "reading", "reproduce",
    ]  # fmt: skip
    assert {'<a href="#faces">Faces</a>', '<a href="#looks">Look</a>', '<a href="#groups">Folders</a>'} <= set(
        re.findall(r'<a href="#[^"]*">[^<]*</a>', plain)
    )


def test_faces_and_pictures_are_counted_apart(plain, frame):
    faces, pictures = frame.filter(modality="face"), frame.filter(modality="image")
    scored = faces.filter(status="scored")
    said = words(plain)
    seen = scored["source"].n_unique()
    assert f"{len(scored)} faces were read in {seen} of 60 pictures." in said
    assert f"The look of {len(pictures.filter(status='scored'))} pictures was measured." in said
    without, failed = (faces.filter(status=state)["source"].n_unique() for state in ("abstained", "failed"))
    assert f"{without} without, {failed} not read" in said
    assert "texts" not in said
    assert "share of faces" in plain
    assert "No face was found in the picture." in said
    assert "The look of the picture was measured." in said


def test_the_page_says_where_groups_came_from(plain):
    assert "No group was given, so the folders that the pictures lie in are compared." in words(plain)
    assert "By folder" in words(plain)


def test_names_never_become_markup(plain, sheet):
    for page in (plain, sheet):
        assert "<script>alert" not in page
        assert len(re.findall("<script", page)) == 1
        assert "&lt;script&gt;alert" in page


def test_action_units_have_number_name_and_interval(plain):
    assert re.search(
        r"AU12 lip corner puller in happiness \(\d+ faces\): 0\.\d\d, 95% interval 0\.\d\d to 0\.\d\d", plain
    )
    assert "0 at rest, 1 as strong as it can be" in words(plain)


def test_the_sheet_holds_small_pictures_and_says_so(sheet):
    pictures = re.findall(r'<img src="data:image/jpeg;base64,[^"]+" width="40" height="30" alt="([^"]*)"', sheet)
    assert len(pictures) == sheet.count("<img") == 24
    assert all(re.search(r": (neutral|happiness|surprise|anger) [01]\.\d\d", alt) for alt in pictures)
    assert "; img-src data:;" in sheet
    assert "These pictures are stored in this page." in words(sheet)
    assert "This page holds no picture" not in words(sheet)


def test_every_box_can_be_reached_and_read_aloud(sheet):
    boxes = re.findall(r'<g class="face" tabindex="0" role="img" aria-label="([^"]*)"', sheet)
    assert len(boxes) >= 24
    assert all(re.match(r"Face \d+, \w+ [01]\.\d\d: (AU\d\d|no action unit stands out)", box) for box in boxes)
    assert sheet.count("<foreignObject") == len(boxes)
    places = re.findall(r'class="outline" transform="translate\(([\d.]+),([\d.]+)\) rotate\(-?\d+\)"', sheet)
    assert len(places) == len(boxes)
    assert {float(y) for _, y in places} == {7.5}
    assert {float(x) for x, _ in places} == {10.0, 30.0}


@pytest.mark.usefixtures("undrawn")
def test_a_face_without_a_place_is_the_whole_picture(store, frame, info, folder):
    pytest.importorskip("PIL")
    from affectome.media.picture_decoding import Picture

    picture = Picture(
        pixels=np.zeros((40, 30, 3), np.uint8), width=30, height=40, format="PNG", code="", message="", notes=()
    )
    crops = frame.head(8).with_columns(pl.col("face").struct.with_fields(x=None, y=None, size=None).alias("face"))
    path = store(crops.drop("au"), folder / "crops.parquet")
    html = write_report(path, info, folder / "crops.html", pictures=lambda _: picture).read_text()
    assert 'class="outline" transform="translate(15.0,20.0)"' in html
    assert not re.search(r'class="outline"[^>]*rotate', html)
    assert "What moves in each expression" not in html
    assert "and what stands out" not in html


@pytest.mark.usefixtures("undrawn")
def test_pictures_of_which_only_the_look_was_read(store, frame, folder):
    path = store(frame.filter(modality="image"), folder / "look.csv")
    html = write_report(path, {"modalities": ["image"]}, folder / "look.html").read_text()
    assert re.findall(r'<section id="(\w+)"', html) == ["looks", "outcomes", "reading", "reproduce"]
    assert "The look of 52 pictures was measured. Nothing in them was read" in words(html)


@pytest.mark.usefixtures("undrawn")
def test_texts_beside_faces(store, invent, invent_faces, folder):
    texts = invent(30, labels=("neutral", "happiness", "surprise", "anger"), days=None, toxicity=False)
    both = pl.concat([texts.drop("meta"), invent_faces(20).drop("meta")], how="diagonal")
    info = {"modalities": ["text", "face", "image"], "exclusive": True}
    said = words(write_report(store(both, folder / "both.parquet"), info, folder / "both.html").read_text())
    rows = both.filter(pl.col("modality") != "image")
    assert f"Of {len(rows)} rows, {len(rows.filter(status='scored'))} (" in said
    assert f"of {len(rows)} read" in said
    assert "hear in the words and viewers would see in the face" in said
    assert "The text was read." in said
    assert "The face was read." in said


@pytest.mark.usefixtures("undrawn")
def test_only_pictures_without_faces(store, frame, info, folder):
    path = store(frame.filter(status="abstained"), folder / "none.parquet")
    html = write_report(path, info, folder / "none.html", pictures=lambda _: None).read_text()
    assert re.findall(r'<section id="(\w+)"', html) == ["outcomes", "reading", "reproduce"]
    assert "rows could be scored" in words(html)
