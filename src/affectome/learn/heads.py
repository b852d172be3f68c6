"""Read-outs on frozen features: standardise, one matrix, one bias; fitted in closed form or by L-BFGS.

Every head minimises the weighted mean loss of its kind plus half the strength times the squared matrix over
standardised features; the bias is free. Needs the ``train`` extra (scipy, scikit-learn).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, softmax, xlogy

from affectome.errors import ModelError, UsageError
from affectome.evaluate.inputs import check_choice, group_positions
from affectome.evaluate.splits import folds
from affectome.learn.penalised import Floats, Kind, Rows, solve

Array = NDArray[np.float32]

_STRENGTHS = tuple(float(10**exponent) for exponent in np.arange(1.5, -5.5, -0.5))
_FOLDS = 4
_TOLERANCE = 1e-6  # while strengths are compared: their losses differ by far more
_SUM_TOLERANCE = 1e-3  # rows of float32 distributions miss 1 by their rounding
_SMALLEST = 1e-12  # floor of a probability under a logarithm


@dataclass(frozen=True, eq=False)
class Head:
    """A fitted read-out.

    Attributes:
        kind: What it gives: a ``choice`` among labels that exclude each other, the ``presence`` of each label, a number
            for each ``measure``, or the level of an ``ordinal`` scale.
        mean: ``(d,)`` subtracted from the features.
        scale: ``(d,)`` positive, divides them afterwards.
        matrix: ``(d, k)``; ``(d, 1)`` for ordinal.
        bias: ``(k,)``; ``(1,)`` zero for ordinal, whose cut points do its work.
        cuts: ``(levels - 1,)`` rising cut points of an ordinal head, empty for other kinds.
    """

    kind: Kind
    mean: Array
    scale: Array
    matrix: Array
    bias: Array
    cuts: Array = field(default_factory=lambda: np.zeros(0, np.float32))

    def scores(self, features: ArrayLike) -> Floats:
        """What the matrix gives for ``(n, d)`` features: logits, numbers, or ``(n, 1)`` places on an ordinal scale.

        Raises:
            UsageError: If the features do not fit or are not finite.
        """
        rows = _check_features(features)
        if rows.shape[1] != len(self.mean):
            raise UsageError(
                "The features have another width than those of the training.",
                code="shape_mismatch",
                value=rows.shape,
                allowed=(f"(n, {len(self.mean)})",),
            )
        return np.asarray(((rows - self.mean) / self.scale) @ self.matrix + self.bias, np.float64)

    def predict(self, features: ArrayLike) -> Floats:
        """Reads ``(n, d)`` features out.

        Returns:
            ``(n, k)``: probabilities that sum to 1 (choice; ordinal, one column a level), presences in 0 to 1, or
            numbers.

        Raises:
            UsageError: If the features do not fit or are not finite.
        """
        scores = self.scores(features)
        if self.kind == "choice":
            return np.asarray(softmax(scores, axis=1))
        if self.kind == "presence":
            return np.asarray(expit(scores))
        if self.kind == "ordinal":
            below = np.pad(expit(self.cuts - scores), ((0, 0), (1, 1)), constant_values=(0, 1))
            return np.diff(below, axis=1)
        return scores

    def state(self) -> dict[str, Array]:
        """The arrays of the head by name, all float32, for a safetensors file."""
        arrays = {"mean": self.mean, "scale": self.scale, "matrix": self.matrix, "bias": self.bias}
        return arrays | ({"cuts": self.cuts} if self.kind == "ordinal" else {})

    @classmethod
    def from_state(cls, state: Mapping[str, ArrayLike], kind: Kind) -> Head:
        """The head whose `state` this is.

        Raises:
            UsageError: If the kind is unknown.
            ModelError: If an array is absent, too many, or does not fit the others.
        """
        check_choice(kind, get_args(Kind), "kind")
        arrays = {name: np.asarray(values, np.float32) for name, values in state.items()}
        expected = {"mean", "scale", "matrix", "bias"} | ({"cuts"} if kind == "ordinal" else set())
        if set(arrays) != expected:
            raise ModelError(
                f"The arrays of a {kind} head are others.",
                code="bad_head",
                value=", ".join(sorted(arrays)),
                allowed=sorted(expected),
            )
        head = cls(kind, **arrays)
        d, k = head.matrix.shape if head.matrix.ndim == 2 else (-1, -1)
        shapes = (head.mean.shape, head.scale.shape, head.bias.shape)
        rising = head.cuts.ndim == 1 and (np.diff(head.cuts) >= 0).all() and (kind != "ordinal" or k == 1)
        if shapes != ((d,), (d,), (k,)) or not rising:
            raise ModelError(
                "The arrays of the head do not fit together.",
                code="bad_head",
                value={name: values.shape for name, values in arrays.items()},
            )
        return head


def fit_head(
    features: ArrayLike,
    targets: ArrayLike,
    *,
    kind: Kind,
    strength: float | None = None,
    weights: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    seed: int = 0,
) -> Head:
    """Fits a read-out.

    Args:
        features: ``(n, d)`` finite numbers.
        targets: ``(n, k)`` rows that sum to 1 for ``choice``, a row of NaN where unknown; ``(n, k)`` in 0 to 1, NaN
            where unknown, for ``presence``; ``(n, k)`` numbers, NaN where unknown, for ``measure``; ``(n,)`` whole
            levels from 0, NaN where unknown, for ``ordinal``.
        kind: Soft cross-entropy, binary cross-entropy, squared error, or the cumulative logit model (P. McCullagh,
            Journal of the Royal Statistical Society B 42, 1980).
        strength: Penalty, above 0; a weight of 2 counts as two rows. Chosen by `choose_strength` when absent.
        weights: ``(n,)`` 0 or more, the confidence in each row.
        groups: ``(n,)`` speaker, author or dialogue of each row, for the choice of the strength.
        seed: Seed of the folds for that choice.

    Returns:
        The head.

    Raises:
        UsageError: If shapes do not fit, a value is out of range, or nothing is known of a column.
        RunError: ``no_convergence`` if the optimum was not reached.
    """
    rows = _check_rows(features, targets, kind, weights, groups)
    if strength is None:
        strength = _choose(rows, kind, seed)
    if not (np.isfinite(strength) and strength > 0):
        raise UsageError("The strength must be above 0.", code="bad_strength", value=strength)
    return next(_fit(rows, kind, [strength]))


def choose_strength(
    features: ArrayLike,
    targets: ArrayLike,
    *,
    kind: Kind,
    weights: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    seed: int = 0,
) -> float:
    """The penalty with the least loss by cross-validation on the given rows, no group in two folds.

    The strengths are tried from strong to weak; a fold stops after the second rise of its loss in a row.

    Args:
        features: As `fit_head`.
        targets: As `fit_head`.
        kind: As `fit_head`.
        weights: As `fit_head`.
        groups: As `fit_head`; every row is its own group when absent.
        seed: Seed of the folds.

    Returns:
        The strength.

    Raises:
        UsageError: As `fit_head`, or if there is only one group.
        RunError: As `fit_head`.
    """
    return _choose(_check_rows(features, targets, kind, weights, groups), kind, seed)


def _choose(rows: Rows, kind: Kind, seed: int) -> float:
    count = min(_FOLDS, len(np.unique(rows.groups)))
    if count < 2:
        raise UsageError(
            "With one group the strength cannot be chosen by cross-validation.",
            code="too_few_groups",
            value=count,
            next_step="Give the strength.",
        )
    if kind == "measure":  # so that every column has a say, whatever its unit
        weight = rows.share @ rows.known
        variance = rows.share @ rows.targets**2 / weight - (rows.share @ rows.targets / weight) ** 2
        rows = rows._replace(targets=rows.targets / np.sqrt(np.where(variance > 0, variance, 1)))
    total = np.zeros(len(_STRENGTHS))
    for train, held in folds(len(rows.groups), count=count, groups=rows.groups, seed=seed):
        losses = np.full(len(_STRENGTHS), np.inf)
        for i, head in enumerate(_fit(rows.at(train), kind, _STRENGTHS, _TOLERANCE)):
            losses[i] = _held_out_loss(head, rows.at(held))
            if i >= 2 and losses[i] > losses[i - 1] > losses[i - 2]:
                break
        total += rows.share[held].sum() * losses
    return _STRENGTHS[int(total.argmin())]


def _held_out_loss(head: Head, rows: Rows) -> float:
    """Mean loss of the head's kind, over rows and, for kinds with columns of their own, known cells."""
    predicted = head.predict(rows.features)
    if head.kind in ("choice", "ordinal"):
        return float(-(rows.share @ (rows.targets * np.log(np.maximum(predicted, _SMALLEST))).sum(axis=1)))
    if head.kind == "presence":
        inside = np.clip(predicted, _SMALLEST, 1 - _SMALLEST)
        cells = -xlogy(rows.targets, inside) - xlogy(1 - rows.targets, 1 - inside)
    else:
        cells = (rows.targets - predicted) ** 2
    return float((rows.share @ (rows.known * cells)).sum())


