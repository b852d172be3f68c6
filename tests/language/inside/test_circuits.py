import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from affectome.errors import ModelError, UsageError
from affectome.language.inside import (
    ModuleMap,
    Site,
    capture,
    head_contributions,
    mask_columns,
    mask_heads,
    neuron_contributions,
)

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
