"""Invented estimates of any size, shaped like those of the text reader."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from affectome.perceive.estimates import estimates_schema
from affectome.report.tables import EstimatesTable, open_estimates

# Typical valence and arousal, relative frequency and two texts for each label.
EMOTIONS = {
    row["label"]: row
    for row in pl.read_csv(Path(__file__).parent / "invented.tsv", separator="\t", quote_char=None).iter_rows(
        named=True
    )
}
LABELS = tuple(EMOTIONS)


def _invent(
    rows: int,
    *,
    seed: int = 0,
    labels: tuple[str, ...] = LABELS,
    exclusive: bool = False,
    days: float | None = 120,
    groups: tuple[str, ...] = (),
    speakers: tuple[str, ...] = (),
    unscored: float = 0.04,
    toxicity: bool = True,
) -> pl.DataFrame:
    """Estimates for invented texts: emotions drift over time and differ by group."""
    generator = np.random.default_rng(seed)
    unknown = {"valence": 0.0, "arousal": 0.0, "frequency": 1.0, "first": "A first text.", "second": "A second text."}
    known = [EMOTIONS.get(label, unknown) for label in labels]
    centres = {name: np.array([entry[name] for entry in known]) for name in ("valence", "arousal")}
    where = generator.random(rows) * (days or 0)
    group = generator.integers(0, max(len(groups), 1), rows)
    drift = 0.8 * np.sin(where / (days or 1) * 5) + 0.5 * (group - (len(groups) - 1) / 2) / max(len(groups), 1)
    logits = np.log([entry["frequency"] for entry in known]) + drift[:, None] * centres["valence"]
    meant = (logits + generator.gumbel(size=(rows, len(labels)))).argmax(axis=1)
    sharp = generator.beta(2.2, 1.4, rows)
    profile = generator.dirichlet(np.full(len(labels), 0.25), rows) * (1 - sharp)[:, None]
    profile[np.arange(rows), meant] += sharp
    top = profile.argmax(axis=1)
    shares = profile / profile.sum(axis=1, keepdims=True)
    if not exclusive:
        profile = np.clip(profile * 1.15, 0, 0.99)
    values = {}
    for name, centre in centres.items():
        values[name] = np.clip(shares @ centre + generator.normal(0, 0.1, rows), -1, 1)
        values[f"{name}_sd"] = generator.gamma(8, 0.022, rows)
    values["dominance"] = values["valence"] * 0.4
    values["dominance_sd"] = values["valence_sd"]
    texts = np.array([[entry["first"], entry["second"]] for entry in known])[top, generator.integers(0, 2, rows)]
    state = generator.random(rows) / unscored if unscored else np.ones(rows)
    codes = np.where(state < 0.5, "not_english", np.where(state < 0.8, "too_short", "too_long"))
    is_scored = state >= 1
    nothing = pl.lit(None)
    moment = pl.lit(datetime(2024, 2, 1)) + pl.duration(microseconds=pl.lit(pl.Series(where * 86_400e6).cast(pl.Int64)))
    frame = pl.DataFrame(
        {
            "id": [f"posts.csv#{row}" for row in range(rows)],
            "speaker": [speakers[row % len(speakers)] if speakers else None for row in range(rows)],
            "text": texts,
            "status": np.where(is_scored, "scored", np.where(codes == "too_long", "failed", "abstained")),
            "error": np.where(is_scored, "", codes),
            "emotion": pl.DataFrame(dict(zip(labels, profile.T, strict=True))).to_struct(),
            "top": np.array(labels)[top],
            "confidence": profile.max(axis=1),
            "entropy": -(shares * np.log(np.maximum(shares, 1e-12))).sum(axis=1),
            **values,
            "toxicity": generator.beta(0.6, 6, rows),
            "group": [groups[k] if groups else None for k in group],
            "turn": [str(row + 1) for row in range(rows)],
        }
    ).with_columns(
        pl.lit("posts.csv").alias("source"),
        nothing.alias("start"),
        nothing.alias("end"),
        pl.lit("text").alias("modality"),
        pl.lit("text-en@0.1.0").alias("model"),
        pl.lit("goemotions28").alias("taxonomy"),
        pl.struct(sentiment="valence", toxicity="toxicity" if toxicity else nothing).alias("tone"),
        pl.struct((moment if days else nothing).alias("time"), "group", "turn").alias("meta"),
    )
    meta = pl.Struct({"time": pl.Datetime("us"), "group": pl.String, "turn": pl.String})
    measured = ("top", "confidence", "entropy", *values, "tone", "emotion")
    schema = estimates_schema(labels, meta)
    return frame.select(
        pl.when(pl.col("status") == "scored").then(pl.col(name)).alias(name) if name in measured else name
        for name in schema
    ).cast(dict(schema))


def _store(frame: pl.DataFrame, path: Path) -> Path:
    """Write estimates in the format of the file's suffix, as the runner does."""
    if path.suffix == ".parquet":
        frame.write_parquet(path)
    elif path.suffix == ".jsonl":
        frame.write_ndjson(path)
    else:
        structs = [name for name, dtype in frame.schema.items() if isinstance(dtype, pl.Struct)]
        frame.select(
            pl.exclude(structs),
            *(
                pl.col(name).struct.field(field).alias(f"{name}.{field}")
                for name in structs
                for field in frame[name].struct.fields
            ),
        ).write_csv(path)
    return path


