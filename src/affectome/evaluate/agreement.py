"""How far a reader agrees with raters, beside how far raters agree with each other.

What raters agree on among themselves (alpha, AC1, ceilings) is in `affectome.affect.VoteTable`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from affectome.affect import VoteTable
from affectome.errors import UsageError
from affectome.evaluate.inputs import (
    Floats,
    Score,
    check_classes,
    check_labels,
    check_numbers,
    label_mean,
    label_positions,
)


class RaterAgreement(NamedTuple):
    """A reader among raters who each gave an item one label.

    Attributes:
        reader: Expected share of items on which the reader agrees with one randomly drawn rater.
        raters: The same for one rater against another; NaN if no item has two ratings.
        best: The highest ``reader`` that is possible, by always naming the most frequent label.
        n: Items that were rated and read.
        missing: Items nobody rated.
        abstained: Rated items that were not read.
    """

    reader: float
    raters: float
    best: float
    n: int
    missing: int
    abstained: int


def kappa(*, truth: ArrayLike, prediction: ArrayLike, labels: Sequence[str] | None = None) -> Score:
    """Cohen's kappa: agreement above chance of two raters, or of a reader and a rater, on labels without order.

    Args:
        truth: ``(n,)`` labels or class numbers.
        prediction: ``(n,)`` of the same kind.
        labels: All labels; those that occur when absent.

    Returns:
        Up to 1, 0 at chance; undefined where both sides hold one and the same label only.

    Raises:
        UsageError: If shapes or kinds differ, or a label is unknown.

    Source: J. Cohen, Educational and Psychological Measurement 20 (1960).
    """
    classes = check_classes(truth, prediction, labels)
    n, k = len(classes.truth), len(classes.labels)
    value = float("nan")
    if n:
        observed = float((classes.truth == classes.prediction).mean())
        sides = [np.bincount(side, minlength=k) / n for side in (classes.truth, classes.prediction)]
        expected = float(sides[0] @ sides[1])
        value = (observed - expected) / (1 - expected) if expected < 1 else value
    return Score(value, n, classes.missing, classes.abstained)


def rater_agreement(*, votes: VoteTable, prediction: ArrayLike) -> RaterAgreement:
    """How often a reader agrees with a rater, beside how often two raters do.

    Args:
        votes: Votes on ``n`` items.
        prediction: ``(n,)`` labels of the table or their positions, absent where abstained.

    Returns:
        The agreement, all figures over the items that were rated and read.

    Raises:
        UsageError: If there is not one prediction an item, or one is not a label of the table.
    """
    given, answered = check_labels(prediction, "prediction")
    if len(given) != len(votes.items):
        raise UsageError(
            "There must be one prediction an item.",
            code="shape_mismatch",
            value=given.shape,
            allowed=(f"({len(votes.items)},)",),
        )
    rated = votes.ratings > 0
    used = np.flatnonzero(rated & answered)
    counts = votes.counts[used]
    ceiling = VoteTable.from_counts(counts, votes.labels).ceiling()
    named = counts[np.arange(len(used)), label_positions(given[used], votes.labels)]
    return RaterAgreement(
        reader=float((named / counts.sum(axis=1)).mean()) if len(used) else float("nan"),
        raters=ceiling.rater_vs_rater,
        best=float(ceiling.n_best[0]),
        n=len(used),
        missing=int((~rated).sum()),
        abstained=int((rated & ~answered).sum()),
    )


def rater_against_rest(metric: Callable[..., Score], *, ratings: ArrayLike) -> Score:
    """How well each rater predicts the mean of the others: what to print beside a reader of the same measure.

    Args:
        metric: A score of measured values such as `pearson`, called with ``truth=`` and ``prediction=``.
        ratings: ``(n, raters)`` numbers, NaN where a rater did not rate an item.

    Returns:
        The mean over raters with the value of each; an item counts as missing for a rater who is alone with it.

    Raises:
        UsageError: If there are not at least two raters, or a value is infinite.
    """
    given: Floats = check_numbers(ratings, ratings).truth
    if given.ndim != 2 or given.shape[1] < 2:
        raise UsageError("There must be at least two raters.", code="too_few_raters", value=given.shape)
    known = ~np.isnan(given)
    others = known.sum(axis=1, keepdims=True) - known
    total = np.where(known, given, 0.0)
    rest = (total.sum(axis=1, keepdims=True) - total) / np.where(others > 0, others, np.nan)
    scores = [metric(truth=rest[:, rater], prediction=given[:, rater]) for rater in range(given.shape[1])]
    counts = [sum(getattr(score, name) for score in scores) for name in ("n", "missing", "abstained")]
    return label_mean(np.array([score.value for score in scores]), *counts)
