from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from affectome.errors import ModelError, UsageError
from affectome.language.inside import (
    ModuleMap,
    Site,
    ablation_drops,
    capture,
    head_contributions,
    mask_columns,
    mask_heads,
    neuron_contributions,
    patch,
    random_units,
    strongest,
    sublayer_contributions,
    sublayer_importance,
)
from affectome.language.inside.circuits import last_token_variants

pytestmark = pytest.mark.train
TOKENS = torch.tensor([[3, 1, 4, 1, 5]])
DIRECTION = np.random.default_rng(0).normal(size=24)


def _along(model, kind, layer=1):
    with torch.no_grad(), capture(model, [Site(kind, layer)]) as seen:
        model(TOKENS)
    return seen[Site(kind, layer)][0][0, -1].numpy()


def test_a_contribution_is_what_silencing_takes_away(model):
    if ModuleMap(model).module(Site("mlp", 1))[0].__class__.__name__.endswith("Norm"):
        for function, kind in ((neuron_contributions, "neurons"), (head_contributions, "heads")):
            with pytest.raises(ModelError) as caught:
                function(model, 1, _along(model, kind)[None], DIRECTION)
            assert caught.value.code == "normed_output"
        return
    heads = head_contributions(model, 1, _along(model, "heads")[None], DIRECTION)
    neurons = neuron_contributions(model, 1, _along(model, "neurons")[None], DIRECTION)
    assert heads.shape == (4,)
    before = {kind: _along(model, kind) @ DIRECTION for kind in ("attention", "mlp")}
    for head in range(4):
        with mask_heads(model, {1: [head]}):
            assert before["attention"] - _along(model, "attention") @ DIRECTION == pytest.approx(heads[head], abs=1e-4)
    for neuron in (0, 17, 40):
        with mask_columns(model, {Site("neurons", 1): [neuron]}):
            assert before["mlp"] - _along(model, "mlp") @ DIRECTION == pytest.approx(neurons[neuron], abs=1e-4)


def test_shapes_that_do_not_fit_are_refused(model):
    if "Gemma2" in type(model).__name__:
        pytest.skip("refused for its norms")
    with pytest.raises(UsageError) as caught:
        neuron_contributions(model, 0, np.ones((2, 5)), DIRECTION)
    assert caught.value.code == "bad_shape"


def _language_model(model):
    return SimpleNamespace(model=model)


def test_variants_of_the_last_token_are_what_whole_passes_find(model):
    read_at, site = Site("block_output", 2), Site("neurons", 1)
    changes = [{site: torch.zeros_like}, {Site("attention", 0): lambda values: values + 1, site: torch.zeros_like}]
    found = last_token_variants(_language_model(model), TOKENS[0].tolist(), changes, read_at)

    def last(values):
        return torch.cat([values[:, :-1], torch.zeros_like(values[:, -1:])], dim=1)

    with torch.no_grad(), capture(model, [read_at]) as seen:
        model(TOKENS)
        with patch(model, site, last):
            model(TOKENS)
    for k in range(2):
        np.testing.assert_allclose(found[k], seen[read_at][k][0, -1].numpy(), atol=1e-3)
    assert not np.allclose(found[1], found[2])


def test_what_is_added_last_arrives_whole(model):
    """Behind the last sub-layer nothing changes a vector, unless a norm stands there."""
    vector = np.random.default_rng(1).normal(size=24)
    unit = vector / np.linalg.norm(vector)
    found = sublayer_importance(
        _language_model(model), [TOKENS[0].tolist()], {Site("mlp", 2): vector}, unit, Site("block_output", 2)
    )
    assert found[Site("mlp", 2)] == pytest.approx(1, abs=1e-3)


def test_ablation_of_strongest_neurons_is_their_contribution(model):
    if "Gemma2" in type(model).__name__:
        pytest.skip("its neurons cannot be told apart")
    with torch.no_grad(), capture(model, [Site("neurons", 2)]) as seen:
        model(TOKENS)
    activations = seen[Site("neurons", 2)][0][0, -1:].numpy()
    contributions = neuron_contributions(model, 2, activations, DIRECTION)
    chosen = strongest({Site("neurons", 2): contributions}, 5)
    choices = [chosen, *(random_units(chosen, len(contributions), seed) for seed in range(20))]
    found = ablation_drops(_language_model(model), [TOKENS[0].tolist()], choices, DIRECTION, Site("block_output", 2))
    assert found[0] == pytest.approx(np.sort(contributions)[-5:].sum(), rel=1e-2)
    assert found[0] >= found[1:].max()


def test_sublayers_add_up_to_the_stream():
    draw = np.random.default_rng(0)
    outputs = {Site(kind, layer): draw.normal(size=(7, 3, 5)) for kind in ("attention", "mlp") for layer in (0, 1)}
    directions = draw.normal(size=(3, 5))
    stream = sum(outputs.values())
    total = sum(sublayer_contributions(outputs, directions).values())
    centred = (stream - stream.mean(axis=1, keepdims=True)).mean(axis=0)
    np.testing.assert_allclose(total, (centred * directions).sum(axis=-1))


def test_the_strongest_come_first_wherever_they_are():
    contributions = {Site("heads", 0): np.array([0.1, 0.9]), Site("heads", 1): np.array([0.5, -2.0])}
    assert strongest(contributions, 2) == {Site("heads", 0): [1], Site("heads", 1): [0]}
    drawn = random_units({Site("heads", 0): [1, 0], Site("heads", 1): [3]}, 4, seed=0)
    assert {site: len(set(some)) for site, some in drawn.items()} == {Site("heads", 0): 2, Site("heads", 1): 1}
