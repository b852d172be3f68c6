"""Charts of films: lanes of face, voice and words over the fused curve of each person, and action units over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from affectome.report.canvas import Canvas, Rows, signed_axis
from affectome.report.films import Film, Watched
from affectome.report.palette import Palette
from affectome.report.recording_charts import clock
from affectome.report.svg import shortened

if TYPE_CHECKING:
    import altair as alt

_LABELS, _END = 58, 14
_LANE, _STRIP, _UNIT = 16, 58, 13
_FAINTEST = 0.15
_SHORTEST = 1 / 250  # of the width, so that a short stretch is seen
_NAMES = {"together": "all", "face": "face", "voice": "voice", "text": "words"}
_MINUTES = 120.0


def film_lanes(film: Film, person: Watched, palette: Palette, canvas: Canvas) -> alt.TopLevelMixin:
    """What face, voice and words show over time and what they show together; then valence and arousal with bands.

    Under valence, amber marks where modalities differ, the deeper the more.
    """
    import altair as alt

    width = canvas.width - _LABELS - _END
    lanes = [
        _lane(film, person, name, palette, canvas).properties(width=width, height=_LANE)
        for name in ("face", "voice", "text", "together")
        if person.lanes[name]
    ]
    strips = [
        _strip(film, person, name, canvas).properties(width=width, height=_STRIP) for name in ("valence", "arousal")
    ]
    return alt.vconcat(*lanes, *strips, spacing=7)


def unit_lanes(film: Film, person: Watched, canvas: Canvas) -> alt.TopLevelMixin:
    """Strength of the action units that move most (rows) over time: the deeper, the stronger."""
    import altair as alt

    names = list(person.units)
    seconds = person.unit_seconds
    half = (seconds[1] - seconds[0]) / 2 if len(seconds) > 1 else film.step / 2
    rows: Rows = [
        {
            "unit": name,
            "from": max(second - half, 0.0),
            "to": min(second + half, film.seconds),
            "depth": min(max(value or 0.0, 0.0), 1.0),
            "tip": f"{name} at {clock(second)}: {value:.2f}",
        }
        for name in names
        for second, value in zip(seconds, person.units[name], strict=True)
        if value is not None
    ]
    axis = alt.Axis(grid=False, minExtent=_LABELS, maxExtent=_LABELS, labelColor="var(--ink)")
    cells = canvas.chart(rows).mark_rect(fill="var(--bar)", strokeWidth=0)
    drawn: alt.Chart = cells.encode(
        x=_seconds(film, canvas, "from", labels=True),
        x2=alt.X2("to:Q"),
        y=alt.Y("unit:N", title=None, sort=names, axis=axis),
        fillOpacity=alt.FillOpacity("depth:Q", scale=None),
        description="tip:N",
    ).properties(width=canvas.width - _LABELS - _END, height=_UNIT * len(names))
    return drawn


def _lane(film: Film, person: Watched, name: str, palette: Palette, canvas: Canvas) -> alt.LayerChart | alt.Chart:
    import altair as alt

    shortest = film.seconds * _SHORTEST
    rows: Rows = [
        {
            "from": span.start,
            "to": min(max(span.end, span.start + shortest), film.seconds),
            "colour": palette.colour(span.top),
            "fill": max(span.confidence, _FAINTEST),
            "lane": _NAMES[name],
            "tip": f"{_NAMES[name]}, {clock(span.start)} to {clock(span.end)}: {shortened(span.top, 40)} "
            f"{span.confidence:.2f}, valence {span.valence:+.2f}"
            + (f": {shortened(span.text, 120)}" if span.text else ""),
        }
        for span in person.lanes[name]
    ]
    axis = alt.Axis(ticks=False, domain=False, minExtent=_LABELS, maxExtent=_LABELS, labelColor="var(--ink)")
    chart: alt.Chart = (
        canvas.chart(rows)
        .mark_rect(strokeWidth=0)
        .encode(
            x=_seconds(film, canvas, "from", labels=False),
            x2=alt.X2("to:Q"),
            y=alt.Y("lane:N", title=None, axis=axis),
            fill=alt.Fill("colour:N", scale=None),
            fillOpacity=alt.FillOpacity("fill:Q", scale=None),
            description="tip:N",
        )
    )
    return chart


def _strip(film: Film, person: Watched, name: str, canvas: Canvas) -> alt.LayerChart | alt.FacetChart:
    import altair as alt

    rows: Rows = []
    before: float | None = None
    for point in person.curve:
        value, spread = getattr(point, name), getattr(point, f"{name}_sd")
        if before is not None and point.second - before > 2.5 * film.step:  # no line leads across a gap
            rows.append({"second": (point.second + before) / 2, "value": None, "low": None, "high": None, "tip": ""})
        before = point.second
        rows.append(
            {
                "second": point.second,
                "value": value,
                "low": max(value - spread, -1.0),
                "high": min(value + spread, 1.0),
                "tip": f"{clock(point.second)}: {name} {value:+.2f} (±{spread:.2f})",
            }
        )
    x = _seconds(film, canvas, "second", labels=name == "arousal")
    y = alt.Y("value:Q", title=None, scale=alt.Scale(domain=[-1, 1]), axis=signed_axis(2, _LABELS))
    base = canvas.chart(rows).encode(x=x)
    layers: list[alt.Chart] = []
    if name == "valence":
        apart: Rows = [
            {
                "from": max(point.second - film.step / 2, 0.0),
                "to": min(point.second + film.step / 2, film.seconds),
                "depth": 0.75 * point.discord**2,
                "tip": f"{clock(point.second)}: discord {point.discord:.2f}",
            }
            for point in person.curve
            if point.discord is not None
        ]
        if apart:
            band = canvas.chart(apart).mark_rect(fill="var(--positive)", strokeWidth=0)
            layers.append(
                band.encode(
                    x=alt.X("from:Q", title=None, scale=alt.Scale(domain=[0, film.seconds], nice=False)),
                    x2=alt.X2("to:Q"),
                    y=alt.value(_STRIP - 8),
                    y2=alt.value(_STRIP),
                    fillOpacity=alt.FillOpacity("depth:Q", scale=None),
                    description="tip:N",
                )
            )
    colour = f"var(--{name})"
    return alt.layer(
        canvas.zero().encode(y="zero:Q"),
        *layers,
        base.mark_area(fill=colour, opacity=0.18, aria=False).encode(y=alt.Y("low:Q"), y2="high:Q"),
        base.mark_line(stroke=colour, strokeWidth=1.75, aria=False).encode(y=y),
        title=alt.TitleParams(text=name, fontSize=12, offset=3),
    )


def _seconds(film: Film, canvas: Canvas, field: str, *, labels: bool) -> alt.X:
    import altair as alt

    minutes = "floor(datum.value / 60) + ':' + format(datum.value % 60, '02d')"
    axis = alt.Axis(
        labelExpr=minutes if film.seconds > _MINUTES else "datum.label + ' s'",
        format=".6~g",
        tickCount=4 if canvas.is_narrow else 8,
        grid=False,
        labels=labels,
        ticks=labels,
        labelOverlap=True,
    )
    return alt.X(f"{field}:Q", title=None, scale=alt.Scale(domain=[0, film.seconds], nice=False), axis=axis)
