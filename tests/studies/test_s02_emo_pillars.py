"""Histories of turns and errors of votes by hand, and the whole study on made-up texts."""

import csv
import gzip
import json
from functools import partial

import numpy as np
import pytest

from affectome.affect import load_taxonomy
from affectome.studies import StudySettings, context_readers, run_study, soft_students
from affectome.studies import s02_emo_pillars as study
from affectome.studies.context_readers import history, pair
from affectome.studies.corpora import Turns
from affectome.studies.soft_students import vote_error

SEVEN, GOEMOTIONS = load_taxonomy("meld7").labels, load_taxonomy("goemotions28").labels
SEEN = {"1": "proud", "2": "lonely", "3": "grateful", "4": "terrified"}
WORDS = ("race", "calls", "soup", "dark")
VOTED = ("neutral", "joy", "sadness", "fear", "anger", "surprise", "disgust")
EMOTIONS = ("neutral", "joy", "sadness", "anger")


def test_a_pair_is_both_and_their_product():
    assert pair(np.array([[2.0, 3]]), np.array([[5.0, 7]])).tolist() == [[2, 3, 5, 7, 10, 21]]


def test_the_history_of_a_turn(monkeypatch):
    monkeypatch.setattr(context_readers, "_TURNS_BACK", 2)
    none = np.zeros((4, 7), int)
    turns = Turns(list("abcd"), ["Ann", "Bo", "Ann", "Ann"], np.array([1, 1, 1, 2]), np.zeros(4, int), none)
    found = history(turns, np.array([[1.0], [2], [3], [4]])).reshape(4, 3, 2)
    assert found[0].tolist() == [[0, 0]] * 3
    assert found[1].tolist() == [[1, -1], [0, 0], [0, 0]]  # Ann before Bo, who has not spoken
    assert found[2].tolist() == [[2, -1], [1, 1], [1, 1]]
    assert found[3].tolist() == [[0, 0]] * 3  # another dialogue


def test_the_error_against_one_rater_by_hand():
    truth = np.array([[0.6, 0.4], [0.2, 0.8], [0.6, 0.4]])
    sure = np.array([[1.0, 0], [0, 1], [1, 0]])
    # All three are in one bin with confidence 1, and on average two thirds of the raters agree.
    assert vote_error(truth=truth, probability=sure) == pytest.approx(1 - (0.6 + 0.8 + 0.6) / 3)
    assert vote_error(truth=truth, probability=truth) == pytest.approx(0)


def write_csv(path, header, rows, delimiter=","):
    with gzip.open(path, "wt", encoding="utf-8", newline="") as out:
        lines = csv.writer(out, delimiter=delimiter)
        lines.writerows([header, *rows] if header else rows)


def write_conversations(root):
    (root / "label_names.json").write_text(json.dumps({"situations (JointMatch ids 1-32)": SEEN}))
    for part, files, n in (("dev", "dialogues_valid", 12), ("test", "dialogues_test_nolabels", 6)):
        situations, talks = [], []
        for k in range(n):
            for label, word in zip(SEEN, WORDS, strict=True):
                situation = f"{part} {k} about the {word}"
                situations.append([label, situation])
                opening = f"It was {k}." if k % 2 else f"It was the {word}."
                talks.append([situation, f"{opening}Really?So it goes.Fine.", f"{opening}So it goes."])
        write_csv(root / f"situations_{part}.csv.gz", ["label", "content"], situations)
        write_csv(root / f"{files}.csv.gz", ["prompt", "utterance_data", "speaker_utterance"], talks)


