"""Candidates and their promise, and the whole study on made-up situations."""

import csv
import gzip
import json
import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from affectome.affect import load_taxonomy
from affectome.studies import StudySettings, run_study
from affectome.studies import s06_hef as study
from affectome.studies.corpora import load_situations

LABELS = load_taxonomy("ed32").labels
SEEN = {"1": "proud", "2": "lonely", "3": "grateful", "4": "terrified"}
STORIES = {
    "1": "my {} finished the long race first and the whole street cheered",
    "2": "the evenings are long since my {} moved away and nobody calls",
    "3": "the {} brought us soup every single day while I was ill",
    "4": "a stranger followed my {} through the dark tunnel and I could not move",
}
WHO = ("brother", "sister", "uncle", "aunt", "teacher", "neighbour", "cousin", "friend", "father", "mother")


def write_csv(path, header, rows):
    with gzip.open(path, "wt", encoding="utf-8", newline="") as out:
        csv.writer(out).writerows([header, *rows])


@pytest.fixture(scope="module")
def toys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    root = folder / study.SITUATIONS
    root.mkdir()
    (root / "label_names.json").write_text(json.dumps({"situations (JointMatch ids 1-32)": SEEN}))
    dev = [(label, story.format(f"old {who}")) for who in WHO for label, story in STORIES.items()]
    test = [(label, f"Last week {story.format(who)}.") for who in WHO[:5] for label, story in STORIES.items()]
    write_csv(root / "situations_dev.csv.gz", ["label", "content"], [*dev, test[0]])
    write_csv(root / "situations_test.csv.gz", ["label", "content"], test)
    talks = [(text, f"Well. {text}. Oh! Yes.", f"Well. {text}. Yes.") for _, text in dev[::2]]
    write_csv(root / "dialogues_valid.csv.gz", ["prompt", "utterance_data", "speaker_utterance"], talks)
    return folder


def fake_vectors(texts, base, *, threads):
    words = ("race", "calls", "soup", "dark")
    return np.array([[word in text for word in words] + [len(text) / 100] for text in texts], np.float32)


def fake_features(self, texts):
    return np.hstack([fake_vectors(texts, None, threads=1), np.ones((len(texts), 1), np.float32)])


@pytest.fixture
def toy_context(context, toys):
    context.data = toys
    return context


def test_what_trains_and_what_does_not(toy_context, monkeypatch):
    monkeypatch.setattr(study, "near_duplicates", lambda texts: np.unique(texts, return_inverse=True)[1])
    corpus = study._load(toy_context)
    assert corpus.dropped == 1
    assert (len(corpus.train), len(corpus.test)) == (40, 20)
    assert not set(corpus.train) & set(corpus.test)
    assert corpus.talk[0] == f"Well. {corpus.texts[0]}. Yes."
    assert not any(corpus.talk[i] for i in corpus.test)
    masked = corpus.masked()
    assert masked.labels is corpus.labels
    assert len(masked.texts) == len(corpus.texts)


def test_candidate_sets_by_hand(toy_context, monkeypatch):
    monkeypatch.setattr(study, "_ERRORS", (0.2,))
    k = len(LABELS)
    corpus = study._Corpus([], [], np.zeros(9, int), np.arange(9), np.arange(9), np.arange(0), 0)
    dev = np.full((9, k), 0.0)
    dev[:, 0] = np.arange(1, 10) / 10
    dev[:, 1] = 1 - dev[:, 0]
    # With nine development rows and an error of .2 the limit is the second lowest probability of the truth, .2.
    outputs = {study._BLEND: np.eye(k)[[0, 1]] * 0.15 + np.eye(k)[[1, 0]] * 0.85, study._PRIOR: np.full((2, k), 1 / k)}
    table, (claim,) = study._candidates(toy_context, corpus, np.zeros(2, int), outputs, dev)
    blend = table.rows[1].values
    assert blend["coverage"].value == 0.5
    assert blend["labels"].value == 1
    assert claim.value == pytest.approx(0.3)
    assert not claim.holds
    assert table.rows[0].values["labels"].value == k


@pytest.mark.train
def test_the_whole_study_on_toys(toys, tmp_path, monkeypatch):
    monkeypatch.setattr(study, "near_duplicates", lambda texts: np.unique(texts, return_inverse=True)[1])
    monkeypatch.setattr("affectome.learn.features.AffectFeatures.transform", fake_features)
    monkeypatch.setattr("affectome.learn.base_vectors.base_vectors", fake_vectors)
    monkeypatch.setattr("affectome.learn.heads.choose_strength", lambda *rows, **options: 0.03)
    monkeypatch.setattr(study, "measure", partial(study.measure, resamples=20))
    monkeypatch.setattr(study, "claim_difference", partial(study.claim_difference, resamples=20))
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "model.safetensors").write_bytes(b"")
    result = run_study(study.STUDY, StudySettings(toys, tmp_path, base=tmp_path / "base", threads=1))
    shown, masked, candidates = result.outcome.tables
    roles = ["baseline"] * 3 + ["control"] + ["result"] * 3
    assert [row.role for row in shown.rows] == [row.role for row in masked.rows] == roles
    value = {row.predictor: row.values["hit@1"].value for row in shown.rows}
    assert value["blend of all"] == 1
    assert value["reader, shuffled labels"] < 0.7
    assert value["frequency of each label"] == pytest.approx(0.25)
    assert len(candidates.rows) == 6
    assert [entry["name"] for entry in result.vaults] == ["test situations"]
    assert result.data.keys() == {study.SITUATIONS}


@pytest.mark.data
def test_parts_do_not_overlap(context):
    folder = os.environ.get("AFFECTOME_DATA")
    if not folder:
        pytest.skip("AFFECTOME_DATA does not name the folder with the data sets")
    context.data = Path(folder)
    test = load_situations(context.data / study.SITUATIONS, "test")
    corpus = study._load(context)
    assert len(corpus.test) == len(test.texts) == 2547
    assert not {corpus.texts[i] for i in corpus.train} & set(test.texts)
    assert np.bincount(corpus.labels[corpus.test], minlength=len(LABELS)).min() > 20
