"""Blends of several readers, weighted by what each of them adds. Needs the ``train`` extra (scipy)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import nnls

from affectome.errors import UsageError
from affectome.learn.heads import check_targets
from affectome.learn.penalised import Kind


def stack(out_of_fold: Sequence[ArrayLike], targets: ArrayLike, kind: Kind) -> NDArray[np.float64]:
    """Weights of a blend with the least squared error among all that are 0 or more and sum to 1.

    So a blend of distributions is a distribution, and no blend leaves the range of its readers.

    Args:
        out_of_fold: One ``(n, k)`` array a reader, as ``Head.predict`` gives them, each row predicted by a fit that has
            not seen it.
        targets: As ``affectome.learn.heads.fit_head`` takes them for the kind; unknown cells are left out. The columns
            of measures count alike, whatever their units.
        kind: Kind of the heads.

    Returns:
        ``(readers,)``.

    Raises:
        UsageError: If there is no reader, shapes do not fit, a prediction is not finite, or no target is known.

    Source: L. Breiman, Stacked Regressions, Machine Learning 24 (1996), with weights that sum to 1.
    """
    outputs = [np.asarray(output, np.float64) for output in out_of_fold]
    truth = check_targets(targets, kind, len(np.asarray(targets)))
    shapes = {output.shape for output in outputs}
    if shapes != {truth.shape}:
        raise UsageError(
            "Each reader needs one prediction for every target.",
            code="shape_mismatch",
            value=sorted(shapes),
            allowed=(str(truth.shape),),
        )
    known = ~np.isnan(truth)
    if not known.any():
        raise UsageError("No target is known.", code="no_targets")
    errors = np.stack([output - truth for output in outputs], axis=-1)
    if not np.isfinite(errors[known]).all():
        raise UsageError("A prediction is not a finite number.", code="not_finite")
    if kind == "measure":
        spread = np.array([column[use].std() if use.any() else 0 for column, use in zip(truth.T, known.T, strict=True)])
        errors = errors / np.where(spread > 0, spread, 1)[:, None]
    # Among weights u with any sum, those with the least |errors u|² + (sum u - 1)² are in the ratio of the best weights
    # that sum to 1: at a given ratio the first term grows with the square of the sum, whatever the ratio is.
    # Only the products of the errors matter, and a root of them has no more rows than readers.
    root = np.linalg.qr(errors[known] / np.sqrt(known.sum()), mode="r")
    system = np.vstack([root, np.ones(len(outputs))])
    weights, _ = nnls(system, np.append(np.zeros(len(root)), 1.0))
    return np.asarray(weights / weights.sum())
