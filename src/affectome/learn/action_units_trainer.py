"""Training of the model of action units, resumable at any step. Needs the ``train`` extra."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.decomposition import PCA
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, interpolate, mse_loss

from affectome.affect.action_units import PRESENT, list_action_units
from affectome.learn.action_units_corpus import DrawnFaces
from affectome.learn.action_units_model import ActionUnitsModel
from affectome.learn.action_units_recipe import ActionUnitsRecipe
from affectome.learn.descent import Descent, Progress
from affectome.learn.objectives import concordance_loss
from affectome.perceive.action_units import SQUARE, STABLE, straighten, turn_straight

Array = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]

_FRONTAL = 8.0  # degrees of turn up to which a face makes the reference
_SOUND = 0.5  # of the mesh: with less it hardly saw a face
_SMALL = 0.01  # size, against the largest component, that is added to each: what is small is not blown up
_WANDER = 0.15  # noise on components
_MIXING = 5.0  # times the rate of the other weights, for those of the two parts
_SHARP = 12.0  # slope with which a strength is taken for presence
_SHIFT = 3  # pixels by which squares are moved
_GRAINY, _HIDDEN, _BLURRED = 0.3, 0.2, 0.25  # share of batches with noise, of squares with a hidden part, and blurred
_ROUNDS = 5
_SETTLING = 40  # batches over which the means and variances of the averaged weights are measured


@dataclass(frozen=True, eq=False)
class Prepared:
    """Faces as the model sees them.

    Attributes:
        points: ``(n, 468, 3)`` turned straight.
        turn: ``(n, 3)`` the way the nose points.
        squares: ``(n, 96, 96)`` grey values.
        strengths: ``(n, units)`` true strengths.
    """

    points: Array
    turn: Array
    squares: Bytes
    strengths: Array


def prepare(faces: DrawnFaces, reference: Array) -> Prepared:
    """Faces as the model sees them."""
    points, turn = turn_straight(faces.points, reference)
    squares = straighten(faces.pictures, faces.points, reference)
    return Prepared(points, turn, squares, faces.strengths)


def reference_face(faces: DrawnFaces) -> tuple[Array, Ints]:
    """A face (468, 3) that looks straight ahead, and for each point its mirror image (468,).

    It is the mean of faces that do, made symmetric, one unit wide between the outer corners of the eyes.
    """
    frontal = (np.abs(faces.angles[:, :2]).max(axis=1) < _FRONTAL) & (faces.scores > _SOUND)
    points = faces.points[frontal]
    found = points[0]
    for _ in range(_ROUNDS):
        aligned, _turn = turn_straight(points, found)
        found = aligned.mean(axis=0)
    across = found[263, :2] - found[33, :2]
    level = np.array([[across[0], across[1]], [-across[1], across[0]]]) / float(across @ across)
    found[:, :2] = (found[:, :2] - found[list(STABLE), :2].mean(axis=0)) @ level.T
    found[:, 2] = (found[:, 2] - found[list(STABLE), 2].mean()) / float(np.linalg.norm(across))
    flipped = found * [-1, 1, 1]
    _rows, mirror = linear_sum_assignment(np.square(flipped[:, None] - found[None]).sum(axis=2))
    return ((found + flipped[mirror]) / 2).astype(np.float32), mirror


def principal_basis(points: Array, components: int) -> tuple[Array, Array]:
    """Mean (1404,) of points (n, 468, 3), and directions (1404, components) of most variance.

    Each is scaled so that its component has about unit size; small ones less, so that noise is not blown up.
    """
    found = PCA(components, svd_solver="randomized", random_state=0).fit(points.reshape(len(points), -1))
    size = np.sqrt(found.explained_variance_)
    basis = found.components_.T / (size + _SMALL * size[0])
    return found.mean_.astype(np.float32), basis.astype(np.float32)


class ActionUnitsTrainer:
    """Trains one model from one recipe.

    Args:
        recipe: The settings.
        faces: Drawn faces to learn from.
        out: Folder for checkpoints; without one, an interrupted run is lost.
        threads: Processor threads.
    """

    def __init__(
        self, recipe: ActionUnitsRecipe, faces: DrawnFaces, *, out: Path | None = None, threads: int = 2
    ) -> None:
        torch.set_num_threads(threads)
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        seen = faces.at(np.flatnonzero(faces.scores > _SOUND))
        self.reference, self.mirror = reference_face(seen)
        self.faces = prepare(seen, self.reference)
        centre, basis = principal_basis(self.faces.points, recipe.components)
        self.model: ActionUnitsModel = ActionUnitsModel(
            centre,
            basis,
            len(list_action_units()),
            width=recipe.width,
            channels=recipe.channels,
            reduced=recipe.reduced,
            dropout=recipe.dropout,
        ).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.descent = Descent(
            self.model,
            {
                name: recipe.learning_rate * (_MIXING if name.endswith("_weight") else 1)
                for name, _ in self.model.named_parameters()
            },
            steps=recipe.steps,
            warmup=recipe.warmup,
            averaging=recipe.averaging,
            seed=recipe.seed,
            recipe=repr(recipe),
            folder=out,
        )

    def train(
        self, *, checkpoint_every: int = 200, report: Callable[[Progress], None] | None = None
    ) -> ActionUnitsModel:
        """Run all steps that are left and return the model with its averaged weights, in evaluation mode.

        Raises:
            RunError: The checkpoint belongs to another recipe or is damaged, or cannot be written.
        """
        self.descent.run(self._losses, checkpoint_every=checkpoint_every, report=report)
        self._settle()
        return self.model

    def _batch(self, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Components, turns, squares and strengths of some faces, distorted, half of them mirrored."""
        faces, size = self.faces, self.recipe.batch
        rows = rng.choice(len(faces.points), min(size, len(faces.points)), replace=False)
        points, turn, squares = faces.points[rows], faces.turn[rows], faces.squares[rows]
        mirrored = rng.random(len(rows)) < 0.5
        points[mirrored] = (points[mirrored] * [-1, 1, 1])[:, self.mirror]
        turn[mirrored, 0] *= -1
        squares[mirrored] = squares[mirrored][:, :, ::-1]
        components = self.model.components(torch.from_numpy(points))
        noise = rng.normal(0, _WANDER, components.shape) * rng.uniform(0, 1, (len(rows), 1))
        components = components + torch.from_numpy(noise.astype(np.float32))
        crop = distorted(squares, rng).contiguous(memory_format=torch.channels_last)
        return components, torch.from_numpy(turn), crop, torch.from_numpy(faces.strengths[rows])

    def _losses(self, step: int) -> dict[str, Tensor]:
        rng = np.random.default_rng((self.recipe.seed, step))
        components, turn, crop, wanted = self._batch(rng)
        points = self.model.from_points(components, turn)
        with torch.autocast("cpu", torch.bfloat16):
            picture = self.model.from_picture(crop)
        picture = picture.float()
        joined = self.model.joined(points, picture)
        return {
            "joined": _loss(joined, wanted),
            "points": 0.5 * _loss(points, wanted),
            "picture": 0.5 * _loss(picture, wanted),
        }

    def _settle(self) -> None:
        """Measure the means and variances of the averaged weights, which were never run on a batch."""
        for norm in self.model.norms:
            assert isinstance(norm, nn.BatchNorm2d)
            norm.reset_running_stats()
            norm.momentum = None  # the plain mean of all batches
            norm.train()
        rng = np.random.default_rng(self.recipe.seed)
        with torch.inference_mode():
            for _ in range(_SETTLING):
                self.model.from_picture(self._batch(rng)[2])
        self.model.eval()


