"""The bundle that a head learnt from a table is written into: an encoder, the head, a card.

The encoder is that of the base, or one that was fine-tuned on the table. Needs the ``train`` extra.
"""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors.numpy import save_file

from affectome.affect import list_taxonomies
from affectome.errors import UsageError
from affectome.evaluate import LabelKind, LabelledTable, Split
from affectome.learn.checkpoints import check_target, whole_folder
from affectome.learn.own_table import Rows, TrainedHead, TunedEncoder, train_on_table
from affectome.models import BaseModelSource, Bundle, Card, FileEntry, Metric, TrainingData, list_models, write_card
from affectome.models.card import CARD_NAME
from affectome.perceive.head import HEAD_FILE, BundleHead

if TYPE_CHECKING:
    from affectome.learn.own_encoder import FineTuning

ENCODER_FILES = ("model.onnx", "space.safetensors", "tokenizer.json")
RECORD_FILE = "training.json"

_WHAT = {
    "choice": "one of {0} labels a text",
    "presence": "{0} labels, several a text",
    "measure": "a measure of {0} texts",
}


@dataclass(frozen=True, kw_only=True)
class BundleWords:
    """What nobody but the owner of a table can say about it.

    Args:
        id: Id of the bundle; made of the names of table and column when empty.
        licence: Licence of the table, and so of the head, as an SPDX expression.
        commercial: Whether the table allows commercial use: ``yes``, ``no`` or ``unclear``.
        command: The command that was typed.
    """

    id: str = ""
    licence: str = "LicenseRef-unstated"
    commercial: str = "unclear"
    command: str = ""

    def bundle_id(self, table: LabelledTable) -> str:
        """The id of the bundle.

        Raises:
            UsageError: It is that of an installed model or of a taxonomy.
        """
        stem = table.name.split(".", maxsplit=1)[0]
        slug = "-".join(re.findall(r"[a-z0-9]+", f"{stem} {table.label}".lower())) or "own-table"
        chosen = self.id or slug
        taken = {model.card.id for model in list_models().models} | set(list_taxonomies(kind=None))
        if chosen in taken:
            raise UsageError(
                f"The id {chosen!r} belongs to a model or a taxonomy already.",
                code="id_taken",
                value=chosen,
                next_step="Give another one with --id.",
            )
        return chosen


def train_bundle(
    table: LabelledTable,
    out: Path,
    *,
    base: Bundle,
    words: BundleWords,
    kind: LabelKind | None = None,
    tuning: FineTuning | None = None,
    threads: int = 2,
    seed: int = 0,
    report: Callable[[str], None] | None = None,
) -> tuple[Path, TrainedHead]:
    """Train a head on a table and write it as a bundle to ``out/<id>``; one that is there is replaced.

    Args:
        table: The table.
        out: Folder for the bundle.
        base: The text reader whose encoder is used.
        words: What the card says about the table.
        kind: What the label column holds; found out unless given.
        tuning: Trains the encoder as well. ``out/<id>-checkpoints`` holds where it is until the bundle is written, and
            ``out/<id>-encoder`` the encoder in float and Hugging Face layout, a base for further training. A call that
            was interrupted goes on when it is made again.
        threads: Processor threads.
        seed: Seed of everything drawn.
        report: Called with a line before each step.

    Returns:
        The folder of the bundle, and what training gave.

    Raises:
        InputError: The table does not give what training needs.
        ModelError: The words do not make a valid card.
        RunError: There is something else at the target, or it cannot be written.
        UsageError: The id is taken.
    """
    target = out / words.bundle_id(table)
    check_target(target, CARD_NAME)
    work, keep = out / f"{target.name}-checkpoints", out / f"{target.name}-encoder"
    tune: Callable[[Rows, Split], TunedEncoder] | None = None
    if tuning:
        tuning.check()
        check_target(keep, "heads.json")
        tune = partial(tuning.train, reader=base, work=work, keep=keep, threads=threads, seed=seed, report=report)
    draft = _card(table, None, base, words, tuning)  # words that make no card are found before the training
    trained = train_on_table(table, base=base, kind=kind, tune=tune, threads=threads, seed=seed, report=report)
    encoder = trained.encoder.bundle if trained.encoder else base
    with whole_folder(target, CARD_NAME) as staged:
        for name in ENCODER_FILES:
            shutil.copyfile(encoder.file(name), staged / name)
        _write_head(trained.head, encoder, staged)
        _write_json(staged / RECORD_FILE, _record(table, trained, base, words, tuning))
        entries = {path.name: FileEntry.of(path) for path in sorted(staged.iterdir())}
        card = replace(_card(table, trained, base, words, tuning), released=draft.released, files=entries)
        write_card(staged / CARD_NAME, card)
    if tuning:
        shutil.rmtree(work)
    return target, trained


