"""Reading files and folders into a table and a report."""

from __future__ import annotations

import functools
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from affectome.api.escalation import count_escalated
from affectome.api.options import ReaderOptions
from affectome.api.sources import InputOptions, open_readers, open_source
from affectome.errors import UsageError
from affectome.media import (
    FilmEntry,
    Listener,
    MixedSource,
    Transcriber,
    Viewer,
)
from affectome.perceive import FastTextReader, Readers, describe_people
from affectome.pipeline import RunProgress, RunResult, RunSettings, run
from affectome.pipeline.storage import storage_errors, write_bytes
from affectome.version import __version__


def analyze(
    paths: Sequence[str | Path] | str | Path,
    out: str | Path,
    *,
    reader: ReaderOptions | None = None,
    inputs: InputOptions | None = None,
    settings: RunSettings | None = None,
    modalities: Sequence[str] | None = None,
    report: bool = True,
    contact_sheet: bool = False,
    command: str = "",
    progress: Callable[[RunProgress], None] | None = None,
) -> RunResult:
    """Read files and folders into ``out/estimates.<format>``, ``out/report.html`` and ``out/run.json``.

    An interrupted call goes on where it stopped when it is made again, with the same bytes in the end.

    Args:
        paths: Files, folders, or ``-`` for standard input.
        out: Folder for the results.
        reader: Model and vocabulary.
        inputs: Columns and cutting.
        settings: Workers, format, time limit.
        modalities: What to read, of ``text``, ``voice``, ``face``, ``image`` and ``fused``; by default what the files
            hold.
        report: Whether to write the report.
        contact_sheet: Whether the report holds small pictures of the surest faces; otherwise it holds no picture.
        command: The command that was typed, for the record.
        progress: Called as rows are finished.

    Raises:
        InputError: Nothing readable, or a column is missing.
        UsageError: An option does not fit.
        ModelError: The weights cannot be used.
        RunError: The folder holds another run, or the run cannot go on.
    """
    reader, inputs, settings = reader or ReaderOptions(), inputs or InputOptions(), settings or RunSettings()
    chosen = [paths] if isinstance(paths, str | Path) else list(paths)
    out = Path(out)
    _keep_apart(out, chosen)
    source, read_as = open_source(chosen, inputs, modalities)
    if contact_sheet and not (report and source.pictures and "face" in read_as):
        raise UsageError(
            f"There is no contact sheet without {'pictures of faces' if report else 'a report'}.",
            code="no_contact_sheet",
            value="--contact-sheet",
            next_step="Leave it out, or read faces and write the report.",
        )
    loaded = reader.open_all(read_as)  # before anything is written: a wrong label should not leave a folder behind
    words = inputs.transcription() if source.recording_entries else None
    if words is not None:
        Transcriber(words)
    identity = {
        "model": loaded.model,
        "model_sha256": loaded.sha256,
        "taxonomy": loaded.taxonomy,
        "labels": ", ".join(reader.labels),
        "exclusive": str(loaded.exclusive),
        "affectome": __version__,
        **({"transcription": words.digest} if words else {}),
    }
    started = datetime.now(UTC)
    clock = time.perf_counter()
    result = run(
        source,
        functools.partial(open_readers, reader, read_as, words),
        out,
        settings=settings,
        identity=identity,
        progress=progress,
        conclude=functools.partial(loaded.fused, films={entry.source for entry in source.film_entries}),
    )
    text = loaded.readers.get("text")
    record: dict[str, object] = {
        "affectome": __version__,
        "command": command,
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(time.perf_counter() - clock, 3),
        "inputs": source.inputs,
        "modalities": list(read_as),
        "problems": [
            {"path": str(problem.path), "code": problem.code, "message": problem.message} for problem in source.problems
        ],
        **_described(source),
        **_described_people(loaded),
        **({"transcription": {"model": words.model, "sha256": words.digest}} if words else {}),
        "model": loaded.model,
        "model_sha256": loaded.sha256,
        "taxonomy": loaded.taxonomy,
        "labels": list(loaded.labels),
        "exclusive": loaded.exclusive,
        "thresholds": loaded.thresholds,
        "workers": settings.workers,
        "fingerprint": source.fingerprint,
        **({"fast": count_escalated(result.estimates, text.fast_model)} if isinstance(text, FastTextReader) else {}),
        **{key: value for key, value in result.as_dict().items() if key not in ("seconds", "already_complete")},
    }
    page = out / "report.html"
    finished = _recorded(out / "run.json", record) if result.already_complete else None
    told = finished or record
    if told.get("contact_sheet", False) != contact_sheet:
        told = {**told, "command": command, "contact_sheet": contact_sheet}
    if told != finished or not page.exists():
        if report:
            card = next(iter(loaded.cards), None)
            _write_page(result.estimates, told, page, card, source, contact_sheet=contact_sheet)
        else:
            page.unlink(missing_ok=True)  # it would show another run
    if told != finished:  # the record comes last: where it is, everything is
        with storage_errors(out):
            content = json.dumps(told, indent=1, ensure_ascii=False) + "\n"
            write_bytes(out / "run.json", content.encode(errors="replace"))
    return result


