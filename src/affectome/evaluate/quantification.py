"""How frequent a label is, corrected for the errors of the reader that counted it.

A reader with sensitivity Se and specificity Sp reports the label on a share q of all items. If it errs in the same way
as on the labelled items that Se and Sp were measured on, the true share is (q + Sp - 1) / (Se + Sp - 1).
"""

from __future__ import annotations

from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from affectome.errors import UsageError
from affectome.evaluate.classification import error_balance
from affectome.evaluate.inputs import check_numbers
from affectome.evaluate.intervals import check_level


class Prevalence(NamedTuple):
    """A corrected share, or the difference of two.

    Attributes:
        value: The share, cut to 0 to 1; or the difference, cut to -1 to 1.
        low: Lower end of its interval, cut alike.
        high: Upper end of its interval, cut alike.
        level: Confidence level of the interval.
        uncorrected: The share, or difference, that the reader reports.
        sensitivity: Share of the labelled present items that it reports.
        specificity: Share of the labelled absent items that it does not report.
        n: Items it was counted on.
        abstained: Items the reader did not answer, left out.
    """

    value: float
    low: float
    high: float
    level: float
    uncorrected: float
    sensitivity: float
    specificity: float
    n: int
    abstained: int


class _Errors(NamedTuple):
    """Share of right answers with the number of items, among the present and among the absent."""

    sensitivity: float
    present: int
    specificity: float
    absent: int


def prevalence(
    *, prediction: ArrayLike, dev_truth: ArrayLike, dev_prediction: ArrayLike, level: float = 0.95
) -> Prevalence:
    """How frequent a label is among items without truth, from what a reader says and how it errs.

    The interval also counts how uncertain sensitivity and specificity are.

    Args:
        prediction: ``(n,)`` 0 or 1, NaN for abstained: the items to count.
        dev_truth: ``(m,)`` 0 or 1, NaN for unknown: labelled items the reader was not fitted on.
        dev_prediction: ``(m,)`` 0 or 1, NaN for abstained.
        level: Confidence level, between 0 and 1.

    Returns:
        The corrected share (W. J. Rogan and B. Gladen, American Journal of Epidemiology 107, 1978) with its interval
        (Z. Lang and J. Reiczigel, Preventive Veterinary Medicine 113, 2014).

    Raises:
        UsageError: If a value is not 0 or 1, the labelled items lack present or absent ones, nothing was answered, or
            the reader does no better than chance, so that nothing can be corrected.
    """
    z = _z(level)
    errors = _errors(dev_truth, dev_prediction)
    reported, n, abstained = _reported(prediction)
    # As if z² items had been added, half of them reported, and one right and one wrong answer of each kind.
    q, count = (n * reported + z**2 / 2) / (n + z**2), n + z**2
    se, present = (errors.present * errors.sensitivity + 1) / (errors.present + 2), errors.present + 2
    sp, absent = (errors.absent * errors.specificity + 1) / (errors.absent + 2), errors.absent + 2
    gain = _gain(se, sp)
    middle = (q + sp - 1) / gain
    shift = 2 * z**2 * (middle * se * (1 - se) / present - (1 - middle) * sp * (1 - sp) / absent)
    variance = (
        q * (1 - q) / count + middle**2 * se * (1 - se) / present + (1 - middle) ** 2 * sp * (1 - sp) / absent
    ) / gain**2
    half = z * variance**0.5
    value = (reported + errors.specificity - 1) / _gain(errors.sensitivity, errors.specificity)
    ends = [min(1.0, max(0.0, end)) for end in (value, middle + shift - half, middle + shift + half)]
    return Prevalence(ends[0], ends[1], ends[2], level, reported, errors.sensitivity, errors.specificity, n, abstained)


def prevalence_change(
    *,
    before: ArrayLike,
    after: ArrayLike,
    dev_truth: ArrayLike,
    dev_prediction: ArrayLike,
    level: float = 0.95,
) -> Prevalence:
    """How much more frequent a label is in one set of items than in another, both counted by the same reader.

    The false reports cancel out, and the difference is stretched by 1 / (Se + Sp - 1).

    Args:
        before: ``(n,)`` 0 or 1, NaN for abstained.
        after: ``(m,)`` 0 or 1, NaN for abstained.
        dev_truth: ``(k,)`` 0 or 1, NaN for unknown: labelled items the reader was not fitted on.
        dev_prediction: ``(k,)`` 0 or 1, NaN for abstained.
        level: Confidence level, between 0 and 1.

    Returns:
        ``after - before``, corrected, with an interval by the delta method.

    Raises:
        UsageError: As `prevalence`.
    """
    z = _z(level)
    errors = _errors(dev_truth, dev_prediction)
    (first, n, unread), (second, m, unread_too) = _reported(before), _reported(after)
    gain = _gain(errors.sensitivity, errors.specificity)
    change = (second - first) / gain
    sampling = _variance(first, n) + _variance(second, m)
    stretching = _variance(errors.sensitivity, errors.present) + _variance(errors.specificity, errors.absent)
    half = z * (sampling + change**2 * stretching) ** 0.5 / gain
    ends = [min(1.0, max(-1.0, end)) for end in (change, change - half, change + half)]
    return Prevalence(
        ends[0],
        ends[1],
        ends[2],
        level,
        second - first,
        errors.sensitivity,
        errors.specificity,
        n + m,
        unread + unread_too,
    )


def _errors(dev_truth: ArrayLike, dev_prediction: ArrayLike) -> _Errors:
    rates = error_balance(truth=dev_truth, prediction=dev_prediction)
    pairs = check_numbers(dev_truth, dev_prediction)
    present = int(pairs.truth[pairs.used].sum())
    if not 0 < present < rates.n:
        raise UsageError(
            "The labelled items must hold present and absent ones.",
            code="one_sided_truth",
            value=f"{present} of {rates.n}",
        )
    errors = _Errors(1 - rates.fnr, present, 1 - rates.fpr, rates.n - present)
    _gain(errors.sensitivity, errors.specificity)
    return errors


def _gain(sensitivity: float, specificity: float) -> float:
    """Se + Sp - 1, how much more often the label is reported where it is present."""
    gain = sensitivity + specificity - 1
    if gain <= 0:
        raise UsageError(
            "The reader does no better than chance, so its counts cannot be corrected.",
            code="no_better_than_chance",
            value=round(gain, 3),
        )
    return gain


def _reported(prediction: ArrayLike) -> tuple[float, int, int]:
    """Share of the items that are reported, items answered and items not answered."""
    given = np.asarray(prediction, dtype=np.float64)
    answered = given[~np.isnan(given)]
    if given.ndim != 1 or not len(answered) or not np.isin(answered, (0, 1)).all():
        raise UsageError(
            "The prediction must be 0 or 1, one an item, at least one.",
            code="prediction_not_binary",
            value=given.shape,
            allowed=("0", "1", "NaN"),
            next_step="Apply a threshold first.",
        )
    return float(answered.mean()), len(answered), len(given) - len(answered)


def _variance(share: float, n: int) -> float:
    """Variance of a share of ``n`` items, as if one of each kind had been added so that it is never 0."""
    smoothed = (share * n + 1) / (n + 2)
    return smoothed * (1 - smoothed) / (n + 2)


def _z(level: float) -> float:
    check_level(level)
    return NormalDist().inv_cdf((1 + level) / 2)
