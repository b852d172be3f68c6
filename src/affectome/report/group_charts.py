"""Charts of groups of texts against each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from affectome.report.canvas import NAME_LENGTH, ROW_HEIGHT, Canvas, Rows, literal, row_names, signed_axis
from affectome.report.comparison import Comparison, Group
from affectome.report.palette import Palette
from affectome.report.statistics import Interval
from affectome.report.svg import shortened

if TYPE_CHECKING:
    import altair as alt


_NAMES, _GAP = 118, 24


@dataclass(frozen=True)
class _Panel:
    """One measure of every group; with ``limits`` it is a difference, and those that may be zero are hollow."""

    title: str
    intervals: Sequence[Interval]
    colour: str
    limits: tuple[float, float] | None = None


def group_affect(comparison: Comparison, canvas: Canvas) -> alt.TopLevelMixin:
    """Mean valence and arousal of each group, with intervals."""
    panels = [
        _Panel("valence", [group.valence for group in comparison.groups], "var(--ink)"),
        _Panel("arousal", [group.arousal for group in comparison.groups], "var(--ink)"),
    ]
    return _side_by_side(panels, comparison.groups, canvas, 2)


def group_emotions(comparison: Comparison, palette: Palette, canvas: Canvas) -> alt.TopLevelMixin:
    """How far each group lies above or below the others in the emotions that differ most, with intervals."""
    spans = [_points(interval) for group in comparison.groups for interval in group.differences]
    limit = max(max(abs(span.low), abs(span.high)) for span in spans) * 1.05
    panels = [
        _Panel(
            shortened(label, NAME_LENGTH),
            [_points(group.differences[k]) for group in comparison.groups],
            palette.colour(label),
            (-limit, limit),
        )
        for k, label in enumerate(comparison.labels)
    ]
    return _side_by_side(panels, comparison.groups, canvas, 3)


def _side_by_side(panels: Sequence[_Panel], groups: Sequence[Group], canvas: Canvas, columns: int) -> alt.TopLevelMixin:
    """Panels that share their rows: names at the left of each line of panels, one panel a line on phones."""
    import altair as alt

    columns = 1 if canvas.is_narrow else columns
    inner = (canvas.width - _NAMES - _GAP * (columns - 1)) / columns - 8
    drawn = [
        _dots(panel, groups, canvas, named=k % columns == 0).properties(
            width=inner, height=len(groups) * ROW_HEIGHT, title=panel.title
        )
        for k, panel in enumerate(panels)
    ]
    return alt.concat(*drawn, columns=columns, spacing=_GAP)


def _dots(panel: _Panel, groups: Sequence[Group], canvas: Canvas, *, named: bool) -> alt.LayerChart | alt.FacetChart:
    """One dot with its interval for each group."""
    import altair as alt

    rows: Rows = [
        {
            "row": str(k),
            "value": interval.value,
            "low": interval.low,
            "high": interval.high,
            "fill": panel.colour if panel.limits is None or interval.excludes_zero else "var(--surface)",
            "tip": f"{shortened(group.name, 60)} ({group.rows:,} {canvas.things}): {interval.value:+.2f}, "
            f"95% interval {interval.low:+.2f} to {interval.high:+.2f}",
        }
        for k, (group, interval) in enumerate(zip(groups, panel.intervals, strict=True))
    ]
    names = row_names(f"{shortened(group.name, NAME_LENGTH - 2)}{' *' * group.small}" for group in groups)
    limits = panel.limits
    scale = alt.Scale(domain=list(limits), nice=False) if limits else alt.Scale(zero=False, padding=10)
    extent = _NAMES if named else 0
    labels = alt.Axis(labels=named, minExtent=extent, maxExtent=extent, labelLimit=_NAMES - 8, labelExpr=names)
    base = canvas.chart(rows).encode(y=alt.Y("row:N", sort=None, title=None, axis=labels))
    x = alt.X("low:Q", title=None, scale=scale, axis=signed_axis(4))
    return alt.layer(
        *([canvas.zero().encode(x="zero:Q")] if limits else []),
        base.mark_rule(strokeWidth=2, stroke=panel.colour, aria=False).encode(x=x, x2="high:Q"),
        base.mark_circle(size=64, opacity=1, stroke=panel.colour, strokeWidth=2).encode(
            x="value:Q", color=literal("fill"), description="tip:N"
        ),
    )


def _points(interval: Interval) -> Interval:
    """A difference of probabilities in percentage points."""
    return Interval(100 * interval.value, 100 * interval.low, 100 * interval.high)