@pytest.fixture(scope="module")
def toys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    for name in study.STUDY.data:
        (folder / name).mkdir()
    write_conversations(folder / study.SITUATIONS)
    (folder / study.MELD / "MELD").mkdir()
    for part, dialogues in (("train", 12), ("dev", 6), ("test", 8)):
        turns, said = [], []
        for number in range(dialogues):
            k = number % 4
            texts = (f"the {WORDS[k]} {number}", f"yes {number}", f"no {number}")  # later turns go on with the feeling
            turns += [[text, "AB"[i % 2], EMOTIONS[k], number, i] for i, text in enumerate(texts)]
            votes = "".join(str(3 if name == EMOTIONS[k] else 2 if name == "fear" else 0) for name in VOTED)
            said.append([{"speaker": "A", "utterance": text, "annotation": votes} for text in texts])
        header = ["Utterance", "Speaker", "Emotion", "Dialogue_ID", "Utterance_ID"]
        write_csv(folder / study.MELD / "MELD" / f"{part}_sent_emo.csv.gz", header, turns)
        content = gzip.compress(json.dumps(said).encode())
        (folder / study.FRIENDS / f"friends_{part}.json.gz").write_bytes(content)
        comments = [[f"the {WORDS[k % 4]} {k}", GOEMOTIONS.index(EMOTIONS[k % 4]), f"{part}{k}"] for k in range(40)]
        comments += [[f"something {k}", k, f"x{k}"] for k in range(len(GOEMOTIONS))]
        write_csv(folder / study.GOEMOTIONS / f"{part}.tsv.gz", None, comments, "\t")
    (folder / study.GOEMOTIONS / "emotions.txt").write_text("\n".join(GOEMOTIONS))
    return folder


def fake_features(self, texts):
    return np.array([[word in text for word in WORDS] for text in texts], np.float32)


def fake_vectors(texts, base, *, threads):
    return fake_features(None, texts)


def fake_probabilities(self, texts):
    columns = [self.labels.index(emotion) for emotion in EMOTIONS]
    given = np.full((len(texts), len(self.labels)), 0.01, np.float32)
    given[:, columns] += 0.6 * fake_features(None, texts)
    return given


@pytest.mark.train
def test_the_whole_study_on_toys(toys, tmp_path, monkeypatch):
    monkeypatch.setattr("affectome.learn.features.AffectFeatures.transform", fake_features)
    monkeypatch.setattr("affectome.learn.base_vectors.base_vectors", fake_vectors)
    monkeypatch.setattr("affectome.perceive.TextReader.probabilities", fake_probabilities)
    monkeypatch.setattr(context_readers, "near_duplicates", lambda texts: np.arange(len(texts)))
    for module in (context_readers, soft_students):
        monkeypatch.setattr(module, "measure", partial(module.measure, resamples=10))
    for name in ("bootstrap", "claim_difference"):
        monkeypatch.setattr(soft_students, name, partial(getattr(soft_students, name), resamples=10))
    monkeypatch.setattr(context_readers, "claim_difference", partial(context_readers.claim_difference, resamples=10))
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "model.safetensors").write_bytes(b"")
    result = run_study(study.STUDY, StudySettings(toys, tmp_path, base=tmp_path / "base", threads=1))
    first, later, *_, shown, masked, votes, feelings = result.outcome.tables
    accuracy = {row.predictor: row.values["accuracy"].value for row in first.rows}
    # Every other first turn tells nothing; the situation always does.
    assert accuracy["turn alone"] == pytest.approx((1 + 1 / 4) / 2)
    assert accuracy["turn and context"] == accuracy["context alone"] == 1
    assert accuracy["turn and context of another conversation"] < 0.8
    assert [row.role for row in later.rows] == ["baseline", "baseline", "result", "control", "result"]
    turns = {row.predictor: row.values["accuracy"].value for row in shown.rows}
    assert turns["turn and those before it"] == 1 > turns["turn alone"]
    errors = {row.predictor: row.values["ECE, one rater"].value for row in votes.rows}
    assert errors["soft labels"] < 0.05 < errors["hard labels"]
    assert [row.role for row in feelings.rows] == ["baseline", "result", "control", "result", "result", "result"]
    taught = {row.predictor: row.values["micro F1"].value for row in feelings.rows}
    assert taught["base encoder, human labels"] > taught["base encoder, shuffled human labels"]
    assert [entry["name"] for entry in result.vaults] == [
        "test conversations",
        "MELD test",
        "EmotionLines test",
        "GoEmotions test",
    ]
    assert len(result.outcome.claims) == 2 + 1 + 1 + 3
    assert masked.title != shown.title
    assert result.data.keys() == set(study.STUDY.data)
