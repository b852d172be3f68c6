"""The program that every job runs in a process of its own; started by `affectome.server.running`.

What a job crashes, hangs or swells on costs the server nothing. The job comes as a line of JSON on standard input,
which stays open as long as the server lives; progress and outcome go as lines of JSON to standard output.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from affectome.api import InputOptions, ReaderOptions, analyze
from affectome.errors import AffectomeError, RunError
from affectome.media.child_program import limit_memory
from affectome.pipeline import RunProgress, RunSettings
from affectome.server.uploads import check_unpacked

_NICENESS = 10  # short texts, which somebody waits for, come first
_SHARD_SECONDS = 120.0
_DRAWING_MEGABYTES = 64_000  # of address space that the engine behind the charts reserves and does not use


def main() -> None:
    """Run the job that standard input names."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints is not taken for an answer
    job = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_server, daemon=True).start()
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    limit_memory(job["megabytes"] + (_DRAWING_MEGABYTES if job["report"] else 0))
    folder = Path(job["folder"])
    try:
        outcome = _run(job, folder, replies)
    except AffectomeError as error:
        outcome = {"error": _without_paths(error.as_dict(), folder)}
    except MemoryError:
        swollen = RunError("The job needs more memory than it may take.", code="out_of_memory", next_step="Send less.")
        outcome = {"error": swollen.as_dict()}
    _say(replies, {"outcome": outcome})


def _run(job: dict[str, Any], folder: Path, replies: IO[str]) -> dict[str, Any]:
    paths = [folder / "uploads" / name for name in job["files"]]
    check_unpacked(paths, job["unpacked_bytes"])
    reader, inputs = job["reader"], job["inputs"]

    def progress(now: RunProgress) -> None:
        if now.done > job["rows"]:
            raise RunError(
                f"The job has more than {job['rows']:,} rows.",
                code="too_many_rows",
                value=job["rows"],
                next_step="Send less at a time.",
            )
        _say(replies, {"progress": asdict(now)})

    result = analyze(
        [str(path) for path in paths],
        folder / "results",
        reader=ReaderOptions(**{**reader, "labels": tuple(reader["labels"])}),
        inputs=InputOptions(**{**inputs, "keep": tuple(inputs["keep"])}),
        settings=RunSettings(shard_timeout=_SHARD_SECONDS),
        modalities=job["modalities"] or None,
        report=job["report"],
        progress=progress,
    )
    record = json.loads((folder / "results" / "run.json").read_bytes())
    counts = {name: value for name, value in result.as_dict().items() if name not in ("estimates", "already_complete")}
    problems = [
        {"file": Path(each["path"]).name, "code": each["code"], "message": each["message"]}
        for each in record["problems"]
    ]
    return {"counts": counts, "problems": _without_paths(problems, folder)}


def _without_paths(told: Any, folder: Path) -> Any:  # noqa: ANN401 - JSON types
    """What is told without saying where on the server it lies."""
    words = json.dumps(told)
    for place in (folder / "uploads", folder / "results", folder):
        words = words.replace(json.dumps(f"{place}{os.sep}")[1:-1], "").replace(json.dumps(str(place))[1:-1], "the job")
    return json.loads(words)


def _say(replies: IO[str], message: dict[str, Any]) -> None:
    replies.write(json.dumps(message) + "\n")
    replies.flush()


def _end_with_server() -> None:
    shutil.copyfileobj(sys.stdin, open(os.devnull, "w"))  # noqa: PTH123, SIM115 - it ends with this process
    os._exit(0)  # nobody waits for the outcome any more; what is scored is on disk


if __name__ == "__main__":
    main()
