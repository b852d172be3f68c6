"""Guards against figures that are too good: parts that share something, and labels that metadata give away."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affectome.errors import LeakError, MissingExtraError, UsageError
from affectome.evaluate.baselines import predict_majority, predict_mean
from affectome.evaluate.classification import uar
from affectome.evaluate.duplicates import near_duplicates
from affectome.evaluate.inputs import Bools, Codes, Floats, check_labels, label_positions
from affectome.evaluate.intervals import Interval, Metric, bootstrap
from affectome.evaluate.regression import pearson

_SHOWN = 5  # offenders named in an error
_EXCERPT = 60  # characters of a text in an error
_BINS = 10


@dataclass(frozen=True, eq=False)
class Part:
    """What is known of the rows of one part; what is not known is not compared.

    Attributes:
        rows: Row numbers or ids.
        groups: Speaker, author, dialogue or series of each row.
        texts: Text of each row.
    """

    rows: Sequence[object] | NDArray[Any] | None = None
    groups: Sequence[object] | NDArray[Any] | None = None
    texts: Sequence[str] | None = None


class Shortcut(NamedTuple):
    """How well a predictor does that has not seen what it should need.

    Attributes:
        predictor: ``"majority"`` or ``"mean"``, which sees nothing; ``"length"``; a metadata column; or
            ``"all metadata"``.
        metric: ``"uar"`` for classes, ``"pearson"`` for numbers.
        interval: The score on the test rows; NaN for the mean, with which nothing correlates.
    """

    predictor: str
    metric: str
    interval: Interval


def assert_disjoint(*, train: Part, test: Part, dev: Part | None = None) -> None:
    """Refuses parts that share a row, a group or a text, near-duplicates included.

    Args:
        train: Training rows.
        test: Test rows.
        dev: Development rows.

    Raises:
        LeakError: If two parts share something; the message names up to five things they share.
        UsageError: If two parts have nothing in common that could be compared.
    """
    parts = {"train": train, "test": test} | ({"dev": dev} if dev is not None else {})
    for (one, first), (other, second) in itertools.combinations(parts.items(), 2):
        compared = False
        for kind in ("rows", "groups"):
            left, right = getattr(first, kind), getattr(second, kind)
            if left is not None and right is not None:
                compared = True
                _require_apart(one, other, kind, _shared_names(left, right))
        if first.texts is not None and second.texts is not None:
            compared = True
            _require_apart(one, other, "texts", _shared_texts(first.texts, second.texts))
        if not compared:
            raise UsageError(
                f"There is nothing by which {one} and {other} can be compared.",
                code="nothing_to_compare",
                allowed=("rows", "groups", "texts"),
                next_step="Give the same of these for all parts.",
            )


def audit_shortcuts(
    *,
    truth: ArrayLike,
    train: ArrayLike,
    test: ArrayLike,
    texts: Sequence[str] | None = None,
    metadata: Mapping[str, Sequence[object]] | None = None,
    groups: ArrayLike | None = None,
    seed: int,
) -> list[Shortcut]:
    """What can be predicted from the length of a text and from metadata alone.

    A reader has to beat these figures by more than it beats chance. Lengths and columns of numbers are cut into tenths
    of the training rows; what does not occur in training tells nothing. The predictors are linear: logistic regression
    with balanced classes, or ridge regression.

    Args:
        truth: ``(n,)`` labels or whole class numbers; or numbers of a floating type, taken as measured values. What is
            absent is left out.
        train: Row numbers for fitting.
        test: Row numbers for scoring.
        texts: ``n`` texts, of which only the length is looked at.
        metadata: ``n`` values of each column, e.g. source, author, prompt.
        groups: ``(n,)`` group of each row, drawn whole for the intervals.
        seed: Seed of the resampling.

    Returns:
        The baseline that sees nothing, then one row a predictor.

    Raises:
        LeakError: If a row is in both parts.
        UsageError: If lengths differ, a row number is out of range, or a part has no truth.
        MissingExtraError: If scikit-learn is not installed.
    """
    known, values, metric, name = _target(truth)
    n = len(known)
    fit, score = (_row_numbers(rows, n, known, which) for which, rows in (("train", train), ("test", test)))
    assert_disjoint(train=Part(rows=fit), test=Part(rows=score))
    views = _views(texts, metadata or {}, n)
    classes = name == "uar"
    drawn = None if groups is None else _column(groups, n, "groups")[score]

    def scored(predictor: str, prediction: NDArray[Any]) -> Shortcut:
        return Shortcut(
            predictor, name, bootstrap(metric, seed=seed, groups=drawn, truth=values[score], prediction=prediction)
        )

    baseline = predict_majority if classes else predict_mean
    shortcuts = [scored("majority" if classes else "mean", baseline(train_truth=values[fit], items=len(score)))]
    for predictor, columns in views.items():
        seen = np.column_stack([_binned(column, fit) for column in columns])
        shortcuts.append(scored(predictor, _fit_and_predict(seen[fit], values[fit], seen[score], classes=classes)))
    return shortcuts


def _shared_names(first: Sequence[object] | NDArray[Any], second: Sequence[object] | NDArray[Any]) -> list[str]:
    """Names on both sides; an absent one is shared with nobody."""
    left, right = (dict.fromkeys(np.asarray(side, dtype=object).ravel().tolist()) for side in (first, second))
    return [str(name) for name in left if name in right and name is not None and name == name and name != ""]


def _shared_texts(first: Sequence[str], second: Sequence[str]) -> list[str]:
    """Pairs of near-duplicates, or of the ends of a chain of them."""
    cluster = near_duplicates([*first, *second]).tolist()
    left = {number: place for place, number in reversed(list(enumerate(cluster[: len(first)])))}
    right = {number: place for place, number in reversed(list(enumerate(cluster[len(first) :])))}
    shared = [(place, right[number]) for number, place in left.items() if number in right]
    return [f"{place} and {twin} ({first[place][:_EXCERPT]!r})" for place, twin in shared]


def _require_apart(one: str, other: str, kind: str, shared: list[str]) -> None:
    if shared:
        rest = len(shared) - _SHOWN
        more = f" and {rest} more" if rest > 0 else ""
        raise LeakError(
            f"{one} and {other} share {kind}: {', '.join(shared[:_SHOWN])}{more}.",
            code=f"shared_{kind}",
            value=len(shared),
            next_step="Split with split_rows or folds, which keep together what belongs together.",
        )


def _target(truth: ArrayLike) -> tuple[Bools, NDArray[Any], Metric, str]:
    """Which rows have a truth, the truth as class numbers or measured values, and how it is scored."""
    given = np.asarray(truth)
    if given.dtype.kind == "f":
        values = given.astype(np.float64)
        if values.ndim != 1 or np.isinf(values).any():
            raise UsageError("There must be one finite number a row.", code="not_finite", value=values.shape)
        return ~np.isnan(values), values, pearson, "pearson"
    labels, known = check_labels(truth, "truth")
    names = tuple(str(label) for label in np.unique(labels[known]))
    codes = np.full(len(labels), -1, dtype=np.int64)
    if names:
        codes[known] = label_positions(labels[known].astype(np.str_), names)
    return known, codes, partial(uar, labels=names), "uar"


def _row_numbers(rows: ArrayLike, n: int, known: Bools, which: str) -> Codes:
    """Row numbers of a part that have a truth."""
    given = np.asarray(rows)
    if given.ndim != 1 or given.dtype.kind not in "iu" or (given < 0).any() or (given >= n).any():
        raise UsageError(
            f"{which} must hold row numbers.", code="not_rows", value=given.shape, allowed=(f"0 to {n - 1}",)
        )
    used: Codes = given[known[given]].astype(np.int64)
    if not len(used):
        raise UsageError(f"No row of {which} has a truth.", code="no_rows", value=len(given))
    return used


def _column(values: ArrayLike | Sequence[object], n: int, name: str) -> NDArray[Any]:
    column = np.asarray(values, dtype=object)
    if column.shape != (n,):
        raise UsageError(
            f"There must be one value a row in {name}.", code="shape_mismatch", value=column.shape, allowed=(f"({n},)",)
        )
    return column


def _views(
    texts: Sequence[str] | None, metadata: Mapping[str, Sequence[object]], n: int
) -> dict[str, list[NDArray[Any]]]:
    """The columns that each predictor sees."""
    views: dict[str, list[NDArray[Any]]] = {}
    if texts is not None:
        lengths = [[len(text) for text in texts], [len(text.split()) for text in texts]]
        views["length"] = [_column(length, n, "texts") for length in lengths]
    own = {name: [_column(values, n, name)] for name, values in metadata.items()}
    if len(own) > 1:
        own["all metadata"] = [column for columns in own.values() for column in columns]
    return views | own


def _binned(column: NDArray[Any], fit: Codes) -> NDArray[np.str_]:
    """A column as names: of values, or of tenths of the training rows if it holds many different numbers."""
    absent = np.array([value is None or value != value for value in column])
    numeric = all(isinstance(v, int | float | np.number) for v in column[~absent])
    if not numeric or len(np.unique(column[~absent].astype(np.float64))) <= _BINS:
        return np.array(["" if gone else str(value) for value, gone in zip(column, absent, strict=True)])
    numbers: Floats = np.where(absent, np.nan, column).astype(np.float64)
    trained = numbers[fit][~np.isnan(numbers[fit])]
    edges = np.unique(np.quantile(trained, np.arange(1, _BINS) / _BINS)) if len(trained) else np.empty(0)
    return np.where(absent, "", np.searchsorted(edges, numbers).astype(np.str_))


def _fit_and_predict(
    fit: NDArray[np.str_], truth: NDArray[Any], seen: NDArray[np.str_], *, classes: bool
) -> NDArray[Any]:
    """What a linear model of the names says about other rows."""
    try:
        from sklearn.linear_model import LogisticRegression, Ridge
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import OneHotEncoder
    except ModuleNotFoundError as error:
        raise MissingExtraError.for_extra("train", "scikit-learn") from error
    if classes and len(np.unique(truth)) == 1:
        return np.repeat(truth[:1], len(seen))
    model = LogisticRegression(class_weight="balanced", max_iter=1000) if classes else Ridge()
    reader = make_pipeline(OneHotEncoder(handle_unknown="ignore"), model)
    return np.asarray(reader.fit(fit, truth).predict(seen))
