"""Tests of whether two readers differ on the same items."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from affectome.errors import UsageError
from affectome.evaluate.classification import hits
from affectome.evaluate.inputs import check_columns, group_positions
from affectome.evaluate.intervals import Metric, Output, paired_difference


@dataclass(frozen=True)
class McNemar:
    """McNemar's exact test.

    Attributes:
        p_value: Two-sided; 1 if no item separates the readers.
        first_only: Items only the first reader has right.
        second_only: Items only the second reader has right.
        n: Items both readers answered.
        missing: Items whose truth is absent.
        abstained: Items with a known truth that one of the readers did not answer.
    """

    p_value: float
    first_only: int
    second_only: int
    n: int
    missing: int
    abstained: int


@dataclass(frozen=True)
class Permutation:
    """Paired permutation test.

    Attributes:
        difference: ``metric(first) - metric(second)``.
        p_value: Two-sided, (1 + permutations at least as extreme) / (1 + permutations); NaN where the difference is.
        permutations: Permutations drawn.
        undefined: Permutations in which the metric is undefined, counted as extreme.
        seed: Seed of the draws.
    """

    difference: float
    p_value: float
    permutations: int
    undefined: int
    seed: int


def mcnemar(*, truth: ArrayLike, first: ArrayLike, second: ArrayLike) -> McNemar:
    """Whether two readers of one label an item are right on different numbers of items, by the exact binomial test.

    Args:
        truth: ``(n,)`` labels or class numbers.
        first: Predictions of one reader.
        second: Predictions of the other.

    Returns:
        The test.

    Raises:
        UsageError: If shapes or kinds differ.

    Source: Q. McNemar, Psychometrika 12 (1947).
    """
    one, two = hits(truth=truth, prediction=first), hits(truth=truth, prediction=second)
    answered = ~np.isnan(one.values) & ~np.isnan(two.values)
    first_only = int((one.values[answered] > two.values[answered]).sum())
    second_only = int((one.values[answered] < two.values[answered]).sum())
    apart = first_only + second_only
    log_factorial = np.concatenate([[0.0], np.log(np.arange(1, apart + 1)).cumsum()])
    fewer = np.arange(min(first_only, second_only) + 1)
    log_tail = log_factorial[apart] - log_factorial[fewer] - log_factorial[apart - fewer] - apart * np.log(2)
    p_value = min(1.0, 2 * float(np.exp(log_tail).sum()))
    n = int(answered.sum())
    return McNemar(p_value, first_only, second_only, n, one.missing, len(answered) - n - one.missing)


def permutation_test(
    metric: Metric,
    *,
    truth: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    seed: int,
    output: Output = "prediction",
    permutations: int = 1000,
    groups: ArrayLike | None = None,
) -> Permutation:
    """Whether two readers differ in any metric: outputs are exchanged at random between them, item by item.

    Args:
        metric: Called with ``truth=`` and the argument named by ``output``.
        truth: ``n`` rows.
        first: Outputs of one reader, ``n`` rows.
        second: Outputs of the other reader, the same shape.
        seed: Seed of the draws.
        output: Name of the argument in which the metric takes outputs.
        permutations: Number of permutations.
        groups: ``(n,)`` group of each item; outputs of a group are exchanged together.

    Returns:
        The test.

    Raises:
        UsageError: If shapes differ or ``permutations`` is below 1.
    """
    columns, n = check_columns({"truth": truth, "first": first, "second": second})
    a, b = columns["first"], columns["second"]
    if a.shape != b.shape:
        raise UsageError(
            "Both readers need outputs of one shape.", code="shape_mismatch", value=f"{a.shape} and {b.shape}"
        )
    if permutations < 1:
        raise UsageError("There must be at least one permutation.", code="bad_permutations", value=permutations)
    unit = np.arange(n) if groups is None else group_positions(groups, n)
    difference = paired_difference(metric, output)
    observed = float(difference(**columns))
    rng = np.random.default_rng(seed)
    differences = np.empty(permutations)
    for i in range(permutations):
        exchanged = rng.integers(0, 2, size=unit.max() + 1)[unit].astype(np.bool_).reshape(-1, *[1] * (a.ndim - 1))
        one, two = np.where(exchanged, b, a), np.where(exchanged, a, b)
        differences[i] = float(difference(truth=columns["truth"], first=one, second=two))
    # Rounding must not make an exchange that changes nothing look less extreme than the observed difference.
    less_extreme = int((np.abs(differences) < abs(observed) - 1e-12).sum())
    p_value = float("nan") if np.isnan(observed) else (1 + permutations - less_extreme) / (1 + permutations)
    return Permutation(observed, p_value, permutations, int(np.isnan(differences).sum()), seed)
