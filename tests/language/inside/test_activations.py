import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from affectome.errors import InputError, UsageError
from affectome.language.inside import ActivationCache, ModuleMap, Site, capture, read_activations, untrained

pytestmark = pytest.mark.train
TEXTS = ["a", "joy how are you fine", "b c", "anger anger anger you no yes a b c joy", "are you fine"]


@pytest.mark.parametrize("pooling", ["last", "mean"])
def test_a_text_does_not_depend_on_its_neighbours(language_model, pooling):
    sites = [*ModuleMap(language_model.model).stream(), Site("heads", 1), Site("neurons", 0)]
    together = read_activations(language_model, TEXTS, sites, pooling=pooling, batch=5)
    for k, text in enumerate(TEXTS):
        tokens = torch.tensor([language_model.tokenizer.encode(text)])
        with torch.no_grad(), capture(language_model.model, sites) as seen:
            language_model.model(tokens)
        for site in sites:
            values = seen[site][0][0].numpy()
            expected = values[-1] if pooling == "last" else values.mean(axis=0)
            np.testing.assert_allclose(together[site][k], expected, atol=1e-5)


def test_what_is_remembered_is_not_read_again(language_model, tmp_path, monkeypatch):
    cache, sites = ActivationCache(tmp_path), [Site("mlp", 0)]
    first = read_activations(language_model, TEXTS, sites, cache=cache)
    more = read_activations(language_model, [*TEXTS, "c"], [Site("mlp", 1), *sites], cache=cache)
    monkeypatch.setattr(language_model.model.base_model, "forward", lambda *_, **__: pytest.fail("read again"))
    again = read_activations(language_model, [*TEXTS, "c"], [*sites, Site("mlp", 1)], cache=cache)
    assert np.array_equal(again[sites[0]][:5], first[sites[0]])
    assert all(np.array_equal(again[site], more[site]) for site in again)
    with pytest.raises(pytest.fail.Exception):
        read_activations(language_model, TEXTS, sites, pooling="last", cache=cache)


def test_a_broken_file_is_read_anew(language_model, tmp_path):
    cache, sites = ActivationCache(tmp_path), [Site("mlp", 0)]
    first = read_activations(language_model, ["a"], sites, cache=cache)
    for file in tmp_path.rglob("*.safetensors"):
        file.write_bytes(b"half a fi")
    assert np.array_equal(read_activations(language_model, ["a"], sites, cache=cache)[sites[0]], first[sites[0]])


def test_only_the_beginning_of_a_long_text_is_read(language_model):
    site = Site("block_output", 1)
    long = read_activations(language_model, ["a b c joy"], [site], limit=2)
    short = read_activations(language_model, ["a b"], [site])
    np.testing.assert_allclose(long[site], short[site], atol=1e-6)


def test_random_weights_are_other_weights_and_the_given_ones_stay(language_model, tmp_path):
    site, cache = Site("block_output", 1), ActivationCache(tmp_path)
    before = read_activations(language_model, ["a"], [site], cache=cache)[site]
    drawn = read_activations(untrained(language_model, 3), ["a"], [site], cache=cache)[site]
    same = read_activations(untrained(language_model, 3), ["a"], [site])[site]
    assert np.array_equal(drawn, same)
    assert not np.allclose(drawn, before)
    assert np.array_equal(read_activations(language_model, ["a"], [site])[site], before)


def test_what_cannot_be_read_is_refused(language_model):
    with pytest.raises(UsageError, match="pooling"):
        read_activations(language_model, ["a"], [Site("mlp", 0)], pooling="first")
    with pytest.raises(InputError) as caught:
        read_activations(language_model, ["a", ""], [Site("mlp", 0)])
    assert caught.value.code == "empty_text"
