"""A toy study with its data, and toy faces with networks that are trained on them in no time."""

import gzip
import io
import wave
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


@pytest.fixture(scope="session")
def made_voices(tmp_path_factory) -> Path:
    """Tones in the layout of RAVDESS, EMO-DB and EmoGator, and votes on clips of CREMA-D that do not exist.

    A feeling is a pitch; a strong one is louder and longer. No speaker is in two parts.
    """
    root = tmp_path_factory.mktemp("voices")
    words = load_taxonomy("ravdess8").labels
    rows = []
    for actor, split in enumerate(("train", "train", "train", "dev", "dev", "test", "test"), 1):
        for k, word in enumerate(words):
            for grade in ("normal",) if word == "neutral" else ("normal", "strong"):
                name = f"03-01-{k + 1:02d}-{'01' if grade == 'normal' else '02'}-01-01-{actor:02d}.wav"
                rows.append((name, f"{actor:02d}", word, grade, split))
    _write_tones(root / "ravdess_speech", rows, words)
    words = load_taxonomy("emodb7").labels
    rows = [
        (f"{who}{k}.wav", who, word, "", "") for who in ("03", "08", "09", "10", "13") for k, word in enumerate(words)
    ]
    _write_tones(root / "emodb", rows, words)
    words = ("anger", "awe", "relief")
    parts = {"000001": "train", "000002": "train", "000003": "dev", "000004": "test", "000005": "test"}
    rows = [(f"{who}-{k}.wav", who, word, "", split) for who, split in parts.items() for k, word in enumerate(words)]
    _write_tones(root / "emogator", rows, words)
    votes = ["fileName,modality,actor,actor_sex,intended,intended_level,A,D,F,H,N,S"]
    for k, letter in enumerate("ADFHNS"):
        for level in ("XX",) if letter == "N" else ("LO", "MD", "HI"):
            for actor, sex in ((1001, "Male"), (1002, "Female")):
                given = [1] * 6
                given[k] += 4 if level == "HI" else 2
                given[(k + 1) % 6] += actor % 2
                counts = ",".join(map(str, given))
                votes.append(f"{actor}_{letter}_{level},voice,{actor},{sex},{letter},{level},{counts}")
    folder = root / "crema_d_votes"
    folder.mkdir()
    (folder / "votes.csv.gz").write_bytes(gzip.compress("\n".join(votes).encode()))
    return root


def _write_tones(folder: Path, rows: list[tuple[str, str, str, str, str]], words) -> None:
    folder.mkdir()
    with (folder / "labels.csv").open("w") as table:
        table.write("file,speaker,emotion,intensity,split\n")
        for name, speaker, word, grade, split in rows:
            strong = grade == "strong"
            n = int(16_000 * (0.4 if strong else 0.3))
            hertz = 150 * (1 + tuple(words).index(word)) + int(speaker)
            tone = (12_000 if strong else 6_000) * np.sin(2 * np.pi * hertz * np.arange(n) / 16_000)
            with wave.open(str(folder / name), "wb") as sound:
                sound.setnchannels(1)
                sound.setsampwidth(2)
                sound.setframerate(16_000)
                sound.writeframes(tone.astype("<i2").tobytes())
            table.write(f"{name},{speaker},{word},{grade},{split}\n")
