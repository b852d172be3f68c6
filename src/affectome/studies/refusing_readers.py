"""Made-up readers that refuse, leave open or say the same of everything, and what a benchmark must make of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affectome.affect import load_scale
from affectome.evaluate.intensities import Answers, Intensities, IntensityScores, score_intensities
from affectome.studies.study import Claim, Role, Row, Table, Value

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

RHO = "Spearman"
COLUMNS = ("refused", RHO, "Pearson", "MAE", "RMSE", "undefined")
"""Columns of a table of intensities, the last one of emotions."""
_SHARE = 0.4  # of the clips that are refused
_COMMON = "0..10"


def row_values(scores: IntensityScores) -> dict[str, Value]:
    """Scores by column."""
    given = (scores.refusal_rate, scores.spearman, scores.pearson, scores.mae, scores.rmse, len(scores.undefined))
    return dict(zip(COLUMNS, given, strict=True))


def account_refusals(
    answers: Answers, ratings: Intensities, *, name: str, title: str, seed: int, groups: ArrayLike
) -> tuple[Table, Claim]:
    """Readers made of the answers of a real one, whose figures are known beforehand.

    Args:
        answers: Of a reader that answers everything, ``n`` clips.
        ratings: Of one rater, no cell unrated.
        name: Of the reader.
        title: Name of the set.
        seed: Seed of what is refused at random, and of the bootstrap.
        groups: ``(n,)`` speakers.

    Returns:
        A table, and the claim how many figures are as they must be.
    """
    n, values, scale = len(answers.values), answers.values, answers.scale
    common = load_scale(_COMMON)
    truth = ratings.scale.to(common, ratings.values[:, :, 0])
    count = round(_SHARE * n)
    at_random = _first(np.random.default_rng(seed).permutation(n), count)
    error = np.abs(scale.to(common, values) - truth).sum(axis=1)
    worst_first = _first(np.argsort(-error, kind="stable"), count)
    one_open = values.copy()
    one_open[:, 0] = np.nan
    made: dict[str, tuple[Role, Floats]] = {
        "nothing but 0": ("baseline", np.full_like(values, scale.low)),
        "refuses every clip": ("control", np.full_like(values, np.nan)),
        f"{name}, leaves {answers.labels[0]} open": ("control", one_open),
        f"{name}, {_SHARE:.0%} refused at random, scored as 0": ("control", _put(values, at_random, scale.low)),
        f"{name}, {_SHARE:.0%} refused at random": ("control", _put(values, at_random, np.nan)),
        f"{name}, {_SHARE:.0%} refused where it is worst": ("control", _put(values, worst_first, np.nan)),
        name: ("result", values),
    }
    found = [
        score_intensities(Answers(answers.labels, given, scale), ratings, seed=seed, groups=groups)
        for _, given in made.values()
    ]
    zero, nothing, left, as_zero, random, worst, _ = found
    rest = score_intensities(
        Answers(answers.labels, values[~at_random], scale),
        Intensities(ratings.labels, ratings.values[~at_random], ratings.scale),
        seed=seed,
        resamples=1,
    )
    known = (
        _same(zero.mae.value, float(truth.mean())),
        np.isnan(zero.spearman.value) and zero.undefined == ratings.labels,
        nothing.refused == n and np.isnan(nothing.mae.value),
        left.refused == 0 and left.unanswered == n and left.undefined == answers.labels[:1],
        np.isnan(left.spearman.value) and not np.isnan(left.spearman_where_defined),
        random.refused == worst.refused == count and as_zero.refused == 0,
        _same(random.mae.value, rest.mae.value) and _same(random.spearman.value, rest.spearman.value),
    )
    rows = [Row(which, role, row_values(each)) for (which, (role, _)), each in zip(made.items(), found, strict=True)]
    text = f"{title}: figures of made-up readers that refuse, leave open or say 0, as they must be"
    claim = Claim(text, sum(map(bool, known)), len(known), ">=")
    return Table(f"{title}, made-up readers that refuse: {n} clips", COLUMNS, rows), claim


def _first(order: NDArray[np.int64], count: int) -> Bools:
    """Which items are among the first ones of an order."""
    chosen = np.zeros(len(order), np.bool_)
    chosen[order[:count]] = True
    return chosen


def _put(values: Floats, rows: Bools, instead: float) -> Floats:
    return np.where(rows[:, None], instead, values)


def _same(first: float, second: float) -> bool:
    return abs(first - second) < 1e-9
