"""Does a judge agree with people, and does it rate anything but length? Agreement, and win rates at equal length."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affectome.errors import UsageError
from affectome.evaluate import Interval, bootstrap, quadratic_kappa, spearman

Floats = NDArray[np.float64]

_STEPS = 100
_CLOSE = 1e-10  # Newton step at which a fit has settled
_RESAMPLES = 500


class JudgeAgreement(NamedTuple):
    """A judge beside people who rated the same answers.

    Attributes:
        n: Answers that people and the judge rated.
        unscored: Answers that people rated and the judge did not.
        kappa: Quadratic kappa of both rounded to whole levels.
        spearman: Rank correlation over all answers; where systems of different quality are pooled, knowing the system
            is enough for a high one.
        within: The same within each system, mean weighted by answers; None without systems.
        length: Rank correlation of people's ratings with the length of the answers: the baseline to beat.
        beyond_length: Rank correlation of judge and people with length held constant.
    """

    n: int
    unscored: int
    kappa: Interval
    spearman: Interval
    within: Interval | None
    length: Interval
    beyond_length: Interval


class WinRate(NamedTuple):
    """How often one system is preferred to another.

    Attributes:
        n: Comparisons that were scored.
        unscored: Comparisons that were not.
        raw: Mean preference for the first, in [0, 1].
        controlled: The preference that is expected for answers of equal length.
        slope: Change of the log-odds per standard deviation of the difference in length, at equal length; above 0
            longer answers win.
    """

    n: int
    unscored: int
    raw: Interval
    controlled: Interval
    slope: Interval


def judge_agreement(
    *,
    people: ArrayLike,
    ratings: ArrayLike,
    lengths: ArrayLike,
    systems: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    seed: int = 0,
) -> JudgeAgreement:
    """How far a judge agrees with people.

    Args:
        people: ``(n,)`` mean rating by people, in points of the scale.
        ratings: ``(n,)`` rating by the judge in the same points, NaN if unscored.
        lengths: ``(n,)`` length of each answer, in whatever unit.
        systems: ``(n,)`` who wrote each answer.
        groups: ``(n,)`` what belongs together and is resampled together, such as the request.
        seed: Seed of the intervals.

    Raises:
        UsageError: ``unpaired`` if numbers differ or none was rated by both.
    """
    human, judge, size = (np.asarray(values, np.float64) for values in (people, ratings, lengths))
    known = ~np.isnan(human) & ~np.isnan(judge) if human.shape == judge.shape == size.shape else np.zeros(0, np.bool_)
    if human.ndim != 1 or not known.any():
        raise _unpaired(f"{human.shape}, {judge.shape} and {size.shape}")
    writer = np.zeros(len(human), np.int64)
    if systems is not None:
        writer = np.unique(np.asarray(systems), return_inverse=True)[1]
    columns = {"truth": human[known], "prediction": judge[known], "length": size[known], "writer": writer[known]}
    belongs = None if groups is None else np.asarray(groups)[known]

    def over(metric: object) -> Interval:
        return bootstrap(metric, seed=seed, resamples=_RESAMPLES, groups=belongs, **columns)  # type: ignore[arg-type]

    return JudgeAgreement(
        int(known.sum()),
        int((~np.isnan(human) & np.isnan(judge)).sum()),
        over(_kappa),
        over(_pooled),
        None if systems is None else over(_within),
        over(_with_length),
        over(_beyond_length),
    )


def win_rate(preferences: ArrayLike, *, first_lengths: ArrayLike, second_lengths: ArrayLike, seed: int = 0) -> WinRate:
    """Win rate of the first system, as it is and at equal length.

    log-odds of a win = intercept + slope·tanh(z), with z the difference of the lengths by its standard deviation; the
    controlled rate is that of z = 0. The slope has a normal prior of standard deviation 1, so that few comparisons do
    not send it to infinity; the intercept has none. It is AlpacaEval's method without its term for the difficulty of a
    request (Y. Dubois and others, arXiv 2404.04475).

    Args:
        preferences: ``(n,)`` preference for the first answer, 0 to 1 (ties .5), NaN if unscored.
        first_lengths: ``(n,)`` length of the first answer.
        second_lengths: ``(n,)`` length of the second answer, in the same unit.
        seed: Seed of the intervals.

    Raises:
        UsageError: ``unpaired`` if numbers differ or nothing was scored, ``bad_preference`` if one is not in [0, 1].
    """
    wins, one, other = (np.asarray(values, np.float64) for values in (preferences, first_lengths, second_lengths))
    scored = ~np.isnan(wins) if wins.shape == one.shape == other.shape else np.zeros(0, np.bool_)
    if wins.ndim != 1 or not scored.any():
        raise _unpaired(f"{wins.shape}, {one.shape} and {other.shape}")
    if ((wins[scored] < 0) | (wins[scored] > 1)).any():
        raise UsageError(
            "A preference lies outside 0 to 1.",
            code="bad_preference",
            value=wins[scored][(wins[scored] < 0) | (wins[scored] > 1)][0],
            next_step="Give 1 for a win of the first, 0 for one of the second, .5 for a tie.",
        )
    longer = (one - other)[scored]
    spread = float(longer.std())
    columns = {"wins": wins[scored], "longer": np.tanh(longer / spread) if spread else np.zeros(len(longer))}

    def over(metric: object) -> Interval:
        return bootstrap(metric, seed=seed, resamples=_RESAMPLES, **columns)  # type: ignore[arg-type]

    return WinRate(
        int(scored.sum()),
        int((~scored).sum()),
        over(lambda wins, longer: float(wins.mean())),
        over(lambda wins, longer: _at_equal_length(wins, longer)[0]),
        over(lambda wins, longer: _at_equal_length(wins, longer)[1]),
    )


def _at_equal_length(wins: Floats, longer: Floats) -> tuple[float, float]:
    """Rate at equal length and slope, by Newton's method with steps that are halved until they gain."""
    if wins.max() == 0 or wins.min() == 1:
        return float(wins[0]), 0.0
    design = np.column_stack([np.ones(len(wins)), longer])
    prior = np.array([0.0, 1.0])
    point = np.zeros(2)

    def loss(at: Floats) -> float:
        odds = design @ at
        return float((np.logaddexp(0, odds) - wins * odds).sum() + (prior * at**2).sum() / 2)

    for _ in range(_STEPS):
        rate = 1 / (1 + np.exp(-(design @ point)))
        slope = design.T @ (rate - wins) + prior * point
        step = np.linalg.solve((design * (rate * (1 - rate))[:, None]).T @ design + np.diag(prior), slope)
        while np.abs(step).max() > _CLOSE and loss(point - step) > loss(point):
            step /= 2
        point = point - step
        if np.abs(step).max() <= _CLOSE:
            break
    return float(1 / (1 + np.exp(-point[0]))), float(point[1])


