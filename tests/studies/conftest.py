"""A toy study with its data, and toy faces with networks that are trained on them in no time."""

import io
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from affectome.affect import load_taxonomy
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


@pytest.fixture
def made_faces(monkeypatch):
    """Writes FER+ with faces of noise in its layout, and lets studies train tiny networks for two steps."""
    image = pytest.importorskip("PIL.Image")
    from affectome.studies import face_students

    def write(data: Path) -> None:
        labels = load_taxonomy("ferplus8").labels
        rng = np.random.default_rng(0)
        images, votes = [], []
        for i in range(96):
            content = io.BytesIO()
            image.fromarray(rng.integers(0, 256, (48, 48), np.uint8)).save(content, "WEBP", lossless=True)
            split = ("train", "train", "valid", "test")[i // 24]
            images.append({"image": f"{i}.png", "webp": content.getvalue(), "split": split, "fer2013_label": "happy"})
            given = dict.fromkeys((*labels, "unknown", "NF"), 0)
            given[labels[i % 8]], given[labels[(i + 3) % 8]] = 7, 3
            votes.append({"image": f"{i}.png", **given})
        folder = data / "fer2013plus"
        folder.mkdir(parents=True)
        pl.DataFrame(images).write_parquet(folder / "images.parquet")
        pl.DataFrame(votes).write_csv(folder / "labels.csv")
        recipe = face_students._RECIPE.read_text()
        for old, new in (
            ("stem = 8", "stem = 4"),
            ("widths = [16, 32, 64]", "widths = [8]"),
            ("blocks = [1, 1, 1]", "blocks = [1]"),
            ("batch = 64", "batch = 16"),
            ("steps = 1000", "steps = 2"),
        ):
            assert old in recipe
            recipe = recipe.replace(old, new)
        tiny = data / "tiny.toml"
        tiny.write_text(recipe)
        monkeypatch.setattr(face_students, "_RECIPE", tiny)

    return write
