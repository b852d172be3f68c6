"""A bundle's own head: what it reads, what does not fit, and which texts it was learnt from."""

from types import SimpleNamespace

import numpy as np
import pytest

from affectome.errors import ModelError
from affectome.perceive.encoder import Encoded
from affectome.perceive.head import BundleHead, text_marks

FEATURES = np.array([[1, 0], [0, 2]], np.float32)


def a_bundle(**arrays):
    given = {"matrix": np.eye(2, dtype=np.float32), "bias": np.zeros(2, np.float32), "seen": np.zeros(0, np.int64)}
    kept = {name: array for name, array in (given | arrays).items() if array is not None}
    return SimpleNamespace(arrays=lambda name: kept, card=SimpleNamespace(versioned_id="toy@1.0.0"), path="toy")


def test_features_are_everything_side_by_side():
    encoded = Encoded(*(np.full((2, k), k, np.float32) for k in (3, 4, 5, 2)))
    np.testing.assert_array_equal(encoded.features(), [[3] * 3 + [1] * 4 + [5] * 5 + [2] * 2] * 2)


def test_choice_and_presence():
    choice = BundleHead.load(a_bundle(), {"kind": "choice", "labels": ["yes", "no"]}).read(FEATURES)
    np.testing.assert_allclose(
        choice, [[np.e / (np.e + 1), 1 / (np.e + 1)], [1 / (1 + np.e**2), np.e**2 / (1 + np.e**2)]], 1e-6
    )
    described = {"kind": "presence", "labels": ["yes", "no"], "thresholds": [0.5, 0.3]}
    head = BundleHead.load(a_bundle(bias=np.array([0, -2], np.float32)), described)
    np.testing.assert_allclose(head.read(FEATURES), [[1 / (1 + np.exp(-1)), 1 / (1 + np.exp(2))], [0.5, 0.5]], 1e-6)
    assert head.thresholds == (0.5, 0.3)


def test_a_measure_stays_in_its_range():
    matrix = np.array([[1], [4]], np.float32)
    head = BundleHead.load(
        a_bundle(matrix=matrix, bias=np.ones(1, np.float32)), {"kind": "measure", "labels": ["age"], "range": [0, 5]}
    )
    np.testing.assert_array_equal(head.read(FEATURES), [[2], [5]])


@pytest.mark.parametrize(
    ("described", "arrays"),
    [
        ({"labels": ["yes", "no"]}, {}),
        ({"kind": "rank", "labels": ["yes", "no"]}, {}),
        ({"kind": "choice", "labels": ["yes"]}, {}),
        ({"kind": "choice", "labels": ["yes", "no"]}, {"bias": np.zeros(3, np.float32)}),
        ({"kind": "choice", "labels": ["yes", "no"]}, {"seen": None}),
        ({"kind": "presence", "labels": ["yes", "no"]}, {}),
        ({"kind": "measure", "labels": ["yes", "no"]}, {}),
        ({"kind": "measure", "labels": ["yes", "no"], "range": [0, 1, 2]}, {}),
    ],
)
def test_what_does_not_fit_is_refused(described, arrays):
    with pytest.raises(ModelError, match=r"toy@1\.0\.0") as caught:
        BundleHead.load(a_bundle(**arrays), described)
    assert caught.value.code == "bad_head"


def test_arrays_are_what_is_loaded():
    head = BundleHead.load(a_bundle(seen=np.array([3, 5])), {"kind": "choice", "labels": ["yes", "no"]})
    again = BundleHead.load(a_bundle(**head.arrays()), {"kind": "choice", "labels": ["yes", "no"]})
    np.testing.assert_array_equal(again.seen, [3, 5])


def test_marks_know_a_text_again():
    first, second, third, empty = text_marks(["Hello  @ada, https://a.b", "hello @bob,  http://c.d ", "Hello you", ""])
    assert first == second
    assert len({first, third, empty}) == 3
    assert text_marks([]).shape == (0,)
