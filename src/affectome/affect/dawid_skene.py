"""The Dawid–Skene rater model: true labels and rater confusions from votes alone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_TOLERANCE = 1e-6
"""Largest change of a posterior at which the fit stops."""
_MAX_STEPS = 500


class DawidSkene(NamedTuple):
    """Result of the Dawid–Skene rater model.

    Attributes:
        posterior: ``(n, k)`` probability of each true label, NaN rows for unrated items.
        confusion: ``(raters, k, k)``; entry ``[r, t, g]`` is the probability that rater ``r`` gives ``g`` when the
            truth is ``t``.
        prior: ``(k,)`` share of each true label.
        raters: Names of the raters, in the order of ``confusion``.
        log_likelihood: Natural-log likelihood of the votes at the last step.
        steps: Steps of expectation–maximisation taken.
        converged: Whether the posterior moved less than the tolerance before the steps ran out.
    """

    posterior: Floats
    confusion: Floats
    prior: Floats
    raters: tuple[str, ...]
    log_likelihood: float
    steps: int
    converged: bool


def fit_dawid_skene(
    votes: NDArray[np.int64], soft_labels: Floats, raters: tuple[str, ...], smoothing: float
) -> DawidSkene:
    """Fits the model by expectation–maximisation, starting from the vote shares.

    Args:
        votes: ``(v, 3)`` positions of item, rater and given label, at least one row.
        soft_labels: ``(n, k)`` vote shares, NaN rows for unrated items.
        raters: Names of the raters.
        smoothing: Pseudo-votes in every cell of every confusion matrix.

    Returns:
        Posterior, confusion matrices, prior and how the fit ended.

    Source: A. P. Dawid and A. M. Skene, Applied Statistics 28 (1979), equations 2.3 to 2.5.
    """
    item, rater, label = votes.T
    n, k = soft_labels.shape
    rated = ~np.isnan(soft_labels[:, 0])
    posterior = np.where(rated[:, None], soft_labels, 0.0)
    tiny = np.finfo(np.float64).tiny  # keeps the logarithm finite where a cell is empty and smoothing is 0
    prior = confusion = np.empty(0)
    log_likelihood, steps, converged = float("-inf"), 0, False
    while steps < _MAX_STEPS and not converged:
        steps += 1
        prior = posterior[rated].mean(axis=0)
        weight = np.full((len(raters), k, k), float(smoothing))  # axes: rater, given label, true label
        np.add.at(weight, (rater, label), posterior[item])
        confusion = weight / np.maximum(weight.sum(axis=1, keepdims=True), tiny)
        log_joint = np.tile(np.log(np.maximum(prior, tiny)), (n, 1))
        np.add.at(log_joint, item, np.log(np.maximum(confusion[rater, label], tiny)))
        peak = log_joint.max(axis=1, keepdims=True)
        joint = np.exp(log_joint - peak)
        evidence = joint.sum(axis=1, keepdims=True)
        log_likelihood = float((np.log(evidence) + peak)[rated].sum())
        updated = np.where(rated[:, None], joint / evidence, 0.0)
        converged = bool(np.abs(updated - posterior).max() < _TOLERANCE)
        posterior = updated
    posterior[~rated] = np.nan
    return DawidSkene(posterior, confusion.swapaxes(1, 2), prior, raters, log_likelihood, steps, converged)
