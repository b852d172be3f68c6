"""Calibration of read-outs on held-out data. Needs the ``train`` extra (scipy)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.special import log_softmax

Array = NDArray[np.float32]


class Platt(NamedTuple):
    """Per-label logistic calibration: probability = sigmoid(slope * logit + intercept); both (labels,)."""

    slope: Array
    intercept: Array


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
