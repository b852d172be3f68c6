"""``affectome analyze``: read files and folders into a table and a report."""

from __future__ import annotations

import functools
import shlex
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from json import dumps
from json import loads as parse_json
from pathlib import Path
from typing import Annotated, Any, Literal

import polars as pl
from cyclopts import Parameter
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

import affectome.api
from affectome.api import InputOptions, ReaderOptions
from affectome.cli.output import at_commas, console, print_table
from affectome.errors import UsageError
from affectome.pipeline import RunProgress, RunResult, RunSettings

_PREVIEW = 8  # rows
_BESIDE_TEXT = 48  # columns of the terminal that are not for the text
_SHOWN = {
    "id": pl.String(),
    "source": pl.String(),
    "start": pl.Float64(),
    "end": pl.Float64(),
    "speaker": pl.String(),
    "modality": pl.String(),
    "text": pl.String(),
    "status": pl.String(),
    "error": pl.String(),
    "top": pl.String(),
    "confidence": pl.Float32(),
    "valence": pl.Float32(),
    "arousal": pl.Float32(),
}
# Types are not inferred: the first rows may hold nothing, or texts that look like numbers.
_SCANS: dict[str, Callable[[Path], pl.LazyFrame]] = {
    ".parquet": pl.scan_parquet,
    ".csv": functools.partial(pl.scan_csv, infer_schema=False),
    ".jsonl": functools.partial(pl.scan_ndjson, schema=pl.Schema(_SHOWN)),
}


def analyze(
    *paths: Annotated[str, Parameter(allow_leading_hyphen=True)],
    out: Path | None = None,
    inputs: Annotated[InputOptions, Parameter(name="*")] = InputOptions(),  # noqa: B008
    reader: Annotated[ReaderOptions, Parameter(name="*", negative_bool="no-")] = ReaderOptions(),  # noqa: B008
    modalities: tuple[str, ...] = (),
    format: Literal["parquet", "csv", "jsonl"] = "parquet",
    workers: int = 1,
    engine: Literal["local", "ray"] = "local",
    report: Annotated[bool, Parameter(negative_bool="no-")] = True,
    contact_sheet: bool = False,
    overwrite: bool = False,
    json: bool = False,
) -> int:
    """Read every text, voice, face and picture in files and folders.

    Writes DIR/estimates.parquet (or .csv, .jsonl), DIR/report.html and DIR/run.json. A run that was interrupted goes on
    where it stopped when the same command is given again.

    For example:

        affectome analyze posts.csv --out results
        affectome analyze survey.csv --out results --text-column answer --group-column region --format csv
        affectome analyze chats/ --out results --labels calm,tense,hostile --workers 4
        affectome analyze posts.parquet --out results --fast
        affectome analyze interview.mp4 calls/ --out results
        affectome analyze photos/ --out results
        affectome analyze talk.wav --out results --transcribe small --speakers
        affectome analyze talk.wav --out results --transcribe small --modalities voice,text
        cat lines.txt | affectome analyze - --out results
        arecord -f S16_LE -r 16000 -c 1 | affectome analyze - --modalities voice

    The last one listens: raw sound (16-bit little-endian, 16 kHz, mono) is read as it comes, and each stretch of speech
    is printed as soon as it is over, with --json as one line of JSON. With --modalities voice,text and --transcribe,
    what is said is read as text too, in a row of its own with the same source, start and end.

    Args:
        paths: CSV, TSV, JSONL, Parquet or TXT files, recordings (WAV, FLAC, MP3, OGG, M4A, MP4 and others), pictures
            (JPEG, PNG, WebP, GIF, BMP, TIFF, PPM), folders of them, or - for standard input.
        out: Folder for the results; needed unless it listens.
        inputs: Columns and cutting.
        reader: Model and vocabulary.
        modalities: What to read, of text, voice, face, image and fused with commas between them; by default what the
            files hold.
        format: File format of the estimates.
        workers: Worker processes.
        engine: Where they run: on this machine, or on the Ray cluster that RAY_ADDRESS names.
        report: Write the report.
        contact_sheet: Put small pictures of the surest faces into the report, which holds no picture otherwise.
        overwrite: Replace what another run left in the folder.
        json: Print the record of the run as JSON.
    """
    for path in paths:  # - is standard input, so words that begin like it are let through to here
        if path.startswith("-") and path != "-":
            raise UsageError(
                f"Unknown option: {path}.",
                code="bad_usage",
                value=path,
                next_step=f"See: affectome analyze --help. A file of that name is ./{path}",
            )
    chosen, cutting = replace(reader, labels=at_commas(reader.labels)), replace(inputs, keep=at_commas(inputs.keep))
    if paths == ("-",) and at_commas(modalities) == ("voice",):
        return _listen(chosen, cutting, out, json)
    if out is None:
        raise UsageError(
            "There is no folder for the results.", code="bad_usage", value="--out", next_step="Give it with --out."
        )
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[status]}"),
        console=console(),
        transient=True,
        disable=json or not sys.stderr.isatty(),
    ) as bars:
        task = bars.add_task("reading", total=None, status="")

        def show(now: RunProgress) -> None:
            bars.update(task, completed=now.done, total=now.total, status=_status(now))

        result = affectome.api.analyze(
            list(paths),
            out,
            reader=chosen,
            inputs=cutting,
            settings=RunSettings(workers=workers, format=format, overwrite=overwrite, engine=engine),
            modalities=at_commas(modalities) or None,
            report=report,
            contact_sheet=contact_sheet,
            command=shlex.join(["affectome", *sys.argv[1:]]),
            progress=show,
        )
    record = (out / "run.json").read_text(encoding="utf-8")
    if json:
        sys.stdout.write(record)
    else:
        _print(result, out, report, parse_json(record))
    return 0


