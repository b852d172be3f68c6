"""The page itself: what was measured, drawn and put into words, as one HTML file."""

from __future__ import annotations

import base64
import hashlib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from affectome.perceive.estimates import SCORED
from affectome.pipeline.storage import write_bytes
from affectome.report.canvas import WIDE, Figure, draw
from affectome.report.charts import emotion_bars, histogram
from affectome.report.comparison import SMALL_GROUP, Comparison, compare
from affectome.report.contact_sheet import Pictures, lay_out
from affectome.report.examples import pick_examples
from affectome.report.face_charts import expression_map, face_angles, full_strength, unit_heat_map
from affectome.report.faces import TURNED, Faces, FaceTable, look_at
from affectome.report.film_charts import film_lanes, unit_lanes
from affectome.report.films import Film, watch
from affectome.report.group_charts import group_affect, group_emotions
from affectome.report.look_charts import look_figures
from affectome.report.looks import measure_looks
from affectome.report.map_chart import affect_map
from affectome.report.overview import SURE, TOXIC, Outcome, Overview, count_outcomes, measure
from affectome.report.palette import Palette, is_neutral
from affectome.report.recording_charts import clock, prosody_panel, recording_ribbon, recording_trajectory
from affectome.report.recordings import CLIP_SECONDS, Voices, listen
from affectome.report.sound import Sounds
from affectome.report.statistics import RESAMPLES, SEED
from affectome.report.svg import printable, shortened
from affectome.report.tables import EstimatesTable, open_estimates
from affectome.report.time_charts import dialogue_curve, timeline_affect, timeline_emotions
from affectome.report.timeline import Dialogue, Timeline, follow, trace_dialogue

if TYPE_CHECKING:
    import jinja2

_FOLDER = Path(__file__).parent
# What a row is called, one and many, by the modalities that were read.
_ROWS = {
    ("text",): ("text", "texts"),
    ("voice",): ("stretch", "stretches"),
    ("face",): ("face", "faces"),
    ("image",): ("picture", "pictures"),
}
_FOLLOWED, _ILLUSTRATED = 5, 12


@dataclass(frozen=True)
class RunInfo:
    """What is known about a run besides its estimates; what is left out, the page leaves out.

    Args:
        inputs: Paths of the files that were read, or ``stdin``.
        columns: Column of the input by what it served as: text, id, speaker, time, group.
        problems: Files that could not be read, each with ``path``, ``code`` and ``message``.
        started: When the run started, ISO 8601.
        seconds: How long it took.
        model: Bundle id with version.
        taxonomy: Taxonomy id.
        exclusive: Whether its labels exclude each other.
        thresholds: Probability from which a label counts as present, where it is not .5.
        people: Who is who in each film: lists of ``name``, ``faces``, ``speakers`` and ``link``.
        grouped_by: What makes the groups if no column does: ``folder`` or nothing.
        fast: Of the fast reader of texts its ``model``, the ``texts`` that were read, and how many of them it has
            ``escalated`` to the full model.
        command: What to type to get the same page.
        affectome: Version of Affectome.
    """

    inputs: Sequence[str] = ()
    columns: Mapping[str, str | None] = field(default_factory=dict)
    problems: Sequence[Mapping[str, str]] = ()
    started: str = ""
    seconds: float | None = None
    model: str = ""
    taxonomy: str = ""
    exclusive: bool = False
    thresholds: Mapping[str, float] = field(default_factory=dict)
    people: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    grouped_by: str = ""
    fast: Mapping[str, Any] | None = None
    command: str = ""
    affectome: str = ""

    @property
    def subject(self) -> str:
        """The name of the only file, or the number of files; empty if none is known."""
        if len(self.inputs) == 1:
            return re.split(r"[/\\]", self.inputs[0].rstrip("/\\"))[-1]
        return f"{len(self.inputs):,} files" if self.inputs else ""


