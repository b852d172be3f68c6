"""Choice of one threshold a label on development data, or on the other folds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affectome.errors import LeakError, UsageError
from affectome.evaluate.classification import apply_thresholds, multilabel_f1
from affectome.evaluate.inputs import Floats, check_presence
from affectome.evaluate.splits import Fold

_LOGIT_LIMIT = 1e-6  # keeps the logits of thresholds at 0 and 1 finite


class Thresholds(NamedTuple):
    """Thresholds chosen on development data.

    Attributes:
        values: ``(k,)`` in 0 to 1; a label is given where its probability is at least this.
        f1: ``(k,)`` F1 of each label on the development data, optimistic because it was maximised there.
        support: ``(k,)`` present cells of each label.
        pooled: The one threshold with the best micro-F1, used for labels without support.
    """

    values: Floats
    f1: Floats
    support: NDArray[np.int64]
    pooled: float


def choose_thresholds(*, dev_truth: ArrayLike, dev_probability: ArrayLike, smoothing: float = 0.0) -> Thresholds:
    """The threshold of each label with the best F1 on development data, never on the data it is reported for.

    Every cut between two different scores is tried. Of cuts with equal F1 the highest is taken. The threshold lies half
    way between the scores on either side of the cut.

    Args:
        dev_truth: ``(n, k)`` 0 or 1, NaN for unknown.
        dev_probability: ``(n, k)`` in 0 to 1, NaN for abstained.
        smoothing: Present items with which the pooled threshold counts against a label's own: a label with as many
            present items as this gets the middle of the two logits. A guard for rare labels; 0 for none.

    Returns:
        The thresholds.

    Raises:
        UsageError: If shapes differ, a value is out of range, no label is present anywhere, or ``smoothing`` is
            negative.
    """
    if not (np.isfinite(smoothing) and smoothing >= 0):
        raise UsageError("Smoothing must be 0 or more.", code="bad_smoothing", value=smoothing)
    pairs = check_presence(dev_truth, dev_probability, bounded=True)
    if pairs.truth.ndim != 2:
        raise UsageError(
            "There must be one row an item and one column a label.", code="shape_mismatch", value=pairs.truth.shape
        )
    support = ((pairs.truth == 1) & pairs.used).sum(axis=0)
    if support.sum() == 0:
        raise UsageError(
            "No label is present in the development data, so no threshold can be chosen.", code="no_positives"
        )
    pooled = _best_threshold(pairs.truth[pairs.used], pairs.output[pairs.used])
    values = np.full(len(support), pooled)
    for label in np.flatnonzero(support):
        used = pairs.used[:, label]
        values[label] = _best_threshold(pairs.truth[used, label], pairs.output[used, label])
    if smoothing:
        weight = support / (support + smoothing)
        logit = weight * _logit(values) + (1 - weight) * _logit(np.array(pooled))
        values = 1 / (1 + np.exp(-logit))
    f1 = multilabel_f1(truth=dev_truth, probability=dev_probability, thresholds=values).per_label
    return Thresholds(values, np.array(f1), support, pooled)


def decide_across_folds(
    *, truth: ArrayLike, probability: ArrayLike, folds: Sequence[Fold], smoothing: float = 0.0
) -> Floats:
    """Which labels are given, each fold by thresholds chosen on the other folds: the inner loop of a nested validation.

    Args:
        truth: ``(n, k)`` 0 or 1, NaN for unknown.
        probability: ``(n, k)`` in 0 to 1, NaN for abstained: what a reader says about rows it was not fitted on.
        folds: The folds in which the reader was fitted, or others that keep groups together.
        smoothing: As for `choose_thresholds`.

    Returns:
        ``(n, k)`` 0 or 1, NaN for abstained and in rows that no fold holds out. It goes into the metrics as
        ``probability=``, with their threshold of one half.

    Raises:
        LeakError: If a fold holds out rows it also trains on, or a row is held out twice.
        UsageError: As `choose_thresholds`.
    """
    scores, known = np.asarray(probability, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    decided, held_out = np.full(scores.shape, np.nan), np.zeros(len(scores), dtype=np.bool_)
    for fold in folds:
        if np.isin(fold.test, fold.train).any() or held_out[fold.test].any():
            raise LeakError(
                "A held-out row is among the rows that thresholds are chosen on, or is held out twice.",
                code="shared_rows",
                next_step="Take the folds of folds().",
            )
        held_out[fold.test] = True
        chosen = choose_thresholds(dev_truth=known[fold.train], dev_probability=scores[fold.train], smoothing=smoothing)
        given = apply_thresholds(scores[fold.test], chosen.values)
        decided[fold.test] = np.where(np.isnan(scores[fold.test]), np.nan, given)
    return decided


def _best_threshold(truth: Floats, probability: Floats) -> float:
    """The cut of one label with the best F1; at least one item is present."""
    order = np.argsort(-probability, kind="stable")
    score = probability[order]
    last = np.append(np.flatnonzero(np.diff(score)), len(score) - 1)  # end of each run of equal scores
    f1 = 2 * truth[order].cumsum()[last] / (last + 1 + truth.sum())
    best = int(f1.argmax())
    lowest_given = score[last[best]]
    highest_refused = score[last[best] + 1] if best + 1 < len(last) else 0.0
    middle = (lowest_given + highest_refused) / 2
    return float(middle if middle > highest_refused else lowest_given)


def _logit(probability: Floats) -> Floats:
    inside = np.clip(probability, _LOGIT_LIMIT, 1 - _LOGIT_LIMIT)
    return np.asarray(np.log(inside / (1 - inside)))
