"""Training of the face model, resumable at any step. Needs the ``train`` and ``face`` extras."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import affine_grid, cross_entropy, grid_sample, normalize

from affectome.affect import load_taxonomy
from affectome.errors import UsageError
from affectome.learn.descent import Descent, Progress
from affectome.learn.face_corpus import CLASSES, SIDE, VOTES, FaceCorpus
from affectome.learn.face_model import FaceAffectModel
from affectome.learn.face_recipe import FaceRecipe
from affectome.learn.objectives import (
    conflict_consistency,
    conflict_weights,
    prototype_loss,
    soft_cross_entropy,
    variance_cap,
)
from affectome.learn.prototypes import Prototypes

Array = NDArray[np.float32]

CONFLICTS = {
    ("happiness", "sadness"): 0.8,
    ("happiness", "anger"): 0.8,
    ("happiness", "disgust"): 0.8,
    ("happiness", "fear"): 0.8,
    ("happiness", "contempt"): 0.4,
    ("surprise", "sadness"): 0.4,
}
"""How much two expressions exclude each other: strongly 0.8, somewhat 0.4."""

CAPPED = ("happiness", "surprise")
"""Expressions whose faces a cap on variance keeps close together."""

_SINGLE_SMOOTHING = 0.1
_CAP, _MARGIN = 0.1, 0.8  # squared distance of unit vectors to the centre of their class, and between centres
_RAMP = 0.2, 0.6  # shares of the steps between which the cap sets in
_TURN, _ZOOM, _SHIFT = 15.0, 0.18, 0.1  # degrees, share of the side
_ERASED = 0.3  # share of the faces of which a rectangle is hidden
_BLURRED = 0.25
_SETTLING = 60  # batches over which the means and variances of the averaged weights are measured


class FaceTrainer:
    """Trains one model from one recipe.

    Args:
        recipe: The settings.
        corpus: The faces; only training rows are used.
        anchors: Unit vectors (labels, space) of ``ferplus8`` and ``fer7`` in the affect space.
        prototypes: Needed by a recipe that gives them weight; their columns of shares are those of ``ferplus8``.
        conflicts: Weights of pairs of expressions that exclude each other.
        out: Folder for checkpoints; without one, an interrupted run is lost.
        threads: Processor threads.

    Raises:
        UsageError: The recipe gives weight to prototypes and there are none.
    """

    def __init__(
        self,
        recipe: FaceRecipe,
        corpus: FaceCorpus,
        *,
        anchors: Mapping[str, Array],
        prototypes: Prototypes | None = None,
        conflicts: Mapping[tuple[str, str], float] = CONFLICTS,
        out: Path | None,
        threads: int = 2,
    ) -> None:
        if recipe.prototypes and prototypes is None:
            raise UsageError(
                "The recipe gives weight to prototypes and there are none.",
                code="no_prototypes",
                value=recipe.prototypes,
                next_step="Give the prototypes, or set their weight to 0.",
            )
        torch.set_num_threads(threads)
        torch.manual_seed(recipe.seed)
        self.recipe, self.corpus = recipe, corpus.part("train")
        self.model = FaceAffectModel(
            recipe.stem,
            recipe.widths,
            recipe.blocks,
            recipe.dropout,
            {name: torch.from_numpy(anchors[name]) for name in (VOTES, CLASSES)},
        )
        labels = load_taxonomy(VOTES).labels
        self.conflicts = conflict_weights(labels, conflicts)
        self.capped = [labels.index(label) for label in CAPPED]
        self.prototypes = None if prototypes is None else [torch.from_numpy(each) for each in prototypes]
        self.descent = Descent(
            self.model,
            {name: recipe.learning_rate for name, _ in self.model.named_parameters()},
            steps=recipe.steps,
            warmup=recipe.warmup,
            averaging=recipe.averaging,
            seed=recipe.seed,
            recipe=repr(recipe),
            folder=out,
        )

    def train(
        self, *, checkpoint_every: int = 200, report: Callable[[Progress], None] | None = None
    ) -> FaceAffectModel:
        """Run all steps that are left and return the model with its averaged weights, in evaluation mode.

        Raises:
            RunError: The checkpoint belongs to another recipe or is damaged, or cannot be written.
        """
        self.descent.run(self._losses, checkpoint_every=checkpoint_every, report=report)
        self._settle()
        return self.model

    def _losses(self, step: int) -> dict[str, Tensor]:
        recipe, model = self.recipe, self.model
        rng = np.random.default_rng((recipe.seed, step))
        rows = rng.choice(len(self.corpus.names), min(recipe.batch, len(self.corpus.names)), replace=False)
        faces = distorted(torch.from_numpy(self.corpus.pictures[rows]), rng)
        votes = torch.from_numpy(self.corpus.votes[rows])
        classes = torch.from_numpy(self.corpus.classes[rows])
        with torch.autocast("cpu", torch.bfloat16):
            pooled = model.features(faces)
        pooled = pooled.float()
        features = model.dropout(pooled)
        logits = model.label_logits(features, VOTES)
        losses = {"votes": soft_cross_entropy(logits, votes)}
        if recipe.single_labels:
            single = model.label_logits(features, CLASSES)
            losses["single"] = recipe.single_labels * cross_entropy(single, classes, label_smoothing=_SINGLE_SMOOTHING)
        if recipe.space:
            placed = model.anchor_logits(model.vectors(features), VOTES)
            losses["space"] = recipe.space * soft_cross_entropy(placed, votes)
        if recipe.consistency:
            losses["consistency"] = recipe.consistency * conflict_consistency(logits.softmax(1), self.conflicts)
        if recipe.prototypes and self.prototypes:
            vectors, shares = self.prototypes
            pull = prototype_loss(model.vectors(features), vectors, votes @ shares)
            losses["prototypes"] = recipe.prototypes * pull
        if recipe.variance_cap:
            spread = variance_cap(normalize(pooled), votes.argmax(1), capped=self.capped, cap=_CAP, margin=_MARGIN)
            losses["variance_cap"] = recipe.variance_cap * _ramp(step / recipe.steps) * spread
        return losses

    def _settle(self) -> None:
        """Measure the means and variances of the averaged weights, which were never run on a batch."""
        norms = [part for part in self.model.modules() if isinstance(part, nn.BatchNorm2d)]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # None is the plain mean of all batches
            norm.train()
        rng = np.random.default_rng(self.recipe.seed)
        rows = rng.permutation(len(self.corpus.names))[: _SETTLING * self.recipe.batch]
        with torch.inference_mode():
            for start in range(0, len(rows), self.recipe.batch):
                part = torch.from_numpy(self.corpus.pictures[rows[start : start + self.recipe.batch]])
                if len(part) > 1:
                    self.model.features(distorted(part, rng))
        self.model.eval()


def _ramp(done: float) -> float:
    """Rises from 0 to 1 along half a cosine while the share of the steps that are done passes `_RAMP`."""
    begin, end = _RAMP
    return 0.5 - 0.5 * math.cos(math.pi * min(max((done - begin) / (end - begin), 0.0), 1.0))


def standardised(faces: Tensor) -> Tensor:
    """Faces (n, 48, 48) of any level as (n, 1, 48, 48) with mean 0 and standard deviation 1 each."""
    x = faces.float()[:, None]
    x = x - x.mean((1, 2, 3), keepdim=True)
    return x / x.square().mean((1, 2, 3), keepdim=True).sqrt().clamp_min(1.0)


def distorted(faces: Tensor, rng: np.random.Generator) -> Tensor:
    """Faces (n, 48, 48) turned, moved, mirrored, dimmed, blurred and partly hidden at random, then standardised."""
    n = len(faces)
    x = faces.float()[:, None] / 255
    x = x.clamp_min(1e-3) ** _drawn(np.exp(rng.uniform(-0.5, 0.5, n)))
    angle = np.deg2rad(rng.uniform(-_TURN, _TURN, n))
    zoom = np.exp(rng.uniform(-_ZOOM, _ZOOM, n))
    mirror = np.where(rng.random(n) < 0.5, -1.0, 1.0)
    shift = rng.uniform(-2 * _SHIFT, 2 * _SHIFT, (n, 2))
    cos, sin = np.cos(angle) * zoom, np.sin(angle) * zoom
    matrix = np.stack([mirror * cos, -sin, shift[:, 0], mirror * sin, cos, shift[:, 1]], axis=1).reshape(n, 2, 3)
    grid = affine_grid(torch.from_numpy(matrix.astype(np.float32)), [n, 1, SIDE, SIDE], align_corners=False)
    x = grid_sample(x, grid, padding_mode="border", align_corners=False)
    soft = torch.nn.functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
    x = torch.lerp(x, soft, _drawn(np.where(rng.random(n) < _BLURRED, rng.random(n), 0)))
    x = x + _drawn(rng.uniform(0, 0.03, n)) * torch.from_numpy(rng.standard_normal(x.shape, np.float32))
    for i in np.flatnonzero(rng.random(n) < _ERASED):
        high, wide = (int(SIDE * math.sqrt(share)) for share in rng.uniform(0.02, 0.16, 2))
        top, left = int(rng.integers(SIDE - high + 1)), int(rng.integers(SIDE - wide + 1))
        x[i, 0, top : top + high, left : left + wide] = float(rng.random())
    return standardised(255 * x[:, 0]).contiguous(memory_format=torch.channels_last)


def _drawn(values: NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(values.astype(np.float32)).view(-1, 1, 1, 1)
