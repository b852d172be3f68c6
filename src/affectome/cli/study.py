"""``affectome study``: does each published system work here?"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from cyclopts import App

from affectome.cli.output import console, print_error, print_json, print_table
from affectome.errors import AffectomeError, UsageError
from affectome.studies import (
    Result,
    StudySettings,
    Table,
    find_studies,
    find_study,
    list_systems,
    run_study,
    show_value,
    system_state,
    write_result,
)

app = App(name="study", help="Does each published system work here?")


@app.command(name="list")
def list_all(*, json: bool = False) -> int:
    """List the studies that can be run, with their state and what they need.

    Args:
        json: Print JSON.
    """
    systems = {system.number: system for system in list_systems()}
    found = [(study, system_state(systems[study.number]).name) for study in find_studies()]
    if json:
        names = ("number", "id", "title", "data", "extras")
        print_json([{name: getattr(study, name) for name in names} | {"state": state} for study, state in found])
        return 0
    printed = console()
    for study, state in found:
        needs = f"data {', '.join(study.data) or 'none'}; extras {', '.join(study.extras) or 'none'}"
        printed.print(f"{study.number:>2}  {study.id}: {study.title}, {state}", markup=False, soft_wrap=True)
        printed.print(f"    {needs}", markup=False, soft_wrap=True)
    return 0


@app.command
def table(*, json: bool = False) -> int:
    """Show every system and whether it works here, as the committed results say.

    For example:

        affectome study table

    Args:
        json: Print JSON.
    """
    states = [(system, system_state(system)) for system in list_systems()]
    if json:
        print_json(
            [
                {
                    "number": system.number,
                    "id": system.id,
                    "title": system.title,
                    "what": system.what,
                    "paper": system.paper,
                    "state": state.name,
                    "failing": state.failing,
                    "missing": state.missing,
                }
                for system, state in states
            ]
        )
    else:
        print_table(
            [{"no.": s.number, "id": s.id, "system": s.title, "here": state.name} for s, state in states],
            right=["no."],
        )
    return 0


@app.command
def run(
    *names: str,
    data: Path | None = None,
    base: Path | None = None,
    model: Path | None = None,
    out: Path = Path("runs/studies"),
    seed: int = 0,
    threads: int = 2,
    quick: bool = False,
) -> int:
    """Run studies and write what they find.

    The result of a study goes to OUT/<id>.json. A claim that does not hold is shown and is not an error. A study that
    fails does not stop those after it; the exit code is then that of the first failure.

    For example:

        affectome study run label-variance --data corpora/
        affectome study run 13 17 --data corpora/ --quick

    Args:
        names: Ids or numbers of studies.
        data: Folder that holds one subfolder a data set; by default the variable AFFECTOME_DATA.
        base: Folder of a base encoder in Hugging Face layout, for studies that train one; of a language model, or its
            GGUF file, for studies that ask one.
        model: Folder or GGUF file of a language model, for studies that need a base encoder as well.
        out: Folder for the results; caches and checkpoints go to OUT/work.
        seed: Seed.
        threads: Processor threads.
        quick: Run on a small part, to see that a study runs; such a result never counts.
    """
    if not names:
        raise UsageError("No study is named.", code="no_study", next_step="See: affectome study list")
    studies = [find_study(name) for name in dict.fromkeys(names)]
    folder = data or os.environ.get("AFFECTOME_DATA")
    if not folder:
        raise UsageError(
            "A study needs the folder with the data sets.", code="missing_data", next_step="Give it with --data."
        )
    if threads < 1:
        raise UsageError("A study needs at least one thread.", code="bad_threads", value=threads)
    settings = StudySettings(Path(folder), out, base, seed, threads, quick, model)
    codes = []
    for study in studies:
        try:
            result = run_study(study, settings, report=_progress(study.id))
            write_result(result, settings.result_path(study))
        except AffectomeError as error:
            print_error(error, as_json=False)
            codes.append(error.exit_code)
        else:
            _print_result(result, settings.result_path(study))
    return next(iter(codes), 0)


def _progress(study_id: str) -> Callable[[str], None]:
    printed, started = console(), time.perf_counter()

    def report(message: str) -> None:
        seconds = time.perf_counter() - started
        printed.print(f"{study_id}  {seconds:,.0f} s  {message}", markup=False, soft_wrap=True)

    return report


def _print_result(result: Result, path: Path) -> None:
    for found in result.outcome.tables:
        _print_results_table(found)
    print_table(
        [
            {
                "claim": claim.text,
                "measured": show_value(claim.value if claim.interval is None else claim.interval),
                "wanted": f"{claim.comparison} {show_value(claim.threshold)}",
                "": "holds" if claim.holds else "DOES NOT HOLD",
            }
            for claim in result.outcome.claims
        ],
        title="\nclaims",
    )
    printed = console()
    for note in result.outcome.notes:
        printed.print(f"note: {note}", markup=False, soft_wrap=True)
    if result.quick:
        printed.print("quick: a small part only; this result does not count", markup=False, soft_wrap=True)
    printed.print(f"{result.study}  {result.seconds:,.0f} s  {path}", markup=False, soft_wrap=True)


def _print_results_table(found: Table) -> None:
    """One line a value, as a table with a column for each metric does not fit a terminal."""
    rows = []
    for row in found.rows:
        name, role = row.predictor, str(row.role)
        for metric in (name for name in found.metrics if name in row.values):
            value, _, ends = show_value(row.values[metric]).partition(" ")
            between = ends.strip("[]").replace(", ", " to ")
            rows.append({"predictor": name, "role": role, "metric": metric, "value": value, "95 %": between})
            name = role = ""  # said once
    print_table(rows, title=f"\n{found.title}", right=["value", "95 %"])
