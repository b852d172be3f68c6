"""Charts of affect along time and along a dialogue."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from math import ceil
from typing import TYPE_CHECKING

from affectome.report.canvas import Canvas, Rows, fitted, literal, signed_axis
from affectome.report.palette import Palette
from affectome.report.statistics import Interval
from affectome.report.svg import shortened
from affectome.report.timeline import Bin, Dialogue, Timeline

if TYPE_CHECKING:
    import altair as alt

_SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
_LABELS, _ENDS = 48, 62
_FEW_BINS = 60
_SOLID, _DASHED = (1, 0), (5, 3)


def timeline_affect(timeline: Timeline, canvas: Canvas) -> alt.TopLevelMixin:
    """Mean valence and arousal of each bin with 95 % bands, and the number of texts below."""
    import altair as alt

    width = canvas.width - _LABELS - _ENDS
    x = _time_axis(timeline, canvas, labels=False)
    y = alt.Y("value:Q", title=None, scale=alt.Scale(zero=False), axis=signed_axis(5, _LABELS))
    layers = [canvas.zero().encode(y="zero:Q")]
    for name, dash in (("valence", _SOLID), ("arousal", _DASHED)):
        rows = _steps(timeline, [getattr(bin, name) for bin in timeline.bins], "+.2f", canvas.things)
        colour = f"var(--{name})"
        end = canvas.chart(rows[-1:]).mark_text(text=name, align="left", dx=10, fontWeight=600, fill=colour, aria=False)
        layers += [*_banded(canvas, rows, x, y, colour, dash), end.encode(x=x, y=y)]
    volumes: Rows = [
        {
            "from": _milliseconds(bin.start),
            "to": _milliseconds(bin.end),
            "rows": bin.rows,
            "tip": f"{_name(bin, timeline.unit)}: {bin.rows:,} {canvas.things}",
        }
        for bin in timeline.bins
    ]
    volume = canvas.chart(volumes).mark_bar(orient="vertical", binSpacing=1, fill="var(--bar)", opacity=0.6)
    texts = alt.Y("rows:Q", title=None, axis=alt.Axis(format="~s", tickCount=2, minExtent=_LABELS, maxExtent=_LABELS))
    return alt.vconcat(
        alt.layer(*layers).properties(width=width, height=220),
        volume.encode(
            x=_time_axis(timeline, canvas, labels=True, field="from"),
            x2="to:Q",
            y=texts,
            y2=alt.Y2(datum=0),
            description="tip:N",
        ).properties(width=width, height=56, title=_strip_title(f"number of {canvas.things}")),
        spacing=14,
    )


def timeline_emotions(timeline: Timeline, palette: Palette, canvas: Canvas) -> alt.TopLevelMixin:
    """Share of texts with each followed emotion in each bin, one strip an emotion, all on one scale."""
    import altair as alt

    limit = max(share.value for bin in timeline.bins for share in bin.shares) * 1.25
    scale = alt.Scale(domain=[0, limit], clamp=True, nice=False)
    y = alt.Y(
        "value:Q",
        title=None,
        scale=scale,
        axis=alt.Axis(format="~%", tickCount=2, minExtent=_LABELS, maxExtent=_LABELS),
    )
    strips = []
    for k, label in enumerate(timeline.labels):
        rows = _steps(timeline, [bin.shares[k] for bin in timeline.bins], ".1%", canvas.things)
        x = _time_axis(timeline, canvas, labels=k == len(timeline.labels) - 1)
        strip = alt.layer(*_banded(canvas, rows, x, y, palette.colour(label), _SOLID))
        width = canvas.width - _LABELS - 16
        strips.append(strip.properties(width=width, height=54, title=_strip_title(shortened(label, 40))))
    return alt.vconcat(*strips, spacing=14)


def dialogue_curve(dialogue: Dialogue, canvas: Canvas) -> alt.TopLevelMixin:
    """Valence turn by turn with the predicted spread of each, one colour and shape a speaker."""
    import altair as alt

    rows: Rows = [
        {
            "turn": turn.position,
            "valence": turn.valence,
            "low": max(turn.valence - turn.spread, -1.0),
            "high": min(turn.valence + turn.spread, 1.0),
            "speaker": str(speaker),
            "colour": f"var(--speaker-{speaker})",
            "shape": _SHAPES[speaker],
            "tip": f"{turn.position}. {shortened(turn.speaker, 40)}, {shortened(turn.top, 40)}, "
            f"valence {turn.valence:+.2f}: {shortened(turn.text, 120)}",
        }
        for turn in dialogue.turns
        for speaker in [dialogue.speakers.index(turn.speaker)]
    ]
    limit = ceil(5 * max(max(-row["low"], row["high"]) for row in rows)) / 5
    turns = alt.Axis(grid=False, format="d", tickMinStep=1)
    x = alt.X("turn:Q", title="turn", scale=alt.Scale(zero=False, nice=False, padding=10), axis=turns)
    y = alt.Y("valence:Q", title="valence", scale=alt.Scale(domain=[-limit, limit]), axis=signed_axis(5))
    base = canvas.chart(rows).encode(x=x, color=literal("colour"))
    shape = alt.Shape("shape:N", scale=None)
    return alt.layer(
        canvas.zero().encode(y="zero:Q"),
        base.mark_rule(strokeWidth=2, opacity=0.28, aria=False).encode(y=alt.Y("low:Q"), y2="high:Q"),
        base.mark_line(strokeWidth=1.5, opacity=0.6, aria=False).encode(y=y, detail="speaker:N"),
        base.mark_point(filled=True, size=44 if canvas.is_narrow else 70, opacity=1).encode(
            y=y, shape=shape, description="tip:N"
        ),
    ).properties(width=canvas.width, height=260, autosize=fitted())


def _banded(canvas: Canvas, rows: Rows, x: alt.X, y: alt.Y, colour: str, dash: Sequence[float]) -> list[alt.Chart]:
    """A line with its interval behind it; gaps in time stay gaps, and a bin between two gaps is a point."""
    import altair as alt

    base = canvas.chart(rows).encode(x=x)
    known = base.transform_filter("isValid(datum.value)")
    size = 26 if len(rows) <= _FEW_BINS else 8
    return [
        base.mark_area(fill=colour, opacity=0.18, aria=False).encode(y=alt.Y("low:Q"), y2="high:Q"),
        base.mark_line(stroke=colour, strokeWidth=2, strokeDash=list(dash), aria=False).encode(y=y),
        known.mark_point(filled=True, fill=colour, size=size, opacity=1).encode(y=y, description="tip:N"),
    ]


def _steps(timeline: Timeline, values: Sequence[Interval], format: str, things: str) -> Rows:
    """One row a bin, at its middle, and a row without a value wherever bins are missing between two."""
    rows: Rows = []
    previous: Bin | None = None
    for bin, interval in zip(timeline.bins, values, strict=True):
        if previous and previous.end < bin.start:
            rows.append({"time": _milliseconds(previous.end), "value": None, "low": None, "high": None})
        previous = bin
        rows.append(
            {
                "time": _milliseconds(bin.start + (bin.end - bin.start) / 2),
                "value": interval.value,
                "low": interval.low,
                "high": interval.high,
                "tip": f"{_name(bin, timeline.unit)}: {interval.value:{format}} "
                f"({interval.low:{format}} to {interval.high:{format}}), {bin.rows:,} {things}",
            }
        )
    return rows


def _time_axis(timeline: Timeline, canvas: Canvas, *, labels: bool, field: str = "time") -> alt.X:
    import altair as alt

    domain = [_milliseconds(timeline.bins[0].start), _milliseconds(timeline.bins[-1].end)]
    axis = alt.Axis(tickCount=4 if canvas.is_narrow else 8, grid=False, labels=labels, labelOverlap=True)
    return alt.X(f"{field}:T", title=None, scale=alt.Scale(type="utc", domain=domain), axis=axis)


def _strip_title(text: str) -> alt.TitleParams:
    import altair as alt

    return alt.TitleParams(text=text, fontSize=12, offset=4)


def _milliseconds(moment: datetime) -> int:
    """Milliseconds since 1970, reading times without a zone as they are written."""
    return round(moment.replace(tzinfo=UTC).timestamp() * 1000)


def _name(bin: Bin, unit: str) -> str:
    return bin.start.strftime({"hour": "%Y-%m-%d %H:%M", "month": "%Y-%m", "year": "%Y"}.get(unit, "%Y-%m-%d"))
