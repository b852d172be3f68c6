"""Bins of calendar time and turns of dialogues."""

from datetime import datetime, timedelta
from itertools import pairwise

import polars as pl
import pytest

from affectome.report.overview import measure
from affectome.report.timeline import follow, trace_dialogue


def _followed(table):
    overview = measure(table, exclusive=False, thresholds={})
    return overview, follow(table, overview, overview.emotions[:2])


def _dated(frame, moments):
    meta = pl.struct(pl.Series("time", moments, pl.Datetime("us")), pl.lit(None, pl.String).alias("group")).alias(
        "meta"
    )
    return frame.with_columns(meta)


@pytest.mark.parametrize(
    ("days", "unit"), [(1.5, "hour"), (30, "day"), (400, "week"), (3000, "month"), (15000, "year")]
)
def test_width_of_bins_follows_from_the_span(invent, opened, days, unit):
    overview, timeline = _followed(opened(invent(1200, days=days)))
    assert timeline.unit == unit
    assert sum(bin.rows for bin in timeline.bins) == overview.rows
    assert all(bin.start < bin.end for bin in timeline.bins)
    assert all(one.end <= two.start for one, two in pairwise(timeline.bins))


@pytest.mark.parametrize(
    ("rows", "days", "unit"),
    [(60, 70, "week"), (600, 70, "day"), (20, 30, "day"), (30, 700, "month")],
    ids=["sparse", "dense", "too short for weeks", "sparse and long"],
)
def test_sparse_tables_get_wider_bins(invent, opened, rows, days, unit):
    _, timeline = _followed(opened(invent(rows, days=days, unscored=0)))
    assert timeline.unit == unit


def test_values_of_a_bin_and_texts_without_time(invent, opened):
    moments = [datetime(2024, 1, 1 + row % 4, 12) if row % 5 else None for row in range(400)]
    frame = _dated(invent(400, unscored=0), moments)
    overview, timeline = _followed(opened(frame))
    assert timeline.unit == "day"
    assert timeline.undated == 80
    first = frame.filter(pl.col("meta").struct.field("time") == datetime(2024, 1, 1, 12))
    assert timeline.bins[0].rows == len(first)
    assert timeline.bins[0].valence.value == pytest.approx(first["valence"].mean(), abs=1e-6)
    label, limit = overview.emotions[0].label, overview.emotions[0].threshold
    present = (first["emotion"].struct.field(label) >= limit).mean()
    assert timeline.bins[0].shares[0].value == pytest.approx(present)


def test_exclusive_labels_are_followed_by_the_top_label(invent, opened):
    table = opened(invent(200, labels=("joy", "neutral"), exclusive=True, days=5))
    overview = measure(table, exclusive=True, thresholds={})
    timeline = follow(table, overview, overview.emotions)
    assert all(sum(share.value for share in bin.shares) == pytest.approx(1) for bin in timeline.bins)


def test_a_bin_with_one_text_is_not_certain(invent, opened):
    moments = [datetime(2024, 1, 1) + timedelta(days=row) for row in range(5)]
    _, timeline = _followed(opened(_dated(invent(5, unscored=0), moments)))
    assert all(bin.valence.high > bin.valence.low for bin in timeline.bins)
    assert timeline.range is None


def test_range_names_bins_whose_intervals_lie_apart(invent, opened):
    frame = invent(90, unscored=0)
    moments = [datetime(2024, 1, 1 + row // 30) for row in range(90)]
    shifted = pl.int_range(90) // 30 * 0.4 - 0.4 + pl.col("valence") * 0.1
    table = opened(_dated(frame, moments).with_columns(shifted.cast(pl.Float32).alias("valence")))
    _, timeline = _followed(table)
    low, high = timeline.range
    assert (low.start.day, high.start.day) == (1, 3)


@pytest.mark.parametrize("moments", [[None] * 40, [datetime(2024, 1, 1 + row % 2) for row in range(40)]])
def test_no_timeline_without_three_bins(invent, opened, moments):
    _, timeline = _followed(opened(_dated(invent(40), moments)))
    assert timeline is None


def test_dialogue_goes_by_turn(invent, opened):
    frame = invent(12, speakers=("Ann", "Bo"), unscored=0)
    dialogue = trace_dialogue(opened(frame.reverse()))
    assert dialogue.speakers == ("Ann", "Bo")
    assert [turn.speaker for turn in dialogue.turns] == ["Ann", "Bo"] * 6
    assert [turn.valence for turn in dialogue.turns] == frame["valence"].to_list()
    assert [turn.position for turn in dialogue.turns] == list(range(1, 13))


def test_the_longest_dialogue_is_shown(invent, opened):
    sources = pl.when(pl.int_range(30) < 20).then(pl.lit("long")).otherwise(pl.lit("short")).alias("source")
    dialogue = trace_dialogue(opened(invent(30, speakers=("A", "B"), unscored=0).with_columns(sources)))
    assert (dialogue.source, len(dialogue.turns), dialogue.dialogues) == ("long", 20, 2)


@pytest.mark.parametrize(
    ("rows", "speakers"),
    [(300, ("A", "B")), (5, ("A", "B")), (40, ("A",)), (40, ()), (40, tuple("ABCDEFG"))],
    ids=["too long", "too short", "one speaker", "no speakers", "a crowd"],
)
def test_no_dialogue(invent, opened, rows, speakers):
    assert trace_dialogue(opened(invent(rows, speakers=speakers, unscored=0))) is None
