"""Fusion that is anchored in one stream, such as the words, and looks from there at others. Needs the ``train`` extra.

Every stream passes through convolutions over time. Rows of the anchor then attend to the rows of all others, whatever
their rate, and what they find is let in by a gate and put beside the anchor. A stream that is missing is a mask, never
zeros, and in training streams are left out at random, so that any part of them can be read.

Source: leader and followers of LFAN as used in arXiv:2505.19328, and the text-centric connector and gated enhancer of
"Traits Run Deep" (system 33); sizes are our own.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from affectome.errors import UsageError

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Stream:
    """What one modality gives over time.

    Attributes:
        seconds: ``(t,)`` when, on the time line that all streams share; at least one row.
        features: ``(t, d)``.
    """

    seconds: Array
    features: Array


@dataclass(frozen=True)
class FusionPlan:
    """How the network is built and trained.

    Attributes:
        width: Units of each stream, a multiple of twice ``heads``.
        heads: Heads of the attention.
        kernel: Rows that a convolution sees, odd.
        layers: Convolutions of each stream, each twice as wide in time as the one before.
        dropout: Share of values left out in training.
        left_out: Probability with which a stream other than the anchor is left out of an item in training.
        learning_rate: Step size.
        batch: Items a step.
        epochs: Passes over the items at most.
        stop_after: Passes without a lower loss on the development items after which training ends.
    """

    width: int = 32
    heads: int = 2
    kernel: int = 3
    layers: int = 2
    dropout: float = 0.1
    left_out: float = 0.15
    learning_rate: float = 0.003
    batch: int = 32
    epochs: int = 60
    stop_after: int = 10


class AnchoredFusion(nn.Module):
    """Presence of some labels in a clip, read from an anchor stream and what goes with it.

    Args:
        widths: Features of each stream by name.
        anchor: The stream that the others are looked at from.
        outputs: Labels.
        plan: Sizes.

    Raises:
        UsageError: ``unknown_stream`` if the anchor is none of the streams.
    """

    def __init__(self, widths: Mapping[str, int], anchor: str, outputs: int, plan: FusionPlan) -> None:
        super().__init__()
        if anchor not in widths:
            raise UsageError(
                f"The anchor {anchor!r} is none of the streams.",
                code="unknown_stream",
                value=anchor,
                allowed=sorted(widths),
            )
        self.anchor = anchor
        self.followers = [name for name in widths if name != anchor]
        self.first = nn.ModuleDict({name: nn.Linear(width, plan.width) for name, width in widths.items()})
        self.over_time = nn.ModuleDict({name: _Convolutions(plan) for name in widths})
        self.kind = nn.ParameterDict({name: nn.Parameter(torch.randn(plan.width) * 0.02) for name in widths})
        self.nothing = nn.Parameter(torch.zeros(plan.width))  # attended to where no other stream is there
        self.absent = nn.Parameter(torch.zeros(plan.width))  # asks where the anchor is not there
        self.attention = nn.MultiheadAttention(plan.width, plan.heads, dropout=plan.dropout, batch_first=True)
        self.gate = nn.Linear(2 * plan.width, plan.width)
        self.last = nn.Sequential(
            nn.LayerNorm(2 * plan.width),
            nn.Linear(2 * plan.width, plan.width),
            nn.GELU(),
            nn.Dropout(plan.dropout),
            nn.Linear(plan.width, outputs),
        )

    def forward(
        self, features: Mapping[str, Tensor], seconds: Mapping[str, Tensor], there: Mapping[str, Tensor]
    ) -> Tensor:
        """Logits ``(b, outputs)``.

        Args:
            features: ``(b, t, d)`` of each stream; t differs by stream.
            seconds: ``(b, t)`` when each row is.
            there: ``(b, t)`` whether it is there; what is not has no influence.
        """
        rows = {
            name: self._rows(name, features[name], seconds[name], there[name])
            for name in (self.anchor, *self.followers)
        }
        asking, present = rows[self.anchor], there[self.anchor].clone()
        missing = ~present.any(dim=1)
        asking = torch.where(missing[:, None, None], self.absent.expand_as(asking), asking)
        present[missing, 0] = True
        nothing = self.nothing.expand(len(asking), 1, -1)
        keys = torch.cat([nothing, *(rows[name] for name in self.followers)], dim=1)
        known = torch.cat([torch.ones_like(present[:, :1]), *(there[name] for name in self.followers)], dim=1)
        found, _ = self.attention(asking, keys, keys, key_padding_mask=~known, need_weights=False)
        enhanced = asking + torch.sigmoid(self.gate(torch.cat([asking, found], dim=2))) * found
        beside = torch.cat([enhanced, asking * found], dim=2)  # the product tells whether they agree
        weights = present.to(beside.dtype)[:, :, None]
        return torch.as_tensor(self.last((beside * weights).sum(dim=1) / weights.sum(dim=1)))

    def _rows(self, name: str, features: Tensor, seconds: Tensor, there: Tensor) -> Tensor:
        rows = self.over_time[name](self.first[name](features), there)
        return torch.as_tensor(rows + _when(seconds, rows.shape[2]) + self.kind[name])


class _Convolutions(nn.Module):
    """Residual convolutions over the rows that are there."""

    def __init__(self, plan: FusionPlan) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Conv1d(plan.width, plan.width, plan.kernel, padding=plan.kernel // 2 * 2**k, dilation=2**k)
            for k in range(plan.layers)
        )
        self.dropout = nn.Dropout(plan.dropout)

    def forward(self, rows: Tensor, there: Tensor) -> Tensor:
        mask = there.to(rows.dtype)[:, :, None]
        for layer in self.layers:
            change = layer((rows * mask).transpose(1, 2)).transpose(1, 2)
            rows = rows + self.dropout(functional.gelu(change))
        return rows * mask


@dataclass(frozen=True, eq=False)
class TrainedFusion:
    """A trained network with the scales of its inputs.

    Attributes:
        network: The network, ready for reading.
        scales: Mean and standard deviation ``(d,)`` of the features of each stream.
        dev_loss: Loss after each pass on the development items.
    """

    network: AnchoredFusion
    scales: Mapping[str, tuple[Array, Array]]
    dev_loss: tuple[float, ...]

    def predict(self, items: Sequence[Mapping[str, Stream]]) -> Array:
        """Probabilities ``(n, outputs)`` of clips; a stream that an item lacks is missing."""
        self.network.eval()
        with torch.no_grad():
            parts = [
                torch.sigmoid(self.network(*_batch(items[k : k + 64], self.scales))) for k in range(0, len(items), 64)
            ]
        return np.asarray(torch.cat(parts).numpy(), np.float32)


def fit_fusion(
    items: Sequence[Mapping[str, Stream]],
    targets: Array,
    dev_items: Sequence[Mapping[str, Stream]],
    dev_targets: Array,
    *,
    anchor: str,
    plan: FusionPlan | None = None,
    seed: int = 0,
) -> TrainedFusion:
    """Train a network; the pass that is best on the development items is kept.

    Args:
        items: n clips, each with the streams that are there.
        targets: ``(n, k)`` 0 or 1, NaN where unknown.
        dev_items: Clips of other people.
        dev_targets: The same for them.
        anchor: The stream that the others are looked at from.
        plan: Sizes and steps.
        seed: Seed of weights, order and what is left out.

    Raises:
        UsageError: ``unknown_stream``; ``shape_mismatch`` if streams of one name differ in width, or targets do not
            fit.
    """
    plan = plan or FusionPlan()
    if len(items) != len(targets) or len(dev_items) != len(dev_targets):
        raise UsageError(
            "There is not one row of targets for each item.",
            code="shape_mismatch",
            value=f"{len(items)}, {len(targets)}",
            next_step="Give as many rows as items.",
        )
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    scales = _scales(items)
    network = AnchoredFusion({name: len(mean) for name, (mean, _) in scales.items()}, anchor, targets.shape[1], plan)
    optimizer = torch.optim.AdamW(network.parameters(), lr=plan.learning_rate, weight_decay=0.01)
    best, kept, losses = float("inf"), copy.deepcopy(network.state_dict()), []
    for epoch in range(plan.epochs):
        network.train()
        order = rng.permutation(len(items))
        for k in range(0, len(order), plan.batch):
            rows = order[k : k + plan.batch]
            inputs = _batch([_thinned(items[i], anchor, plan.left_out, rng) for i in rows], scales)
            loss = _loss(network(*inputs), targets[rows])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
        network.eval()
        with torch.no_grad():
            losses.append(float(_loss(network(*_batch(dev_items, scales)), dev_targets)))
        if losses[-1] < best:
            best, kept = losses[-1], copy.deepcopy(network.state_dict())
        elif epoch - int(np.argmin(losses)) >= plan.stop_after:
            break
    network.load_state_dict(kept)
    return TrainedFusion(network.eval(), scales, tuple(losses))


def _loss(logits: Tensor, targets: Array) -> Tensor:
    truth = torch.as_tensor(np.asarray(targets, np.float32))
    known = torch.isfinite(truth)
    return functional.binary_cross_entropy_with_logits(logits[known], truth[known])


def _scales(items: Sequence[Mapping[str, Stream]]) -> dict[str, tuple[Array, Array]]:
    names = list(dict.fromkeys(name for item in items for name in item))
    found = {}
    for name in names:
        parts = [item[name].features for item in items if name in item]
        if len({part.shape[1] for part in parts}) > 1:
            raise UsageError(
                f"The stream {name!r} has not the same features everywhere.",
                code="shape_mismatch",
                value=sorted({part.shape[1] for part in parts}),
                next_step="Give (t, d) features with the same d in every item.",
            )
        rows = np.concatenate(parts)
        found[name] = rows.mean(axis=0).astype(np.float32), np.maximum(rows.std(axis=0), 1e-3).astype(np.float32)
    return found


def _thinned(
    item: Mapping[str, Stream], anchor: str, left_out: float, rng: np.random.Generator
) -> Mapping[str, Stream]:
    """An item without some of its streams, chosen at random."""
    return {name: stream for name, stream in item.items() if name == anchor or rng.random() >= left_out}


def _batch(
    items: Sequence[Mapping[str, Stream]], scales: Mapping[str, tuple[Array, Array]]
) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]:
    """Features, seconds and masks of some items, padded."""
    features, seconds, there = {}, {}, {}
    for name, (mean, spread) in scales.items():
        longest = max([1, *(len(item[name].features) for item in items if name in item)])
        values = np.zeros((len(items), longest, len(mean)), np.float32)
        times, mask = np.zeros((len(items), longest), np.float32), np.zeros((len(items), longest), bool)
        for k, item in enumerate(items):
            if name in item:
                rows = len(item[name].features)
                values[k, :rows] = (item[name].features - mean) / spread
                times[k, :rows], mask[k, :rows] = item[name].seconds, True
        features[name], seconds[name], there[name] = map(torch.from_numpy, (values, times, mask))
    return features, seconds, there


def _when(seconds: Tensor, width: int) -> Tensor:
    """Sines and cosines (b, t, width) of seconds, with periods from one second to three minutes."""
    periods = torch.logspace(0, np.log10(180), width // 2)
    angles = 2 * torch.pi * seconds[:, :, None] / periods
    return torch.cat([torch.sin(angles), torch.cos(angles)], dim=2)
