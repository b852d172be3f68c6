import csv
import gzip
import itertools
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from affectome.affect import VoteTable
from affectome.errors import UsageError

LETTERS = "abcdefgh"


def from_grid(grid: str, labels: str) -> VoteTable:
    """A table from one line a rater, one character an item, ``.`` for not rated."""
    rows = [
        (item, rater, None if mark == "." else mark)
        for rater, line in enumerate(grid.split())
        for item, mark in enumerate(line)
    ]
    return VoteTable.from_rows(rows, labels=tuple(labels))


# K. Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), sections A, B and C; the last grid is the
# worked example with three coders and fifteen units that many implementations share.
BINARY = from_grid("0100000010 1110010000", "01")
NOMINAL = from_grid("aabbdcccedda babbbccceddd", "abcde")
FOUR_RATERS = from_grid("123321412... 1233224125.3 .3332342251. 12332441251.", "12345")
THREE_CODERS = from_grid(".....34121133.3 1.213343....... ..21344.21133.4", "1234")

count_tables = arrays(np.int64, st.tuples(st.integers(1, 12), st.integers(1, 5)), elements=st.integers(0, 6))


def table(counts) -> VoteTable:
    counts = np.asarray(counts)
    return VoteTable.from_counts(counts, LETTERS[: counts.shape[1]])


@pytest.mark.parametrize(
    ("votes", "level", "expected"),
    [
        (BINARY, "nominal", 0.095),
        (NOMINAL, "nominal", 0.692),
        (FOUR_RATERS, "nominal", 0.743),
        (FOUR_RATERS, "ordinal", 0.815),
        (FOUR_RATERS, "interval", 0.849),
        (THREE_CODERS, "nominal", 0.691),
        (THREE_CODERS, "interval", 0.811),
    ],
)
def test_alpha_of_published_examples(votes, level, expected):
    assert votes.alpha(level) == pytest.approx(expected, abs=5e-4)


def pairwise_alpha(votes: VoteTable, squared_difference) -> float:
    """Alpha from its definition over all pairs of values, without a coincidence matrix."""
    units = [[i for i, c in enumerate(row) for _ in range(c)] for row in votes.counts]
    units = [unit for unit in units if len(unit) > 1]
    values = [value for unit in units for value in unit]
    n = len(values)
    within = sum(
        squared_difference(a, b) / (len(unit) - 1) for unit in units for a, b in itertools.permutations(unit, 2)
    )
    overall = sum(squared_difference(a, b) for a, b in itertools.permutations(values, 2)) / (n - 1) if n > 1 else 0
    return 1 - within / overall if overall else float("nan")


@given(count_tables)
def test_alpha_equals_its_definition(counts):
    votes = VoteTable.from_counts(counts, tuple(str(i) for i in range(counts.shape[1])))
    np.testing.assert_allclose(votes.alpha("nominal"), pairwise_alpha(votes, lambda a, b: float(a != b)), atol=1e-9)
    np.testing.assert_allclose(votes.alpha("interval"), pairwise_alpha(votes, lambda a, b: (a - b) ** 2), atol=1e-9)


def test_alpha_of_a_contingency_table():
    # Two raters of 100 patients: rows 13 0 0 / 0 20 7 / 0 4 56, published with the R package irrCAC.
    cells = np.array([[13, 0, 0], [0, 20, 7], [0, 4, 56]])
    counts = [np.eye(3)[i] + np.eye(3)[j] for i in range(3) for j in range(3) for _ in range(cells[i, j])]
    votes = table(counts)
    assert votes.alpha() == pytest.approx(0.7972585, abs=1e-7)
    assert votes.ac1() == pytest.approx(0.8493305, abs=1e-7)


def test_ac1_with_missing_ratings():
    assert FOUR_RATERS.ac1() == pytest.approx(0.77544, abs=5e-6)  # Gwet (2014), four raters and twelve subjects


