"""Read and change what flows through a language model; outside the ``with`` it is bit for bit the model it was.

Every function works on the passes that the model makes inside the ``with`` statement. When a text is generated, the
first pass reads the prompt and each further one reads a single token.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from affectome.errors import UsageError
from affectome.language.inside.modules import ModuleMap, Site

Change = Callable[[Tensor], Tensor]
Scale = Literal["absolute", "rms"]
Positions = Literal["last", "all"]
Steps = Literal["all", "prompt"]


@contextmanager
def capture(model: nn.Module, sites: Sequence[Site]) -> Iterator[dict[Site, list[Tensor]]]:
    """Keep what passes the sites.

    Args:
        model: A causal language model of transformers.
        sites: Where.

    Yields:
        For each site one tensor (texts, tokens, columns) a pass, in the order of the passes.

    Raises:
        UsageError: The model has no such block.
        ModelError: The architecture is not known.
    """
    kept: dict[Site, list[Tensor]] = {site: [] for site in sites}
    modules = ModuleMap(model)

    def keeper(site: Site) -> Change:
        def keep(values: Tensor) -> Tensor:
            kept[site].append(values.detach().clone())
            return values

        return keep

    with ExitStack() as hooks:
        for site in kept:
            hooks.enter_context(_hooked(modules, site, keeper(site)))
        yield kept


@contextmanager
def patch(model: nn.Module, site: Site, change: Change) -> Iterator[None]:
    """Put other values in place of those at a site.

    Args:
        model: A causal language model of transformers.
        site: Where; what is read ``after_attention`` cannot be changed there, since the stream goes past it.
        change: Takes and returns a tensor (texts, tokens, columns); it must not write into the one that it takes.

    Raises:
        UsageError: The site cannot be changed, or the model has no such block.
        ModelError: The architecture is not known.
    """
    if site.kind == "after_attention":
        raise UsageError(
            "The stream after the attention can be read but not changed.",
            code="read_only_site",
            value=site,
            allowed=("attention", "block_input"),
            next_step="Change what the attention adds to the stream.",
        )
    with _hooked(ModuleMap(model), site, change):
        yield


@contextmanager
def mask_heads(model: nn.Module, heads: Mapping[int, Sequence[int]]) -> Iterator[None]:
    """Silence attention heads.

    Args:
        model: A causal language model of transformers.
        heads: Numbers of query heads by block.

    Raises:
        UsageError: There is no such block or head.
        ModelError: The architecture is not known.
    """
    modules = ModuleMap(model)
    columns = {
        Site("heads", layer): [column for head in some for column in _range(modules.columns(head))]
        for layer, some in heads.items()
    }
    with mask_columns(model, columns):
        yield


@contextmanager
def mask_columns(model: nn.Module, columns: Mapping[Site, Sequence[int]]) -> Iterator[None]:
    """Set columns to zero, for instance some of the neurons of a block.

    Raises:
        UsageError: A site cannot be changed.
        ModelError: The architecture is not known.
    """

    def masking(chosen: Sequence[int]) -> Change:
        index = torch.as_tensor(chosen, dtype=torch.long)
        return lambda values: values.index_fill(-1, index.to(values.device), 0.0)

    with ExitStack() as hooks:
        for site, chosen in columns.items():
            hooks.enter_context(patch(model, site, masking(chosen)))
        yield


@contextmanager
def add_vectors(
    model: nn.Module,
    vectors: Mapping[Site, Tensor],
    *,
    strength: float = 1.0,
    scale: Scale = "absolute",
    positions: Positions | Sequence[int] = "last",
    steps: Steps = "all",
) -> Iterator[None]:
    """Add a vector at each of some sites.

    Args:
        model: A causal language model of transformers.
        vectors: For each site one vector (columns,).
        strength: Factor of all vectors.
        scale: With ``"rms"`` the factor is also multiplied by the root mean square of the values at the position.
        positions: Tokens of a pass to which it is added: the last one, all of them, or those with these numbers.
            The last one is the last real token only if texts are padded on the left.
        steps: ``"all"`` adds at every pass, ``"prompt"`` only at the first, after which generated tokens feel it
            through the keys and values of the prompt alone.

    Raises:
        UsageError: An option is not known or a site cannot be changed.
        ModelError: The architecture is not known.
    """
    for name, value, allowed in (("scale", scale, get_args(Scale)), ("steps", steps, get_args(Steps))):
        if value not in allowed:
            raise UsageError(f"Unknown {name} of a vector.", code=f"unknown_{name}", value=value, allowed=allowed)
    if isinstance(positions, str) and positions not in get_args(Positions):
        raise UsageError(
            "Unknown positions of a vector.", code="unknown_positions", value=positions, allowed=get_args(Positions)
        )

    def adding(vector: Tensor) -> Change:
        passes = 0

        def add(values: Tensor) -> Tensor:
            nonlocal passes
            passes += 1
            if steps == "prompt" and passes > 1:
                return values
            weight = torch.zeros(values.shape[1], 1, dtype=values.dtype, device=values.device)
            weight[_chosen(positions)] = strength
            if scale == "rms":
                weight = weight * values.square().mean(dim=-1, keepdim=True).sqrt()
            return values + weight * vector.to(values)

        return add

    with ExitStack() as hooks:
        for site, vector in vectors.items():
            hooks.enter_context(patch(model, site, adding(vector)))
        yield


@contextmanager
def _hooked(modules: ModuleMap, site: Site, change: Change) -> Iterator[None]:
    module, end = modules.module(site)
    if end == "input":

        def before(
            _: nn.Module, given: tuple[Any, ...], named: dict[str, Any]
        ) -> tuple[tuple[Any, ...], dict[str, Any]]:
            if given:
                return (change(given[0]), *given[1:]), named
            return given, named | {"hidden_states": change(named["hidden_states"])}

        handle = module.register_forward_pre_hook(before, with_kwargs=True)
    else:

        def after(_: nn.Module, given: tuple[Any, ...], found: Any) -> Any:  # noqa: ANN401
            return (change(found[0]), *found[1:]) if isinstance(found, tuple) else change(found)

        handle = module.register_forward_hook(after)
    try:
        yield
    finally:
        handle.remove()


def _chosen(positions: Positions | Sequence[int]) -> slice | list[int]:
    if positions == "last":
        return slice(-1, None)
    return slice(None) if positions == "all" else [int(position) for position in positions]


def _range(columns: slice) -> range:
    return range(columns.start, columns.stop)
