"""Which neurons and heads write a direction into the stream (arXiv 2510.11328)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import nn

from affectome.errors import ModelError, UsageError
from affectome.language.inside.modules import ModuleMap, Site

Floats = NDArray[np.float64]


def neuron_contributions(model: nn.Module, layer: int, activations: NDArray[np.floating], direction: Floats) -> Floats:
    """How far each neuron of a block moves the stream along a direction, a mean over texts.

    A neuron adds its activation times its column of the output projection, so its part along the direction is exact:
    silencing it takes away this much of what the MLP adds.

    Args:
        model: A causal language model of transformers.
        layer: Number of the block.
        activations: ``(n, neurons)`` at the site ``neurons``.
        direction: ``(width,)``.

    Returns:
        ``(neurons,)`` in units of the stream.

    Raises:
        UsageError: Shapes do not fit.
        ModelError: ``normed_output`` if a norm follows the projection, as in Gemma 2 and 3; what a column adds then
            depends on all others.
    """
    return _contributions(model, Site("neurons", layer), activations, direction)


def head_contributions(model: nn.Module, layer: int, activations: NDArray[np.floating], direction: Floats) -> Floats:
    """How far each query head of a block moves the stream along a direction, a mean over texts.

    Args:
        model: A causal language model of transformers.
        layer: Number of the block.
        activations: ``(n, heads * head_width)`` at the site ``heads``.
        direction: ``(width,)``.

    Returns:
        ``(heads,)`` in units of the stream; what silencing the head takes away from what the attention adds.

    Raises:
        UsageError: Shapes do not fit.
        ModelError: As in `neuron_contributions`.
    """
    columns = _contributions(model, Site("heads", layer), activations, direction)
    return np.asarray(columns.reshape(ModuleMap(model).heads, -1).sum(axis=1), np.float64)


def _contributions(model: nn.Module, site: Site, activations: NDArray[np.floating], direction: Floats) -> Floats:
    modules = ModuleMap(model)
    added, _ = modules.module(Site("mlp" if site.kind == "neurons" else "attention", site.layer))
    projection, _ = modules.module(site)
    if projection not in set(added.modules()):
        raise ModelError(
            "What a neuron or head adds is not its own: a norm follows the projection.",
            code="normed_output",
            value=type(model).__name__,
            next_step="Measure it by silencing: mask_heads or mask_columns.",
        )
    weight = projection.weight.detach().double().cpu().numpy()  # type: ignore[operator]
    if isinstance(projection, nn.Linear):
        weight = weight.T
    if activations.ndim != 2 or activations.shape[1] != weight.shape[0] or direction.shape != (weight.shape[1],):
        raise UsageError(
            f"The site {site} has {weight.shape[0]} columns and the stream {weight.shape[1]}.",
            code="bad_shape",
            value=(activations.shape, direction.shape),
        )
    return np.asarray(activations.astype(np.float64).mean(axis=0) * (weight @ direction), np.float64)
