"""Several axes read from the same features, some of which exist only where another axis has a certain label.

Needs the ``train`` extra (scipy, scikit-learn).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affectome.errors import ModelError, UsageError
from affectome.learn.heads import Array, Head, check_targets, fit_head
from affectome.learn.penalised import Floats, Kind

_PRESENT = 0.5


class Targets(NamedTuple):
    """What is known of one axis.

    Attributes:
        values: As ``affectome.learn.heads.fit_head`` takes them for the kind.
        kind: Kind of the head.
        labels: Names of the columns, for ordinal of the levels.
    """

    values: ArrayLike
    kind: Kind
    labels: tuple[str, ...]


@dataclass(frozen=True)
class FacetSchema:
    """The axes and which of them requires what.

    Attributes:
        kinds: Kind of each axis.
        labels: Labels of each axis.
        requires: For an axis that does not always exist, the other axis and the label that axis must have.

    Raises:
        UsageError: If an axis or a label is unknown, a number is required, or axes require each other in a circle.
    """

    kinds: Mapping[str, Kind]
    labels: Mapping[str, tuple[str, ...]]
    requires: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for axis, (parent, label) in self.requires.items():
            for name in (axis, parent):
                if name not in self.kinds:
                    raise UsageError("An axis is not known.", code="unknown_facet", value=name, allowed=[*self.kinds])
            if label not in self.labels[parent] or self.kinds[parent] == "measure":
                raise UsageError(
                    f"The axis {axis!r} requires a label that {parent!r} does not have.",
                    code="unknown_label",
                    value=label,
                    allowed=() if self.kinds[parent] == "measure" else self.labels[parent],
                )
            self._chain(axis)

    @property
    def order(self) -> tuple[str, ...]:
        """The axes, each after the one it requires."""
        return tuple(sorted(self.kinds, key=lambda axis: len(self._chain(axis))))

    def _chain(self, axis: str) -> list[str]:
        """The axes that must have a label before this one exists, nearest first."""
        chain: list[str] = []
        while axis in self.requires:
            axis = self.requires[axis][0]
            if axis in chain:
                raise UsageError("The axes require each other in a circle.", code="facet_circle", value=axis)
            chain.append(axis)
        return chain


@dataclass(frozen=True, eq=False)
class FacetHeads:
    """One fitted head an axis.

    Attributes:
        schema: The axes.
        heads: The head of each.
    """

    schema: FacetSchema
    heads: Mapping[str, Head]

    def predict(self, features: ArrayLike) -> dict[str, Floats]:
        """Reads ``(n, d)`` features out.

        Returns:
            For each axis ``(n, k)`` as `Head.predict` gives them. A row is NaN where the axis does not exist: where the
            required label is not the most probable one of its axis, for presence not more probable than its absence.

        Raises:
            UsageError: If the features do not fit or are not finite.
        """
        found: dict[str, Floats] = {}
        for axis in self.schema.order:
            values = self.heads[axis].predict(features)
            if axis in self.schema.requires:
                parent, label = self.schema.requires[axis]
                column = self.schema.labels[parent].index(label)
                values[~_has(found[parent], column, self.schema.kinds[parent])] = np.nan
            found[axis] = values
        return {axis: found[axis] for axis in self.schema.kinds}

    def state(self) -> dict[str, Array]:
        """The arrays of all heads, float32, named ``axis/array``."""
        return {f"{axis}/{name}": array for axis, head in self.heads.items() for name, array in head.state().items()}

    @classmethod
    def from_state(cls, state: Mapping[str, ArrayLike], schema: FacetSchema) -> FacetHeads:
        """The heads whose `state` this is.

        Raises:
            ModelError: If arrays are absent, too many, or do not fit together or the schema.
        """
        arrays: dict[str, dict[str, ArrayLike]] = {axis: {} for axis in schema.kinds}
        for name, array in state.items():
            axis, _, part = name.rpartition("/")
            if axis not in arrays:
                raise ModelError("An array belongs to no axis.", code="bad_head", value=name, allowed=[*schema.kinds])
            arrays[axis][part] = array
        heads = {axis: Head.from_state(parts, schema.kinds[axis]) for axis, parts in arrays.items()}
        for axis, head in heads.items():
            columns = len(head.cuts) + 1 if head.kind == "ordinal" else len(head.bias)
            if columns != len(schema.labels[axis]):
                raise ModelError(f"The head of {axis!r} has another number of labels.", code="bad_head", value=columns)
        return cls(schema, heads)


def fit_facets(
    features: ArrayLike,
    facets: Mapping[str, Targets],
    requires: Mapping[str, tuple[str, str]] | None = None,
    *,
    strength: float | None = None,
    weights: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    seed: int = 0,
) -> FacetHeads:
    """Fits a head for every axis.

    An axis that requires a label of another learns from a row as much as that label applies to it, e.g. by the share of
    raters who gave it: not at all where the label is absent or unknown, whatever the targets of the axis say there.

    Args:
        features: ``(n, d)`` finite numbers.
        facets: Targets by axis.
        requires: From an axis to the other axis and the label that axis must have.
        strength: As ``affectome.learn.heads.fit_head``; chosen for each axis when absent.
        weights: ``(n,)`` 0 or more, the confidence in each row.
        groups: ``(n,)`` group of each row, for the choice of the strength.
        seed: Seed of the folds for that choice.

    Returns:
        The heads.

    Raises:
        UsageError: As ``fit_head`` and `FacetSchema`, or if the labels do not fit the targets.
        RunError: ``no_convergence`` if an optimum was not reached.
    """
    n = len(np.asarray(features))
    values = {axis: check_targets(targets.values, targets.kind, n) for axis, targets in facets.items()}
    for axis, targets in facets.items():
        if values[axis].shape[1] != len(targets.labels):
            raise UsageError(
                f"The targets of the axis {axis!r} do not fit its labels.",
                code="shape_mismatch",
                value=values[axis].shape[1],
                allowed=(str(len(targets.labels)),),
            )
    schema = FacetSchema(
        {axis: targets.kind for axis, targets in facets.items()},
        {axis: targets.labels for axis, targets in facets.items()},
        dict(requires or {}),
    )
    confidence = {axis: np.ones(n) if weights is None else np.asarray(weights, np.float64) for axis in facets}
    heads = {}
    for axis in schema.order:
        if axis in schema.requires:
            parent, label = schema.requires[axis]
            applies = np.nan_to_num(values[parent][:, schema.labels[parent].index(label)])
            confidence[axis] = confidence[parent] * applies
            if not (confidence[axis] * ~np.isnan(values[axis]).all(axis=1)).any():
                raise UsageError(
                    f"Nothing is known of the axis {axis!r} where {parent!r} is {label!r}.",
                    code="no_targets",
                    value=axis,
                )
        heads[axis] = fit_head(
            features,
            facets[axis].values,
            kind=facets[axis].kind,
            strength=strength,
            weights=confidence[axis],
            groups=groups,
            seed=seed,
        )
    return FacetHeads(schema, {axis: heads[axis] for axis in facets})


def _has(values: Floats, column: int, kind: Kind) -> NDArray[np.bool_]:
    """Where a label holds by predicted values (n, k); NaN, an axis that does not exist, has no label."""
    if kind == "presence":
        return np.asarray(values[:, column] > _PRESENT)
    return np.asarray(values[:, column] >= values.max(axis=1))
