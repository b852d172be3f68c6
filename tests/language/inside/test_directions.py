import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the train extra")

from affectome.errors import UsageError
from affectome.language.inside import contrast_directions, leave_theme_out, nearest_direction, split_half_cosine

pytestmark = pytest.mark.train


def _drawn(signal, seed=0, groups=60, emotions=6, width=32):
    """Vectors of situations, of which each moves all its emotions by the same, and of emotions."""
    draw = np.random.default_rng(seed)
    situations = 10 * draw.normal(size=(groups, 1, width))
    return situations + signal * np.eye(emotions, width) + draw.normal(size=(groups, emotions, width))


def test_two_emotions_by_hand():
    # Group means are (1, 1) and (6, 5); what is left of the first emotion is (1, 0) and (1, 0).
    groups = np.array([[[2, 1], [0, 1]], [[7, 5], [5, 5]]])
    np.testing.assert_allclose(contrast_directions(groups), [[1, 0], [-1, 0]])


def test_directions_are_of_unit_length_in_every_layer():
    groups = np.stack([_drawn(3), _drawn(5, seed=1)], axis=2)
    found = contrast_directions(groups)
    assert found.shape == (6, 2, 32)
    np.testing.assert_allclose(np.linalg.norm(found, axis=-1), 1)
    np.testing.assert_allclose(found[:, 0], contrast_directions(groups[:, :, 0]))


def test_what_all_emotions_of_a_situation_share_makes_no_difference():
    groups = _drawn(3)
    moved = groups + np.random.default_rng(5).normal(size=(60, 1, 32)) * 100
    np.testing.assert_allclose(contrast_directions(moved), contrast_directions(groups), atol=1e-9)


def test_no_difference_has_no_direction():
    assert not contrast_directions(np.ones((3, 2, 4))).any()


def test_a_group_that_is_not_whole_is_left_out():
    groups = _drawn(3)
    holed = groups.copy()
    holed[0, 2] = np.nan
    np.testing.assert_allclose(contrast_directions(holed), contrast_directions(groups[1:]))


def test_halves_agree_where_there_is_something_and_not_where_there_is_nothing():
    assert split_half_cosine(_drawn(4)).min() > 0.8
    assert abs(split_half_cosine(_drawn(0)).mean()) < 0.2
    assert split_half_cosine(_drawn(4)[:, :, None]).shape == (6, 1)


def test_a_theme_is_told_by_the_others():
    themes = [f"theme {k % 5}" for k in range(60)]
    right = np.arange(6)
    assert (leave_theme_out(_drawn(4), themes) == right).mean() > 0.9
    assert (leave_theme_out(_drawn(0), themes) == right).mean() < 0.3
    shuffled = np.random.default_rng(1).permuted(_drawn(4), axis=1)
    assert (leave_theme_out(shuffled, themes) == right).mean() < 0.3


def test_a_theme_never_tells_itself():
    groups, themes = _drawn(0, groups=4), ["one", "one", "two", "two"]
    found = leave_theme_out(groups, themes)
    assert np.array_equal(found[:2], nearest_direction(groups[:2], contrast_directions(groups[2:])))


@pytest.mark.parametrize(
    "groups", [np.ones((3, 1, 4)), np.ones((0, 2, 4)), np.ones((3, 4)), np.full((2, 2, 3), np.nan)]
)
def test_what_has_no_contrast_is_refused(groups):
    with pytest.raises(UsageError) as caught:
        contrast_directions(groups)
    assert caught.value.code == "bad_groups"


def test_holes_everywhere_and_one_theme_are_refused():
    holed = _drawn(1, groups=2)
    holed[0, 0] = holed[1, 1] = np.nan
    with pytest.raises(UsageError, match="No group"):
        contrast_directions(holed)
    with pytest.raises(UsageError) as caught:
        leave_theme_out(_drawn(1, groups=2), ["one", "one"])
    assert caught.value.code == "one_theme"
