import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the train extra")

from affectome.errors import UsageError
from affectome.language.inside import Probe, ProbeRows, best_layer, half_life, layer_curve

pytestmark = pytest.mark.train

ROWS = ProbeRows(np.arange(0, 240), np.arange(240, 300), np.arange(300, 420))


@pytest.fixture
def drawn():
    """Three classes; vectors that know nothing of them, that know them linearly, and that know them by sign alone."""
    draw = np.random.default_rng(0)
    labels = np.arange(420) % 3
    noise = draw.normal(size=(420, 6)).astype(np.float32)
    linear = noise.copy()
    linear[np.arange(420), labels] += 4
    side = np.where(np.arange(420) // 3 % 2, -1, 1)  # as many of each, so that there is no line to draw
    folded = noise * 0.3
    folded[:, 0] += side * labels * 3
    return labels, noise, linear, folded


@pytest.mark.parametrize("kind", ["linear", "mlp"])
def test_a_probe_finds_what_is_there(drawn, kind):
    labels, noise, linear, _ = drawn
    curve = layer_curve([noise, linear], labels, ROWS, kind=kind, seeds=range(3))
    assert [score.layer for score in curve] == [0, 1]
    assert best_layer(curve).layer == 1
    assert curve[1].test.mean > 0.9
    assert curve[0].accuracy.mean == pytest.approx(1 / 3, abs=0.12)
    assert curve[1].control.mean < 0.55
    assert curve[1].selectivity == pytest.approx(curve[1].accuracy.mean - curve[1].control.mean)
    assert curve[1].test.low <= curve[1].test.mean <= curve[1].test.high


def test_only_the_mlp_unfolds(drawn):
    labels, _, _, folded = drawn

    def score(kind):
        parts = (folded[ROWS.train], labels[ROWS.train], folded[ROWS.dev], labels[ROWS.dev])
        return np.mean(Probe(kind).fit(*parts).predict(folded[ROWS.test]) == labels[ROWS.test])

    assert score("mlp") > score("linear") + 0.2


@pytest.mark.parametrize("kind", ["linear", "mlp"])
def test_probabilities_sum_to_one_and_repeat_with_the_seed(drawn, kind):
    labels, _, linear, _ = drawn
    parts = (linear[ROWS.train], labels[ROWS.train], linear[ROWS.dev], labels[ROWS.dev])
    first, again = (Probe(kind, 4).fit(*parts).probabilities(linear) for _ in range(2))
    assert np.array_equal(first, again)
    np.testing.assert_allclose(first.sum(axis=1), 1, atol=1e-5)


def test_an_unknown_probe_is_refused():
    with pytest.raises(UsageError) as caught:
        Probe("cubic")
    assert caught.value.code == "unknown_probe"


def test_half_life_by_hand():
    # Above a chance of .2: .6, .4, .2; half of .6 is passed midway between the second and the third.
    assert half_life([0.8, 0.6, 0.4], [0, 10, 30], 0.2) == pytest.approx(20)
    assert half_life([0.8, 0.6], [0, 10], 0.2) == float("inf")
    assert np.isnan(half_life([0.2, 0.1], [0, 10], 0.2))
