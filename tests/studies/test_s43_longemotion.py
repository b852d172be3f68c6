"""The study on invented lists and scenes: the figures are recomputed, and what is planted is found."""

import gzip
import json

import numpy as np
import pytest

from affectome.studies import s43_longemotion as study


class _Reader:
    """Reads the valence that stands in a text."""

    class encoder:  # noqa: N801 - stands for an attribute
        @staticmethod
        def encode(texts):
            means = np.array([[float(text.split()[0]), 0, 0, 0, 0] for text in texts])
            return type("Encoded", (), {"means": means, "vectors": np.ones((len(texts), 3))})

        @staticmethod
        def vectors(texts):
            return np.array([["Ann" in text, True] for text in texts], np.float32)


def _write(path, entries):
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt", encoding="utf-8") as lines:
        lines.writelines(json.dumps(entry) + "\n" for entry in entries)


@pytest.fixture
def made(context, monkeypatch):
    pytest.importorskip("sklearn", reason="needs the train extra")
    pytest.importorskip("vaderSentiment", reason="needs the study extra")
    lists = [
        {
            "text": [{"index": 5 + j, "context": f"{0.9 if j == k % 7 else -0.1} day {j}"} for j in range(7)],
            "ground_truth": 5 + k % 7,
        }
        for k in range(20)
    ]
    _write(context.data / study.FOLDER / "Emotion_Detection.jsonl.gz", lists)
    scenes = [
        {"language": "en", "scenario": f"Ann lost her {thing} on the way home and cried.", "subject": "Ann"}
        for thing in ("ring", "hat", "dog", "ring")
    ]
    scenes[3] |= {"subject": "Bo"}
    _write(context.data / study.SCENES / "EU.jsonl.gz", scenes)
    turns = [{"speaker": "A", "utterance": f"word {k} " * 20, "emotion": "neutral"} for k in range(40)]
    (context.data / study.DIALOGUES).mkdir()
    (context.data / study.DIALOGUES / "dailydialog_test.json").write_text(json.dumps({"d": [turns]}))
    monkeypatch.setattr(study, "_reader", lambda context: _Reader())
    monkeypatch.setattr(study, "_base_vectors", lambda context, texts: _Reader.encoder.vectors(texts))
    return context


def test_published_figures_follow_from_their_parts():
    table, (claim,) = study._overall()
    assert claim.holds
    assert table.rows[0].role == "baseline"


def test_the_text_that_differs_is_found_by_who_reads(made):
    table, (claim,) = study._detection(made)
    rows = {row.predictor: row.values["accuracy"] for row in table.rows}
    assert rows["any text"] == pytest.approx(1 / 7)
    assert rows["valence, arousal and dominance of the text reader"].value == 1
    assert rows["vectors of the text reader"].value < 0.5
    assert claim.holds
    assert "valence, arousal" in claim.text


def test_scenes_are_found_in_long_texts(made):
    table, (claim,), notes = study._buried(made)
    assert table.rows[0].role == "baseline"
    assert table.rows[0].values[study._FOUND] < 0.2
    assert claim.holds
    assert "3 scenes" in table.title, "one is about somebody else"
    assert len(notes) == 2
