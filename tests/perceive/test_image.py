"""Pictures to estimates of how they look."""

from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from affectome.affect import load_taxonomy
from affectome.perceive import ImageReader
from affectome.perceive.look import look_digest, measure_look

META = pl.Struct({"time": pl.Datetime("us"), "group": pl.String()})


@pytest.fixture
def segments():
    pictures = [np.full((4, 6, 3), (200, 10, 10), np.uint8), np.full((5, 5, 3), 90, np.uint8)]
    empty = {"start": None, "end": None, "speaker": None, "text": None, "meta": {"time": None, "group": None}}
    rows = [
        {
            "id": name,
            "source": name,
            "error": "",
            "picture": each.tobytes(),
            "height": len(each),
            "width": each.shape[1],
        }
        for k, (name, each) in enumerate(zip(("red.png", "grey.png"), pictures, strict=True))
    ]
    rows.insert(1, {"id": "bad", "source": "bad", "error": "truncated", "picture": None, "height": None, "width": None})
    kinds = {"start": pl.Float64, "end": pl.Float64, "speaker": pl.String, "text": pl.String, "meta": META}
    return pl.DataFrame([{**row, **empty} for row in rows], schema_overrides=kinds)


def test_the_look_is_measured_and_nothing_else(segments):
    reader = ImageReader()
    table = reader(segments)
    assert table.schema == reader.schema(META)
    assert table["id"].to_list() == ["red.png", "bad", "grey.png"]
    assert table["status"].to_list() == ["scored", "failed", "scored"]
    assert table["error"].to_list() == ["", "truncated", ""]
    assert set(table["modality"]) == {"image"}
    looks = table["look"].to_list()
    assert looks[0]["brightness"] == pytest.approx(200 / 255)
    assert looks[0]["hue"] == pytest.approx(measure_look(np.full((4, 6, 3), (200, 10, 10), np.uint8))["hue"])
    assert looks[2]["hue"] is None  # grey has none
    assert looks[1] is None or set(looks[1].values()) == {None}
    for name in ("emotion", "valence", "arousal", "top"):
        assert table[name].null_count() == 3


def test_its_tables_have_the_labels_of_the_reader_beside_it(segments):
    other = SimpleNamespace(labels=("joy", "fear"), taxonomy="own", exclusive=False)
    reader = ImageReader.beside(other)
    table = reader.failed(segments, "timed_out")
    assert table.schema["emotion"] == pl.Struct({"joy": pl.Float32, "fear": pl.Float32})
    assert set(table["error"]) == {"timed_out"}
    assert (reader.taxonomy, reader.exclusive, reader.card) == ("own", False, None)
    assert reader.sha256 == look_digest()
    assert ImageReader.beside(None).labels == load_taxonomy("ekman7").labels
