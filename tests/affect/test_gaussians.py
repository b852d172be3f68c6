import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectome.affect import EmotionGaussians
from affectome.affect.linkage import complete_linkage
from affectome.errors import InputError, UsageError

# Valence, arousal and dominance: mean and standard deviation of the terms whose statistics are public (Russell and
# Mehrabian 1977, as quoted with arXiv 2602.06778); None where not known.
ROWS = {
    "happy": (0.81, 0.21, 0.51, 0.26, 0.46, 0.38),
    "contempt": (-0.23, 0.39, 0.31, 0.33, None, None),
    "surprised": (0.40, 0.30, 0.67, 0.27, -0.13, None),
    "angry": (-0.51, 0.20, 0.59, 0.33, 0.25, None),
    "disgusted": (-0.60, 0.20, 0.35, 0.41, 0.11, None),
    "fearful": (-0.64, 0.20, 0.60, 0.32, -0.43, None),
    "sad": (-0.63, 0.23, -0.27, 0.34, -0.33, 0.22),
    "neutral": (0.10, 0.05, 0.10, 0.05, 0.10, 0.05),
}
MORE = {
    "serene": (0.65, 0.29, -0.33, 0.36),
    "contemplative": (0.15, 0.41, -0.18, 0.30),
    "secure": (0.74, 0.22, -0.13, 0.32),
    "untroubled": (0.79, 0.25, -0.01, 0.46),
    "quiet": (0.19, 0.57, -0.40, 0.21),
}
COLUMNS = ("valence", "valence_sd", "arousal", "arousal_sd", "dominance", "dominance_sd")


def row(term, values, **correlation):
    padded = (*values, None, None)[:6]
    return {"term": term, **dict(zip(COLUMNS, padded, strict=True)), **correlation}


@pytest.fixture(scope="module")
def eight() -> EmotionGaussians:
    return EmotionGaussians.from_table([row(term, values) for term, values in ROWS.items()])


@pytest.fixture(scope="module")
def known() -> EmotionGaussians:
    """The terms whose dominance is known, with their correlations."""
    return EmotionGaussians.from_table(
        [
            row("happy", ROWS["happy"], corr_vd=0.75, corr_ad=0.25, corr_va=0.15),
            row("sad", ROWS["sad"], corr_vd=0.65, corr_ad=0.55, corr_va=0.75),
            row("neutral", ROWS["neutral"], corr_vd=0.10, corr_ad=0.10, corr_va=0.05),
        ]
    )


def random_terms(seed: int, k: int) -> EmotionGaussians:
    rng = np.random.default_rng(seed)
    return EmotionGaussians(
        tuple(f"term{i}" for i in range(k)),
        rng.uniform(-0.9, 0.9, (k, 3)),
        rng.uniform(0.1, 0.5, (k, 3)),
        rng.uniform(-0.5, 0.5, (k, 3)),
    )


@pytest.mark.parametrize(
    ("va", "expected"),
    [
        ((0.81, 0.51), {"happy": 0.811, "surprised": 0.180}),
        ((-0.60, 0.55), {"fearful": 0.343, "angry": 0.308, "disgusted": 0.246, "contempt": 0.086}),
        ((0.5, 0.6), {"surprised": 0.627, "happy": 0.322}),
        ((-0.63, -0.27), {"sad": 0.694, "disgusted": 0.209}),
        ((0.1, 0.1), {"neutral": 0.987}),
    ],
)
def test_golden_posteriors(eight, va, expected):
    posterior = eight.posterior(va, dims="VA")
    for term, probability in expected.items():
        assert posterior[eight.terms.index(term)] == pytest.approx(probability, abs=1e-3)


def test_round_trip_from_point_to_terms_and_back(eight):
    from scipy.spatial import Delaunay

    axis = np.linspace(-1, 1, 41)
    grid = np.array([(v, a) for v in axis for a in axis])
    inside = grid[Delaunay(eight.mean[:, :2]).find_simplex(grid) >= 0]
    back = eight.expected_vad(eight.posterior(inside, dims="VA"))[:, :2]
    assert len(inside) > 200
    assert np.linalg.norm(back - inside, axis=1).mean() <= 0.15


