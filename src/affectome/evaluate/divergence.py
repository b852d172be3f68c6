"""Scores of whole distributions over labels against the distribution of the raters."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from affectome.errors import UsageError
from affectome.evaluate.inputs import Floats, Score, check_distributions, check_presence, score_by_label


def kl(*, truth: ArrayLike, probability: ArrayLike) -> Score:
    """Mean Kullback–Leibler divergence of the output from the truth, sum of t·ln(t / p).

    Args:
        truth: ``(n, k)`` rows that sum to 1; NaN rows for unknown.
        probability: ``(n, k)`` rows that sum to 1; NaN rows for abstained.

    Returns:
        Nats, 0 or more; infinite where the output rules out a label the truth has.

    Raises:
        UsageError: If shapes differ or a row is not a distribution.
    """
    truth_rows, rows, missing, abstained = _rows(truth, probability)
    return _mean(_kl(truth_rows, rows), missing, abstained)


def js(*, truth: ArrayLike, probability: ArrayLike) -> Score:
    """Mean Jensen–Shannon divergence: the mean divergence of both sides from their middle.

    Args:
        truth: ``(n, k)`` rows that sum to 1; NaN rows for unknown.
        probability: ``(n, k)`` rows that sum to 1; NaN rows for abstained.

    Returns:
        Nats, 0 to ln 2.

    Raises:
        UsageError: If shapes differ or a row is not a distribution.
    """
    truth_rows, rows, missing, abstained = _rows(truth, probability)
    middle = (truth_rows + rows) / 2
    return _mean((_kl(truth_rows, middle) + _kl(rows, middle)) / 2, missing, abstained)


def brier(*, truth: ArrayLike, probability: ArrayLike) -> Score:
    """Brier score: mean squared difference, summed over exclusive labels.

    Args:
        truth: ``(n, k)`` rows that sum to 1, one-hot or shares of raters; or ``(n,)`` 0 or 1 for one label.
        probability: The same shape; rows that sum to 1, or probabilities of presence.

    Returns:
        0 to 2 for distributions (G. W. Brier, Monthly Weather Review 78, 1950), 0 to 1 for one label.

    Raises:
        UsageError: If shapes differ, a row is not a distribution or the truth of one label is not 0 or 1.
    """
    if np.ndim(truth) == 1:
        pairs = check_presence(truth, probability, bounded=True)
        return score_by_label(pairs, lambda t, p: float(((t - p) ** 2).mean()) if len(t) else float("nan"))
    truth_rows, rows, missing, abstained = _rows(truth, probability)
    return _mean(((truth_rows - rows) ** 2).sum(axis=1), missing, abstained)


def rps(*, truth: ArrayLike, probability: ArrayLike) -> Score:
    """Ranked probability score of ordered labels: mean squared difference of the cumulated distributions.

    Args:
        truth: ``(n, k)`` rows that sum to 1, columns in the order of the scale; NaN rows for unknown.
        probability: ``(n, k)`` rows that sum to 1; NaN rows for abstained.

    Returns:
        0 to 1: the sum over the k - 1 inner cuts, divided by k - 1.

    Raises:
        UsageError: If shapes differ, a row is not a distribution, or there is only one label.

    Source: E. S. Epstein, Journal of Applied Meteorology 8 (1969).
    """
    truth_rows, rows, missing, abstained = _rows(truth, probability)
    if truth_rows.shape[1] < 2:
        raise UsageError("An order needs at least two labels.", code="too_few_labels", value=truth_rows.shape[1])
    return _mean((_cumulated(truth_rows - rows) ** 2).mean(axis=1), missing, abstained)


def emd(*, truth: ArrayLike, probability: ArrayLike, positions: ArrayLike | None = None) -> Score:
    """Mean earth mover's distance between distributions over labels that lie on a line.

    Labels without an order have no such distance; use `js` for them.

    Args:
        truth: ``(n, k)`` rows that sum to 1; NaN rows for unknown.
        probability: ``(n, k)`` rows that sum to 1; NaN rows for abstained.
        positions: ``(k,)`` rising places of the labels, e.g. -1, 0, 1; steps of 1 when absent.

    Returns:
        0 or more, in the unit of the positions.

    Raises:
        UsageError: If shapes differ, a row is not a distribution, or the positions do not rise.
    """
    truth_rows, rows, missing, abstained = _rows(truth, probability)
    k = truth_rows.shape[1]
    places = np.arange(k, dtype=np.float64) if positions is None else np.asarray(positions, dtype=np.float64)
    if places.shape != (k,) or not (np.diff(places) > 0).all() or not np.isfinite(places).all():
        raise UsageError(
            "There must be one position a label, in rising order.",
            code="bad_positions",
            value=positions,
            next_step="Sort the columns by their place on the scale.",
        )
    return _mean((np.abs(_cumulated(truth_rows - rows)) * np.diff(places)).sum(axis=1), missing, abstained)


def _rows(truth: ArrayLike, probability: ArrayLike) -> tuple[Floats, Floats, int, int]:
    pairs = check_distributions(truth, probability)
    return pairs.truth[pairs.used], pairs.output[pairs.used], pairs.missing, pairs.abstained


def _kl(truth: Floats, probability: Floats) -> Floats:
    """Divergence of each row, where 0·ln 0 is 0."""
    present = truth > 0
    with np.errstate(divide="ignore"):
        ratio = np.where(present, truth, 1.0) / np.where(present, probability, 1.0)
    return np.asarray((truth * np.log(ratio)).sum(axis=1))


def _cumulated(difference: Floats) -> Floats:
    """Cumulated differences at the inner cuts; at the last one both sides are 1."""
    return np.asarray(difference.cumsum(axis=1)[:, :-1])


def _mean(values: Floats, missing: int, abstained: int) -> Score:
    return Score(float(values.mean()) if len(values) else float("nan"), len(values), missing, abstained)
