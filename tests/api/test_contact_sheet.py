"""Pictures get into a report only when they are asked for, and out of it again."""

from __future__ import annotations

import json

import polars as pl
import pytest

image = pytest.importorskip("PIL.Image")

from affectome.api import analyze
from affectome.api.analysis import _write_page
from affectome.errors import UsageError
from affectome.media import MixedSource, read_pictures
from affectome.perceive import estimates_schema


@pytest.fixture
def album(tmp_path):
    folder = tmp_path / "album"
    folder.mkdir()
    for k in range(3):
        image.new("RGB", (300, 200), (80 * k, 90, 120)).save(folder / f"{k}.png")
    return folder


@pytest.fixture
def estimates(tmp_path):
    """A face in each picture, as a reader would have found it."""
    place = pl.Struct(dict.fromkeys(("x", "y", "size", "roll"), pl.Float32()))
    schema = {**estimates_schema(("joy", "anger")), "face": place}
    numbers = [name for name, kind in schema.items() if kind == pl.Float32()]
    rows = [
        dict.fromkeys(schema)
        | dict.fromkeys(numbers, 0.5)
        | {"id": f"{k}.png#0", "source": f"{k}.png", "modality": "face", "status": "scored", "error": "", "top": "joy"}
        | {"emotion": {"joy": 0.8, "anger": 0.2}, "face": {"x": 150.0, "y": 100.0, "size": 60.0, "roll": 0.0}}
        for k in range(3)
    ]
    path = tmp_path / "estimates.parquet"
    pl.DataFrame(rows, schema=schema).write_parquet(path)
    return path


@pytest.mark.parametrize("asked", [False, True])
def test_pictures_are_in_the_page_only_when_asked_for(album, estimates, tmp_path, asked):
    source = MixedSource(pictures=read_pictures([album], looks=False, detector=None))
    record = {"modalities": ["face"], "exclusive": True}
    _write_page(estimates, record, tmp_path / "page.html", None, source, contact_sheet=asked)
    html = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert html.count('src="data:image/jpeg;base64,') == (3 if asked else 0)
    assert ("img-src" in html) is asked


def test_a_finished_run_is_shown_as_it_is_asked_for_now(album, tmp_path):
    out = tmp_path / "out"
    analyze(album, out, modalities=["image"])
    told = json.loads((out / "run.json").read_text(encoding="utf-8"))
    assert "contact_sheet" not in told
    (out / "report.html").write_text("a page with pictures", encoding="utf-8")
    analyze(album, out, modalities=["image"])
    assert (out / "report.html").read_text(
        encoding="utf-8"
    ) == "a page with pictures"  # nothing changed, nothing is done
    (out / "run.json").write_text(json.dumps(told | {"contact_sheet": True}), encoding="utf-8")
    analyze(album, out, modalities=["image"], command="again")
    assert "a page with pictures" not in (out / "report.html").read_text(encoding="utf-8")
    now = json.loads((out / "run.json").read_text(encoding="utf-8"))
    assert now == told | {"contact_sheet": False, "command": "again"}


@pytest.mark.parametrize(
    ("options", "said"), [({"modalities": ["image"]}, "pictures of faces"), ({"report": False}, "a report")]
)
def test_a_sheet_that_cannot_be_is_refused_before_anything_is_written(album, tmp_path, options, said):
    with pytest.raises(UsageError, match=f"no contact sheet without {said}") as caught:
        analyze(album, tmp_path / "out", **{"modalities": ["image"]} | options, contact_sheet=True)
    assert caught.value.code == "no_contact_sheet"
    assert not (tmp_path / "out").exists()
