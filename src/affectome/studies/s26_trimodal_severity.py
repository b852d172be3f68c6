"""Grades of severity from three streams, on a planted cohort: nobody in it exists.

Recordings of clinical interviews are given out against signed agreements. So the machinery is tried where the truth is
known by construction: a severity is drawn for each planted person, three streams show it more or less, and some streams
are missing. The figures say whether the machinery works; they say nothing about any person.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affectome.domains.questionnaires import load_questionnaire
from affectome.domains.severity import Ints, decision_curve, fit_severity, grade_interval
from affectome.evaluate import (
    Part,
    assert_disjoint,
    bootstrap_mean,
    ece,
    f1,
    folds,
    mae,
    quadratic_kappa,
    within_one,
)
from affectome.studies.comparing import claim_difference, claim_value, measure
from affectome.studies.study import Claim, Context, Outcome, Role, Row, Study, Table, Value

if TYPE_CHECKING:
    from affectome.evaluate.intervals import Metric

Floats = NDArray[np.float64]

_EFFECTS = {"text": 0.8, "voice": 0.4, "face": 0.4}
_SHOWING, _FEATURES = 4, 12  # features of a stream that show the severity, and all of them
_INTERVIEWS, _PEOPLE = 400, 340
_MISSING = 0.15
_COHORTS, _FOLDS = 5, 5
_LEVEL = 0.9
_ACT_FROM = 10  # total of the questionnaire from which screening asks for a talk
_THRESHOLDS = (0.2, 0.3, 0.4, 0.5)
_RESAMPLES = 200

_F1, _KAPPA, _ERROR, _NEAR, _ECE = "weighted F1", "quadratic kappa", "mean error", "within one grade", "ECE"
_WEIGHTED: Metric = partial(f1, average="weighted")
_METRICS: dict[str, Metric] = {
    _F1: _WEIGHTED,
    _KAPPA: quadratic_kappa,
    _ERROR: mae,
    _NEAR: within_one,
    _ECE: ece,
}
_PRIOR, _NAIVE, _SHUFFLED, _FUSED = (
    "share of each grade",
    "one read-out, zeros where missing",
    "fused, shuffled",
    "fused",
)

# Totals with the grades they must get, all edges among them.
_PHQ8 = {0: 0, 1: 0, 3: 0, 4: 0, 5: 1, 7: 1, 9: 1, 10: 2, 12: 2, 14: 2, 15: 3, 17: 3, 19: 3, 20: 4, 22: 4, 24: 4}
_PCL5 = {0: 0, 10: 0, 20: 0, 21: 1, 30: 1, 40: 1, 41: 2, 60: 2, 80: 2}


@dataclass(frozen=True, eq=False)
class _Cohort:
    """Planted interviews.

    Attributes:
        streams: ``(n, d)`` features by stream, NaN where it is missing.
        totals: ``(n,)`` total of the questionnaire.
        grades: ``(n,)`` its grade.
        people: ``(n,)`` who is interviewed; some twice.
    """

    streams: dict[str, Floats]
    totals: Ints
    grades: Ints
    people: Ints

    def complete(self) -> NDArray[np.bool_]:
        """Interviews of which no stream is missing."""
        return np.asarray(~np.any([np.isnan(rows).all(axis=1) for rows in self.streams.values()], axis=0))


def run(context: Context) -> Outcome:
    """Plant cohorts, read every interview by readers that saw nobody in it, and take streams away."""
    cohorts = [_plant(context.seed + number) for number in range(1 if context.quick else _COHORTS)]
    read = [_read(cohort, context.seed + number) for number, cohort in enumerate(cohorts)]
    context.note(f"{len(cohorts)} planted cohorts read")
    outputs = {name: np.concatenate([each.outputs[name] for each in read]) for name in read[0].outputs}
    truth = np.concatenate([cohort.grades for cohort in cohorts])
    people = np.concatenate([cohort.people + number * _INTERVIEWS for number, cohort in enumerate(cohorts)])
    complete = np.concatenate([cohort.complete() for cohort in cohorts])
    every = np.ones(len(truth), np.bool_)
    absent = {name: output for name, output in outputs.items() if name.endswith(_WITHOUT)}
    rest = {name: output for name, output in outputs.items() if name not in absent}
    planted = f"planted interviews in {len(cohorts)} planted cohorts"
    tables = [
        _table(context, f"{len(truth):,} {planted}, {_MISSING:.0%} of each stream missing", rest, truth, people, every),
        _table(context, f"{complete.sum():,} complete {planted}", rest, truth, people, complete),
        _table(context, f"{len(truth):,} {planted}, text taken away", absent, truth, people, every),
        _curve(truth, outputs, people, context),
    ]
    shares = {name: float(np.mean([each.shares[name] for each in read])) for name in _EFFECTS}
    weights = ", ".join(f"{name} {np.mean([each.weights[name] for each in read]):.2f}" for name in _EFFECTS)
    notes = [
        "Nobody in these tables exists: severities are drawn at random and features made from them. No accuracy on "
        "people follows.",
        f"Streams show the severity with effects {', '.join(f'{name} {value}' for name, value in _EFFECTS.items())} in "
        f"{_SHOWING} of {_FEATURES} features each; {_INTERVIEWS - _PEOPLE} of {_INTERVIEWS} interviews of a cohort are "
        "a person's second, and no person is in training and test of a fold.",
        f"Mean weights of the evidence: {weights}. Mean shares of the attributions: "
        + ", ".join(f"{name} {value:.2f}" for name, value in shares.items())
        + ".",
    ]
    return Outcome(tables, [*_edges(), *_claims(context, outputs, truth, people, complete, shares)], notes)


STUDY = Study(
    number=26,
    id="trimodal-severity",
    title="Tri-modal severity",
    paper="arXiv 2510.20239",
    data=(),
    extras=("study",),
    run=run,
    missing=(
        "interviews of people, which need signed agreements",
        "features of recorded voices and faces in the planted streams",
        "boosted trees and their attributions: the read-outs are linear",
    ),
)

_WITHOUT = ", without text"


def _plant(seed: int) -> _Cohort:
    """Interviews whose totals follow a drawn severity."""
    rng = np.random.default_rng(seed)
    people = np.concatenate([np.arange(_PEOPLE), rng.choice(_PEOPLE, _INTERVIEWS - _PEOPLE, replace=False)])
    severity = rng.normal(size=_PEOPLE)[people]
    phq8 = load_questionnaire("phq8")
    highest = phq8.items * phq8.highest
    totals = np.clip(np.round(9.5 + 6 * severity), 0, highest).astype(np.int64)
    streams = {}
    for name, effect in _EFFECTS.items():
        rows = rng.normal(size=(_INTERVIEWS, _FEATURES))
        rows[:, :_SHOWING] += effect * severity[:, None]
        rows[rng.random(_INTERVIEWS) < _MISSING] = np.nan
        streams[name] = rows
    return _Cohort(streams, totals, phq8.grade(totals), people)


@dataclass(frozen=True, eq=False)
class _Read:
    """Held-out probabilities ``(n, k)`` by reader, and means over folds of attribution shares and weights."""

    outputs: dict[str, Floats]
    shares: dict[str, float]
    weights: dict[str, float]


def _read(cohort: _Cohort, seed: int) -> _Read:
    from affectome.learn.heads import fit_head

    levels = len(load_questionnaire("phq8").levels)
    n = len(cohort.grades)
    outputs: dict[str, Floats] = {}
    mass: dict[str, list[float]] = {name: [] for name in _EFFECTS}
    weights: dict[str, list[float]] = {name: [] for name in _EFFECTS}
    shuffled = np.random.default_rng(seed).permutation(cohort.grades)
    lost = {name: rows for name, rows in cohort.streams.items() if name != "text"}

    def keep(name: str, rows: Ints, probability: Floats) -> None:
        outputs.setdefault(name, np.zeros((n, levels)))[rows] = probability

    for train, test in folds(n, count=_FOLDS, groups=cohort.people, seed=seed):
        assert_disjoint(train=Part(groups=cohort.people[train]), test=Part(groups=cohort.people[test]))

        def at(rows: Ints, streams: Mapping[str, Floats] = cohort.streams) -> dict[str, Floats]:
            return {name: values[rows] for name, values in streams.items()}

        people, grades = cohort.people[train], cohort.grades[train]
        reader = fit_severity(at(train), grades, groups=people, levels=levels, seed=seed)
        wrong = fit_severity(at(train), shuffled[train], groups=people, levels=levels, seed=seed)
        naive = fit_head(_joined(at(train)), grades, kind="ordinal", groups=people, seed=seed)
        prior = np.tile(reader.prior, (len(test), 1))
        for end, streams in (("", cohort.streams), (_WITHOUT, lost)):
            given = at(test, streams)
            filled = {name: given.get(name, np.full((len(test), _FEATURES), np.nan)) for name in _EFFECTS}
            keep(f"{_PRIOR}{end}", test, prior)
            keep(f"{_NAIVE}{end}", test, naive.predict(_joined(filled)))
            keep(f"{_SHUFFLED}{end}", test, wrong.predict(given))
            for name, rows in given.items():
                keep(f"{name} alone{end}", test, reader.predict({name: rows}))
            keep(f"{_FUSED}{end}", test, reader.predict(given))
        parts = {name: float(np.abs(values).mean()) for name, values in reader.attribute(at(test)).items()}
        for name, value in parts.items():
            mass[name].append(value / sum(parts.values()))
            weights[name].append(reader.weights[name])
    return _Read(
        outputs,
        {name: float(np.mean(values)) for name, values in mass.items()},
        {name: float(np.mean(values)) for name, values in weights.items()},
    )


def _joined(streams: Mapping[str, Floats]) -> Floats:
    """All features side by side, zeros where a stream is missing, as in the published code."""
    return np.nan_to_num(np.hstack([streams[name] for name in _EFFECTS]))


def _table(
    context: Context, title: str, outputs: Mapping[str, Floats], truth: Ints, people: Ints, chosen: NDArray[np.bool_]
) -> Table:
    rows = []
    for name, output in outputs.items():
        first = name.removesuffix(_WITHOUT)
        role: Role = "baseline" if first in (_PRIOR, _NAIVE) else "control" if first == _SHUFFLED else "result"
        values = measure(
            _METRICS,
            truth=truth[chosen],
            prediction=output[chosen].argmax(axis=1),
            probability=output[chosen],
            seed=context.seed,
            groups=people[chosen],
            resamples=_RESAMPLES,
        )
        rows.append(Row(first, role, values))
    return Table(title, tuple(_METRICS), rows)


def _act(probability: Floats) -> Floats:
    """Probability of a total at which one acts."""
    return np.asarray(probability[:, _act_grade() :].sum(axis=1).clip(0, 1))


def _act_grade() -> int:
    return int(load_questionnaire("phq8").grade(_ACT_FROM))


def _curve(truth: Ints, outputs: Mapping[str, Floats], people: Ints, context: Context) -> Table:
    positive = truth >= _act_grade()
    columns = tuple(f"at {limit}" for limit in _THRESHOLDS)
    rows = []
    everyone = decision_curve(truth=positive, probability=np.ones(len(truth)), thresholds=_THRESHOLDS).everyone
    rows.append(Row("act never", "baseline", dict.fromkeys(columns, 0.0)))
    rows.append(Row("act always", "baseline", dict(zip(columns, map(float, everyone), strict=True))))
    for name in (_NAIVE, f"{_NAIVE}{_WITHOUT}", _FUSED, f"{_FUSED}{_WITHOUT}"):
        values: dict[str, Value] = {}
        for column, limit in zip(columns, _THRESHOLDS, strict=True):

            def benefit(*, truth: ArrayLike, probability: ArrayLike, limit: float = limit) -> float:
                return float(decision_curve(truth=truth, probability=probability, thresholds=[limit]).benefit[0])

            values |= measure(
                {column: benefit},
                truth=positive,
                probability=_act(outputs[name]),
                seed=context.seed,
                groups=people,
                resamples=_RESAMPLES,
            )
        rows.append(Row(name, "baseline" if name.startswith(_NAIVE) else "result", values))
    return Table(f"Net benefit of acting on a total of {_ACT_FROM} or more, planted cohorts", columns, rows)


def _edges() -> list[Claim]:
    wrong = 0
    for name, cases in (("phq8", _PHQ8), ("pcl5", _PCL5)):
        questionnaire = load_questionnaire(name)
        wrong += sum(int(questionnaire.grade(total)) != grade for total, grade in cases.items())
    return [Claim(f"wrong grades of {len(_PHQ8) + len(_PCL5)} totals with all edges", wrong, 0, "<=")]


def _claims(
    context: Context,
    outputs: Mapping[str, Floats],
    truth: Ints,
    people: Ints,
    complete: NDArray[np.bool_],
    shares: Mapping[str, float],
) -> list[Claim]:
    levels = {name: output.argmax(axis=1) for name, output in outputs.items()}
    fused = levels[_FUSED]
    # The best on the complete interviews themselves is the hardest to reach.
    best = max(
        (f"{name} alone" for name in _EFFECTS),
        key=lambda name: float(_WEIGHTED(truth=truth[complete], prediction=levels[name][complete])),
    )
    wrong = fused != truth
    adjacent = bootstrap_mean((np.abs(fused - truth)[wrong] == 1).astype(float), seed=context.seed)
    low, high = grade_interval(outputs[_FUSED], _LEVEL)
    covered = bootstrap_mean(((low <= truth) & (truth <= high)).astype(float), seed=context.seed, groups=people)
    error = measure(
        {_ECE: ece}, truth=truth, probability=outputs[_FUSED], seed=context.seed, groups=people, resamples=_RESAMPLES
    )[_ECE]
    order = [shares[name] for name in ("text", "voice", "face")]
    common = {"seed": context.seed, "by": "value", "resamples": _RESAMPLES}
    return [
        claim_difference(
            f"planted, complete interviews: fused minus {best}, {_F1}",
            _WEIGHTED,
            truth=truth[complete],
            first=fused[complete],
            second=levels[best][complete],
            comparison=">=",
            threshold=-0.02,
            groups=people[complete],
            **common,  # type: ignore[arg-type]
        ),
        claim_difference(
            f"planted, text taken away: fused minus {_NAIVE}, {_F1}",
            _WEIGHTED,
            truth=truth,
            first=levels[f"{_FUSED}{_WITHOUT}"],
            second=levels[f"{_NAIVE}{_WITHOUT}"],
            comparison=">=",
            threshold=0.05,
            groups=people,
            **common,  # type: ignore[arg-type]
        ),
        claim_value(f"planted: {_ECE} of the fused reader", error, "<=", 0.05),
        claim_value("planted: share of errors that miss by one grade", adjacent, ">=", 0.85),
        claim_value(f"planted: share of truths in intervals of {_LEVEL:.0%}", covered, ">=", _LEVEL - 0.02),
        Claim(
            "planted: share of attributions, text less the larger of the others",
            order[0] - max(order[1:]),
            0.0,
            ">",
        ),
    ]
