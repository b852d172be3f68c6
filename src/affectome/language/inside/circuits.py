"""Which sub-layers, neurons and heads write a direction into the stream, and what is lost without them.

After "Do LLMs feel? Emotion circuits discovery and control" (arXiv 2510.11328). Contributions are read off the weights,
importance and ablation are measured: something is changed at the last token of a prompt, and the stream is read behind.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import DynamicCache

from affectome.errors import ModelError, UsageError
from affectome.language.in_process import InProcessModel
from affectome.language.inside.capture import Change, capture, patch
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
    weight = output_weight(model, site)
    if activations.ndim != 2 or activations.shape[1] != weight.shape[0] or direction.shape != (weight.shape[1],):
        raise UsageError(
            f"The site {site} has {weight.shape[0]} columns and the stream {weight.shape[1]}.",
            code="bad_shape",
            value=(activations.shape, direction.shape),
        )
    return np.asarray(activations.astype(np.float64).mean(axis=0) * (weight @ direction), np.float64)


def output_weight(model: nn.Module, site: Site) -> Floats:
    """The projection from ``neurons`` or ``heads`` back to the stream.

    Returns:
        ``(columns, width)``.

    Raises:
        ModelError: As in `neuron_contributions`.
    """
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
    return np.asarray(weight.T if isinstance(projection, nn.Linear) else weight, np.float64)


def sublayer_contributions(outputs: Mapping[Site, NDArray[np.floating]], directions: Floats) -> dict[Site, Floats]:
    """How far each sub-layer moves the stream along the direction of each emotion, more than at the other emotions.

    The stream is the sum of what its sub-layers add, so that over all of them and the embedding this adds up to how
    far the stream itself lies along the direction.

    Args:
        outputs: For each site ``attention`` or ``mlp``, groups ``(groups, emotions, width)``.
        directions: ``(emotions, width)``.

    Returns:
        For each site ``(emotions,)`` in units of the stream.
    """
    return {
        site: np.asarray(
            ((groups - groups.mean(axis=1, keepdims=True)).mean(axis=0) * directions).sum(axis=-1), np.float64
        )
        for site, groups in outputs.items()
    }


def sublayer_importance(
    language_model: InProcessModel,
    prompts: Sequence[Sequence[int]],
    vectors: Mapping[Site, Floats],
    direction: Floats,
    read_at: Site,
) -> dict[Site, float]:
    """How far the stream moves along a direction, further up, for each unit of a vector that a sub-layer adds.

    Args:
        language_model: The model.
        prompts: Tokens of prompts; the vectors are added at the last token of each.
        vectors: For each site ``attention`` or ``mlp``, what is added there, ``(width,)``.
        direction: ``(width,)`` unit vector.
        read_at: Where the stream is read.

    Returns:
        For each site a mean over prompts; 1 if the vector itself arrives whole and nothing else is moved.
    """

    def adding(vector: Floats) -> Change:
        added = torch.from_numpy(vector).float()
        return lambda values: values + added.to(values)

    changes = [{site: adding(vector)} for site, vector in vectors.items()]
    moved = -_drops(language_model, prompts, changes, direction, read_at)
    return {
        site: float(change / np.linalg.norm(vector))
        for (site, vector), change in zip(vectors.items(), moved, strict=True)
    }


def ablation_drops(
    language_model: InProcessModel,
    prompts: Sequence[Sequence[int]],
    choices: Sequence[Mapping[Site, Sequence[int]]],
    direction: Floats,
    read_at: Site,
) -> Floats:
    """How far the stream falls back along a direction when columns are silent as the last token is read.

    Args:
        language_model: The model.
        prompts: Tokens of prompts.
        choices: n choices of columns by site, for instance the strongest neurons and random ones.
        direction: ``(width,)``.
        read_at: Where the stream is read.

    Returns:
        ``(n,)`` means over prompts in units of the stream.
    """

    def silencing(columns: Sequence[int]) -> Change:
        index = torch.as_tensor(list(columns), dtype=torch.long)
        return lambda values: values.index_fill(-1, index.to(values.device), 0.0)

    changes = [{site: silencing(columns) for site, columns in choice.items()} for choice in choices]
    return _drops(language_model, prompts, changes, direction, read_at)


def strongest(contributions: Mapping[Site, Floats], size: int) -> dict[Site, list[int]]:
    """The neurons or heads that contribute most, whatever site they are at.

    Args:
        contributions: For each site ``(units,)``.
        size: How many.

    Returns:
        Numbers of units by site, the strongest first.
    """
    ranked = sorted(
        ((float(value), site, unit) for site, values in contributions.items() for unit, value in enumerate(values)),
        key=lambda each: -each[0],
    )
    chosen: dict[Site, list[int]] = defaultdict(list)
    for _, site, unit in ranked[:size]:
        chosen[site].append(unit)
    return dict(chosen)


def head_columns(modules: ModuleMap, heads: Sequence[int]) -> list[int]:
    """The columns of some query heads at the site ``heads``."""
    width = modules.heads * modules.head_width
    return [column for head in heads for column in range(width)[modules.columns(head)]]


def random_units(chosen: Mapping[Site, Sequence[int]], units: int, seed: int) -> dict[Site, list[int]]:
    """As many units at each site as were chosen there, drawn at random.

    Args:
        chosen: Numbers of units by site.
        units: Units of a site.
        seed: Seed of the draw.
    """
    draw = np.random.default_rng(seed)
    return {site: draw.choice(units, len(some), replace=False).tolist() for site, some in chosen.items()}


def _drops(
    language_model: InProcessModel,
    prompts: Sequence[Sequence[int]],
    changes: Sequence[Mapping[Site, Change]],
    direction: Floats,
    read_at: Site,
) -> Floats:
    """How far the stream falls along a direction under each of n changes at the last token, ``(n,)`` over prompts."""
    found = []
    for prompt in prompts:
        along = last_token_variants(language_model, prompt, changes, read_at) @ direction
        found.append(along[0] - along[1:])
    return np.asarray(np.mean(found, axis=0), np.float64)


def last_token_variants(
    language_model: InProcessModel, prompt: Sequence[int], changes: Sequence[Mapping[Site, Change]], read_at: Site
) -> Floats:
    """What a model holds at the last token of a prompt: plainly, and under each of n changes at that token.

    What comes before is read once, and the variants of the last token in one batch.

    Args:
        language_model: The model.
        prompt: Tokens, two or more.
        changes: n times what is changed, by site.
        read_at: Where to read.

    Returns:
        ``(1 + n, columns)``, the first without a change.
    """
    model = language_model.model
    by_site: dict[Site, list[tuple[int, Change]]] = defaultdict(list)
    for row, change in enumerate(changes, 1):
        for site, each in change.items():
            by_site[site].append((row, each))

    def rowwise(some: Sequence[tuple[int, Change]]) -> Change:
        def change(values: Tensor) -> Tensor:
            values = values.clone()
            for row, each in some:
                values[row] = each(values[row])
            return values

        return change

    known = DynamicCache(config=model.config)
    tokens = torch.tensor([list(prompt)], device=model.device)
    with torch.inference_mode(), ExitStack() as hooks:
        model.base_model(tokens[:, :-1], past_key_values=known, use_cache=True)
        known.batch_repeat_interleave(1 + len(changes))
        for site, some in by_site.items():
            hooks.enter_context(patch(model, site, rowwise(some)))
        seen = hooks.enter_context(capture(model, [read_at]))
        model.base_model(tokens[:, -1:].expand(1 + len(changes), 1), past_key_values=known, use_cache=True)
    return np.asarray(seen[read_at][0][:, 0].double().cpu().numpy(), np.float64)