def _fit(rows: Rows, kind: Kind, strengths: Sequence[float], tolerance: float = 1e-9) -> Iterator[Head]:
    """Heads for falling strengths, each started from the one before."""
    mean = (rows.share @ rows.features).astype(np.float32)
    scale = np.sqrt(rows.share @ (rows.features - mean) ** 2)
    # A column that is constant up to rounding tells nothing; dividing by its deviation would only amplify the rounding.
    scale = np.where(scale > 1e-6 * np.abs(mean), scale, 1).astype(np.float32)
    # From here on the statistics are the rounded ones of the head, so that rounding costs no accuracy.
    rows = rows._replace(features=(rows.features - mean) / scale)
    for matrix, rest in solve(rows, kind, strengths, tolerance):
        bias, cuts = (np.zeros(1), rest) if kind == "ordinal" else (rest, np.zeros(0))
        yield Head(kind, mean, scale, *(part.astype(np.float32) for part in (matrix, bias, cuts)))


def _check_features(features: ArrayLike) -> NDArray[np.floating]:
    try:
        rows = np.asarray(features)
        rows = rows if rows.dtype in (np.float32, np.float64) else rows.astype(np.float64)
    except (TypeError, ValueError):
        raise UsageError("The features must be numbers.", code="not_numbers", value=type(features).__name__) from None
    if rows.ndim != 2 or not rows.size:
        raise UsageError("The features need rows and columns.", code="shape_mismatch", value=rows.shape)
    if not np.isfinite(rows).all():
        row = int(np.flatnonzero(~np.isfinite(rows).all(axis=1))[0])
        raise UsageError("A feature is not a finite number.", code="not_finite", value=f"row {row}")
    return rows


