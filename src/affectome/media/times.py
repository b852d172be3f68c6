"""Times as people and programs write them, brought to UTC."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta

_EPOCH = datetime(1970, 1, 1)
_SECONDS = re.compile(r"-?\d{9,10}(?:\.\d+)?")
_MILLISECONDS = re.compile(r"-?\d{12,13}(?:\.0*)?")
_SLASHED = re.compile(
    r"(?P<first>\d{1,2})/(?P<second>\d{1,2})/(?P<year>\d{4})"
    r"(?:,?[ T]+(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<seconds>\d{2}))?(?: ?(?P<half>[AaPp])\.?[Mm]\.?)?)?"
)
_WRITTEN_OUT = re.compile(  # Wed Oct 10 20:19:24 +0000 2018
    r"(?:[A-Za-z]{3},? )?(?P<month>[A-Za-z]{3}) +(?P<day>\d{1,2}) (?P<clock>\d{2}:\d{2}:\d{2})"
    r" (?P<zone>[+-]\d{4}) (?P<year>\d{4})"
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


class TimeParser:
    """Parser of one time column.

    It reads ISO 8601 dates and times (also with a blank or slashes), seconds or milliseconds since 1970, the long form
    of Twitter's API, and slashed dates whose order the column itself gives away: month first if some second number is
    above 12 and no first number is, day first the other way round. Where the column leaves the order open, slashed
    dates are not read.

    Args:
        sample: Some values of the column.
    """

    def __init__(self, sample: Iterable[object]) -> None:
        slashed = [match for value in sample if (match := _SLASHED.fullmatch(str(value).strip()))]
        first = any(int(match["first"]) > 12 for match in slashed)
        second = any(int(match["second"]) > 12 for match in slashed)
        self._month_first = second if first != second else None

    def parse(self, value: object) -> datetime | None:
        """The time in UTC without zone, microsecond precision; None for a value that is not understood.

        Times without a zone are taken as UTC.
        """
        try:
            if isinstance(value, date):
                return _utc(value if isinstance(value, datetime) else datetime.combine(value, time()))
            if isinstance(value, bool) or not isinstance(value, str | int | float):
                return None
            return self._parse_text(str(value).strip())
        except (ValueError, OverflowError):
            return None

    def _parse_text(self, text: str) -> datetime | None:
        if _SECONDS.fullmatch(text):
            return _EPOCH + timedelta(seconds=float(text))
        if _MILLISECONDS.fullmatch(text):
            return _EPOCH + timedelta(milliseconds=float(text))
        if match := _SLASHED.fullmatch(text):
            return self._slashed(match)
        if match := _WRITTEN_OUT.fullmatch(text):
            month = _MONTHS.index(match["month"].lower()) + 1
            return _utc(
                datetime.fromisoformat(
                    f"{match['year']}-{month:02}-{int(match['day']):02}T{match['clock']}{match['zone']}"
                )
            )
        return _utc(datetime.fromisoformat(text.replace("/", "-").removesuffix(" UTC")))

    def _slashed(self, match: re.Match[str]) -> datetime | None:
        if self._month_first is None:
            return None
        month, day = (match["first"], match["second"]) if self._month_first else (match["second"], match["first"])
        hour = int(match["hour"] or 0)
        if match["half"]:
            if not 1 <= hour <= 12:
                return None
            hour = hour % 12 + (12 if match["half"] in "pP" else 0)
        return datetime(
            int(match["year"]), int(month), int(day), hour, int(match["minute"] or 0), int(match["seconds"] or 0)
        )


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)
