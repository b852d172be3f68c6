"""One probability a label: uncertainty, best labels, divergence between two readings, and their blend.

Over labels that exclude each other the probabilities are one categorical distribution. Over labels that may be present
together they are one yes-or-no distribution a label, taken as independent: entropies and divergences are then the sums
over the labels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affectome.affect.taxonomy import Taxonomy
from affectome.errors import UsageError

# float32 probabilities of many labels add up to one only to within this.
_TOLERANCE = 1e-3


def label_entropy(probabilities: ArrayLike, *, exclusive: bool) -> NDArray[np.float64]:
    """Shannon entropy in nats along the last axis.

    Args:
        probabilities: Values in [0, 1], shape ``(..., n_labels)``.
        exclusive: True if the labels exclude each other: the entropy of their distribution, in [0, ln n]. False if
            each is present or absent by itself: the sum of the labels' binary entropies, in [0, n ln 2].

    Returns:
        The entropies, shape ``(...)``.
    """
    p = _outcomes(np.asarray(probabilities, dtype=np.float64), exclusive=exclusive)
    return np.asarray(_p_log_ratio(p, np.ones_like(p)).sum(axis=(-2, -1)) * -1.0 + 0.0)


@dataclass(frozen=True, eq=False)
class LabelDistribution:
    """Probabilities over the labels of a taxonomy.

    Args:
        taxonomy: The labels, and whether they exclude each other.
        probabilities: Values in [0, 1] in the order of the labels, shape ``(len(taxonomy),)``; they sum to 1 if the
            labels exclude each other. Kept as they are, never rescaled.

    Raises:
        UsageError: ``invalid_probabilities`` if the shape, a value or the sum does not fit.
    """

    taxonomy: Taxonomy
    probabilities: NDArray[np.float64]

    def __post_init__(self) -> None:
        p = np.array(self.probabilities, dtype=np.float64)
        if p.shape != (len(self.taxonomy),):
            problem = f"there must be {len(self.taxonomy)} values, the shape is {p.shape}"
        elif not ((p >= 0) & (p <= 1 + _TOLERANCE)).all():
            problem = "a value is missing or outside [0, 1]"
        elif self.taxonomy.exclusive and abs(p.sum() - 1) > _TOLERANCE:
            problem = f"the labels exclude each other, yet their probabilities sum to {p.sum():.4g}"
        else:
            p = np.minimum(p, 1.0)
            p.setflags(write=False)
            object.__setattr__(self, "probabilities", p)
            return
        raise UsageError(
            f"This is no distribution over {self.taxonomy.id!r}: {problem}.",
            code="invalid_probabilities",
            value=p.shape,
            next_step="Give one probability a label, in the order of the taxonomy.",
        )

    @property
    def entropy(self) -> float:
        """Entropy in nats, see `label_entropy`."""
        return float(label_entropy(self.probabilities, exclusive=self.taxonomy.exclusive))

    @property
    def top(self) -> str:
        """The most probable label, the first of the taxonomy among equals."""
        return self.taxonomy.labels[int(self.probabilities.argmax())]

    def n_best(self, n: int) -> list[tuple[str, float]]:
        """The ``n`` most probable labels with their probabilities, best first, equals in the order of the taxonomy.

        Raises:
            UsageError: ``invalid_count`` if ``n`` is not between 1 and the number of labels.
        """
        if not 1 <= n <= len(self.taxonomy):
            raise UsageError(
                f"{self.taxonomy.id!r} has {len(self.taxonomy)} labels, so it has no {n} best.",
                code="invalid_count",
                value=n,
                next_step=f"Ask for 1 to {len(self.taxonomy)} labels.",
            )
        order = np.argsort(-self.probabilities, kind="stable")[:n]
        return [(self.taxonomy.labels[i], float(self.probabilities[i])) for i in order]

    def kl(self, other: LabelDistribution) -> float:
        """Kullback-Leibler divergence from ``other`` to this distribution, sum of p ln(p/q), in nats.

        Infinite where ``other`` rules out what this one holds possible.

        Raises:
            UsageError: ``taxonomy_mismatch`` if the two are over different labels.
        """
        self._require_same_labels(other)
        return _at_least_zero(_p_log_ratio(self._outcomes(), other._outcomes()).sum())

    def js(self, other: LabelDistribution) -> float:
        """Jensen-Shannon divergence in nats, symmetric and at most ln 2.

        The bound is ln 2 for each label if the labels do not exclude each other.

        Raises:
            UsageError: ``taxonomy_mismatch`` if the two are over different labels.
        """
        self._require_same_labels(other)
        p, q = self._outcomes(), other._outcomes()
        both = p + q  # twice the mixture; halving it first would lose the smallest probabilities
        return _at_least_zero((_p_log_ratio(p, both) + _p_log_ratio(q, both) + both * np.log(2)).sum() / 2)

    def blend(self, other: LabelDistribution, weight: float = 0.5) -> LabelDistribution:
        """The mixture ``(1 - weight) * self + weight * other``.

        Args:
            other: Distribution over the same labels.
            weight: Share of ``other``, in [0, 1].

        Raises:
            UsageError: ``taxonomy_mismatch``, or ``invalid_weight`` if the weight is outside [0, 1].
        """
        self._require_same_labels(other)
        if not 0 <= weight <= 1:
            raise UsageError(
                f"The weight of a blend lies between 0 and 1, not at {weight:g}.",
                code="invalid_weight",
                value=weight,
                next_step="Give the share of the other distribution.",
            )
        return LabelDistribution(self.taxonomy, (1 - weight) * self.probabilities + weight * other.probabilities)

    def _outcomes(self) -> NDArray[np.float64]:
        return _outcomes(self.probabilities, exclusive=self.taxonomy.exclusive)

    def _require_same_labels(self, other: LabelDistribution) -> None:
        mine, theirs = self.taxonomy, other.taxonomy
        if mine.labels != theirs.labels or mine.exclusive != theirs.exclusive:
            raise UsageError(
                f"One distribution is over {mine.id!r}, the other over {theirs.id!r}.",
                code="taxonomy_mismatch",
                value=theirs.id,
                allowed=(mine.id,),
                next_step="Map one of them first, see map_labels.",
            )


def _outcomes(p: NDArray[np.float64], *, exclusive: bool) -> NDArray[np.float64]:
    """Probabilities of all outcomes, shape ``(..., questions, outcomes)``: one question of n, or n yes-or-no ones."""
    return p[..., None, :] if exclusive else np.stack([p, 1.0 - p], axis=-1)


def _p_log_ratio(p: NDArray[np.float64], q: NDArray[np.float64]) -> NDArray[np.float64]:
    """The terms p ln(p/q): 0 where p is 0 and infinite where only q is."""
    possible = p > 0
    with np.errstate(divide="ignore"):
        log_p, log_q = (np.log(x, out=np.zeros_like(p), where=possible) for x in (p, q))
    return np.asarray(p * (log_p - log_q))


def _at_least_zero(divergence: np.float64) -> float:
    """Rounding can push the divergence of nearly equal distributions a hair below zero."""
    return max(float(divergence), 0.0)
