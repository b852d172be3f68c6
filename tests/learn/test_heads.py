import numpy as np
import pytest

pytest.importorskip("scipy", reason='needs the train extra: pip install "affectome[train]"')
pytest.importorskip("sklearn", reason='needs the train extra: pip install "affectome[train]"')

from scipy.special import softmax
from sklearn.linear_model import LogisticRegression, Ridge

from affectome.errors import ModelError, RunError, UsageError
from affectome.learn import penalised
from affectome.learn.heads import Head, check_targets, choose_strength, fit_head

pytestmark = pytest.mark.train

NAN = float("nan")
KINDS = ("choice", "presence", "measure", "ordinal")


def standardised(features):
    return (features - features.mean(axis=0)) / features.std(axis=0)


def problem(kind, n=120, d=4, k=3, seed=0):
    """Features of unlike size and targets that follow them."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, d)) * np.array([1, 10, 0.1, 3])[:d] + 5
    scores = standardised(features) @ rng.normal(size=(d, k)) + np.arange(k)
    if kind == "choice":
        return features, np.array([rng.multinomial(5, p) / 5 for p in softmax(scores, axis=1)])
    if kind == "presence":
        return features, (rng.logistic(size=(n, k)) < scores - 1).astype(float)
    if kind == "measure":
        return features, scores + rng.normal(size=(n, k))
    return features, np.digitize(scores[:, 0] + rng.logistic(size=n), [-1.0, 1.0]).astype(float)


@pytest.mark.parametrize("kind", KINDS)
def test_a_head_survives_its_state(kind):
    features, targets = problem(kind)
    head = fit_head(features, targets, kind=kind, strength=0.01)
    state = head.state()
    assert all(array.dtype == np.float32 for array in state.values())
    again = Head.from_state(state, kind)
    np.testing.assert_array_equal(again.predict(features), head.predict(features))
    assert head.predict(features).shape == (120, 3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_weight_of_two_is_a_row_given_twice_and_one_of_none_a_row_left_out(kind):
    features, targets = problem(kind)
    twice, none = np.arange(20), np.arange(100, 120)
    weights = np.ones(120)
    weights[twice], weights[none] = 2, 0
    rows = np.concatenate([np.arange(100), twice])
    weighted = fit_head(features, targets, kind=kind, strength=0.1, weights=weights)
    repeated = fit_head(features[rows], targets[rows], kind=kind, strength=0.1)
    np.testing.assert_allclose(weighted.predict(features), repeated.predict(features), atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_units_of_the_features_do_not_matter(kind):
    features, targets = problem(kind)
    first = fit_head(features, targets, kind=kind, strength=0.1).predict(features)
    other = features * np.array([100, 0.01, 7, 1]) - 3
    np.testing.assert_allclose(
        fit_head(other, targets, kind=kind, strength=0.1).predict(other), first, atol=1e-3, rtol=1e-3
    )


@pytest.mark.parametrize("kind", KINDS)
def test_features_that_tell_nothing_leave_the_frequencies(kind):
    targets = problem(kind)[1]
    head = fit_head(np.full((120, 2), 0.1), targets, kind=kind, strength=1)
    expected = np.eye(3)[targets.astype(int)].mean(axis=0) if kind == "ordinal" else targets.mean(axis=0)
    np.testing.assert_allclose(head.predict(np.full((1, 2), 0.1))[0], expected, atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_unknown_rows_are_left_out(kind):
    features, targets = problem(kind)
    targets[::3] = NAN
    kept = np.arange(120) % 3 > 0
    head = fit_head(features, targets, kind=kind, strength=0.1)
    expected = fit_head(features[kept], targets[kept], kind=kind, strength=0.1)
    np.testing.assert_array_equal(head.matrix, expected.matrix)


def test_choice_is_multinomial_logistic_regression():
    features, targets = problem("choice")
    labels = targets.argmax(axis=1)
    head = fit_head(features, np.eye(3)[labels], kind="choice", strength=0.05)
    reference = LogisticRegression(C=1 / (0.05 * 120), tol=1e-8, max_iter=1000).fit(standardised(features), labels)
    np.testing.assert_allclose(head.predict(features), reference.predict_proba(standardised(features)), atol=2e-4)


def test_soft_choices_are_votes_counted_one_by_one():
    features, targets = problem("choice")
    head = fit_head(features, targets, kind="choice", strength=0.05)
    votes = np.eye(3)[np.tile(np.arange(3), 120)]
    single = fit_head(np.repeat(features, 3, axis=0), votes, kind="choice", strength=0.05, weights=targets.ravel())
    np.testing.assert_allclose(head.predict(features), single.predict(features), atol=1e-4)
    np.testing.assert_allclose(head.predict(features).sum(axis=1), 1)


def test_presence_is_one_logistic_regression_a_label():
    features, targets = problem("presence")
    head = fit_head(features, targets, kind="presence", strength=0.05)
    for column in range(3):
        reference = LogisticRegression(C=1 / (0.05 * 120), tol=1e-8, max_iter=1000)
        reference.fit(standardised(features), targets[:, column])
        expected = reference.predict_proba(standardised(features))[:, 1]
        np.testing.assert_allclose(head.predict(features)[:, column], expected, atol=2e-4)


def test_measure_is_ridge_regression():
    features, targets = problem("measure")
    head = fit_head(features, targets, kind="measure", strength=0.3)
    reference = Ridge(alpha=0.3 * 120).fit(standardised(features), targets)
    np.testing.assert_allclose(head.predict(features), reference.predict(standardised(features)), atol=1e-5)


@pytest.mark.parametrize("kind", ["presence", "measure"])
def test_an_unknown_cell_tells_nothing_of_its_column_and_nothing_to_the_others(kind):
    features, targets = problem(kind)
    full = fit_head(features, targets, kind=kind, strength=0.1)
    holes = targets.copy()
    holes[40:, 1] = NAN
    head = fit_head(features, holes, kind=kind, strength=0.1)
    np.testing.assert_allclose(head.matrix[:, [0, 2]], full.matrix[:, [0, 2]], atol=1e-4)
    # The penalty counts for all 120 rows. Only the standardisation sees the rows without a target.
    few = fit_head(features[:40], targets[:40, [1]], kind=kind, strength=0.1 * 3)
    assert np.corrcoef(head.matrix[:, 1] / head.scale, few.matrix[:, 0] / few.scale)[0, 1] > 0.99


def test_levels_by_hand():
    # The odds of a level above a cut are exp(place - cut): at place 0 and cuts 0 and ln 3 they are 1 and 1/3.
    head = Head(
        "ordinal",
        *(np.array(values, np.float32) for values in ([0], [1], [[1]], [0], [0, np.log(3)])),
    )
    np.testing.assert_allclose(head.predict([[0.0]]), [[1 / 2, 1 / 4, 1 / 4]], atol=1e-7)
    # A place of ln 3 shifts the odds by 3: 3 and 1.
    np.testing.assert_allclose(head.predict([[np.log(3)]]), [[1 / 4, 1 / 4, 1 / 2]], atol=1e-7)


def test_cut_points_and_slope_of_an_ordinal_head_are_recovered():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(6000, 1))
    cuts = np.array([-1.0, 0.2, 2.0])
    head = fit_head(
        features, np.digitize(1.5 * features[:, 0] + rng.logistic(size=6000), cuts), kind="ordinal", strength=1e-6
    )
    assert head.matrix[0, 0] / head.scale[0] == pytest.approx(1.5, abs=0.08)
    np.testing.assert_allclose(head.cuts + head.mean[0] / head.scale[0] * head.matrix[0, 0], cuts, atol=0.1)


@pytest.mark.parametrize("levels", [[0, 1], [0, 1, 2, 3, 4], [0, 4], [1, 2], [2, 3]])
def test_level_probabilities_are_distributions_even_where_a_level_never_occurs(levels):
    rng = np.random.default_rng(0)
    features = rng.normal(size=(60, 2))
    head = fit_head(features, rng.choice(levels, 60), kind="ordinal", strength=0.01)
    assert (np.diff(head.cuts) > 0).all()
    probability = head.predict(10 * features)
    np.testing.assert_allclose(probability.sum(axis=1), 1)
    assert (probability >= 0).all()
    absent = sorted(set(range(max(levels) + 1)) - set(levels))
    assert head.predict(features)[:, absent].max(initial=0) < 0.02


@pytest.mark.parametrize("kind", ["choice", "presence", "ordinal"])
def test_gradients_are_those_of_the_loss(kind):
    features, targets = problem(kind, n=12)
    values = check_targets(targets, kind, 12)
    share = np.random.default_rng(1).dirichlet(np.ones(12))
    rows = penalised.Rows(features, np.nan_to_num(values), np.ones_like(values), share, np.arange(12))
    loss_of, curvature, rest = penalised._start(rows, kind)
    scores = np.random.default_rng(2).normal(size=(12, len(curvature)))
    value, by_scores, by_rest = loss_of(scores, rest)
    assert value > 0
    for array, slope, of in (
        (scores, by_scores, lambda a: loss_of(a, rest)),
        (rest, by_rest, lambda a: loss_of(scores, a)),
    ):
        for place in np.ndindex(array.shape):
            step = np.zeros(array.shape)
            step[place] = 1e-5
            numeric = (of(array + step)[0] - of(array - step)[0]) / 2e-5
            assert slope[place] == pytest.approx(numeric, abs=1e-8)


def test_the_strength_is_chosen_on_other_groups():
    # Each author says one thing, and the features name the author: across authors they tell nothing.
    rng = np.random.default_rng(0)
    authors = np.repeat(np.arange(24), 5)
    features = np.eye(24)[authors] + 0.01 * rng.normal(size=(120, 24))
    targets = rng.normal(size=24)[authors][:, None]
    alone = choose_strength(features, targets, kind="measure", seed=1)
    grouped = choose_strength(features, targets, kind="measure", groups=authors, seed=1)
    assert alone < 0.01
    assert grouped > 1
    head = fit_head(features, targets, kind="measure", groups=authors, seed=1)
    np.testing.assert_array_equal(head.matrix, fit_head(features, targets, kind="measure", strength=grouped).matrix)


@pytest.mark.parametrize("kind", KINDS)
def test_noise_asks_for_a_stronger_penalty_than_signal(kind):
    features, targets = problem(kind, n=160)
    shuffled = np.random.default_rng(3).permutation(features)
    assert choose_strength(features, targets, kind=kind) < choose_strength(shuffled, targets, kind=kind)


def test_the_choice_of_the_strength_does_not_depend_on_the_unit_of_a_measure():
    features, targets = problem("measure")
    targets[:, 0] = np.random.default_rng(5).normal(size=120)
    unit = np.array([1000, 1, 0.001])
    assert choose_strength(features, targets, kind="measure") == choose_strength(
        features, targets * unit + 7, kind="measure"
    )


def test_one_group_cannot_choose():
    features, targets = problem("measure")
    with pytest.raises(UsageError) as caught:
        fit_head(features, targets, kind="measure", groups=["a"] * 120)
    assert caught.value.code == "too_few_groups"


def test_a_fit_that_does_not_converge_is_an_error(monkeypatch):
    monkeypatch.setattr(penalised, "_STEPS", 1)
    with pytest.raises(RunError) as caught:
        fit_head(*problem("choice"), kind="choice", strength=1e-4)
    assert caught.value.code == "no_convergence"


ROWS = [[0.0, 1.0], [1.0, 0.0], [2.0, 5.0]]


@pytest.mark.parametrize(
    ("features", "targets", "kind", "options", "code"),
    [
        (ROWS, [[1.0], [0], [1]], "logit", {}, "unknown_kind"),
        ([["a"]], [[1.0]], "measure", {}, "not_numbers"),
        ([1.0, 2.0], [[1.0], [2]], "measure", {}, "shape_mismatch"),
        ([[1.0, NAN]], [[1.0]], "measure", {}, "not_finite"),
        (ROWS, [["a"], ["b"], ["c"]], "measure", {}, "not_numbers"),
        (ROWS, [1.0, 2.0, 3.0], "measure", {}, "shape_mismatch"),
        (ROWS, [[1.0], [2.0]], "measure", {}, "shape_mismatch"),
        (ROWS, [[0], [1], [0]], "ordinal", {}, "shape_mismatch"),
        (ROWS, [[1.0], [np.inf], [1]], "measure", {}, "not_finite"),
        (ROWS, [0, 1, 1.5], "ordinal", {}, "bad_levels"),
        (ROWS, [0, 1, -1], "ordinal", {}, "bad_levels"),
        (ROWS, [0, 0, 0], "ordinal", {}, "bad_levels"),
        (ROWS, [[1.0], [2], [0]], "presence", {}, "not_a_probability"),
        (ROWS, [[0.5, 0.4], [1, 0], [1, 0]], "choice", {}, "not_a_distribution"),
        (ROWS, [[1, NAN], [1, 0], [1, 0]], "choice", {}, "not_a_distribution"),
        (ROWS, [[1, NAN], [1, NAN], [0, NAN]], "presence", {}, "no_targets"),
        (ROWS, [[1.0], [2], [3]], "measure", {"weights": [0, 0, 0]}, "no_targets"),
        (ROWS, [[1.0], [2], [3]], "measure", {"weights": [1, 1, -1]}, "bad_weights"),
        (ROWS, [[1.0], [2], [3]], "measure", {"weights": [1, 1]}, "bad_weights"),
        (ROWS, [[1.0], [2], [3]], "measure", {"groups": [1, 1]}, "shape_mismatch"),
        (ROWS, [[1.0], [2], [3]], "measure", {"strength": 0}, "bad_strength"),
        (ROWS, [[1.0], [2], [3]], "measure", {"strength": NAN}, "bad_strength"),
    ],
)
def test_what_does_not_fit_is_refused(features, targets, kind, options, code):
    with pytest.raises(UsageError) as caught:
        fit_head(features, targets, kind=kind, **{"strength": 1.0} | options)
    assert caught.value.code == code


def test_features_of_another_width_are_refused():
    head = fit_head(ROWS, [[1.0], [2], [3]], kind="measure", strength=1)
    with pytest.raises(UsageError) as caught:
        head.predict([[1.0, 2, 3]])
    assert caught.value.code == "shape_mismatch"


@pytest.mark.parametrize(
    "change",
    [
        {"mean": None},
        {"more": np.zeros(1)},
        {"mean": np.zeros(3)},
        {"bias": np.zeros(2)},
        {"matrix": np.zeros(2)},
        {"cuts": np.array([1.0, 0.0])},
    ],
)
def test_a_damaged_state_is_refused(change):
    state = fit_head(ROWS, [0, 1, 2], kind="ordinal", strength=1).state() | change
    with pytest.raises(ModelError) as caught:
        Head.from_state({name: array for name, array in state.items() if array is not None}, "ordinal")
    assert caught.value.code == "bad_head"
