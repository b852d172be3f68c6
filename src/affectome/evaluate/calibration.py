"""Calibration: whether things said with probability p happen in a share p of the cases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affectome.errors import UsageError
from affectome.evaluate.inputs import Floats, Score, check_choice, check_presence, check_ranked

Binning = Literal["width", "mass"]

_BINNINGS: tuple[Binning, ...] = ("width", "mass")


@dataclass(frozen=True, eq=False)
class Reliability:
    """A reliability curve; arrays have one entry a bin, bins go from low to high probability.

    Attributes:
        lower: Lower edge, included.
        upper: Upper edge, included in the last bin only.
        count: Answers in the bin.
        confidence: Their mean probability; NaN for an empty bin.
        frequency: Share of them that was right; NaN for an empty bin.
        ece: Expected calibration error, the mean of ``|frequency - confidence|`` weighted by count.
        mce: Largest such difference.
        n: Answers scored: cells for presence, items for the top label.
        missing: Those whose truth is absent.
        abstained: Those with a known truth and no probability.
    """

    lower: Floats
    upper: Floats
    count: NDArray[np.int64]
    confidence: Floats
    frequency: Floats
    ece: float
    mce: float
    n: int
    missing: int
    abstained: int


def reliability(*, truth: ArrayLike, probability: ArrayLike, bins: int = 15, binning: Binning = "width") -> Reliability:
    """The reliability curve of presence probabilities, all labels pooled, or of the top label.

    Args:
        truth: 0, 1 or NaN in the shape of ``probability`` (presence); or ``(n,)`` column numbers of the true label
            beside ``(n, k)`` probabilities that exclude each other (top label).
        probability: ``(n,)`` or ``(n, k)`` in 0 to 1, NaN for abstained.
        bins: Number of bins, 1 or more.
        binning: ``"width"`` cuts 0 to 1 into equal steps; ``"mass"`` puts equally many answers in each bin, with fewer
            bins where many probabilities are equal.

    Returns:
        The curve and its errors. With many rare labels nearly all pooled answers are confident denials, which makes the
        error small; look at single labels too.

    Raises:
        UsageError: If shapes do not fit, the truth is not 0 or 1, a probability is outside 0 to 1, or ``bins`` or
            ``binning`` is not valid.
    """
    check_choice(binning, _BINNINGS, "binning")
    if bins < 1:
        raise UsageError("There must be at least one bin.", code="bad_bins", value=bins)
    if np.ndim(truth) == 1 and np.ndim(probability) == 2:
        codes, rows, missing, abstained = check_ranked(truth, probability, None)
        if ((rows < 0) | (rows > 1)).any():
            raise UsageError("The probability must lie in 0 to 1.", code="not_a_probability", value=rows.max())
        confidence, right = rows.max(axis=1), (rows.argmax(axis=1) == codes).astype(np.float64)
    else:
        pairs = check_presence(truth, probability, bounded=True)
        confidence, right = pairs.output[pairs.used], pairs.truth[pairs.used]
        missing, abstained = pairs.missing, pairs.abstained
    edges = np.linspace(0, 1, bins + 1)
    if binning == "mass" and len(confidence):
        inner = np.sort(confidence)[np.arange(1, bins) * len(confidence) // bins]
        edges = np.unique(np.concatenate([[0.0], inner, [1.0]]))
    place = np.searchsorted(edges[1:-1], confidence, side="right")
    count = np.bincount(place, minlength=len(edges) - 1)
    filled = np.where(count > 0, count, np.nan)
    mean = np.bincount(place, weights=confidence, minlength=len(count)) / filled
    frequency = np.bincount(place, weights=right, minlength=len(count)) / filled
    gap = np.abs(frequency - mean)[count > 0]
    n = len(confidence)
    return Reliability(
        lower=edges[:-1],
        upper=edges[1:],
        count=count,
        confidence=mean,
        frequency=frequency,
        ece=float(gap @ count[count > 0] / n) if n else float("nan"),
        mce=float(gap.max()) if n else float("nan"),
        n=n,
        missing=missing,
        abstained=abstained,
    )


def ece(*, truth: ArrayLike, probability: ArrayLike, bins: int = 15, binning: Binning = "width") -> Score:
    """Expected calibration error of `reliability` with the same arguments.

    Args:
        truth: 0, 1 or NaN in the shape of ``probability``, or ``(n,)`` column numbers of the true label.
        probability: ``(n,)`` or ``(n, k)`` in 0 to 1, NaN for abstained.
        bins: Number of bins, 1 or more.
        binning: ``"width"`` or ``"mass"``.

    Returns:
        0 to 1.

    Raises:
        UsageError: As `reliability`.

    Source: C. Guo and others, On Calibration of Modern Neural Networks (2017), for the top label.
    """
    curve = reliability(truth=truth, probability=probability, bins=bins, binning=binning)
    return Score(curve.ece, curve.n, curve.missing, curve.abstained)
