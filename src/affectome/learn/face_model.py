"""The face model that is trained: a small residual network on grey faces, with heads and a place in the affect space.

Needs the ``train`` extra (torch).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from affectome.affect import load_taxonomy


class FaceBlock(nn.Module):
    """Two convolutions beside a short cut (He et al. 2016, arXiv:1512.03385).

    The channels of what they give are weighted by what the whole picture shows (Hu et al. 2018, arXiv:1709.01507).

    Args:
        inputs: Channels that come in.
        outputs: Channels that go out.
        stride: 2 halves the sides.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.squeeze = nn.Linear(outputs, outputs // 8)
        self.excite = nn.Linear(outputs // 8, outputs)
        self.short = nn.Conv2d(inputs, outputs, 1, bias=False) if stride > 1 or inputs != outputs else None
        self.short_norm = nn.BatchNorm2d(outputs) if self.short is not None else None

    def forward(self, x: Tensor) -> Tensor:
        """From (n, inputs, h, w) to (n, outputs, h / stride, w / stride)."""
        y = torch.relu(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        weight = torch.sigmoid(self.excite(torch.relu(self.squeeze(y.mean((2, 3))))))
        y = y * weight[:, :, None, None]
        if self.short is not None and self.short_norm is not None:
            x = nn.functional.avg_pool2d(x, self.stride) if self.stride > 1 else x
            x = self.short_norm(self.short(x))
        return torch.relu(x + y)


class FaceAffectModel(nn.Module):
    """Faces of 48 x 48 grey pixels to expressions and a unit vector of the affect space.

    Args:
        stem: Channels of the first convolution.
        widths: Channels of each stage.
        blocks: Residual blocks of each stage.
        dropout: Share of the features left out in training.
        anchors: For each vocabulary its label anchors (labels, space), unit vectors of the text reader.
    """

    def __init__(
        self,
        stem: int,
        widths: Sequence[int],
        blocks: Sequence[int],
        dropout: float,
        anchors: Mapping[str, Tensor],
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, stem, 3, 1, 1, bias=False)
        self.norm = nn.BatchNorm2d(stem)
        stages, inputs = [], stem
        for width, count in zip(widths, blocks, strict=True):
            for k in range(count):
                stages.append(FaceBlock(inputs, width, 1 if k else 2))
                inputs = width
        self.stages = nn.ModuleList(stages)
        self.dropout = nn.Dropout(dropout)
        self.heads = nn.ModuleDict({name: nn.Linear(inputs, len(load_taxonomy(name).labels)) for name in anchors})
        self.place = nn.Linear(inputs, next(iter(anchors.values())).shape[1])
        self.scale = nn.Parameter(torch.tensor(10.0))
        self.biases = nn.ParameterDict({name: torch.zeros(len(each)) for name, each in anchors.items()})
        for name, each in anchors.items():
            self.register_buffer(f"anchors_{name}", normalize(each, dim=-1), persistent=False)

    def features(self, faces: Tensor) -> Tensor:
        """Features (n, last width) of faces (n, 1, 48, 48), each with mean 0 and standard deviation 1."""
        x = torch.relu(self.norm(self.conv(faces)))
        for stage in self.stages:
            x = stage(x)
        return x.mean((2, 3))

    def label_logits(self, features: Tensor, vocabulary: str) -> Tensor:
        """Logits (n, labels) of the direct head of a vocabulary."""
        logits: Tensor = self.heads[vocabulary](features)
        return logits

    def vectors(self, features: Tensor) -> Tensor:
        """Points (n, space) of the affect space."""
        return normalize(self.place(features), dim=-1)

    def anchor_logits(self, vectors: Tensor, vocabulary: str) -> Tensor:
        """Logits (n, labels) of a vocabulary from points of the affect space."""
        anchors: Tensor = getattr(self, f"anchors_{vocabulary}")
        logits: Tensor = self.scale * vectors @ anchors.T + self.biases[vocabulary]
        return logits
