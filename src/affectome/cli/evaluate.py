"""``affectome evaluate``: how good is a reader on labelled texts?"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import polars as pl
from cyclopts import Parameter

from affectome.api import ReaderOptions
from affectome.cli.output import at_commas, console, print_json, print_table
from affectome.errors import InputError
from affectome.evaluate import Interval, accuracy, bootstrap, ece, f1, multilabel_f1, predict_majority, predict_prior, uar
from affectome.media import read_segments
from affectome.perceive import TextReader

_SEED = 0


def evaluate(
    data: Path,
    /,
    *,
    label_column: str,
    text_column: str | None = None,
    reader: Annotated[ReaderOptions, Parameter(name="*")] = ReaderOptions(),  # noqa: B008
    json: bool = False,
) -> int:
    """Score a reader on a table of texts whose labels are known.

    The first rows are what a reader without any skill reaches. Intervals are 95 % bootstrap intervals over texts. Texts
    the reader abstains from count as wrong.

    Examples:

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
    rows = _exclusive_rows(truth, p, scored, loaded) if loaded.exclusive else _presence_rows(truth, p, loaded)
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
        {"predictor": r["predictor"], "metric": r["metric"], "value": f"{r['value']:.3f}", "95 %": f"{r['low']:.3f} to {r['high']:.3f}"}
        for r in rows
    ]
    print_table(shown, right=["value", "95 %"])
    return 0


def _truth(column: pl.Series, labels: Sequence[str]) -> np.ndarray[Any, np.dtype[np.float64]]:
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


def _exclusive_rows(truth: Any, p: Any, scored: Any, reader: TextReader) -> list[dict[str, Any]]:
    names = np.array(reader.labels)
    true, read = names[truth.argmax(1)], np.where(scored, names[p.argmax(1)], "")
    majority = predict_majority(train_truth=true, items=len(true))
    metrics: dict[str, Callable[..., Any]] = {"accuracy": accuracy, "macro F1": f1, "UAR": uar}
    rows = []
    for predictor, prediction in (("majority", majority), (reader.model, read)):
        for metric, function in metrics.items():
            interval = bootstrap(function, seed=_SEED, truth=true, prediction=prediction)
            rows.append(_row(predictor, metric, interval))
    calibration = bootstrap(ece, seed=_SEED, truth=(true == read).astype(float), probability=p.max(1))
    return [*rows, _row(reader.model, "ECE", calibration)]


def _presence_rows(truth: Any, p: Any, reader: TextReader) -> list[dict[str, Any]]:
    thresholds = np.array([reader.thresholds.get(label, 0.5) for label in reader.labels])
    prior = predict_prior(train_truth=truth, labels=reader.labels, items=len(truth))
    rows = []
    for predictor, output in (("prior", prior), (reader.model, p)):
        for average in ("macro", "micro"):
            metric = functools.partial(multilabel_f1, thresholds=thresholds, average=average)
            rows.append(_row(predictor, f"{average} F1", bootstrap(metric, seed=_SEED, truth=truth, probability=output)))
    return [*rows, _row(reader.model, "ECE", bootstrap(ece, seed=_SEED, truth=truth, probability=p))]


def _row(predictor: str, metric: str, interval: Interval) -> dict[str, Any]:
    values = asdict(interval)
    return {"predictor": predictor, "metric": metric, **{key: values[key] for key in ("value", "low", "high")}}
