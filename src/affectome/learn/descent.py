"""Gradient descent that may be interrupted at any step and goes on as if it had not been.

What a step does follows from the seed, its number and the weights before it. Needs the ``train`` extra (torch).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from affectome.learn.checkpoints import Checkpoint, read_checkpoint, write_checkpoint

_REPORTED = 50  # steps between two lines of a log


@dataclass(frozen=True)
class Progress:
    """One line of a training log: step, number of steps, mean loss by task since the last line, seconds so far."""

    step: int
    steps: int
    losses: dict[str, float]
    seconds: float


def encoder_rate(name: str, layers: int, decay: float) -> float:
    """Factor on the learning rate of an encoder's parameter: 1 in the top layer, times ``decay`` for each below it.

    Args:
        name: Name of the parameter; those outside of the layers count as one layer below the lowest.
        layers: Number of layers.
        decay: The factor.
    """
    layer = int(name.split("layer.")[1].split(".")[0]) if "layer." in name else -1
    return decay ** (layers - 1 - layer)


class Descent:
    """AdamW with a rate that rises and falls linearly, a running average of the weights, and checkpoints.

    Args:
        model: What is trained: its parameters that require a gradient.
        rates: Peak learning rate of each of them by name.
        steps: Number of steps.
        warmup: Share of the steps in which the rate rises.
        averaging: Decay of the running average of the weights, in [0, 1).
        seed: Seed of what is random in a step.
        recipe: Everything that decides the weights, as text; a checkpoint of another recipe is refused.
        folder: Folder of the checkpoint; without one, an interrupted run is lost.
    """

    def __init__(
        self,
        model: nn.Module,
        rates: Mapping[str, float],
        *,
        steps: int,
        warmup: float,
        averaging: float,
        seed: int,
        recipe: str,
        folder: Path | None,
    ) -> None:
        self.model, self.steps, self.warmup, self.averaging = model, steps, warmup, averaging
        self.seed, self.recipe, self.folder = seed, recipe, folder
        self.trained = {name: value for name, value in model.named_parameters() if value.requires_grad}
        self.peaks = [rates[name] for name in self.trained]
        groups = [
            {"params": [value], "lr": rates[name], "weight_decay": 0.01 if value.ndim > 1 else 0.0}
            for name, value in self.trained.items()
        ]
        self.optimizer = torch.optim.AdamW(groups, fused=True)
        self.average = {name: value.detach().clone() for name, value in self.trained.items()}
        self.step = 0

    def run(
        self,
        losses: Callable[[int], Mapping[str, Tensor]],
        *,
        checkpoint_every: int = 400,
        report: Callable[[Progress], None] | None = None,
    ) -> None:
        """Take all steps that are left, then give the model the average of its weights and put it in evaluation mode.

        Args:
            losses: From the number of a step to its losses by task; their sum is descended.
            checkpoint_every: Steps between checkpoints.
            report: Called every 50 steps.

        Raises:
            RunError: The checkpoint belongs to another recipe or is damaged, or cannot be written.
        """
        self._resume()
        started, seen = time.monotonic(), dict[str, list[float]]()
        self.model.train()
        while self.step < self.steps:
            for name, loss in self._one_step(losses).items():
                seen.setdefault(name, []).append(loss)
            if self.step % _REPORTED == 0 and report:
                means = {name: sum(values) / len(values) for name, values in sorted(seen.items())}
                report(Progress(self.step, self.steps, means, time.monotonic() - started))
                seen = {}
            if self.step % checkpoint_every == 0:
                self._checkpoint()
        self._checkpoint()
        self.model.load_state_dict(self.average, strict=False)
        self.model.eval()

    def _one_step(self, losses: Callable[[int], Mapping[str, Tensor]]) -> dict[str, float]:
        torch.manual_seed(self.seed * 1_000_003 + self.step)
        done = self.step / self.steps
        factor = min(1.0, (done + 1e-4) / self.warmup) * (1 - done)
        for group, peak in zip(self.optimizer.param_groups, self.peaks, strict=True):
            group["lr"] = peak * factor
        found = losses(self.step)
        torch.autograd.backward(list(found.values()))
        torch.nn.utils.clip_grad_norm_(self.trained.values(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.step += 1
        decay = min(self.averaging, self.step / (self.step + 10))
        with torch.no_grad():
            for name, value in self.trained.items():
                self.average[name].lerp_(value, 1 - decay)
        return {name: float(loss.detach()) for name, loss in found.items()}

    def _checkpoint(self) -> None:
        if self.folder is None:
            return
        tensors = {f"model/{name}": value.detach() for name, value in self.trained.items()}
        tensors |= {f"average/{name}": value for name, value in self.average.items()}
        for index, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer/{index}/{key}": value for key, value in state.items()}
        write_checkpoint(self.folder, Checkpoint(self.step, self.recipe, tensors))

    def _resume(self) -> None:
        stored = read_checkpoint(self.folder, self.recipe) if self.folder else None
        if stored is None:
            return
        optimizer: dict[int, dict[str, Tensor]] = {}
        for key, value in stored.tensors.items():
            part, _, name = key.partition("/")
            if part == "model":
                self.trained[name].data.copy_(value)
            elif part == "average":
                self.average[name] = value
            else:
                index, _, field = name.partition("/")
                optimizer.setdefault(int(index), {})[field] = value
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": optimizer, "param_groups": groups})
        self.step = stored.step