def test_agreement_is_undefined_without_variation_or_pairs():
    assert np.isnan(table([[3, 0], [2, 0]]).alpha())
    assert np.isnan(table([[1, 0], [0, 1]]).alpha())
    assert np.isnan(table([[1, 0], [0, 1]]).ac1())
    assert np.isnan(table([[2], [3]]).ac1())
    assert table([[3, 0], [2, 0]]).ac1() == 1


def test_ordinal_alpha_depends_on_label_order_only_through_ranks():
    counts = np.array([[2, 1, 0], [0, 2, 1], [1, 0, 2], [3, 0, 0]])
    assert table(counts).alpha("ordinal") == pytest.approx(table(counts[:, ::-1]).alpha("ordinal"))
    assert table(counts).alpha("ordinal") != pytest.approx(table(counts[:, [1, 0, 2]]).alpha("ordinal"))


def test_interval_alpha_needs_numbers():
    with pytest.raises(UsageError, match="numbers") as error:
        table([[1, 1], [2, 0]]).alpha("interval")
    assert error.value.code == "labels_not_numbers"
    with pytest.raises(UsageError) as error:
        table([[1, 1]]).alpha("ratio")
    assert error.value.allowed == ("nominal", "ordinal", "interval")


def test_rows_and_counts_give_the_same_table():
    rows = [("x", "r1", "a"), ("x", "r2", "b"), ("y", "r1", None), ("z", "r2", "b"), ("z", "r1", "b")]
    votes = VoteTable.from_rows(rows, labels=("a", "b", "c"))
    assert votes.items == ("x", "y", "z")
    assert votes.raters == ("r1", "r2")
    assert votes.counts.tolist() == [[1, 1, 0], [0, 0, 0], [0, 2, 0]]
    assert votes.ratings.tolist() == [2, 0, 2]


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ([("x", "r", "a"), ("x", "r", "b")], "duplicate_vote"),
        ([("x", "r", "z")], "unknown_label"),
    ],
)
def test_bad_rows_are_refused(rows, code):
    with pytest.raises(UsageError) as error:
        VoteTable.from_rows(rows, labels=("a", "b"))
    assert error.value.code == code


@pytest.mark.parametrize(
    ("counts", "labels", "items", "code"),
    [
        ([[1, 2]], "abc", None, "shape_mismatch"),
        ([1, 2], "ab", None, "shape_mismatch"),
        ([[1, 2]], "ab", ("x", "y"), "shape_mismatch"),
        ([[1, -1]], "ab", None, "bad_count"),
        ([[0.5, 0.5]], "ab", None, "bad_count"),
        ([[np.nan, 1]], "ab", None, "bad_count"),
        ([[1, 1]], "aa", None, "duplicate_name"),
        ([[1, 1], [1, 1]], "ab", ("x", "x"), "duplicate_name"),
        (np.empty((2, 0)), "", None, "no_labels"),
    ],
)
def test_bad_counts_are_refused(counts, labels, items, code):
    with pytest.raises(UsageError) as error:
        VoteTable.from_counts(counts, labels, items)
    assert error.value.code == code


def test_soft_labels_keep_missing_missing():
    votes = table([[3, 1], [0, 0]])
    np.testing.assert_allclose(votes.soft_labels(), [[0.75, 0.25], [np.nan, np.nan]])
    np.testing.assert_allclose(votes.soft_labels(smoothing=1)[0], [4 / 6, 2 / 6])
    assert np.isnan(votes.soft_labels(smoothing=1)[1]).all()
    for smoothing in (-1, np.nan, np.inf):
        with pytest.raises(UsageError):
            votes.soft_labels(smoothing=smoothing)


def test_tie_rules():
    votes = table([[2, 2, 1], [0, 3, 1], [0, 0, 0]])
    abstain, first, split = (votes.consensus(ties=rule) for rule in ("abstain", "first", "split"))
    assert abstain.tied.tolist() == [True, False, False]
    assert abstain.winner.tolist() == [-1, 1, -1]
    assert abstain.weight[:2].tolist() == [[0, 0, 0], [0, 1, 0]]
    assert first.winner.tolist() == [0, 1, -1]
    assert first.weight[:2].tolist() == [[1, 0, 0], [0, 1, 0]]
    assert split.winner.tolist() == [-1, 1, -1]
    assert split.weight[:2].tolist() == [[0.5, 0.5, 0], [0, 1, 0]]
    assert all(np.isnan(rule.weight[2]).all() for rule in (abstain, first, split))
    with pytest.raises(UsageError, match="ties"):
        votes.consensus(ties="random")