@pytest.fixture(scope="session")
def invent() -> Callable[..., pl.DataFrame]:
    """Invented estimates: the number of rows, and options of `_invent`."""
    return _invent


@pytest.fixture(scope="session")
def store() -> Callable[[pl.DataFrame, Path], Path]:
    """Writes estimates to a file in the format of its suffix."""
    return _store


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[[pl.DataFrame], EstimatesTable]]:
    """Opens estimates as the report does."""
    with ExitStack() as stack:
        yield lambda frame: stack.enter_context(open_estimates(_store(frame, tmp_path / "estimates.parquet")))


@pytest.fixture(scope="session")
def run_info() -> dict[str, Any]:
    """What a caller tells about a run, complete."""
    return {
        "inputs": ["data/posts.csv"],
        "columns": {"text": "body", "time": "created_at", "group": "party"},
        "problems": [{"path": "notes/old.bin", "code": "binary_file", "message": "The file holds binary data."}],
        "started": "2025-03-04T10:20:30+00:00",
        "seconds": 12.5,
        "model": "text-en@0.1.0",
        "taxonomy": "goemotions28",
        "exclusive": False,
        "command": "affectome analyze posts.csv --out results --report",
        "affectome": "0.1.0",
        "thresholds": {"grief": 0.2},
    }


@pytest.fixture(scope="session")
def card() -> dict[str, Any]:
    """A model card."""
    return {
        "id": "text-en",
        "version": "0.1.0",
        "title": "English text reader",
        "licence": "Apache-2.0",
        "commercial": True,
        "languages": ["en"],
        "intended_use": "Aggregate description of affect in short English texts.",
        "limits": ["Irony is often missed.", "Not validated for clinical use."],
        "commercial_note": "",
        "released": "2025-03-01",
        "base_model": {"name": "all-MiniLM-L6-v2", "licence": "Apache-2.0", "sha256": "0" * 64},
        "training_data": [
            {"name": "GoEmotions", "licence": "Apache-2.0", "commercial": "yes", "use": "28 emotions", "rows": 43410},
            {"name": "EmoBank", "licence": "CC-BY-SA-4.0", "commercial": "yes", "use": "dimensions", "rows": 8062},
        ],
        "metrics": [
            {
                "set": "GoEmotions test",
                "metric": "macro-F1",
                "value": 0.561,
                "low": 0.545,
                "high": 0.578,
                "n": 5427,
                "command": "affectome evaluate goemotions",
                "note": "",
            },
            {
                "set": "EmoBank test",
                "metric": "Pearson r of valence",
                "value": 0.78,
                "low": 0.76,
                "high": 0.8,
                "n": 1000,
                "command": "affectome evaluate emobank",
                "note": "readers' perspective",
            },
        ],
    }


