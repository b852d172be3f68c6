"""The forms in which a label word is shown to the encoder."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from affectome.errors import InputError

Vocabulary = Mapping[str, Sequence[str]]


def load_vocabulary(path: Path) -> dict[str, tuple[str, ...]]:
    """Read words and glosses of labels from a tab-separated file with the columns ``label, words, gloss``.

    Args:
        path: The file; ``words`` are separated by commas.

    Returns:
        For each label its forms: the label itself, its words, its gloss.

    Raises:
        InputError: The file is missing or lacks a column.
    """
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
        return {
            row["label"]: (row["label"], *(word.strip() for word in row["words"].split(",")), row["gloss"])
            for row in rows
        }
    except (OSError, KeyError) as reason:
        raise InputError(
            f"The vocabulary {path} cannot be read: {reason}.", code="bad_vocabulary", value=path
        ) from reason


def forms_of(label: str, vocabulary: Vocabulary) -> tuple[str, ...]:
    """The forms of a label, or the label alone when the vocabulary does not hold it."""
    return tuple(vocabulary.get(label, (label,)))
