"""The fused reader: what face, voice and words of each person in a film say together, and where they disagree."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from affectome.perceive.estimates import SCORED, estimates_schema, fill_table, read_columns
from affectome.perceive.people import People, tell_people

Array = NDArray[np.float64]

CELL = 0.25
"""Seconds of a row."""
MODALITIES = ("face", "voice", "text")
PAIRS = tuple(combinations(MODALITIES, 2))
_SMOOTH = 0.2  # seconds, standard deviation of the weights of moments around the middle of a cell
_NEAREST = 0.75  # seconds to the nearest moment above which a face is not in sight
_LEAST_HEARD = 0.1  # seconds of speech in a cell with which somebody speaks in it
_FLOOR = 1e-6  # of a probability before its logarithm is taken
_DIMENSIONS = ("valence", "arousal", "dominance")
_TOGETHER = ("face", "voice", "text", "link", "departure")
_CONFLICT = (*(f"{a}_{b}_{name}" for a, b in PAIRS for name in _DIMENSIONS[:2]), "discord")


class _Labelled(Protocol):
    """What has labels that the fused rows are to have as well."""

    labels: tuple[str, ...]
    taxonomy: str
    exclusive: bool


class _Shown(NamedTuple):
    """What one modality shows in each of c cells; NaN where it is missing.

    Attributes:
        weight: Share of the cell (c,) that it covers, in [0, 1].
        logs: Log-probabilities (c, labels), or log-odds where labels may be present at once.
        means: Valence, arousal and dominance (c, 3).
        spreads: Their standard deviations (c, 3).
    """

    weight: Array
    logs: Array
    means: Array
    spreads: Array


class Fusion:
    """Fuses the rows of films.

    A row is a quarter of a second of a person. The probabilities of the modalities that are there are pooled as their
    weighted geometric mean (log-linear pooling, Genest and Zidek 1986), valence, arousal and dominance as that of their
    Gaussians, so that the surer one counts for more; weights add up to 1 over what is there, so that two modalities are
    never surer together than the surer one alone. Voice and words count by the probability of their link to the face.
    Moments of a face count by their distance in time, to both sides alike: the curve lags nothing behind, and what
    comes up to half a second later is in it.

    ``fusion`` holds the weight of each modality, the probability of the link between face and voice, and ``departure``
    in [0, 1]: how much more probable the labels other than neutral are than usual for this person in this film (sum of
    what they gain on their medians), which is where events are to be looked for, as a face at rest may look sad to any
    reader. ``conflict`` holds the difference of valence and arousal for each pair of modalities, the first minus the
    second, and ``discord`` in [0, 1]: the mean Hellinger distance between their Gaussians over valence and arousal.

    Args:
        reader: Whose labels it has.
        reliability: Weight of each modality before what is missing is left out; equal ones by default.
    """

    card = None
    model = "fused-1"

    def __init__(self, reader: _Labelled, reliability: Mapping[str, float] | None = None) -> None:
        self.labels, self.taxonomy, self.exclusive = reader.labels, reader.taxonomy, reader.exclusive
        self.reliability = dict.fromkeys(MODALITIES, 1.0) | dict(reliability or {})
        told = f"{self.model} {CELL} {_SMOOTH} {_NEAREST} {sorted(self.reliability.items())}"
        self.sha256 = hashlib.sha256(told.encode()).hexdigest()
        self.people: dict[str, People] = {}

    def schema(self, meta: pl.DataType) -> pl.Schema:
        """Columns of the estimates, given the type of the carried ones."""
        return estimates_schema(self.labels, meta, {"fusion": _TOGETHER, "conflict": _CONFLICT})

    def over(self, tables: Iterable[pl.DataFrame], sources: Collection[str]) -> Iterator[pl.DataFrame]:
        """Fused rows of films, one table each.

        Args:
            tables: Estimates in their order; all rows of a film follow each other.
            sources: Names of the films.
        """
        held: list[pl.DataFrame] = []
        for table in tables:
            for (source,), part in table.group_by("source", maintain_order=True):
                if held and held[0]["source"][0] != source:
                    yield self._fuse(pl.concat(held))
                    held = []
                if source in sources:
                    held.append(_needed(part))
        if held:
            yield self._fuse(pl.concat(held))

    def fuse(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Fused rows of one film, by person and time; who is who is then in ``people``.

        Args:
            rows: Its estimates of the modalities ``face``, ``voice`` and ``text``, faces with the column ``face``.
        """
        return self._fuse(_needed(rows))

    def _fuse(self, rows: pl.DataFrame) -> pl.DataFrame:
        source = rows["source"][0]
        scored = rows.filter(pl.col("status") == SCORED).sort("start", maintain_order=True)
        parts = {name: scored.filter(pl.col("modality") == name) for name in MODALITIES}
        faces = _tracks(parts["face"])
        stretches = pl.concat([parts["voice"], parts["text"]]).select("start", "end", "speaker")
        stretches = stretches.unique(["start", "end"], keep="first", maintain_order=True).sort("start")
        people = tell_people(faces, stretches)
        self.people[source] = people
        heard = {
            (start, end): (name, link)
            for start, end, name, link in zip(
                stretches["start"], stretches["end"], people.of_stretch, people.links, strict=True
            )
        }
        tables = [self._person(source, person.name, parts, people, heard) for person in people.persons]
        meta = rows.schema["meta"]
        return pl.concat(tables) if tables else pl.DataFrame(schema=self.schema(meta))

    def _person(
        self,
        source: str,
        name: str,
        parts: Mapping[str, pl.DataFrame],
        people: People,
        heard: Mapping[tuple[float, float], tuple[str, float]],
    ) -> pl.DataFrame:
        face = parts["face"].filter(pl.col("speaker").replace_strict(people.of_track, default=None) == name)
        own: dict[str, pl.DataFrame] = {"face": face}
        for modality in ("voice", "text"):
            part = parts[modality]
            mine = [heard[each][0] == name for each in part.select("start", "end").iter_rows()]
            own[modality] = part.filter(pl.Series(mine, dtype=pl.Boolean))
        begin = min(float(part["start"].min()) for part in own.values() if len(part))  # type: ignore[arg-type]
        end = max(float(part["end"].max()) for part in own.values() if len(part))  # type: ignore[arg-type]
        cells: Array = np.arange(np.floor(begin / CELL), np.ceil(end / CELL), dtype=np.float64) * CELL
        shown = {
            modality: self._over_moments(part, cells) if modality == "face" else self._over_stretches(part, cells)
            for modality, part in own.items()
        }
        links = np.ones(len(cells))
        for start, stop in pl.concat([own["voice"], own["text"]]).select("start", "end").iter_rows():
            links[(cells < stop) & (cells + CELL > start)] = heard[start, stop][1]
        weights = np.stack([self.reliability[m] * np.nan_to_num(shown[m].weight) for m in MODALITIES])
        weights[1:] *= links  # of a face that may be somebody else's
        there = weights.sum(axis=0) > 0
        shown = {m: _Shown(*(values[there] for values in each)) for m, each in shown.items()}
        weights = weights[:, there] / weights[:, there].sum(axis=0)
        return self._table(source, name, cells[there], shown, weights, links[there], parts["face"].schema["meta"])

    def _table(
        self,
        source: str,
        name: str,
        cells: Array,
        shown: Mapping[str, _Shown],
        weights: Array,
        links: Array,
        meta: pl.DataType,
    ) -> pl.DataFrame:
        segments = pl.DataFrame(
            {
                "id": [f"{source}@{start:.2f}#{name}" for start in cells],
                "source": [source] * len(cells),
                "start": cells,
                "end": cells + CELL,
                "speaker": [name] * len(cells),
                "text": pl.Series([None] * len(cells), dtype=pl.String),
                "meta": pl.Series([None] * len(cells), dtype=meta),
            }
        )
        logs = np.stack([np.nan_to_num(shown[m].logs) for m in MODALITIES])
        pooled = (weights[:, :, None] * logs).sum(axis=0)
        precision = np.stack([np.nan_to_num(shown[m].spreads ** -2.0) for m in MODALITIES]) * weights[:, :, None]
        means = np.stack([np.nan_to_num(shown[m].means) for m in MODALITIES])
        total = precision.sum(axis=0)
        shares = _softmax(pooled) if self.exclusive else 1 / (1 + np.exp(-pooled))
        columns = read_columns(
            self.labels,
            shares.astype(np.float32),
            ((precision * means).sum(axis=0) / total).astype(np.float32),
            np.sqrt(1 / total).astype(np.float32),
            (1.0, 1.0, 1.0),
        )
        columns["fusion"] = pl.DataFrame(
            np.column_stack([weights.T, links, _departure(shares, self.labels)]).astype(np.float32),
            schema=list(_TOGETHER),
        ).to_struct("fusion")
        columns["conflict"] = _conflict(shown)
        about = {"modality": "fused", "model": self.model, "taxonomy": self.taxonomy}
        return fill_table(segments, [(SCORED, "")] * len(cells), about, columns, self.schema(meta))

    def _logs(self, part: pl.DataFrame) -> Array:
        p = part["emotion"].struct.unnest().select(self.labels).to_numpy().astype(np.float64)
        p = np.clip(p, _FLOOR, 1 - _FLOOR)
        return np.asarray(np.log(p) if self.exclusive else np.log(p) - np.log1p(-p))

    def _over_moments(self, part: pl.DataFrame, cells: Array) -> _Shown:
        """Moments of a face around the middle of each cell, the nearer the heavier."""
        logs, means, spreads = self._logs(part), _means(part), _spreads(part)
        times = ((part["start"] + part["end"]) / 2).to_numpy()
        lengths = np.maximum((part["end"] - part["start"]).to_numpy(), 1e-3)
        found = _nothing(len(cells), len(self.labels))
        first = np.searchsorted(times, cells + CELL / 2 - 3 * _SMOOTH)
        last = np.searchsorted(times, cells + CELL / 2 + 3 * _SMOOTH)
        for c, (start, stop) in enumerate(zip(first, last, strict=True)):
            distance = np.abs(times[start:stop] - cells[c] - CELL / 2)
            if not len(distance) or distance.min() > _NEAREST:
                continue
            share = lengths[start:stop] * np.exp(-0.5 * (distance / _SMOOTH) ** 2)
            share /= share.sum()
            found.weight[c] = 1.0
            found.logs[c] = share @ logs[start:stop]
            mean = share @ means[start:stop]
            found.means[c] = mean
            found.spreads[c] = np.sqrt(share @ (spreads[start:stop] ** 2 + (means[start:stop] - mean) ** 2))
        return found

    def _over_stretches(self, part: pl.DataFrame, cells: Array) -> _Shown:
        """The stretches of speech that each cell lies in."""
        logs, means, spreads = self._logs(part), _means(part), _spreads(part)
        found = _nothing(len(cells), len(self.labels))
        for k, (start, stop) in enumerate(part.select("start", "end").iter_rows()):
            covered = np.minimum(stop, cells + CELL) - np.maximum(start, cells)
            # Of two stretches in a cell the one that covers more of it counts.
            for c in np.flatnonzero((covered >= _LEAST_HEARD) & (covered / CELL > np.nan_to_num(found.weight))):
                found.weight[c] = covered[c] / CELL
                found.logs[c], found.means[c], found.spreads[c] = logs[k], means[k], spreads[k]
        return found