def _check_rows(
    features: ArrayLike, targets: ArrayLike, kind: Kind, weights: ArrayLike | None, groups: ArrayLike | None
) -> Rows:
    check_choice(kind, get_args(Kind), "kind")
    rows = _check_features(features).astype(np.float64)
    n = len(rows)
    values = check_targets(targets, kind, n)
    share = np.ones(n) if weights is None else np.asarray(weights, np.float64)
    if share.shape != (n,) or not np.isfinite(share).all() or (share < 0).any():
        raise UsageError("The weights must be one number a row, 0 or more.", code="bad_weights", value=share.shape)
    place = np.arange(n) if groups is None else group_positions(groups, n)
    known = ~np.isnan(values)
    kept = np.flatnonzero(known.any(axis=1) & (share > 0))
    values, known = values[kept], known[kept]
    if not known.any(axis=0).all():
        column = int(np.flatnonzero(~known.any(axis=0))[0]) if len(kept) else 0
        raise UsageError("Nothing is known of a column of the targets.", code="no_targets", value=f"column {column}")
    return Rows(
        rows[kept], np.where(known, values, 0.0), known.astype(np.float64), share[kept] / share[kept].sum(), place[kept]
    )


def check_targets(targets: ArrayLike, kind: Kind, n: int) -> Floats:
    """Targets of ``n`` rows as `fit_head` takes them, checked.

    Returns:
        ``(n, k)``, NaN where unknown; levels of a scale become rows with a single 1.

    Raises:
        UsageError: If the shape or a value does not fit the kind.
    """
    try:
        values = np.asarray(targets, np.float64)
    except (TypeError, ValueError):
        raise UsageError("The targets must be numbers.", code="not_numbers", value=type(targets).__name__) from None
    shape = (n,) if kind == "ordinal" else (n, *values.shape[1:2])
    if values.shape != shape or values.ndim != (1 if kind == "ordinal" else 2) or not values.size:
        raise UsageError(
            "The targets do not fit the features or the kind.",
            code="shape_mismatch",
            value=values.shape,
            allowed=(f"({n},)" if kind == "ordinal" else f"({n}, k)",),
        )
    known = values[~np.isnan(values)]
    if not np.isfinite(known).all():
        raise UsageError("A target is infinite.", code="not_finite", next_step="Use NaN for unknown targets.")
    if kind == "ordinal":
        if ((known < 0) | (known != np.floor(known))).any() or known.max(initial=0) < 1:
            raise UsageError(
                "Levels must be whole numbers from 0, at least two.", code="bad_levels", value=known.max(initial=0)
            )
        levels = np.arange(known.max() + 1)
        return np.where(np.isnan(values)[:, None], np.nan, (values[:, None] == levels).astype(np.float64))
    if kind != "measure" and ((known < 0) | (known > 1)).any():
        raise UsageError("The targets must lie in 0 to 1.", code="not_a_probability", value=known.max())
    if kind == "choice":
        total = values.sum(axis=1)
        partly = np.isnan(total) != np.isnan(values).all(axis=1)
        wrong = partly | (np.abs(total - 1) > _SUM_TOLERANCE)
        if wrong.any():
            raise UsageError(
                "Each row of the targets must sum to 1 or be unknown altogether.",
                code="not_a_distribution",
                value=f"row {int(np.flatnonzero(wrong)[0])}",
            )
        return np.asarray(values / total[:, None])
    return values
