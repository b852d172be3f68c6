"""Shares of five emotions, their scores, and the whole study on made-up headlines."""

import csv
import gzip
from functools import partial

import numpy as np
import pytest

from affectome.errors import UsageError
from affectome.studies import StudySettings, run_study
from affectome.studies import s17_redaffectivelm as study
from affectome.studies.headlines import EMOTIONS, RATERS
from affectome.studies.s17_redaffectivelm import as_shares, document_correlations, five_shares

EVENTS = ("fire destroys old market", "team wins the cup", "mayor accused of fraud", "storm nears the coast")
PLACES = ("north", "south", "east", "west", "river", "harbour", "hill", "station", "park")
FELT = [(4, 2), (3, 5), (0, 4), (2, 4)]  # the stronger and the weaker feeling of each event


def test_shares_leave_disgust_out():
    shares, known = five_shares(np.array([[10.0, 70, 0, 30, 0, 0], [0, 50, 0, 0, 0, 0]]))
    assert shares[0].tolist() == [0.25, 0, 0.75, 0, 0]
    assert known.tolist() == [True, False]
    assert np.isnan(shares[1]).all()


def test_numbers_become_shares():
    assert as_shares(np.array([[3.0, -1, 1], [-1, -2, -3]])).tolist() == [[0.75, 0, 0.25], [1 / 3] * 3]


def test_correlations_of_documents_are_those_of_scipy():
    from scipy.stats import pearsonr

    rng = np.random.default_rng(0)
    truth, output = rng.dirichlet(np.ones(5), 20), rng.dirichlet(np.ones(5), 20)
    expected = [pearsonr(t, o).statistic for t, o in zip(truth, output, strict=True)]
    assert document_correlations(truth, output) == pytest.approx(expected)
    assert document_correlations(truth[:1], truth[:1]) == pytest.approx([1])
    assert np.isnan(document_correlations(truth[:1], np.full((1, 5), 0.2))).all()


def test_published_code_is_five_quarters_of_it():
    truth, output = np.array([[0.5, 0.2, 0.1, 0.1, 0.1]]), np.array([[0.4, 0.3, 0.1, 0.1, 0.1]])
    t, o = truth[0] - 0.2, output[0] - 0.2
    published = t @ o / 4 / (truth.std() * output.std())
    assert published == pytest.approx(1.25 * document_correlations(truth, output)[0])


def test_scores_are_means_over_observers():
    truth = np.array([[[1.0, 0, 0, 0, 0], [0.5, 0.5, 0, 0, 0]], [[0, 1.0, 0, 0, 0], [0, 0, 1.0, 0, 0]]])
    output = np.array([[[0.9, 0.1, 0, 0, 0], [0.6, 0.4, 0, 0, 0]], [[0.7, 0.3, 0, 0, 0], [0, 0, 1.0, 0, 0]]])
    values = study._share_values(truth, output, groups=np.arange(2), seed=0)
    # The first observer has one of two right; the second has a tie, which is left out, and one right.
    assert values["Acc@1"].value == pytest.approx((1 / 2 + 1) / 2)
    errors = [np.sqrt(((truth[:, i] - output[:, i]) ** 2).mean(axis=0)).mean() for i in range(2)]
    assert values["RMSE"].value == pytest.approx(np.mean(errors))
    documents = [document_correlations(truth[:, i], output[:, i]) for i in range(2)]
    assert values["AP_document"].value == pytest.approx(np.mean(documents))


@pytest.fixture(scope="module")
def toys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    headlines, emobank = folder / study.FOLDER, folder / "emobank" / "corpus"
    (headlines / "Annotations").mkdir(parents=True)
    emobank.mkdir(parents=True)
    texts = [f"{event} near the {place}" for place in PLACES for event in EVENTS]
    lines = [f'<instance id="{k}">{text}</instance>' for k, text in enumerate(texts)]
    (headlines / "affectivetext_test.xml").write_text(f"<corpus>{''.join(lines)}</corpus>")
    for number, rater in enumerate(RATERS):
        ratings = []
        for k in range(len(texts)):
            strength = np.zeros(len(EMOTIONS), int)
            if k:  # the first headline moves nobody
                strength[FELT[k % 4][0]] = 80 + 2 * number
                strength[FELT[k % 4][1]] = 10 + 3 * number + k % 3
            ratings.append(f"{k} {' '.join(map(str, strength))} {50 if k % 4 == 1 else -50 - k}\n")
        (headlines / "Annotations" / f"{rater}.txt").write_text("".join(ratings))
    with gzip.open(emobank / "emobank.csv.gz", "wt", encoding="utf-8", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(["id", "split", "V", "A", "D", "text"])
        rows.writerows([k, "train" if k < 18 else "test", 3, 3, 3, f"{text}."] for k, text in enumerate(texts))
    return folder


def fake_vectors(texts, base, *, threads):
    return np.array([[len(text), text.count("a"), text.count("e")] for text in texts], np.float32)


def fake_features(self, texts):
    return np.array([[word in text for word in ("fire", "cup", "fraud", "storm")] for text in texts], np.float32)


@pytest.mark.train
def test_the_whole_study_on_toys(toys, tmp_path, monkeypatch):
    monkeypatch.setattr(study, "_FOLDS", 2)
    monkeypatch.setattr(study, "_SHUFFLES", 2)
    monkeypatch.setattr(study, "near_duplicates", lambda texts: np.arange(len(texts)))
    monkeypatch.setattr("affectome.learn.features.AffectFeatures.transform", fake_features)
    monkeypatch.setattr("affectome.learn.base_vectors.base_vectors", fake_vectors)
    monkeypatch.setattr(study, "bootstrap", partial(study.bootstrap, resamples=20))
    monkeypatch.setattr(study, "claim_difference", partial(study.claim_difference, resamples=20))
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "model.safetensors").write_bytes(b"")
    settings = StudySettings(toys, tmp_path, base=tmp_path / "base", threads=1)
    result = run_study(study.STUDY, settings)
    whole, unseen, strengths = result.outcome.tables
    assert [row.role for row in whole.rows] == ["baseline"] * 3 + ["control", "result", "result", "ceiling"]
    assert (whole.title[-12:], unseen.title[-12:]) == ("35 headlines", "18 headlines")
    assert "AP_emotion" not in whole.rows[0].values
    value = {row.predictor: row.values for row in whole.rows}
    for metric in ("AP_emotion", "Acc@1"):
        assert value["reader"][metric].value > value["reader, shuffled targets"][metric].value + 0.2
    assert value["blend of all"]["AP_emotion"].value > 0.8
    human = {row.predictor: row.values for row in strengths.rows}[study._HUMAN]
    assert human["r valence"].value == pytest.approx(1)
    assert [entry["rows"] for entry in result.vaults] == [18, 17, 18, 18]
    assert result.data.keys() == set(study.STUDY.data)


def test_a_base_is_needed(toys, tmp_path):
    with pytest.raises(UsageError) as error:
        run_study(study.STUDY, StudySettings(toys, tmp_path, threads=1, quick=True))
    assert error.value.code == "missing_base"