def _listen(reader: ReaderOptions, inputs: InputOptions, out: Path | None, json: bool) -> int:
    """Print what is heard on standard input until it ends."""
    if out is not None:
        raise UsageError(
            "Nothing is written while it listens.",
            code="bad_usage",
            value="--out",
            next_step="Leave --out out and redirect the lines, or give a recording.",
        )
    with suppress(KeyboardInterrupt):
        for row in affectome.api.listen(sys.stdin.buffer, reader=reader, inputs=inputs):
            if json:
                line = dumps({name: value for name, value in row.items() if value is not None}, default=str)
            else:
                top = f"{row['top']} {row['confidence']:.2f}" if row["top"] else f"{row['status']}: {row['error']}"
                felt = f"  valence {row['valence']:+.2f}  arousal {row['arousal']:+.2f}" if row["top"] else ""
                said = f"  {row['text']}" if row["text"] else ""
                line = f"{row['start']:8.1f}–{row['end']:.1f} s  {top}{felt}{said}"
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
    return 0


def _status(now: RunProgress) -> str:
    parts = [f"{now.done:,}" + (f" of {now.total:,}" if now.total else "")]
    if now.rate:
        parts.append(f"{now.rate:,.0f} a second")
    if now.seconds_left is not None:
        minutes, seconds = divmod(round(now.seconds_left), 60)
        parts.append(f"{minutes}:{seconds:02d} left")
    if now.failed:
        parts.append(f"{now.failed:,} failed")
    return ", ".join(parts)


def _print(result: RunResult, out: Path, report: bool, record: dict[str, Any]) -> None:
    problems, fast = record["problems"], record.get("fast")
    rows = _head(result.estimates)
    if rows:
        print_table(rows, right=["p", "valence", "arousal"])
    printed = console()
    rows_read = f"{result.rows:,} row{'' if result.rows == 1 else 's'}"
    counts = f"{rows_read}: {result.scored:,} scored, {result.abstained:,} abstained, {result.failed:,} failed"
    codes = ", ".join(f"{code} {count:,}" for code, count in result.by_code.items())
    printed.print(f"\n{counts}{f' ({codes})' if codes else ''}", markup=False)
    if fast:
        read = f"fast: {fast['escalated']:,} of {fast['texts']:,} texts were uncertain and read by the full model"
        printed.print(read, markup=False)
    for problem in problems[:_PREVIEW]:
        printed.print(f"not read: {problem['path']}: {problem['message']}", markup=False, soft_wrap=True)
    if len(problems) > _PREVIEW:
        printed.print(f"not read: {len(problems) - _PREVIEW:,} more files, listed in {out / 'run.json'}", markup=False)
    if result.already_complete:
        printed.print("An earlier call had finished this run; nothing was read again.")
    printed.print(f"table   {result.estimates}", markup=False, soft_wrap=True)
    if report:
        printed.print(f"report  {out / 'report.html'}", markup=False, soft_wrap=True)


def _head(estimates: Path) -> list[dict[str, Any]]:
    """The first rows, of films some of the fused ones over their length, short enough for a terminal."""
    shown = [pl.col(name).cast(dtype) for name, dtype in _SHOWN.items()]
    rows = _SCANS[estimates.suffix](estimates).select(shown)
    frame = rows.filter(pl.col("modality") == "fused").collect()
    frame = frame.gather_every(-(-len(frame) // _PREVIEW)) if len(frame) else rows.head(_PREVIEW).collect()
    width = max(console().width - _BESIDE_TEXT, 20)
    return [
        {
            "text": _shortened(_what(row), width),
            "reading": row["top"] or ": ".join(filter(None, (row["status"], row["error"]))),
            "p": _number(row["confidence"], "{:.2f}"),
            "valence": _number(row["valence"], "{:+.2f}"),
            "arousal": _number(row["arousal"], "{:+.2f}"),
        }
        for row in frame.iter_rows(named=True)
    ]


def _what(row: dict[str, Any]) -> str:
    """The text, which stretch of which recording, or which face of which picture."""
    if row["modality"] == "text":
        return row["text"] or ""
    if row["start"] is None:
        return str(row["id"])
    who = f" {row['speaker']}" if row["speaker"] else ""
    said = f": {row['text']}" if row["text"] else ""
    return f"{row['source']} {row['start']:.1f}–{row['end']:.1f} s{who}{said}"


def _shortened(text: str, width: int) -> str:
    flat = Text(" ".join(text[: 4 * width].split()))
    flat.truncate(width, overflow="ellipsis")
    return flat.plain


def _number(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)
