"""Charts of how good a reader is: confusions, reliability, groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from affectome.evaluate import Assessment
from affectome.report.canvas import NAME_LENGTH, ROW_HEIGHT, Canvas, Rows, fitted, literal, row_names
from affectome.report.svg import shortened

if TYPE_CHECKING:
    import altair as alt

_MOST_LABELS = 40
_MOST_NUMBERED = 14  # labels up to which a number fits into a cell
_RIGHT, _WRONG = "var(--negative)", "var(--positive)"


def shown_labels(assessment: Assessment) -> list[int]:
    """Positions of the labels that charts show: all, or the forty that occur most often, in their own order."""
    support = [row.support for row in assessment.classes]
    frequent = sorted(range(len(support)), key=lambda k: -support[k])[:_MOST_LABELS]
    return sorted(frequent)


def confusion_chart(assessment: Assessment, canvas: Canvas) -> alt.TopLevelMixin:
    """Of the texts with each true label (rows), the share that was read as each label (columns)."""
    import altair as alt

    assert assessment.confusion is not None
    chosen = shown_labels(assessment)
    names = [assessment.labels[k] for k in chosen]
    support = np.array([assessment.classes[k].support for k in chosen])
    counts = assessment.confusion[np.ix_(chosen, chosen)]
    share = counts / np.maximum(support, 1)[:, None]
    rows: Rows = [
        {
            "row": str(i),
            "column": str(j),
            "opacity": float(share[i, j]),
            "colour": _RIGHT if i == j else _WRONG,
            "written": f"{100 * share[i, j]:.0f}" if counts[i, j] else "",
            "ink": "var(--surface)" if share[i, j] > 0.75 else "var(--ink)",
            "tip": f"{shortened(names[i], 40)} read as {shortened(names[j], 40)}: {counts[i, j]:,} of {support[i]:,} "
            f"({share[i, j]:.1%})",
        }
        for i in range(len(chosen))
        for j in range(len(chosen))
    ]
    room = 92 if canvas.is_narrow else 150
    size = min((canvas.width - room) / len(chosen), 46)
    limit = room - 10
    down = alt.Axis(labelExpr=row_names(names), labelLimit=limit, minExtent=room - 6, maxExtent=room - 6, grid=False)
    across = alt.Axis(
        labelExpr=row_names(names),
        labelLimit=limit,
        labelFontSize=max(6, min(12, size)),
        orient="top",
        labelAngle=-90,
        labelAlign="left",
        grid=False,
    )
    base = canvas.chart(rows).encode(
        x=alt.X("column:N", sort=None, title=None, axis=across, scale=alt.Scale(padding=0.06)),
        y=alt.Y("row:N", sort=None, title=None, axis=down, scale=alt.Scale(padding=0.06)),
    )
    cells = base.mark_rect(cornerRadius=2).encode(
        color=literal("colour"), opacity=alt.Opacity("opacity:Q", scale=None), description="tip:N"
    )
    layers = [base.mark_rect(cornerRadius=2, fill="var(--raised)", aria=False), cells]
    if len(chosen) <= _MOST_NUMBERED and not (canvas.is_narrow and size < 20):
        layers.append(base.mark_text(fontSize=11, aria=False).encode(text="written:N", color=literal("ink")))
    return alt.layer(*layers).properties(width=size * len(chosen), height=max(size, 14) * len(chosen))


def reliability_chart(assessment: Assessment, canvas: Canvas) -> alt.TopLevelMixin:
    """What was found against what was said; on the dashed line both are equal."""
    import altair as alt

    points = assessment.curve
    measured = assessment.kind == "measure"
    total = sum(point.answers for point in points)
    rows: Rows = [
        {
            "said": point.said,
            "found": point.found.value,
            "low": point.found.low,
            "high": point.found.high,
            "size": 30 + 370 * point.answers / total,
            "tip": f"said {point.said:.2f}, found {point.found.value:.2f} ({point.found.low:.2f} to "
            f"{point.found.high:.2f}), {point.answers:,} answers",
        }
        for point in points
    ]
    ends = [value for row in rows for value in (row["said"], row["low"], row["high"])]
    low, high = (min(ends), max(ends)) if measured else (0.0, 1.0)
    scale = alt.Scale(domain=[low, high], nice=False, padding=8)
    said = f"mean {shortened(assessment.labels[0], 30)} as read" if measured else "probability as read"
    found = f"mean {shortened(assessment.labels[0], 30)} in truth" if measured else "share that was right"
    axis = alt.Axis(tickCount=5, format="~g")
    x, y = alt.X("said:Q", title=said, scale=scale, axis=axis), alt.Y("found:Q", title=found, scale=scale, axis=axis)
    line = canvas.chart([{"said": low, "found": low}, {"said": high, "found": high}])
    base = canvas.chart(rows).encode(x=x)
    return alt.layer(
        line.mark_line(stroke="var(--muted)", strokeDash=[4, 4], aria=False).encode(x=x, y=y),
        base.mark_rule(strokeWidth=2, stroke=_RIGHT, aria=False).encode(y=alt.Y("low:Q"), y2="high:Q"),
        base.mark_circle(fill=_RIGHT, opacity=1, stroke="var(--surface)", strokeWidth=1).encode(
            y=y, size=alt.Size("size:Q", scale=None), description="tip:N"
        ),
    ).properties(width=min(canvas.width, 440), height=min(canvas.width, 440) * 0.85, autosize=fitted())


def group_chart(assessment: Assessment, canvas: Canvas) -> alt.TopLevelMixin:
    """The metric of each group with its interval, and of all texts as a line."""
    import altair as alt

    overall = next(
        row.interval.value for row in assessment.scores if row.role == "result" and row.metric == assessment.metric
    )
    rows: Rows = [
        {
            "row": str(k),
            "value": group.score.value,
            "low": group.score.low,
            "high": group.score.high,
            "colour": _WRONG if assessment.worst and group.group == assessment.worst.group else "var(--ink)",
            "tip": f"{shortened(group.group, 60)} ({group.texts:,} texts): {group.score.value:.3f}, 95% interval "
            f"{group.score.low:.3f} to {group.score.high:.3f}",
        }
        for k, group in enumerate(assessment.groups)
        if group.score.value == group.score.value
    ]
    names = [shortened(group.group, NAME_LENGTH) for group in assessment.groups]
    axis = alt.Axis(labelExpr=row_names(names), labelLimit=150)
    base = canvas.chart(rows).encode(y=alt.Y("row:N", sort=None, title=None, axis=axis))
    x = alt.X("low:Q", title=assessment.metric, scale=alt.Scale(zero=False, padding=10), axis=alt.Axis(tickCount=5))
    return alt.layer(
        canvas.chart([{"all": overall}])
        .mark_rule(stroke="var(--muted)", strokeDash=[4, 4], aria=False)
        .encode(x="all:Q"),
        base.mark_rule(strokeWidth=2, aria=False).encode(x=x, x2="high:Q", color=literal("colour")),
        base.mark_circle(size=64, opacity=1).encode(x="value:Q", color=literal("colour"), description="tip:N"),
    ).properties(width=canvas.width, height=max(len(rows), 1) * ROW_HEIGHT, autosize=fitted())
