"""Where the parts of a language model are: one map for the module names of Llama, Qwen, Mistral, Gemma and GPT-2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from torch import nn

from affectome.errors import ModelError, UsageError

Kind = Literal["block_input", "heads", "attention", "after_attention", "neurons", "mlp", "block_output"]
End = Literal["input", "output"]

_BLOCKS = ("model.layers", "model.language_model.layers", "transformer.h")
_GATED = {"attention": "self_attn", "heads": "self_attn.o_proj", "mlp": "mlp", "neurons": "mlp.down_proj"}
_GPT2 = {"attention": "attn", "heads": "attn.c_proj", "mlp": "mlp", "neurons": "mlp.c_proj"}
_ENDS: dict[Kind, End] = {
    "block_input": "input",
    "heads": "input",
    "attention": "output",
    "after_attention": "input",
    "neurons": "input",
    "mlp": "output",
    "block_output": "output",
}


@dataclass(frozen=True, order=True)
class Site:
    """A place in a language model whose values can be read.

    Attributes:
        kind: ``block_input`` and ``block_output`` are the residual stream before and after a block, ``after_attention``
            is the stream between its two sub-layers; ``attention`` and ``mlp`` are what a sub-layer adds to the stream;
            ``heads`` are the outputs of all heads side by side and ``neurons`` those of the MLP, both before they are
            projected back to the width of the stream.
        layer: Number of the block, from 0.

    Raises:
        UsageError: The kind is not known.
    """

    kind: Kind
    layer: int

    def __post_init__(self) -> None:
        if self.kind not in _ENDS:
            raise UsageError(
                "A language model has no such kind of site.",
                code="unknown_site",
                value=self.kind,
                allowed=get_args(Kind),
            )

    def __str__(self) -> str:
        return f"{self.kind}.{self.layer}"


class ModuleMap:
    """The parts of one model of transformers, by site.

    Query heads are counted, not the key-value heads that groups of them share: the output projection takes one slice
    of ``head_width`` columns a query head.

    Attributes:
        layers: Blocks.
        width: Columns of the residual stream.
        heads: Query heads of a block.
        key_value_heads: Key-value heads of a block; each serves ``heads // key_value_heads`` query heads.
        head_width: Columns of one head.
        neurons: Columns of the MLP inside a block.

    Args:
        model: A causal language model of transformers.

    Raises:
        ModelError: ``unknown_architecture`` if its modules have other names or sizes.
    """

    def __init__(self, model: nn.Module) -> None:
        modules = dict(model.named_modules())
        found = next((name for name in _BLOCKS if isinstance(modules.get(name), nn.ModuleList)), None)
        if found is None:
            raise _unknown(model, "no list of blocks")
        self._blocks: list[nn.Module] = list(modules[found].children())
        self._names = _GPT2 if found == "transformer.h" else _GATED
        if missing := [name for name in self._names.values() if not _has(self._blocks[0], name)]:
            raise _unknown(model, f"no {missing[0]} in a block")
        config: Any = model.config
        config = config.get_text_config()
        self.layers = len(self._blocks)
        self.width = int(config.hidden_size)
        self.heads = int(config.num_attention_heads)
        self.key_value_heads = int(getattr(config, "num_key_value_heads", None) or self.heads)
        self.head_width = int(getattr(config, "head_dim", None) or self.width // self.heads)
        self.neurons = _input_width(self._blocks[0].get_submodule(self._names["neurons"]))
        if _input_width(self._blocks[0].get_submodule(self._names["heads"])) != self.heads * self.head_width:
            raise _unknown(model, "heads that do not fill the output projection")

    def module(self, site: Site) -> tuple[nn.Module, End]:
        """The module at a site, and whether the site is its input or its output.

        Raises:
            UsageError: There is no such block.
        """
        if not 0 <= site.layer < self.layers:
            raise UsageError(
                f"The model has {self.layers} blocks, numbered from 0.",
                code="unknown_layer",
                value=site.layer,
                allowed=[f"0 to {self.layers - 1}"],
            )
        block = self._blocks[site.layer]
        if site.kind in ("block_input", "block_output"):
            return block, _ENDS[site.kind]
        if site.kind == "after_attention":
            # Where the sub-layers have norms on both sides, this one already belongs to the attention.
            names = ("pre_feedforward_layernorm", "post_attention_layernorm", "ln_2")
            return block.get_submodule(next(name for name in names if _has(block, name))), "input"
        if _has(block, "post_feedforward_layernorm") and site.kind in ("attention", "mlp"):
            norm = "post_attention_layernorm" if site.kind == "attention" else "post_feedforward_layernorm"
            return block.get_submodule(norm), "output"
        return block.get_submodule(self._names[site.kind]), _ENDS[site.kind]

    def stream(self) -> list[Site]:
        """The residual stream from the embedding to the last block: ``layers + 1`` sites."""
        return [Site("block_input", 0), *(Site("block_output", layer) for layer in range(self.layers))]

    def columns(self, head: int) -> slice:
        """The columns of one query head at the site ``heads``.

        Raises:
            UsageError: There is no such head.
        """
        if not 0 <= head < self.heads:
            raise UsageError(
                f"A block has {self.heads} heads, numbered from 0.",
                code="unknown_head",
                value=head,
                allowed=[f"0 to {self.heads - 1}"],
            )
        return slice(head * self.head_width, (head + 1) * self.head_width)


def _has(module: nn.Module, name: str) -> bool:
    try:
        module.get_submodule(name)
    except AttributeError:
        return False
    return True


def _input_width(projection: nn.Module) -> int:
    """Columns that a projection takes; the weights of GPT-2's are transposed."""
    width = getattr(projection, "in_features", None) or projection.nx
    return int(width)  # type: ignore[arg-type]


def _unknown(model: nn.Module, why: str) -> ModelError:
    return ModelError(
        f"The inside of a {type(model).__name__} is not known: it has {why}.",
        code="unknown_architecture",
        value=type(model).__name__,
        allowed=("Llama", "Qwen", "Mistral", "Gemma", "GPT-2"),
    )
