"""Cuts between shots, and what is none."""

import numpy as np
import pytest

from affectome.errors import UsageError
from affectome.perceive.shots import find_cuts


def shot(seed, n=12, high=36, wide=48):
    """A disc on a plain ground that drifts."""
    rng = np.random.default_rng(seed)
    ground, disc = rng.integers(0, 256, (2, 3))
    y, x = np.mgrid[:high, :wide]
    frames = np.empty((n, high, wide, 3), np.uint8)
    for k in range(n):
        inside = np.hypot(y - high / 2, x - wide / 4 - k) < 8
        frames[k] = np.where(inside[..., None], disc, ground)
    return frames


def test_every_cut_of_a_film_is_found_at_its_frame():
    film = np.concatenate([shot(seed, n) for seed, n in ((0, 9), (1, 14), (2, 7), (3, 11))])
    assert find_cuts(film).tolist() == [9, 23, 30]


def test_one_shot_has_no_cut():
    assert not len(find_cuts(shot(4, 40)))


def test_a_flash_is_no_cut():
    film = shot(5, 30).copy()
    film[15] = 255 - film[15]
    assert not len(find_cuts(film))


def test_a_slow_fade_is_not_found():
    one, other = (shot(seed, 1)[0].astype(float) for seed in (0, 1))
    share = np.linspace(0, 1, 60)[:, None, None, None]
    assert not len(find_cuts(np.rint((1 - share) * one + share * other).astype(np.uint8)))


@pytest.mark.parametrize("n", [1, 2])
def test_very_short_films(n):
    film = np.concatenate([np.zeros((1, 8, 8, 3), np.uint8), np.full((1, 8, 8, 3), 255, np.uint8)])[:n]
    assert find_cuts(film).tolist() == ([] if n == 1 else [1])


@pytest.mark.parametrize("shape", [(4, 8, 8), (4, 8, 8, 4), (0, 8, 8, 3)])
def test_what_is_no_film(shape):
    with pytest.raises(UsageError) as caught:
        find_cuts(np.zeros(shape, np.uint8))
    assert caught.value.code == "shape_mismatch"
