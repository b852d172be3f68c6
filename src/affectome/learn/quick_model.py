"""The quick text model that is trained: word vectors, two convolutions, two layers. Needs the ``train`` extra."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import layer_norm, normalize, softplus

from affectome.learn.text_model import MEASURES

Array = NDArray[np.float32]

_LEVELS = 127
_NEIGHBOURS = 3


class QuickTextModel(nn.Module):
    """What `affectome.perceive.quick_encoder.QuickEncoder` runs.

    Args:
        vectors: ``(tokens, width)`` that the word vectors start from.
        space: Width of the affect space.
        labels: Number of labels.
        channels: Channels of the convolutions.
        hidden: Width of the layer between.
        dropout: Share of what the layers see that is left out in a step.
    """

    def __init__(self, vectors: Tensor, *, space: int, labels: int, channels: int, hidden: int, dropout: float) -> None:
        super().__init__()
        width = vectors.shape[1]
        pooled = 2 * (width + channels)
        self.table = nn.Parameter(vectors.clone())
        self.first = nn.Conv1d(width, channels, _NEIGHBOURS, padding=1)
        self.second = nn.Conv1d(channels, channels, _NEIGHBOURS, padding=1)
        self.norm_scale, self.norm_shift = nn.Parameter(torch.ones(pooled)), nn.Parameter(torch.zeros(pooled))
        self.hidden = nn.Linear(pooled, hidden)
        self.outputs = nn.ModuleDict(
            {
                name: nn.Linear(hidden + pooled, size)
                for name, size in (("vectors", space), ("labels", labels), ("means", len(MEASURES)), ("spreads", 3))
            }
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, ids: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Unit vectors, logits, measures and standard deviations of (n, tokens) ids, padded with -1."""
        known = (ids >= 0).unsqueeze(1)
        rows = self.table[ids.clamp(min=0)].transpose(1, 2) * known
        first = self.first(rows).relu() * known
        second = first + self.second(first).relu() * known
        counts = known.sum(2)
        pooled = torch.cat(
            [
                part
                for each in (rows, second)
                for part in (each.sum(2) / counts, each.masked_fill(~known, -torch.inf).amax(2))
            ],
            dim=1,
        )
        normal = self.dropout(layer_norm(pooled, pooled.shape[1:], self.norm_scale, self.norm_shift))
        both = torch.cat([self.hidden(normal).relu(), normal], dim=1)
        vectors, labels, means, spreads = (self.outputs[name](both) for name in self.outputs)
        bounded = torch.cat([torch.tanh(means[:, :4]), torch.sigmoid(means[:, 4:])], dim=1)
        return normalize(vectors, dim=1), labels, bounded, softplus(spreads) + 0.01

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """What the encoder of a bundle reads: word vectors as 8-bit integers, layers as 16-bit floats."""
        table = self.table.detach().numpy()
        scale = np.maximum(np.abs(table).max(axis=1, keepdims=True), 1e-8) / _LEVELS
        found: dict[str, NDArray[np.generic]] = {
            "table": np.rint(table / scale).astype(np.int8),
            "scale": scale.astype(np.float32),
            "norm_scale": _half(self.norm_scale),
            "norm_shift": _half(self.norm_shift),
        }
        for name, values in self.state_dict().items():
            path, _, part = name.rpartition(".")
            layer = path.rpartition(".")[2]
            if part == "bias":
                found[f"{layer}_bias"] = _half(values)
            elif part == "weight":  # of a convolution (out, in, neighbours), of a layer (out, in)
                found[f"{layer}_matrix"] = _half(values.permute(*reversed(range(values.ndim))))
        return found


def padded(rows: Sequence[Sequence[int]]) -> Tensor:
    """Token ids (n, tokens), filled up with -1."""
    ids = np.full((len(rows), max(map(len, rows))), -1, np.int64)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = row
    return torch.from_numpy(ids)


def _half(values: Tensor) -> NDArray[np.float16]:
    return np.ascontiguousarray(values.detach().numpy().astype(np.float16))
