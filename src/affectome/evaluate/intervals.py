"""Intervals: by bootstrap of any metric, of means and of differences between two readers; over seeds by t."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, SupportsFloat

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affectome.errors import MissingExtraError, UsageError
from affectome.evaluate.inputs import check_choice, check_columns, group_positions

Metric = Callable[..., SupportsFloat]
Output = Literal["prediction", "probability"]

_CHUNK = 2_000_000
"""Resampled positions held at a time, 16 MB."""


@dataclass(frozen=True)
class Interval:
    """A value with its percentile bootstrap interval.

    Attributes:
        value: The metric on all items.
        low: Lower end.
        high: Upper end; both ends are NaN if the metric is undefined in every resample.
        level: Share of the resamples inside.
        resamples: Resamples drawn.
        undefined: Resamples in which the metric is undefined, left out of the interval.
        seed: Seed of the draws.
    """

    value: float
    low: float
    high: float
    level: float
    resamples: int
    undefined: int
    seed: int


@dataclass(frozen=True)
class SeedScores:
    """A score over repetitions that differ in their seed alone.

    Attributes:
        values: The score of each seed, in the order of the seeds.
        mean: Their mean.
        sd: Their standard deviation, with n - 1.
        low: Lower end of the t interval of the mean.
        high: Upper end.
        level: Confidence level of the interval.
        seeds: The seeds.
    """

    values: tuple[float, ...]
    mean: float
    sd: float
    low: float
    high: float
    level: float
    seeds: tuple[int, ...]


def bootstrap(
    metric: Metric,
    *,
    seed: int,
    resamples: int = 1000,
    level: float = 0.95,
    groups: ArrayLike | None = None,
    **arrays: ArrayLike,
) -> Interval:
    """The interval of a metric under resampling of items, or of whole groups.

    Args:
        metric: Called with ``arrays`` by keyword; `functools.partial` fixes its options.
        seed: Seed of the draws.
        resamples: Number of resamples.
        level: Share of the resamples inside the interval, between 0 and 1.
        groups: ``(n,)`` speaker, dialogue or series of each item. Items of a group are not independent, so groups are
            drawn whole.
        **arrays: What the metric takes, ``n`` rows each, e.g. ``truth=`` and ``prediction=``.

    Returns:
        The interval.

    Raises:
        UsageError: If the arrays differ in length or are empty, or an option is out of range.
    """
    columns, n = check_columns(arrays)
    values = [
        float(metric(**{name: column[chosen] for name, column in columns.items()}))
        for chosen in _resamples(n, groups, resamples, seed)
    ]
    return _interval(float(metric(**columns)), np.array(values), level, seed)


def paired_bootstrap(
    metric: Metric,
    *,
    truth: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    seed: int,
    output: Output = "prediction",
    resamples: int = 1000,
    level: float = 0.95,
    groups: ArrayLike | None = None,
) -> Interval:
    """The interval of ``metric(first) - metric(second)``, both on the same resampled items.

    Args:
        metric: Called with ``truth=`` and the argument named by ``output``.
        truth: ``n`` rows.
        first: Outputs of one reader, ``n`` rows.
        second: Outputs of the other reader, ``n`` rows.
        seed: Seed of the draws.
        output: Name of the argument in which the metric takes outputs.
        resamples: Number of resamples.
        level: Share of the resamples inside the interval, between 0 and 1.
        groups: ``(n,)`` group of each item; groups are drawn whole.

    Returns:
        The interval; the readers differ where it excludes 0.

    Raises:
        UsageError: If the arrays differ in length or are empty, or an option is out of range.
    """
    return bootstrap(
        paired_difference(metric, output),
        seed=seed,
        resamples=resamples,
        level=level,
        groups=groups,
        truth=truth,
        first=first,
        second=second,
    )


def bootstrap_mean(
    values: ArrayLike,
    *,
    seed: int,
    resamples: int = 1000,
    level: float = 0.95,
    groups: ArrayLike | None = None,
) -> Interval:
    """The interval of a mean, without a call of a metric in each resample: for large tables.

    Args:
        values: ``(n,)`` one finite number an item, e.g. its valence or whether it was read right.
        seed: Seed of the draws.
        resamples: Number of resamples.
        level: Share of the resamples inside the interval, between 0 and 1.
        groups: ``(n,)`` group of each item; groups are drawn whole.

    Returns:
        The interval.

    Raises:
        UsageError: If there are no values, one is not finite, lengths differ, or an option is out of range.
    """
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.ndim != 1 or not np.isfinite(numbers).all():
        raise UsageError(
            "A mean needs one finite number an item.",
            code="not_finite",
            value=numbers.shape,
            next_step="Leave absent values out and report how many they are.",
        )
    check_columns({"values": numbers})
    place = np.arange(len(numbers)) if groups is None else group_positions(groups, len(numbers))
    total, size = np.bincount(place, weights=numbers), np.bincount(place)
    means = [
        total[draws].sum(axis=1) / size[draws].sum(axis=1)
        for draws in _draws(len(total), _check_resamples(resamples), seed)
    ]
    return _interval(float(numbers.mean()), np.concatenate(means), level, seed)


def over_seeds(
    run: Callable[[int], SupportsFloat],
    seeds: Sequence[int],
    *,
    level: float = 0.95,
    bounds: tuple[float, float] = (-math.inf, math.inf),
) -> SeedScores:
    """Repeats a run with several seeds.

    The interval is about the chance in training, not about the choice of test items; `bootstrap` is about that.

    Args:
        run: From a seed to a score.
        seeds: Two or more different seeds.
        level: Confidence level, between 0 and 1.
        bounds: Range of the score, to which the interval is cut: the t interval of few seeds knows none.

    Returns:
        All scores with the t interval of their mean; everything but ``values`` is NaN if one of the scores is.

    Raises:
        UsageError: If there are fewer than two seeds, one is repeated, or the level is out of range.
        MissingExtraError: If SciPy is not installed.
    """
    if len(seeds) < 2 or len(set(seeds)) < len(seeds):
        raise UsageError("There must be two or more different seeds.", code="bad_seeds", value=list(seeds))
    check_level(level)
    try:
        from scipy.special import stdtrit
    except ModuleNotFoundError as error:
        raise MissingExtraError.for_extra("train", "scipy") from error
    values = np.array([float(run(seed)) for seed in seeds])
    mean, sd = float(values.mean()), float(values.std(ddof=1))
    half = float(stdtrit(len(values) - 1, (1 + level) / 2)) * sd / len(values) ** 0.5
    low, high = float(np.maximum(mean - half, bounds[0])), float(np.minimum(mean + half, bounds[1]))
    return SeedScores(tuple(values.tolist()), mean, sd, low, high, level, tuple(seeds))


def paired_difference(metric: Metric, output: Output) -> Metric:
    """A metric of ``truth=``, ``first=`` and ``second=``: how much better the first output scores.

    Args:
        metric: Called with ``truth=`` and the argument named by ``output``.
        output: ``"prediction"`` or ``"probability"``.

    Returns:
        The difference as a metric.

    Raises:
        UsageError: If ``output`` is neither.
    """
    check_choice(output, ("prediction", "probability"), "output")

    def difference(*, truth: ArrayLike, first: ArrayLike, second: ArrayLike) -> float:
        return float(metric(truth=truth, **{output: first})) - float(metric(truth=truth, **{output: second}))

    return difference


def check_level(level: float) -> None:
    """Refuses a confidence level that is not between 0 and 1."""
    if not 0 < level < 1:
        raise UsageError("The level must lie between 0 and 1.", code="bad_level", value=level, allowed=("0.95",))


def _resamples(n: int, groups: ArrayLike | None, resamples: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Positions of the items of each resample."""
    _check_resamples(resamples)
    if groups is None:
        for draws in _draws(n, resamples, seed):
            yield from draws
        return
    place = group_positions(groups, n)
    order = np.argsort(place, kind="stable")
    size = np.bincount(place)
    start = size.cumsum() - size
    for draws in _draws(len(size), resamples, seed):
        for drawn in draws:
            length = size[drawn]
            offset = np.repeat(start[drawn] - (length.cumsum() - length), length)
            yield order[offset + np.arange(length.sum())]


def _draws(n: int, resamples: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Draws of ``n`` out of ``n`` with replacement, in blocks of bounded size with one row a resample."""
    rng = np.random.default_rng(seed)
    rows = max(1, _CHUNK // n)
    for first in range(0, resamples, rows):
        yield rng.integers(0, n, size=(min(rows, resamples - first), n))


def _check_resamples(resamples: int) -> int:
    if resamples < 1:
        raise UsageError("There must be at least one resample.", code="bad_resamples", value=resamples)
    return resamples


def _interval(value: float, values: NDArray[np.float64], level: float, seed: int) -> Interval:
    check_level(level)
    defined = values[~np.isnan(values)]
    low = high = float("nan")
    if len(defined):
        # No interpolation: the value of a metric may be infinite.
        low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2], method="nearest")
    return Interval(value, float(low), float(high), level, len(values), len(values) - len(defined), seed)