def _needed(part: pl.DataFrame) -> pl.DataFrame:
    """The columns that fusing needs, so that a long film takes little memory."""
    names = ["source", "start", "end", "speaker", "modality", "status", "emotion", "meta"]
    dimensions = [f"{name}{suffix}" for name in _DIMENSIONS for suffix in ("", "_sd")]
    face = part.schema.get("face")
    fields = face.to_schema() if isinstance(face, pl.Struct) else {}
    shown = [
        (pl.col("face").struct.field(name) if name in fields else pl.lit(None, pl.Float32)).alias(name)
        for name in ("mouth", "loudness")
    ]
    return part.select(*names, *dimensions, *shown)


def _tracks(faces: pl.DataFrame) -> pl.DataFrame:
    return faces.select(pl.col("speaker").alias("track"), "start", "end", "mouth", "loudness")


def _means(part: pl.DataFrame) -> Array:
    return part.select(_DIMENSIONS).to_numpy().astype(np.float64)


def _spreads(part: pl.DataFrame) -> Array:
    spreads = part.select(f"{name}_sd" for name in _DIMENSIONS).to_numpy().astype(np.float64)
    return np.asarray(np.maximum(spreads, 1e-3))


def _nothing(cells: int, labels: int) -> _Shown:
    return _Shown(*(np.full(shape, np.nan) for shape in ((cells,), (cells, labels), (cells, 3), (cells, 3))))


