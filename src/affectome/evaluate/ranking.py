"""Scores of an order: how far the right labels or items stand in front."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from affectome.errors import UsageError
from affectome.evaluate.inputs import Floats, Score, check_presence, check_ranked, score_by_label

_ROUNDING = 1e-9


def alert_rate_at_recall(*, truth: ArrayLike, probability: ArrayLike, recall: float) -> Score:
    """Smallest share of items that alerts have to cover before a share of the present ones is among them.

    Alerts go out from the highest score down; items of equal score alert together.

    Args:
        truth: ``(n,)`` or ``(n, k)`` 0 or 1, NaN for unknown.
        probability: The same shape; any finite scores, NaN for abstained.
        recall: Share of the present items, above 0 and at most 1.

    Returns:
        0 to 1; for ``(n, k)`` the mean over labels. A label that is nowhere present is undefined.

    Raises:
        UsageError: If shapes differ, the truth is not 0 or 1 or ``recall`` is out of range.
    """
    _check_share(recall, "recall")

    def rate(true: Floats, score: Floats) -> float:
        rates, recalls = _alert_curve(true, score)
        return float(rates[recalls >= recall - _ROUNDING].min()) if true.any() else float("nan")

    return score_by_label(check_presence(truth, probability, bounded=False), rate)


def average_precision(*, truth: ArrayLike, probability: ArrayLike) -> Score:
    """Average precision: precision at each distinct score, weighted by the gain in recall.

    Args:
        truth: ``(n,)`` or ``(n, k)`` 0 or 1, NaN for unknown.
        probability: The same shape; any finite scores, NaN for abstained.

    Returns:
        0 to 1; for ``(n, k)`` the mean over labels. A label that is nowhere present is undefined.

    Raises:
        UsageError: If shapes differ or the truth is not 0 or 1.
    """
    return score_by_label(check_presence(truth, probability, bounded=False), _average_precision)


def auc(*, truth: ArrayLike, probability: ArrayLike) -> Score:
    """Area under the receiver operating characteristic: chance that a present item scores above an absent one.

    Args:
        truth: ``(n,)`` or ``(n, k)`` 0 or 1, NaN for unknown.
        probability: The same shape; any finite scores, NaN for abstained. Equal scores count one half.

    Returns:
        0 to 1; for ``(n, k)`` the mean over labels. A label that is everywhere or nowhere present is undefined.

    Raises:
        UsageError: If shapes differ or the truth is not 0 or 1.
    """
    return score_by_label(check_presence(truth, probability, bounded=False), _auc)


def hit_at_k(*, truth: ArrayLike, probability: ArrayLike, k: int, labels: Sequence[str] | None = None) -> Score:
    """Share of the items whose true label is among the ``k`` labels with the highest scores.

    Equal scores share the places they cover, so a reader that gives all labels the same score gets k / labels.

    Args:
        truth: ``(n,)`` labels or column numbers.
        probability: ``(n, labels)`` any finite scores; a row with NaN is an abstention.
        k: 1 or more and below the number of labels, at which every answer would be a hit.
        labels: Names of the columns; needed if the truth holds names.

    Returns:
        The share, 0 to 1.

    Raises:
        UsageError: If shapes do not fit, ``k`` is out of range or a label is unknown.
    """
    codes, scores, missing, abstained = check_ranked(truth, probability, labels)
    if not 1 <= k < scores.shape[1]:
        raise UsageError(
            "k must be at least 1 and below the number of labels.",
            code="bad_k",
            value=k,
            allowed=(f"1 to {scores.shape[1] - 1}",),
        )
    own = np.take_along_axis(scores, codes[:, None], axis=1)
    above, equal = (scores > own).sum(axis=1), (scores == own).sum(axis=1)
    hits = np.clip((k - above) / equal, 0, 1)
    return Score(float(hits.mean()) if len(hits) else float("nan"), len(hits), missing, abstained)


def midranks(values: Floats) -> Floats:
    """Ranks from 1; equal values share the mean of their ranks.

    Args:
        values: ``(n,)`` without NaN.

    Returns:
        ``(n,)``.
    """
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((count.cumsum() - (count - 1) / 2)[place])


def recall_at_alert_rate(*, truth: ArrayLike, probability: ArrayLike, rate: float) -> Score:
    """Share of the present items that alert when alerts may cover no more than a share of all items.

    Alerts go out from the highest score down; items of equal score alert together, or not at all if that is too many.

    Args:
        truth: ``(n,)`` or ``(n, k)`` 0 or 1, NaN for unknown.
        probability: The same shape; any finite scores, NaN for abstained.
        rate: Share of all items, above 0 and at most 1.

    Returns:
        0 to 1; for ``(n, k)`` the mean over labels. A label that is nowhere present is undefined.

    Raises:
        UsageError: If shapes differ, the truth is not 0 or 1 or ``rate`` is out of range.
    """
    _check_share(rate, "rate")

    def recall(true: Floats, score: Floats) -> float:
        rates, recalls = _alert_curve(true, score)
        return float(recalls[rates <= rate + _ROUNDING].max(initial=0)) if true.any() else float("nan")

    return score_by_label(check_presence(truth, probability, bounded=False), recall)


def _check_share(value: float, name: str) -> None:
    if not 0 < value <= 1:
        raise UsageError(
            f"The {name} must be above 0 and at most 1.", code=f"bad_{name}", value=value, allowed=("0 to 1",)
        )


def _alert_curve(truth: Floats, score: Floats) -> tuple[Floats, Floats]:
    """Share of items and of present items at or above each distinct score, the highest score first."""
    order = np.argsort(-score, kind="stable")
    last = np.append(np.flatnonzero(np.diff(score[order])), len(order) - 1)  # end of each run of equal scores
    return (last + 1) / len(order), truth[order].cumsum()[last] / max(1, truth.sum())


def _average_precision(truth: Floats, score: Floats) -> float:
    present = truth.sum()
    if present == 0:
        return float("nan")
    order = np.argsort(-score, kind="stable")
    last = np.append(np.flatnonzero(np.diff(score[order])), len(order) - 1)  # end of each run of equal scores
    hits = truth[order].cumsum()[last]
    return float((np.diff(hits, prepend=0) / present * hits / (last + 1)).sum())


def _auc(truth: Floats, score: Floats) -> float:
    present, absent = truth.sum(), (1 - truth).sum()
    if present == 0 or absent == 0:
        return float("nan")
    return float((midranks(score)[truth == 1].sum() - present * (present + 1) / 2) / (present * absent))
