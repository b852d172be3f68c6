"""The rules of EmotionML, one by one."""

from pathlib import Path

import polars as pl
import pytest

from affectome.errors import InputError
from affectome.media.annotations import ANNOTATION_SCHEMA, read_annotations, write_annotations
from affectome.media.annotations.emotionml_rules import name_decoded, name_encoded

BIG6 = "http://www.w3.org/TR/emotion-voc/xml#big6"
PAD = "http://www.w3.org/TR/emotion-voc/xml#pad-dimensions"


def document(emotion, head="", attributes=""):
    return (
        f'<emotionml version="1.0" xmlns="http://www.w3.org/2009/10/emotionml" category-set="{BIG6}" {attributes}>'
        f"{head}<emotion {emotion}</emotion></emotionml>"
    )


@pytest.fixture
def read(tmp_path):
    def read(content):
        path = tmp_path / "a.emotionml"
        path.write_text(content, encoding="utf-8")
        return read_annotations(path).rows(named=True)

    return read


def test_valid_against_the_schema(annotations, tmp_path):
    etree = pytest.importorskip("lxml.etree", reason="the development package lxml is not installed")
    schema = etree.XMLSchema(etree.parse(str(Path(__file__).with_name("emotionml.xsd"))))
    path = tmp_path / "a.emotionml"
    other = pl.DataFrame(
        [
            ("appraisal", "suddenness", 0.5),
            ("action-tendency", "approach", None),
            ("1 odd tier: é", "2 words & more", 1.0),
            ("dimensions", "x", None),
            ("intensity", None, 0.7),
        ],
        schema={name: ANNOTATION_SCHEMA[name] for name in ("tier", "label", "value")},
        orient="row",
    ).with_columns(start=pl.lit(1.0), end=pl.lit(2.0))
    for table in (annotations, other):
        write_annotations(table, path)
        schema.assertValid(etree.parse(str(path)))
        assert len(read_annotations(path)) == len(table)
    assert not schema.validate(etree.fromstring(document('><category name="joy" value="1.1"/>')))


def test_what_the_recommendation_shows(read):
    (anger,) = read(document('start="26000" end="27500"><category name="anger" value="0.5" confidence="0.9"/>'))
    assert (anger["start"], anger["end"], anger["tier"]) == (26.0, 27.5, "big6")
    assert (anger["label"], anger["value"]) == ("anger", 0.5)
    text, disgust = read(document('><category name="disgust" value="0.82"/>There is no use in crying!'))
    assert (text["tier"], text["label"], disgust["label"]) == ("text", "There is no use in crying!", "disgust")
    rows = read(
        document(
            f'dimension-set="{PAD}"><dimension name="arousal" value="0.3"/><dimension name="pleasure" value="0.9"/>'
            '<reference uri="clip%201.avi#t=2,13" role="expressedBy"/>'
        )
    )
    assert [(row["tier"], row["value"]) for row in rows] == [("arousal", -0.4), ("pleasure", 0.8)]
    assert {(row["source"], row["start"], row["end"]) for row in rows} == {("clip 1.avi", 2.0, 13.0)}
    (traced,) = read(document('><category name="joy"><trace freq="10Hz" samples="0.1 0.2 0.6"/></category>'))
    assert traced["value"] == pytest.approx(0.3)
    (later,) = read(document('time-ref-uri="#a" offset-to-start="500" duration="250"><category name="joy"/>'))
    assert (later["start"], later["end"]) == (0.5, 0.75)


LOCAL = '<vocabulary type="category" id="mine"><item name="glee"/></vocabulary>'


@pytest.mark.parametrize(
    "content",
    [
        '<emotion xmlns="http://www.w3.org/2009/10/emotionml"/>',
        '<emotionml version="1.0"/>',
        '<emotionml version="2.0" xmlns="http://www.w3.org/2009/10/emotionml"/>',
        document(">"),
        document('version="0.9"><category name="joy"/>'),
        document("><category/>"),
        document('><category name="joy" value="1.5"/>'),
        document('><category name="joy" value="high"/>'),
        document('><category name="joy" confidence="-1"/>'),
        document('><category name="joy"/><category name="joy"/>'),
        document('><category name="joy" value="1"><trace freq="1Hz" samples="1"/></category>'),
        document('><category name="joy"><trace freq="often" samples="1"/></category>'),
        document('><category name="joy"><trace freq="1Hz" samples=""/></category>'),
        document('><category name="joy"><trace freq="1Hz" samples="2"/></category>'),
        document('><dimension name="arousal" value="0.5"/>'),
        document(f'dimension-set="{PAD}"><dimension name="arousal"/>'),
        document('><appraisal name="novelty"/>'),
        document('><action-tendency name="approach"/>'),
        document('start="-5"><category name="joy"/>'),
        document('start="1.5"><category name="joy"/>'),
        document('start="9" end="5"><category name="joy"/>'),
        document('time-ref-anchor-point="middle"><category name="joy"/>'),
        document('><category name="joy"/><reference role="expressedBy"/>'),
        document('><category name="joy"/><reference uri="a" role="madeBy"/>'),
        document('><info/><info/><category name="joy"/>'),
        document('category-set="#mine"><category name="joy"/>', LOCAL),
        document('category-set="#other"><category name="glee"/>', LOCAL),
        document('category-set="#mine" dimension-set="#mine"><dimension name="glee" value="0"/>', LOCAL),
        document('><category name="joy"/>', LOCAL + LOCAL),
        document('><category name="joy"/>', '<vocabulary type="mood" id="m"><item name="a"/></vocabulary>'),
        document('><category name="joy"/>', '<vocabulary type="category" id="m"/>'),
    ],
)
def test_broken_rules(content, read):
    with pytest.raises(InputError) as caught:
        read(content)
    assert caught.value.code == "malformed"


@pytest.mark.parametrize(("tier", "label", "value"), [("emotion", "joy", 1.2), ("valence", None, -1.5)])
def test_numbers_without_a_place(tier, label, value, tmp_path):
    with pytest.raises(InputError) as caught:
        write_annotations(pl.DataFrame({"tier": [tier], "label": [label], "value": [value]}), tmp_path / "a.emotionml")
    assert caught.value.code == "bad_value"


@pytest.mark.parametrize("name", ["joy", "two words", "_x0020_", "9 lives", "a_b", "ä-ö.ü", "😀", "_x41_"])
def test_names(name):
    assert name_decoded(name_encoded(name)) == name


def test_the_same_label_twice(tmp_path):
    path = tmp_path / "a.emotionml"
    table = pl.DataFrame(
        {"tier": ["emotion", "emotion", "mood"], "label": ["joy", "joy", "joy"], "value": [0.1, 0.2, 0.3]}
    )
    write_annotations(table, path)
    assert path.read_text().count("<emotion ") == 3
    assert sorted(read_annotations(path)["value"]) == [0.1, 0.2, 0.3]
