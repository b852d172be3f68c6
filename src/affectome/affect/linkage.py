"""Distances between Gaussians, and grouping by complete linkage."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def bhattacharyya_distances(mean: Floats, covariance: Floats, means: Floats, covariances: Floats) -> Floats:
    """Bhattacharyya distances of one Gaussian from ``k`` others.

    Args:
        mean: ``(d,)``.
        covariance: ``(d, d)``, positive definite.
        means: ``(k, d)``.
        covariances: ``(k, d, d)``, positive definite.

    Returns:
        ``(k,)`` in nats, 0 for equal Gaussians.

    Source: A. Bhattacharyya, Bulletin of the Calcutta Mathematical Society 35 (1943).
    """
    middle = (covariance + covariances) / 2
    offset = means - mean
    mahalanobis = (offset * np.linalg.solve(middle, offset[..., None])[..., 0]).sum(axis=1)
    log_volume = [np.linalg.slogdet(matrix)[1] for matrix in (middle, covariance, covariances)]
    return np.asarray(mahalanobis / 8 + (log_volume[0] - (log_volume[1] + log_volume[2]) / 2) / 2)


def complete_linkage(distance: Floats, k: int) -> list[list[int]]:
    """Joins the two nearest groups until ``k`` are left; the distance of groups is that of their farthest members.

    Args:
        distance: ``(n, n)`` symmetric.
        k: Number of groups, 1 to n.

    Returns:
        Positions of the members of each group, groups in the order of their first member. Equal distances join the
        earliest groups first.
    """
    between = np.round(distance, 12)  # rounding errors must not decide between equal distances
    np.fill_diagonal(between, np.inf)
    groups: dict[int, list[int]] = {i: [i] for i in range(len(distance))}
    while len(groups) > k:
        first, second = sorted(divmod(int(between.argmin()), len(distance)))
        farthest = np.maximum(between[first], between[second])
        between[first] = between[:, first] = farthest
        between[second] = between[:, second] = np.inf
        between[first, first] = np.inf
        groups[first] = sorted(groups[first] + groups.pop(second))
    return [groups[i] for i in sorted(groups)]
