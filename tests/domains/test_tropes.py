"""Tropes are dense groups of sentences, and only those."""

import numpy as np
import pytest

from affectome.domains import mine_tropes
from affectome.errors import UsageError


def at(*degrees: float) -> np.ndarray:
    radians = np.deg2rad(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1)


def test_dense_groups_are_found_largest_first_and_the_rest_is_none():
    vectors = at(0, 90, 2, 92, 4, 180, 6, 94)
    found = mine_tropes(vectors, distance=0.001, minimum=2, largest_share=0.6)
    assert found.members.tolist() == [0, 1, 0, 1, 0, -1, 0, 1]


def test_the_representative_lies_nearest_to_the_mean():
    found = mine_tropes(at(0, 1, 2, 3, 10, 180), distance=0.01, minimum=2, largest_share=0.9)
    assert found.representatives.tolist() == [3]  # the mean lies at 3.2 degrees


def test_distance_is_that_of_the_cosine():
    vectors = at(0, 60, 180)  # cosine distances 0.5, 1.5 and 2
    assert mine_tropes(vectors, distance=0.501, minimum=2, largest_share=0.7).members.tolist() == [0, 0, -1]
    assert mine_tropes(vectors, distance=0.499, minimum=2, largest_share=0.7).members.tolist() == [-1, -1, -1]


def test_what_half_of_all_say_is_no_trope():
    vectors = at(0, 1, 90, 180)
    assert mine_tropes(vectors, distance=0.001, minimum=2).members.tolist() == [-1] * 4
    assert mine_tropes(at(0, 1, 90, 180, 270), distance=0.001, minimum=2).members.tolist() == [0, 0, -1, -1, -1]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"vectors": 2 * at(0, 1)}, "not_unit_vectors"),
        ({"vectors": np.zeros((0, 3))}, "not_unit_vectors"),
        ({"vectors": np.full((2, 2), np.nan)}, "not_unit_vectors"),
        ({"distance": 0}, "bad_setting"),
        ({"minimum": 1}, "bad_setting"),
        ({"largest_share": 0}, "bad_setting"),
    ],
)
def test_what_makes_no_sense_is_refused(change, code):
    given = {"vectors": at(0, 1), "distance": 0.1, "minimum": 2} | change
    with pytest.raises(UsageError) as error:
        mine_tropes(given.pop("vectors"), **given)
    assert error.value.code == code
