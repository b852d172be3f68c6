"""Annotations that every format can hold."""

import polars as pl
import pytest

from affectome.media.annotations import ANNOTATION_SCHEMA

_ROWS = [
    ("u1", "talk one.wav", 0.5, 2.25, "voice", "emotion", "Anna", "joy", 0.83),
    ("u1", "talk one.wav", 0.5, 2.25, "voice", "valence", "Anna", None, -0.3),
    ("u1", "talk one.wav", 0.5, 2.25, None, "text", "Anna", 'He said "hi" & <b>never --> again</b>', None),
    ("u2", "talk one.wav", 2.0, 3.125, "voice", "emotion", "Ben @ home", "fear", 0.25),
    ("u2", "talk one.wav", 2.0, 3.125, "face", "emotion", "Ben @ home", "surprise", 1.0),
    ("u3", "talk one.wav", 3661.0, 3662.5, None, "my mood, 2.0", None, "so-so ö 😀", None),
]


@pytest.fixture
def annotations():
    """Rows of several tiers, modalities and speakers, with what has to be escaped in one format or another."""
    return pl.DataFrame(_ROWS, schema=ANNOTATION_SCHEMA, orient="row")


@pytest.fixture
def comparable():
    """A table as a set of rows without the columns that a format has no place for."""

    def compare(table, *lost):
        kept = [name for name in ANNOTATION_SCHEMA if name not in lost]
        return sorted(map(repr, table.select(kept).iter_rows()))

    return compare
