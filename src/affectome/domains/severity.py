"""Graded severity from several streams of one interview: calibrated, with attributions, whatever stream is missing.

Each stream has an ordinal read-out of its own. Their probabilities are pooled as evidence beside the prior, with one
learnt weight a stream; an absent stream gives no evidence. What comes out is a probability for each grade of a
questionnaire, for people who decide; it is no diagnosis.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affectome.errors import UsageError

if TYPE_CHECKING:
    from affectome.learn.heads import Head

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_SMALLEST = 1e-6  # floor of a probability under a logarithm
_FOLDS = 5


@dataclass(frozen=True, eq=False)
class SeverityReader:
    """Reads grades of severity out of streams.

    Attributes:
        prior: ``(k,)`` share of each grade in training.
        heads: Ordinal read-out of each stream by its name.
        weights: What the evidence of each stream counts, 0 or more; 1 takes it at its word.
    """

    prior: Floats
    heads: Mapping[str, Head]
    weights: Mapping[str, float]

    def predict(self, streams: Mapping[str, ArrayLike]) -> Floats:
        """Probabilities ``(n, k)`` of the grades.

        Args:
            streams: ``(n, d)`` features by stream, a row of NaN where a stream is missing; a stream that is left out is
                missing in all rows. A row without any stream gets the prior.

        Raises:
            UsageError: ``unknown_stream``, or features do not fit.
        """
        given = _check_streams(streams, self.heads)
        n = len(next(iter(given.values())))
        evidence = {name: _evidence(self.heads[name], rows, self.prior) for name, rows in given.items()}
        return pool(evidence, self.weights, np.tile(self.prior, (n, 1)))

    def attribute(self, streams: Mapping[str, ArrayLike]) -> dict[str, Floats]:
        """What each feature adds to the place on the ordinal scale, by stream.

        These are the Shapley values of a linear model with independent features, which are exact: coefficient times
        distance from the training mean (E. Strumbelj and I. Kononenko, Knowledge and Information Systems 41, 2014),
        times the weight of the stream.

        Args:
            streams: As `predict`.

        Returns:
            ``(n, d)`` by stream, 0 where it is missing.

        Raises:
            UsageError: As `predict`.
        """
        found = {}
        for name, rows in _check_streams(streams, self.heads).items():
            head = self.heads[name]
            parts = (rows - head.mean) / head.scale * head.matrix[:, 0]
            found[name] = self.weights[name] * np.where(_present(rows)[:, None], parts, 0.0)
        return found


def fit_severity(
    streams: Mapping[str, ArrayLike], grades: ArrayLike, *, groups: ArrayLike, levels: int, seed: int = 0
) -> SeverityReader:
    """Fit a reader of severity; strengths and weights are chosen on folds of what is given, by person.

    Args:
        streams: ``(n, d)`` features by stream, a row of NaN where a stream is missing.
        grades: ``(n,)`` whole grades from 0.
        groups: ``(n,)`` person of each row.
        levels: Number of grades k.
        seed: Seed of the folds.

    Raises:
        UsageError: A stream has features in too few rows, or as `affectome.learn.heads.fit_head`.
        RunError: As `affectome.learn.heads.fit_head`.
    """
    from scipy.optimize import minimize

    from affectome.evaluate.splits import folds
    from affectome.learn.heads import fit_head

    given = _check_streams(streams, streams)
    truth, who = np.asarray(grades, np.int64), np.asarray(groups)
    prior = (np.bincount(truth, minlength=levels) + 1) / (len(truth) + levels)
    heads: dict[str, Head] = {}
    held_out: dict[str, Floats] = {}
    for name, rows in given.items():
        known = np.flatnonzero(_present(rows))

        def fit(part: Ints, strength: float | None = None, rows: Floats = rows) -> Head:
            return fit_head(rows[part], truth[part], kind="ordinal", strength=strength, groups=who[part], seed=seed)

        heads[name] = fit(known)
        held_out[name] = np.zeros((len(truth), levels))
        for train, test in folds(len(known), count=_FOLDS, groups=who[known], seed=seed):
            inner = fit(known[train])
            held_out[name][known[test]] = _evidence(inner, rows[known[test]], prior)
    names = list(given)
    start = np.tile(prior, (len(truth), 1))

    def loss(weights: Floats) -> float:
        found = pool(held_out, dict(zip(names, weights, strict=True)), start)
        return float(-np.log(np.maximum(found[np.arange(len(truth)), truth], _SMALLEST)).mean())

    best = minimize(loss, np.ones(len(names)), method="L-BFGS-B", bounds=[(0, 3)] * len(names))
    return SeverityReader(prior, heads, dict(zip(names, map(float, best.x), strict=True)))


def pool(evidence: Mapping[str, Floats], weights: Mapping[str, float], prior: Floats) -> Floats:
    """Log-linear pool ``(n, k)``: the prior times the evidence of each stream to the power of its weight.

    Args:
        evidence: ``(n, k)`` logarithms of how much more probable each grade is by a stream than by the prior; zeros
            where it is missing.
        weights: Exponent of each stream.
        prior: ``(n, k)`` rows that sum to 1.
    """
    logs = np.log(prior) + sum(weights[name] * logs for name, logs in evidence.items())
    shares = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


class GradeInterval(NamedTuple):
    """The grades between which the truth lies with a given probability.

    Attributes:
        low: ``(n,)`` lowest grade.
        high: ``(n,)`` highest grade.
    """

    low: Ints
    high: Ints


def grade_interval(probability: ArrayLike, level: float = 0.9) -> GradeInterval:
    """The central grades: at most half of what is left lies below them, and at most half above.

    Args:
        probability: ``(n, k)`` rows that sum to 1.
        level: Probability to be covered, between 0 and 1.

    Raises:
        UsageError: ``bad_level`` if the level is not between 0 and 1.
    """
    if not 0 < level < 1:
        raise UsageError("The level must lie between 0 and 1.", code="bad_level", value=level)
    below = np.cumsum(np.asarray(probability, np.float64), axis=1)
    tail = (1 - level) / 2
    low = (below <= tail).sum(axis=1)
    high = (below < 1 - tail - 1e-12).sum(axis=1)
    return GradeInterval(low.astype(np.int64), np.minimum(high, below.shape[1] - 1).astype(np.int64))


class DecisionCurve(NamedTuple):
    """Net benefit of acting on a probability (A. J. Vickers and E. B. Elkin, Medical Decision Making 26, 2006).

    Attributes:
        thresholds: ``(m,)`` probability from which on one acts.
        benefit: ``(m,)`` true positives a person, less false positives a person weighed by the odds of the threshold.
        everyone: ``(m,)`` the same if one acts always; acting never has 0.
    """

    thresholds: Floats
    benefit: Floats
    everyone: Floats


def decision_curve(*, truth: ArrayLike, probability: ArrayLike, thresholds: ArrayLike) -> DecisionCurve:
    """Net benefit of acting on ``probability`` at several thresholds, beside acting always.

    Args:
        truth: ``(n,)`` 0 or 1.
        probability: ``(n,)`` in [0, 1].
        thresholds: ``(m,)`` between 0 and 1.

    Raises:
        UsageError: ``bad_threshold`` if a threshold is not between 0 and 1; ``shape_mismatch`` if the two differ.
    """
    positive, score = np.asarray(truth, np.float64), np.asarray(probability, np.float64)
    limits = np.asarray(thresholds, np.float64)
    if ((limits <= 0) | (limits >= 1)).any():
        raise UsageError("A threshold must lie between 0 and 1.", code="bad_threshold", value=thresholds)
    if positive.ndim != 1 or positive.shape != score.shape or not len(positive):
        raise UsageError(
            "Truth and probability must have one value a person.",
            code="shape_mismatch",
            value=f"{positive.shape}, {score.shape}",
        )
    odds = limits / (1 - limits)
    acted = score >= limits[:, None]
    benefit = (acted * positive).mean(axis=1) - (acted * (1 - positive)).mean(axis=1) * odds
    return DecisionCurve(limits, benefit, positive.mean() - (1 - positive.mean()) * odds)


def _evidence(head: Head, rows: Floats, prior: Floats) -> Floats:
    """Logarithms ``(n, k)`` of the head's probabilities over the prior; zeros for missing rows."""
    found = np.zeros((len(rows), len(prior)))
    present = _present(rows)
    if present.any():
        found[present] = np.log(np.maximum(head.predict(rows[present]), _SMALLEST) / prior)
    return found


def _present(rows: Floats) -> Bools:
    return np.asarray(~np.isnan(rows).all(axis=1))


def _check_streams(streams: Mapping[str, ArrayLike], known: Mapping[str, object]) -> dict[str, Floats]:
    given = {name: np.asarray(rows, np.float64) for name, rows in streams.items()}
    if not given or (unknown := [name for name in given if name not in known]):
        raise UsageError(
            "A stream is not known, or there is none.",
            code="unknown_stream",
            value=unknown[0] if given else None,
            allowed=tuple(known),
        )
    shapes = {rows.shape[0] if rows.ndim == 2 else -1 for rows in given.values()}
    if len(shapes) > 1 or -1 in shapes:
        raise UsageError(
            "The streams must have one row of features an interview each.",
            code="shape_mismatch",
            value={name: rows.shape for name, rows in given.items()},
        )
    return given
