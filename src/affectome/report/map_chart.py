"""The valence-arousal map: density, mean positions of emotions and the usual spread of one text."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, hypot
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from affectome.report.canvas import NAME_LENGTH, Canvas, Rows, literal, signed_axis
from affectome.report.label_layout import Point, place_labels
from affectome.report.overview import Emotion, Overview
from affectome.report.palette import Palette
from affectome.report.svg import shortened

if TYPE_CHECKING:
    import altair as alt

_MANY_TEXTS = 2_000
_NAMED_WIDE, _NAMED_NARROW = 14, 8
_MARGIN = 58
_LEADER = 60
_INSIDE = 0.998


def affect_map(overview: Overview, emotions: Sequence[Emotion], palette: Palette, canvas: Canvas) -> alt.TopLevelMixin:
    """Density of texts over valence and arousal, with the mean position of emotions and the usual spread of one text.

    Args:
        overview: Summary of the table.
        emotions: Emotions that are the top of some text, the most important first; the first 14, or 8, are named.
        palette: Their colours.
        canvas: Where to draw.
    """
    import altair as alt

    emotions = emotions[: _NAMED_NARROW if canvas.is_narrow else _NAMED_WIDE]
    positions = [(emotion.valence or 0.0, emotion.arousal or 0.0) for emotion in emotions]
    across = _extent(overview.density.sum(axis=0), [valence for valence, _ in positions])
    up = _extent(overview.density.sum(axis=1), [arousal for _, arousal in positions])
    width = canvas.width - _MARGIN
    # Equal units on both axes where that leaves room to read the names.
    height = round(float(np.clip(width * up / across, (0.85 if canvas.is_narrow else 0.62) * width, 1.05 * width)))

    dots: Rows = [
        {
            "valence": valence,
            "arousal": arousal,
            "share": emotion.top / overview.rows,
            "colour": palette.colour(emotion.label),
            "tip": f"{shortened(emotion.label, 40)} ({emotion.top:,} {canvas.things}): valence {valence:+.2f}, "
            f"arousal {arousal:+.2f}",
        }
        for emotion, (valence, arousal) in zip(emotions, positions, strict=True)
    ]
    x = alt.X(
        "valence:Q",
        title="valence: unpleasant to pleasant",
        scale=alt.Scale(domain=[-across, across], nice=False),
        axis=signed_axis(5),
    )
    y = alt.Y(
        "arousal:Q",
        title="arousal: calm to excited",
        scale=alt.Scale(domain=[-up, up], nice=False),
        axis=signed_axis(5),
    )
    size = alt.Size(
        "share:Q",
        scale=alt.Scale(
            domain=[0, max(dot["share"] for dot in dots)], range=[40, 140] if canvas.is_narrow else [60, 320]
        ),
    )
    cells = canvas.chart(_cells(overview.density, across, up)).mark_rect(aria=False)
    spread = canvas.chart(_ellipse(overview, across, up))
    points = canvas.chart(dots).mark_circle(opacity=1, stroke="var(--surface)", strokeWidth=1.5)
    names = canvas.chart(_names(emotions, positions, across, up, width, height))
    leaders = names.transform_filter(f"datum.distance > {_LEADER}").mark_rule(opacity=0.5, aria=False)
    return alt.layer(
        cells.encode(
            x=alt.X("left:Q"),
            x2="right:Q",
            y=alt.Y("bottom:Q"),
            y2="top:Q",
            color=literal("colour"),
            opacity=alt.Opacity("density:Q", scale=None),
        ),
        canvas.zero().encode(x="zero:Q"),
        canvas.zero().encode(y="zero:Q"),
        spread.mark_line(strokeWidth=1.5, strokeDash=[4, 3], stroke="var(--ink)", aria=False).encode(
            x="valence:Q", y="arousal:Q", order="step:Q"
        ),
        leaders.encode(x="valence:Q", y="arousal:Q", x2="own_valence:Q", y2="own_arousal:Q"),
        points.encode(x=x, y=y, color=literal("colour"), size=size, description="tip:N"),
        names.mark_text(fontWeight=600, baseline="middle", aria=False).encode(
            x="valence:Q", y="arousal:Q", text="name:N"
        ),
    ).properties(width=width, height=height)


def _extent(counts: NDArray[np.int64], positions: Sequence[float]) -> float:
    """Half width, in tenths, of the symmetric range that holds all positions and all but one in 500 texts."""
    cells, total = len(counts), counts.sum()
    for tenths in range(max(4, ceil(10 * max(map(abs, positions)))), 10):
        margin = cells // 2 - cells * tenths // 20
        if counts[margin : cells - margin].sum() >= _INSIDE * total:
            return tenths / 10
    return 1.0


def _cells(density: NDArray[np.int64], across: float, up: float) -> Rows:
    """Rectangles for the cells that hold texts; the fewer the texts, the larger the cells."""
    merged = 2 if density.sum() >= _MANY_TEXTS else 5
    size = len(density) // merged
    grid = density.reshape(size, merged, size, merged).sum(axis=(1, 3))
    step = 2 / size
    # Shades go by the square root, as counts of texts vary by it; the few fullest cells share the deepest one.
    shades = np.minimum(np.sqrt(grid / np.quantile(grid[grid > 0], 0.99)), 1)
    return [
        {
            "left": max(k * step - 1, -across),
            "right": min((k + 1) * step - 1, across),
            "bottom": max(j * step - 1, -up),
            "top": min((j + 1) * step - 1, up),
            "colour": "var(--positive)" if 2 * k + 1 > size else "var(--negative)",
            "density": round(0.06 + 0.6 * float(shades[j, k]), 3),
        }
        for j, k in np.argwhere(grid).tolist()
        if abs((k + 0.5) * step - 1) < across and abs((j + 0.5) * step - 1) < up
    ]


def _ellipse(overview: Overview, across: float, up: float) -> Rows:
    """One standard deviation of a single text around the mean of all."""
    angles = np.linspace(0, 2 * np.pi, 49)
    valence = overview.dimensions["valence"].value + overview.spread["valence"] * np.cos(angles)
    arousal = overview.dimensions["arousal"].value + overview.spread["arousal"] * np.sin(angles)
    pairs = zip(np.clip(valence, -across, across).tolist(), np.clip(arousal, -up, up).tolist(), strict=True)
    return [{"valence": x, "arousal": y, "step": k} for k, (x, y) in enumerate(pairs)]


def _names(
    emotions: Sequence[Emotion],
    positions: Sequence[tuple[float, float]],
    across: float,
    up: float,
    width: float,
    height: float,
) -> Rows:
    """The names that find room, with their middle in units of the axes and their distance from the dot in pixels."""
    points = [
        Point(
            shortened(emotion.label, NAME_LENGTH), (valence / across + 1) / 2 * width, (1 - arousal / up) / 2 * height
        )
        for emotion, (valence, arousal) in zip(emotions, positions, strict=True)
    ]
    rows: Rows = []
    for point, place, (valence, arousal) in zip(points, place_labels(points, width, height), positions, strict=True):
        if place is not None:
            x, y = place
            rows.append(
                {
                    "name": point.name,
                    "valence": (2 * x / width - 1) * across,
                    "arousal": (1 - 2 * y / height) * up,
                    "own_valence": valence,
                    "own_arousal": arousal,
                    "distance": hypot(x - point.x, y - point.y),
                }
            )
    return rows
