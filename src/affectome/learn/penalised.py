"""The penalised fits under the heads: ridge regression in closed form, logistic models by L-BFGS.

Each minimises the weighted mean loss plus half the strength times the squared matrix; bias and cut points are free.
Needs the ``train`` extra (scipy).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, log_expit, logsumexp

from affectome.errors import RunError

Kind = Literal["choice", "presence", "measure", "ordinal"]
Floats = NDArray[np.float64]

_STEPS = 1000
_PULL = 1e-6  # on the bias: keeps that of a label which never occurs finite, and is far below what data can tell
_TINY = 1e-12  # floor of weights that are divided by


class Rows(NamedTuple):
    """Checked training rows, all with a known target: float64 features, targets, mask, shares of weight, groups."""

    features: Floats
    targets: Floats  # (n, k), 0 where unknown; one-hot for ordinal
    known: Floats  # (n, k), 1 where known
    share: Floats  # (n,), sums to 1
    groups: NDArray[np.int64]

    def at(self, chosen: NDArray[np.int64]) -> Rows:
        """Only the chosen rows."""
        share = self.share[chosen] / self.share[chosen].sum()
        return Rows(self.features[chosen], self.targets[chosen], self.known[chosen], share, self.groups[chosen])


def solve(rows: Rows, kind: Kind, strengths: Sequence[float], tolerance: float) -> Iterator[tuple[Floats, Floats]]:
    """Solves the problem for each of the strengths, which should fall: each solution starts from the one before.

    Args:
        rows: Standardised features and their targets.
        kind: Kind of the head.
        strengths: Penalties above 0.
        tolerance: Relative gain of a step below which L-BFGS stops.

    Yields:
        The matrix ``(d, k)`` and the bias ``(k,)``, for ordinal the matrix ``(d, 1)`` and the cut points ``(k - 1,)``.

    Raises:
        RunError: ``no_convergence`` if an optimum was not reached.
    """
    return _ridge(rows, strengths) if kind == "measure" else _descend(rows, kind, strengths, tolerance)


def choice_loss(scores: Floats, targets: Floats, share: Floats) -> tuple[float, Floats]:
    """Soft cross-entropy and its gradient by the scores.

    Args:
        scores: ``(n, k)`` logits.
        targets: ``(n, k)`` rows that sum to 1.
        share: ``(n,)`` weights of the rows.

    Returns:
        The weighted sum over rows in nats, and ``(n, k)``.
    """
    logarithm = scores - logsumexp(scores, axis=1, keepdims=True)
    return float(-(share @ (targets * logarithm).sum(axis=1))), share[:, None] * (np.exp(logarithm) - targets)


def _ridge(rows: Rows, strengths: Sequence[float]) -> Iterator[tuple[Floats, Floats]]:
    """Matrix and bias of the penalised least squares; columns known for the same rows share a factorisation."""
    patterns, members = np.unique(rows.known, axis=1, return_inverse=True)
    parts = []
    for number, pattern in enumerate(patterns.T):
        columns = np.flatnonzero(members == number)
        root = np.sqrt(rows.share * pattern)[:, None]
        total = max((root**2).sum(), _TINY)  # a fold may know nothing of a column
        centre, middle = (((root**2).T @ part) / total for part in (rows.features, rows.targets[:, columns]))
        centred, left = root * (rows.features - centre), root * (rows.targets[:, columns] - middle)
        values, vectors = np.linalg.eigh(centred.T @ centred)
        parts.append((columns, centre, middle, np.maximum(values, 0), vectors, vectors.T @ (centred.T @ left)))
    d, k = rows.features.shape[1], rows.targets.shape[1]
    for strength in strengths:
        matrix, bias = np.zeros((d, k)), np.zeros(k)
        for columns, centre, middle, values, vectors, products in parts:
            matrix[:, columns] = vectors @ (products / (values + strength)[:, None])
            bias[columns] = (middle - centre @ matrix[:, columns])[0]
        yield matrix, bias


def _descend(rows: Rows, kind: Kind, strengths: Sequence[float], tolerance: float) -> Iterator[tuple[Floats, Floats]]:
    """Matrix and bias, or raw cut points, by L-BFGS in coordinates where the loss is nearly round.

    The features are turned to their principal axes, which leaves the penalty as it is, and each coefficient is divided
    by the root of its curvature, estimated from the variance along its axis and the frequency of its label.
    """
    root = np.sqrt(rows.share)[:, None] * rows.features
    variance, vectors = np.linalg.eigh(root.T @ root)
    turned, variance = rows.features @ vectors, np.maximum(variance, 0)
    loss_of, curvature, rest = _start(rows, kind)
    matrix = np.zeros((turned.shape[1], len(curvature)))
    rest_step = 1 / np.sqrt(curvature if len(curvature) == len(rest) else np.full(len(rest), curvature[0]))
    for strength in strengths:
        step = 1 / np.sqrt(variance[:, None] * curvature + strength)
        size = step.size

        def objective(point: Floats, step: Floats = step, strength: float = strength) -> tuple[float, Floats]:
            matrix, rest = point[: step.size].reshape(step.shape) * step, point[step.size :] * rest_step
            loss, slope, rest_slope = loss_of(turned @ matrix, rest)
            loss += strength / 2 * float((matrix**2).sum()) + _PULL / 2 * float(rest @ rest)
            down = (turned.T @ slope + strength * matrix) * step
            return loss, np.concatenate([down.ravel(), (rest_slope + _PULL * rest) * rest_step])

        start = np.concatenate([(matrix / step).ravel(), rest / rest_step])
        options = {"maxiter": _STEPS, "ftol": tolerance, "gtol": 1e-5, "maxcor": 10}
        result = minimize(objective, start, jac=True, method="L-BFGS-B", options=options)
        # A line search that can gain nothing more ends without success at the optimum; only a slope left over is wrong.
        if not result.success and np.abs(result.jac).max() > 1e-3:
            raise RunError(
                "The head did not converge.",
                code="no_convergence",
                value=result.message,
                next_step="Give a larger strength, or look for features of very different size.",
            )
        matrix, rest = result.x[:size].reshape(step.shape) * step, result.x[size:] * rest_step
        yield vectors @ matrix, _cut_points(rest) if kind == "ordinal" else rest


_Loss = Callable[[Floats, Floats], tuple[float, Floats, Floats]]


def _start(rows: Rows, kind: Kind) -> tuple[_Loss, Floats, Floats]:
    """The loss with its gradients, the curvature of each column of scores, and the bias or raw cuts to begin with."""
    weight = np.maximum(rows.share @ rows.known, _TINY)
    half = 0.5 / len(rows.share)  # half a row more of each label, so that none has frequency 0
    frequency = (rows.share @ rows.targets + half) / (
        weight + half * (2 if kind == "presence" else rows.targets.shape[1])
    )
    curvature = weight * frequency * (1 - frequency)
    if kind == "choice":

        def choice(scores: Floats, bias: Floats) -> tuple[float, Floats, Floats]:
            loss, slope = choice_loss(scores + bias, rows.targets, rows.share)
            return loss, slope, slope.sum(axis=0)

        return choice, curvature, np.log(frequency)
    if kind == "presence":
        cell = rows.share[:, None] * rows.known

        def presence(scores: Floats, bias: Floats) -> tuple[float, Floats, Floats]:
            logits = scores + bias
            slope = cell * (expit(logits) - rows.targets)
            return float((cell * (-log_expit(-logits) - rows.targets * logits)).sum()), slope, slope.sum(axis=0)

        return presence, curvature, np.log(frequency / (1 - frequency))
    cuts = np.cumsum(frequency)[:-1]
    cuts = np.log(cuts / (1 - cuts))
    middle = rows.share @ rows.targets[:, 1:-1]

    def ordinal(scores: Floats, raw: Floats) -> tuple[float, Floats, Floats]:
        # With the logistic function s and the cuts a < b around a level, both less the score, its probability is
        # s(b) - s(a) = s(b) s(-a) (1 - exp(a - b)), a form that stays exact far from the cuts.
        above = _cut_points(raw) - scores
        lower, upper = rows.targets[:, :-1], rows.targets[:, 1:]
        gaps = np.exp(raw[1:])
        loss = -(rows.share @ (lower * log_expit(above) + upper * log_expit(-above)).sum(axis=1))
        slope = rows.share[:, None] * (upper * expit(above) - lower * expit(-above))
        by_cut = slope.sum(axis=0)[::-1].cumsum()[::-1]
        by_cut[1:] = by_cut[1:] * gaps - middle * gaps / np.expm1(gaps)
        return float(loss - middle @ np.log(-np.expm1(-gaps))), -slope.sum(axis=1, keepdims=True), by_cut

    return ordinal, np.array([0.2]), np.concatenate([cuts[:1], np.log(np.diff(cuts))])


def _cut_points(raw: Floats) -> Floats:
    """Rising cut points: the first as it is, then steps of the exponential of the others."""
    return np.cumsum(np.concatenate([raw[:1], np.exp(raw[1:])]))
