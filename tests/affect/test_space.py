"""Reading labels from positions, with an encoder small enough to follow by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from affectome.affect.space import AffectSpace, sigmoid, softmax, unit
from affectome.errors import UsageError

_PLACES = {"glad": [1, 0, 0], "happy": [1, 0.2, 0], "sad": [-1, 0, 0], "calm": [0, 1, 0]}
_LOGITS = arrays(np.float32, (3, 4), elements=st.floats(-1e4, 1e4, width=32))


def _encode(texts):
    return unit(np.array([_PLACES[text] for text in texts], np.float32))


@pytest.fixture
def space():
    return AffectSpace(_encode, np.zeros(3, np.float32), sharpness=5.0, presence=(8.0, -4.0))


def test_an_anchor_is_the_mean_of_its_forms(space):
    anchors = space.anchors({"joy": ["glad", "happy"], "sorrow": ["sad"]})
    assert anchors.labels == ("joy", "sorrow")
    expected = unit(_encode(["glad", "happy"]).mean(axis=0, keepdims=True))[0]
    np.testing.assert_allclose(anchors.vectors[0], expected, rtol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(anchors.vectors, axis=1), 1, rtol=1e-6)


def test_the_nearest_label_wins_in_both_readings(space):
    anchors = space.anchors({"joy": ["glad"], "sorrow": ["sad"], "calm": ["calm"]})
    seen = _encode(["happy", "calm"])
    chosen, present = space.choose(seen, anchors), space.presence(seen, anchors)
    np.testing.assert_allclose(chosen.sum(axis=1), 1, rtol=1e-6)
    assert chosen.argmax(axis=1).tolist() == present.argmax(axis=1).tolist() == [0, 2]
    assert chosen.dtype == present.dtype == np.float32
    np.testing.assert_allclose(present[1, 2], 1 / (1 + np.exp(-4)), rtol=1e-5)  # similarity 1: logit 8 - 4


def test_an_anchor_near_to_everything_is_discounted():
    leaning = AffectSpace(_encode, np.array([0.5, 0, 0], np.float32), sharpness=5.0, presence=(1.0, 0.0))
    anchors = leaning.anchors({"joy": ["glad"], "calm": ["calm"]})
    between = unit(np.array([[1, 1, 0]], np.float32))
    joy, calm = leaning.similarity(between, anchors)[0]
    assert calm == pytest.approx(np.sqrt(0.5))
    assert joy == pytest.approx(np.sqrt(0.5) - 0.5)


def test_one_label_takes_everything(space):
    anchors = space.anchors({"joy": ["glad"]})
    assert space.choose(_encode(["sad", "calm"]), anchors).tolist() == [[1.0], [1.0]]


def test_a_label_does_not_depend_on_the_others(space):
    alone = space.anchors({"joy": ["glad", "happy"]})
    beside = space.anchors({"sorrow": ["sad"], "joy": ["glad", "happy"]})
    seen = _encode(["calm", "happy"])
    np.testing.assert_allclose(space.presence(seen, alone)[:, 0], space.presence(seen, beside)[:, 1], rtol=1e-6)


@pytest.mark.parametrize("forms", [{}, {"joy": []}, {"joy": ["glad", " "]}])
def test_a_vocabulary_without_words_is_refused(space, forms):
    with pytest.raises(UsageError) as caught:
        space.anchors(forms)
    assert caught.value.code == "empty_vocabulary"


@given(_LOGITS)
def test_softmax_gives_shares(logits):
    shares = softmax(logits)
    assert (shares >= 0).all()
    np.testing.assert_allclose(shares.sum(axis=-1), 1, rtol=1e-5)


@given(_LOGITS)
def test_sigmoid_is_a_symmetric_probability(logits):
    p = sigmoid(logits)
    assert ((p >= 0) & (p <= 1)).all()
    np.testing.assert_allclose(p + sigmoid(-logits), 1, atol=1e-6)


def test_unit_leaves_zero_alone():
    assert unit(np.zeros((2, 3), np.float32)).tolist() == [[0, 0, 0], [0, 0, 0]]
