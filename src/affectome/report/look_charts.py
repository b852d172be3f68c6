"""Charts of the look of pictures."""

from __future__ import annotations

from functools import partial
from math import pi, sqrt
from typing import TYPE_CHECKING

from affectome.report.canvas import Canvas, Figure, Rows, draw, literal
from affectome.report.looks import Hues, Looks, LookSpread

if TYPE_CHECKING:
    import altair as alt

_HEIGHT, _GAP = 64, 26
_LARGEST_WHEEL = 200


def look_figures(looks: Looks) -> dict[str, Figure]:
    """The charts by name: ``spreads`` and ``hues``, each if there is something to draw."""
    figures = {}
    if looks.spreads:
        figures["spreads"] = draw(partial(look_spreads, looks.spreads))
    if hues := looks.hues:
        figures["hues"] = draw(partial(hue_wheel, hues))
    return figures


def look_spreads(spreads: tuple[LookSpread, ...], canvas: Canvas) -> alt.TopLevelMixin:
    """One small histogram a feature, with the median as a line.

    Args:
        spreads: The features.
        canvas: Where to draw.
    """
    import altair as alt

    columns = 2 if canvas.is_narrow else 3
    width = (canvas.width - (columns - 1) * _GAP) / columns - 12
    panels: alt.ConcatChart = alt.concat(
        *(
            _histogram(spread, canvas).properties(width=width, height=_HEIGHT, title=_title(spread))
            for spread in spreads
        ),
        columns=columns,
        spacing=_GAP,
    )
    apart: alt.ConcatChart = panels.resolve_scale(x="independent", y="independent")
    return apart


def hue_wheel(hues: Hues, canvas: Canvas) -> alt.TopLevelMixin:
    """Pictures by hue round a circle: red at the top, on by yellow, green and blue; areas go by the number of pictures.

    Args:
        hues: The counts.
        canvas: Where to draw.
    """
    import altair as alt

    step, fullest = 360 / len(hues.counts), max(hues.counts)
    radius = min(canvas.width, _LARGEST_WHEEL) / 2
    rows: Rows = [
        {
            "from": k * step * pi / 180,
            "to": (k + 1) * step * pi / 180,
            "reach": radius * sqrt(count / fullest),
            "colour": f"hsl({(k + 0.5) * step:g} 65% 50%)",
            "tip": f"{k * step:g}° to {(k + 1) * step:g}°: {count:,} pictures ({count / sum(hues.counts):.1%})",
        }
        for k, count in enumerate(hues.counts)
        if count
    ]
    rim: Rows = [{**row, "from": 0, "to": 2 * pi, "reach": radius} for row in rows[:1]]
    around = canvas.chart(rim).mark_arc(fill="none", stroke="var(--line)", aria=False)
    sectors = canvas.chart(rows).mark_arc(stroke="var(--surface)", strokeWidth=1)
    places = {
        "theta": alt.Theta("from:Q", scale=None),
        "theta2": alt.Theta2("to:Q"),
        "radius": alt.Radius("reach:Q", scale=None),
    }
    return alt.layer(
        around.encode(**places), sectors.encode(**places, color=literal("colour"), description="tip:N")
    ).properties(width=2 * radius, height=2 * radius)


def _histogram(spread: LookSpread, canvas: Canvas) -> alt.LayerChart | alt.FacetChart:
    import altair as alt

    step, total = (spread.upper - spread.lower) / len(spread.counts), sum(spread.counts)
    rows: Rows = [
        {
            "from": spread.lower + k * step,
            "to": spread.lower + (k + 1) * step,
            "count": count,
            "tip": f"{spread.lower + k * step:.3g} to {spread.lower + (k + 1) * step:.3g}: {count:,} pictures "
            f"({count / total:.1%})",
        }
        for k, count in enumerate(spread.counts)
    ]
    axis = alt.Axis(tickCount=4, format=".4~g", grid=False, labelOverlap=True)
    scale = alt.Scale(domain=[spread.lower, spread.upper], nice=False)
    bars = canvas.chart(rows).mark_bar(orient="vertical", binSpacing=1, fill="var(--bar)")
    median = canvas.chart([{"median": spread.quantiles[2]}]).mark_rule(strokeWidth=1.5, aria=False)
    return alt.layer(
        bars.encode(
            x=alt.X("from:Q", title=None, scale=scale, axis=axis),
            x2="to:Q",
            y=alt.Y("count:Q", title=None, axis=None),
            y2=alt.Y2(datum=0),
            description="tip:N",
        ),
        median.encode(x="median:Q"),
    )


def _title(spread: LookSpread) -> alt.TitleParams:
    import altair as alt

    return alt.TitleParams(text=f"{spread.title} ({spread.unit})" if spread.unit else spread.title, fontSize=12)
