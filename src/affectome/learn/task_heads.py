"""Read-outs that are trained together with their encoder. Needs the ``train`` extra (torch).

Each takes text vectors and gives what a head of the same kind in ``affectome.learn.heads`` gives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import get_args

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn.functional import log_softmax

from affectome.errors import UsageError
from affectome.evaluate.inputs import check_choice
from affectome.learn.heads import check_targets
from affectome.learn.objectives import (
    concordance_loss,
    cut_points,
    earth_mover_loss,
    focal_loss,
    kl_loss,
    level_logarithms,
    masked,
    presence_loss,
    soft_cross_entropy,
)
from affectome.learn.penalised import Kind


@dataclass(frozen=True)
class HeadPlan:
    """One task of a network.

    Attributes:
        name: Name of its targets and of its answers.
        kind: As in ``affectome.learn.heads.fit_head``.
        columns: Labels, measures, or the levels of an ordinal scale from the lowest to the highest.
        weight: Factor on its loss, above 0.
    """

    name: str
    kind: Kind
    columns: tuple[str, ...]
    weight: float = 1.0

    def __post_init__(self) -> None:
        check_choice(self.kind, get_args(Kind), "kind")
        if len(self.columns) < (1 if self.kind in ("presence", "measure") else 2):
            raise UsageError(
                f"The head {self.name!r} has too few columns.", code="too_few_columns", value=len(self.columns)
            )
        if not 0 < self.weight < float("inf"):
            raise UsageError(
                f"The weight of the head {self.name!r} must be above 0.", code="bad_weights", value=self.weight
            )

    def check(self, targets: ArrayLike, n: int) -> NDArray[np.float32]:
        """Targets of n rows as they are trained on: (n, columns), levels as rows with a single 1, NaN where unknown.

        Raises:
            UsageError: The targets do not fit the kind or the columns, or nothing is known of a column.
        """
        values = check_targets(targets, self.kind, n)
        if self.kind == "ordinal" and values.shape[1] < len(self.columns):
            unseen = np.where(np.isnan(values[:, :1]), np.nan, 0.0)
            values = np.hstack([values, np.repeat(unseen, len(self.columns) - values.shape[1], axis=1)])
        if values.shape[1] != len(self.columns):
            raise UsageError(
                f"The targets of the head {self.name!r} do not fit its columns.",
                code="shape_mismatch",
                value=values.shape[1],
                allowed=(str(len(self.columns)),),
            )
        unknown = np.isnan(values).all(axis=0)
        if unknown.any():
            raise UsageError(
                f"Nothing is known of a column of the head {self.name!r}.",
                code="no_targets",
                value=self.columns[int(unknown.argmax())],
            )
        return values.astype(np.float32)


class TaskHead(nn.Module):
    """A read-out of text vectors.

    Args:
        plan: What it reads out.
        width: Width of the text vectors.
        loss: Name of its loss in `LOSSES`; by default the first one of its kind.

    Raises:
        UsageError: There is no such loss.
    """

    centre: Tensor
    scale: Tensor

    def __init__(self, plan: HeadPlan, width: int, loss: str = "") -> None:
        super().__init__()
        known = LOSSES[plan.kind]
        check_choice(loss or next(iter(known)), tuple(known), "loss")
        self.plan, self.loss_of = plan, known[loss or next(iter(known))]
        self.linear = nn.Linear(width, 1 if plan.kind == "ordinal" else len(plan.columns))
        nn.init.zeros_(self.linear.bias)
        if plan.kind == "measure":
            self.register_buffer("centre", torch.zeros(len(plan.columns)))
            self.register_buffer("scale", torch.ones(len(plan.columns)))
        if plan.kind == "ordinal":
            self.raw_cuts = nn.Parameter(torch.zeros(len(plan.columns) - 1))

    def start(self, targets: NDArray[np.float32]) -> TaskHead:
        """Begin at what is frequent in checked targets (n, k), and take their units for measures.

        Measures are trained in units of their standard deviation, so that tasks on different scales weigh alike.
        """
        mean, half = torch.from_numpy(np.nanmean(targets, axis=0)), 0.5 / len(targets)
        frequency = (mean + half) / (1 + 2 * half)
        with torch.no_grad():
            if self.plan.kind == "choice":
                self.linear.bias.copy_(torch.log(frequency))
            elif self.plan.kind == "presence":
                self.linear.bias.copy_(torch.logit(frequency))
            elif self.plan.kind == "measure":
                spread = torch.from_numpy(np.nanstd(targets, axis=0))
                self.centre.copy_(mean)
                self.scale.copy_(torch.where(spread > 0, spread, 1))
            else:
                cuts = torch.logit((frequency / frequency.sum()).cumsum(0)[:-1])
                self.raw_cuts.copy_(torch.cat([cuts[:1], torch.log(cuts.diff())]))
        return self

    def forward(self, pooled: Tensor) -> Tensor:
        """Scores (n, k) of text vectors (n, width).

        Logarithms of probabilities for choice and ordinal (the cumulative logit model, McCullagh 1980), logits for
        presence, numbers in units of the standard deviation for measure.
        """
        scores: Tensor = self.linear(pooled)
        if self.plan.kind == "choice":
            return log_softmax(scores, dim=1)
        if self.plan.kind == "ordinal":
            return level_logarithms(scores, cut_points(self.raw_cuts))
        return scores

    def answer(self, pooled: Tensor) -> Tensor:
        """Probabilities (n, k) that sum to 1 (choice; ordinal, one column a level), presences in [0, 1], or numbers."""
        scores = self.forward(pooled)
        if self.plan.kind == "presence":
            return torch.sigmoid(scores)
        if self.plan.kind == "measure":
            return scores * self.scale + self.centre
        return torch.exp(scores)

    def loss(self, pooled: Tensor, targets: Tensor, weights: Tensor) -> Tensor | None:
        """Weighted mean loss over what is known, None where nothing is.

        Args:
            pooled: (n, width).
            targets: (n, k), NaN where unknown.
            weights: (n,), above 0.
        """
        rows = ~torch.isnan(targets).all(dim=1)
        if not rows.any():
            return None
        if self.plan.kind == "measure":
            targets = (targets - self.centre) / self.scale
        loss = self.loss_of(self.forward(pooled[rows]), targets[rows], weights[rows])
        return loss * self.plan.weight


def _cross_entropy(scores: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    return soft_cross_entropy(scores, targets, weights=weights)


def _squared_error(scores: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    share = weights[:, None] * ~torch.isnan(targets)
    return (share * (scores - targets.nan_to_num()) ** 2).sum() / share.sum()


def _concordance(scores: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    known_only = masked(concordance_loss)
    columns = [known_only(scores[:, [k]], targets[:, [k]], weights) for k in range(scores.shape[1])]
    return torch.stack(columns).mean()


LOSSES: Mapping[Kind, Mapping[str, Callable[[Tensor, Tensor, Tensor], Tensor]]] = {
    "choice": {"cross_entropy": _cross_entropy, "kl": kl_loss, "earth_mover": earth_mover_loss},
    "presence": {"cross_entropy": presence_loss, "focal": focal_loss},
    "measure": {"squared_error": _squared_error, "concordance": _concordance},
    "ordinal": {"cross_entropy": _cross_entropy, "earth_mover": earth_mover_loss},
}
