"""Tropes: sentences that come back in other words, found by their density in the space of meanings.

Needs the ``study`` extra (scikit-learn).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affectome.errors import MissingExtraError, UsageError

_UNIT_TOLERANCE = 1e-3  # float32 vectors miss length 1 by their rounding


class Tropes(NamedTuple):
    """Which sentences belong together.

    Attributes:
        members: ``(n,)`` number of each sentence's trope, the largest first; -1 for a sentence that belongs to none.
        representatives: ``(tropes,)`` row of the sentence that lies nearest to the mean of its trope.
    """

    members: NDArray[np.int64]
    representatives: NDArray[np.int64]


def mine_tropes(vectors: ArrayLike, *, distance: float, minimum: int, largest_share: float = 0.5) -> Tropes:
    """Groups of sentences that say the same, by DBSCAN with the cosine distance.

    Args:
        vectors: ``(n, d)`` unit vectors of sentences; of one question and stance, as those of several mix.
        distance: Cosine distance up to which two sentences are neighbours, above 0 and below 2.
        minimum: Neighbours, itself included, that make a sentence the core of a trope; 2 or more.
        largest_share: A group with this share of the sentences or more is no trope, but what all of them have in
            common; above 0 and up to 1.

    Returns:
        The tropes; those of equal size stand in the order of their first sentences.

    Raises:
        UsageError: If the vectors are not unit vectors or an argument is out of range.
        MissingExtraError: scikit-learn is not installed.

    Source: the trope mining of arXiv 2406.19238; M. Ester and others, KDD 1996.
    """
    rows = np.asarray(vectors, np.float64)
    if rows.ndim != 2 or not rows.size or not (np.abs((rows**2).sum(axis=1) - 1) <= _UNIT_TOLERANCE).all():
        raise UsageError("Tropes are looked for among unit vectors (n, d).", code="not_unit_vectors", value=rows.shape)
    limits = {
        "distance": (distance, 0 < distance < 2, "above 0 and below 2"),
        "minimum": (minimum, minimum >= 2, "2 or more"),
        "largest_share": (largest_share, 0 < largest_share <= 1, "above 0 and up to 1"),
    }
    for name, (value, fits, allowed) in limits.items():
        if not fits:
            raise UsageError(f"{name} must be {allowed}.", code="bad_setting", value=value, allowed=(allowed,))
    try:
        from sklearn.cluster import DBSCAN
    except ModuleNotFoundError as missing:
        raise MissingExtraError.for_extra("study", missing.name or "scikit-learn") from None
    # On unit vectors the squared Euclidean distance is twice the cosine distance.
    groups = DBSCAN(eps=np.sqrt(2 * distance), min_samples=minimum).fit_predict(rows)
    sizes = np.bincount(groups[groups >= 0], minlength=1)
    kept = [group for group in np.argsort(-sizes, kind="stable") if 0 < sizes[group] < largest_share * len(rows)]
    members = np.full(len(rows), -1, np.int64)
    representatives = []
    for number, group in enumerate(kept):
        own = np.flatnonzero(groups == group)
        members[own] = number
        representatives.append(own[(rows[own] @ rows[own].mean(axis=0)).argmax()])
    return Tropes(members, np.array(representatives, np.int64))
