"""Inside a language model, as one HTML page: a probe over its layers, a dial over doses, a mood over turns."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from affectome.errors import InputError, UsageError
from affectome.pipeline.storage import storage_errors, write_bytes
from affectome.report.canvas import Canvas, Figure, Rows, draw, fitted
from affectome.report.page import environment

if TYPE_CHECKING:
    import altair as alt

_HEIGHT = 260
_FOUND, _CONTROL = "var(--negative)", "var(--muted)"
_NEEDED = {
    "probe": ("model", "data", "classes", "texts", "majority", "best_layer", "layers"),
    "steering": ("model", "emotion", "dose", "method", "situations", "judge", "ways", "doses"),
    "mood": ("model", "reader", "turns", "trajectory"),
}
_COMMANDS = {
    "probe": "affectome probe",
    "steering": "affectome steer without a prompt",
    "mood": "affectome mood",
}


def write_inside_model(
    out: Path, *, probe: Path | None = None, steering: Path | None = None, mood: Path | None = None
) -> None:
    """Write a self-contained page that opens offline.

    Args:
        out: The page; an earlier one is replaced.
        probe: ``layers.json`` of ``affectome probe``.
        steering: ``steering.json`` of ``affectome steer``, made without a prompt.
        mood: ``mood.json`` of ``affectome mood``.

    Raises:
        UsageError: None is given, or they are of several models (``other_model``).
        InputError: ``bad_result`` if a file holds something else.
        RunError: The page cannot be written.
    """
    paths = {"probe": probe, "steering": steering, "mood": mood}
    given = {name: _read(path, name) for name, path in paths.items() if path}
    if not given:
        raise UsageError(
            "There is nothing to show.", code="bad_usage", next_step="Give a result of probe, steer or mood."
        )
    models = [each["model"] for each in given.values()]
    if len(set(models)) > 1:
        raise UsageError("The results are of several models.", code="other_model", value=models)
    figures: dict[str, Figure] = {}
    if "probe" in given:
        figures["layers"] = draw(lambda canvas: layer_chart(given["probe"], canvas))
    if "steering" in given:
        figures["doses"] = draw(lambda canvas: dose_chart(given["steering"], canvas))
    if "mood" in given:
        figures["mood"] = draw(lambda canvas: mood_chart(given["mood"], canvas))
    contents = dict.fromkeys(paths) | given
    page = (
        environment()
        .get_template("inside_model.html.jinja")
        .render(contents | {"figures": figures, "model": models[0]})
    )
    with storage_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(out, page.encode())


def layer_chart(probe: Mapping[str, Any], canvas: Canvas) -> alt.TopLevelMixin:
    """Macro-F1 of the probe by layer with its interval over seeds; dashed the same with shuffled labels."""
    import altair as alt

    rows: Rows = [
        {
            "layer": each["layer"],
            "found": each["test"]["mean"],
            "low": each["test"]["low"],
            "high": each["test"]["high"],
            "control": each["control"]["mean"],
            "tip": f"layer {each['layer']}: macro-F1 {each['test']['mean']:.3f}",
        }
        for each in probe["layers"]
    ]
    y = alt.Y("found:Q", title="macro-F1, and accuracy of shuffled labels", scale=alt.Scale(domainMin=0))
    base = canvas.chart(rows).encode(x=alt.X("layer:Q", title="layer", axis=alt.Axis(tickMinStep=1, format="d")))
    return alt.layer(
        base.mark_area(fill=_FOUND, opacity=0.2, aria=False).encode(y=alt.Y("low:Q"), y2="high:Q"),
        base.mark_line(stroke=_FOUND, aria=False).encode(y=y),
        base.mark_circle(fill=_FOUND, opacity=1, size=40).encode(y=y, description="tip:N"),
        base.mark_line(stroke=_CONTROL, strokeDash=[4, 4], aria=False).encode(y="control:Q"),
    ).properties(width=canvas.width, height=_HEIGHT, autosize=fitted())


def dose_chart(steering: Mapping[str, Any], canvas: Canvas) -> alt.TopLevelMixin:
    """Share of replies in the wanted emotion by dose, and below it their perplexity as a multiple of unsteered ones."""
    import altair as alt

    plain = steering["doses"][0]["perplexity"]
    rows: Rows = [
        {
            "dose": each["dose"],
            "rate": each["rate"],
            "times": each["perplexity"] / plain,
            "tip": f"dose {each['dose']:.2f}: {each['rate']:.0%} of replies in {steering['emotion']}, perplexity "
            f"{each['perplexity'] / plain:.2f} times",
        }
        for each in steering["doses"]
    ]
    charts = []
    for name, title, scale in (
        ("rate", f"replies in {steering['emotion']}", alt.Scale(domain=[0, 1])),
        ("times", "perplexity, times", alt.Scale(zero=False)),
    ):
        axis = alt.Axis(format="%" if name == "rate" else ".1f", tickCount=5, minExtent=40, maxExtent=40)
        base = canvas.chart(rows).encode(
            x=alt.X("dose:Q", title="dose"), y=alt.Y(f"{name}:Q", title=title, scale=scale, axis=axis)
        )
        line = base.mark_line(stroke=_FOUND, aria=False)
        points = base.mark_circle(fill=_FOUND, opacity=1, size=40).encode(description="tip:N")
        charts.append(alt.layer(line, points).properties(width=canvas.width - 60, height=_HEIGHT * 0.6))
    return alt.vconcat(*charts)


def mood_chart(talk: Mapping[str, Any], canvas: Canvas) -> alt.TopLevelMixin:
    """Valence by turn of what was heard, of the mood and of the reply; below it arousal and dominance of the mood."""
    import altair as alt

    rows: Rows = []
    for number, turn in enumerate(talk["turns"], 1):
        valence, arousal, dominance = turn["state"]["position"]
        heard, said = turn["signal"][0], turn["read"][0]
        tip = f"turn {number}: heard {heard:+.2f}, mood {valence:+.2f}, reply {said:+.2f}"
        rows.append(
            {"turn": number, "heard": heard, "reply": said, "tip": tip}
            | {"valence": valence, "arousal": arousal, "dominance": dominance}
        )
    base = canvas.chart(rows).encode(
        x=alt.X("turn:Q", title="turn", axis=alt.Axis(tickMinStep=1, format="d"), scale=alt.Scale(nice=False))
    )

    def axis(name: str, title: str, limit: float = 1) -> alt.Y:
        return alt.Y(
            f"{name}:Q", title=title, scale=alt.Scale(domain=[-limit, limit]), axis=alt.Axis(tickCount=5, minExtent=40)
        )

    shown = axis("valence", "valence")
    top = alt.layer(
        canvas.zero().encode(y=alt.Y("zero:Q")),
        base.mark_line(stroke=_FOUND, strokeWidth=2.5, aria=False).encode(y=shown),
        base.mark_point(stroke=_CONTROL, size=36, opacity=1).encode(y=axis("heard", "valence"), description="tip:N"),
        base.mark_point(fill="var(--positive)", shape="diamond", stroke=None, size=36, opacity=1, aria=False).encode(
            y=axis("reply", "valence")
        ),
    ).properties(width=canvas.width - 60, height=_HEIGHT)
    below = alt.layer(
        canvas.zero().encode(y=alt.Y("zero:Q")),
        base.mark_line(stroke="var(--arousal)", aria=False).encode(y=axis("arousal", "arousal, dominance")),
        base.mark_line(stroke="var(--bar)", strokeDash=[5, 3], aria=False).encode(y=axis("dominance", "dominance")),
    ).properties(width=canvas.width - 60, height=_HEIGHT * 0.5)
    return alt.vconcat(top, below)


def _read(path: Path, name: str) -> Any:  # noqa: ANN401
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        missing = [key for key in _NEEDED[name] if key not in content]
        if missing:
            raise KeyError(missing[0])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} is no result of {_COMMANDS[name]}.",
            code="bad_result",
            value=path,
            next_step=f"Run it again: {type(error).__name__} {error}",
        ) from error
    return content
