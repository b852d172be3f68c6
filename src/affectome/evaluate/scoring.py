"""A table of scores: every predictor by every metric of its kind, with intervals, baselines first."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, SupportsFloat

import numpy as np
from numpy.typing import ArrayLike

from affectome.evaluate.calibration import reliability
from affectome.evaluate.classification import accuracy, f1, multilabel_f1, uar
from affectome.evaluate.inputs import Floats
from affectome.evaluate.intervals import Interval, bootstrap
from affectome.evaluate.labelled import LabelKind
from affectome.evaluate.regression import ccc, mae, pearson, r2

Role = Literal["baseline", "control", "result"]


class Predictor(NamedTuple):
    """Something that gives an output for every item.

    Attributes:
        name: Its name.
        role: ``baseline`` looks at nothing, ``control`` should fail, ``result`` is what is measured.
        output: ``(n, k)`` probabilities or ``(n,)`` numbers, NaN where it abstains.
    """

    name: str
    role: Role
    output: Floats


class ScoreRow(NamedTuple):
    """One score.

    Attributes:
        predictor: Whose.
        role: ``baseline``, ``control`` or ``result``.
        metric: Name of the metric.
        interval: Value with its bootstrap interval; the value is NaN where the metric is undefined.
        n: Items it was computed on.
    """

    predictor: str
    role: Role
    metric: str
    interval: Interval
    n: int

    def as_dict(self) -> dict[str, Any]:
        """The row as JSON types: ``predictor, role, metric, value, low, high, n``."""
        return {
            "predictor": self.predictor,
            "role": self.role,
            "metric": self.metric,
            **span(self.interval),
            "n": self.n,
        }


def span(interval: Interval) -> dict[str, float | None]:
    """Value and ends of an interval; None where they are undefined."""
    return defined({"value": interval.value, "low": interval.low, "high": interval.high})


def defined(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values with None for NaN, which JSON does not have."""
    return {name: None if value != value else value for name, value in values.items()}


def score_rows(
    kind: LabelKind,
    *,
    truth: Floats,
    predictors: Sequence[Predictor],
    thresholds: ArrayLike = 0.5,
    units: ArrayLike | None = None,
    seed: int,
) -> list[ScoreRow]:
    """Scores of all predictors by all metrics of the kind.

    These are accuracy, macro F1, UAR and ECE (choice), macro and micro F1 and ECE (presence), or Pearson's r, CCC, MAE
    and R² (measure). Every predictor is scored on the items where it gives an output.

    Args:
        kind: What the truth is.
        truth: ``(n, k)`` 0 or 1, one 1 a row for choice; ``(n,)`` numbers for measures; NaN where not known.
        predictors: In the order of the rows.
        thresholds: For presence, one number or ``(k,)``, chosen on other data than this.
        units: ``(n,)`` speaker of each item; speakers are drawn whole.
        seed: Seed of the bootstrap.

    Returns:
        The rows, predictor by predictor.

    Raises:
        UsageError: If shapes do not fit.
    """
    known = ~np.isnan(truth if truth.ndim == 1 else truth.sum(axis=1))
    rows = []
    for name, role, output in predictors:
        used = known & ~np.isnan(output if output.ndim == 1 else output.sum(axis=1))
        chosen = None if units is None else np.asarray(units)[used]
        for metric, score, arrays in _metrics(kind, truth[used], output[used], thresholds):
            interval = bootstrap(score, seed=seed, groups=chosen, **arrays)
            rows.append(ScoreRow(name, role, metric, interval, int(used.sum())))
    return rows


_Metric = tuple[str, Callable[..., SupportsFloat], dict[str, Any]]


def _metrics(kind: LabelKind, truth: Floats, output: Floats, thresholds: ArrayLike) -> list[_Metric]:
    if kind == "measure":
        both = {"truth": truth, "prediction": output}
        return [("Pearson r", pearson, both), ("CCC", ccc, both), ("MAE", mae, both), ("R²", r2, both)]
    if kind == "presence":
        cells = {"truth": truth, "probability": output}
        macro, micro = (
            functools.partial(multilabel_f1, thresholds=thresholds, average=average) for average in ("macro", "micro")
        )
        return [("macro F1", macro, cells), ("micro F1", micro, cells), _calibration(truth, output)]
    # Class numbers, as each resample would sort names anew; the top probability says how sure each answer is.
    answer = output.argmax(axis=1)
    items = {"truth": truth.argmax(axis=1), "prediction": answer}
    names = tuple(map(str, range(truth.shape[1])))
    return [
        ("accuracy", accuracy, items),
        ("macro F1", functools.partial(f1, labels=names), items),
        ("UAR", functools.partial(uar, labels=names), items),
        _calibration(truth[np.arange(len(truth)), answer][:, None], output.max(axis=1)[:, None]),
    ]


def _calibration(truth: Floats, probability: Floats) -> _Metric:
    """The expected calibration error of answers (n, a), prepared so that a resample needs no binning.

    A bin's share of the answers times its gap of frequency and confidence is the sum of truth minus probability in it,
    divided by all answers.
    """
    curve = reliability(truth=truth, probability=probability)
    place = np.searchsorted(curve.upper[:-1], probability, side="right")
    gaps = np.zeros((len(truth), len(curve.upper)))
    np.add.at(gaps, (np.arange(len(truth))[:, None], place), truth - probability)
    return "ECE", _ece, {"gaps": gaps, "answers": np.full(len(truth), truth.shape[1])}


def _ece(*, gaps: Floats, answers: Floats) -> float:
    return float(np.abs(gaps.sum(axis=0)).sum() / answers.sum())
