"""A toy study with its data."""

from pathlib import Path

import pytest

from affectome.evaluate import Interval
from affectome.studies import Claim, Context, Outcome, Row, Study, StudySettings, Table

INTERVAL = Interval(0.5, 0.4, 0.6, 0.95, 100, 0, 3)


def _outcome():
    rows = [Row("majority", "baseline", {"accuracy": 0.25}), Row("reader", "result", {"accuracy": INTERVAL, "n": 7})]
    return Outcome(
        [Table("Toys", ("accuracy", "n"), rows)], [Claim("accuracy", 0.5, 0.4, ">=", INTERVAL)], ["Two toys left out."]
    )


def _toy(run=None, **changes):
    """A study; by default it reads one file and finds `_outcome`."""

    def default(context: Context) -> Outcome:
        context.note((context.folder("toys") / "toys.csv").read_text())
        return _outcome()

    given = {"number": 13, "id": "toy", "title": "Toy", "paper": "none", "data": ("toys",), "extras": ()}
    return Study(**(given | {"run": run or default} | changes))


@pytest.fixture
def outcome():
    """What the toy study finds."""
    return _outcome()


@pytest.fixture
def toy():
    """Makes a study."""
    return _toy


@pytest.fixture
def data(tmp_path) -> Path:
    folder = tmp_path / "data"
    (folder / "toys").mkdir(parents=True)
    (folder / "toys" / "toys.csv").write_text("a toy")
    return folder


@pytest.fixture
def settings(data, tmp_path):
    return StudySettings(data, tmp_path / "out", seed=3, threads=1)


@pytest.fixture
def context(data, tmp_path):
    return Context(data=data, seed=3, threads=1, base=None, work=tmp_path, quick=False)
