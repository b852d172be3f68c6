"""The arithmetic of the Gaussians on made-up terms, relabelling by hand, and the whole study on made-up headlines."""

import csv
import gzip
import tomllib
from functools import partial

import numpy as np
import pytest

from affectome.affect import EmotionGaussians, label_entropy, load_term_gaussians
from affectome.studies import StudySettings, run_study
from affectome.studies import s12_vad_distributions as study
from affectome.studies import vad_students as students
from affectome.studies.headlines import EMOTIONS, RATERS
from affectome.studies.vad_students import posterior_for_label

EVENTS = ("fire destroys old market", "team wins the cup", "mayor accused of fraud", "storm nears the coast")
PLACES = ("north", "south", "east", "west", "river", "harbour", "hill", "station", "park")
FELT = [(4, 2), (3, 5), (0, 4), (2, 4)]  # the stronger and the weaker feeling of each event
POINTS = [(2.0, 3.4, 2.4), (4.2, 3.9, 3.3), (2.2, 3.6, 3.1), (2.3, 3.7, 2.0)]  # of each event


def terms(*means):
    k = len(means)
    return EmotionGaussians(
        tuple(f"term{i}" for i in range(k)), np.array(means, float), np.full((k, 3), 0.2), np.zeros((k, 3))
    )


def test_published_figures_come_out():
    table = tomllib.loads(study._TABLE.read_text(encoding="utf-8"))
    published = EmotionGaussians.from_table(table["terms"])
    assert study._golden(published, table["golden"]).holds
    shifted = EmotionGaussians(published.terms, published.mean * 0.95, published.sd, published.correlation)
    assert not study._golden(shifted, table["golden"]).holds


def test_a_round_trip_is_shorter_than_a_guess():
    table, claims = study._round_trip(terms((0.5, 0, 0), (-0.5, 0.5, 0), (-0.5, -0.5, 0)), load_term_gaussians())
    distance = {row.predictor: row.values["distance"] for row in table.rows}
    for name in ("8 published terms", "100 terms of the package"):
        assert distance[f"posterior, {name}"] < distance[f"mean of all terms, {name}"]
    assert [claim.value for claim in claims] == [row.values["distance"] for row in table.rows if row.role == "result"]


def test_merging_conserves_and_forgets_the_order():
    conserved, order = study._fusion(load_term_gaussians(), seed=0)
    assert conserved.holds
    assert order.holds


def test_moments_of_a_mixture_by_hand():
    mean, covariance = study._moments(terms((0.5, 0, 0), (-0.5, 0, 0)))
    assert mean.tolist() == [0, 0, 0]
    assert np.diagonal(covariance) == pytest.approx([0.04 + 0.25, 0.04, 0.04])


def test_imputation_is_regression_near_and_bounded_far():
    near, far = study._imputation(load_term_gaussians(), seed=0)
    assert near.holds
    assert 1.4 < far.value <= 1.5


def test_a_point_moves_until_its_label_leads():
    two = terms((0.4, 0, 0), (-0.4, 0, 0))
    points = np.array([[0.3, 0, 0], [-0.4, 0, 0], [-0.4, 0, 0]])
    found = posterior_for_label(two, points, np.array([0, 0, 1]))
    assert found[0] == pytest.approx(two.posterior(points[0]))
    assert found[2] == pytest.approx(two.posterior(points[2]))
    # With variance .04 and means .8 apart the log odds at v are 20 v: a lead of .05 needs v = ln(.525/.475)/20 = .0050.
    # The way from -.4 to .4 has 50 steps of .016: the first beyond is -.4 + 26 * .016 = .016.
    assert found[1, 0] == pytest.approx(1 / (1 + np.exp(-20 * 0.016)))


def test_a_label_that_never_leads_gets_the_posterior_at_its_mean():
    same = terms((0.2, 0, 0), (0.2, 0, 0))
    assert posterior_for_label(same, np.array([[0.9, 0, 0]]), np.array([1])).tolist() == [[0.5, 0.5]]


def test_even_smoothing_meets_an_entropy():
    hard = np.eye(7)[[2, 5]]
    smooth = students.smoothed_evenly(hard, 0.8)
    assert label_entropy(smooth, exclusive=True) == pytest.approx([0.8, 0.8])
    assert smooth.argmax(axis=1).tolist() == [2, 5]


