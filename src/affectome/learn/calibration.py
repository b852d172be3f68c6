"""Calibration of read-outs on held-out data. Needs the ``train`` extra (scipy, scikit-learn)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.special import log_softmax, softmax
from sklearn.isotonic import IsotonicRegression

from affectome.errors import UsageError
from affectome.learn.penalised import choice_loss

Array = NDArray[np.float32]

_SMALLEST = 1e-12  # floor of a probability under a logarithm


class Platt(NamedTuple):
    """Per-label logistic calibration: probability = sigmoid(slope * logit + intercept); both (labels,)."""

    slope: Array
    intercept: Array


class Isotonic(NamedTuple):
    """Per-label calibration by a rising function, linear between knots and constant outside of them.

    Attributes:
        knots: One array a label, rising scores.
        values: One array a label, the probability at each knot, never falling.
    """

    knots: tuple[Array, ...]
    values: tuple[Array, ...]

    def apply(self, scores: Array) -> Array:
        """Calibrated probabilities of presence for scores (n, labels).

        Raises:
            UsageError: If the number of labels is another.
        """
        if scores.ndim != 2 or scores.shape[1] != len(self.knots):
            raise UsageError(
                "The scores have other labels than the calibration.", code="shape_mismatch", value=scores.shape
            )
        columns = zip(scores.T, self.knots, self.values, strict=True)
        return np.stack([np.interp(column, knots, values) for column, knots, values in columns], axis=1).astype(
            np.float32
        )


class Dirichlet(NamedTuple):
    """Calibration of a whole distribution: softmax(matrix · ln p + bias); (labels, labels) and (labels,)."""

    matrix: Array
    bias: Array

    def apply(self, probabilities: Array) -> Array:
        """Calibrated distributions for distributions (n, labels).

        Raises:
            UsageError: If the number of labels is another.
        """
        if probabilities.ndim != 2 or probabilities.shape[1] != len(self.bias):
            raise UsageError(
                "The probabilities have other labels than the calibration.",
                code="shape_mismatch",
                value=probabilities.shape,
            )
        return np.asarray(softmax(_logarithm(probabilities) @ self.matrix.T + self.bias, axis=1), np.float32)


def fit_platt(logits: Array, targets: Array, strength: float = 10.0) -> Platt:
    """Fit a slope and an intercept for each label (Platt 1999).

    Args:
        logits: Held-out logits (n, labels).
        targets: 0 or 1 (n, labels).
        strength: Inverse strength of the pull of slopes toward 1, which keeps labels with few positives from drifting.
    """
    slopes, intercepts = [], []
    for x, y in zip(logits.T.astype(np.float64), targets.T.astype(np.float64), strict=True):

        def loss(parameters: NDArray[np.float64], x: NDArray[np.float64] = x, y: NDArray[np.float64] = y) -> float:
            z = parameters[0] * x + parameters[1]
            return float(np.logaddexp(0, z).sum() - (y * z).sum() + strength * (parameters[0] - 1) ** 2)

        slope, intercept = minimize(loss, np.array([1.0, 0.0]), method="L-BFGS-B").x
        slopes.append(slope)
        intercepts.append(intercept)
    return Platt(np.array(slopes, np.float32), np.array(intercepts, np.float32))


def fit_presence(similarity: Array, targets: Array) -> tuple[float, float]:
    """One slope and intercept for all labels together, so that they hold for labels never seen; arrays (n, labels)."""
    # Over differences of cosines the slope is far from 1, so it must not be pulled there.
    fitted = fit_platt(similarity.reshape(-1, 1), targets.reshape(-1, 1), strength=0)
    return float(fitted.slope[0]), float(fitted.intercept[0])


def fit_sharpness(similarity: Array, targets: Array) -> float:
    """Factor on the similarities (n, k) in a softmax that gives the least cross-entropy with ``targets`` (n, k)."""

    def loss(logarithm: float) -> float:
        return float(-(targets * log_softmax(np.exp(logarithm) * similarity, axis=1)).sum(1).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-4, 4), method="bounded").x))


def fit_spread_scale(means: Array, spreads: Array, targets: Array) -> Array:
    """Factor on each predicted standard deviation that makes the standardised errors have variance 1; arrays (n, k)."""
    return np.array(np.sqrt((((targets - means) / spreads) ** 2).mean(axis=0)), np.float32)


def fit_temperature(logits: Array, targets: Array) -> float:
    """Temperature to divide logits by before the softmax, the one with the least cross-entropy (Guo et al. 2017).

    Args:
        logits: Held-out logits (n, labels) of labels that exclude each other.
        targets: Rows that sum to 1 (n, labels).

    Returns:
        Above 1 for a reader that is too sure of itself; between exp(-4) and exp(4).
    """
    return 1 / fit_sharpness(logits, targets)


def fit_isotonic(scores: Array, targets: Array) -> Isotonic:
    """Fit a rising function of the scores for each label (Zadrozny and Elkan 2002).

    It can follow any miscalibration that keeps the order, and needs more data for it than `fit_platt`.

    Args:
        scores: Held-out scores or probabilities of presence (n, labels).
        targets: In [0, 1] (n, labels), NaN where unknown.

    Raises:
        UsageError: If shapes differ or nothing is known of a label.
    """
    _check_shapes(scores, targets)
    known = ~np.isnan(targets)
    if not known.any(axis=0).all():
        column = int(np.flatnonzero(~known.any(axis=0))[0])
        raise UsageError("Nothing is known of a label.", code="no_targets", value=f"column {column}")
    fitted = [
        IsotonicRegression(y_min=0, y_max=1).fit(column[use], target[use])
        for column, target, use in zip(scores.T, targets.T, known.T, strict=True)
    ]
    return Isotonic(
        tuple(one.X_thresholds_.astype(np.float32) for one in fitted),
        tuple(one.y_thresholds_.astype(np.float32) for one in fitted),
    )


def fit_dirichlet(probabilities: Array, targets: Array, strength: float = 10.0) -> Dirichlet:
    """Fit a matrix and a bias on the logarithms of a distribution (Kull et al. 2019, equation 9).

    The matrix is pulled to a multiple of the identity and the bias to 0, so that with few data the result is that of
    `fit_temperature`.

    Args:
        probabilities: Held-out distributions (n, labels).
        targets: Rows that sum to 1 (n, labels).
        strength: Strength of the pull against the sum over rows, 0 or more.

    Raises:
        UsageError: If shapes differ or the strength is negative.
    """
    _check_shapes(probabilities, targets)
    if not (np.isfinite(strength) and strength >= 0):
        raise UsageError("The strength must be 0 or more.", code="bad_strength", value=strength)
    logarithm, wanted = _logarithm(probabilities), targets.astype(np.float64)
    n, k = logarithm.shape
    middle = np.vstack([np.eye(k) * fit_sharpness(np.asarray(logarithm, np.float32), targets), np.zeros(k)])
    inputs, share, pull = np.hstack([logarithm, np.ones((n, 1))]), np.full(n, 1 / n), strength / n

    def loss(point: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        parameters = point.reshape(k + 1, k)
        value, slope = choice_loss(inputs @ parameters, wanted, share)
        away = parameters - middle
        return value + pull / 2 * float((away**2).sum()), (inputs.T @ slope + pull * away).ravel()

    found = minimize(loss, middle.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 1000}).x.reshape(k + 1, k)
    return Dirichlet(found[:k].T.astype(np.float32), found[k].astype(np.float32))


def _logarithm(probabilities: Array) -> NDArray[np.float64]:
    return np.asarray(np.log(np.maximum(probabilities.astype(np.float64), _SMALLEST)))


def _check_shapes(output: Array, targets: Array) -> None:
    if output.ndim != 2 or output.shape != targets.shape or not output.size:
        raise UsageError(
            "Output and targets do not fit together.",
            code="shape_mismatch",
            value=f"{output.shape} and {targets.shape}",
        )
