"""What the faces of a table show: action units by expression, a point for each face, the surest ones, and the pose."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, radians
from typing import Any

import polars as pl

from affectome.affect.action_units import PRESENT, list_action_units
from affectome.perceive.estimates import ABSTAINED, SCORED
from affectome.report.palette import is_neutral
from affectome.report.statistics import Interval, mean_interval, share_interval
from affectome.report.tables import EstimatesTable

MOST_POINTS = 2_000
TURNED = 30.0
_COLUMNS, _LABELS = 10, 12
_SUREST, _STANDING_OUT = 5, 3
_FEWEST_POSES = 20
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_ANGLES = {
    "yaw": "head to its left",
    "pitch": "head raised",
    "roll": "head tilted",
    "gaze_yaw": "eyes to their left",
    "gaze_pitch": "eyes raised",
}


@dataclass(frozen=True)
class UnitRow:
    """How strongly one action unit moves, by expression.

    Args:
        code: As the table names it, such as ``AU12``.
        name: Its name in the coding system; empty if it is not known.
        everywhere: Mean strength over all faces, in [0, 1].
        cells: Mean strength over the faces with each expression, None where none was measured.
    """

    code: str
    name: str
    everywhere: Interval
    cells: tuple[Interval | None, ...]


@dataclass(frozen=True)
class UnitMap:
    """Mean strength of action units by the most probable expression.

    Args:
        columns: Expressions and their number of faces, the most frequent first.
        rows: The action units, by number.
        omitted: Faces with rarer expressions, which have no column.
    """

    columns: tuple[tuple[str, int], ...]
    rows: tuple[UnitRow, ...]
    omitted: int


@dataclass(frozen=True)
class Face:
    """One scored face.

    Args:
        id: Its id.
        source: The picture it is in.
        label: Its most probable expression.
        probability: How probable.
        valence: In [-1, 1].
        arousal: In [-1, 1].
        units: Names and strengths of the action units that stand out, the most unusual first.
        x: Middle of its box in pixels of the picture from the left; None if the whole picture is the face.
        y: Likewise from above.
        size: Side of the box in pixels.
        roll: Degrees by which the head is tilted, clockwise as seen.
    """

    id: str
    source: str
    label: str
    probability: float
    valence: float
    arousal: float
    units: tuple[tuple[str, float], ...]
    x: float | None
    y: float | None
    size: float | None
    roll: float


@dataclass(frozen=True)
class Pose:
    """How heads and eyes are turned.

    Args:
        faces: Faces that were measured.
        angles: By what is turned, the quantiles .05, .25, .5, .75 and .95 in degrees.
        turned: Share of faces that look more than 30 degrees past the camera.
    """

    faces: int
    angles: dict[str, tuple[float, ...]]
    turned: Interval


@dataclass(frozen=True)
class Faces:
    """All that the page shows of faces.

    Args:
        pictures: Pictures in which faces were looked for.
        with_faces: Pictures with a face that was read.
        without: Pictures that were opened and have none.
        unreadable: Pictures that could not be opened, or whose faces all failed.
        faces: Faces that were read.
        units: Action units by expression, None if there are none.
        points: One for each face as (source, label, probability, valence, arousal), at most 2,000.
        surest: By expression, the most frequent first, the faces with the highest probability.
        pose: None if fewer than 20 faces have one.
    """

    pictures: int
    with_faces: int
    without: int
    unreadable: int
    faces: int
    units: UnitMap | None
    points: tuple[tuple[str, str, float, float, float], ...]
    surest: dict[str, tuple[Face, ...]]
    pose: Pose | None

    @property
    def sampled(self) -> bool:
        """Whether the points are a sample."""
        return len(self.points) < self.faces


class FaceTable:
    """The rows of modality ``face`` that are of pictures, not of films, with what is needed to describe single ones.

    Args:
        table: The estimates.
    """

    def __init__(self, table: EstimatesTable) -> None:
        self.names = set(table.rows.collect_schema())
        self.rows = table.rows.filter(pl.col("modality") == "face", ~pl.col("source").is_in(list(table.fused)))
        self.scored = table.scored.filter(pl.col("modality") == "face")
        self.units = tuple(sorted(name.removeprefix("au.") for name in self.names if name.startswith("au.")))
        columns = [f"au.{unit}" for unit in self.units]
        usual = self.scored.select(
            pl.col(columns).mean().name.suffix(".mean"), pl.col(columns).std().name.suffix(".std")
        ).collect(engine="streaming")
        self._usual: dict[str, float | None] = usual.row(0, named=True) if columns else {}
        self._titles = {f"AU{unit.number:02d}": unit.name for unit in list_action_units()}

    def title(self, unit: str) -> str:
        """Name of an action unit in the coding system; empty if it is not known."""
        return self._titles.get(unit, "")

    def surest(self, count: int) -> dict[str, list[int]]:
        """By expression, the most frequent first, the positions of its faces with the highest probability."""
        found = (
            self.scored.group_by("top")
            .agg(pl.col("row").top_k_by(["confidence", "row"], count, reverse=[False, True]), pl.len())
            .sort("len", "top", descending=[True, False])
            .collect(engine="streaming")
        )
        return dict(found.select("top", "row").iter_rows())

    def describe(self, rows: pl.LazyFrame) -> list[Face]:
        """Scored faces, in the order of the file."""
        found = rows.sort("row").collect(engine="streaming")
        return [self._face(values) for values in found.iter_rows(named=True)]

    def _face(self, values: dict[str, Any]) -> Face:
        def unusual(unit: str) -> float:
            spread = self._usual[f"au.{unit}.std"] or 1.0
            return float((values[f"au.{unit}"] - (self._usual[f"au.{unit}.mean"] or 0.0)) / max(spread, 1e-3))

        moving = [unit for unit in self.units if (values[f"au.{unit}"] or 0.0) >= PRESENT and unusual(unit) > 0]
        telling = sorted(moving, key=unusual, reverse=True)[:_STANDING_OUT]
        return Face(
            id=values["id"],
            source=values["source"] or "",
            label=values["top"],
            probability=values["confidence"],
            valence=values["valence"],
            arousal=values["arousal"],
            units=tuple((f"{unit} {self.title(unit)}".rstrip(), values[f"au.{unit}"]) for unit in telling),
            x=values.get("face.x"),
            y=values.get("face.y"),
            size=values.get("face.size"),
            roll=values.get("face.roll") or 0.0,
        )


def look_at(table: FaceTable) -> Faces | None:
    """What there is to show of faces; None if none was read.

    Args:
        table: The rows of faces.
    """
    state = pl.col("status")
    by_picture = table.rows.group_by("source").agg(
        (state == SCORED).any().alias("read"), (state == ABSTAINED).any().alias("seen")
    )
    counts = by_picture.select(
        pl.len().alias("pictures"),
        pl.col("read").sum(),
        (~pl.col("read") & pl.col("seen")).sum().alias("without"),
    ).collect(engine="streaming")
    pictures, read, without = counts.row(0)
    if not read:
        return None
    by_label = table.surest(_SUREST)
    shown = [label for label in by_label if not is_neutral(label)][:_LABELS]
    chosen = [row for label in shown for row in by_label[label]]
    described = table.describe(table.scored.filter(pl.col("row").is_in(chosen)))
    surest = sorted(described, key=lambda face: -face.probability)
    faces = table.scored.select(pl.len()).collect(engine="streaming").item()
    return Faces(
        pictures=pictures,
        with_faces=read,
        without=without,
        unreadable=pictures - read - without,
        faces=faces,
        units=_unit_map(table),
        points=_points(table, faces),
        surest={label: tuple(face for face in surest if face.label == label) for label in shown},
        pose=_pose(table),
    )


def _unit_map(table: FaceTable) -> UnitMap | None:
    if not table.units:
        return None
    columns = [pl.col(f"au.{unit}").cast(pl.Float64) for unit in table.units]
    summary = [
        pl.len().alias("faces"),
        *(column.mean().name.suffix(".mean") for column in columns),
        *(column.std().name.suffix(".std") for column in columns),
        *(column.count().name.suffix(".count") for column in columns),
    ]
    everywhere, by_label = pl.collect_all(
        [table.scored.select(summary), table.scored.group_by("top").agg(summary)], engine="streaming"
    )
    ordered = by_label.sort("faces", "top", descending=[True, False]).head(_COLUMNS).rows(named=True)
    total = everywhere.row(0, named=True)

    def mean(row: dict[str, Any], unit: str) -> Interval | None:
        count = row[f"au.{unit}.count"]
        return mean_interval(row[f"au.{unit}.mean"], row[f"au.{unit}.std"] or 0.0, count) if count else None

    rows = tuple(
        UnitRow(unit, table.title(unit), overall, tuple(mean(row, unit) for row in ordered))
        for unit in table.units
        if (overall := mean(total, unit))
    )
    named = tuple((row["top"], row["faces"]) for row in ordered)
    return UnitMap(named, rows, total["faces"] - sum(faces for _, faces in named)) if rows else None


def _points(table: FaceTable, faces: int) -> tuple[tuple[str, str, float, float, float], ...]:
    """A point for each face; of many, those that a hash of their position picks, the same in every run."""
    order = pl.col("row").cast(pl.UInt64) * 2_654_435_761 % 2**32  # Knuth 1998, section 6.4
    some = table.scored if faces <= MOST_POINTS else table.scored.bottom_k(MOST_POINTS, by=order)
    found = some.sort("row").select(pl.col("source").fill_null(""), "top", "confidence", "valence", "arousal")
    return tuple(found.collect(engine="streaming").iter_rows())


def _pose(table: FaceTable) -> Pose | None:
    angles = {name: title for name, title in _ANGLES.items() if f"face.{name}" in table.names}
    if not {"yaw", "pitch"} <= set(angles):
        return None
    yaw, pitch = pl.col("face.yaw"), pl.col("face.pitch")
    ahead = yaw.radians().cos() * pitch.radians().cos()  # cosine of the angle between the face and the camera
    found = (
        table.scored.filter(yaw.is_not_null(), pitch.is_not_null())
        .select(
            pl.len().alias("faces"),
            (ahead < cos(radians(TURNED))).sum().alias("turned"),
            *(pl.col(f"face.{name}").quantile(q, "linear").alias(f"{name}.{q}") for name in angles for q in _QUANTILES),
        )
        .collect(engine="streaming")
        .row(0, named=True)
    )
    if found["faces"] < _FEWEST_POSES:
        return None
    return Pose(
        faces=found["faces"],
        angles={title: tuple(found[f"{name}.{q}"] or 0.0 for q in _QUANTILES) for name, title in angles.items()},
        turned=share_interval(found["turned"], found["faces"]),
    )
