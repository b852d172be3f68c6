import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from affectome.affect import LabelDistribution, label_entropy, load_taxonomy
from affectome.errors import UsageError

EXCLUSIVE = load_taxonomy("ekman7")
PRESENCE = load_taxonomy("semeval11")
LN2 = np.log(2)


def over_ekman(*p: float) -> LabelDistribution:
    return LabelDistribution(EXCLUSIVE, np.array(p))


categorical = arrays(float, 7, elements=st.floats(0, 1)).map(lambda a: LabelDistribution(EXCLUSIVE, _normal(a)))
presences = arrays(float, 11, elements=st.floats(0, 1)).map(lambda a: LabelDistribution(PRESENCE, a))
pairs = st.one_of(st.tuples(categorical, categorical), st.tuples(presences, presences))


def _normal(a: np.ndarray) -> np.ndarray:
    return (a + 1e-9) / (a + 1e-9).sum()


def test_entropy_is_zero_when_certain_and_largest_when_even():
    assert over_ekman(0, 0, 1, 0, 0, 0, 0).entropy == 0
    assert LabelDistribution(EXCLUSIVE, np.full(7, 1 / 7)).entropy == pytest.approx(np.log(7))
    assert LabelDistribution(PRESENCE, np.full(11, 0.5)).entropy == pytest.approx(11 * LN2)
    assert LabelDistribution(PRESENCE, np.ones(11)).entropy == 0


def test_entropy_of_a_table_of_readings():
    p = np.array([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]])
    assert label_entropy(p, exclusive=True) == pytest.approx(np.array([LN2, 0]))
    assert label_entropy(p, exclusive=False) == pytest.approx(np.array([2 * LN2, 0]))
    assert not np.signbit(label_entropy(p, exclusive=True)).any()


@given(st.one_of(categorical, presences))
def test_entropy_stays_within_its_bounds(distribution):
    n = len(distribution.taxonomy)
    largest = np.log(n) if distribution.taxonomy.exclusive else n * LN2
    assert 0 <= distribution.entropy <= largest + 1e-9


def test_best_labels_come_first_and_equals_in_label_order():
    distribution = over_ekman(0.3, 0.0, 0.1, 0.3, 0.1, 0.2, 0.0)
    assert distribution.top == "anger"
    assert distribution.n_best(4) == [("anger", 0.3), ("joy", 0.3), ("surprise", 0.2), ("fear", 0.1)]
    assert len(distribution.n_best(7)) == 7


@pytest.mark.parametrize("n", [0, 8])
def test_there_are_as_many_best_labels_as_labels(n):
    with pytest.raises(UsageError) as caught:
        over_ekman(1, 0, 0, 0, 0, 0, 0).n_best(n)
    assert caught.value.code == "invalid_count"


def test_divergences_of_a_small_case():
    p, q = over_ekman(0.5, 0.5, 0, 0, 0, 0, 0), over_ekman(0.25, 0.75, 0, 0, 0, 0, 0)
    assert p.kl(q) == pytest.approx(0.5 * np.log(2) + 0.5 * np.log(2 / 3))
    assert over_ekman(1, 0, 0, 0, 0, 0, 0).js(over_ekman(0, 1, 0, 0, 0, 0, 0)) == pytest.approx(LN2)


def test_ruling_out_what_happens_costs_infinitely_much():
    p, q = over_ekman(0.5, 0.5, 0, 0, 0, 0, 0), over_ekman(1, 0, 0, 0, 0, 0, 0)
    assert p.kl(q) == np.inf
    assert q.kl(p) == pytest.approx(LN2)


def test_presence_divergence_adds_up_over_labels():
    p = LabelDistribution(PRESENCE, np.full(11, 0.5))
    q = LabelDistribution(PRESENCE, np.full(11, 0.25))
    one = 0.5 * np.log(0.5 / 0.25) + 0.5 * np.log(0.5 / 0.75)
    assert p.kl(q) == pytest.approx(11 * one)


@given(pairs)
def test_js_is_symmetric_bounded_and_zero_for_the_same(pair):
    p, q = pair
    assert p.js(q) == pytest.approx(q.js(p), abs=1e-12)
    assert 0 <= p.js(q) <= (LN2 if p.taxonomy.exclusive else 11 * LN2) + 1e-9
    assert p.js(p) == pytest.approx(0, abs=1e-12)
    assert p.kl(q) >= 0


@given(pairs, st.floats(0, 1))
def test_a_blend_lies_between_and_comes_no_further(pair, weight):
    p, q = pair
    blend = p.blend(q, weight)
    low, high = np.minimum(p.probabilities, q.probabilities), np.maximum(p.probabilities, q.probabilities)
    assert (blend.probabilities >= low - 1e-12).all()
    assert (blend.probabilities <= high + 1e-12).all()
    assert p.js(blend) <= p.js(q) + 1e-9


def test_blending_with_all_or_nothing_of_the_other():
    p, q = over_ekman(1, 0, 0, 0, 0, 0, 0), over_ekman(0, 1, 0, 0, 0, 0, 0)
    assert p.blend(q, 0).probabilities.tolist() == p.probabilities.tolist()
    assert p.blend(q, 1).probabilities.tolist() == q.probabilities.tolist()
    assert p.blend(q).n_best(2) == [("anger", 0.5), ("disgust", 0.5)]
    with pytest.raises(UsageError) as caught:
        p.blend(q, 1.5)
    assert caught.value.code == "invalid_weight"


@pytest.mark.parametrize("measure", ["kl", "js", "blend"])
def test_different_labels_do_not_compare(measure):
    with pytest.raises(UsageError) as caught:
        getattr(over_ekman(1, 0, 0, 0, 0, 0, 0), measure)(LabelDistribution(PRESENCE, np.zeros(11)))
    assert caught.value.code == "taxonomy_mismatch"


@pytest.mark.parametrize(
    "p",
    [
        np.full(6, 1 / 6),
        np.full(7, 0.2),
        [1.2, -0.2, 0, 0, 0, 0, 0],
        [np.nan, 1, 0, 0, 0, 0, 0],
        np.full((1, 7), 1 / 7),
    ],
)
def test_what_is_no_distribution_is_refused(p):
    with pytest.raises(UsageError) as caught:
        LabelDistribution(EXCLUSIVE, np.array(p))
    assert caught.value.code == "invalid_probabilities"


def test_presences_need_not_sum_to_one():
    assert LabelDistribution(PRESENCE, np.full(11, 0.9)).top == "anger"


def test_probabilities_are_kept_as_given_and_cannot_be_changed():
    p = np.full(7, 1 / 7, dtype=np.float32)
    distribution = LabelDistribution(EXCLUSIVE, p)
    p[:] = 0
    assert distribution.probabilities.tolist() == [float(np.float32(1 / 7))] * 7
    with pytest.raises(ValueError, match="read-only"):
        distribution.probabilities[0] = 1