def write_report(
    estimates: Path,
    run_info: Mapping[str, Any],
    out: Path,
    *,
    card: Mapping[str, Any] | None = None,
    sounds: Sounds | None = None,
    pictures: Pictures | None = None,
) -> Path:
    """Write a table of estimates as one self-contained HTML page that opens offline.

    The file is read lazily, in a few passes that each need a bounded amount of memory, and everything is computed from
    all rows. The page reaches no network and says so in its content security policy.

    Args:
        estimates: Estimates as Parquet, CSV or JSON lines.
        run_info: Fields of `RunInfo`, as ``run.json`` has them, and its ``modalities``; other keys are passed over.
        out: The HTML file to write; an existing one is replaced.
        card: The model's card, with the keys of ``card.toml``.
        sounds: Gives the sound of recordings: called with a source of the table, a second and a later second, it gives
            the samples between them, (n,) at 16 kHz with full scale ±1, or None if it cannot. Without it, the page says
            what it lacks. About a megabyte of sound goes into the page, as its ten strongest moments.
        pictures: Gives the pictures with faces: called with a source of the table, it gives the picture, or None if it
            cannot. At most 24 small ones go into the page; without it, the page holds none.

    Returns:
        ``out``.

    Raises:
        InputError: The estimates cannot be read (codes ``missing_file``, ``unreadable``, ``missing_column``).
        UsageError: Their format is not known (code ``unknown_format``).
        RunError: The page cannot be written (codes such as ``disk_full`` and ``not_writable``).
    """
    modalities = tuple(run_info.get("modalities") or ("text",))
    read = tuple(name for name in modalities if name != "image") or modalities
    thing, things = _ROWS.get(read, ("segment", "segments"))
    known = {name: run_info[name] for name in RunInfo.__dataclass_fields__ if run_info.get(name) is not None}
    info = RunInfo(**known)
    with open_estimates(estimates) as table:
        context = _contents(table, info, things, sounds, pictures)
    context |= {
        "thing": thing,
        "things": things,
        "info": info,
        "card": card,
        "seed": SEED,
        "resamples": RESAMPLES,
        "small_group": SMALL_GROUP,
        "clip_seconds": CLIP_SECONDS,
        "turned": TURNED,
    }
    page = environment().get_template("page.html.jinja").render(context)
    write_bytes(out, page.encode())
    return out


def _contents(
    table: EstimatesTable, info: RunInfo, things: str, sounds: Sounds | None, pictures: Pictures | None
) -> dict[str, Any]:
    """Everything the template shows of the table; parts without data are None."""
    outcomes = count_outcomes(table)
    palette = Palette(table.labels)
    contents: dict[str, Any] = {
        "outcomes": [(outcome, _explanation(outcome)) for outcome in outcomes],
        "counts": {
            status: sum(o.rows for o in outcomes if o.status == status) for status in ("scored", "abstained", "failed")
        },
        "total": sum(outcome.rows for outcome in outcomes),
        "felt": sum(outcome.rows for outcome in outcomes if outcome.modality != "image"),
        "modalities": (modalities := {outcome.modality for outcome in outcomes}),
        "only_faces": modalities - {"image"} == {"face"},
        "palette": palette,
        "overview": None,
        "voices": None,
        "faces": None,
        "films": (),
        "sheet": None,
        "looks": (looks := measure_looks(table)),
        "look_figures": look_figures(looks) if looks else {},
    }
    if table.scored.head(1).collect().is_empty():
        return contents
    overview = measure(table, exclusive=info.exclusive, thresholds=info.thresholds)
    if table.fused:  # of films the fused rows count
        left = sum(outcome.rows for outcome in outcomes if outcome.modality != "image" and outcome.status != SCORED)
        contents["felt"] = overview.rows + left
    emotions = [emotion for emotion in overview.emotions if not is_neutral(emotion.label)]
    timeline = follow(table, overview, emotions[:_FOLLOWED])
    comparison = compare(table, overview)
    if comparison and comparison.column == "group" and info.grouped_by:
        comparison = replace(comparison, column=info.grouped_by)
    dialogue = trace_dialogue(table)
    voices = listen(table, sounds)
    seen = FaceTable(table)
    faces = look_at(seen)
    films = watch(table, info.people) if table.fused else ()
    frequent = sorted((e for e in overview.emotions if e.top), key=lambda e: -e.top)[:_ILLUSTRATED]
    return contents | {
        "overview": overview,
        "emotions": emotions,
        "neutral": [emotion for emotion in overview.emotions if is_neutral(emotion.label)],
        "spectrum": sorted((e for e in overview.emotions if e.top), key=lambda e: e.valence or 0.0),
        "timeline": timeline,
        "comparison": comparison,
        "dialogue": dialogue,
        "voices": voices,
        "recordings": _recording_figures(voices, palette) if voices else [],
        "faces": faces,
        "films": films,
        "film_figures": [_film_figures(film, palette) for film in films],
        "face_figures": _face_figures(faces, palette) if faces else {},
        "full_strength": full_strength(faces.units) if faces and faces.units else None,
        "sheet": lay_out(seen, pictures) if faces and pictures else None,
        "examples": pick_examples(table, [emotion.label for emotion in frequent]),
        "figures": _figures(overview, timeline, comparison, dialogue, voices, palette, things),
    }


