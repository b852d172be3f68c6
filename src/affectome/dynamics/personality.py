"""Personality as a gain: the same event moves two characters by different amounts.

The Big Five give a temperament in pleasure, arousal and dominance (A. Mehrabian, Current Psychology 14, 1996), a learnt
map turns the temperament into one gain an axis, and the change that an utterance calls for is multiplied by it before
it moves the state (Z. Wen et al., Findings of ACL 2021, arXiv 2106.15846).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affectome.errors import UsageError

Floats = NDArray[np.float64]

# Rows: pleasure (valence), arousal, dominance. Columns: openness, conscientiousness, extraversion, agreeableness,
# neuroticism, which stands where Mehrabian has emotional stability, as in the published transition.
_TEMPERAMENT = np.array([[0, 0, 0.21, 0.59, 0.19], [0.15, 0, 0, 0.30, -0.57], [0.25, 0.17, 0.60, -0.32, 0]])


@dataclass(frozen=True)
class BigFive:
    """Strength of five traits, each in [0, 1].

    Raises:
        UsageError: ``bad_trait`` if one is out of range.
    """

    openness: float
    conscientiousness: float
    extraversion: float
    agreeableness: float
    neuroticism: float

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 <= value <= 1:
                raise UsageError(
                    f"The strength of {name} is out of range.", code="bad_trait", value=value, allowed=("[0, 1]",)
                )

    def temperament(self) -> Floats:
        """Valence, arousal and dominance ``(3,)`` of the traits by Mehrabian's weights."""
        return np.asarray(_TEMPERAMENT @ astuple(self))


@dataclass(frozen=True, eq=False)
class PersonalityTransition:
    """How a personality moves from one affect to the next.

    Attributes:
        gain_map: ``(3, 3)`` learnt map from the temperament to the gain of each axis; none at all by default.
        gain_bias: ``(3,)`` gain of a temperament of zeros.
    """

    gain_map: Floats = field(default_factory=lambda: np.eye(3))
    gain_bias: Floats = field(default_factory=lambda: np.zeros(3))

    def __post_init__(self) -> None:
        if self.gain_map.shape != (3, 3) or self.gain_bias.shape != (3,):
            raise UsageError(
                "A personality's gain needs a map of three axes and their bias.",
                code="shape_mismatch",
                value=f"{self.gain_map.shape}, {self.gain_bias.shape}",
                allowed=("(3, 3), (3,)",),
            )

    def gain(self, personality: BigFive) -> Floats:
        """By how much ``(3,)`` a change counts on each axis."""
        return np.asarray(self.gain_map @ personality.temperament() + self.gain_bias)

    def after(self, affect: ArrayLike, change: ArrayLike, personality: BigFive) -> Floats:
        """The affect after a change that an utterance calls for.

        Args:
            affect: ``(..., 3)`` valence, arousal and dominance before.
            change: ``(..., 3)`` change before the personality has its say.
            personality: Whose affect it is.

        Returns:
            ``(..., 3)``; not kept within [-1, 1], so that what learns from it keeps its gradient.
        """
        return np.asarray(affect, np.float64) + np.asarray(change, np.float64) * self.gain(personality)


def nearest_anchor(points: ArrayLike, anchors: ArrayLike, labels: Sequence[str]) -> list[str]:
    """The label whose anchor is nearest to each point; the first of equals.

    Args:
        points: ``(n, d)`` places.
        anchors: ``(k, d)`` place of each label.
        labels: ``k`` labels.

    Raises:
        UsageError: ``shape_mismatch`` if the three do not fit.
    """
    where, places = np.asarray(points, np.float64), np.asarray(anchors, np.float64)
    if where.ndim != 2 or places.shape != (len(labels), where.shape[1]):
        raise UsageError(
            "Points, anchors and labels do not fit together.",
            code="shape_mismatch",
            value=f"{where.shape}, {places.shape}, {len(labels)} labels",
        )
    distance = ((where[:, None] - places) ** 2).sum(axis=2)
    return [labels[i] for i in distance.argmin(axis=1)]
