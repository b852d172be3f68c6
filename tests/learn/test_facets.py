import numpy as np
import pytest

pytest.importorskip("scipy", reason='needs the train extra: pip install "affectome[train]"')
pytest.importorskip("sklearn", reason='needs the train extra: pip install "affectome[train]"')

from affectome.errors import ModelError, UsageError
from affectome.learn.facets import FacetHeads, FacetSchema, Targets, fit_facets

pytestmark = pytest.mark.train

NAN = float("nan")
REQUIRES = {"duration": ("lonely", "yes"), "wish": ("duration", "lasting")}


def problem(n=300, seed=0):
    """Posts: the first feature tells whether somebody is lonely, the second for how long, the third what they wish."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, 3))
    lonely, lasting, wish = (features + 0.1 * rng.normal(size=(n, 3)) > 0).astype(int).T
    facets = {
        "wish": Targets(np.eye(2)[wish], "choice", ("advice", "company")),
        "duration": Targets(np.eye(2)[lasting], "choice", ("passing", "lasting")),
        "lonely": Targets(np.eye(2)[lonely], "choice", ("no", "yes")),
        "strength": Targets(np.where(lonely == 1, lasting + 1, 0), "ordinal", ("none", "some", "much")),
    }
    return features, facets


def test_an_axis_is_never_given_where_the_label_it_requires_is_absent():
    features, facets = problem()
    found = fit_facets(features, facets, REQUIRES, strength=1e-3).predict(features)
    assert list(found) == list(facets)
    lonely = found["lonely"].argmax(axis=1) == 1
    assert 0.4 < lonely.mean() < 0.6
    np.testing.assert_array_equal(np.isnan(found["duration"]).all(axis=1), ~lonely)
    np.testing.assert_array_equal(np.isnan(found["duration"]).any(axis=1), ~lonely)
    lasting = lonely & (found["duration"][:, 1] > 0.5)
    np.testing.assert_array_equal(~np.isnan(found["wish"]).any(axis=1), lasting)
    np.testing.assert_allclose(found["wish"][lasting].sum(axis=1), 1)
    assert (found["wish"][lasting].argmax(axis=1) == facets["wish"].values[lasting].argmax(axis=1)).mean() > 0.9
    assert not np.isnan(found["strength"]).any()


def test_an_axis_learns_nothing_from_rows_without_the_label_it_requires():
    features, facets = problem()
    absent = facets["lonely"].values[:, 0] == 1
    wrong = facets["duration"].values.copy()
    wrong[absent] = wrong[absent][:, ::-1]
    unknown = np.where(absent[:, None], NAN, wrong)
    first, second, third = (
        fit_facets(
            features, facets | {"duration": facets["duration"]._replace(values=values)}, REQUIRES, strength=1e-3
        ).heads["duration"]
        for values in (facets["duration"].values, wrong, unknown)
    )
    np.testing.assert_array_equal(first.matrix, second.matrix)
    np.testing.assert_array_equal(first.matrix, third.matrix)


def test_rows_where_the_required_label_is_unknown_teach_nothing():
    features, facets = problem()
    lonely = facets["lonely"].values.copy()
    lonely[:100] = NAN
    given = facets | {"lonely": facets["lonely"]._replace(values=lonely)}
    head = fit_facets(features, given, REQUIRES, strength=1e-3).heads["duration"]
    rest = {name: targets._replace(values=targets.values[100:]) for name, targets in facets.items()}
    expected = fit_facets(features[100:], rest, REQUIRES, strength=1e-3).heads["duration"]
    np.testing.assert_allclose(head.matrix, expected.matrix, atol=1e-6)


def test_divided_raters_count_by_their_share():
    features, facets = problem(60)
    votes = np.column_stack([np.full(60, 2 / 3), np.full(60, 1 / 3)])
    votes[:30] = [0, 1]
    given = {"lonely": facets["lonely"]._replace(values=votes), "duration": facets["duration"]}
    requires = {"duration": ("lonely", "yes")}
    head = fit_facets(features, given, requires, strength=0.1).heads["duration"]
    weights = np.where(np.arange(60) < 30, 3, 1)
    alone = fit_facets(features, {"duration": facets["duration"]}, strength=0.1, weights=weights).heads["duration"]
    np.testing.assert_allclose(head.matrix, alone.matrix, atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "values"),
    [("presence", [[0.9, 0.2]] * 3 + [[0.1, 0.2]] * 3), ("ordinal", [1, 1, 1, 0, 0, 0])],
)
def test_presences_and_levels_may_be_required(kind, values):
    features = np.array([[1.0], [1.1], [0.9], [-1], [-1.1], [-0.9]])
    facets = {
        "parent": Targets(values, kind, ("a", "b")),
        "child": Targets(np.arange(6.0)[:, None], "measure", ("size",)),
    }
    label = "a" if kind == "presence" else "b"
    found = fit_facets(features, facets, {"child": ("parent", label)}, strength=1e-3).predict(features)
    assert np.isnan(found["child"][:, 0]).tolist() == [False] * 3 + [True] * 3


def test_the_heads_survive_their_state():
    features, facets = problem(80)
    fitted = fit_facets(features, facets, REQUIRES, strength=0.01)
    again = FacetHeads.from_state(fitted.state(), fitted.schema)
    expected = fitted.predict(features)
    for axis, values in again.predict(features).items():
        np.testing.assert_array_equal(values, expected[axis])


def test_a_state_of_other_axes_is_refused():
    features, facets = problem(80)
    fitted = fit_facets(features, {"lonely": facets["lonely"]}, strength=0.01)
    other = FacetSchema({"lonely": "choice"}, {"lonely": ("no", "yes", "unsure")})
    for state, schema in (
        (fitted.state() | {"mood/bias": np.zeros(2)}, fitted.schema),
        (fitted.state(), other),
        ({}, fitted.schema),
    ):
        with pytest.raises(ModelError) as caught:
            FacetHeads.from_state(state, schema)
        assert caught.value.code == "bad_head"


@pytest.mark.parametrize(
    ("requires", "code"),
    [
        ({"mood": ("lonely", "yes")}, "unknown_facet"),
        ({"duration": ("mood", "yes")}, "unknown_facet"),
        ({"duration": ("lonely", "maybe")}, "unknown_label"),
        ({"duration": ("size", "cm")}, "unknown_label"),
        ({"duration": ("lonely", "yes"), "lonely": ("duration", "lasting")}, "facet_circle"),
        ({"lonely": ("lonely", "yes")}, "facet_circle"),
    ],
)
def test_requirements_that_make_no_sense_are_refused(requires, code):
    features, facets = problem(20)
    given = {name: facets[name] for name in ("lonely", "duration")} | {
        "size": Targets(features, "measure", ("cm", "x", "y"))
    }
    with pytest.raises(UsageError) as caught:
        fit_facets(features, given, requires, strength=1)
    assert caught.value.code == code


def test_an_axis_nothing_is_known_of_is_refused():
    features, facets = problem(20)
    never = facets["lonely"]._replace(values=np.eye(2)[np.zeros(20, int)])
    with pytest.raises(UsageError) as caught:
        fit_facets(features, {"lonely": never, "duration": facets["duration"]}, {"duration": ("lonely", "yes")})
    assert caught.value.code == "no_targets"
    assert caught.value.value == "duration"


def test_labels_must_fit_the_targets():
    features, facets = problem(20)
    with pytest.raises(UsageError) as caught:
        fit_facets(features, {"lonely": facets["lonely"]._replace(labels=("no", "yes", "unsure"))})
    assert caught.value.code == "shape_mismatch"
