"""Values and claims from outputs: metrics with intervals, and whether one output is better than another."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from affectome.errors import UsageError
from affectome.evaluate import Interval, bootstrap, paired_bootstrap
from affectome.studies.study import Claim, Comparison

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from affectome.evaluate.intervals import Metric, Output

RESAMPLES = 1000


def measure(
    metrics: Mapping[str, Metric],
    *,
    truth: ArrayLike,
    seed: int,
    prediction: ArrayLike | None = None,
    probability: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    resamples: int = RESAMPLES,
) -> dict[str, Interval]:
    """The values of a row: every metric that the given outputs allow, with its bootstrap interval.

    Args:
        metrics: Metrics by column; each takes ``truth=`` and ``prediction=`` or ``probability=``. A metric whose output
            is not given is left out.
        truth: ``n`` rows.
        seed: Seed of the draws.
        prediction: ``n`` labels or numbers.
        probability: ``n`` scores or rows of probabilities.
        groups: ``(n,)`` speaker, author or dialogue of each item; groups are drawn whole.
        resamples: Number of resamples.

    Returns:
        Intervals by column.

    Raises:
        UsageError: No metric takes what is given, or one refuses it.
    """
    outputs: dict[str, Any] = {"prediction": prediction, "probability": probability}
    taken = {column: output_of(metric) for column, metric in metrics.items()}
    values = {
        column: bootstrap(
            metrics[column], seed=seed, resamples=resamples, groups=groups, truth=truth, **{output: outputs[output]}
        )
        for column, output in taken.items()
        if outputs[output] is not None
    }
    if not values:
        raise UsageError(
            "No metric takes the outputs that are given.",
            code="no_output",
            value=[name for name, output in outputs.items() if output is not None],
            allowed=sorted(set(taken.values())),
        )
    return values


def output_of(metric: Metric) -> Output:
    """Whether a metric takes ``"prediction"`` or ``"probability"``.

    Raises:
        UsageError: It takes neither.
    """
    parameters = inspect.signature(metric).parameters
    for output in ("prediction", "probability"):
        if output in parameters:
            return output
    raise UsageError(
        "A metric must take prediction= or probability=.",
        code="not_a_metric",
        value=getattr(metric, "__name__", metric),
        allowed=("prediction", "probability"),
    )


def divergences(truth: NDArray[Any], probability: NDArray[Any]) -> NDArray[np.float64]:
    """Kullback–Leibler divergence of each row of outputs from the truth, both ``(n, k)``, in nats."""
    from scipy.special import rel_entr

    return np.asarray(rel_entr(truth.astype(np.float64), probability).sum(axis=1))


def claim_value(text: str, measured: Interval, comparison: Comparison, threshold: float) -> Claim:
    """The claim that a measured value itself clears a threshold; its interval is shown beside it."""
    return Claim(text, measured.value, threshold, comparison, measured)


def claim_end(text: str, measured: Interval, comparison: Comparison, threshold: float = 0.0) -> Claim:
    """The claim that the whole interval clears a threshold: its lower end for > and >=, its upper end for < and <=."""
    return Claim(text, measured.low if comparison.startswith(">") else measured.high, threshold, comparison, measured)


def claim_difference(
    text: str,
    metric: Metric,
    *,
    truth: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    comparison: Comparison,
    threshold: float = 0.0,
    by: Literal["value", "interval"] = "interval",
    seed: int,
    groups: ArrayLike | None = None,
    resamples: int = RESAMPLES,
) -> Claim:
    """A claim about ``metric(first) - metric(second)`` on the same items.

    Args:
        text: What is claimed.
        metric: As in `measure`.
        truth: ``n`` rows.
        first: Outputs of one predictor.
        second: Outputs of the other.
        comparison: How the difference has to stand to the threshold.
        threshold: What the difference is compared with.
        by: Whether the difference itself or its whole interval has to clear the threshold.
        seed: Seed of the draws.
        groups: ``(n,)`` group of each item; groups are drawn whole.
        resamples: Number of resamples.

    Raises:
        UsageError: As in `output_of` and `paired_bootstrap`.
    """
    difference = paired_bootstrap(
        metric,
        truth=truth,
        first=first,
        second=second,
        seed=seed,
        output=output_of(metric),
        resamples=resamples,
        groups=groups,
    )
    return (claim_value if by == "value" else claim_end)(text, difference, comparison, threshold)