def test_posterior_equals_scipy_densities(known):
    from scipy.stats import multivariate_normal

    rng = np.random.default_rng(0)
    points, prior = rng.uniform(-1, 1, (50, 3)), np.array([0.2, 0.5, 0.3])
    for dims, d in (("VA", 2), ("VAD", 3)):
        density = np.stack(
            [
                multivariate_normal(m[:d], c).pdf(points[:, :d])
                for m, c in zip(known.mean, known.covariance(dims), strict=True)
            ],
            axis=1,
        )
        expected = prior * density / (prior * density).sum(axis=1, keepdims=True)
        np.testing.assert_allclose(known.posterior(points, prior, dims), expected, rtol=1e-8, atol=1e-12)


def test_posterior_prior_missing_points_and_far_points(eight):
    only_sad = np.eye(8)[eight.terms.index("sad")]
    assert eight.posterior([0.8, 0.5], prior=only_sad, dims="VA") == pytest.approx(only_sad)
    posterior = eight.posterior([[0.8, np.nan], [1e3, -1e3]], dims="VA")
    assert np.isnan(posterior[0]).all()
    assert posterior[1].sum() == pytest.approx(1)
    with_dominance = eight.posterior([[0.8, 0.5, 0.9]], dims="VA")
    np.testing.assert_allclose(with_dominance, eight.posterior([[0.8, 0.5]], dims="VA"))


@pytest.mark.parametrize("prior", [[1, 1], np.zeros(8), [-1] + [1] * 7, [np.nan] * 8])
def test_bad_prior_is_refused(eight, prior):
    with pytest.raises(UsageError) as error:
        eight.posterior([0, 0], prior=prior, dims="VA")
    assert error.value.code == "bad_prior"


@pytest.mark.parametrize(("vad", "dims"), [([0.1], "VA"), ([0.1, 0.2], "VAD"), (np.zeros((2, 4)), "VA"), (0.5, "VA")])
def test_points_of_the_wrong_width_are_refused(known, vad, dims):
    with pytest.raises(UsageError) as error:
        known.posterior(vad, dims=dims)
    assert error.value.code == "shape_mismatch"


def test_unknown_dominance_is_refused_only_where_needed(eight):
    for call in (
        lambda: eight.posterior([0, 0, 0]),
        lambda: eight.distance("happy", "sad"),
        lambda: eight.fuse(3),
        lambda: eight.sample(np.random.default_rng(0), 3),
        lambda: eight.impute_dominance([0, 0], "contempt"),
    ):
        with pytest.raises(UsageError) as error:
            call()
        assert error.value.code == "unknown_dominance"
        assert "contempt" in error.value.value
    assert np.isfinite(eight.impute_dominance([0.5, 0.5], "happy"))
    assert np.isnan(eight.expected_vad(np.full(8, 1 / 8))[2])


def test_unknown_dims_and_terms_are_refused(known):
    for call in (
        lambda: known.posterior([0, 0], dims="DA"),
        lambda: known.distance("happy", "sad", dims="D"),
        lambda: known.fuse(2, dims="D"),
    ):
        with pytest.raises(UsageError) as error:
            call()
        assert error.value.code == "unknown_dims"
    with pytest.raises(UsageError) as error:
        known.distance("happy", "glad")
    assert error.value.code == "unknown_term"
    assert error.value.allowed == known.terms


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"valence_sd": 0}, "bad_statistic"),
        ({"dominance_sd": -0.1}, "bad_statistic"),
        ({"valence": 5.2}, "bad_statistic"),
        ({"arousal": None}, "bad_statistic"),
        ({"corr_va": 1}, "bad_statistic"),
        ({"arousal_sd": "inf"}, "bad_statistic"),
    ],
)
def test_impossible_statistics_are_refused(change, code):
    with pytest.raises(UsageError) as error:
        EmotionGaussians.from_table([{**row("happy", ROWS["happy"]), **change}])
    assert error.value.code == code
    assert "happy" in error.value.value


def test_correlations_that_contradict_each_other_are_made_valid():
    impossible = EmotionGaussians.from_table(
        [row("odd", (0, 0.3, 0, 0.3, 0, 0.3), corr_va=0.9, corr_vd=0.9, corr_ad=-0.9), row("even", ROWS["happy"])]
    )
    eigenvalues = np.linalg.eigvalsh(impossible.covariance())
    assert eigenvalues[0].min() == pytest.approx(1e-6)
    assert np.isfinite(impossible.posterior([[0.1, 0.2, 0.3]])).all()


