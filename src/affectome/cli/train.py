"""``affectome train``: weights from a table of one's own, or from a recipe."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Group, Parameter

from affectome.cli.output import console, figure, print_json, print_scores, print_table
from affectome.errors import MissingExtraError, UsageError

if TYPE_CHECKING:
    from affectome.learn.descent import Progress
    from affectome.learn.own_encoder import FineTuning
    from affectome.learn.own_table import TrainedHead

_TABLE = Group("With a table", sort_key=1)
_RECIPE = Group("With a recipe", sort_key=2)


@dataclass(frozen=True, kw_only=True)
class TableOptions:
    """What to learn from a table, and what to say about it.

    Args:
        label: Column with the label: one label a row, several with commas between them, or a number.
        kind: What that column holds: choice for one label a row, presence for several, measure for numbers. Found out
            unless given; give choice where numbers name classes.
        text_column: Column with the text; found by its usual names unless given.
        group_column: Column with the speaker, author or dialogue, whose texts stay in one part; found by its usual
            names unless given.
        id: Id of the bundle; by default made of the names of table and column.
        licence: Licence of the table, for the card, as an SPDX expression.
        commercial: Whether the table allows commercial use, for the card; unclear unless given.
        fine_tune: Train the encoder as well, not the head alone: better with some thousand rows, and slower, a minute
            a thousand rows and more. A run that was interrupted goes on when the same command is given again.
        epochs: With --fine-tune, how often each row is seen; 4 by default.
        teacher: With --fine-tune, a bundle that reads the same labels, id or folder; half of what is learnt are then
            its answers.
        json: Print JSON.
    """

    label: str | None = None
    kind: Literal["choice", "presence", "measure"] | None = None
    text_column: str | None = None
    group_column: str | None = None
    id: str | None = None
    licence: str | None = None
    commercial: Literal["yes", "no", "unclear"] | None = None
    fine_tune: Annotated[bool, Parameter(negative="")] = False
    epochs: float | None = None
    teacher: str | None = None
    json: bool = False


def train(
    recipe: Annotated[Path | None, Parameter(group=_RECIPE)] = None,
    /,
    *,
    data: Path | None = None,
    out: Path | None = None,
    threads: int | None = None,
    table: Annotated[TableOptions, Parameter(name="*", group=_TABLE)] = TableOptions(),
    base: Annotated[Path | None, Parameter(group=_RECIPE)] = None,
) -> int:
    """Train a reader: on a labelled table of your own, or anew as a recipe says.

    With a table (--data and --label) the encoder of the shipped reader stays as it is and a head is fitted to your
    labels, which takes minutes. The table is cut into rows to train, to calibrate and to test on; no speaker and no
    near-duplicate is in two parts. The card of the bundle carries the figures of the test rows beside a baseline and a
    control that should fail. With --fine-tune the encoder learns too, and its other readings are fitted to those of the
    shipped reader; the head on the encoder as it was is then a baseline.

    With a recipe a whole reader is trained. A run that was interrupted goes on at its last checkpoint when the same
    command is given again.

    Either way the bundle is in `OUT/<id>`; use it with `--model OUT/<id>`.

    For example:

        affectome train --data answers.csv --label emotion --out trained/
        affectome train --data posts.jsonl --label topics --kind presence --group-column author --id our-topics
        affectome train --data posts.csv --label emotion --fine-tune --out trained/
        affectome train recipes/text.toml --data corpora/ --out trained/

    Args:
        recipe: The recipe, a TOML file.
        data: With --label the table: a CSV, TSV, JSONL or Parquet file. With a recipe the folder that holds one
            subfolder a corpus; by default the variable AFFECTOME_DATA.
        out: Folder for the bundle, and for the checkpoints of a recipe. With a table by default the current folder.
        threads: Processor threads; by default all.
        table: What to learn from a table.
        base: Folder of the base model. With a recipe by default where `affectome models pull` puts it; with
            --fine-tune a BERT encoder in Hugging Face layout, by default that of the shipped reader.
    """
    if threads is not None and threads < 1:
        raise UsageError("Training needs at least one thread.", code="bad_threads", value=threads)
    cores = threads or os.cpu_count() or 1
    if recipe is not None:
        _refuse(asdict(table), "with a recipe")
        return _from_recipe(recipe, data, out, base, cores)
    if table.label is None:
        raise _bad_usage("Training needs a recipe, or a table with --data and the column of its labels with --label.")
    if not table.fine_tune:
        learnt = {"base": base, "epochs": table.epochs, "teacher": table.teacher}
        _refuse(learnt, "with a table without --fine-tune")
    if data is None:
        raise _bad_usage("--label names a column of a table.", "Give the table with --data.")
    return _from_table(data, table.label, table, out or Path(), base, cores)


def _refuse(options: Mapping[str, object], form: str) -> None:
    given = [f"--{name.replace('_', '-')}" for name, value in options.items() if value not in (None, False)]
    if given:
        raise _bad_usage(f"{', '.join(given)} cannot be given {form}.")


def _bad_usage(message: str, next_step: str = "See: affectome train --help") -> UsageError:
    return UsageError(message, code="bad_usage", next_step=next_step)


def _from_table(data: Path, label: str, options: TableOptions, out: Path, base: Path | None, threads: int) -> int:
    from affectome.evaluate import read_labelled
    from affectome.models import default_model

    try:
        from affectome.learn.table_bundle import BundleWords, train_bundle

        tuning = _fine_tuning(options, base) if options.fine_tune else None
    except ModuleNotFoundError as missing:
        raise MissingExtraError.for_extra("train", missing.name or "scikit-learn") from None

    labelled = read_labelled(data, label=label, text_column=options.text_column, speaker_column=options.group_column)
    said = {"id": options.id, "licence": options.licence, "commercial": options.commercial}
    words = BundleWords(
        command=shlex.join(["affectome", *sys.argv[1:]]), **{name: word for name, word in said.items() if word}
    )
    printed = console()
    bundle, trained = train_bundle(
        labelled,
        out,
        base=default_model("text-affect"),
        words=words,
        kind=options.kind,
        tuning=tuning,
        threads=threads,
        report=None if options.json else lambda line: printed.print(line, markup=False),
    )
    if options.json:
        print_json(_as_dict(bundle, trained))
    else:
        _print(bundle, trained)
    return 0


def _fine_tuning(options: TableOptions, base: Path | None) -> FineTuning:
    from affectome.learn.own_encoder import EPOCHS, FineTuning
    from affectome.models import find_model

    teacher = find_model(options.teacher, task="text-affect") if options.teacher else None
    tuning = FineTuning(base=base, epochs=EPOCHS if options.epochs is None else options.epochs, teacher=teacher)
    tuning.check()
    return tuning


def _as_dict(bundle: Path, trained: TrainedHead) -> dict[str, object]:
    from affectome.evaluate.scoring import defined

    return {
        "bundle": str(bundle),
        "kind": trained.rows.kind,
        "labels": list(trained.rows.labels),
        "rows": {part: len(rows) for part, rows in trained.split._asdict().items()},
        "notes": list(trained.rows.notes),
        "results": [row.as_dict() for row in trained.scores],
        "per_class": [defined(row._asdict()) for row in trained.classes],
        "seconds": trained.seconds,
        "agreement": trained.encoder.agreement if trained.encoder else None,
    }


def _print(bundle: Path, trained: TrainedHead) -> None:
    out = console()
    for note in trained.rows.notes:
        out.print(f"note: {note}", markup=False)
    out.print()
    print_scores(trained.scores, f"{trained.rows.kind}, {len(trained.split.test):,} test rows")
    if trained.classes:
        out.print()
        print_table(
            [
                {
                    "label": row.label,
                    "precision": figure(row.precision, 2),
                    "recall": figure(row.recall, 2),
                    "F1": figure(row.f1, 2),
                    "rows": f"{row.support:,}",
                }
                for row in trained.classes
            ],
            right=["precision", "recall", "F1", "rows"],
        )
    out.print(f"\ntook    {sum(trained.seconds.values()):,.0f} s", markup=False)
    out.print(f"bundle  {bundle}", markup=False, soft_wrap=True)
    out.print(f"use it  affectome analyze PATH --out DIR --model {bundle}", markup=False, soft_wrap=True)


def _from_recipe(recipe: Path, data: Path | None, out: Path | None, base: Path | None, threads: int) -> int:
    from affectome.learn import load_recipe, recipe_task
    from affectome.models import locate, pull

    folder = data or os.environ.get("AFFECTOME_DATA")
    if not folder:
        raise UsageError(
            "Training needs the folder with the corpora.", code="missing_data", next_step="Give it with --data."
        )
    if out is None:
        raise _bad_usage("A recipe needs a folder for its checkpoints and its bundle.", "Give it with --out.")
    printed = console()

    def report(name: str, now: Progress) -> None:
        losses = "  ".join(f"{corpus} {loss:.3f}" for corpus, loss in now.losses.items())
        line = f"{name}  step {now.step:,} of {now.steps:,}  {now.seconds:,.0f} s  {losses}"
        printed.print(line, markup=False, soft_wrap=True)

    task = recipe_task(recipe)
    try:
        if task == "voice-affect":
            from affectome.learn.voice_training import train_voice_recipe
        elif task == "face-affect":
            from affectome.learn.face_training import train_face_recipe
        elif task == "action-units":
            from affectome.learn.action_units_training import train_action_units_recipe
        elif task == "text-affect-fast":
            from affectome.learn.quick_recipe import load_quick_recipe
            from affectome.learn.quick_training import train_quick_recipe
        else:
            from affectome.learn.training import train_recipe
    except ModuleNotFoundError as missing:
        raise MissingExtraError.for_extra("train", missing.name or "torch") from None

    def prepared(line: str) -> None:
        printed.print(line, markup=False)

    if task == "face-affect":
        if base is not None:
            raise _bad_usage("A face recipe starts from no base model.", "Leave --base out.")
        bundle = train_face_recipe(recipe, data=Path(folder), out=out, threads=threads, report=report)
    elif task == "action-units":
        bundle = train_action_units_recipe(
            recipe,
            data=Path(folder),
            base=base or locate("face-mesh"),
            out=out,
            threads=threads,
            report=report,
            prepared=prepared,
        )
    elif task == "text-affect-fast":
        bundle = train_quick_recipe(
            recipe,
            data=Path(folder),
            base=base or pull(load_quick_recipe(recipe).base),
            out=out,
            threads=threads,
            report=report,
            prepared=prepared,
        )
    elif task == "text-affect":
        start = base or pull(load_recipe(recipe).base)
        bundle = train_recipe(recipe, data=Path(folder), base=start, out=out, threads=threads, report=report)
    elif base is None:
        raise _bad_usage(
            "A voice recipe needs the folder of the Whisper it starts from.",
            "Give it with --base: Hugging Face layout, with model.safetensors.",
        )
    else:
        bundle = train_voice_recipe(
            recipe,
            data=Path(folder),
            base=base,
            out=out,
            threads=threads,
            report=report,
            prepared=prepared,
        )
    printed.print(f"bundle  {bundle}", markup=False, soft_wrap=True)
    return 0
