"""From a labelled table of the user's own to a bundle: one head on the frozen text reader, minutes on a CPU.

The table is cut into training, development and test rows; no speaker and no near-duplicate is in two of them. The head
is fitted on the first, calibrated on the second and scored once on the third. Needs the ``train`` extra.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from affectome.errors import InputError
from affectome.evaluate import (
    ClassScore,
    LabelKind,
    LabelledTable,
    Part,
    Predictor,
    ScoreRow,
    Split,
    assert_disjoint,
    choose_thresholds,
    label_kind,
    multilabel_per_class,
    per_class,
    score_rows,
    split_rows,
)
from affectome.evaluate.inputs import Codes, Floats
from affectome.evaluate.labelled import cell_labels, numbers
from affectome.learn.calibration import fit_platt, fit_temperature
from affectome.learn.features import AffectFeatures
from affectome.learn.heads import Head, choose_strength, fit_head
from affectome.models import Bundle
from affectome.perceive.estimates import SCORED
from affectome.perceive.head import BundleHead, text_marks

Array = NDArray[np.float32]

FEWEST_ROWS = 50
"""Fewer rows cannot be cut into parts that say anything."""
FEWEST_OF_A_LABEL = 5
"""Rows that a label needs; rarer ones are left out."""
_SMOOTHING = 10.0  # present texts with which the common threshold counts against a rare label's own
_SHOWN = 8  # labels named in a note


class Rows(NamedTuple):
    """The rows of a table that can be learnt from.

    Attributes:
        kind: What the column holds.
        labels: k labels, or the name of the measure.
        texts: n texts.
        targets: ``(n, k)`` 0 or 1, or ``(n, 1)`` numbers.
        units: ``(n,)`` speaker of each row, or a number of its own.
        notes: What was left out or changed, in words, with counts.
    """

    kind: LabelKind
    labels: tuple[str, ...]
    texts: tuple[str, ...]
    targets: Floats
    units: Codes
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class TrainedHead:
    """What training on a table gave.

    Attributes:
        head: The head, calibrated.
        rows: What it learnt from.
        split: Row numbers of the parts, positions in ``rows``.
        scores: On the test rows: a baseline, the control with shuffled labels, the head.
        classes: Per label on the test rows; empty for a measure.
        strength: Penalty, chosen by cross-validation on the training rows.
        seconds: Time of each step.
        seed: Seed of everything drawn.
        encoder: The encoder that was trained for the table; None where the head stands on that of the base.
    """

    head: BundleHead
    rows: Rows
    split: Split
    scores: tuple[ScoreRow, ...]
    classes: tuple[ClassScore, ...]
    strength: float
    seconds: dict[str, float]
    seed: int
    encoder: TunedEncoder | None = None


class TunedEncoder(NamedTuple):
    """An encoder that was trained for a table.

    Attributes:
        bundle: The encoder, and all that the reader it comes from reads besides.
        agreement: By what is read, the correlation with that reader on the development rows.
    """

    bundle: Bundle
    agreement: dict[str, float]


def train_on_table(
    table: LabelledTable,
    *,
    base: Bundle,
    kind: LabelKind | None = None,
    tune: Callable[[Rows, Split], TunedEncoder] | None = None,
    threads: int = 2,
    seed: int = 0,
    report: Callable[[str], None] | None = None,
) -> TrainedHead:
    """Fit, calibrate and score a head on a table.

    Args:
        table: The table.
        base: The text reader whose encoder is used; it is not changed.
        kind: What the label column holds; found out unless given.
        tune: Trains an encoder on the training rows, which it may calibrate on the development rows; the head then
            stands on it, and one on the encoder of the base is a baseline. Without it that one is the result.
        threads: Processor threads.
        seed: Seed of split, folds and control.
        report: Called with a line before each step.

    Raises:
        InputError: The table has too few rows or labels, or holds other things than ``kind`` says.
        UsageError: ``too_few_groups``, as nearly all rows are linked by a speaker or by near-duplicate texts.
    """
    say = report or (lambda line: None)
    clock = _Clock()
    features = AffectFeatures(base, threads=threads)
    rows = usable_rows(table, kind, features)
    say(f"cutting {len(rows.texts):,} rows into training, development and test rows")
    split = split_rows(len(rows.texts), groups=rows.units, texts=rows.texts, strata=_strata(rows), seed=seed)
    assert_disjoint(**{name: _part(rows, chosen) for name, chosen in split._asdict().items()})
    clock.lap("split")
    say(f"encoding {len(rows.texts):,} texts")
    x = features.transform(rows.texts)
    clock.lap("encode")
    frozen: Array | None = None
    tuned: TunedEncoder | None = None
    say(f"fitting on {len(split.train):,} rows")
    if tune:
        frozen = _fit(rows, split, x, seed)[0].read(x[split.test])
        tuned = tune(rows, split)
        x = AffectFeatures(tuned.bundle, threads=threads).transform(rows.texts)
        clock.lap("tune")
    head, strength = _fit(rows, split, x, seed)
    known = [rows.texts[row] for row in (*split.train, *split.dev)]
    head = replace(head, seen=np.unique(text_marks(known)))
    train_targets = rows.targets[split.train]
    shuffled = np.random.default_rng(seed).permutation(train_targets)
    control = _folded(fit_head(x[split.train], shuffled, kind=rows.kind, strength=strength), rows)
    clock.lap("fit")
    say(f"scoring on {len(split.test):,} rows")
    truth, p = rows.targets[split.test], np.asarray(head.read(x[split.test]), np.float64)
    n = len(truth)
    name = "majority" if rows.kind == "choice" else "prior" if rows.kind == "presence" else "mean"
    predictors = [
        Predictor(name, "baseline", np.tile(train_targets.mean(axis=0), (n, 1))),
        Predictor("labels shuffled", "control", np.asarray(control.read(x[split.test]), np.float64)),
        Predictor("fine-tuned" if tuned else "head", "result", p),
    ]
    if frozen is not None:
        predictors.insert(1, Predictor("head, encoder as it was", "baseline", np.asarray(frozen, np.float64)))
    if rows.kind == "measure":
        truth = truth[:, 0]
        predictors = [Predictor(each.name, each.role, each.output[:, 0]) for each in predictors]
    units = rows.units[split.test] if any(table.speakers) else None
    limits = head.thresholds or 0.5
    scores = score_rows(rows.kind, truth=truth, predictors=predictors, thresholds=limits, units=units, seed=seed)
    clock.lap("score")
    classes: tuple[ClassScore, ...] = ()
    if rows.kind == "choice":
        classes = per_class(truth=truth.argmax(axis=1), prediction=p.argmax(axis=1), labels=rows.labels)
    elif rows.kind == "presence":
        classes = multilabel_per_class(truth=truth, probability=p, labels=rows.labels, thresholds=limits)
    return TrainedHead(head, rows, split, tuple(scores), classes, strength, clock.laps, seed, tuned)


def _fit(rows: Rows, split: Split, x: Array, seed: int) -> tuple[BundleHead, float]:
    """A head on features (n, d), calibrated, and its penalty."""
    targets = rows.targets[split.train]
    strength = choose_strength(x[split.train], targets, kind=rows.kind, groups=rows.units[split.train], seed=seed)
    fitted = fit_head(x[split.train], targets, kind=rows.kind, strength=strength)
    return _calibrated(fitted, rows, x, split.dev), strength


def usable_rows(table: LabelledTable, kind: LabelKind | None, features: AffectFeatures) -> Rows:
    """The rows of a table that have a text the reader reads and a label.

    Spellings of a label that differ in case only are one label, that of the most frequent spelling. A label with fewer
    than five rows is left out.

    Args:
        table: The table.
        kind: What the label column holds; found out if None.
        features: The encoder, whose reader says which texts it abstains from.

    Raises:
        InputError: ``too_few_labels``, ``too_few_rows``, ``constant_measure``, or ``not_a_number``.
    """
    kind = kind or label_kind(table.cells)
    notes = list(table.problems)
    left_out: Counter[str] = Counter()
    units = table.units()
    values = numbers(table.cells, table.label) if kind == "measure" else None
    kept = []
    for row, (text, error, cell) in enumerate(
        zip(table.segments["text"], table.segments["error"], table.cells, strict=True)
    ):
        status, code = features.reader.admit(text, error)
        if status != SCORED:
            left_out[code] += 1
        elif cell is None or (values is not None and np.isnan(values[row])):
            left_out["unlabelled"] += 1
        else:
            kept.append(row)
    notes += [f"rows left out, {_REASONS.get(code, code)}: {count:,}" for code, count in left_out.most_common()]
    if values is not None:
        labels: tuple[str, ...] = (table.label,)
        targets = values[kept][:, None]
    else:
        labels, targets, kept = _coded(table, kind, kept, notes)
    texts = tuple(table.segments["text"].gather(kept))
    if len(kept) < FEWEST_ROWS:
        raise InputError(
            f"{len(kept)} rows have a text and a label; at least {FEWEST_ROWS} are needed.",
            code="too_few_rows",
            value=len(kept),
            next_step="; ".join(notes) or "Label more rows.",
        )
    if kind == "measure" and np.ptp(targets) == 0:
        raise InputError(
            f"The column {table.label!r} holds the same number in every row.",
            code="constant_measure",
            value=targets[0, 0],
        )
    notes += _copies(texts, targets)
    own = np.arange(len(kept)) if units is None else units[kept]
    return Rows(kind, labels, texts, targets, own, tuple(notes))


_REASONS = {
    "empty": "without a text",
    "too_short": "without a word in the text",
    "not_english": "with a text that does not look like English",
    "too_long": "with a text longer than 100,000 characters",
    "bad_row": "as they cannot be read",
    "unlabelled": "without a label",
}


def _coded(
    table: LabelledTable, kind: LabelKind, kept: Sequence[int], notes: list[str]
) -> tuple[tuple[str, ...], Floats, list[int]]:
    """Labels, targets and the rows that still have a label once rare labels are left out."""
    given = {row: cell_labels(table.cells[row], kind) for row in kept}
    spellings = Counter(label for labels in given.values() for label in labels)
    common: dict[str, str] = {}
    for label, _ in spellings.most_common():
        common.setdefault(label.casefold(), label)
    if len(common) < len(spellings):
        notes.append(
            f"labels that differ from another one in case only and count as that one: {len(spellings) - len(common):,}"
        )
    merged = {row: {common[label.casefold()] for label in labels} for row, labels in given.items()}
    counts = Counter(label for labels in merged.values() for label in labels)
    rare = [label for label, count in counts.items() if count < FEWEST_OF_A_LABEL]
    labels = tuple(sorted(set(counts) - set(rare)))
    if rare:
        shown = ", ".join(sorted(rare)[:_SHOWN]) + (f" and {len(rare) - _SHOWN} more" if len(rare) > _SHOWN else "")
        notes.append(f"labels left out, with fewer than {FEWEST_OF_A_LABEL} rows: {len(rare):,} ({shown})")
    constant = kind == "presence" and all(counts[label] == len(merged) for label in labels)
    if len(labels) < (2 if kind == "choice" else 1) or constant:
        raise InputError(
            f"The column {table.label!r} gives nothing to tell apart: "
            f"{len(labels)} labels have at least {FEWEST_OF_A_LABEL} rows, of {len(counts):,} different ones.",
            code="too_few_labels",
            value=table.label,
            allowed=labels,
            next_step="Name the column with the labels, or label more rows.",
        )
    rows = [row for row in kept if not merged[row].isdisjoint(labels)]
    if len(rows) < len(kept):
        notes.append(f"rows left out, with such labels only: {len(kept) - len(rows):,}")
    targets = np.array([[label in merged[row] for label in labels] for row in rows], np.float64)
    return labels, targets, rows


def _copies(texts: Sequence[str], targets: Floats) -> list[str]:
    """A note on texts that occur more than once."""
    labels: dict[str, set[bytes]] = {}
    for text, target in zip(texts, targets, strict=True):
        labels.setdefault(" ".join(text.casefold().split()), set()).add(target.tobytes())
    if len(labels) == len(texts):
        return []
    torn = sum(len(different) > 1 for different in labels.values())
    return [
        f"rows that repeat the text of an earlier one and stay in one part with it: {len(texts) - len(labels):,}; "
        f"texts with different labels in different rows: {torn:,}"
    ]


def _part(rows: Rows, chosen: Codes) -> Part:
    return Part(rows=chosen, groups=rows.units[chosen], texts=[rows.texts[row] for row in chosen])


def _strata(rows: Rows) -> list[str]:
    """What is to be spread evenly: the label, the rarest label, or the fifth of the range."""
    if rows.kind == "measure":
        edges = np.quantile(rows.targets[:, 0], [0.2, 0.4, 0.6, 0.8])
        return [str(fifth) for fifth in np.searchsorted(edges, rows.targets[:, 0])]
    rarity = rows.targets / np.maximum(rows.targets.sum(axis=0), 1)
    return [rows.labels[k] for k in rarity.argmax(axis=1)]


def _folded(
    head: Head,
    rows: Rows,
    slope: Floats | float = 1.0,
    intercept: Floats | float = 0.0,
    thresholds: Sequence[float] = (),
) -> BundleHead:
    """A head with its standardisation and a calibration of its scores folded into matrix and bias."""
    matrix = head.matrix.astype(np.float64) / head.scale[:, None]
    bias = head.bias - head.mean @ matrix
    return BundleHead(
        kind=rows.kind,
        labels=rows.labels,
        matrix=np.asarray(matrix * slope, np.float32),
        bias=np.asarray(bias * slope + intercept, np.float32),
        thresholds=tuple(thresholds) or (0.5,) * (len(rows.labels) if rows.kind == "presence" else 0),
        range=(float(rows.targets.min()), float(rows.targets.max())) if rows.kind == "measure" else None,
    )


def _calibrated(head: Head, rows: Rows, x: Array, dev: Codes) -> BundleHead:
    """The head with temperature or Platt scaling and thresholds from the development rows."""
    if rows.kind == "measure":
        return _folded(head, rows)
    scores, truth = np.asarray(head.scores(x[dev]), np.float32), rows.targets[dev]
    if rows.kind == "choice":
        return _folded(head, rows, 1 / fit_temperature(scores, np.asarray(truth, np.float32)))
    platt = fit_platt(scores, np.asarray(truth, np.float32))
    slope, intercept = platt.slope.astype(np.float64), platt.intercept.astype(np.float64)
    p = np.asarray(1 / (1 + np.exp(-(scores * slope + intercept))), np.float64)
    chosen = choose_thresholds(dev_truth=truth, dev_probability=p, smoothing=_SMOOTHING).values
    return _folded(head, rows, slope, intercept, [round(float(value), 6) for value in chosen])


class _Clock:
    """Seconds of each step."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.laps[name], self._last = round(now - self._last, 3), now
