"""Tables whose texts carry a known label: what the column holds, and its labels or numbers as arrays."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import polars as pl

from affectome.errors import InputError
from affectome.evaluate.inputs import Codes, Floats
from affectome.media import read_segments

LabelKind = Literal["choice", "presence", "measure"]

_NOT_A_NUMBER = frozenset({"nan", "null", "none", "na", "n/a", "?", "-"})
_MOST_UNKNOWN = 0.1  # share of labelled rows whose labels a reader may not know


@dataclass(frozen=True, eq=False)
class LabelledTable:
    """Texts with what a person said about each.

    Attributes:
        name: Name of the file or folder.
        label: Name of the label column.
        segments: One row a text, as `affectome.media.read_segments` gives them.
        cells: ``n`` labels as written, without white space at the ends; None where the cell is empty.
        speakers: ``n`` speakers or authors, None where not known; intervals and splits keep their texts together.
        groups: ``n`` groups to compare, None where not known.
        columns: Column of the table by what it served as.
        problems: What could not be read, in words.
        fingerprint: SHA-256 over names and contents of the files and the columns read.
    """

    name: str
    label: str
    segments: pl.DataFrame
    cells: tuple[str | None, ...]
    speakers: tuple[str | None, ...]
    groups: tuple[str | None, ...]
    columns: dict[str, str]
    problems: tuple[str, ...]
    fingerprint: str

    def units(self) -> Codes | None:
        """``(n,)`` numbers of the speakers, a row without one on its own; None if no speaker is known."""
        if not any(self.speakers):
            return None
        names = [f"s{name}" if name else f"r{row}" for row, name in enumerate(self.speakers)]
        return np.asarray(np.unique(names, return_inverse=True)[1])


def read_labelled(
    data: str | Path,
    *,
    label: str,
    text_column: str | None = None,
    speaker_column: str | None = None,
    group_column: str | None = None,
) -> LabelledTable:
    """Read a labelled table; columns that are not named are found by their usual names.

    Args:
        data: A CSV, TSV, JSONL or Parquet file, or a folder of them.
        label: Column with the label.
        text_column: Column with the text.
        speaker_column: Column with who wrote or spoke.
        group_column: Column with a group to compare.

    Raises:
        InputError: The table or a column is missing or not clear, or no row has a label.
    """
    source = read_segments(
        [data], text_column=text_column, speaker_column=speaker_column, group_column=group_column, keep=(label,)
    )
    segments = pl.concat(list(source.shards()))
    meta = segments["meta"].struct
    cells = tuple(cell.strip() or None if cell else None for cell in meta.field(label))
    if not any(cells):
        raise InputError(
            f"No row has a label in the column {label!r}.",
            code="no_labels",
            value=label,
            next_step="Name the column with the labels.",
        )
    columns = source.entries[0].columns
    used = {"text": columns.text, "speaker": columns.speaker, "group": columns.group, "label": label}
    return LabelledTable(
        name=Path(data).name,
        label=label,
        segments=segments,
        cells=cells,
        speakers=tuple(segments["speaker"]),
        groups=tuple(meta.field("group")),
        columns={role: column for role, column in used.items() if column},
        problems=tuple(problem.message for problem in source.problems),
        fingerprint=source.fingerprint,
    )


def label_kind(cells: Sequence[str | None]) -> LabelKind:
    """What a column holds: numbers, several labels with commas between them, or one label a row.

    A column of two different values, such as 0 and 1, holds labels.
    """
    known = [cell for cell in cells if cell and cell.casefold() not in _NOT_A_NUMBER]
    if known and all(_number(cell) is not None for cell in known) and len({_number(cell) for cell in known}) > 2:
        return "measure"
    return "presence" if any("," in cell for cell in cells if cell) else "choice"


def cell_labels(cell: str | None, kind: LabelKind) -> tuple[str, ...]:
    """The labels in a cell, which for ``presence`` have commas between them."""
    parts = (cell or "").split(",") if kind == "presence" else (cell or "",)
    return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))


def numbers(cells: Sequence[str | None], label: str) -> Floats:
    """``(n,)`` numbers of a column, NaN where there is none.

    Raises:
        InputError: A cell holds something else.
    """
    values = np.full(len(cells), np.nan)
    for row, cell in enumerate(cells):
        if cell is None or cell.casefold() in _NOT_A_NUMBER:
            continue
        value = _number(cell)
        if value is None:
            raise InputError(
                f"Row {row} of the column {label!r} holds {cell!r}, which is no number.",
                code="not_a_number",
                value=cell,
                next_step="Correct it, or say that the column holds labels with --kind.",
            )
        values[row] = value
    return values


def _number(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


class Truth(NamedTuple):
    """Labels of a table in the vocabulary of a reader.

    Attributes:
        values: ``(n, k)`` 1 where the label is given and 0 where not, NaN rows where the row has no label or one that
            is not known.
        unlabelled: Rows without a label.
        unknown: Labels outside the vocabulary with the number of their rows.
    """

    values: Floats
    unlabelled: int
    unknown: dict[str, int]


def presence_of(cells: Sequence[str | None], labels: Sequence[str], kind: LabelKind) -> Truth:
    """Find the labels of a table in a vocabulary; upper and lower case do not matter.

    Args:
        cells: ``n`` cells.
        labels: k labels of the vocabulary.
        kind: ``choice`` for one label a cell, ``presence`` for several.

    Raises:
        InputError: More than a tenth of the labelled rows have a label that the vocabulary does not hold.
    """
    position = {label.casefold(): k for k, label in enumerate(labels)}
    values = np.full((len(cells), len(labels)), np.nan)
    unknown: Counter[str] = Counter()
    rows = 0
    for row, cell in enumerate(cells):
        given = cell_labels(cell, kind)
        strange = [label for label in given if label.casefold() not in position]
        unknown.update(strange)
        rows += bool(strange)
        if given and not strange:
            values[row] = 0
            values[row, [position[label.casefold()] for label in given]] = 1
    labelled = sum(cell is not None for cell in cells)
    if rows > _MOST_UNKNOWN * labelled:
        name, count = unknown.most_common(1)[0]
        raise InputError(
            f"{rows:,} of {labelled:,} labelled rows have labels that the reader's vocabulary does not hold, the most "
            f"frequent one {name!r} ({count:,}).",
            code="unknown_label",
            value=name,
            allowed=labels,
            next_step="Choose the vocabulary of the data with --taxonomy or --labels.",
        )
    return Truth(values, len(cells) - labelled, dict(unknown.most_common()))
