"""Colours, places of names, and the SVG that charts become."""

import re
from xml.etree import ElementTree

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectome.report.canvas import Canvas, draw, row_names
from affectome.report.label_layout import Point, place_labels
from affectome.report.map_chart import affect_map
from affectome.report.overview import measure
from affectome.report.palette import Palette, is_neutral
from affectome.report.svg import printable, shortened
from affectome.report.time_charts import timeline_emotions
from affectome.report.timeline import follow


def test_an_emotion_has_the_same_hue_in_every_vocabulary():
    one = dict(zip("ab", Palette(("joy", "anger")).properties(), strict=True))
    other = dict(zip("ba", Palette(("Anger", "JOY")).properties(), strict=True))
    assert [one[key][1] for key in "ab"] == [other[key][1] for key in "ab"]
    assert one["a"][1] != one["b"][1]


def test_neutral_is_grey_and_unknown_labels_differ():
    palette = Palette(("neutral", "zorp", "blick"))
    (_, _, grey), (_, zorp, coloured), (_, blick, _) = palette.properties()
    assert (grey, coloured) == (False, True)
    assert abs(zorp - blick) > 30
    assert is_neutral("Neutral")
    assert not is_neutral("zorp")
    assert palette.colour("blick") == "var(--emotion-2)"


names = st.text("abcdefgh", min_size=1, max_size=14)
coordinates = st.floats(0, 400, allow_nan=False)


@given(st.lists(st.builds(Point, names, coordinates, coordinates), max_size=16))
def test_names_stay_inside_and_apart(points):
    places = place_labels(points, 400, 400)
    assert len(places) == len(points)
    boxes = []
    for point, place in zip(points, places, strict=True):
        if place is None:
            continue
        half = len(point.name) * 3.7
        box = (place[0] - half, place[1] - 7, place[0] + half, place[1] + 7)
        assert box[0] >= 0 and box[1] >= 0 and box[2] <= 400 and box[3] <= 400  # noqa: PT018
        assert all(
            box[0] >= other[2] or other[0] >= box[2] or box[1] >= other[3] or other[1] >= box[3] for other in boxes
        )
        boxes.append(box)


def test_a_lone_point_has_its_name_beside_it():
    ((x, y),) = place_labels([Point("joy", 100, 100)], 400, 400)
    assert x > 100
    assert y == 100


@given(st.text())
def test_printable_text_can_stand_in_xml(text):
    ElementTree.fromstring(f"<a>{printable(text).replace('&', '').replace('<', '')}</a>")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a\n b\tc", "a b c"), ("abcdefgh", "abcd…"), ("abc  efgh", "abc…"), ("a\x00b", "ab"), ("", "")],
)
def test_shortened(text, expected):
    assert shortened(text, 5) == expected


ALLOWED = re.compile("d|[xy][12]?|d[xy]|width|height|viewBox|transform|opacity|(fill|stroke)(-.*)?|text-anchor|font-.*")
HOSTILE = ["</svg><script>alert(1)</script>", '"];alert(1);["', "a\\", "😀 é", "`${x}`", "datum.value"]


def test_days_without_texts_break_the_line(invent, opened):
    frame = invent(120, unscored=0, days=12)
    day = pl.col("meta").struct.field("time").dt.day()
    table = opened(frame.filter(~day.is_between(4, 7)))
    overview = measure(table, exclusive=False, thresholds={})
    timeline = follow(table, overview, overview.emotions[:1])
    svg = draw(lambda canvas: timeline_emotions(timeline, Palette(table.labels), canvas)).wide
    axis = [text.text for text in ElementTree.fromstring(svg).iter("text")]
    assert len(axis) == len(set(axis)), "two ticks have the same label"
    (line,) = [path for path in ElementTree.fromstring(svg).iter("path") if path.get("stroke")]
    assert line.get("d").count("M") == 2


def test_the_map_holds_texts_at_the_edge(invent, opened):
    frame = invent(60, unscored=0).with_columns(valence=pl.lit(-1.0, pl.Float32), arousal=pl.lit(1.0, pl.Float32))
    table = opened(frame)
    overview = measure(table, exclusive=False, thresholds={})
    tops = [emotion for emotion in overview.emotions if emotion.top]
    svg = draw(lambda canvas: affect_map(overview, tops, Palette(table.labels), canvas)).wide
    texts = [text.text for text in ElementTree.fromstring(svg).iter("text")]
    assert "−1" in texts
    assert 0 < sum(text in table.labels for text in texts) < 14  # all at one place: some names find no room


def test_hostile_names_stay_text():
    import altair as alt

    def build(canvas: Canvas) -> alt.TopLevelMixin:
        rows = [{"row": str(k), "value": k, "tip": shortened(name, 60)} for k, name in enumerate(HOSTILE)]
        names = alt.Axis(labelExpr=row_names(HOSTILE), labelLimit=1000)
        bars = canvas.chart(rows).mark_bar().encode(x="value:Q", y=alt.Y("row:N", axis=names), description="tip:N")
        return bars.properties(width=canvas.width)

    figure = draw(build)
    for svg in (figure.wide, figure.narrow):
        root = ElementTree.fromstring(svg)
        assert not list(root.iter("script"))
        assert {title.text for title in root.iter("title")} == set(HOSTILE)
        texts = {text.text for text in root.iter("text")}
        assert {shortened(name, 22) for name in HOSTILE} <= texts
        assert all(ALLOWED.fullmatch(name) for element in root.iter() for name in element.attrib)
    assert float(ElementTree.fromstring(figure.wide).get("width")) > float(
        ElementTree.fromstring(figure.narrow).get("width")
    )
