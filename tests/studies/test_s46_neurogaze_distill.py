"""The ablation on toy faces, and its figures by hand."""

import gzip
from functools import partial

import numpy as np
import pytest

from affectome.affect import load_taxonomy
from affectome.learn.face_corpus import FaceCorpus
from affectome.studies import StudySettings, run_study
from affectome.studies import s46_neurogaze_distill as study
from affectome.studies.face_students import Sight

pytest.importorskip("torch")
pytestmark = pytest.mark.train

LABELS = load_taxonomy("ferplus8").labels
HAPPY, SURPRISED, SAD = (LABELS.index(label) for label in ("happiness", "surprise", "sadness"))


def called(*labels):
    n = len(labels)
    return FaceCorpus(
        np.arange(n).astype(str),
        np.zeros((n, 48, 48), np.uint8),
        np.eye(8, dtype=np.float32)[list(labels)],
        np.zeros(n, np.int64),
        np.full(n, "test"),
    )


def test_spread_of_pleasant_faces_by_hand():
    faces = called(HAPPY, SAD, HAPPY, SURPRISED)
    features = np.array([(1, 0), (0.6, 0.8), (0, 1), (1, 0)], float)
    spread = study._spread(Sight(np.zeros((4, 8)), features), faces)
    assert study._pleasant(faces).tolist() == [0, 2, 3]
    assert spread == pytest.approx([0.5, 0.5, 0])  # two happy ones around (.5, .5), the surprised one alone


def test_scores_are_means_over_networks():
    truth = np.array([HAPPY, HAPPY, SAD, SAD])
    right, wrong = truth, np.array([HAPPY, HAPPY, HAPPY, HAPPY])
    both = np.stack([right, wrong], axis=1)
    assert study._macro_f1(truth=truth, predictions=both) == pytest.approx((1 + (2 / 3 + 0) / 2) / 2)
    assert study._balanced_accuracy(truth=truth, predictions=both) == pytest.approx(0.75)
    assert study._gain(truth=truth, first=both, second=np.stack([wrong, wrong], axis=1)) == pytest.approx(1 / 3)


def test_halves_of_sentences_that_say_nothing_are_not_alike():
    rng = np.random.default_rng(0)
    ratings = rng.uniform(-1, 1, (600, 2)).astype(np.float32)
    noise = rng.standard_normal((600, 32)).astype(np.float32)
    _, blind = study._halves(noise, ratings, seed=0)
    _, clear = study._halves(noise + 3 * ratings @ noise[:2], ratings, seed=0)
    assert blind.value < 0.1 < clear.value
    assert clear.holds


def test_the_whole_study_on_toys(made_faces, tmp_path, monkeypatch):
    data = tmp_path / "data"
    made_faces(data)
    sentences = data / "emobank/corpus/emobank.csv.gz"
    sentences.parent.mkdir(parents=True)
    lines = [f"{k},train,{1 + k % 5},{1 + k // 5 % 5},3,sentence number {k}" for k in range(100)]
    sentences.write_bytes(gzip.compress("\n".join(["id,split,V,A,D,text", *lines]).encode()))
    monkeypatch.setattr(study, "bootstrap", partial(study.bootstrap, resamples=20))
    result = run_study(study.STUDY, StudySettings(data, tmp_path / "out", threads=1))
    halves, ablation = result.outcome.tables
    assert [row.role for row in halves.rows] == ["baseline", "result"]
    assert [row.role for row in ablation.rows] == ["baseline", "result", "control", "control", *["result"] * 3]
    assert "spread of pleasant" not in ablation.rows[0].values
    assert all(set(row.values) == set(study._COLUMNS) for row in ablation.rows[1:])
    assert len(result.outcome.claims) == 7
    assert [entry["rows"] for entry in result.vaults] == [24]
    assert result.data.keys() == {"emobank", "fer2013plus"}
    kept = {path.name for path in (tmp_path / "out/work/neurogaze-distill").iterdir()}
    assert {f"face-students-{arm}-prototypes-{seed}" for arm in ("random", "permuted") for seed in range(3)} <= kept
