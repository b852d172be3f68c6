"""Events: stretches of a track in which a value is high, found with two thresholds."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from affectome.errors import UsageError


class Event(NamedTuple):
    """A stretch of a track.

    Attributes:
        start: Second at which it begins.
        end: Second at which it ends.
        peak: The highest value in it.
    """

    start: float
    end: float
    peak: float


def find_events(
    starts: ArrayLike,
    ends: ArrayLike,
    values: ArrayLike,
    *,
    on: float,
    off: float,
    edge: float = 0.0,
    least: float = 0.0,
    gap: float = 0.0,
) -> list[Event]:
    """Stretches that begin where a value reaches one threshold and end where it falls below a lower one.

    Two thresholds keep a value that wavers around one of them from being cut to pieces (hysteresis; Canny 1986 for
    edges). A cell whose value is missing ends an event.

    Args:
        starts: Second (n,) at which each cell of the track begins, in order.
        ends: Second (n,) at which it ends.
        values: Value (n,) of each cell; NaN where it is missing.
        on: Value at which an event begins.
        off: Value below which it ends, at most ``on``.
        edge: Share of its peak that an event has to reach where it begins and ends; 0.5 gives its width at half height,
            which does not grow with the peak.
        least: Shortest length in seconds that counts.
        gap: Events that are no further apart, in seconds, are one.

    Raises:
        UsageError: ``bad_thresholds`` if ``off`` is above ``on``; ``bad_lengths`` if the three differ in length.
    """
    if not off <= on:
        raise UsageError(
            f"An event that begins at {on} cannot end below {off}.",
            code="bad_thresholds",
            value=off,
            next_step="Give an off threshold that is not above the on threshold.",
        )
    begins, stops, track = (np.asarray(each, np.float64) for each in (starts, ends, values))
    if not len(begins) == len(stops) == len(track):
        raise UsageError(
            "Starts, ends and values are of different lengths.",
            code="bad_lengths",
            value=f"{len(begins)}, {len(stops)}, {len(track)}",
            next_step="Give one of each for every cell.",
        )
    found: list[Event] = []
    first: int | None = None
    for k, value in enumerate(np.append(track, np.nan)):
        if first is not None and not value >= off:
            peak = float(track[first:k].max())
            high = first + np.flatnonzero(track[first:k] >= edge * peak)
            event = Event(float(begins[high[0]]), float(stops[high[-1]]), peak)
            if found and event.start - found[-1].end <= gap:
                event = Event(found[-1].start, event.end, max(found[-1].peak, event.peak))
                found.pop()
            found.append(event)
            first = None
        if first is None and value >= on:
            first = k
    return [event for event in found if event.end - event.start >= least]