FACES = ("neutral", "happiness", "surprise", "anger")
UNITS = ("AU01", "AU04", "AU06", "AU12", "AU26")
MOVING = {"happiness": ("AU06", "AU12"), "surprise": ("AU01", "AU26"), "anger": ("AU04",)}
_PLACES = ("x", "y", "size", "yaw", "pitch", "roll", "gaze_yaw", "gaze_pitch", "right_eye", "left_eye", "mouth")
_LOOK = ("brightness", "contrast", "colourfulness", "saturation", "hue", "warmth", "edge_density")


def _invent_faces(pictures: int, *, seed: int = 0, folders: tuple[str, ...] = (), looks: bool = True) -> pl.DataFrame:
    """Estimates for invented pictures: every fifth has no face, every seventh cannot be read, every third has two."""
    generator = np.random.default_rng(seed)
    number = pl.Float32()
    base = estimates_schema(FACES, pl.Struct({"time": pl.Datetime("us"), "group": pl.String()}))
    structs = {"au": UNITS, "face": _PLACES, "look": _LOOK}
    schema = pl.Schema({**base, **{name: pl.Struct(dict.fromkeys(each, number)) for name, each in structs.items()}})
    rows: list[dict[str, Any]] = []
    for k in range(pictures):
        folder = folders[k % len(folders)] if folders else None
        source = f"{folder}/{k}.jpg" if folder else f"{k}.jpg"
        about = dict.fromkeys(schema) | {
            "id": source,
            "source": source,
            "modality": "face",
            "status": "scored",
            "error": "",
            "taxonomy": "custom",
            "meta": {"time": None, "group": folder},
        }
        unread = {"status": "failed", "error": "truncated"} if k % 7 == 6 else {}
        found = 0 if k % 5 == 4 else 2 if k % 3 == 2 else 1
        if unread or not found:
            rows.append(about | {"id": f"{source}#0"} | (unread or {"status": "abstained", "error": "no_face"}))
        for n in range(0 if unread else found):
            p = generator.dirichlet(np.full(len(FACES), 0.5))
            top = FACES[int(p.argmax())]
            strengths = generator.uniform(0, 0.15, len(UNITS)) + 0.6 * np.isin(UNITS, MOVING.get(top, ()))
            measured = dict.fromkeys(("valence_sd", "arousal_sd", "dominance", "dominance_sd"), 0.2)
            place = dict.fromkeys(_PLACES, 0.3) | {"x": 400.0 + 800 * n, "y": 300.0, "size": 200.0}
            turns = {name: generator.normal(0, 20) for name in ("yaw", "pitch", "roll", "gaze_yaw", "gaze_pitch")}
            rows.append(
                about
                | measured
                | {
                    "id": f"{source}#{n}",
                    "emotion": dict(zip(FACES, p, strict=True)),
                    "top": top,
                    "confidence": p.max(),
                    "entropy": -(p * np.log(np.maximum(p, 1e-12))).sum(),
                    "valence": p[1] - p[3],
                    "arousal": p[2] + p[3] - 0.5,
                    "au": dict(zip(UNITS, strengths, strict=True)),
                    "face": place | turns,
                }
            )
        if looks:
            look = dict.fromkeys(_LOOK, 0.3) | {"brightness": (k % 10) / 10, "hue": None if k % 4 else 30.0 * (k % 3)}
            rows.append(about | {"modality": "image"} | (unread or {"look": look}))
    return pl.DataFrame(rows, schema=schema, strict=False)


@pytest.fixture(scope="session")
def invent_faces() -> Callable[..., pl.DataFrame]:
    """Invented estimates of pictures: their number, and options of `_invent_faces`."""
    return _invent_faces
