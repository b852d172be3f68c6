"""Scores of measured values: valence, arousal, dominance, intensities.

Each metric takes ``(n,)`` or ``(n, k)`` arrays; for the latter it is the mean over the k columns with the value of
each column beside it. Correlations of emotions over texts and of texts over emotions are `ap_emotion` and
`ap_document`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from affectome.errors import UsageError
from affectome.evaluate.inputs import Floats, Score, check_numbers, label_mean, score_by_label
from affectome.evaluate.ranking import midranks


def ccc(*, truth: ArrayLike, prediction: ArrayLike) -> Score:
    """Concordance correlation coefficient: correlation that also counts shifts and wrong scales.

    2·cov / (var(truth) + var(prediction) + (difference of means)²), with population moments.

    Args:
        truth: ``(n,)`` or ``(n, k)``, NaN for unknown.
        prediction: The same shape, NaN for abstained.

    Returns:
        -1 to 1; undefined without two values or where both sides are the same constant.

    Raises:
        UsageError: If shapes differ or a value is infinite.

    Source: L. I.-K. Lin, Biometrics 45 (1989).
    """
    return score_by_label(check_numbers(truth, prediction), concordance)


def pearson(*, truth: ArrayLike, prediction: ArrayLike) -> Score:
    """Pearson correlation.

    Args:
        truth: ``(n,)`` or ``(n, k)``, NaN for unknown.
        prediction: The same shape, NaN for abstained.

    Returns:
        -1 to 1; undefined, not 0, without two values or where a side is constant.

    Raises:
        UsageError: If shapes differ or a value is infinite.
    """
    return score_by_label(check_numbers(truth, prediction), _pearson)


def ap_document(*, truth: ArrayLike, prediction: ArrayLike) -> Score:
    """Average Pearson correlation of texts: each over its emotions, between rater shares and output.

    With population moments on both sides. Code that divides sums by k - 1 and multiplies population deviations gives
    k / (k - 1) times as much.

    Args:
        truth: ``(n, k)`` share or intensity of each emotion; a row with NaN is unknown.
        prediction: The same shape; a row with NaN is abstained.

    Returns:
        -1 to 1, with the value of each scored text. A text on which a side is the same for all emotions is undefined,
        not 0: it is counted and left out of the mean.

    Raises:
        UsageError: If there are no two columns, shapes differ or a value is infinite.
    """
    true, output, missing, abstained = _full_rows(truth, prediction)
    values = [_pearson(t, p) for t, p in zip(true, output, strict=True)]
    return label_mean(np.array(values, dtype=np.float64), len(true), missing, abstained)


def ap_emotion(*, truth: ArrayLike, prediction: ArrayLike) -> Score:
    """Average Pearson correlation of emotions: each over the texts, between rater shares and output.

    Args:
        truth: ``(n, k)`` share or intensity of each emotion; a row with NaN is unknown.
        prediction: The same shape; a row with NaN is abstained.

    Returns:
        -1 to 1, with the value of each emotion; undefined ones are counted and left out of the mean. Other than for
        `pearson`, all emotions are scored on the same texts and counts are of texts.

    Raises:
        UsageError: If there are no two columns, shapes differ or a value is infinite.
    """
    true, output, missing, abstained = _full_rows(truth, prediction)
    values = [_pearson(t, p) for t, p in zip(true.T, output.T, strict=True)]
    return label_mean(np.array(values), len(true), missing, abstained)


def spearman(*, truth: ArrayLike, prediction: ArrayLike) -> Score:
    """Spearman rank correlation; equal values share their mean rank.

    Args:
        truth: ``(n,)`` or ``(n, k)``, NaN for unknown.
        prediction: The same shape, NaN for abstained.

    Returns:
        -1 to 1; undefined, not 0, without two values or where a side is constant.

    Raises:
        UsageError: If shapes differ or a value is infinite.
    """
    return score_by_label(check_numbers(truth, prediction), lambda t, p: _pearson(midranks(t), midranks(p)))


def mae(*, truth: ArrayLike, prediction: ArrayLike) -> Score:
    """Mean absolute error, in the unit of the values.

    Args:
        truth: ``(n,)`` or ``(n, k)``, NaN for unknown.
        prediction: The same shape, NaN for abstained.

    Returns:
        0 or more; undefined without values.

    Raises:
        UsageError: If shapes differ or a value is infinite.
    """
    return score_by_label(check_numbers(truth, prediction), lambda t, p: _mean(np.abs(t - p)))


def rmse(*, truth: ArrayLike, prediction: ArrayLike) -> Score:
    """Root of the mean squared error, in the unit of the values.

    Args:
        truth: ``(n,)`` or ``(n, k)``, NaN for unknown.
        prediction: The same shape, NaN for abstained.

    Returns:
        0 or more; undefined without values.

    Raises:
        UsageError: If shapes differ or a value is infinite.
    """
    return score_by_label(check_numbers(truth, prediction), lambda t, p: _mean((t - p) ** 2) ** 0.5)


def r2(*, truth: ArrayLike, prediction: ArrayLike) -> Score:
    """Coefficient of determination: share of the variance of the truth that the prediction explains.

    Args:
        truth: ``(n,)`` or ``(n, k)``, NaN for unknown.
        prediction: The same shape, NaN for abstained.

    Returns:
        1 at best, 0 for predicting the mean, without lower limit; undefined where the truth is constant.

    Raises:
        UsageError: If shapes differ or a value is infinite.
    """
    return score_by_label(check_numbers(truth, prediction), _r2)


def concordance(truth: Floats, prediction: Floats) -> float:
    """The coefficient of `ccc` for ``(n,)`` values on each side without NaN; NaN where it is undefined."""
    if len(truth) < 2:
        return float("nan")
    t, p = truth - truth.mean(), prediction - prediction.mean()
    spread = (t @ t + p @ p) / len(truth) + (truth.mean() - prediction.mean()) ** 2
    return float(2 * (t @ p) / len(truth) / spread) if spread > 0 else float("nan")


def _full_rows(truth: ArrayLike, prediction: ArrayLike) -> tuple[Floats, Floats, int, int]:
    """Rows known and answered as a whole, then the rows missing and abstained."""
    pairs = check_numbers(truth, prediction)
    if pairs.truth.ndim != 2 or pairs.truth.shape[1] < 2:
        raise UsageError(
            "There must be one row a text and one column an emotion, at least two.",
            code="shape_mismatch",
            value=pairs.truth.shape,
        )
    known, answered = (~np.isnan(side).any(axis=1) for side in (pairs.truth, pairs.output))
    used = known & answered
    return pairs.truth[used], pairs.output[used], int((~known).sum()), int((known & ~answered).sum())


def _pearson(truth: Floats, prediction: Floats) -> float:
    if len(truth) < 2 or np.ptp(truth) == 0 or np.ptp(prediction) == 0:
        return float("nan")
    t, p = truth - truth.mean(), prediction - prediction.mean()
    return float((t / np.linalg.norm(t)) @ (p / np.linalg.norm(p)))


def _r2(truth: Floats, prediction: Floats) -> float:
    if len(truth) < 2 or np.ptp(truth) == 0:
        return float("nan")
    return float(1 - ((truth - prediction) ** 2).sum() / ((truth - truth.mean()) ** 2).sum())


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else float("nan")
