"""Readers that look at nothing: what every table of results starts with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affectome.errors import UsageError
from affectome.evaluate.inputs import Floats, check_labels, label_positions


def predict_majority(*, train_truth: ArrayLike, items: int) -> NDArray[Any]:
    """The most frequent training label for every item.

    Args:
        train_truth: ``(m,)`` labels or class numbers; None, an empty string and negative numbers are left out.
        items: Number of items to predict.

    Returns:
        ``(items,)`` labels, or class numbers; of equally frequent ones the first in sorted order.

    Raises:
        UsageError: If no training label is known.
    """
    known = _known_labels(train_truth)
    names, count = np.unique(known, return_counts=True)
    return np.repeat(names[count.argmax()], items)


def predict_prior(*, train_truth: ArrayLike, labels: Sequence[str], items: int) -> Floats:
    """The training frequency of each label as its probability, for every item.

    Args:
        train_truth: ``(m,)`` labels or positions in ``labels``; absent ones are left out.
        labels: ``k`` labels, the columns of the output.
        items: Number of items to predict.

    Returns:
        ``(items, k)`` rows that sum to 1.

    Raises:
        UsageError: If no training label is known, or one is not in ``labels``.
    """
    columns = label_positions(_known_labels(train_truth), tuple(labels))
    return np.tile(np.bincount(columns, minlength=len(labels)) / len(columns), (items, 1))


def predict_mean(*, train_truth: ArrayLike, items: int) -> Floats:
    """The training mean for every item: of values, or of presences, for which it is the prior of each label.

    Args:
        train_truth: ``(m,)`` or ``(m, k)`` numbers; NaN is left out.
        items: Number of items to predict.

    Returns:
        ``(items,)`` or ``(items, k)``; NaN for a column without training values.

    Raises:
        UsageError: If there are no training values or the shape is another.
    """
    values = np.asarray(train_truth, dtype=np.float64)
    known = ~np.isnan(values)
    if values.ndim not in (1, 2) or not known.any():
        raise UsageError("A mean needs training values.", code="no_training_values", value=values.shape)
    count = known.sum(axis=0)
    mean = np.where(known, values, 0.0).sum(axis=0) / np.where(count > 0, count, np.nan)
    return np.tile(mean, (items, *[1] * (values.ndim - 1)))


def _known_labels(train_truth: ArrayLike) -> NDArray[Any]:
    labels, known = check_labels(train_truth, "training truth")
    if not known.any():
        raise UsageError("A baseline needs training labels.", code="no_training_values", value=labels.shape)
    return np.asarray(labels[known])
