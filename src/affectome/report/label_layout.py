"""Names beside the points of a map, without one hiding another."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import hypot
from typing import NamedTuple

_CHARACTER, _LINE, _GAP = 7.4, 14.0, 6.0


class Point(NamedTuple):
    """A named point in pixels from the upper left corner."""

    name: str
    x: float
    y: float


class _Box(NamedTuple):
    left: float
    top: float
    right: float
    bottom: float

    def lies_within(self, width: float, height: float) -> bool:
        return self.left >= 0 and self.top >= 0 and self.right <= width and self.bottom <= height

    def touches(self, other: _Box) -> bool:
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )


def place_labels(points: Sequence[Point], width: float, height: float) -> list[tuple[float, float] | None]:
    """Where to write the names of points, greedily, the first points first.

    Args:
        points: The points, the most important first.
        width: Of the map, in pixels.
        height: Likewise.

    Returns:
        For each point the middle of its name in pixels, or None where there is no room.
    """
    taken = [_Box(x - _GAP, y - _GAP, x + _GAP, y + _GAP) for _, x, y in points]
    places: list[tuple[float, float] | None] = []
    for name, x, y in points:
        free = (
            (middle, box)
            for middle in _candidates(name, x, y)
            if (box := _box(name, *middle)).lies_within(width, height) and not any(map(box.touches, taken))
        )
        found = next(free, None)
        places.append(found[0] if found else None)
        taken += [found[1]] if found else []
    return places


def _box(name: str, x: float, y: float) -> _Box:
    half = len(name) * _CHARACTER / 2
    return _Box(x - half, y - _LINE / 2, x + half, y + _LINE / 2)


def _candidates(name: str, x: float, y: float) -> list[tuple[float, float]]:
    """Middles of the name around the point, near ones first, beside it before above and below."""
    across = len(name) * _CHARACTER / 2 + _GAP + 2
    down = _LINE / 2 + _GAP + 1
    near = [(x + across, y), (x - across, y), (x, y - down), (x, y + down)]
    steps = product((1.0, 1.8, 2.6), (1, -1, 0), (-1, 1))
    far = [(side * across * reach, step * down * reach) for reach, side, step in steps]
    return near + [(x + right, y + below) for right, below in sorted(far, key=lambda offset: hypot(*offset))]
