import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from affectome.errors import ModelError, UsageError
from affectome.language.inside import ModuleMap, Site, capture

pytestmark = pytest.mark.train


def test_sizes_are_those_of_the_configuration(model):
    found = ModuleMap(model)
    gpt2, gemma = model.config.model_type == "gpt2", model.config.model_type.startswith("gemma")
    assert (found.layers, found.width, found.heads) == (3, 24, 4)
    assert found.key_value_heads == (4 if gpt2 else 2)
    assert found.head_width == (8 if gemma else 6)
    assert found.neurons == (96 if gpt2 else 48)
    assert found.columns(3) == (slice(24, 32) if gemma else slice(18, 24))


def test_a_sub_layer_adds_to_the_stream_what_its_site_says(model):
    kinds = ("block_input", "attention", "after_attention", "mlp", "block_output")
    with torch.no_grad(), capture(model, [Site(kind, 1) for kind in kinds]) as seen:
        model(torch.arange(5)[None])
    before, attention, between, mlp, after = (seen[Site(kind, 1)][0] for kind in kinds)
    torch.testing.assert_close(before + attention, between)
    torch.testing.assert_close(between + mlp, after)


def test_the_stream_is_what_transformers_calls_hidden_states(model):
    stream = ModuleMap(model).stream()
    with torch.no_grad(), capture(model, stream) as seen:
        states = model(torch.arange(5)[None], output_hidden_states=True).hidden_states
    for site, state in list(zip(stream, states, strict=True))[:-1]:  # the last one is normed there
        assert torch.equal(seen[site][0], state)


def test_unknown_sites_are_refused(model):
    modules = ModuleMap(model)
    with pytest.raises(UsageError) as caught:
        modules.module(Site("mlp", 3))
    assert caught.value.code == "unknown_layer"
    with pytest.raises(UsageError, match="4 heads"):
        modules.columns(4)
    with pytest.raises(UsageError, match="no such kind"):
        Site("soul", 0)


def test_an_unknown_architecture_is_refused():
    with pytest.raises(ModelError) as caught:
        ModuleMap(torch.nn.Linear(2, 2))
    assert caught.value.code == "unknown_architecture"
