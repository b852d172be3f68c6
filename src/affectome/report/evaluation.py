"""How good a reader is, as one HTML page and as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from affectome.evaluate import Assessment, ScoreRow
from affectome.evaluate.assessment import SMALL_GROUP
from affectome.pipeline.storage import storage_errors, write_bytes
from affectome.report.canvas import Figure, draw
from affectome.report.evaluation_charts import confusion_chart, group_chart, reliability_chart, shown_labels
from affectome.report.page import environment
from affectome.report.palette import Palette

_RESAMPLES = 1000


@dataclass(frozen=True, kw_only=True)
class EvaluationRun:
    """What is known about an evaluation besides its figures.

    Args:
        data: Name of the table.
        columns: Column of the table by what it served as.
        fingerprint: SHA-256 over the contents of the table.
        model: Bundle id with version.
        model_sha256: What pins every byte of the bundle.
        taxonomy: Taxonomy id.
        thresholds: Probability from which a label counts as present, where it is not .5.
        command: What to type to get the same page.
        started: When it started, ISO 8601.
        affectome: Version of Affectome.
    """

    data: str
    columns: Mapping[str, str] = field(default_factory=dict)
    fingerprint: str = ""
    model: str = ""
    model_sha256: str = ""
    taxonomy: str = ""
    thresholds: Mapping[str, float] = field(default_factory=dict)
    command: str = ""
    started: str = ""
    affectome: str = ""


def write_evaluation(
    assessment: Assessment, run: EvaluationRun, out: Path, *, card: Mapping[str, Any] | None = None
) -> None:
    """Write ``out/evaluation.html``, a self-contained page that opens offline, and ``out/evaluation.json``.

    Args:
        assessment: The figures.
        run: Where they come from.
        out: The folder; files of an earlier evaluation are replaced.
        card: The model's card, with the keys of ``card.toml``.

    Raises:
        RunError: The folder cannot be written (codes such as ``disk_full`` and ``not_writable``).
    """
    with storage_errors(out):
        out.mkdir(parents=True, exist_ok=True)
        content = json.dumps(asdict(run) | assessment.as_dict(), indent=1, ensure_ascii=False) + "\n"
        write_bytes(out / "evaluation.json", content.encode(errors="replace"))
    page = environment().get_template("evaluation.html.jinja").render(_contents(assessment, run, card))
    write_bytes(out / "evaluation.html", page.encode())


def _contents(assessment: Assessment, run: EvaluationRun, card: Mapping[str, Any] | None) -> dict[str, Any]:
    """Everything the template shows."""
    predictors: dict[str, list[ScoreRow]] = {}
    for row in assessment.scores:
        predictors.setdefault(row.predictor, []).append(row)
    result = {row.metric: row for row in assessment.scores if row.role == "result"}
    first = assessment.scores[0].metric
    # The correlation of a constant is not defined, its error is.
    compared = "MAE" if assessment.kind == "measure" else first
    floors = [row for row in assessment.scores if row.role == "baseline" and row.metric == compared]
    floor = max(floors, key=lambda row: row.interval.value)
    return {
        "assessment": assessment,
        "run": run,
        "info": run,
        "card": card,
        "palette": Palette(assessment.labels),
        "predictors": list(predictors.values()),
        "result": result,
        "headline": result[first],
        "baseline": {
            "predictor": floor.predictor,
            "value": floor.interval.value,
            "reader": result[compared].interval.value,
        },
        "shown": [assessment.labels[k] for k in shown_labels(assessment)],
        "small_group": SMALL_GROUP,
        "seed": assessment.seed,
        "resamples": _RESAMPLES,
        "figures": _figures(assessment),
    }


def _figures(assessment: Assessment) -> dict[str, Figure]:
    figures = {"reliability": draw(lambda canvas: reliability_chart(assessment, canvas))}
    if assessment.confusion is not None:
        figures["confusion"] = draw(lambda canvas: confusion_chart(assessment, canvas))
    if len(assessment.groups) > 1:
        figures["groups"] = draw(lambda canvas: group_chart(assessment, canvas))
    return figures
