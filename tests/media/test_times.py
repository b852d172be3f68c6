from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectome.media.times import TimeParser

NOON = datetime(2024, 5, 6, 12, 30)


@pytest.mark.parametrize(
    "written",
    [
        "2024-05-06 12:30", "2024-05-06T12:30:00", "2024-05-06T12:30:00Z", "2024-05-06T14:30:00+02:00",
        " 2024-05-06 12:30 ",
        "2024/05/06 12:30", "2024-05-06 12:30:00 UTC", "20240506T123000", "1714998600", "1714998600.0", "1714998600000",
        1714998600, 1714998600.0, 1714998600000, 1714998600000.0, "Mon May 06 12:30:00 +0000 2024",
        NOON, NOON.replace(tzinfo=UTC), NOON.replace(hour=14, tzinfo=timezone(timedelta(hours=2))),
    ],
)  # fmt: skip
def test_common_forms(written):
    assert TimeParser([]).parse(written) == NOON


@pytest.mark.parametrize("written", ["2024-05-06", "20240506", date(2024, 5, 6)])
def test_dates_are_midnight(written):
    assert TimeParser([]).parse(written) == datetime(2024, 5, 6)


@pytest.mark.parametrize(
    "written",
    ["", "soon", "2024", "2024-13-01", "12", True, None, [1], "1/2/2024", "Mon Foo 06 12:30:00 +0000 2024", 1e300,
     "0001-01-01T00:00:00+23:00", "99:99", float("nan"), b"2024-01-01", "Mon May 36 12:30:00 +0000 2024"],
)  # fmt: skip
def test_what_is_not_understood_is_none(written):
    assert TimeParser([]).parse(written) is None


@pytest.mark.parametrize(
    ("sample", "written", "expected"),
    [
        (["1/2/2024", "1/13/2024"], "1/2/2024", datetime(2024, 1, 2)),
        (["1/2/2024", "13/1/2024"], "1/2/2024", datetime(2024, 2, 1)),
        (["1/2/2024", "2/1/2024"], "1/2/2024", None),
        (["1/13/2024", "13/1/2024"], "1/2/2024", None),
        (["1/13/2024"], "1/2/2024 3:04", datetime(2024, 1, 2, 3, 4)),
        (["1/13/2024"], "1/2/2024, 3:04:05 PM", datetime(2024, 1, 2, 15, 4, 5)),
        (["1/13/2024"], "1/2/2024 12:04 am", datetime(2024, 1, 2, 0, 4)),
        (["1/13/2024"], "1/2/2024 12:04 p.m.", datetime(2024, 1, 2, 12, 4)),
        (["1/13/2024"], "1/2/2024 13:04 pm", None),
        (["1/13/2024"], "14/2/2024", None),
        ([None, 3, "1/13/2024"], "1/2/2024", datetime(2024, 1, 2)),
    ],
)
def test_slashed_dates_need_an_order(sample, written, expected):
    assert TimeParser(sample).parse(written) == expected


@given(st.datetimes(min_value=datetime(1975, 1, 1), max_value=datetime(2200, 1, 1)))
def test_iso_and_epoch_round_trip(moment):
    parser = TimeParser([])
    assert parser.parse(moment.isoformat()) == moment
    assert parser.parse(f"{moment.isoformat()}+05:30") == moment - timedelta(hours=5, minutes=30)
    seconds = int(moment.replace(tzinfo=UTC).timestamp())
    assert parser.parse(seconds) == moment.replace(microsecond=0)


@given(st.text(max_size=30) | st.from_regex(r"[\d/:. apm+TZ-]{1,30}", fullmatch=True))
def test_no_text_breaks_it(text):
    assert isinstance(TimeParser([text, "1/13/2024"]).parse(text), datetime | None)
