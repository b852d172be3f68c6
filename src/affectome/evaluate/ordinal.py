"""Scores of ordered levels: intensities from none to high, severities, ratings in steps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from affectome.errors import UsageError
from affectome.evaluate.inputs import Pairs, Score, check_classes, check_numbers, score_by_label
from affectome.evaluate.regression import concordance


def quadratic_kappa(*, truth: ArrayLike, prediction: ArrayLike, levels: Sequence[str] | None = None) -> Score:
    """Cohen's kappa with quadratic weights: agreement above chance, in which far misses weigh more.

    1 - sum of w·observed / sum of w·expected, with w the squared distance of two levels. It equals the concordance
    correlation coefficient of the levels (K. Krippendorff, Sociological Methodology 2, 1970).

    Args:
        truth: ``(n,)`` whole levels, also negative ones, or names of levels; NaN or None for unknown.
        prediction: ``(n,)`` of the same kind, NaN or None for abstained.
        levels: Names of the levels in their order, needed if names are given.

    Returns:
        -1 to 1; undefined without two items or where both sides are the same constant.

    Raises:
        UsageError: If shapes differ, a level is not whole or not known, or names are given without ``levels``.

    Source: J. Cohen, Psychological Bulletin 70 (1968).
    """
    return score_by_label(_levels(truth, prediction, levels), concordance)


def within_one(*, truth: ArrayLike, prediction: ArrayLike, levels: Sequence[str] | None = None) -> Score:
    """Share of the items that are right or miss by one level.

    Args:
        truth: ``(n,)`` whole levels, also negative ones, or names of levels; NaN or None for unknown.
        prediction: ``(n,)`` of the same kind, NaN or None for abstained.
        levels: Names of the levels in their order, needed if names are given.

    Returns:
        The share, 0 to 1.

    Raises:
        UsageError: If shapes differ, a level is not whole or not known, or names are given without ``levels``.
    """
    return score_by_label(
        _levels(truth, prediction, levels),
        lambda t, p: float((np.abs(t - p) <= 1).mean()) if len(t) else float("nan"),
    )


def _levels(truth: ArrayLike, prediction: ArrayLike, levels: Sequence[str] | None) -> Pairs:
    if levels is not None:
        classes = check_classes(truth, prediction, levels)
        true, predicted = classes.truth.astype(np.float64), classes.prediction.astype(np.float64)
        return Pairs(true, predicted, np.ones(len(true), dtype=np.bool_), classes.missing, classes.abstained)
    pairs = check_numbers(truth, prediction)
    for name, side in (("truth", pairs.truth), ("prediction", pairs.output)):
        broken = ~np.isnan(side) & (side != np.floor(side))
        if side.ndim != 1 or broken.any():
            raise UsageError(
                f"The {name} must hold one whole level an item.",
                code="not_levels",
                value=side[broken][0] if broken.any() else side.shape,
                next_step="Round scores to levels first; check that truth and output are not swapped.",
            )
    return pairs
