import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from affectome.errors import UsageError
from affectome.language.inside import ModuleMap, Site, capture, random_dial, read_situations, stream_dial
from affectome.language.inside.scenarios import EMOTIONS, Situation

pytestmark = pytest.mark.train
TOKENS = torch.tensor([[3, 1, 4, 1, 5, 9]])
LENGTHS = np.array([2.0, 3.0, 5.0])
SITUATIONS = [Situation(theme, f"a b {'c ' * k}", "neutral") for k, theme in enumerate(("one", "one", "two"))]


def _directions(width=24):
    drawn = np.random.default_rng(0).normal(size=(6, 3, width))
    return drawn / np.linalg.norm(drawn, axis=-1, keepdims=True)


def _logits(model):
    with torch.no_grad():
        return model(TOKENS).logits


def test_a_dose_of_one_adds_vectors_as_long_as_the_stream():
    for shares in ([1, 1, 1], [0, 2, 0], [0.2, 0.3, 0.5]):
        dial = stream_dial(_directions(), LENGTHS, np.array(shares, float))
        for emotion in EMOTIONS:
            parts = {site.layer: np.linalg.norm(vector) for site, vector in dial.vectors[emotion].items()}
            assert sum(length / LENGTHS[layer] for layer, length in parts.items()) == pytest.approx(1)
            assert set(parts) == set(np.flatnonzero(shares))


def test_random_vectors_are_as_long_and_point_elsewhere():
    dial = stream_dial(_directions(), LENGTHS, np.ones(3))
    other = random_dial(dial, seed=1)
    for site, vector in dial.vectors["joy"].items():
        drawn = other.vectors["joy"][site]
        assert np.linalg.norm(drawn) == pytest.approx(np.linalg.norm(vector))
        assert abs(drawn @ vector) < 0.8 * np.linalg.norm(vector) ** 2
    assert dial.fingerprint("joy") != other.fingerprint("joy") != random_dial(dial, seed=2).fingerprint("joy")


def test_without_the_dial_logits_are_bit_for_bit_what_they_were(model):
    dial = stream_dial(_directions(), LENGTHS, np.ones(3))
    before = _logits(model)
    with dial.turned(model, "fear", 3.0):
        assert not torch.equal(_logits(model), before)
    assert torch.equal(_logits(model), before)
    with pytest.raises(ZeroDivisionError), dial.turned(model, "fear", 3.0):
        raise ZeroDivisionError
    assert torch.equal(_logits(model), before)
    with dial.turned(model, "fear", 0.0):
        assert torch.equal(_logits(model), before)


def test_the_dose_and_its_sign_are_what_moves_the_stream(model):
    dial = stream_dial(_directions(), LENGTHS, np.array([0.0, 1.0, 0.0]))
    site = Site("block_output", 1)
    with capture(model, [site]) as plain:
        _logits(model)
    for dose in (0.5, -2.0):
        with dial.turned(model, "anger", dose), capture(model, [site]) as seen:
            _logits(model)
        moved = (seen[site][0] - plain[site][0])[0].numpy()
        np.testing.assert_allclose(moved[-1], dose * dial.vectors["anger"][site], atol=1e-4)
        assert not moved[:-1].any()


@pytest.mark.parametrize("shares", [[1.0, 1.0], [0.0, 0.0, 0.0], [2.0, -1.0, 1.0]])
def test_shares_that_do_not_fit_are_refused(shares):
    with pytest.raises(UsageError) as caught:
        stream_dial(_directions(), LENGTHS, np.array(shares))
    assert caught.value.code == "bad_shares"


@pytest.mark.parametrize(("emotion", "dose", "code"), [("hope", 1, "unknown_emotion"), ("joy", np.inf, "bad_dose")])
def test_what_is_not_on_the_dial_is_refused(emotion, dose, code):
    with pytest.raises(UsageError) as caught:
        stream_dial(_directions(), LENGTHS, np.ones(3)).turned(None, emotion, dose)
    assert caught.value.code == code


def test_each_situation_is_read_with_every_emotion(language_model):
    sites = ModuleMap(language_model.model).stream()
    found = read_situations(language_model, SITUATIONS, sites)
    assert found[sites[-1]].shape == (3, 6, 16)
    alone = read_situations(language_model, SITUATIONS[2:], sites, wordings={"two": 1})
    np.testing.assert_allclose(alone[sites[-1]][0], found[sites[-1]][2], atol=1e-5)
