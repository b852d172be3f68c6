"""The model of action units that is trained.

One part reads the points of a face, another its picture, and each unit has its own weights for the two.

Needs the ``train`` extra (torch).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from affectome.perceive.action_units import SQUARE

Array = NDArray[np.float32]

FARTHEST = 4.0
"""Components beyond are those of a mesh gone wrong."""


def is_beside(k: int) -> bool:
    """Whether a convolution of the model stands beside a short cut."""
    return k > 0 and k % 2 == 0


class ActionUnitsModel(nn.Module):
    """Straight points and squares of faces to strengths of action units.

    Args:
        centre: ``(1404,)`` mean of the points.
        basis: ``(1404, components)`` directions that give components of about unit size.
        units: Number of action units.
        width: Width of the layers that read the points.
        channels: Channels of the convolutions. The first looks at 6 x 6 pixels; each further one is followed by another
            beside a short cut (He et al. 2016, arXiv:1512.03385).
        reduced: Channels that are left of the last of them, place by place.
        dropout: Share of what the last layers see that is left out in training.
    """

    def __init__(
        self,
        centre: Array,
        basis: Array,
        units: int,
        *,
        width: int,
        channels: Sequence[int],
        reduced: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.register_buffer("centre", torch.from_numpy(centre))
        self.register_buffer("basis", torch.from_numpy(basis))
        self.first = nn.Linear(basis.shape[1] + 3, width)
        self.second = nn.Linear(width, width)
        self.points_head = nn.Linear(width, units)
        convolutions = [nn.Conv2d(1, channels[0], 6, 2, 2, bias=False)]
        for inputs, outputs in pairwise(channels):
            convolutions.append(nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False))
            convolutions.append(nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False))
        self.convolutions = nn.ModuleList(convolutions)
        self.norms = nn.ModuleList(nn.BatchNorm2d(each.out_channels) for each in convolutions)
        self.reduce = nn.Conv2d(channels[-1], reduced, 1)
        cells = (SQUARE >> len(channels)) ** 2
        self.picture = nn.Linear(reduced * cells, width)
        self.picture_head = nn.Linear(width, units)
        self.points_weight = nn.Parameter(torch.full((units,), 0.4))
        self.picture_weight = nn.Parameter(torch.full((units,), 0.8))
        self.dropout = nn.Dropout(dropout)

    def components(self, points: Tensor) -> Tensor:
        """Components (n, components) of straight points (n, 468, 3)."""
        centre: Tensor = self.centre  # type: ignore[assignment]
        basis: Tensor = self.basis  # type: ignore[assignment]
        return ((points.flatten(1) - centre) @ basis).clamp(-FARTHEST, FARTHEST)

    def from_points(self, components: Tensor, turn: Tensor) -> Tensor:
        """Logits (n, units) from components (n, components) and the way (n, 3) the face is turned."""
        x = torch.relu(self.first(torch.cat([components, turn], 1)))
        x = torch.relu(self.second(self.dropout(x)))
        logits: Tensor = self.points_head(self.dropout(x))
        return logits

    def from_picture(self, crop: Tensor) -> Tensor:
        """Logits (n, units) from squares (n, 1, 96, 96)."""
        x = crop
        for k, (convolution, norm) in enumerate(zip(self.convolutions, self.norms, strict=True)):
            y = norm(convolution(x))
            x = torch.relu(x + y if is_beside(k) else y)
        x = torch.relu(self.reduce(x)).flatten(1)
        x = torch.relu(self.picture(self.dropout(x)))
        logits: Tensor = self.picture_head(self.dropout(x))
        return logits

    def joined(self, points: Tensor, picture: Tensor) -> Tensor:
        """Logits (n, units) of both parts."""
        return self.points_weight * points + self.picture_weight * picture

    def forward(self, points: Tensor, turn: Tensor, crop: Tensor) -> Tensor:
        """Strengths (n, units) in [0, 1]."""
        return torch.sigmoid(self.joined(self.from_points(self.components(points), turn), self.from_picture(crop)))
