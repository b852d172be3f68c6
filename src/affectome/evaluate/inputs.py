"""What every metric takes and gives: checked arrays in, a score with its counts out.

Truth and output are told apart by keyword. A value of the truth that is absent is *missing*; an output that is absent
where the truth is known is *abstained*. Neither is scored as wrong, and both are counted in the result. Absent means
None, NaN, an empty string or a negative class number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affectome.errors import UsageError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Codes = NDArray[np.int64]

_SUM_TOLERANCE = 1e-3  # rows of float16 and float32 distributions miss 1 by their rounding


@dataclass(frozen=True)
class Score:
    """The value of a metric and what it was computed from.

    Attributes:
        value: The metric, NaN where it is undefined. ``float(score)`` gives it.
        n: Items (for arrays of several labels: cells) that were scored.
        missing: Items or cells whose truth is absent.
        abstained: Items or cells with a known truth and no output.
        per_label: The metric of each label, for metrics that are a mean over labels.
        undefined: Labels whose metric is undefined and which the mean therefore leaves out.
    """

    value: float
    n: int
    missing: int
    abstained: int
    per_label: tuple[float, ...] = ()
    undefined: int = 0

    def __float__(self) -> float:
        return self.value


class Classes(NamedTuple):
    """Class numbers of the items where ``used`` holds, those whose truth and prediction are known."""

    truth: Codes
    prediction: Codes
    labels: tuple[str, ...]
    used: Bools
    missing: int
    abstained: int


class Pairs(NamedTuple):
    """Two arrays of one shape; only cells where ``used`` holds are to be scored."""

    truth: Floats
    output: Floats
    used: Bools
    missing: int
    abstained: int


def check_labels(values: ArrayLike, name: str) -> tuple[NDArray[Any], Bools]:
    """Checks one label an item.

    Args:
        values: ``(n,)`` labels or whole class numbers; None, NaN, an empty string or a negative number where absent.
        name: What to call them in an error.

    Returns:
        The labels as integers or strings, and which items have one.

    Raises:
        UsageError: If the shape is another, or scores are given where labels belong.
    """
    # A list goes through objects, as numpy would turn a NaN among strings into the string "nan".
    array = np.array(values, dtype=object) if isinstance(values, list | tuple) else np.asarray(values)
    if array.ndim != 1:
        raise UsageError(
            f"The {name} must hold one label an item.", code="shape_mismatch", value=array.shape, allowed=("(n,)",)
        )
    if array.dtype.kind == "O":
        known = np.array([v is not None and v == v and v != "" for v in array], dtype=np.bool_)
        if all(isinstance(v, str) for v in array[known]):
            array = np.where(known, array, "").astype(np.str_)
        elif all(isinstance(v, int | float | np.number | np.bool_) for v in array[known]):
            array = np.where(known, array, np.nan).astype(np.float64)
    if array.dtype.kind == "U":
        return array, np.asarray(array != "")
    if array.dtype.kind in "iub":
        array = array.astype(np.int64)
        return array, np.asarray(array >= 0)
    if array.dtype.kind == "f":
        known = ~np.isnan(array)
        if (array[known] == np.floor(array[known])).all() and np.isfinite(array[known]).all():
            numbers = np.where(known, array, -1).astype(np.int64)
            return numbers, np.asarray(numbers >= 0)
    raise UsageError(
        f"The {name} must hold labels or whole class numbers.",
        code="not_labels",
        value=array.flat[0] if array.size else array.dtype,
        next_step="Give probability= to a metric that takes scores; check that truth and output are not swapped.",
    )


def label_positions(values: NDArray[Any], labels: tuple[str, ...]) -> Codes:
    """Positions of known labels in ``labels``; class numbers are positions already and only checked.

    Raises:
        UsageError: If a label or class number is not among them.
    """
    if values.dtype.kind == "i":
        wrong = values >= len(labels)
        if wrong.any():
            raise UsageError(
                "A class number has no label.",
                code="unknown_label",
                value=values[wrong][0],
                allowed=(f"0 to {len(labels) - 1}",),
            )
        return values
    order = np.argsort(np.array(labels))
    place = np.searchsorted(np.array(labels), values, sorter=order)
    codes = order[np.minimum(place, len(labels) - 1)]
    wrong = np.array(labels)[codes] != values
    if wrong.any():
        raise UsageError("A label is not known.", code="unknown_label", value=values[wrong][0], allowed=labels)
    return codes


def check_classes(truth: ArrayLike, prediction: ArrayLike, labels: Sequence[str] | None) -> Classes:
    """Checks one label an item on each side.

    Args:
        truth: ``(n,)`` labels or class numbers.
        prediction: ``(n,)`` of the same kind.
        labels: All labels; class numbers are positions in it. The sorted labels that occur when absent.

    Returns:
        Class numbers of the scored items.

    Raises:
        UsageError: If shapes or kinds differ, a label is unknown, or scores are given where labels belong.
    """
    true, true_known = check_labels(truth, "truth")
    predicted, predicted_known = check_labels(prediction, "prediction")
    if true.shape != predicted.shape:
        raise _shape_mismatch("Truth and prediction", true.shape, predicted.shape)
    used = true_known & predicted_known
    if (true.dtype.kind == "i") != (predicted.dtype.kind == "i") and true_known.any() and predicted_known.any():
        raise UsageError(
            "Truth and prediction must both be labels or both be class numbers.",
            code="kind_mismatch",
            value=f"{true[true_known][0]!r} and {predicted[predicted_known][0]!r}",
        )
    if labels is None:
        names = np.unique(np.concatenate([true[true_known], predicted[predicted_known]]))
        codes = [np.searchsorted(names, side[used]) for side in (true, predicted)]
        given = tuple(str(name) for name in names)
    else:
        given = tuple(labels)
        codes = [label_positions(side[used], given) for side in (true, predicted)]
    abstained = int((true_known & ~predicted_known).sum())
    return Classes(codes[0], codes[1], given, used, int((~true_known).sum()), abstained)


def check_ranked(
    truth: ArrayLike, probability: ArrayLike, labels: Sequence[str] | None
) -> tuple[Codes, Floats, int, int]:
    """Checks one true label an item against a score for every label.

    Args:
        truth: ``(n,)`` labels or class numbers.
        probability: ``(n, k)`` finite scores; a row with NaN is an abstention.
        labels: ``k`` names of the columns; needed if the truth holds names.

    Returns:
        True columns and scores of the scored items, then the missing and the abstained items.

    Raises:
        UsageError: If shapes do not fit or a label is unknown.
    """
    true, known = check_labels(truth, "truth")
    scores = _numbers(probability, "probability")
    if scores.ndim != 2 or len(scores) != len(true) or (labels is not None and len(labels) != scores.shape[1]):
        raise _shape_mismatch("Truth and probability", true.shape, scores.shape)
    columns = tuple(labels) if labels is not None else tuple(str(i) for i in range(scores.shape[1]))
    if labels is None and true.dtype.kind != "i" and known.any():
        raise UsageError(
            "Which column belongs to which label is not known.",
            code="no_labels",
            next_step="Give the labels= of the columns.",
        )
    answered = ~np.isnan(scores).any(axis=1)
    used = known & answered
    codes = label_positions(true[used], columns)
    return codes, scores[used], int((~known).sum()), int((known & ~answered).sum())


def check_numbers(truth: ArrayLike, prediction: ArrayLike) -> Pairs:
    """Checks measured values on each side: ``(n,)`` or ``(n, k)`` finite numbers, NaN for absent.

    Raises:
        UsageError: If shapes differ or a value is infinite.
    """
    true, predicted = _numbers(truth, "truth"), _numbers(prediction, "prediction")
    if true.shape != predicted.shape or true.ndim not in (1, 2):
        raise _shape_mismatch("Truth and prediction", true.shape, predicted.shape)
    return _pairs(true, predicted)


def check_presence(truth: ArrayLike, output: ArrayLike, *, bounded: bool) -> Pairs:
    """Checks whether labels are present against scores: ``(n,)`` for one label, ``(n, k)`` for several.

    Args:
        truth: 0, 1 or NaN.
        output: Scores or NaN.
        bounded: Whether the scores must be probabilities.

    Returns:
        The pairs.

    Raises:
        UsageError: If shapes differ, the truth is not 0 or 1, or a probability is outside 0 to 1.
    """
    true, scores = _numbers(truth, "truth"), _numbers(output, "probability")
    if true.shape != scores.shape or true.ndim not in (1, 2):
        raise _shape_mismatch("Truth and probability", true.shape, scores.shape)
    wrong = ~np.isnan(true) & (true != 0) & (true != 1)
    if wrong.any():
        raise UsageError(
            "The truth must be 0 or 1 for every label.",
            code="truth_not_binary",
            value=true[wrong][0],
            allowed=("0", "1", "NaN"),
            next_step="Check that truth and output are not swapped.",
        )
    if bounded:
        _require_probabilities(scores)
    return _pairs(true, scores)


def check_distributions(truth: ArrayLike, probability: ArrayLike) -> Pairs:
    """Checks distributions over exclusive labels on each side: ``(n, k)`` rows that sum to 1, or NaN rows.

    Raises:
        UsageError: If shapes differ or a row is not a distribution.
    """
    true, given = _numbers(truth, "truth"), _numbers(probability, "probability")
    if true.shape != given.shape or true.ndim != 2:
        raise _shape_mismatch("Truth and probability", true.shape, given.shape)
    for name, rows in (("truth", true), ("probability", given)):
        _require_probabilities(rows, name)
        total = rows.sum(axis=1)
        wrong = np.abs(total - 1) > _SUM_TOLERANCE
        if wrong.any():
            raise UsageError(
                f"Each row of the {name} must sum to 1.",
                code="not_a_distribution",
                value=float(total[wrong][0]),
                next_step="Independent presence probabilities are scored by the metrics for several labels.",
            )
    known, answered = ~np.isnan(true).any(axis=1), ~np.isnan(given).any(axis=1)
    return Pairs(true, given, np.asarray(known & answered), int((~known).sum()), int((known & ~answered).sum()))


def check_columns(arrays: Mapping[str, ArrayLike]) -> tuple[dict[str, NDArray[Any]], int]:
    """Checks that arrays have the same number of rows, at least one.

    Returns:
        The arrays, and their length.

    Raises:
        UsageError: If the lengths differ or are 0.
    """
    columns = {name: np.asarray(values) for name, values in arrays.items()}
    lengths = {name: column.shape[0] if column.ndim else 0 for name, column in columns.items()}
    if len(set(lengths.values())) != 1 or 0 in lengths.values():
        raise UsageError("All arrays need the same number of rows, at least one.", code="shape_mismatch", value=lengths)
    return columns, next(iter(lengths.values()))


def group_positions(groups: ArrayLike, n: int) -> Codes:
    """The group of each of ``n`` items as a number, in the sorted order of the groups.

    Raises:
        UsageError: If there is not one group an item.
    """
    names = np.asarray(groups)
    if names.shape != (n,):
        raise UsageError(
            "There must be one group an item.", code="shape_mismatch", value=names.shape, allowed=(f"({n},)",)
        )
    if any(name is None or name != name for name in names.tolist()):
        raise UsageError(
            "An item has no group.",
            code="missing_group",
            next_step="Give every item a group, if need be one of its own.",
        )
    return np.asarray(np.unique(names, return_inverse=True)[1])


def score_by_label(pairs: Pairs, metric: Callable[[Floats, Floats], float]) -> Score:
    """Applies a metric to each column and takes the mean of the defined values.

    Args:
        pairs: Checked arrays, ``(n,)`` or ``(n, k)``.
        metric: From the used truth and output of one column to a number, NaN if undefined.

    Returns:
        The score; ``per_label`` is empty for one-dimensional arrays.
    """
    n = int(pairs.used.sum())
    if pairs.truth.ndim == 1:
        value = metric(pairs.truth[pairs.used], pairs.output[pairs.used])
        return Score(value, n, pairs.missing, pairs.abstained)
    columns = zip(pairs.truth.T, pairs.output.T, pairs.used.T, strict=True)
    values = np.array([metric(true[used], output[used]) for true, output, used in columns])
    return label_mean(values, n, pairs.missing, pairs.abstained)


def label_mean(values: Floats, n: int, missing: int, abstained: int) -> Score:
    """The mean over labels of ``values``, in which NaN marks a label whose metric is undefined."""
    defined = ~np.isnan(values)
    mean = float(values[defined].mean()) if defined.any() else float("nan")
    return Score(mean, n, missing, abstained, tuple(values.tolist()), int((~defined).sum()))


def check_choice(value: str, allowed: Sequence[str], name: str) -> None:
    """Refuses a ``value`` of the option ``name`` that is not among ``allowed``."""
    if value not in allowed:
        raise UsageError(f"Unknown {name}.", code=f"unknown_{name}", value=value, allowed=tuple(allowed))


def _numbers(values: ArrayLike, name: str) -> Floats:
    """A float array without infinite values."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise UsageError(
            f"The {name} must hold numbers.",
            code="not_numbers",
            next_step="Check that truth and output are not swapped.",
        ) from None
    if np.isinf(array).any():
        raise UsageError(
            f"The {name} holds an infinite value.", code="not_finite", next_step="Use NaN for absent values."
        )
    return array


def _pairs(truth: Floats, output: Floats) -> Pairs:
    known, answered = ~np.isnan(truth), ~np.isnan(output)
    return Pairs(truth, output, known & answered, int((~known).sum()), int((known & ~answered).sum()))


def _require_probabilities(values: Floats, name: str = "probability") -> None:
    wrong = (values < 0) | (values > 1)
    if wrong.any():
        raise UsageError(
            f"The {name} must lie in 0 to 1.",
            code="not_a_probability",
            value=values[wrong][0],
            next_step="Turn logits into probabilities first.",
        )


def _shape_mismatch(what: str, first: tuple[int, ...], second: tuple[int, ...]) -> UsageError:
    return UsageError(
        f"{what} do not fit together.",
        code="shape_mismatch",
        value=f"{first} and {second}",
        next_step="Give one row an item on both sides, in the same order.",
    )
