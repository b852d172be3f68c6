"""Sets of labels that hold the true one with a promised probability: split conformal prediction.

Sources: V. Vovk and others, Algorithmic Learning in a Random World (2005); M. Sadinle and others, Least Ambiguous
Set-Valued Classifiers with Bounded Error Levels, Journal of the American Statistical Association 114 (2019).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affectome.errors import UsageError
from affectome.evaluate.inputs import Floats, check_ranked

_ROUNDING = 1e-9  # a count such as 0.29 * 100 must not fall below 29 by the rounding of floats


def conformal_sets(
    *,
    dev_truth: ArrayLike,
    dev_probability: ArrayLike,
    probability: ArrayLike,
    error: float = 0.1,
    by_label: bool = False,
) -> NDArray[np.bool_]:
    """The labels of each item that are at least as probable as `conformal_limits` on development data ask for.

    Args:
        dev_truth: As `conformal_limits`.
        dev_probability: As `conformal_limits`.
        probability: ``(n, k)`` of the items, from the same reader; a row with NaN is an abstention.
        error: As `conformal_limits`.
        by_label: As `conformal_limits`.

    Returns:
        ``(n, k)``. A row without any label says that the item is unlike the development data. An abstention has every
        label, as nothing is ruled out.

    Raises:
        UsageError: As `conformal_limits`, or if the probabilities have another number of labels.
    """
    limits = conformal_limits(dev_truth=dev_truth, dev_probability=dev_probability, error=error, by_label=by_label)
    rows = np.asarray(probability, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] != len(limits):
        raise UsageError(
            "The probabilities have other labels than the development data.",
            code="shape_mismatch",
            value=rows.shape,
            allowed=(f"(n, {len(limits)})",),
        )
    return np.asarray((rows >= limits) | np.isnan(rows).any(axis=1, keepdims=True))


def conformal_limits(
    *, dev_truth: ArrayLike, dev_probability: ArrayLike, error: float = 0.1, by_label: bool = False
) -> Floats:
    """The lowest probability with which a label belongs to the set.

    If new items are drawn like the development items, their set holds the true label with probability ``1 - error`` or
    more: over all items, and with ``by_label`` over the items of each label.

    Args:
        dev_truth: ``(n,)`` column numbers of the true labels; NaN or negative where unknown.
        dev_probability: ``(n, k)``, from a reader that has not seen these items; a row with NaN is left out.
        error: Share of the items whose set may lack the true label, above 0 and below 1.
        by_label: Whether the promise holds for each label by itself, which makes sets larger.

    Returns:
        ``(k,)``; minus infinity where there are too few items for the promise, so that the label is in every set.

    Raises:
        UsageError: If shapes do not fit, a class number has no column, or the error is out of range.
    """
    if not 0 < error < 1:
        raise UsageError("The error must lie between 0 and 1.", code="bad_error", value=error)
    codes, rows, _, _ = check_ranked(dev_truth, dev_probability, None)
    k = np.asarray(dev_probability).shape[1]
    own = rows[np.arange(len(codes)), codes]
    if by_label:
        return np.array([_limit(own[codes == label], error) for label in range(k)])
    return np.full(k, _limit(own, error))


def _limit(probability: Floats, error: float) -> float:
    """The probability that all but a share of the error reach, one item more counted as a miss."""
    missed = int((len(probability) + 1) * error + _ROUNDING)
    return float(np.sort(probability)[missed - 1]) if missed else -np.inf
