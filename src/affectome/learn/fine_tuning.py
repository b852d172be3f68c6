"""An encoder trained end to end for one or several tasks, from texts and targets in memory; resumable at any step.

The encoder's mean token vector feeds one read-out a task; a target that is not known is left out of the loss. Needs
the ``train`` extra (torch, transformers).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from tokenizers import Encoding, Tokenizer
from torch import Tensor, nn
from transformers import PreTrainedModel

from affectome.errors import ModelError, UsageError
from affectome.learn.batches import encode, pad, plan_batches, sorted_batches
from affectome.learn.checkpoints import whole_folder
from affectome.learn.descent import Descent, Progress, encoder_rate
from affectome.learn.task_heads import HeadPlan, TaskHead
from affectome.learn.text_model import check_base, load_encoder, mean_pool, save_encoder

__all__ = ["FineTuned", "HeadPlan", "fine_tune"]

Array = NDArray[np.float32]

_HEADS = "heads.json"
_WARMUP, _AVERAGING, _DROPOUT = 0.1, 0.99, 0.1
_HEAD_RATE = 5  # heads start from nothing, so they learn faster than the encoder


class _Network(nn.Module):
    def __init__(self, encoder: PreTrainedModel, heads: Sequence[TaskHead]) -> None:
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(_DROPOUT)
        self.heads = tuple(heads)
        self.head_weights = nn.ModuleList(heads)

    def pool(self, tokens: Sequence[Encoding]) -> Tensor:
        """Text vectors (n, width)."""
        ids, mask = pad([encoding.ids for encoding in tokens])
        more = {}
        if getattr(self.encoder.config, "type_vocab_size", 0) > 1:
            more["token_type_ids"], _ = pad([encoding.type_ids for encoding in tokens])
        # Training gains by 16-bit floats; but with them, what a text is given depends a little on its neighbours.
        with torch.autocast("cpu", torch.bfloat16, enabled=self.training):
            hidden = self.encoder(input_ids=ids, attention_mask=mask, **more).last_hidden_state
        return mean_pool(hidden, mask)


class FineTuned:
    """A trained encoder with its read-outs.

    Attributes:
        heads: The tasks.
        max_tokens: Longer texts are cut.
    """

    def __init__(self, network: _Network, tokenizer: Tokenizer, max_tokens: int) -> None:
        self._network, self._tokenizer, self.max_tokens = network.eval(), tokenizer, max_tokens
        self.heads = tuple(head.plan for head in network.heads)

    def vectors(self, texts: Sequence[str], second: Sequence[str] | None = None) -> Array:
        """Text vectors (n, width) of n texts, or of pairs.

        Raises:
            UsageError: The texts and the second texts differ in number.
        """
        tokens = _tokens(texts, second, self._tokenizer, self.max_tokens)
        lengths = np.array([len(encoding) for encoding in tokens], np.int64)
        vectors = np.zeros((len(tokens), int(self._network.encoder.config.hidden_size)), np.float32)
        with torch.inference_mode():
            for rows in sorted_batches(lengths):
                vectors[rows] = self._network.pool([tokens[i] for i in rows]).numpy()
        return vectors

    def predict(self, texts: Sequence[str], second: Sequence[str] | None = None) -> dict[str, Array]:
        """Answers of each head by its name, each (n, columns).

        Probabilities that sum to 1 for choice and ordinal, presences in [0, 1], or numbers on the scale of the targets.

        Raises:
            UsageError: The texts and the second texts differ in number.
        """
        vectors = torch.from_numpy(self.vectors(texts, second))
        with torch.inference_mode():
            return {head.plan.name: head.answer(vectors).numpy() for head in self._network.heads}

    def encoder_weights(self) -> dict[str, Array]:
        """Weights of the encoder by name, each name with ``encoder.`` before it."""
        state = self._network.encoder.state_dict(prefix="encoder.")
        return {name: np.asarray(value.numpy(), np.float32) for name, value in state.items()}

    def save(self, folder: Path) -> None:
        """Write the encoder in Hugging Face layout, and the heads beside it; the folder appears complete or not at all.

        Raises:
            RunError: There is something else at ``folder``, or it cannot be written.
        """
        with whole_folder(folder, _HEADS) as staged:
            save_encoder(self._network.encoder, self._tokenizer, staged)
            heads = {name: value.contiguous() for name, value in self._network.head_weights.state_dict().items()}
            save_file(heads, staged / "heads.safetensors")
            settings = {"max_tokens": self.max_tokens, "heads": [asdict(plan) for plan in self.heads]}
            (staged / _HEADS).write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> FineTuned:
        """Read what `save` wrote.

        Raises:
            InputError: A file of the encoder is missing.
            ModelError: The heads are missing, damaged, or others than the settings say.
        """
        check_base(folder)
        encoder = load_encoder(folder)
        try:
            settings = json.loads((folder / _HEADS).read_text(encoding="utf-8"))
            plans = [HeadPlan(**{**plan, "columns": tuple(plan["columns"])}) for plan in settings["heads"]]
            heads = [TaskHead(plan, int(encoder.config.hidden_size)) for plan in plans]
            network = _Network(encoder, heads)
            network.head_weights.load_state_dict(load_file(folder / "heads.safetensors"))
            tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            return cls(network, tokenizer, int(settings["max_tokens"]))
        except (OSError, ValueError, LookupError, TypeError, RuntimeError, SafetensorError, UsageError) as reason:
            raise ModelError(
                f"The heads in {folder} cannot be read: {reason}.", code="bad_head", value=folder
            ) from reason


def fine_tune(
    texts: Sequence[str],
    targets: Mapping[str, ArrayLike],
    heads: Sequence[HeadPlan],
    *,
    base: Path,
    second: Sequence[str] | None = None,
    epochs: float,
    learning_rate: float = 1e-4,
    layer_decay: float = 0.9,
    batch: int = 32,
    max_tokens: int = 96,
    weights: ArrayLike | None = None,
    losses: Mapping[str, str] = {},
    checkpoints: Path | None = None,
    checkpoint_every: int = 400,
    seed: int = 0,
    threads: int = 2,
    report: Callable[[Progress], None] | None = None,
) -> FineTuned:
    """Train an encoder and read-outs on texts, all tasks at once.

    With ``checkpoints``, a call that was interrupted goes on at the last checkpoint when it is made again with the same
    arguments, and ends in the same weights.

    Args:
        texts: n training texts.
        targets: By the name of the head, as ``affectome.learn.heads.fit_head`` takes them; NaN where unknown.
        heads: The tasks.
        base: Folder of the base encoder in Hugging Face layout.
        second: n texts that stand second in a pair with the first, such as a situation or the turns before.
        epochs: How often each text is seen; a fraction sees a part of them.
        learning_rate: Peak rate of the top encoder layer; the heads get five times as much.
        layer_decay: Factor on the rate for each layer further down, in (0, 1].
        batch: Texts in a step.
        max_tokens: Longer texts are cut; of a pair the longer one is cut first.
        weights: ``(n,)`` 0 or more, the confidence in each row.
        losses: Names of losses by the name of the head, where not the first of ``LOSSES`` of its kind.
        checkpoints: Folder for the checkpoint.
        checkpoint_every: Steps between checkpoints.
        seed: Seed of everything random.
        threads: Processor threads; the same number gives the same weights.
        report: Called every 50 steps with the mean loss by head.

    Returns:
        The network with the running average of its weights.

    Raises:
        InputError: A file of the base is missing.
        UsageError: Texts, targets, weights or settings do not fit.
        RunError: The checkpoint belongs to another call, is damaged or cannot be written.
    """
    check_base(base)
    _check_settings(epochs, learning_rate, layer_decay, batch, threads)
    by_name = {plan.name: plan for plan in heads}
    if not heads or len(by_name) < len(heads) or set(by_name) != set(targets) or not set(losses) <= set(by_name):
        raise UsageError(
            "Each head needs a name of its own, targets by that name, and nothing else may be named.",
            code="heads_mismatch",
            value=", ".join([*targets, *losses]),
            allowed=[plan.name for plan in heads],
        )
    checked = [plan.check(targets[plan.name], len(texts)) for plan in heads]
    confidence = _confidence(weights, len(texts))
    known = np.array([~np.isnan(values).all(axis=1) for values in checked]).any(axis=0)
    kept = np.flatnonzero(known & (confidence > 0))
    if not len(kept):
        raise UsageError("No row has a known target and a weight.", code="no_targets", value=len(texts))

    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    tokens = _tokens(texts, second, tokenizer, max_tokens)
    encoder = load_encoder(base)
    room = getattr(encoder.config, "max_position_embeddings", max_tokens)
    if not 3 <= max_tokens <= room:
        raise UsageError(
            "The base does not read so many tokens.", code="bad_setting", value=max_tokens, allowed=(f"3 to {room}",)
        )
    readouts = [
        TaskHead(plan, int(encoder.config.hidden_size), losses.get(plan.name, "")).start(values[kept])
        for plan, values in zip(heads, checked, strict=True)
    ]
    network = _Network(encoder, readouts)
    lengths = np.array([len(tokens[i]) for i in kept], np.int64)
    plan = plan_batches(lengths, passes=epochs, size=batch, rng=np.random.default_rng(seed))
    layers = int(encoder.config.num_hidden_layers)
    rates = {
        name: learning_rate * (encoder_rate(name, layers, layer_decay) if name.startswith("encoder.") else _HEAD_RATE)
        for name, _ in network.named_parameters()
    }
    arrays = [torch.from_numpy(values) for values in checked]
    shares = torch.from_numpy(confidence)

    def step_losses(step: int) -> dict[str, Tensor]:
        rows = kept[plan[step]]
        pooled = network.dropout(network.pool([tokens[i] for i in rows]))
        found = {
            head.plan.name: head.loss(pooled, values[rows], shares[rows])
            for head, values in zip(readouts, arrays, strict=True)
        }
        return {name: loss for name, loss in found.items() if loss is not None}

    settings = (heads, dict(losses), epochs, learning_rate, layer_decay, batch, max_tokens, seed)
    Descent(
        network,
        rates,
        steps=len(plan),
        warmup=_WARMUP,
        averaging=_AVERAGING,
        seed=seed,
        recipe=_fingerprint(settings, texts, second, [*checked, confidence], base) if checkpoints else "",
        folder=checkpoints,
    ).run(step_losses, checkpoint_every=checkpoint_every, report=report)
    return FineTuned(network, tokenizer, max_tokens)


def _tokens(
    texts: Sequence[str], second: Sequence[str] | None, tokenizer: Tokenizer, max_tokens: int
) -> list[Encoding]:
    if second is not None and len(second) != len(texts):
        raise UsageError(
            "There must be as many second texts as texts.",
            code="shape_mismatch",
            value=len(second),
            allowed=(str(len(texts)),),
        )
    return encode(texts, tokenizer, max_tokens, second)


def _confidence(weights: ArrayLike | None, n: int) -> Array:
    values = np.ones(n, np.float32) if weights is None else np.asarray(weights, np.float32)
    if values.shape != (n,) or not np.isfinite(values).all() or (values < 0).any():
        raise UsageError("The weights must be one number a row, 0 or more.", code="bad_weights", value=values.shape)
    return values


def _check_settings(epochs: float, learning_rate: float, layer_decay: float, batch: int, threads: int) -> None:
    limits = {
        "epochs": (epochs, 1e-4, 1000),
        "learning_rate": (learning_rate, 1e-8, 1),
        "layer_decay": (layer_decay, 0.01, 1),
        "batch": (batch, 2, 4096),
        "threads": (threads, 1, 1024),
    }
    for name, (value, low, high) in limits.items():
        if not low <= value <= high:
            raise UsageError(
                f"{name} must be between {low:g} and {high:g}.", code="bad_setting", value=f"{name}={value}"
            )


def _fingerprint(
    settings: tuple[object, ...],
    texts: Sequence[str],
    second: Sequence[str] | None,
    arrays: Sequence[Array],
    base: Path,
) -> str:
    """Everything that decides the weights, as one short text."""
    digest = hashlib.sha256(json.dumps([list(texts), None if second is None else list(second)]).encode())
    for values in arrays:
        digest.update(values.tobytes())
    for path in [*sorted(base.glob("*.json")), base / "model.safetensors"]:
        digest.update(path.read_bytes())
    return f"{settings!r} {digest.hexdigest()}"
