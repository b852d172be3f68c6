"""Charts of how values are distributed over all texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from affectome.report.canvas import ROW_HEIGHT, Canvas, Rows, fitted, literal, row_names
from affectome.report.overview import Emotion, Histogram
from affectome.report.palette import Palette

if TYPE_CHECKING:
    import altair as alt

_MOST_BARS = 40
_PALE, _FULL = 0.4, 0.85


def emotion_bars(emotions: Sequence[Emotion], palette: Palette, canvas: Canvas) -> alt.TopLevelMixin:
    """Share of texts with each emotion, its interval, and the mean probability as a diamond.

    Args:
        emotions: In the order of the bars; the first 40 are shown.
        palette: Their colours.
        canvas: Where to draw.
    """
    import altair as alt

    rows: Rows = [
        {
            "row": str(k),
            "share": emotion.share.value,
            "low": emotion.share.low,
            "high": emotion.share.high,
            "mean": emotion.mean.value,
            "end": max(emotion.share.high, emotion.mean.value),
            "colour": palette.colour(emotion.label),
            "written": f"{emotion.share.value:.1%}",
            "tip": f"{emotion.share.value:.1%} of {canvas.things} ({emotion.share.low:.1%} to "
            f"{emotion.share.high:.1%}), mean probability {emotion.mean.value:.3f}",
        }
        for k, emotion in enumerate(emotions[:_MOST_BARS])
    ]
    limit = max(row["end"] for row in rows) * (1.22 if canvas.is_narrow else 1.1)
    ticks = alt.Axis(format="~%", tickCount=4 if canvas.is_narrow else 6, orient="top")
    x = alt.X("share:Q", title=f"share of {canvas.things}", scale=alt.Scale(domain=[0, limit], nice=False), axis=ticks)
    names = alt.Axis(labelExpr=row_names(emotion.label for emotion in emotions))
    base = canvas.chart(rows).encode(y=alt.Y("row:N", sort=None, title=None, axis=names))
    bars = base.mark_bar(height=11, cornerRadiusEnd=2).encode(x=x, color=literal("colour"), description="tip:N")
    intervals = base.mark_rule(aria=False).encode(x=alt.X("low:Q"), x2="high:Q")
    means = base.mark_point(shape="diamond", size=34, fill="var(--surface)", stroke="var(--ink)", opacity=1, aria=False)
    written = base.mark_text(align="left", dx=8, fill="var(--muted)", aria=False)
    return alt.layer(bars, intervals, means.encode(x="mean:Q"), written.encode(x="end:Q", text="written:N")).properties(
        width=canvas.width, height=len(rows) * ROW_HEIGHT, autosize=fitted()
    )


def histogram(
    distribution: Histogram, title: str, canvas: Canvas, *, width: int, threshold: float | None = None
) -> alt.TopLevelMixin:
    """Share of texts in bins of a value, with the median as a line.

    Args:
        distribution: The counts.
        title: What the value is.
        canvas: Where to draw.
        width: Width on screens, in pixels.
        threshold: Value below which bins are paler.
    """
    import altair as alt

    total, step = sum(distribution.counts), distribution.upper / len(distribution.counts)
    rows: Rows = [
        {
            "from": k * step,
            "to": (k + 1) * step,
            "share": count / total,
            "opacity": _PALE if threshold is not None and (k + 0.5) * step < threshold else _FULL,
            "tip": f"{k * step:.2f} to {(k + 1) * step:.2f}: {count:,} {canvas.things} ({count / total:.1%})",
        }
        for k, count in enumerate(distribution.counts)
    ]
    axis = alt.Axis(format=".1f", tickCount=5, grid=False)
    x = alt.X("from:Q", title=title, scale=alt.Scale(domain=[0, distribution.upper], nice=False), axis=axis)
    y = alt.Y("share:Q", title=f"share of {canvas.things}", axis=alt.Axis(format="~%", tickCount=4))
    bars = canvas.chart(rows).mark_bar(orient="vertical", binSpacing=1.5, fill="var(--bar)")
    median = canvas.chart([{"median": distribution.median}]).encode(x="median:Q")
    name = median.mark_text(text="median", baseline="bottom", y=-3, aria=False)
    return alt.layer(
        bars.encode(
            x=x, x2="to:Q", y=y, y2=alt.Y2(datum=0), opacity=alt.Opacity("opacity:Q", scale=None), description="tip:N"
        ),
        median.mark_rule(strokeWidth=1.5, aria=False),
        name,
    ).properties(width=min(canvas.width, width), height=170, autosize=fitted())