def test_table_file(tmp_path, known):
    path = tmp_path / "terms.csv"
    path.write_text(
        "term,valence,valence_sd,arousal,arousal_sd,dominance,dominance_sd,corr_va\n"
        "happy,0.81,0.21,0.51,0.26,0.46,0.38,0.15\n"
        "contempt,-0.23,0.39,0.31,0.33,,,\n",
        encoding="utf-8",
    )
    terms = EmotionGaussians.from_table(path)
    assert terms.terms == ("happy", "contempt")
    assert terms.correlation.tolist() == [[0.15, 0, 0], [0, 0, 0]]
    assert np.isnan(terms.mean[1, 2])
    assert EmotionGaussians.from_table(str(path)).mean[0].tolist() == known.mean[0].tolist()


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"term,valence\nhappy,0.8\n", "missing_column"),
        (b"term,valence,valence_sd,arousal,arousal_sd,dominance,dominance_sd\nhappy,x,1,1,1,1,1\n", "not_a_number"),
        (b"\xff\xfe\x00", "unreadable_file"),
        (None, "unreadable_file"),
    ],
)
def test_bad_table_files_are_refused(tmp_path, content, code):
    path = tmp_path / "terms.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError) as error:
        EmotionGaussians.from_table(path)
    assert error.value.code == code


def test_repeated_no_or_misshapen_terms_are_refused():
    for rows in ([row("happy", ROWS["happy"])] * 2, []):
        with pytest.raises(UsageError) as error:
            EmotionGaussians.from_table(rows)
        assert error.value.code == "bad_terms"
    with pytest.raises(UsageError) as error:
        EmotionGaussians(("a",), np.zeros((1, 2)), np.ones((1, 3)), np.zeros((1, 3)))
    assert error.value.code == "shape_mismatch"


def test_expected_vad_refuses_presence_probabilities(known):
    np.testing.assert_allclose(known.expected_vad([0.5, 0.5, 0]), known.mean[:2].mean(axis=0))
    assert np.isnan(known.expected_vad([[np.nan] * 3])).all()
    for p in ([0.9, 0.8, 0.1], [1.2, -0.2, 0]):
        with pytest.raises(UsageError) as error:
            known.expected_vad(p)
        assert error.value.code == "not_a_distribution"
    with pytest.raises(UsageError) as error:
        known.expected_vad([0.5, 0.5])
    assert error.value.code == "shape_mismatch"


def test_distance_by_hand_and_its_symmetry(known):
    pair = EmotionGaussians.from_table([row("a", (0.5, 0.2, 0, 0.2, 0, 0.2)), row("b", (-0.5, 0.2, 0, 0.4, 0, 0.2))])
    # Per axis: difference² / (4·(s²+t²)) + ½·ln((s²+t²)/(2st)).
    assert pair.distance("a", "b") == pytest.approx(1 / (4 * 0.08) + 0.5 * np.log(0.2 / 0.16))
    assert known.distance("happy", "sad") == pytest.approx(known.distance("sad", "happy"))
    assert known.distance("sad", "sad", dims="VA") == pytest.approx(0, abs=1e-12)


@given(st.integers(0, 10_000), st.integers(2, 30), st.data())
def test_fusing_conserves_mean_and_total_covariance(seed, k, data):
    terms = random_terms(seed, k)
    fusion = terms.fuse(data.draw(st.integers(1, k)))
    fused = fusion.gaussians
    assert sorted(term for group in fusion.members for term in group) == sorted(terms.terms)
    assert all(name in group for name, group in zip(fused.terms, fusion.members, strict=True))
    np.testing.assert_allclose(fusion.share @ fused.mean, terms.mean.mean(axis=0), atol=1e-9)
    np.testing.assert_allclose(
        fusion.share @ (fused.sd**2 + fused.mean**2), (terms.sd**2 + terms.mean**2).mean(axis=0), atol=1e-9
    )
    cross = terms.correlation[:, 0] * terms.sd[:, 0] * terms.sd[:, 1] + terms.mean[:, 0] * terms.mean[:, 1]
    fused_cross = fused.correlation[:, 0] * fused.sd[:, 0] * fused.sd[:, 1] + fused.mean[:, 0] * fused.mean[:, 1]
    assert fusion.share @ fused_cross == pytest.approx(cross.mean(), abs=1e-9)


def test_a_cut_into_fourteen_is_deterministic_and_independent_of_row_order():
    terms = random_terms(1, 40)
    order = np.random.default_rng(2).permutation(40)
    shuffled = EmotionGaussians(
        tuple(terms.terms[i] for i in order), terms.mean[order], terms.sd[order], terms.correlation[order]
    )
    first, again = terms.fuse(14), terms.fuse(14)
    assert first.members == again.members
    assert first.gaussians.mean.tobytes() == again.gaussians.mean.tobytes()
    assert {frozenset(group) for group in first.members} == {frozenset(group) for group in shuffled.fuse(14).members}


