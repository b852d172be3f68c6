"""Scores of labels: one label an item, several labels an item, or present and absent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affectome.errors import UsageError
from affectome.evaluate.inputs import (
    Floats,
    Score,
    check_choice,
    check_classes,
    check_presence,
    label_mean,
)

Average = Literal["macro", "micro", "weighted"]

_AVERAGES: tuple[Average, ...] = ("macro", "micro", "weighted")


class ClassScore(NamedTuple):
    """One row of a per-class table.

    Attributes:
        label: The label.
        precision: Share of right ones among the items given this label; NaN if there are none.
        recall: Share of the items of this label that were given it; NaN if there are none.
        f1: Harmonic mean of the two; NaN if the label neither occurs nor is predicted.
        support: Scored items of this label.
        predicted: Scored items given this label.
    """

    label: str
    precision: float
    recall: float
    f1: float
    support: int
    predicted: int


class ErrorBalance(NamedTuple):
    """The two ways to be wrong about presence.

    Attributes:
        fnr: Share of the present that were missed; NaN if none is present.
        fpr: Share of the absent that were reported; NaN if none is absent.
        balance: ``fnr - fpr``; above 0 the reader is too cautious, below 0 too eager.
        n: Items scored.
        missing: Items whose truth is absent.
        abstained: Items with a known truth and no prediction.
    """

    fnr: float
    fpr: float
    balance: float
    n: int
    missing: int
    abstained: int


class Hits(NamedTuple):
    """Whether each item was read right.

    Attributes:
        values: ``(n,)`` 1 where right, 0 where wrong, NaN where the truth or the prediction is absent.
        missing: Items whose truth is absent.
        abstained: Items with a known truth and no prediction.
    """

    values: Floats
    missing: int
    abstained: int


class _Counts(NamedTuple):
    """``(k,)`` right, predicted and true items of each label, with the totals every score reports."""

    right: NDArray[np.int64]
    predicted: NDArray[np.int64]
    support: NDArray[np.int64]
    labels: tuple[str, ...]
    n: int
    missing: int
    abstained: int


def accuracy(*, truth: ArrayLike, prediction: ArrayLike) -> Score:
    """Share of the items whose label is right.

    Args:
        truth: ``(n,)`` labels or class numbers.
        prediction: ``(n,)`` of the same kind.

    Returns:
        The share, 0 to 1.

    Raises:
        UsageError: If shapes or kinds differ.
    """
    right = hits(truth=truth, prediction=prediction)
    answered = right.values[~np.isnan(right.values)]
    value = float(answered.mean()) if len(answered) else float("nan")
    return Score(value, len(answered), right.missing, right.abstained)


def hits(*, truth: ArrayLike, prediction: ArrayLike) -> Hits:
    """Which items have the right label.

    Args:
        truth: ``(n,)`` labels or class numbers.
        prediction: ``(n,)`` of the same kind.

    Returns:
        One value an item.

    Raises:
        UsageError: If shapes or kinds differ.
    """
    classes = check_classes(truth, prediction, None)
    values = np.full(len(classes.used), np.nan)
    values[classes.used] = classes.truth == classes.prediction
    return Hits(values, classes.missing, classes.abstained)


def f1(
    *, truth: ArrayLike, prediction: ArrayLike, average: Average = "macro", labels: Sequence[str] | None = None
) -> Score:
    """F1 of one label an item.

    Args:
        truth: ``(n,)`` labels or class numbers.
        prediction: ``(n,)`` of the same kind.
        average: ``"macro"`` is the mean over labels, ``"weighted"`` weights it by support, ``"micro"`` pools
            all labels.
        labels: All labels; those that occur when absent. A label that neither occurs nor is predicted is undefined
            and left out of the mean.

    Returns:
        F1, 0 to 1, with the value of each label in the order of ``labels`` (sorted when absent).

    Raises:
        UsageError: If shapes or kinds differ, or a label or the average is unknown.
    """
    return _average_f1(_count_classes(truth, prediction, labels), average)


def uar(*, truth: ArrayLike, prediction: ArrayLike, labels: Sequence[str] | None = None) -> Score:
    """Unweighted average recall, also called balanced accuracy.

    Args:
        truth: ``(n,)`` labels or class numbers.
        prediction: ``(n,)`` of the same kind.
        labels: All labels; those that occur when absent. Labels without support are left out of the mean.

    Returns:
        Mean recall, 0 to 1, with the recall of each label.

    Raises:
        UsageError: If shapes or kinds differ, or a label is unknown.
    """
    counts = _count_classes(truth, prediction, labels)
    return label_mean(_ratio(counts.right, counts.support), counts.n, counts.missing, counts.abstained)


def per_class(
    *, truth: ArrayLike, prediction: ArrayLike, labels: Sequence[str] | None = None
) -> tuple[ClassScore, ...]:
    """Precision, recall, F1 and support of each label, for one label an item.

    Args:
        truth: ``(n,)`` labels or class numbers.
        prediction: ``(n,)`` of the same kind.
        labels: All labels; those that occur, sorted, when absent.

    Returns:
        One row a label.

    Raises:
        UsageError: If shapes or kinds differ, or a label is unknown.
    """
    return _table(_count_classes(truth, prediction, labels))


def multilabel_f1(
    *, truth: ArrayLike, probability: ArrayLike, thresholds: ArrayLike = 0.5, average: Average = "macro"
) -> Score:
    """F1 of several labels an item; a label is given where its probability reaches its threshold.

    Args:
        truth: ``(n, k)`` 0 or 1, NaN for unknown.
        probability: ``(n, k)`` in 0 to 1, NaN for abstained.
        thresholds: One number or ``(k,)``, chosen on other data than this.
        average: ``"macro"`` is the mean over labels, ``"weighted"`` weights it by support, ``"micro"`` pools all cells.

    Returns:
        F1, 0 to 1, with the value of each label; counts are of cells.

    Raises:
        UsageError: If shapes differ, the truth is not 0 or 1, a probability is outside 0 to 1, or the average is
            unknown.
    """
    return _average_f1(_count_presence(truth, probability, thresholds, None), average)


def jaccard(*, truth: ArrayLike, probability: ArrayLike, thresholds: ArrayLike = 0.5) -> Score:
    """Accuracy of several labels an item: shared labels over all labels that either side gives, mean over items.

    Args:
        truth: ``(n, k)`` 0 or 1; a row with NaN is unknown.
        probability: ``(n, k)`` in 0 to 1; a row with NaN is abstained.
        thresholds: One number or ``(k,)``, chosen on other data than this.

    Returns:
        0 to 1; counts are of items. An item to which neither side gives a label is right.

    Raises:
        UsageError: If shapes differ, the truth is not 0 or 1, or a probability is outside 0 to 1.

    Source: S. Mohammad and others, SemEval-2018 Task 1 (2018), accuracy of the multi-label task.
    """
    pairs = check_presence(truth, probability, bounded=True)
    if pairs.truth.ndim != 2:
        raise _not_rows(pairs.truth.shape)
    known, answered = (~np.isnan(side).any(axis=1) for side in (pairs.truth, pairs.output))
    used = known & answered
    present, given = pairs.truth[used] == 1, apply_thresholds(pairs.output[used], thresholds)
    either = (present | given).sum(axis=1)
    values = np.where(either > 0, (present & given).sum(axis=1) / np.maximum(either, 1), 1.0)
    value = float(values.mean()) if len(values) else float("nan")
    return Score(value, len(values), int((~known).sum()), int((known & ~answered).sum()))


def multilabel_per_class(
    *, truth: ArrayLike, probability: ArrayLike, labels: Sequence[str], thresholds: ArrayLike = 0.5
) -> tuple[ClassScore, ...]:
    """Precision, recall, F1 and support of each label, for several labels an item.

    Args:
        truth: ``(n, k)`` 0 or 1, NaN for unknown.
        probability: ``(n, k)`` in 0 to 1, NaN for abstained.
        labels: ``k`` names of the columns.
        thresholds: One number or ``(k,)``, chosen on other data than this.

    Returns:
        One row a label.

    Raises:
        UsageError: If shapes differ, the truth is not 0 or 1, or a probability is outside 0 to 1.
    """
    return _table(_count_presence(truth, probability, thresholds, labels))


def error_balance(*, truth: ArrayLike, prediction: ArrayLike) -> ErrorBalance:
    """False negative rate against false positive rate of one label.

    Args:
        truth: ``(n,)`` 0 or 1, NaN for unknown.
        prediction: ``(n,)`` 0 or 1, NaN for abstained.

    Returns:
        Both rates and their difference.

    Raises:
        UsageError: If shapes differ or a value is not 0 or 1.
    """
    pairs = check_presence(truth, prediction, bounded=True)
    decided = pairs.output[pairs.used]
    if pairs.truth.ndim != 1 or not np.isin(decided, (0, 1)).all():
        raise UsageError(
            "The prediction must be 0 or 1, one an item.",
            code="prediction_not_binary",
            allowed=("0", "1", "NaN"),
            next_step="Apply a threshold first.",
        )
    present = pairs.truth[pairs.used] == 1
    fnr = float((decided[present] == 0).mean()) if present.any() else float("nan")
    fpr = float((decided[~present] == 1).mean()) if (~present).any() else float("nan")
    return ErrorBalance(fnr, fpr, fnr - fpr, len(decided), pairs.missing, pairs.abstained)


def apply_thresholds(probability: Floats, thresholds: ArrayLike) -> NDArray[np.bool_]:
    """Where a probability reaches the threshold of its label.

    Args:
        probability: ``(n, k)``; NaN reaches nothing.
        thresholds: One number or ``(k,)``.

    Returns:
        ``(n, k)``.

    Raises:
        UsageError: If there is neither one threshold nor one a label, or one is NaN.
    """
    limits = np.asarray(thresholds, dtype=np.float64)
    if limits.shape not in ((), probability.shape[1:]) or np.isnan(limits).any():
        raise UsageError(
            "There must be one threshold in all or one a label.",
            code="bad_thresholds",
            value=limits.shape,
            allowed=("()", str(probability.shape[1:])),
        )
    return np.asarray(probability >= limits)


def _count_classes(truth: ArrayLike, prediction: ArrayLike, labels: Sequence[str] | None) -> _Counts:
    classes = check_classes(truth, prediction, labels)
    k = len(classes.labels)
    right = np.bincount(classes.truth[classes.truth == classes.prediction], minlength=k)
    predicted, support = np.bincount(classes.prediction, minlength=k), np.bincount(classes.truth, minlength=k)
    return _Counts(right, predicted, support, classes.labels, len(classes.truth), classes.missing, classes.abstained)


def _count_presence(
    truth: ArrayLike, probability: ArrayLike, thresholds: ArrayLike, labels: Sequence[str] | None
) -> _Counts:
    pairs = check_presence(truth, probability, bounded=True)
    if pairs.truth.ndim != 2 or (labels is not None and len(labels) != pairs.truth.shape[1]):
        raise _not_rows(pairs.truth.shape)
    names = tuple(labels) if labels is not None else tuple(str(i) for i in range(pairs.truth.shape[1]))
    given = apply_thresholds(pairs.output, thresholds) & pairs.used
    present = (pairs.truth == 1) & pairs.used
    return _Counts(
        (given & present).sum(axis=0),
        given.sum(axis=0),
        present.sum(axis=0),
        names,
        int(pairs.used.sum()),
        pairs.missing,
        pairs.abstained,
    )


def _average_f1(counts: _Counts, average: Average) -> Score:
    check_choice(average, _AVERAGES, "average")
    values = _ratio(2 * counts.right, counts.predicted + counts.support)
    score = label_mean(values, counts.n, counts.missing, counts.abstained)
    if average == "macro":
        return score
    if average == "micro":
        pooled = _ratio(2 * counts.right.sum(), counts.predicted.sum() + counts.support.sum())
    else:
        pooled = _ratio((np.nan_to_num(values) * counts.support).sum(), counts.support.sum())
    return Score(float(pooled), score.n, score.missing, score.abstained, score.per_label, score.undefined)


def _table(counts: _Counts) -> tuple[ClassScore, ...]:
    columns = (
        _ratio(counts.right, counts.predicted),
        _ratio(counts.right, counts.support),
        _ratio(2 * counts.right, counts.predicted + counts.support),
        counts.support,
        counts.predicted,
    )
    return tuple(ClassScore(*row) for row in zip(counts.labels, *(c.tolist() for c in columns), strict=True))


def _not_rows(shape: tuple[int, ...]) -> UsageError:
    return UsageError("There must be one row an item and one column a label.", code="shape_mismatch", value=shape)


def _ratio(part: ArrayLike, whole: ArrayLike) -> Floats:
    """Division that gives NaN instead of a warning where ``whole`` is 0."""
    denominator = np.asarray(whole, dtype=np.float64)
    return np.asarray(part / np.where(denominator > 0, denominator, np.nan))
