"""``affectome evaluate``: how good is a reader on labelled texts?"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import polars as pl
from cyclopts import Parameter
from numpy.typing import NDArray

from affectome.api import ReaderOptions
from affectome.cli.output import at_commas, console, print_json, print_table
from affectome.errors import InputError
from affectome.evaluate import (
    Interval,
    Score,
    accuracy,
    bootstrap,
    ece,
    f1,
    multilabel_f1,
    predict_majority,
    predict_mean,
    uar,
)
from affectome.media import read_segments
from affectome.perceive import TextReader

Floats = NDArray[np.float64]
Metric = Callable[..., Score]

_SEED = 0


def evaluate(
    data: Path,
    /,
    *,
    label_column: str,
    text_column: str | None = None,
    reader: Annotated[ReaderOptions, Parameter(name="*", negative_bool="no-")] = ReaderOptions(),  # noqa: B008
    json: bool = False,
) -> int:
    """Score a reader on a table of texts whose labels are known.

    The first rows are what a reader without any skill reaches. Intervals are 95 % bootstrap intervals over texts. Texts
    the reader abstains from or fails on are counted apart.

    For example:

        affectome evaluate answers.csv --label-column emotion --taxonomy ekman7
        affectome evaluate comments.csv --label-column labels --json

    Args:
        data: CSV, TSV, JSONL or Parquet file.
        label_column: Column with the true label; several labels with commas between them where the taxonomy allows it.
        text_column: Column with the text; found by its usual names unless given.
        reader: Model and vocabulary.
        json: Print JSON.
    """
    loaded = replace(reader, labels=at_commas(reader.labels)).open(threads=2)
    segments = pl.concat(list(read_segments([data], text_column=text_column, keep=(label_column,)).shards()))
    truth = _truth(segments["meta"].struct.field(label_column), loaded.labels)
    estimates = loaded.perceive(segments)
    scored = (estimates["status"] == "scored").to_numpy()
    p = np.zeros((len(estimates), len(loaded.labels)))
    p[scored] = estimates.filter(pl.Series(scored))["emotion"].struct.unnest().to_numpy()
    rows = _exclusive_rows(truth, p, scored, loaded) if loaded.exclusive else _presence_rows(truth, p, scored, loaded)
    result = {
        "data": data.name,
        "model": loaded.model,
        "taxonomy": loaded.taxonomy,
        "texts": len(estimates),
        "not_scored": dict(Counter(estimates.filter(~pl.Series(scored))["error"])),
        "seed": _SEED,
        "results": rows,
    }
    if json:
        print_json(result)
        return 0
    printed = console()
    printed.print(f"{len(estimates):,} texts, {(~scored).sum():,} not scored; {loaded.model}, {loaded.taxonomy}\n")
    shown = [
        {
            "predictor": r["predictor"],
            "metric": r["metric"],
            "value": f"{r['value']:.3f}",
            "95 %": f"{r['low']:.3f} to {r['high']:.3f}",
        }
        for r in rows
    ]
    print_table(shown, right=["value", "95 %"])
    return 0


def _truth(column: pl.Series, labels: Sequence[str]) -> Floats:
    """Presence of each label (n, k) from a column of label lists."""
    truth = np.zeros((len(column), len(labels)))
    position = {label.casefold(): k for k, label in enumerate(labels)}
    for i, cell in enumerate(column):
        for label in (cell or "").split(","):
            if label.strip().casefold() not in position:
                raise InputError(
                    f"Row {i} has the label {label.strip()!r}, which the reader's vocabulary does not hold.",
                    code="unknown_label",
                    value=label.strip(),
                    allowed=labels,
                    next_step="Choose the vocabulary of the data with --taxonomy or --labels.",
                )
            truth[i, position[label.strip().casefold()]] = 1
    return truth


def _exclusive_rows(truth: Floats, p: Floats, scored: NDArray[np.bool_], reader: TextReader) -> list[dict[str, object]]:
    names = np.array(reader.labels, dtype=object)
    true = names[truth.argmax(1)]
    read = np.where(scored, names[p.argmax(1)], None)
    majority = predict_majority(train_truth=true, items=len(true))
    metrics: dict[str, Metric] = {"accuracy": accuracy, "macro F1": f1, "UAR": uar}
    rows = [
        _row(predictor, metric, bootstrap(function, seed=_SEED, truth=true, prediction=prediction))
        for predictor, prediction in (("majority", majority), (reader.model, read))
        for metric, function in metrics.items()
    ]
    right = (true[scored] == read[scored]).astype(float)
    return [*rows, _row(reader.model, "ECE", bootstrap(ece, seed=_SEED, truth=right, probability=p[scored].max(1)))]


def _presence_rows(truth: Floats, p: Floats, scored: NDArray[np.bool_], reader: TextReader) -> list[dict[str, object]]:
    thresholds = np.array([reader.thresholds.get(label, 0.5) for label in reader.labels])
    truth, p = truth[scored], p[scored]
    rows = [
        _row(predictor, f"{average} F1", bootstrap(metric, seed=_SEED, truth=truth, probability=output))
        for predictor, output in (("prior", predict_mean(train_truth=truth, items=len(truth))), (reader.model, p))
        for average in ("macro", "micro")
        for metric in [functools.partial(multilabel_f1, thresholds=thresholds, average=average)]
    ]
    return [*rows, _row(reader.model, "ECE", bootstrap(ece, seed=_SEED, truth=truth, probability=p))]


def _row(predictor: str, metric: str, interval: Interval) -> dict[str, object]:
    found = {"value": interval.value, "low": interval.low, "high": interval.high}
    return {"predictor": predictor, "metric": metric, **found}
