"""Words of recorded segments; the readers are stand-ins that say which rows they got."""

import numpy as np
import polars as pl
import pytest

from affectome.perceive import SpokenReaders


class Readers:
    """Tells what each row was read as."""

    def __call__(self, segments):
        return self._table(segments, "scored")

    def failed(self, segments, code):
        return self._table(segments, code)

    def _table(self, segments, status):
        reads = "voice" if "audio" in segments.columns else "text"
        return segments.select("id", "text", modality=pl.lit(reads), status=pl.lit(status))


class Transcriber:
    """Writes down how many samples it heard."""

    def __init__(self):
        self.calls = 0

    def __call__(self, samples):
        self.calls += 1
        assert samples.dtype == np.float32
        return f"{len(samples)} samples" if samples.any() else None


@pytest.fixture
def transcriber():
    return Transcriber()


@pytest.fixture
def readers(transcriber):
    return SpokenReaders(Readers(), transcriber)


def segments(*rows):
    names = ("id", "text", "error", "audio", "reads")
    kinds = (pl.String(), pl.String(), pl.String(), pl.Binary(), pl.String())
    return pl.DataFrame(rows, schema=dict(zip(names, kinds, strict=True)), orient="row")


LOUD, SILENT = np.full(5, 1000, "<i2").tobytes(), np.zeros(4, "<i2").tobytes()
MIXED = (
    ("a", None, "", LOUD, "voice"),
    ("a:text", None, "", LOUD, "text"),
    ("b", None, "", SILENT, "voice"),
    ("b:text", None, "", SILENT, "text"),
    ("c", None, "truncated", None, "voice"),
)


def test_words_are_written_down_once_and_read(readers, transcriber):
    assert readers(segments(*MIXED)).rows() == [
        ("a", "5 samples", "voice", "scored"),
        ("a:text", "5 samples", "text", "scored"),
        ("b", None, "voice", "scored"),
        ("b:text", None, "text", "scored"),
        ("c", None, "voice", "scored"),
    ]
    assert transcriber.calls == 2


def test_voices_alone(readers):
    assert readers(segments(*MIXED).filter(reads="voice").drop("reads"))["text"].to_list() == ["5 samples", None, None]


def test_words_alone(readers):
    found = readers(segments(*MIXED).filter(reads="text"))
    assert set(found["modality"]) == {"text"}
    assert found["text"].to_list() == ["5 samples", None]


def test_tables_of_other_kinds_pass(readers, transcriber):
    assert readers(segments(("a", "hello", "", None, None)).drop("audio", "reads"))["text"].to_list() == ["hello"]
    assert transcriber.calls == 0


def test_failed_rows_are_not_listened_to(readers, transcriber):
    found = readers.failed(segments(*MIXED), "model_error")
    assert found["id"].to_list() == [row[0] for row in MIXED]
    assert set(found["status"]) == {"model_error"}
    assert transcriber.calls == 0


def test_no_rows(readers):
    assert readers(segments()).height == 0
