"""Charts of recordings: their sound with what was read in it, emotions over seconds, and how the voice is used."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from affectome.perceive.estimates import ABSTAINED, SCORED
from affectome.report.canvas import NAME_LENGTH, Canvas, Rows, literal, row_names, signed_axis
from affectome.report.palette import Palette
from affectome.report.recordings import FeatureSpread, Recording, Stretch, Voices
from affectome.report.svg import shortened

if TYPE_CHECKING:
    import altair as alt

_LABELS, _END = 48, 16
_WAVE, _RIBBON, _STRIP = 74, 26, 54
_FAINTEST = 0.12
_SHORTEST = 1 / 170  # of the width, so that a failure without length is seen
_MINUTES = 120.0


def recording_ribbon(recording: Recording, palette: Palette, canvas: Canvas) -> alt.TopLevelMixin:
    """The outline of the sound, if there is one, over a ribbon of what was read in each stretch."""
    import altair as alt

    width = canvas.width - _LABELS - _END
    parts: list[alt.LayerChart | alt.FacetChart | alt.Chart] = []
    if recording.outline:
        parts.append(_wave(recording, canvas).properties(width=width, height=_WAVE))
    parts.append(_ribbon(recording, palette, canvas).properties(width=width, height=_RIBBON))
    return alt.vconcat(*parts, spacing=6)


def recording_trajectory(recording: Recording, palette: Palette, canvas: Canvas) -> alt.TopLevelMixin:
    """Probability of the most present emotions over seconds with 95 % bands, then valence and arousal."""
    import altair as alt

    width = canvas.width - _LABELS - _END
    size = 22 if len(recording.scored) <= 60 else 8
    highest = max((step.own for steps in recording.curves.values() for step in steps), default=1.0)
    y = _strip_axis(alt.Scale(domain=[0, min(highest * 1.15, 1.0) or 1.0], clamp=True, nice=False), "~%")
    strips = []
    for label, steps in recording.curves.items():
        rows: Rows = [
            {
                "second": step.second,
                "own": step.own,
                "value": step.value,
                "low": step.low,
                "high": step.high,
                "tip": f"{clock(step.second)}: {step.own:.2f}"
                + (f" (nearby {step.value:.2f}, {step.low:.2f} to {step.high:.2f})" if step.low is not None else ""),
            }
            for step in steps
        ]
        rows = _opened(rows, recording.stretches)
        strip = _followed(canvas, rows, recording, y, palette.colour(label), size, labels=False)
        strips.append(strip.properties(width=width, height=_STRIP, title=_title(shortened(label, 40))))
    for name in ("valence", "arousal"):
        rows = []
        for stretch in recording.scored:
            own, spread = getattr(stretch, name), getattr(stretch, f"{name}_sd")
            rows.append(
                {
                    "second": stretch.middle,
                    "own": own,
                    "value": own,
                    "low": max(own - spread, -1.0),
                    "high": min(own + spread, 1.0),
                    "tip": f"{clock(stretch.middle)}: {name} {own:+.2f} (±{spread:.2f})",
                }
            )
        rows = _opened(rows, recording.stretches)
        axis = alt.Y("value:Q", title=None, scale=alt.Scale(domain=[-1, 1]), axis=signed_axis(2, _LABELS))
        drawn = _followed(canvas, rows, recording, axis, f"var(--{name})", size, labels=name == "arousal")
        strip = alt.layer(canvas.zero().encode(y="zero:Q"), drawn)
        strips.append(strip.properties(width=width, height=_STRIP, title=_title(name)))
    return alt.vconcat(*strips, spacing=14)


def prosody_panel(voices: Voices, canvas: Canvas) -> alt.TopLevelMixin:
    """One small chart a feature: the whole collection above, and each shown recording below it."""
    import altair as alt

    names = ["all recordings", *_short_names([recording.source for recording in voices.recordings])]
    columns = 1 if canvas.is_narrow else 2
    room = 118
    width = canvas.width / columns - room - 26
    charts = [_spreads(feature, names, canvas, room).properties(
        width=width, height=24 * len(names), title=_title(f"{feature.title} ({feature.unit})")
    ) for feature in voices.prosody]  # fmt: skip
    panel: alt.ConcatChart = alt.concat(*charts, columns=columns, spacing=22)
    apart: alt.ConcatChart = panel.resolve_scale(x="independent", y="independent")
    return apart


def clock(second: float) -> str:
    """A time in a recording as people read it: 0:07.5, 12:30.0, 1:02:03.0."""
    tenths = round(second * 10)
    hours, rest = divmod(tenths, 36_000)
    minutes, rest = divmod(rest, 600)
    whole = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    return f"{whole}:{rest // 10:02d}.{rest % 10}"


def _wave(recording: Recording, canvas: Canvas) -> alt.Chart:
    import altair as alt

    step = (recording.last - recording.first) / len(recording.outline)
    every = 2 if canvas.is_narrow else 1
    peak = max(max(-low, high) for low, high in filter(None, recording.outline)) or 1.0
    rows: Rows = []
    for k in range(0, len(recording.outline), every):
        pair = [column for column in recording.outline[k : k + every] if column]
        rows.append(
            {
                "second": recording.first + (k + every / 2) * step,
                "low": min(low for low, _ in pair) / peak if pair else None,
                "high": max(high for _, high in pair) / peak if pair else None,
            }
        )
    silent = alt.Axis(labels=False, grid=False, minExtent=_LABELS, maxExtent=_LABELS)
    y = alt.Y("low:Q", title=None, scale=alt.Scale(domain=[-1, 1]), axis=silent)
    area: alt.Chart = canvas.chart(rows).mark_area(fill="var(--bar)", aria=False)
    return area.encode(x=_seconds(recording, canvas, "second", labels=False), y=y, y2="high:Q")


def _ribbon(recording: Recording, palette: Palette, canvas: Canvas) -> alt.LayerChart | alt.FacetChart:
    import altair as alt

    shortest = (recording.last - recording.first) * _SHORTEST
    rows: Rows = [
        {
            "from": max(min(stretch.start, recording.last - shortest), recording.first),
            "to": min(max(stretch.end, stretch.start + shortest), recording.last),
            "colour": palette.colour(stretch.top) if stretch.status == SCORED and stretch.top else "var(--muted)",
            "fill": max(stretch.confidence or 0.0, _FAINTEST) if stretch.status == SCORED else 0.0,
            "tip": _said(stretch),
            "status": stretch.status,
        }
        for stretch in recording.stretches
    ]
    x, x2 = _seconds(recording, canvas, "from", labels=True), alt.X2("to:Q")
    top, bottom = alt.value(0), alt.value(_RIBBON)
    read = [row for row in rows if row["status"] == SCORED]
    layers: list[alt.Chart] = [
        canvas.chart(read)
        .mark_rect(strokeWidth=0)
        .encode(
            x=x,
            x2=x2,
            y=top,
            y2=bottom,
            fill=alt.Fill("colour:N", scale=None),
            fillOpacity=alt.FillOpacity("fill:Q", scale=None),
            description="tip:N",
        )
    ]
    for state, colour, dash in ((ABSTAINED, "var(--muted)", [3, 3]), ("failed", "var(--positive)", [1, 0])):
        some = [row for row in rows if row["status"] == state]
        if not some:
            continue
        box = canvas.chart(some).mark_rect(
            fill=colour,
            fillOpacity=0.08 if state == ABSTAINED else 0.45,
            stroke=colour,
            strokeWidth=1.25,
            strokeDash=dash,
        )
        layers.append(box.encode(x=x, x2=x2, y=top, y2=bottom, description="tip:N"))
    return alt.layer(*layers)


def _said(stretch: Stretch) -> str:
    when = f"{clock(stretch.start)} to {clock(stretch.end)}"
    if stretch.status != SCORED:
        return f"{when}: {stretch.status} ({stretch.code})"
    return f"{when}: {shortened(stretch.top or '', 40)} {stretch.confidence:.2f}, valence {stretch.valence:+.2f}"


def _followed(
    canvas: Canvas, rows: Rows, recording: Recording, y: alt.Y, colour: str, size: int, *, labels: bool
) -> alt.LayerChart | alt.FacetChart:
    """A line with its band, and a point for each stretch."""
    import altair as alt

    base = canvas.chart(rows).encode(x=_seconds(recording, canvas, "second", labels=labels))
    return alt.layer(
        base.mark_area(fill=colour, opacity=0.18, aria=False).encode(y=alt.Y("low:Q"), y2="high:Q"),
        base.mark_line(stroke=colour, strokeWidth=2, aria=False).encode(y=y),
        base.transform_filter("isValid(datum.own)")
        .mark_point(filled=True, fill=colour, size=size, opacity=0.75)
        .encode(y=alt.Y("own:Q"), description="tip:N"),
    )


def _opened(rows: Rows, stretches: tuple[Stretch, ...]) -> Rows:
    """The rows with an empty one wherever a stretch was not read, so that no line leads across it."""
    holes = [stretch.middle for stretch in stretches if stretch.status != SCORED]
    found: Rows = rows[:1]
    for before, after in pairwise(rows):
        hole = next((second for second in holes if before["second"] < second < after["second"]), None)
        if hole is not None:
            found.append({"second": hole, "own": None, "value": None, "low": None, "high": None, "tip": ""})
        found.append(after)
    return found


def _spreads(feature: FeatureSpread, names: list[str], canvas: Canvas, room: int) -> alt.LayerChart | alt.FacetChart:
    import altair as alt

    rows: Rows = []
    for position, values in enumerate((feature.everywhere, *feature.recordings)):
        if values is None:
            continue
        p5, p25, p50, p75, p95 = values
        rows.append(
            {
                "row": position,
                "p5": p5,
                "p25": p25,
                "p50": p50,
                "p75": p75,
                "p95": p95,
                "colour": "var(--bar)" if position == 0 else f"var(--speaker-{position - 1})",
                "tip": f"{shortened(names[position], 60)}: median {p50:.4g} {feature.unit}, "
                f"half of the stretches {p25:.4g} to {p75:.4g}",
            }
        )
    listed = alt.Axis(
        labelExpr=row_names(names),
        labelLimit=room,
        values=list(range(len(names))),
        grid=False,
        minExtent=room,
        maxExtent=room,
        labelColor="var(--ink)",
    )
    scale = alt.Scale(domain=[len(names) - 0.5, -0.5], nice=False)
    y = alt.Y("row:Q", title=None, scale=scale, axis=listed)
    number = alt.Axis(tickCount=4, format=".6~g", labelOverlap=True)
    x = alt.X("p5:Q", title=None, scale=alt.Scale(zero=False), axis=number)
    base = canvas.chart(rows).encode(y=y, color=literal("colour"))
    return alt.layer(
        base.mark_rule(strokeWidth=2, opacity=0.45, aria=False).encode(x=x, x2="p95:Q"),
        base.mark_rule(strokeWidth=9, opacity=0.5, aria=False).encode(x=alt.X("p25:Q"), x2="p75:Q"),
        base.mark_point(filled=True, size=70, opacity=1).encode(x=alt.X("p50:Q"), description="tip:N"),
    )


def _short_names(sources: list[str]) -> list[str]:
    """File names without their folders; where two are the same, the end of the whole path."""
    names = [re.split(r"[/\\]", shortened(source, 400))[-1] for source in sources]
    return [
        name if names.count(name) == 1 else f"…{source[1 - NAME_LENGTH :]}"
        for name, source in zip(names, sources, strict=True)
    ]


def _strip_axis(scale: alt.Scale, format: str) -> alt.Y:
    import altair as alt

    axis = alt.Axis(format=format, tickCount=2, minExtent=_LABELS, maxExtent=_LABELS)
    return alt.Y("value:Q", title=None, scale=scale, axis=axis)


def _seconds(recording: Recording, canvas: Canvas, field: str, *, labels: bool) -> alt.X:
    import altair as alt

    long = recording.last - recording.first > _MINUTES
    minutes = "floor(datum.value / 60) + ':' + format(datum.value % 60, '02d')"
    axis = alt.Axis(
        labelExpr=minutes if long else "datum.label + ' s'",
        format=".6~g",
        tickCount=4 if canvas.is_narrow else 8,
        grid=False,
        labels=labels,
        labelOverlap=True,
    )
    scale = alt.Scale(domain=[recording.first, recording.last], nice=False)
    return alt.X(f"{field}:Q", title=None, scale=scale, axis=axis)


def _title(text: str) -> alt.TitleParams:
    import altair as alt

    return alt.TitleParams(text=text, fontSize=12, offset=4)
