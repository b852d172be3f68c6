"""What the films of a table say: for each person face, voice and words on one time line, and where they disagree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from affectome.perceive.estimates import SCORED
from affectome.report.palette import is_neutral
from affectome.report.tables import EstimatesTable

_FILMS, _PERSONS, _BINS, _UNITS = 3, 6, 300, 10
_MOMENTS, _ALIKE, _APART = 12, 3, 3.0
_LANES = ("face", "voice", "text")
_DEPARTED = 0.15  # from what is usual for somebody, above which a moment is told
_CONFLICT_WORDS = 1.0  # standard deviations of both by which two modalities are named as differing


@dataclass(frozen=True)
class Span:
    """A stretch of a lane: what was read there, the more faint the less sure; times are seconds."""

    start: float
    end: float
    top: str
    confidence: float
    valence: float
    text: str


@dataclass(frozen=True)
class Point:
    """A moment of the fused curve, ``discord`` None where one modality is alone."""

    second: float
    valence: float
    valence_sd: float
    arousal: float
    arousal_sd: float
    discord: float | None


@dataclass(frozen=True)
class Watched:
    """A person of a film.

    Args:
        name: ``P1`` and so on.
        faces: Tracks of the face.
        speakers: Labels of the voice.
        link: Probability that face and voice belong together, None without a link.
        seen: Seconds in which the face is in the curve.
        heard: Seconds in which the voice is.
        lanes: For each modality, and ``together`` for the fused curve, what was read.
        curve: The fused curve.
        units: For each of the action units that move most, strengths over ``unit_seconds``.
        unit_seconds: Middles of the bins of ``units``.
    """

    name: str
    faces: tuple[str, ...]
    speakers: tuple[str, ...]
    link: float | None
    seen: float
    heard: float
    lanes: Mapping[str, tuple[Span, ...]]
    curve: tuple[Point, ...]
    units: Mapping[str, tuple[float | None, ...]]
    unit_seconds: tuple[float, ...]


@dataclass(frozen=True)
class FilmMoment:
    """One of the strongest moments of a film, or of those where modalities differ most.

    Args:
        second: When.
        person: Who.
        label: What.
        value: Its probability, or the discord.
        words: What is to be said of it.
    """

    second: float
    person: str
    label: str
    value: float
    words: str


@dataclass(frozen=True)
class Film:
    """One film.

    Args:
        source: Its name in the table.
        seconds: How long it goes on after the start.
        step: Seconds of a bin of the lanes.
        persons: By first appearance.
        more: Persons that are not shown.
        moments: The strongest moments by time.
        conflicts: Moments at which modalities differ most, by time.
    """

    source: str
    seconds: float
    step: float
    persons: tuple[Watched, ...]
    more: int
    moments: tuple[FilmMoment, ...]
    conflicts: tuple[FilmMoment, ...]


def watch(table: EstimatesTable, people: Mapping[str, Sequence[Mapping[str, Any]]]) -> tuple[Film, ...]:
    """The longest films of which fused rows are there, at most three.

    Args:
        table: The estimates.
        people: Who is who in each film, as ``run.json`` has it.
    """
    fused = table.rows.filter(pl.col("modality") == "fused", pl.col("status") == SCORED)
    sources = fused.group_by("source").agg(pl.len()).sort("len", "source", descending=[True, False]).collect()
    return tuple(_film(table, source, people.get(source, ())) for source in sources["source"].head(_FILMS))


def _film(table: EstimatesTable, source: str, people: Sequence[Mapping[str, Any]]) -> Film:
    rows = table.rows.filter(pl.col("source") == source, pl.col("status") == SCORED).sort("start", "row").collect()
    fused = rows.filter(pl.col("modality") == "fused")
    known = {str(each["name"]): each for each in people}
    names = fused["speaker"].unique(maintain_order=True).to_list()
    names.sort(key=lambda name: -int((fused["speaker"] == name).sum()))
    shown = sorted(names[:_PERSONS], key=lambda name: int(name.removeprefix("P") or 0))
    seconds = float(rows["end"].max() or 0.0)  # type: ignore[arg-type]
    step = max(0.5, seconds / _BINS)
    persons = [_person(rows, fused.filter(pl.col("speaker") == name), known.get(name, {}), step) for name in shown]
    return Film(
        source,
        seconds,
        step,
        tuple(persons),
        len(names) - len(shown),
        _moments(fused),
        _conflicts(fused),
    )


def _person(rows: pl.DataFrame, own: pl.DataFrame, known: Mapping[str, Any], step: float) -> Watched:
    tracks = tuple(known.get("faces", ()))
    faces = rows.filter(pl.col("modality") == "face", pl.col("speaker").is_in(list(tracks)))
    lanes = {"together": _spans(own, step), "face": _spans(faces, step)}
    for modality in ("voice", "text"):
        spoken = rows.filter(pl.col("modality") == modality)
        lanes[modality] = tuple(_span(row) for row in _spoken_by(spoken, own, modality).iter_rows(named=True))
    unit_seconds, units = _units(faces, step)
    weights = {name: own[f"fusion.{name}"].to_numpy() > 0 for name in ("face", "voice")}
    length = (own["end"] - own["start"]).to_numpy()
    return Watched(
        name=own["speaker"][0],
        faces=tracks,
        speakers=tuple(known.get("speakers", ())),
        link=known.get("link"),
        seen=float(length[weights["face"]].sum()),
        heard=float(length[weights["voice"]].sum()),
        lanes=lanes,
        curve=_curve(own, step),
        units=units,
        unit_seconds=unit_seconds,
    )


def _spoken_by(spoken: pl.DataFrame, own: pl.DataFrame, modality: str) -> pl.DataFrame:
    """The stretches of speech that went into the fused rows of a person."""
    cells = own.filter(pl.col(f"fusion.{modality}") > 0)
    starts, ends = cells["start"].to_numpy(), cells["end"].to_numpy()
    share = [
        float(np.clip(np.minimum(ends, end) - np.maximum(starts, start), 0, None).sum()) / max(end - start, 1e-3)
        for start, end in spoken.select("start", "end").iter_rows()
    ]
    return spoken.filter(pl.Series(np.array(share) > 0.5, dtype=pl.Boolean)) if share else spoken


def _span(row: Mapping[str, Any]) -> Span:
    return Span(row["start"], row["end"], row["top"], row["confidence"], row["valence"], row["text"] or "")


def _spans(rows: pl.DataFrame, step: float) -> tuple[Span, ...]:
    """What was read in each bin, the surest one of it, joined where it goes on."""
    binned = (
        rows.with_columns(bin=((pl.col("start") + pl.col("end")) / 2 / step).floor())
        .group_by("bin")
        .agg(
            pl.col("start").min(),
            pl.col("end").max(),
            pl.col("top", "confidence").sort_by("confidence", descending=True).first(),
            pl.col("valence").mean(),
        )
        .sort("bin")
    )
    found: list[Span] = []
    for _, start, end, top, confidence, valence in binned.iter_rows():
        last = found[-1] if found else None
        if last and last.top == top and abs(last.confidence - confidence) < 0.1 and start - last.end < 0.05:
            found[-1] = Span(last.start, end, top, last.confidence, last.valence, "")
        else:
            found.append(Span(start, end, top, confidence, valence, ""))
    return tuple(found)


def _curve(own: pl.DataFrame, step: float) -> tuple[Point, ...]:
    means = ("valence", "valence_sd", "arousal", "arousal_sd", "conflict.discord")
    binned = (
        own.with_columns(bin=(pl.col("start") / step).floor())
        .group_by("bin")
        .agg(((pl.col("start") + pl.col("end")) / 2).mean().alias("second"), pl.col(means).mean())
        .sort("bin")
    )
    return tuple(Point(*row) for row in binned.select("second", *means).iter_rows())


def _units(faces: pl.DataFrame, step: float) -> tuple[tuple[float, ...], Mapping[str, tuple[float | None, ...]]]:
    """The action units that move most, over time."""
    columns = [name for name in faces.columns if name.startswith("au.")]
    if faces.is_empty() or not columns:
        return (), {}
    spread = faces.select(pl.col(columns).std().fill_null(0)).row(0)
    chosen = [name for _, name in sorted(zip(spread, columns, strict=True), reverse=True)[:_UNITS]]
    width = max(step, float(faces["end"].max()) / (_BINS / 2))  # type: ignore[arg-type]
    binned = (
        faces.with_columns(bin=(pl.col("start") / width).floor()).group_by("bin").agg(pl.col(chosen).mean()).sort("bin")
    )
    seconds = tuple((number + 0.5) * width for number in binned["bin"])
    return seconds, {name.removeprefix("au."): tuple(binned[name].to_list()) for name in sorted(chosen)}


def _moments(fused: pl.DataFrame) -> tuple[FilmMoment, ...]:
    """The moments that depart most from what is usual for somebody, at most three alike, some seconds apart."""
    found: list[FilmMoment] = []
    departure = pl.col("fusion.departure")
    for row in fused.filter(departure >= _DEPARTED).sort(departure, descending=True).iter_rows(named=True):
        near = any(m.person == row["speaker"] and abs(m.second - row["start"]) < _APART for m in found)
        alike = sum(m.person == row["speaker"] and m.label == row["top"] for m in found)
        if not near and alike < _ALIKE and not is_neutral(row["top"]):
            found.append(FilmMoment(row["start"], row["speaker"], row["top"], row["confidence"], _shares(row)))
        if len(found) == _MOMENTS:
            break
    return tuple(sorted(found, key=lambda moment: moment.second))


def _shares(row: Mapping[str, Any]) -> str:
    """What a fused row is made of."""
    parts = [f"{name} {row[f'fusion.{name}']:.0%}" for name in _LANES if (row[f"fusion.{name}"] or 0) > 0]
    return ", ".join(parts).replace("text", "words")


def _conflicts(fused: pl.DataFrame) -> tuple[FilmMoment, ...]:
    """The moments of the greatest discord, some seconds apart."""
    found: list[FilmMoment] = []
    discord = pl.col("conflict.discord")
    for row in fused.filter(discord.is_not_null()).sort(discord, descending=True).head(_BINS).iter_rows(named=True):
        near = any(m.person == row["speaker"] and abs(m.second - row["start"]) < _APART for m in found)
        if not near and len(found) < _MOMENTS // 2:
            found.append(
                FilmMoment(row["start"], row["speaker"], row["top"], row["conflict.discord"], _differences(row))
            )
    return tuple(sorted(found, key=lambda moment: moment.second))


def _differences(row: Mapping[str, Any]) -> str:
    """Which modality is how much more pleasant or aroused than which."""
    said = []
    for pair in ("face_voice", "face_text", "voice_text"):
        one, other = pair.replace("text", "words").split("_")
        for name in ("valence", "arousal"):
            value = row[f"conflict.{pair}_{name}"]
            if value is not None and abs(value) >= _CONFLICT_WORDS * row[f"{name}_sd"]:
                more = {"valence": "more pleasant", "arousal": "more aroused"}[name]
                first, second = (one, other) if value > 0 else (other, one)
                said.append(f"{first} {more} than {second} ({abs(value):.2f})")
    return "; ".join(said)