def test_equal_distances_join_the_earliest_terms(eight):
    grid = EmotionGaussians.from_table(
        [row(name, (v, 0.2, 0, 0.2)) for name, v in zip("abcd", (-0.6, -0.2, 0.2, 0.6), strict=True)]
    )
    assert grid.fuse(3, dims="VA").members == (("a", "b"), ("c",), ("d",))
    assert grid.fuse(2, dims="VA").members == (("a", "b"), ("c", "d"))
    for k in (0, 9):
        with pytest.raises(UsageError) as error:
            eight.fuse(k, dims="VA")
        assert error.value.code == "bad_k"


def test_calm_terms_are_fused_before_opposites():
    terms = EmotionGaussians.from_table([row(t, v) for t, v in {**ROWS, **MORE}.items()])
    groups = terms.fuse(5, dims="VA").members
    together = {term: i for i, group in enumerate(groups) for term in group}
    assert together["secure"] == together["untroubled"] == together["serene"]
    assert together["angry"] == together["fearful"]
    assert len({together[t] for t in ("happy", "sad", "angry", "secure")}) >= 3


@given(st.integers(0, 10_000), st.integers(2, 25), st.data())
def test_complete_linkage_equals_scipy(seed, n, data):
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import pdist, squareform

    k = data.draw(st.integers(1, n))
    condensed = pdist(np.random.default_rng(seed).normal(size=(n, 3)))
    assigned = fcluster(linkage(condensed, "complete"), k, "maxclust")
    expected = {frozenset(np.flatnonzero(assigned == c).tolist()) for c in set(assigned)}
    assert {frozenset(group) for group in complete_linkage(squareform(condensed), k)} == expected


def test_imputed_dominance_is_regression_near_the_mean(known):
    rng = np.random.default_rng(4)
    for term in known.terms:
        i = known.terms.index(term)
        covariance = known._raw_covariance()[i]
        slope = np.linalg.solve(covariance[:2, :2], covariance[:2, 2])
        small = rng.normal(scale=1e-3, size=(20, 2)) * known.sd[i, :2]
        imputed = known.impute_dominance(known.mean[i, :2] + small, term)
        np.testing.assert_allclose(imputed, known.mean[i, 2] + small @ slope, atol=1e-8)


@given(st.floats(-100, 100), st.floats(-100, 100), st.sampled_from(["happy", "sad", "neutral"]))
def test_imputed_dominance_stays_within_reach(valence, arousal, term):
    table = {
        name: row(name, ROWS[name], corr_va=va, corr_vd=vd, corr_ad=ad)
        for name, va, vd, ad in (("happy", 0.15, 0.75, 0.25), ("sad", 0.75, 0.65, 0.55), ("neutral", 0.05, 0.1, 0.1))
    }
    terms = EmotionGaussians.from_table(table.values())
    i = terms.terms.index(term)
    imputed = terms.impute_dominance([valence, arousal], term)
    assert abs(imputed - terms.mean[i, 2]) <= 1.5 * terms.sd[i, 2] + 1e-12


def test_imputing_with_one_term_a_point(known):
    points = np.array([[0.8, 0.5], [-0.6, -0.3]])
    many = known.impute_dominance(points, ["happy", "sad"])
    one = [known.impute_dominance(p, t) for p, t in zip(points, ("happy", "sad"), strict=True)]
    np.testing.assert_allclose(many, one)
    with pytest.raises(UsageError) as error:
        known.impute_dominance(points, ["happy", "sad", "sad"])
    assert error.value.code == "shape_mismatch"


def test_samples_have_the_moments_of_their_term(known):
    sample = known.sample(np.random.default_rng(7), 60_000, prior=[0.25, 0.75, 0])
    assert sample.vad.shape == (60_000, 3)
    assert np.bincount(sample.term, minlength=3) / 60_000 == pytest.approx([0.25, 0.75, 0], abs=0.01)
    sad = sample.vad[sample.term == 1]
    np.testing.assert_allclose(sad.mean(axis=0), known.mean[1], atol=0.01)
    np.testing.assert_allclose(np.cov(sad.T), known.covariance()[1], atol=0.005)
    again = known.sample(np.random.default_rng(7), 60_000, prior=[0.25, 0.75, 0])
    assert again.vad.tobytes() == sample.vad.tobytes()
    assert known.sample(np.random.default_rng(7), 5, dims="VA").vad.shape == (5, 2)
