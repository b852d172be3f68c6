"""What is known about a reader once it has read a labelled table: scores, confusions, calibration, slices, errors."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from affectome.errors import InputError
from affectome.evaluate.calibration import reliability
from affectome.evaluate.classification import (
    ClassScore,
    apply_thresholds,
    f1,
    multilabel_f1,
    multilabel_per_class,
    per_class,
)
from affectome.evaluate.inputs import Codes, Floats, Score
from affectome.evaluate.intervals import Interval, bootstrap, bootstrap_mean
from affectome.evaluate.labelled import LabelKind, LabelledTable, label_kind, numbers, presence_of
from affectome.evaluate.regression import mae
from affectome.evaluate.scoring import Predictor, ScoreRow, defined, score_rows, span
from affectome.evaluate.slices import slice_scores
from affectome.perceive.estimates import ABSTAINED, FAILED, SCORED

if TYPE_CHECKING:
    from affectome.perceive import TextReader

SMALL_GROUP = 30
"""Texts from which on a group counts for the worst group."""
_MOST_GROUPS = 40
_WORST = 20
_BINS = 10
_LEVEL = 0.95


class CurvePoint(NamedTuple):
    """One bin of a reliability diagram.

    Attributes:
        said: Mean probability, or mean number that was read.
        found: Share of them that was right, or mean true number, with its interval.
        answers: How many there are.
    """

    said: float
    found: Interval
    answers: int


class GroupScore(NamedTuple):
    """The score of one group: its name, its scored texts, the metric with its interval."""

    group: str
    texts: int
    score: Interval


class WorstError(NamedTuple):
    """One error.

    Attributes:
        id: Id of the text.
        text: The text.
        truth: What the table says.
        read: What the reader says.
        error: How sure of the wrong answer it was, 0 to 1, or how far off.
    """

    id: str
    text: str
    truth: str
    read: str
    error: float


@dataclass(frozen=True, eq=False)
class Assessment:
    """How good a reader is on one table.

    Attributes:
        kind: ``choice``, ``presence`` or ``measure``.
        labels: k labels, or the name of the measure.
        rows: Rows of the table by what became of them: ``scored``, ``abstained``, ``failed``, ``unlabelled``,
            ``unknown_label``, ``learnt`` (the labels were learnt from this very text); their sum is ``total``.
        codes: Abstained and failed rows by code.
        unknown: Labels outside the vocabulary with their rows.
        units: What the bootstrap draws: ``texts`` or ``speakers``, and how many there are.
        scores: Baselines, the control that should fail, the reader.
        classes: Per label; empty for a measure.
        confusion: ``(k, k)`` texts with each true label by label that was read; None for a measure.
        curve: Reliability diagram.
        metric: Name of the metric of the groups.
        groups: The largest groups by name, at most forty.
        worst: Of the groups with at least thirty texts the one with the worst score; None if there is none.
        group_counts: Groups in all, and scored texts without one.
        errors: The twenty most confident wrong answers, one a text, or the largest errors.
        seed: Seed of the bootstrap and of the control.
    """

    kind: LabelKind
    labels: tuple[str, ...]
    rows: dict[str, int]
    codes: dict[str, int]
    unknown: dict[str, int]
    units: tuple[str, int]
    scores: tuple[ScoreRow, ...]
    classes: tuple[ClassScore, ...]
    confusion: NDArray[np.int64] | None
    curve: tuple[CurvePoint, ...]
    metric: str
    groups: tuple[GroupScore, ...]
    worst: GroupScore | None
    group_counts: tuple[int, int]
    errors: tuple[WorstError, ...]
    seed: int

    def as_dict(self) -> dict[str, Any]:
        """The assessment as JSON types; what is undefined is None."""
        return {
            "kind": self.kind,
            "labels": list(self.labels),
            "rows": self.rows,
            "codes": self.codes,
            "unknown_labels": self.unknown,
            "intervals": {"drawn": self.units[0], "count": self.units[1], "level": _LEVEL, "seed": self.seed},
            "results": [row.as_dict() for row in self.scores],
            "per_class": [defined(row._asdict()) for row in self.classes],
            "confusion": None if self.confusion is None else self.confusion.tolist(),
            "reliability": [
                {"said": point.said, "found": span(point.found), "answers": point.answers} for point in self.curve
            ],
            "slices": {
                "metric": self.metric,
                "groups": [_slice(group) for group in self.groups],
                "worst": _slice(self.worst) if self.worst else None,
                "groups_in_all": self.group_counts[0],
                "ungrouped": self.group_counts[1],
            },
            "worst_errors": [defined(error._asdict()) for error in self.errors],
        }


def _slice(group: GroupScore) -> dict[str, Any]:
    return {"group": group.group, "texts": group.texts, **span(group.score)}


def assess(reader: TextReader, table: LabelledTable, *, seed: int = 0) -> Assessment:
    """Let a reader read a labelled table and compare.

    A reader with a measure of its own is compared with a column of numbers; every other column is compared with the
    labels the reader uses.

    Args:
        reader: The reader.
        table: The table.
        seed: Seed of the bootstrap and of the shuffled labels.

    Raises:
        InputError: The vocabulary does not fit, or no labelled text could be scored.
    """
    measured = reader.head is not None and reader.head.kind == "measure" and label_kind(table.cells) == "measure"
    kind: LabelKind = "measure" if measured else "choice" if reader.exclusive else "presence"
    unknown: dict[str, int] = {}
    if measured and reader.head:
        labels = reader.head.labels
        truth = numbers(table.cells, table.label)[:, None]
    else:
        labels = reader.labels
        truth, _, unknown = presence_of(table.cells, labels, kind)
    labelled = ~np.isnan(truth).any(axis=1)
    learnt = labelled & reader.learnt_from(table.segments["text"].to_list())
    has_cell = np.array([cell is not None for cell in table.cells])
    strange = has_cell & ~labelled if unknown else np.zeros(len(truth), np.bool_)
    asked = np.flatnonzero(labelled & ~learnt)
    estimates = reader.perceive(table.segments[asked])
    scored = np.flatnonzero((estimates["status"] == SCORED).to_numpy())
    used, read = asked[scored], estimates[scored]
    states = Counter(estimates["status"])
    rows = {"total": len(truth)} | {name: states[name] for name in (SCORED, ABSTAINED, FAILED)}
    rows |= {"unlabelled": int((~labelled & ~strange).sum()), "unknown_label": int(strange.sum())}
    rows |= {"learnt": int(learnt.sum())}
    codes = Counter(code for code in estimates["error"] if code)
    if not len(used):
        raise InputError(
            "No text is left to score a reader on.",
            code="nothing_scored",
            value="; ".join(f"{name} {count}" for name, count in rows.items()),
            next_step="Check the text and the label column, and do not give texts the model has learnt from.",
        )
    columns = read["rating" if measured else "emotion"].struct.unnest()
    output = columns.select(labels).to_numpy().astype(np.float64)
    truth = truth[used]
    thresholds = np.array([reader.thresholds.get(label, 0.5) for label in labels])
    units = table.units()
    judge = _Judge(kind, labels, thresholds, seed)
    drawn = None if units is None else units[used]
    return Assessment(
        kind=kind,
        labels=labels,
        rows=rows,
        codes=dict(codes),
        unknown=unknown,
        units=("texts", len(used)) if drawn is None else ("speakers", len(np.unique(drawn))),
        scores=tuple(judge.scores(truth, output, reader.model, drawn)),
        classes=judge.classes(truth, output),
        confusion=judge.confusion(truth, output),
        curve=judge.curve(truth, output, np.arange(len(used)) if drawn is None else drawn),
        errors=judge.errors(truth, output, read["id"].to_list(), read["text"].to_list()),
        seed=seed,
        **judge.slices(truth, output, [table.groups[row] for row in used]),
    )


class _Judge:
    """Compares truth with output; both ``(n, k)``."""

    def __init__(self, kind: LabelKind, labels: Sequence[str], thresholds: Floats, seed: int) -> None:
        self.kind = kind
        self.labels = tuple(labels)
        self.thresholds = thresholds
        self.seed = seed

    def scores(self, truth: Floats, output: Floats, reader: str, units: Codes | None) -> list[ScoreRow]:
        """The baseline knows the shares or the mean of this very table; the control has the texts changed round."""
        order = np.random.default_rng(self.seed).permutation(len(truth))
        constant = np.tile(truth.mean(axis=0), (len(truth), 1))
        name = {"choice": "majority", "presence": "prior", "measure": "mean"}[self.kind]
        predictors = [Predictor(name, "baseline", constant)]
        if self.kind == "presence":
            predictors.append(Predictor("every label", "baseline", np.ones_like(truth)))
        predictors += [
            Predictor("texts shuffled", "control", output[order]),
            Predictor(reader, "result", output),
        ]
        if self.kind == "measure":
            predictors = [each._replace(output=each.output[:, 0]) for each in predictors]
            truth = truth[:, 0]
        return score_rows(
            self.kind, truth=truth, predictors=predictors, thresholds=self.thresholds, units=units, seed=self.seed
        )

    def answers(self, output: Floats) -> NDArray[np.bool_]:
        """``(n, k)`` whether each label was given."""
        if self.kind == "choice":
            return np.asarray(np.arange(output.shape[1]) == output.argmax(axis=1)[:, None])
        return apply_thresholds(output, self.thresholds)

    def classes(self, truth: Floats, output: Floats) -> tuple[ClassScore, ...]:
        if self.kind == "choice":
            return per_class(truth=truth.argmax(axis=1), prediction=output.argmax(axis=1), labels=self.labels)
        if self.kind == "presence":
            return multilabel_per_class(truth=truth, probability=output, labels=self.labels, thresholds=self.thresholds)
        return ()

    def confusion(self, truth: Floats, output: Floats) -> NDArray[np.int64] | None:
        if self.kind == "measure":
            return None
        return np.asarray(truth.T @ self.answers(output)).astype(np.int64)

    def curve(self, truth: Floats, output: Floats, units: Codes) -> tuple[CurvePoint, ...]:
        """Bins of equal width over probabilities, of equal size over numbers."""
        if self.kind == "measure":
            said, found = output[:, 0], truth[:, 0]
            place = (np.argsort(np.argsort(said, kind="stable"), kind="stable") * _BINS) // len(said)
        else:
            if self.kind == "choice":
                top = output.argmax(axis=1)
                said, found = output.max(axis=1), truth[np.arange(len(truth)), top]
            else:
                said, found, units = output.ravel(), truth.ravel(), np.repeat(units, output.shape[1])
            edges = reliability(truth=found, probability=said, bins=_BINS).upper[:-1]
            place = np.searchsorted(edges, said, side="right")
        points = []
        for number in np.unique(place):
            chosen = place == number
            interval = bootstrap_mean(found[chosen], seed=self.seed, groups=units[chosen])
            points.append(CurvePoint(float(said[chosen].mean()), interval, int(chosen.sum())))
        return tuple(points)

    def slices(self, truth: Floats, output: Floats, groups: Sequence[str | None]) -> dict[str, Any]:
        name, metric, arrays = self._group_metric(truth, output)
        none = {
            "metric": name,
            "groups": (),
            "worst": None,
            "group_counts": (0, sum(group is None for group in groups)),
        }
        if not any(groups):
            return none
        found = slice_scores(
            metric,
            by=np.array(groups, dtype=object),
            minimum=SMALL_GROUP,
            higher_is_better=self.kind != "measure",
            **arrays,
        )
        of = np.array([group or "" for group in groups], dtype=object)

        def scored(group: str) -> GroupScore:
            chosen = of == group
            parts = {key: value[chosen] for key, value in arrays.items()}
            return GroupScore(group, int(chosen.sum()), bootstrap(metric, seed=self.seed, **parts))

        largest = sorted(found.groups, key=lambda each: -each.items)[:_MOST_GROUPS]
        shown = tuple(scored(each.group) for each in sorted(largest, key=lambda each: each.group))
        worst = found.worst.group if found.worst else None
        return none | {
            "groups": shown,
            "worst": next((each for each in shown if each.group == worst), scored(worst) if worst else None),
            "group_counts": (len(found.groups), found.ungrouped),
        }

    def _group_metric(self, truth: Floats, output: Floats) -> tuple[str, Callable[..., Score], dict[str, Any]]:
        if self.kind == "measure":
            return "MAE", mae, {"truth": truth[:, 0], "prediction": output[:, 0]}
        if self.kind == "presence":
            metric = functools.partial(multilabel_f1, thresholds=self.thresholds, average="micro")
            return "micro F1", metric, {"truth": truth, "probability": output}
        names = tuple(map(str, range(len(self.labels))))
        arrays = {"truth": truth.argmax(axis=1), "prediction": output.argmax(axis=1)}
        return "macro F1", functools.partial(f1, labels=names), arrays

    def errors(self, truth: Floats, output: Floats, ids: Sequence[str], texts: Sequence[str]) -> tuple[WorstError, ...]:
        """Equal texts are shown once."""
        if self.kind == "measure":
            size = np.abs(output - truth)[:, 0]
            says = [f"{value:.3g}" for value in output[:, 0]]
            true = [f"{value:.3g}" for value in truth[:, 0]]
        else:
            given = self.answers(output)
            wrong = given != (truth == 1)
            if self.kind == "choice":
                size = np.where(wrong.any(axis=1), output.max(axis=1), 0.0)
            else:  # for a wrong absence as sure as the presence is improbable
                size = np.where(wrong, np.where(given, output, 1 - output), 0.0).max(axis=1)
            says = self._named(given, output if self.kind == "presence" else None)
            true = self._named(truth == 1)
        found: list[WorstError] = []
        seen: set[str] = set()
        for row in np.argsort(-size, kind="stable"):
            if size[row] <= 0 or len(found) == _WORST:
                break
            if texts[row] not in seen:
                seen.add(texts[row])
                found.append(WorstError(ids[row], texts[row], true[row], says[row], float(size[row])))
        return tuple(found)

    def _named(self, given: NDArray[np.bool_], p: Floats | None = None) -> list[str]:
        return [
            ", ".join(
                self.labels[k] if p is None else f"{self.labels[k]} {p[row, k]:.2f}" for k in np.flatnonzero(given[row])
            )
            or "none"
            for row in range(len(given))
        ]
