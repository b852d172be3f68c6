"""The shipped reader, loaded once, and tables of segments for it."""

import polars as pl
import pytest

from affectome.media import segments_schema
from affectome.models import default_model
from affectome.perceive import TextReader


@pytest.fixture(scope="session")
def bundle():
    return default_model("text-affect")


@pytest.fixture(scope="session")
def reader(bundle):
    return TextReader(bundle)


@pytest.fixture(scope="session")
def segments():
    """Makes a table of segments from texts and, if given, reading errors."""

    def make(texts, errors=None):
        n = len(texts)
        columns = {
            "id": [f"row{i}" for i in range(n)],
            "source": ["posts.csv"] * n,
            "start": [None] * n,
            "end": [None] * n,
            "speaker": ["Ada"] * n,
            "text": texts,
            "error": errors or [""] * n,
            "meta": [{"time": None, "group": f"g{i % 2}", "city": "Turku"} for i in range(n)],
        }
        return pl.DataFrame(columns, schema=segments_schema(["city"]))

    return make
