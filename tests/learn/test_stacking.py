import numpy as np
import pytest

pytest.importorskip("scipy", reason='needs the train extra: pip install "affectome[train]"')
pytest.importorskip("sklearn", reason='needs the train extra: pip install "affectome[train]"')

from affectome.errors import UsageError
from affectome.learn.stacking import stack

pytestmark = pytest.mark.train

NAN = float("nan")


def test_two_readers_by_hand():
    # Errors 1 and -2 on the first row, 0 and 0 on the second: two parts of the first and one of the second cancel.
    weights = stack([[[1.0], [5.0]], [[-2.0], [5.0]]], [[0.0], [5.0]], "measure")
    np.testing.assert_allclose(weights, [2 / 3, 1 / 3])


def test_weights_follow_the_inverse_variance_of_independent_errors():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(20_000, 2))
    readers = [truth + sd * rng.normal(size=truth.shape) for sd in (1, 2, 2)]
    np.testing.assert_allclose(stack(readers, truth, "measure"), [4 / 6, 1 / 6, 1 / 6], atol=0.02)


@pytest.mark.parametrize("seed", range(5))
def test_no_other_blend_has_a_smaller_error(seed):
    rng = np.random.default_rng(seed)
    truth = rng.dirichlet(np.ones(3), 40)
    readers = [0.3 * truth + 0.7 * rng.dirichlet(np.ones(3), 40) for _ in range(4)]
    weights = stack(readers, truth, "choice")
    assert weights.sum() == pytest.approx(1)
    assert (weights >= 0).all()

    def error(weights):
        return ((np.tensordot(weights, readers, 1) - truth) ** 2).sum()

    assert all(error(weights) <= error(other) + 1e-9 for other in rng.dirichlet(np.ones(4) / 2, 300))


def test_a_harmful_reader_gets_nothing():
    rng = np.random.default_rng(0)
    truth = (rng.random((400, 3)) < 0.3).astype(float)
    good = np.clip(0.6 * truth + 0.2 + 0.1 * rng.normal(size=truth.shape), 0, 1)
    weights = stack([good, 1 - good], truth, "presence")
    np.testing.assert_allclose(weights, [1, 0], atol=1e-6)


def test_unknown_cells_and_the_units_of_measures_do_not_matter():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(200, 2))
    readers = [truth + rng.normal(size=truth.shape) * [1, 2], truth + rng.normal(size=truth.shape) * [2, 1]]
    unit = np.array([1000, 1])
    expected = stack(readers, truth, "measure")
    np.testing.assert_allclose(stack([reader * unit for reader in readers], truth * unit, "measure"), expected)
    more = [np.vstack([reader, [[9, NAN]]]) for reader in readers]
    np.testing.assert_allclose(stack(more, np.vstack([truth, [[NAN, NAN]]]), "measure"), expected)


def test_levels_are_blended_as_distributions():
    readers = [np.array([[0.8, 0.2, 0], [0, 0.2, 0.8], [0.2, 0.6, 0.2]]), np.full((3, 3), 1 / 3)]
    np.testing.assert_allclose(stack(readers, [0, 2, 1], "ordinal"), [1, 0], atol=1e-9)


@pytest.mark.parametrize(
    ("outputs", "targets", "code"),
    [
        ([], [[1.0]], "shape_mismatch"),
        ([[[1.0]], [[1.0], [2.0]]], [[1.0]], "shape_mismatch"),
        ([[[1.0]]], [[NAN]], "no_targets"),
        ([[[NAN]]], [[1.0]], "not_finite"),
    ],
)
def test_what_does_not_fit_is_refused(outputs, targets, code):
    with pytest.raises(UsageError) as caught:
        stack(outputs, targets, "measure")
    assert caught.value.code == code
