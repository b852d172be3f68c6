"""What every chart is drawn on: a width, named data sets, and shared ways to label."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from affectome.report.svg import render, shortened

if TYPE_CHECKING:
    import altair as alt

NAME_LENGTH = 22
ROW_HEIGHT = 21
WIDE, _NARROW = 680, 340

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Figure:
    """One chart as inline SVG, for screens and for phones."""

    wide: str
    narrow: str


class Canvas:
    """Data sets and width of one chart, and what its rows are.

    Charts name their data instead of holding them: Altair copies a chart at every step of building it.

    Args:
        width: In pixels.
        things: What the rows of the table are called.
    """

    def __init__(self, width: int, things: str = "texts") -> None:
        self.width, self.things = width, things
        self.is_narrow = width < WIDE
        self.datasets: dict[str, Rows] = {}

    def chart(self, rows: Rows) -> alt.Chart:
        """A chart of some rows, which hold numbers and `shortened` texts."""
        import altair as alt

        name = f"rows-{len(self.datasets)}"
        self.datasets[name] = rows
        return alt.Chart(alt.NamedData(name))

    def zero(self) -> alt.Chart:
        """A line to be put at zero of an axis."""
        line: alt.Chart = self.chart([{"zero": 0}]).mark_rule(stroke="var(--muted)", aria=False)
        return line


def draw(build: Callable[[Canvas], alt.TopLevelMixin], things: str = "texts") -> Figure:
    """Draw a chart for screens and for phones.

    Args:
        build: Gives the chart on a canvas.
        things: What the rows of the table are called.
    """
    return Figure(_drawn(build, Canvas(WIDE, things)), _drawn(build, Canvas(_NARROW, things)))


def _drawn(build: Callable[[Canvas], alt.TopLevelMixin], canvas: Canvas) -> str:
    from altair.utils.schemapi import debug_mode

    with debug_mode(False):  # validating against the schema takes ten times as long as drawing
        return render({**build(canvas).to_dict(validate=False), "datasets": canvas.datasets})


def literal(field: str) -> alt.Color:
    """A colour that the rows give themselves."""
    import altair as alt

    return alt.Color(f"{field}:N", scale=None)


def row_names(names: Iterable[str]) -> str:
    """The Vega expression by which an axis names its rows, whose values are their positions: 0, 1, 2 and so on.

    Two names may look alike once they are shortened, so they cannot be the values themselves.
    """
    return f"{json.dumps([shortened(name, NAME_LENGTH) for name in names])}[datum.value]"


def signed_axis(ticks: int, extent: float | None = None) -> alt.Axis:
    """An axis whose labels carry their sign, but for zero.

    Args:
        ticks: About how many.
        extent: Room for labels in pixels, where charts above each other must line up.
    """
    import altair as alt

    room = alt.Undefined if extent is None else extent
    return alt.Axis(
        labelExpr="datum.value ? format(datum.value, '+.3~f') : '0'",
        tickCount=ticks,
        labelOverlap=True,
        minExtent=room,
        maxExtent=room,
    )


def fitted() -> alt.AutoSizeParams:
    """Sizing by which a chart's width includes its axes."""
    import altair as alt

    return alt.AutoSizeParams(type="fit-x", contains="padding")
