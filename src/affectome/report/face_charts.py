"""Charts of faces: action units by expression, every face on the map of feelings, and how heads and eyes are turned."""

from __future__ import annotations

import json
from math import ceil
from typing import TYPE_CHECKING

from affectome.report.canvas import Canvas, Rows, literal, row_names, signed_axis
from affectome.report.comparison import SMALL_GROUP
from affectome.report.faces import Faces, Pose, UnitMap
from affectome.report.palette import Palette
from affectome.report.svg import shortened

if TYPE_CHECKING:
    import altair as alt

_ROW, _NAMES, _CODES = 22, 180, 46
_DEEPEST = 0.92
_LONGEST_NAME = 14


def unit_heat_map(units: UnitMap, canvas: Canvas) -> alt.TopLevelMixin:
    """Mean strength of each action unit (rows) over the faces with each expression (columns): the deeper, the stronger.

    Args:
        units: The means.
        canvas: Where to draw.
    """
    import altair as alt

    room = _CODES if canvas.is_narrow else _NAMES
    width = canvas.width - room - 8
    deepest = full_strength(units)
    cells: Rows = []
    for k, row in enumerate(units.rows):
        for j, ((label, faces), mean) in enumerate(zip(units.columns, row.cells, strict=True)):
            if mean is None:
                continue
            cells.append(
                {
                    "row": k,
                    "column": j,
                    "depth": round(_DEEPEST * min(max(mean.value, 0.0) / deepest, 1.0), 3),
                    "written": f"{mean.value:.2f}".lstrip("0"),
                    "tip": f"{row.code} {row.name} in {shortened(label, 40)} ({faces:,} {canvas.things}): "
                    f"{mean.value:.2f}, 95% interval {max(mean.low, 0):.2f} to {min(mean.high, 1):.2f}",
                }
            )
    marked = [
        f"{shortened(label, _LONGEST_NAME)}{' *' if faces < SMALL_GROUP else ''}" for label, faces in units.columns
    ]
    codes = [row.code if canvas.is_narrow else f"{row.code} {row.name}" for row in units.rows]
    rows = alt.Axis(
        labelExpr=f"{json.dumps(codes)}[datum.value]",
        values=list(range(len(codes))),
        labelLimit=room,
        minExtent=room,
        maxExtent=room,
        grid=False,
        labelColor="var(--ink)",
    )
    columns = alt.Axis(
        labelExpr=f"{json.dumps(marked)}[datum.value]",
        values=list(range(len(marked))),
        orient="top",
        grid=False,
        labelAngle=-90 if canvas.is_narrow else -35,
        labelAlign="left",
        labelBaseline="middle",
        labelColor="var(--ink)",
    )
    y = alt.Y("row:O", title=None, axis=rows)
    x = alt.X("column:O", title=None, axis=columns)
    base = canvas.chart(cells).encode(x=x, y=y)
    layers = [
        base.mark_rect(fill="var(--heat)", stroke="var(--surface)", strokeWidth=1.5).encode(
            opacity=alt.Opacity("depth:Q", scale=None), description="tip:N"
        )
    ]
    if not canvas.is_narrow:
        layers.append(base.mark_text(fontSize=11, aria=False).encode(text="written:N"))
    return alt.layer(*layers).properties(width=width, height=_ROW * len(units.rows))


def full_strength(units: UnitMap) -> float:
    """The mean strength that has the deepest shade: the greatest one, rounded up to a tenth."""
    greatest = max((cell.value for row in units.rows for cell in row.cells if cell), default=0.0)
    return max(ceil(10 * min(greatest, 1.0)) / 10, 0.1)


def expression_map(faces: Faces, palette: Palette, canvas: Canvas) -> alt.TopLevelMixin:
    """Every face by valence and arousal, in the colour of its most probable expression and fainter if less sure.

    Args:
        faces: Their points.
        palette: Colours of the expressions.
        canvas: Where to draw.
    """
    import altair as alt

    width = canvas.width - 58
    rows: Rows = [
        {
            "valence": valence,
            "arousal": arousal,
            "colour": palette.colour(label),
            "opacity": round(0.25 + 0.6 * probability, 2),
            "tip": f"{shortened(source, 60)}: {shortened(label, 40)} {probability:.2f}",
        }
        for source, label, probability, valence, arousal in faces.points
    ]
    x = alt.X("valence:Q", title="valence: unpleasant to pleasant", scale=_scale(rows, "valence"), axis=signed_axis(5))
    y = alt.Y("arousal:Q", title="arousal: calm to excited", scale=_scale(rows, "arousal"), axis=signed_axis(5))
    points = canvas.chart(rows).mark_circle(size=26 if len(rows) > 500 else 44)
    return alt.layer(
        canvas.zero().encode(x="zero:Q"),
        canvas.zero().encode(y="zero:Q"),
        points.encode(
            x=x, y=y, color=literal("colour"), opacity=alt.Opacity("opacity:Q", scale=None), description="tip:N"
        ),
    ).properties(width=width, height=round(width * (0.85 if canvas.is_narrow else 0.6)))


def face_angles(pose: Pose, canvas: Canvas) -> alt.TopLevelMixin:
    """How far heads and eyes are turned: the median, half and nine tenths of the faces.

    Args:
        pose: The quantiles.
        canvas: Where to draw.
    """
    import altair as alt

    room = 118
    rows: Rows = []
    for k, (name, (p5, p25, p50, p75, p95)) in enumerate(pose.angles.items()):
        rows.append(
            {
                "row": k,
                "p5": p5,
                "p25": p25,
                "p50": p50,
                "p75": p75,
                "p95": p95,
                "tip": f"{name}: median {p50:+.0f}°, half of the {canvas.things} {p25:+.0f}° to {p75:+.0f}°, "
                f"nine tenths {p5:+.0f}° to {p95:+.0f}°",
            }
        )
    names = alt.Axis(
        labelExpr=row_names(pose.angles),
        values=list(range(len(rows))),
        grid=False,
        minExtent=room,
        maxExtent=room,
        labelLimit=room,
        labelColor="var(--ink)",
    )
    y = alt.Y("row:Q", title=None, scale=alt.Scale(domain=[len(rows) - 0.5, -0.5], nice=False), axis=names)
    limit = max(10.0, *(abs(row[key]) for row in rows for key in ("p5", "p95"))) * 1.05
    x = alt.X("p5:Q", title="degrees", scale=alt.Scale(domain=[-limit, limit], nice=False), axis=signed_axis(6))
    base = canvas.chart(rows).encode(y=y)
    return alt.layer(
        canvas.zero().encode(x="zero:Q"),
        base.mark_rule(strokeWidth=2, stroke="var(--bar)", opacity=0.6, aria=False).encode(x=x, x2="p95:Q"),
        base.mark_rule(strokeWidth=9, stroke="var(--bar)", opacity=0.6, aria=False).encode(
            x=alt.X("p25:Q"), x2="p75:Q"
        ),
        base.mark_point(filled=True, fill="var(--ink)", size=60, opacity=1).encode(
            x=alt.X("p50:Q"), description="tip:N"
        ),
    ).properties(width=canvas.width - room - 20, height=24 * len(rows))


def _scale(rows: Rows, name: str) -> alt.Scale:
    """The symmetric range, in tenths, that holds all points."""
    import altair as alt

    reach = min(1.0, ceil(10 * max(0.35, *(abs(row[name]) for row in rows)) + 0.2) / 10)
    return alt.Scale(domain=[-reach, reach], nice=False)
