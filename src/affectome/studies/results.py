"""Results of studies as JSON files: what was found, from what, with what, on what machine."""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from affectome.errors import InputError, UsageError
from affectome.evaluate import Interval
from affectome.pipeline.storage import storage_errors, write_bytes
from affectome.studies.study import Claim, Outcome, Row, Table, Value

_LIBRARIES = ("numpy", "onnxruntime", "polars", "scikit-learn", "scipy", "tokenizers", "torch", "transformers")
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Digest:
    """What identifies the content of a folder.

    Attributes:
        files: Number of files.
        size: Bytes in all.
        sha256: Over the lines ``<path> <sha256>`` of the files in sorted order.
    """

    files: int
    size: int
    sha256: str


@dataclass(frozen=True)
class Result:
    """One run of a study.

    Attributes:
        study: Identifier of the study.
        number: Number of its system.
        outcome: Tables, claims and notes.
        quick: Whether it ran on a small part only.
        command: The command that gives this result.
        seed: Seed of the run.
        threads: Processor threads.
        seconds: How long it took.
        data: Digest of every data set it opened, by the name of its folder.
        vaults: Which test rows were handed out for what.
        reader: Identifier and weights sha256 of the shipped text reader at that time.
        base: Name and weights sha256 of the base encoder, if one was given.
        machine: Processors, memory, Python and library versions.
        affectome: Version of the package.
    """

    study: str
    number: int
    outcome: Outcome
    quick: bool
    command: str
    seed: int
    threads: int
    seconds: float
    data: dict[str, Digest]
    vaults: list[dict[str, Any]]
    reader: dict[str, str]
    base: dict[str, str] | None
    machine: dict[str, Any]
    affectome: str


def write_result(result: Result, path: Path) -> None:
    """Write a result at once or not at all.

    Args:
        result: What to write.
        path: The JSON file; its folder is made if need be.

    Raises:
        RunError: The file cannot be written.
    """
    with storage_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    content = {**asdict(result), "outcome": _outcome_json(result.outcome)}
    write_bytes(path, (json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False) + "\n").encode())


def load_result(path: Path) -> Result:
    """Read a result.

    Raises:
        InputError: The file is not there or does not hold a result.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        outcome = _outcome(content["outcome"])
        data = {name: Digest(**digest) for name, digest in content["data"].items()}
        return Result(**{**content, "outcome": outcome, "data": data})
    except (OSError, ValueError, KeyError, TypeError, AttributeError, UsageError) as error:
        raise InputError(
            f"{path} does not hold the result of a study: {error}.",
            code="bad_result",
            value=path,
            next_step="Run the study again with: affectome study run",
        ) from error


def digest_folder(folder: Path) -> Digest:
    """The digest of all files below a folder."""
    paths = sorted((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.as_posix())
    whole = hashlib.sha256()
    for path in paths:
        whole.update(f"{path.relative_to(folder).as_posix()} {digest_file(path)}\n".encode())
    return Digest(len(paths), sum(path.stat().st_size for path in paths), whole.hexdigest())


def digest_file(path: Path) -> str:
    """The sha256 of a file, without holding it in memory."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            found.update(block)
    return found.hexdigest()


def describe_machine() -> dict[str, Any]:
    """Processors, memory in GiB, platform, and versions of what computes."""
    return {
        "processors": os.cpu_count(),
        "memory_gib": _memory(),
        "platform": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "libraries": _versions(_LIBRARIES),
    }


def _memory() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, ValueError):  # pragma: no cover - systems without sysconf
        return None


def _versions(names: Iterable[str]) -> dict[str, str]:
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _outcome_json(outcome: Outcome) -> dict[str, Any]:
    return {
        "tables": [
            {
                "title": table.title,
                "metrics": list(table.metrics),
                "rows": [
                    {
                        "predictor": row.predictor,
                        "role": row.role,
                        "values": {metric: _value_json(value) for metric, value in row.values.items()},
                    }
                    for row in table.rows
                ],
            }
            for table in outcome.tables
        ],
        "claims": [
            {
                "text": claim.text,
                "value": _number_json(claim.value),
                "threshold": _number_json(claim.threshold),
                "comparison": claim.comparison,
                "interval": None if claim.interval is None else _value_json(claim.interval),
                "holds": claim.holds,
            }
            for claim in outcome.claims
        ],
        "notes": list(outcome.notes),
    }


def _outcome(content: Mapping[str, Any]) -> Outcome:
    tables = [
        Table(
            table["title"],
            table["metrics"],
            [
                Row(row["predictor"], row["role"], {metric: _value(value) for metric, value in row["values"].items()})
                for row in table["rows"]
            ],
        )
        for table in content["tables"]
    ]
    claims = [
        Claim(
            claim["text"],
            _number(claim["value"]),
            _number(claim["threshold"]),
            claim["comparison"],
            None if claim["interval"] is None else _interval(claim["interval"]),
        )
        for claim in content["claims"]
    ]
    return Outcome(tables, claims, content["notes"])


def _value_json(value: Value) -> object:
    if isinstance(value, Interval):
        return {name: _number_json(number) for name, number in asdict(value).items()}
    return _number_json(value)


def _value(content: Any) -> Value:  # noqa: ANN401 - JSON
    return _interval(content) if isinstance(content, dict) else _number(content)


def _interval(content: Mapping[str, Any]) -> Interval:
    value, low, high, level = (_number(content[name]) for name in ("value", "low", "high", "level"))
    return Interval(value, low, high, level, content["resamples"], content["undefined"], content["seed"])


def _number_json(number: float) -> float | str | None:
    """JSON has no NaN and no infinity: null and the words ``inf`` and ``-inf`` stand for them."""
    plain = number.item() if hasattr(number, "item") else number
    if isinstance(plain, float) and not math.isfinite(plain):
        return None if math.isnan(plain) else str(plain)
    return plain


def _number(content: Any) -> float:  # noqa: ANN401 - JSON
    if content is None:
        return math.nan
    return float(content) if isinstance(content, str) else content