def _figures(
    overview: Overview,
    timeline: Timeline | None,
    comparison: Comparison | None,
    dialogue: Dialogue | None,
    voices: Voices | None,
    palette: Palette,
    things: str,
) -> dict[str, Figure]:
    drawn = partial(draw, things=things)
    named = [emotion for emotion in overview.emotions if emotion.top]
    half = WIDE // 2 - 14
    figures = {
        "emotions": drawn(lambda canvas: emotion_bars(overview.emotions, palette, canvas)),
        "map": drawn(lambda canvas: affect_map(overview, named, palette, canvas)),
        "confidence": drawn(
            lambda canvas: histogram(overview.confidence, "confidence", canvas, width=half, threshold=SURE)
        ),
        "entropy": drawn(lambda canvas: histogram(overview.entropy, "entropy (nats)", canvas, width=half)),
    }
    if timeline:
        figures["timeline_affect"] = drawn(lambda canvas: timeline_affect(timeline, canvas))
        figures["timeline_emotions"] = drawn(lambda canvas: timeline_emotions(timeline, palette, canvas))
    if comparison:
        figures["group_affect"] = drawn(lambda canvas: group_affect(comparison, canvas))
        figures["group_emotions"] = drawn(lambda canvas: group_emotions(comparison, palette, canvas))
    if dialogue:
        figures["dialogue"] = drawn(lambda canvas: dialogue_curve(dialogue, canvas))
    if voices and voices.prosody:
        figures["prosody"] = drawn(lambda canvas: prosody_panel(voices, canvas))
    if toxicity := overview.toxicity:
        figures["toxicity"] = drawn(
            lambda canvas: histogram(toxicity, "toxicity score", canvas, width=WIDE, threshold=TOXIC)
        )
    return figures


def _face_figures(faces: Faces, palette: Palette) -> dict[str, Figure]:
    drawn = partial(draw, things="faces")
    figures = {"expression_map": drawn(lambda canvas: expression_map(faces, palette, canvas))}
    if units := faces.units:
        figures["unit_map"] = drawn(lambda canvas: unit_heat_map(units, canvas))
    if pose := faces.pose:
        figures["pose"] = drawn(lambda canvas: face_angles(pose, canvas))
    return figures


def _film_figures(film: Film, palette: Palette) -> list[tuple[Figure, Figure | None]]:
    """Lanes and action units of each person of a film."""
    return [
        (
            draw(partial(film_lanes, film, person, palette)),
            draw(partial(unit_lanes, film, person)) if person.units else None,
        )
        for person in film.persons
    ]


def _recording_figures(voices: Voices, palette: Palette) -> list[tuple[Figure, Figure]]:
    """Ribbon and trajectory of each shown recording."""
    return [
        (
            draw(partial(recording_ribbon, recording, palette)),
            draw(partial(recording_trajectory, recording, palette)),
        )
        for recording in voices.recordings
    ]


def _explanation(outcome: Outcome) -> Mapping[str, str]:
    """Meaning of a row's code and what to do about it; empty for codes without an entry."""
    statuses = tomllib.loads((_FOLDER / "data" / "statuses.toml").read_text(encoding="utf-8"))
    entry: Mapping[str, str] = statuses.get(outcome.status, {}).get(outcome.code, {})
    return entry


def environment() -> jinja2.Environment:
    """The templates of this room, with the filters by which they write numbers and texts."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: printable(value) if type(value) is str else value,
    )
    environment.filters |= {
        "count": lambda value: f"{value:,}",
        "percent": _percent,
        "signed": _signed,
        "percent_span": lambda i: f"{100 * i.low:.1f} to {_percent(i.high)}",
        "signed_span": lambda i: f"{_signed(i.low)} to {_signed(i.high)}",
        "percent_points": lambda value: f"{100 * value:.1f}",
        "points": lambda value: _signed(100 * value, 1),
        "points_span": lambda i: f"{_signed(100 * i.low, 1)} to {_signed(100 * i.high, 1)}",
        "fixed": lambda value, digits=2: f"{value:.{digits}f}",
        "shortened": shortened,
        "clock": clock,
        "digest": _digest,
        "day": lambda moment: f"{moment.day} {moment:%B %Y}",
    }
    return environment


def _percent(value: float) -> str:
    return f"{100 * value:.1f}%"


def _signed(value: float, digits: int = 2) -> str:
    """A number with its sign, as typographers set it, and without one if it rounds to zero."""
    rounded = round(value, digits)
    return f"{'−' if rounded < 0 else '+' if rounded > 0 else ''}{abs(rounded):.{digits}f}"


def _digest(text: str) -> str:
    """The hash by which a content security policy allows one inline style sheet or script."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