def _kappa(*, truth: Floats, prediction: Floats, length: Floats, writer: NDArray[np.int64]) -> float:
    return float(quadratic_kappa(truth=np.rint(truth), prediction=np.rint(prediction)))


def _pooled(*, truth: Floats, prediction: Floats, length: Floats, writer: NDArray[np.int64]) -> float:
    return float(spearman(truth=truth, prediction=prediction))


def _within(*, truth: Floats, prediction: Floats, length: Floats, writer: NDArray[np.int64]) -> float:
    rows = [np.flatnonzero(writer == each) for each in np.unique(writer)]
    found = np.array([float(spearman(truth=truth[row], prediction=prediction[row])) for row in rows])
    weight = np.array([len(row) for row in rows]) * ~np.isnan(found)
    return float((np.nan_to_num(found) * weight).sum() / weight.sum()) if weight.any() else float("nan")


def _with_length(*, truth: Floats, prediction: Floats, length: Floats, writer: NDArray[np.int64]) -> float:
    return float(spearman(truth=truth, prediction=length))


def _beyond_length(*, truth: Floats, prediction: Floats, length: Floats, writer: NDArray[np.int64]) -> float:
    """Partial rank correlation (M. Kendall, Biometrika 32, 1942)."""
    both = float(spearman(truth=truth, prediction=prediction))
    people = float(spearman(truth=truth, prediction=length))
    judge = float(spearman(truth=prediction, prediction=length))
    rest = (1 - people**2) * (1 - judge**2)
    return (both - people * judge) / rest**0.5 if rest > 1e-12 else float("nan")


def _unpaired(shapes: str) -> UsageError:
    return UsageError(
        "What people and the judge say does not belong to the same answers, or nothing was scored.",
        code="unpaired",
        value=shapes,
        next_step="Give one number an answer, NaN where there is none.",
    )
