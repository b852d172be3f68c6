"""What the voices of a table say: the most telling recordings, stretch by stretch, and the strongest moments."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from affectome.perceive.estimates import SCORED
from affectome.perceive.prosody import prosody_features
from affectome.report.palette import is_neutral
from affectome.report.sound import Sounds, clip_uri, cut_loudest, outline
from affectome.report.tables import EstimatesTable, probability

CLIP_SECONDS = 6.0
_SHOWN, _MOST_STRETCHES, _COLUMNS = 3, 240, 340
_FOLLOWED = 3
_MOMENTS, _ALIKE, _CANDIDATES = 10, 3, 200
_HEARD_SECONDS = 30.0
_TELLING = 3
_NORMAL = 1.96
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class Stretch:
    """One row of a recording; what is measured is None unless it is scored. Times are in seconds."""

    start: float
    end: float
    status: str
    code: str
    top: str | None
    confidence: float | None
    valence: float | None
    valence_sd: float | None
    arousal: float | None
    arousal_sd: float | None

    @property
    def middle(self) -> float:
        """The second at its middle."""
        return (self.start + self.end) / 2


@dataclass(frozen=True)
class Step:
    """One point of a curve: the stretch's own value, the mean of its neighbourhood and the 95 % interval of that mean.

    Args:
        second: Where on the recording.
        own: Value of the stretch.
        value: Mean weighted by nearness.
        low: Lower end of the interval, None if too few stretches are near.
        high: Upper end, likewise.
    """

    second: float
    own: float
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Recording:
    """One recording, or the strongest part of a long one.

    Args:
        source: Its name in the table.
        first: Second at which what is shown starts.
        last: Second at which it ends.
        whole: Whether all of its stretches are shown.
        stretches: By time.
        curves: Probability of its most present emotions over time, the most present first.
        reach: Seconds within which stretches count as neighbours (standard deviation of a Gaussian).
        outline: Lowest and highest sample in columns of equal length; empty without sound.
    """

    source: str
    first: float
    last: float
    whole: bool
    stretches: tuple[Stretch, ...]
    curves: dict[str, tuple[Step, ...]]
    reach: float
    outline: tuple[tuple[float, float] | None, ...]

    @property
    def scored(self) -> tuple[Stretch, ...]:
        """The stretches that carry measurements."""
        return tuple(stretch for stretch in self.stretches if stretch.status == SCORED)


@dataclass(frozen=True)
class Moment:
    """One of the strongest stretches of all recordings; ``clip`` is a ``data:`` address, empty without sound."""

    source: str
    start: float
    end: float
    label: str
    strength: float
    valence: float
    arousal: float
    text: str
    clip: str


@dataclass(frozen=True)
class FeatureSpread:
    """How one feature of the voice is spread, in its unit.

    Args:
        title: What it is called.
        unit: Its unit.
        everywhere: Quantiles .05, .25, .5, .75 and .95 over all scored stretches.
        recordings: The same of each shown recording, None where it is not defined.
    """

    title: str
    unit: str
    everywhere: tuple[float, ...]
    recordings: tuple[tuple[float, ...] | None, ...]


@dataclass(frozen=True)
class Voices:
    """All that the page shows of recordings.

    Args:
        sources: Number of recordings with a scored stretch.
        stretches: Number of scored stretches.
        seconds: Their length together.
        graded: Whether the reader gave the strength of each emotion; otherwise its probability stands for it.
        recordings: The most telling ones.
        prosody: Spread of each shown feature.
        moments: The strongest first.
        audible: Whether any sound was given.
    """

    sources: int
    stretches: int
    seconds: float
    graded: bool
    recordings: tuple[Recording, ...]
    prosody: tuple[FeatureSpread, ...]
    moments: tuple[Moment, ...]
    audible: bool


def listen(table: EstimatesTable, sounds: Sounds | None) -> Voices | None:
    """What there is to show of the rows of modality ``voice``; None if none of them is scored.

    The most telling recordings are those whose three strongest stretches are the strongest together. Of a recording of
    more than 240 stretches the 240 consecutive ones are taken that are the strongest together.

    Args:
        table: The estimates.
        sounds: Gives the sound of a stretch.
    """
    names = set(table.rows.collect_schema())
    labels = [label for label in table.labels if not is_neutral(label)]
    strengths = {
        label: pl.coalesce(f"intensity.{label}", f"emotion.{label}")
        if f"intensity.{label}" in names
        else probability(label)
        for label in labels
    }
    placed = pl.col("start").is_finite() & pl.col("end").is_finite()
    strongest = pl.max_horizontal(strengths.values()) if strengths else pl.lit(0.0)
    rows = table.rows.filter(pl.col("modality") == "voice", placed).with_columns(strongest.alias("strength"))
    scored = rows.filter(pl.col("status") == SCORED)
    telling = (
        scored.group_by("source")
        .agg(
            pl.col("strength").top_k(_TELLING).sum(),
            pl.len().alias("rows"),
            (pl.col("end") - pl.col("start")).sum().alias("seconds"),
        )
        .sort("strength", "source", descending=[True, False])
        .collect(engine="streaming")
    )
    if telling.is_empty():
        return None
    chosen = telling["source"].head(_SHOWN).to_list()
    recordings = tuple(_recording(rows, source, labels, sounds) for source in chosen)
    moments = _moments(scored, strengths, sounds)
    graded = [f"intensity.{label}" for label in labels if f"intensity.{label}" in names]
    is_graded = bool(graded) and scored.select(pl.any_horizontal(pl.col(graded).is_not_null().any())).collect().item()
    return Voices(
        sources=len(telling),
        stretches=int(telling["rows"].sum()),
        seconds=float(telling["seconds"].sum()),
        graded=is_graded,
        recordings=recordings,
        prosody=_prosody(scored, names, recordings),
        moments=moments,
        audible=any(moment.clip for moment in moments) or any(recording.outline for recording in recordings),
    )


def _recording(rows: pl.LazyFrame, source: str, labels: Sequence[str], sounds: Sounds | None) -> Recording:
    own = rows.filter(pl.col("source").eq_missing(source)).sort("start", "row")
    strength = own.select(pl.col("strength").fill_null(0)).collect()["strength"].to_numpy()
    offset = _strongest_window(strength)
    found = own.slice(offset, _MOST_STRETCHES).collect()
    stretches = tuple(
        Stretch(*values)
        for values in found.select(
            "start", "end", "status", "error", "top", "confidence", "valence", "valence_sd", "arousal", "arousal_sd"
        ).iter_rows()
    )
    heard = found.filter(pl.col("status") == SCORED)
    first = 0.0 if len(strength) == len(found) else stretches[0].start
    last = max(first + 0.1, *(stretch.end for stretch in stretches))
    middles = ((heard["start"] + heard["end"]) / 2).to_numpy()
    lengths = (heard["end"] - heard["start"]).to_numpy()
    reach = max(float(np.median(lengths)), (last - first) / 40)
    present = {label: heard[f"emotion.{label}"].fill_null(0).sum() for label in labels}
    followed = sorted(labels, key=lambda label: -present[label])[:_FOLLOWED]
    columns = outline(sounds, source, first, last, _COLUMNS) if sounds and source is not None else []
    return Recording(
        source=source or "",
        first=first,
        last=last,
        whole=len(strength) == len(found),
        stretches=stretches,
        curves={
            label: follow_curve(middles, heard[f"emotion.{label}"].fill_null(0).to_numpy(), reach) for label in followed
        },
        reach=reach,
        outline=tuple(columns) if any(columns) else (),
    )


def _strongest_window(strength: NDArray[np.float32]) -> int:
    """Where the consecutive stretches begin that are shown."""
    if len(strength) <= _MOST_STRETCHES:
        return 0
    total = np.concatenate([[0.0], np.cumsum(strength, dtype=np.float64)])
    return int(np.argmax(total[_MOST_STRETCHES:] - total[:-_MOST_STRETCHES]))


def follow_curve(seconds: NDArray[np.float64], values: NDArray[np.float32], reach: float) -> tuple[Step, ...]:
    """A probability over time: the mean of each neighbourhood with its 95 % interval, cut to [0, 1].

    Weights are Gaussian in time; n weighted values count as ``(sum w)^2 / sum w^2`` independent ones (Kish 1965), and
    where that is less than 2 there is no interval.

    Args:
        seconds: Middle of each stretch, (n,).
        values: Probabilities (n,).
        reach: Standard deviation of the weights in seconds.
    """
    steps = []
    numbers = np.asarray(values, np.float64)
    for second, own in zip(seconds, numbers, strict=True):
        weights = np.exp(-0.5 * ((seconds - second) / reach) ** 2)
        share = weights / weights.sum()
        mean = float(share @ numbers)
        count = float(1 / (share**2).sum())
        low = high = None
        if count >= 2:
            variance = float(share @ (numbers - mean) ** 2) * count / (count - 1)
            half = _NORMAL * (variance / count) ** 0.5
            low, high = max(mean - half, 0.0), min(mean + half, 1.0)
        steps.append(Step(float(second), float(own), mean, low, high))
    return tuple(steps)


def _moments(scored: pl.LazyFrame, strengths: dict[str, pl.Expr], sounds: Sounds | None) -> tuple[Moment, ...]:
    """The strongest stretches, no more than three of one emotion."""
    if not strengths:
        return ()
    candidates = scored.top_k(_CANDIDATES, by="strength").sort("strength", "row", descending=[True, False])
    found = candidates.select(
        "source",
        "start",
        "end",
        "strength",
        "valence",
        "arousal",
        "text",
        pl.struct([value.alias(label) for label, value in strengths.items()]).alias("each"),
    ).collect()
    chosen: list[Moment] = []
    for row in found.iter_rows(named=True):
        label = max(row["each"], key=lambda name: _number(row["each"][name]))
        if sum(moment.label == label for moment in chosen) < _ALIKE and len(chosen) < _MOMENTS:
            chosen.append(_moment(row, label, sounds))
    return tuple(chosen)


def _moment(row: dict[str, Any], label: str, sounds: Sounds | None) -> Moment:
    start, end, clip = row["start"], row["end"], ""
    samples = sounds(row["source"], start, min(end, start + _HEARD_SECONDS)) if sounds and row["source"] else None
    if samples is not None and len(samples):
        offset, cut = cut_loudest(samples, CLIP_SECONDS)
        clip = clip_uri(cut)
        if offset or end - start > CLIP_SECONDS:
            start, end = start + offset, start + offset + CLIP_SECONDS
    return Moment(
        row["source"] or "", start, end, label, row["strength"], row["valence"], row["arousal"], row["text"] or "", clip
    )


def _prosody(scored: pl.LazyFrame, names: set[str], recordings: Sequence[Recording]) -> tuple[FeatureSpread, ...]:
    wanted = {name: about for name, about in _features().items() if f"prosody.{name}" in names}
    if not wanted:
        return ()
    columns = [pl.col(f"prosody.{name}").cast(pl.Float64).fill_nan(None).alias(name) for name in wanted]
    quantiles = [
        pl.col(name).quantile(q, "linear").alias(f"{name}.{k}") for name in wanted for k, q in enumerate(_QUANTILES)
    ]
    plain = scored.select("source", *columns)
    queries = [
        plain.select(quantiles),
        *(plain.filter(pl.col("source") == recording.source).select(quantiles) for recording in recordings),
    ]
    spreads = [frame.row(0, named=True) for frame in pl.collect_all(queries)]
    units = {feature.name: feature.unit for feature in prosody_features()}

    def spread(row: dict[str, float | None], name: str, factor: float) -> tuple[float, ...] | None:
        values = [row[f"{name}.{k}"] for k in range(len(_QUANTILES))]
        return None if None in values else tuple(factor * _number(value) for value in values)

    found = []
    for name, about in wanted.items():
        everywhere, *each = (spread(row, name, about.get("factor", 1)) for row in spreads)
        if everywhere:
            found.append(FeatureSpread(about["title"], about.get("unit", units[name]), everywhere, tuple(each)))
    return tuple(found)


def _number(value: float | None) -> float:
    return 0.0 if value is None else float(value)


@cache
def _features() -> dict[str, dict[str, Any]]:
    return tomllib.loads((Path(__file__).parent / "data" / "voice_features.toml").read_text(encoding="utf-8"))
