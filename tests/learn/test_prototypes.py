"""Prototypes on a grid small enough to work out by hand."""

import numpy as np
import pytest

from affectome.affect import EmotionGaussians, load_taxonomy
from affectome.errors import UsageError
from affectome.learn.face_corpus import VOTES
from affectome.learn.face_prototypes import expression_gaussians, expression_prototypes
from affectome.learn.prototypes import fit_prototypes, label_shares

# Three corners of a grid of two by two cells; their features have the mean 0.
FEATURES = np.array([(2, 0), (4, 0), (-3, 4), (-3, -4)], np.float32)
RATINGS = np.array([(0.5, 0.5), (0.5, 0.5), (-0.5, 0.5), (-0.5, -0.5)], np.float32)


def test_means_of_cells_and_the_nearest_for_an_empty_one():
    bank = fit_prototypes(FEATURES, RATINGS, grid=2)
    assert bank.counts.tolist() == [1, 1, 0, 2]  # valence slowest: low-low, low-high, high-low, high-high
    assert bank.centres == pytest.approx(np.array([(-0.25, -0.25), (-0.25, 0.25), (0.25, -0.25), (0.25, 0.25)]))
    # High-low is as near to low-low as to high-high; the first counts.
    assert bank.vectors == pytest.approx(np.array([(-0.6, -0.8), (-0.6, 0.8), (-0.6, -0.8), (1, 0)]), abs=1e-6)


def test_vectors_have_length_one_and_the_digest_follows_from_them():
    rng = np.random.default_rng(0)
    features, ratings = rng.normal(3, 1, (400, 6)).astype(np.float32), rng.uniform(-1, 1, (400, 2)).astype(np.float32)
    bank = fit_prototypes(features, ratings)
    assert bank.vectors.shape == (25, 6)
    assert np.linalg.norm(bank.vectors, axis=1) == pytest.approx(np.ones(25), abs=1e-6)
    assert bank.counts.sum() == 400
    assert bank.sha256 == fit_prototypes(features, ratings).sha256
    assert bank.sha256 != fit_prototypes(features[::-1].copy(), ratings).sha256


def test_what_all_features_share_is_taken_off():
    away = fit_prototypes(FEATURES + np.float32(50), RATINGS, grid=2)
    assert away.vectors == pytest.approx(fit_prototypes(FEATURES, RATINGS, grid=2).vectors, abs=1e-5)


@pytest.mark.parametrize(
    ("features", "ratings"),
    [
        (FEATURES, RATINGS[:3]),
        (FEATURES, RATINGS[:, :1]),
        (FEATURES[0], RATINGS),
        (FEATURES, RATINGS * np.float32("nan")),
        (FEATURES + np.float32("inf"), RATINGS),
        (FEATURES, RATINGS * np.array([1, 0], np.float32)),
        (FEATURES[:0], RATINGS[:0]),
    ],
)
def test_what_makes_no_prototypes(features, ratings):
    with pytest.raises(UsageError) as caught:
        fit_prototypes(features, ratings)
    assert caught.value.code == "bad_ratings"


def test_shares_of_a_label_by_hand():
    term = EmotionGaussians(("calm",), np.zeros((1, 3)), np.full((1, 3), 0.5), np.zeros((1, 3)))
    shares = label_shares(np.array([(0, 0), (0.5, 0), (0.5, 0.5)]), term)
    density = np.exp([0, -0.5, -1])
    assert shares == pytest.approx((density / density.sum())[None])


def test_expressions_have_their_places():
    terms = expression_gaussians()
    assert terms.terms == load_taxonomy(VOTES).labels
    rng = np.random.default_rng(0)
    places = rng.uniform(-0.6, 0.6, (500, 2)).astype(np.float32)
    shares = expression_prototypes(bank := fit_prototypes(places, places)).shares
    assert shares.sum(axis=1) == pytest.approx(np.ones(8))
    valence = dict(zip(terms.terms, shares @ bank.centres[:, 0], strict=True))
    assert valence["happiness"] > valence["neutral"] > valence["sadness"]