def test_entropy_units():
    votes = table([[2, 2, 0, 0], [4, 0, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0]])
    np.testing.assert_allclose(votes.entropy(base=2), [1, 0, 2, np.nan])
    np.testing.assert_allclose(votes.entropy()[:3], [np.log(2), 0, np.log(4)])
    with pytest.raises(UsageError):
        votes.entropy(base=1)


def test_ceiling_by_hand():
    ceiling = table([[2, 1, 0], [1, 0, 0], [0, 0, 0], [1, 1, 1]]).ceiling()
    np.testing.assert_allclose(ceiling.n_best, [(2 / 3 + 1 + 1 / 3) / 3, (1 + 1 + 2 / 3) / 3, 1])
    assert ceiling.rater_vs_rater == pytest.approx((1 / 3 + 0) / 2)
    # Item 1: each of the two "a" meets a tie of one "a" and one "b", the "b" meets "a a". Item 4: never.
    assert ceiling.rater_vs_rest == pytest.approx((2 * 0.5 / 3 + 0) / 2)
    assert ceiling.cross_entropy == pytest.approx((np.log(3) - 2 / 3 * np.log(2) + 0 + np.log(3)) / 3)
    assert (ceiling.items, ceiling.compared) == (3, 2)


@given(count_tables)
def test_ceiling_bounds(counts):
    votes = table(counts)
    ceiling = votes.ceiling()
    if ceiling.items:
        assert (np.diff(ceiling.n_best) >= -1e-12).all()
        assert ceiling.n_best[-1] == pytest.approx(1)
        assert -1e-12 <= ceiling.cross_entropy <= np.log(counts.shape[1]) + 1e-12
    if ceiling.compared == ceiling.items > 0:
        assert ceiling.rater_vs_rater <= ceiling.n_best[0] + 1e-12
        assert ceiling.rater_vs_rest <= ceiling.n_best[0] + 1e-12


def test_shares_count_items_with_two_ratings_only():
    votes = table([[3, 0], [1, 1], [1, 0], [0, 0], [2, 1]])
    assert votes.unanimous_share == pytest.approx(1 / 3)
    assert votes.tied_share == pytest.approx(1 / 3)
    assert np.isnan(table([[1, 0]]).unanimous_share)
    assert np.isnan(table([[1, 0]]).tied_share)