def _write_head(head: BundleHead, base: Bundle, folder: Path) -> None:
    save_file(head.arrays(), folder / HEAD_FILE)
    readout: dict[str, Any] = json.loads(base.file("readout.json").read_text(encoding="utf-8"))
    described: dict[str, Any] = {"kind": head.kind, "labels": list(head.labels)}
    if head.kind == "presence":
        described["thresholds"] = list(head.thresholds)
    if head.range:
        described["range"] = list(head.range)
    _write_json(folder / "readout.json", readout | {"head": described})


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _record(
    table: LabelledTable, trained: TrainedHead, base: Bundle, words: BundleWords, tuning: FineTuning | None
) -> dict[str, Any]:
    """How the bundle came about, for whoever wants to make it again."""
    record = {
        "table": table.name,
        "fingerprint": table.fingerprint,
        "columns": table.columns,
        "command": words.command,
        "base": base.card.versioned_id,
        "base_sha256": base.sha256,
        "kind": trained.rows.kind,
        "rows": {"table": len(table.cells), "used": len(trained.rows.texts)}
        | {part: len(rows) for part, rows in trained.split._asdict().items()},
        "notes": list(trained.rows.notes),
        "strength": trained.strength,
        "seed": trained.seed,
    }
    if tuning and trained.encoder:
        source = tuning.source(base)
        record["fine_tuning"] = {
            "base": source.name,
            "base_sha256": source.sha256,
            "epochs": tuning.epochs,
            "teacher": tuning.teacher.card.versioned_id if tuning.teacher else None,
            "agreement": trained.encoder.agreement,
        }
    return record


def _card(
    table: LabelledTable, trained: TrainedHead | None, base: Bundle, words: BundleWords, tuning: FineTuning | None
) -> Card:
    """The card; a draft before there is a head, for which the files of the base stand in."""
    source = BaseModelSource(base.card.versioned_id, base.card.licence, base.card.files["model.onnx"].sha256)
    learnt = {data.name: data for data in base.card.training_data}
    cleared, notes = base.card.commercial, [base.card.commercial_note]
    if tuning:
        source = tuning.source(base)
        if source.licence == "LicenseRef-unstated":
            cleared = False
            notes.append(f"The licence of the encoder {source.name} is not known.")
        if tuning.teacher:
            learnt |= {data.name: data for data in tuning.teacher.card.training_data}
            cleared = cleared and tuning.teacher.card.commercial
            notes.append(tuning.teacher.card.commercial_note)
    rows = trained.rows if trained else None
    what = (
        _WHAT[rows.kind].format(len(rows.texts) if rows.kind == "measure" else len(rows.labels)) if rows else "a draft"
    )
    used = len(trained.split.train) if trained else 0
    commercial = words.commercial == "yes" and cleared
    note = "" if commercial else f"Whether the table {table.name} allows commercial use: {words.commercial}."
    return Card(
        id=words.bundle_id(table),
        version="0.1.0",
        task=base.card.task,
        title=f"The column {table.label!r} of {table.name}",
        taxonomies=base.card.taxonomies,
        languages=base.card.languages,
        licence=words.licence,
        commercial=commercial,
        commercial_note=" ".join(dict.fromkeys(part for part in (note, *notes) if part)),
        released=datetime.now(UTC).date(),
        training_data=(TrainingData(table.name, words.licence, words.commercial, what, used), *learnt.values()),
        metrics=_metrics(table, trained, words) if trained else (),
        intended_use=f"Reading the column {table.label!r} ({what}) in texts like those of {table.name}.",
        limits=(
            f"The head knows one table; its figures are of held-out rows of {table.name}, and texts of another origin "
            "are read less well.",
            "If the table holds texts from which the encoder learnt, the figures are too good.",
            *_limits(trained, base),
            "The head carries a 64-bit hash of each text it learnt from, so that it is never scored on one of them.",
            *base.card.limits,
        ),
        files=dict(base.card.files),
        base_model=source,
    )


def _limits(trained: TrainedHead | None, base: Bundle) -> tuple[str, ...]:
    """What fine-tuning has done to the other read-outs."""
    if trained is None or trained.encoder is None:
        return ()
    found = ", ".join(f"{name} {r:.2f}" for name, r in trained.encoder.agreement.items())
    return (
        f"Fine-tuning moved the affect space; the other read-outs imitate {base.card.versioned_id}. Correlation with "
        f"it on {len(trained.split.dev):,} rows they were not fitted to: {found}.",
    )


def _metrics(table: LabelledTable, trained: TrainedHead, words: BundleWords) -> tuple[Metric, ...]:
    """The scores that are defined, baseline and control first."""
    notes = {"baseline": "baseline: {}", "control": "control that should fail: {}", "result": ""}
    return tuple(
        Metric(
            set=f"{table.name}, test rows",
            metric=row.metric,
            value=round(row.interval.value, 4),
            low=round(row.interval.low, 4),
            high=round(row.interval.high, 4),
            n=row.n,
            command=words.command or "affectome train",
            note=notes[row.role].format(row.predictor),
        )
        for row in trained.scores
        if math.isfinite(row.interval.value) and math.isfinite(row.interval.low)
    )