def _described(source: MixedSource) -> dict[str, object]:
    """What the record of a run says about its files."""
    texts = source.texts.entries if source.texts else []
    columns = asdict(texts[0].columns).items() if texts else ()
    recordings = source.recording_entries
    notes = {entry.source: dict(+entry.notes) for entry in texts} | {e.source: dict(+e.notes) for e in recordings}
    return {
        "columns": {role: name for role, name in columns if name and role != "keep"},
        "encodings": {entry.source: entry.encoding for entry in texts if entry.encoding},
        "notes": {name: counts for name, counts in notes.items() if counts},
        "recordings": {entry.source: {"format": entry.format, "seconds": entry.seconds} for entry in recordings},
        **({"films": {entry.source: _described_film(entry) for entry in source.film_entries}} if source.films else {}),
        **({"grouped_by": "folder"} if source.pictures and source.pictures.groups else {}),
    }


def _described_film(entry: FilmEntry) -> dict[str, object]:
    size = f"{entry.width} x {entry.height}" if entry.width else ""
    return {"format": entry.format, "seconds": round(entry.seconds, 3), "size": size, **+entry.notes}


def _described_people(readers: Readers) -> dict[str, object]:
    """Who is who in each film."""
    found = readers.fusion.people if readers.fusion else {}
    return {"people": {source: describe_people(people) for source, people in found.items()}} if found else {}


def _write_page(
    estimates: Path,
    record: Mapping[str, object],
    page: Path,
    card: Mapping[str, Any] | None,
    source: MixedSource,
    *,
    contact_sheet: bool,
) -> None:
    """The report of a run, with sound where there are recordings and pictures where they are asked for."""
    from affectome.report import write_report

    heard = {entry.source: entry.path for entry in source.recording_entries}
    seen = {entry.source: entry.path for entry in source.pictures.entries} if source.pictures else {}
    with ExitStack() as stack:
        sounds = stack.enter_context(Listener(heard)) if heard else None
        pictures = stack.enter_context(Viewer(seen)) if contact_sheet else None
        write_report(estimates, record, page, card=card, sounds=sounds, pictures=pictures)


def _keep_apart(out: Path, paths: Sequence[str | Path]) -> None:
    """Refuse an output folder inside an input folder: the next call would read what this one wrote."""
    for path in paths:
        if os.path.isdir(path) and out.resolve().is_relative_to(Path(path).resolve()):  # noqa: PTH112 - never raises
            raise UsageError(
                f"The output folder {str(out)!r} is inside the input folder {str(path)!r}.",
                code="out_inside_input",
                value=out,
                next_step="Choose an output folder outside of what is read.",
            )


def _recorded(path: Path, record: dict[str, object]) -> dict[str, object] | None:
    """The record that an earlier call left of the very run, None if there is none."""
    try:
        earlier: dict[str, object] = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    same = ("affectome", "model_sha256", "taxonomy", "labels", "exclusive", "fingerprint", "estimates")
    return earlier if all(earlier.get(key) == record[key] for key in same) else None