def simulated_votes(seed: int, items: int = 400):
    """Five careful raters, one who guesses and two who confuse the first two of three labels on purpose."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(3, size=items, p=[0.5, 0.3, 0.2])
    careful = np.full((3, 3), 0.1) + 0.7 * np.eye(3)
    guessing = np.full((3, 3), 1 / 3)
    swapping = careful[[1, 0, 2]]
    confusion = [careful] * 3 + [guessing] + [swapping] * 2
    rows = [
        (i, rater, "abc"[rng.choice(3, p=matrix[truth[i]])])
        for i in range(items)
        for rater, matrix in enumerate(confusion)
        if rng.random() < 0.9
    ]
    return truth, np.array(confusion), VoteTable.from_rows(rows, labels=("a", "b", "c"))


def test_dawid_skene_finds_truth_and_raters():
    truth, confusion, votes = simulated_votes(seed=3)
    fit = votes.dawid_skene()
    order = [int(item) for item in votes.items]
    assert fit.converged
    np.testing.assert_allclose(fit.posterior.sum(axis=1), 1)
    np.testing.assert_allclose(fit.confusion.sum(axis=2), 1)
    plurality = (votes.consensus(ties="first").winner == truth[order]).mean()
    assert (fit.posterior.argmax(axis=1) == truth[order]).mean() > plurality + 0.05
    assert np.abs(fit.confusion - confusion[[int(r) for r in fit.raters]]).mean() < 0.05
    np.testing.assert_allclose(fit.prior, [0.5, 0.3, 0.2], atol=0.08)


def test_dawid_skene_first_step_by_hand(monkeypatch):
    monkeypatch.setattr("affectome.affect.dawid_skene._MAX_STEPS", 1)
    votes = from_grid("aab abb a.b", "ab")
    fit = votes.dawid_skene(smoothing=0)
    # Vote shares of a: 1, 1/2, 0. Prior of a: 1/2.
    np.testing.assert_allclose(fit.prior, [0.5, 0.5])
    np.testing.assert_allclose(fit.confusion[0], [[1, 0], [1 / 3, 2 / 3]])
    np.testing.assert_allclose(fit.confusion[1], [[2 / 3, 1 / 3], [0, 1]])
    np.testing.assert_allclose(fit.confusion[2], [[1, 0], [0, 1]])
    np.testing.assert_allclose(fit.posterior, [[1, 0], [0.5, 0.5], [0, 1]])
    assert fit.log_likelihood == pytest.approx(np.log(0.5 * 2 / 3) + np.log(1 / 3) + np.log(0.5 * 2 / 3))
    assert fit.converged  # the vote shares of this table are a fixed point
    monkeypatch.setattr("affectome.affect.dawid_skene._MAX_STEPS", 2)
    assert not simulated_votes(seed=3)[2].dawid_skene().converged


def test_dawid_skene_likelihood_never_falls(monkeypatch):
    _, _, votes = simulated_votes(seed=5, items=80)
    likelihoods = []
    for steps in range(1, 15):
        monkeypatch.setattr("affectome.affect.dawid_skene._MAX_STEPS", steps)
        likelihoods.append(votes.dawid_skene(smoothing=0).log_likelihood)
    assert (np.diff(likelihoods) >= -1e-9).all()


def test_dawid_skene_keeps_unrated_items_and_needs_raters():
    votes = from_grid("a.b a.b", "ab")
    assert np.isnan(votes.dawid_skene().posterior[1]).all()
    with pytest.raises(UsageError) as error:
        table([[1, 1]]).dawid_skene()
    assert error.value.code == "no_raters"
    with pytest.raises(UsageError) as error:
        votes.dawid_skene(smoothing=-0.1)
    assert error.value.code == "bad_smoothing"


@pytest.mark.data
@pytest.mark.parametrize(
    ("modality", "ratings", "entropy", "unanimous", "tied", "intended"),
    [
        ("voice", 9.21, 1.196, 0.051, 0.087, 0.455),
        ("face", 9.63, 1.009, 0.135, 0.063, 0.690),
        ("multimodal", 9.64, 0.924, 0.150, 0.056, 0.748),
    ],
)
def test_crema_d_vote_statistics(modality, ratings, entropy, unanimous, tied, intended):
    folder = os.environ.get("AFFECTOME_DATA")
    if not folder or not (path := Path(folder) / "crema_d_votes" / "votes.csv.gz").is_file():
        pytest.skip("AFFECTOME_DATA names no folder with crema_d_votes")
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["modality"] == modality]
    labels = tuple("ADFHNS")
    votes = VoteTable.from_counts([[int(row[label]) for label in labels] for row in rows], labels)
    assert len(rows) == 7442
    assert votes.ratings.mean() == pytest.approx(ratings, abs=5e-3)
    assert votes.entropy(base=2).mean() == pytest.approx(entropy, abs=5e-4)
    assert votes.unanimous_share == pytest.approx(unanimous, abs=5e-4)
    assert votes.tied_share == pytest.approx(tied, abs=5e-4)
    # The published shares give a tie to the label that comes first in the alphabet.
    acted = np.array([labels.index(row["intended"]) for row in rows])
    assert (votes.consensus(ties="first").winner == acted).mean() == pytest.approx(intended, abs=5e-4)
    decided = votes.consensus().winner
    assert ((decided == acted).sum() / len(rows)) < (votes.consensus(ties="first").winner == acted).mean()
    assert votes.ceiling().n_best[0] == pytest.approx(votes.soft_labels().max(axis=1).mean())
