"""Series of features with their targets, read from and written in the file layout of the MuSe 2022 challenge.

The official folders can be given as they are: ``c1_muse_humor``, ``c2_muse_reaction`` and ``c3_muse_stress_2022``. Each
has a ``partition.csv``, whose first column is an id and whose last is ``train``, ``devel`` or ``test``, and feature
files whose first two columns are ``timestamp`` (milliseconds) and ``segment_id``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from affectome.errors import InputError, UsageError
from affectome.pipeline.storage import write_bytes

Array = NDArray[np.float32]

PARTITIONS = ("train", "devel", "test")
REACTIONS = ("Adoration", "Amusement", "Anxiety", "Disgust", "Empathic-Pain", "Fear", "Surprise")
"""Columns of the intensities of reactions."""
_PLACES = 2  # columns before the features: timestamp and segment_id


@dataclass(frozen=True, eq=False)
class Series:
    """Rows of features in the order of time, with a target for every row or one for all of them.

    Attributes:
        subject: Who is described; a subject is in one partition only.
        features: ``(t, d)``, NaN where unknown.
        targets: ``(t, k)`` for one target a row or ``(k,)`` for one target of the series, NaN where unknown.
        places: What a submission says of each target besides its value, e.g. subject, timestamp and segment: ``t`` rows
            or a single one.
    """

    subject: str
    features: Array
    targets: Array
    places: tuple[tuple[object, ...], ...] = ()

    def __post_init__(self) -> None:
        if self.features.ndim != 2 or not len(self.features) or np.isinf(self.features).any():
            raise UsageError(
                "Features must be rows of numbers, at least one, none infinite.",
                code="bad_features",
                value=f"{self.subject}: {self.features.shape}",
            )
        fits = self.targets.ndim == 1 or (self.targets.ndim == 2 and len(self.targets) == len(self.features))
        if not fits or not self.targets.size or np.isinf(self.targets).any():
            raise UsageError(
                "There must be finite targets for the series or for each of its rows.",
                code="bad_targets",
                value=f"{self.subject}: {self.targets.shape}",
                allowed=("(targets,)", f"({len(self.features)}, targets)"),
            )

    @property
    def by_row(self) -> bool:
        """Whether every row has its targets."""
        return self.targets.ndim == 2

    def windows(self, length: int, hop: int) -> list[Series]:
        """Overlapping parts; the last ends with the series and may be shorter.

        Args:
            length: Rows of a part.
            hop: Rows from the start of a part to that of the next, no more than ``length``.

        Raises:
            UsageError: The numbers leave gaps or are not positive.
        """
        if not 0 < hop <= length:
            raise UsageError("The hop must be 1 to the length.", code="bad_hop", value=hop, allowed=(f"1 to {length}",))
        rows = len(self.features)
        starts = range(0, max(rows - length, 0) + hop, hop)
        cuts = [slice(start, min(start + length, rows)) for start in starts]
        return [
            replace(self, features=self.features[cut], targets=self.targets[cut], places=self.places[cut])
            if self.by_row
            else replace(self, features=self.features[cut])
            for cut in cuts
        ]


Partitions = dict[str, list[Series]]
"""Series by partition."""


def read_stress(folder: Path, *, features: str, target: str) -> Partitions:
    """Series with a target every half second.

    Rows are those of the label file; features are joined by their timestamps, and are unknown where there are none.

    Args:
        folder: Holds ``metadata/partition.csv``, ``feature_segments/<features>/<id>.csv`` and
            ``label_segments/<target>/<id>.csv`` with the columns ``timestamp`` and ``value``.
        features: Name of the features.
        target: ``"valence"``, ``"physio-arousal"`` or another folder of labels.

    Raises:
        InputError: A file or column is absent or does not hold numbers, or a partition is unknown.
    """

    def one(subject: str) -> list[Series]:
        labels = _table(folder / "label_segments" / target / f"{subject}.csv", ("timestamp", "value"))
        path = folder / "feature_segments" / features / f"{subject}.csv"
        known = _table(path, ("timestamp", "segment_id"))
        columns = known.columns[_PLACES:]
        if known["timestamp"].is_duplicated().any():
            raise InputError("A timestamp occurs twice.", code="repeated_timestamp", value=path)
        rows = labels.select("timestamp", "value").join(known, on="timestamp", how="left", maintain_order="left")
        places = tuple((subject, *place) for place in rows.select("timestamp", "segment_id").iter_rows())
        return [Series(subject, _numbers(rows, columns, path), _numbers(rows, ["value"], path), places)]

    return _read(folder / "metadata" / "partition.csv", one)


def read_humour(folder: Path, *, features: str) -> Partitions:
    """Windows of two seconds with one target each, whether there is humour in them.

    Args:
        folder: Holds ``metadata/partition.csv``, ``feature_segments/<features>/<id>/*.csv`` and
            ``label_segments/<id>/*.csv`` with the columns ``timestamp_start``, ``timestamp_end`` and ``segment_id``,
            and the label in the last column.
        features: Name of the features.

    Returns:
        A series a window; one without any features has a single row in which all are unknown.

    Raises:
        InputError: As `read_stress`.
    """

    def one(subject: str) -> list[Series]:
        source = folder / "feature_segments" / features / subject
        known = pl.concat([_table(path, ("timestamp", "segment_id")) for path in _files(source)])
        segments = {name[0]: part for name, part in known.group_by("segment_id", maintain_order=True)}
        columns = known.columns[_PLACES:]
        found = []
        for path in _files(folder / "label_segments" / subject):
            labels = _table(path, ("timestamp_start", "timestamp_end", "segment_id"))
            values = _numbers(labels, labels.columns[-1:], path)
            for row, value in zip(labels.iter_rows(named=True), values, strict=True):
                rows = segments.get(row["segment_id"], known.clear()).filter(
                    pl.col("timestamp") >= row["timestamp_start"], pl.col("timestamp") < row["timestamp_end"]
                )
                given = _numbers(rows, columns, source) if len(rows) else np.full((1, len(columns)), np.nan, np.float32)
                found.append(Series(subject, given, value, (tuple(row.values())[:-1],)))
        return found

    return _read(folder / "metadata" / "partition.csv", one)


def read_reaction(folder: Path, *, features: str) -> Partitions:
    """Clips with the intensities of seven reactions.

    Args:
        folder: Holds ``partition.csv``, ``labels.csv`` with the columns ``File_ID`` and `REACTIONS`, and
            ``feats/<features>/<id>.csv``, whose names lack the brackets around the ids.
        features: Name of the features.

    Raises:
        InputError: As `read_stress`.
    """
    path = folder / "labels.csv"
    table = _table(path, ("File_ID", *REACTIONS))
    values = dict(zip(table["File_ID"].cast(pl.String), _numbers(table, REACTIONS, path), strict=True))

    def one(clip: str) -> list[Series]:
        if clip not in values:
            raise InputError(f"There are no labels for {clip!r}.", code="missing_labels", value=path)
        source = folder / "feats" / features / f"{clip.strip('[]')}.csv"
        known = _table(source, ())
        return [Series(clip, _numbers(known, known.columns[_PLACES:], source), values[clip], ((clip,),))]

    return _read(folder / "partition.csv", one)


def write_submission(path: Path, series: Sequence[Series], outputs: Sequence[Array]) -> None:
    """Write outputs in the official form, a line a target.

    One target has the columns ``meta_col_0`` and so on and ``prediction``; seven are intensities of reactions and have
    the columns ``File_ID`` and `REACTIONS`.

    Args:
        path: The CSV file; its folder must exist.
        series: What was predicted, with places.
        outputs: An array a series, of the shape of its targets.

    Raises:
        UsageError: Outputs do not fit the series, or there is neither one target nor seven.
        RunError: The file cannot be written.
    """
    shapes = [output.shape for output in outputs]
    if not series or shapes != [each.targets.shape for each in series]:
        raise UsageError("There must be outputs in the shape of the targets.", code="shape_mismatch", value=shapes[:3])
    values = np.concatenate([output.reshape(-1, output.shape[-1]) for output in outputs])
    places = [place for each in series for place in each.places]
    names = {1: ("prediction",), len(REACTIONS): REACTIONS}.get(values.shape[1])
    if names is None or len(places) != len(values):
        raise UsageError(
            "A submission has one target or seven, and a place for each row.",
            code="bad_submission",
            value=f"{values.shape}, {len(places)} places",
        )
    heads = [f"meta_col_{i}" for i in range(len(places[0]))] if len(names) == 1 else ["File_ID"]
    told = pl.DataFrame(places, schema=heads, orient="row")
    write_bytes(path, told.hstack(pl.DataFrame(values, schema=list(names))).write_csv().encode())


def _read(path: Path, one: Callable[[str], list[Series]]) -> Partitions:
    """The series of every id in a partition file."""
    table = _table(path, ())
    partitions: Partitions = {name: [] for name in PARTITIONS}
    told: dict[str, str] = {}
    for row in table.iter_rows():
        name, partition = str(row[0]), str(row[-1])
        if partition not in PARTITIONS or told.setdefault(name, partition) != partition:
            raise InputError(
                f"{name!r} is in an unknown partition or in two.",
                code="bad_partition",
                value=partition,
                allowed=PARTITIONS,
            )
    for name, partition in told.items():
        partitions[partition] += one(name)
    return partitions


def _files(folder: Path) -> list[Path]:
    found = sorted(folder.glob("*.csv"))
    if not found:
        raise InputError(f"There are no CSV files in {folder}.", code="missing_file", value=folder)
    return found


def _table(path: Path, columns: Sequence[str]) -> pl.DataFrame:
    """A CSV file with at least these columns."""
    try:
        table = pl.read_csv(path, infer_schema_length=None, null_values=["", "nan", "NaN"])
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(f"{path} cannot be read: {error}.", code="unreadable_file", value=path) from error
    if absent := [column for column in columns if column not in table.columns]:
        raise InputError(
            f"{path} has no column {absent[0]!r}.", code="missing_column", value=absent[0], allowed=table.columns
        )
    return table


def _numbers(table: pl.DataFrame, columns: Sequence[str], path: Path) -> Array:
    """Some columns as ``(n, columns)``, NaN for empty cells."""
    if not columns:
        raise InputError(f"{path} has no features.", code="no_features", value=path)
    try:
        return np.asarray(table.select(pl.col(columns).cast(pl.Float32).fill_null(float("nan"))).to_numpy(), np.float32)
    except pl.exceptions.PolarsError as error:
        raise InputError(f"{path} holds something else than numbers.", code="not_a_number", value=path) from error