@pytest.mark.train
def test_a_price_on_a_pair_lowers_its_joint_probability():
    rng = np.random.default_rng(0)
    features, shares = rng.normal(size=(80, 4)), rng.dirichlet(np.ones(7), 80)
    pair = students._conflicts_of([{"feelings": ["joy", "sadness"], "weight": 0.8}])
    joy, sadness = EMOTIONS.index("joy"), EMOTIONS.index("sadness")
    assert pair.sum() == pytest.approx(0.8)
    plain = students._fit(features, shares, 0.1).predict(features)
    again = students._fit(features, shares, 0.1, pair, 0.0).predict(features)
    apart = students._fit(features, shares, 0.1, pair, 8.0).predict(features)
    assert again == pytest.approx(plain)
    assert (apart[:, joy] * apart[:, sadness]).mean() < 0.7 * (plain[:, joy] * plain[:, sadness]).mean()
    weight = students._choose_weight(features, shares, np.arange(80), 0.1, pair, 0)
    assert weight in (0.0, *students._CONSISTENCY)


@pytest.fixture(scope="module")
def toys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    headlines, emobank, norms = (
        folder / name for name in (f"{students.FOLDER}/Annotations", "emobank/corpus", "warriner_vad")
    )
    for path in (headlines, emobank, norms):
        path.mkdir(parents=True)
    texts = [f"{event} near the {place}" for place in PLACES for event in EVENTS]
    lines = [f'<instance id="{k}">{text}</instance>' for k, text in enumerate(texts)]
    (headlines.parent / "affectivetext_test.xml").write_text(f"<corpus>{''.join(lines)}</corpus>")
    for number, rater in enumerate(RATERS):
        ratings = []
        for k in range(len(texts)):
            strength = np.zeros(len(EMOTIONS), int)
            strength[FELT[k % 4][0]], strength[FELT[k % 4][1]] = 80 + number, 20 + 3 * number
            ratings.append(f"{k} {' '.join(map(str, strength))} 0\n")
        (headlines / f"{rater}.txt").write_text("".join(ratings))
    with gzip.open(emobank / "emobank.csv.gz", "wt", encoding="utf-8", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(["id", "split", "V", "A", "D", "text"])
        rows.writerows([k, "train", *POINTS[k % 4], text.upper()] for k, text in enumerate(texts[1:], 1))
    with gzip.open(norms / "Ratings_Warriner_et_al.csv.gz", "wt", encoding="utf-8", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(["Word", "V.Mean.Sum", "A.Mean.Sum", "D.Mean.Sum"])
        rows.writerows([["joy", 8, 6, 6], ["grief", 2, 4, 3], ["anger", 3, 7, 5], ["calm", 7, 2, 6]])
    return folder


def fake_features(self, texts):
    return np.array([[word in text for word in ("fire", "cup", "fraud", "storm")] for text in texts], np.float32)


@pytest.mark.train
def test_the_whole_study_on_toys(toys, made_faces, tmp_path, monkeypatch):
    made_faces(toys)
    monkeypatch.setattr(students, "_FOLDS", 2)
    monkeypatch.setattr("affectome.learn.features.AffectFeatures.transform", fake_features)
    monkeypatch.setattr(students, "_CONSISTENCY", (0.5, 1.0))
    monkeypatch.setattr(students, "near_duplicates", lambda texts: np.arange(len(texts)))
    monkeypatch.setattr(students, "measure", partial(students.measure, resamples=20))
    monkeypatch.setattr(students, "bootstrap", partial(students.bootstrap, resamples=20))
    monkeypatch.setattr(study, "bootstrap", partial(study.bootstrap, resamples=20))
    result = run_study(study.STUDY, StudySettings(toys, tmp_path, threads=1))
    _, norms, conflicts, posteriors, of_faces = result.outcome.tables
    assert norms.title.endswith("3 words")  # calm is no term
    assert [row.role for row in conflicts.rows] == ["baseline", "result", "control", "result"]
    joint = {row.predictor: row.values["joy × sadness"].value for row in conflicts.rows}
    assert joint["soft labels, consistent"] <= joint["soft labels"] < joint["mean shares"]
    assert [row.role for row in posteriors.rows] == ["baseline", "result", "control", "control", "result"]
    assert posteriors.title.endswith("35 headlines")
    assert [row.role for row in of_faces.rows] == [
        *("baseline", "baseline", "result", "control", "result", "result", "result", "control", "result")
    ]
    assert of_faces.title.endswith("24 faces")
    assert [entry["rows"] for entry in result.vaults] == [18, 18, 18, 17, 24]
    assert result.data.keys() == set(study.STUDY.data)
