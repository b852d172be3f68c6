"""``affectome evaluate``: how good is a reader on labelled texts?"""

from __future__ import annotations

import shlex
import sys
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from affectome.api import ReaderOptions
from affectome.cli.output import at_commas, console, print_json, print_scores
from affectome.evaluate import Assessment, assess, read_labelled
from affectome.report import EvaluationRun, write_evaluation
from affectome.version import __version__

_SHOWN = 5  # unknown labels named


def evaluate(
    *,
    data: Path,
    label: str,
    text_column: str | None = None,
    group_column: str | None = None,
    speaker_column: str | None = None,
    reader: Annotated[ReaderOptions, Parameter(name="*", negative_bool="no-")] = ReaderOptions(),  # noqa: B008
    out: Path | None = None,
    json: bool = False,
) -> int:
    """Score a reader on a table of texts whose labels are known.

    The first rows are what a reader without any skill reaches, then a control that should fail. Intervals are 95 %
    bootstrap intervals over texts, or over speakers where the table names them. Rows without a label and texts the
    reader abstains from or fails on are counted apart. So are labels outside the vocabulary, up to a tenth of the rows,
    and texts from which a model has learnt its labels.

    With --out, OUT/evaluation.html shows confusions, reliability, groups and the worst errors, and OUT/evaluation.json
    holds the same figures.

    For example:

        affectome evaluate --data answers.csv --label emotion --taxonomy ekman7 --out evaluation
        affectome evaluate --data comments.csv --label labels --group-column platform --json
        affectome evaluate --data new-answers.csv --label emotion --model trained/answers-emotion

    Args:
        data: CSV, TSV, JSONL or Parquet file.
        label: Column with the true label: one a row, or several with commas between them where the vocabulary allows
            it; numbers for a model that learnt a measure.
        text_column: Column with the text; found by its usual names unless given.
        group_column: Column with a group to compare.
        speaker_column: Column with who wrote or spoke, whose texts are not independent.
        reader: Model and vocabulary.
        out: Folder for the report.
        json: Print JSON.
    """
    started = datetime.now(UTC)
    loaded = replace(reader, labels=at_commas(reader.labels)).open(threads=2)
    table = read_labelled(
        data, label=label, text_column=text_column, speaker_column=speaker_column, group_column=group_column
    )
    assessment = assess(loaded, table)
    run = EvaluationRun(
        data=table.name,
        columns=table.columns,
        fingerprint=table.fingerprint,
        model=loaded.model,
        model_sha256=loaded.sha256,
        taxonomy=loaded.taxonomy,
        thresholds=loaded.thresholds,
        command=shlex.join(["affectome", *sys.argv[1:]]),
        started=started.isoformat(timespec="seconds"),
        affectome=__version__,
    )
    if out is not None:
        write_evaluation(assessment, run, out, card=loaded.card.as_dict())
    if json:
        print_json(asdict(run) | assessment.as_dict())
    else:
        _print(assessment, run, out)
    return 0


def _print(assessment: Assessment, run: EvaluationRun, out: Path | None) -> None:
    printed = console()
    rows = assessment.rows
    parts = [f"{count:,} {name.replace('_', ' ')}" for name, count in rows.items() if count and name != "total"]
    printed.print(f"{rows['total']:,} rows: {', '.join(parts)}; {run.model}, {run.taxonomy}", markup=False)
    if assessment.unknown:
        shown = [f"{name} ({count:,})" for name, count in assessment.unknown.items()]
        more = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
        printed.print(f"labels the reader does not know: {', '.join(shown[:_SHOWN])}{more}", markup=False)
    printed.print()
    print_scores(assessment.scores)
    if worst := assessment.worst:
        score = f"{worst.score.value:.3f} ({worst.score.low:.3f} to {worst.score.high:.3f})"
        printed.print(f"\nworst group: {worst.group}, {worst.texts:,} texts, {assessment.metric} {score}", markup=False)
    if out is not None:
        printed.print(f"\nreport  {out / 'evaluation.html'}\nfigures {out / 'evaluation.json'}", markup=False)