def _loss(logits: Tensor, wanted: Tensor) -> Tensor:
    """Squared error, what is missing of concordance, and being on the wrong side of where presence begins."""
    strengths = torch.sigmoid(logits)
    side = binary_cross_entropy_with_logits(_SHARP * (strengths - PRESENT), (wanted >= PRESENT).float())
    return 10 * mse_loss(strengths, wanted) + 0.5 * concordance_loss(strengths, wanted) + 0.5 * side


def distorted(squares: Bytes, rng: np.random.Generator) -> Tensor:
    """Squares (n, 96, 96) moved a little, dimmed, blurred, noisy and partly hidden at random, then standardised.

    Returns:
        ``(n, 1, 96, 96)``.
    """
    n = len(squares)
    levels = np.linspace(0, 1, 256, dtype=np.float32) ** np.exp(rng.normal(0, 0.3, (n, 1))).astype(np.float32)
    x = np.take_along_axis(levels, squares.reshape(n, -1), axis=1).reshape(squares.shape)
    slope = np.linspace(-1, 1, SQUARE, dtype=np.float32)
    across, down = rng.normal(0, 0.2, (2, n, 1, 1)).astype(np.float32)
    x *= 1 + across * slope + down * slope[:, None]
    wide = np.pad(x, [(0, 0), (_SHIFT, _SHIFT), (_SHIFT, _SHIFT)], mode="edge")
    for k, (low, right) in enumerate(rng.integers(0, 2 * _SHIFT + 1, (n, 2)).tolist()):
        x[k] = wide[k, low : low + SQUARE, right : right + SQUARE]
    if rng.random() < _GRAINY:
        x += rng.uniform(0, 0.06, (n, 1, 1)).astype(np.float32) * rng.standard_normal(x.shape, np.float32)
    for hidden in np.flatnonzero(rng.random(n) < _HIDDEN):
        height, width = rng.integers(8, 36, 2).tolist()
        top, left = int(rng.integers(0, SQUARE - height)), int(rng.integers(0, SQUARE - width))
        x[hidden, top : top + height, left : left + width] = rng.uniform(0, 1)
    found = torch.from_numpy(x)[:, None]
    soft = torch.from_numpy(np.flatnonzero(rng.random(n) < _BLURRED))
    if len(soft):
        smaller = interpolate(found[soft], size=int(rng.integers(32, 80)), mode="bilinear", antialias=True)
        found[soft] = interpolate(smaller, size=SQUARE, mode="bilinear")
    found = found - found.mean((1, 2, 3), keepdim=True)
    return found / found.square().mean((1, 2, 3), keepdim=True).sqrt().clamp_min(4 / 255)