def _softmax(logs: Array) -> Array:
    shifted = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def _departure(shares: Array, labels: Sequence[str]) -> Array:
    """What labels other than neutral gain (c,) in probabilities (c, labels), as shares of 1, on their medians."""
    shares = shares / shares.sum(axis=1, keepdims=True)
    felt = [k for k, label in enumerate(labels) if label.lower() != "neutral"]
    return np.asarray(np.maximum(shares - np.median(shares, axis=0), 0)[:, felt].sum(axis=1))


def _conflict(shown: Mapping[str, _Shown]) -> pl.Series:
    """Differences of each pair of modalities and how far apart they are."""
    columns: dict[str, Any] = {}
    apart = []
    for a, b in PAIRS:
        one, other = shown[a], shown[b]
        for k, name in enumerate(_DIMENSIONS[:2]):
            columns[f"{a}_{b}_{name}"] = one.means[:, k] - other.means[:, k]
        apart.append(hellinger(one.means[:, :2], one.spreads[:, :2], other.means[:, :2], other.spreads[:, :2]))
    distances = np.stack(apart)
    known = np.isfinite(distances).sum(axis=0)
    columns["discord"] = np.where(known > 0, np.nansum(distances, axis=0) / np.maximum(known, 1), np.nan)
    frame = pl.DataFrame(columns, schema=dict.fromkeys(_CONFLICT, pl.Float32))
    return frame.select(pl.all().fill_nan(None)).to_struct("conflict")


def hellinger(means: Array, spreads: Array, other_means: Array, other_spreads: Array) -> Array:
    """Hellinger distance, in [0, 1], between Gaussians whose dimensions do not depend on each other.

    Args:
        means: ``(n, d)``.
        spreads: ``(n, d)`` standard deviations above 0.
        other_means: ``(n, d)``.
        other_spreads: ``(n, d)``.

    Returns:
        ``(n,)``: the square root of 1 minus the Bhattacharyya coefficient; NaN where anything is.
    """
    squares = spreads**2 + other_spreads**2
    each = np.sqrt(2 * spreads * other_spreads / squares) * np.exp(-((means - other_means) ** 2) / (4 * squares))
    return np.asarray(np.sqrt(np.maximum(0, 1 - each.prod(axis=1))))


def describe_people(people: People) -> Sequence[Mapping[str, object]]:
    """Who is who, as plain JSON types: ``name``, ``faces``, ``speakers`` and ``link``."""
    return [
        {
            "name": person.name,
            "faces": list(person.tracks),
            "speakers": list(person.speakers),
            "link": None if person.link is None else round(person.link, 3),
        }
        for person in people.persons
    ]
