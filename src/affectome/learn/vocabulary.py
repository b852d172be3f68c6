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
        InputError: The file is missing or not UTF-8, or a row lacks a label, a word or the gloss.
    """
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    except (OSError, ValueError, csv.Error) as reason:
        raise InputError(
            f"The vocabulary {path} cannot be read: {reason}.", code="bad_vocabulary", value=path
        ) from reason
    vocabulary = {}
    for number, row in enumerate(rows, 2):
        label, words, gloss = (row.get(column) or "" for column in ("label", "words", "gloss"))
        forms = (label, *(word.strip() for word in words.split(",")), gloss)
        if not all(form.strip() for form in forms):
            raise InputError(
                f"The vocabulary {path} cannot be read: line {number} lacks a label, a word or the gloss.",
                code="bad_vocabulary",
                value=path,
            )
        vocabulary[label] = forms
    return vocabulary


def forms_of(label: str, vocabulary: Vocabulary) -> tuple[str, ...]:
    """The forms of a label, or the label alone when the vocabulary does not hold it."""
    return tuple(vocabulary.get(label, (label,)))
