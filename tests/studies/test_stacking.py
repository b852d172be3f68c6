"""A blend is weighed on rows its read-outs have not seen, and words get few directions."""

import numpy as np
import pytest

from affectome.studies.stacking import held_out, latent_words, stacked

pytestmark = pytest.mark.train


def test_no_row_is_predicted_by_a_fit_that_saw_its_group():
    groups = np.repeat(np.arange(6), 2)
    rows = np.arange(12) + 100
    seen = []

    def read_out(train, test):
        seen.append((set(groups[train - 100]), set(groups[test - 100])))
        return test[:, None].astype(float)

    found = held_out(read_out, rows, groups=groups, count=3, seed=0)
    assert found[:, 0].tolist() == rows.tolist()
    assert len(seen) == 3
    assert all(not train & test for train, test in seen)


def test_a_blend_trusts_the_read_out_that_knows():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 90)
    targets = np.eye(3)[truth]
    read_outs = {
        "knows": lambda train, test: 0.1 + 0.7 * targets[test],
        "guesses": lambda train, test: np.full((len(test), 3), 1 / 3),
    }
    train, test = np.arange(60), np.arange(60, 90)
    found = stacked(read_outs, train, test, targets[train], kind="choice", seed=0)
    assert found.weights["knows"] == pytest.approx(1)
    assert found.blend == pytest.approx(found.outputs["knows"])
    assert found.held_out == pytest.approx(0.1 + 0.7 * targets[train])
    assert found.blend.argmax(axis=1).tolist() == truth[test].tolist()


def test_main_directions_of_words():
    texts = ["rain and wind", "rain again", "sun and sea", "sun again"] * 3
    found = latent_words(texts, np.arange(8), width=3, seed=0)
    assert found.shape == (12, 3)
    assert found[0] == pytest.approx(found[4])
    same, other = found[0] @ found[4], found[0] @ found[2]
    assert same > other
    assert latent_words(texts, np.arange(4), seed=0).shape == (12, 3)
