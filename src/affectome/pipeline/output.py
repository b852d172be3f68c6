"""The output folder: what a run keeps there while it works, and the file it leaves."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from affectome.errors import RunError
from affectome.pipeline.contracts import FORMATS, RunResult
from affectome.pipeline.storage import replacing, storage_errors, write_bytes
from affectome.pipeline.wire import pack, unpack

_ROW_GROUP = 20_000
_DISCARD = "Choose another output folder (--out), or discard what is there (--overwrite)."


@dataclass(frozen=True)
class Manifest:
    """Everything the bytes of the output depend on.

    Args:
        identity: Model, taxonomy and options, as the caller names them.
        fingerprint: Digest of the source.
        format: Format of the estimates.
    """

    identity: dict[str, str]
    fingerprint: str
    format: str

    def as_dict(self) -> dict[str, Any]:
        """The manifest as plain JSON types."""
        return {"layout": 1, "format": self.format, "fingerprint": self.fingerprint, "identity": self.identity}

    def require(self, held: dict[str, Any], state: str) -> None:
        """Refuse to go on with the output of another run.

        Args:
            held: The manifest found in the folder, as plain JSON types.
            state: What that run is: ``finished`` or ``unfinished``.

        Raises:
            RunError: The manifests differ (code ``other_run``); the message names the differences.
        """
        ours, theirs = _flat(self.as_dict()), _flat(held)
        changes = [
            f"{name} {theirs.get(name, 'none')!r} there, {ours.get(name, 'none')!r} now"
            for name in sorted({*ours, *theirs})
            if ours.get(name) != theirs.get(name)
        ]
        if changes:
            raise RunError(
                f"The output folder holds a{'n' * (state[0] in 'aeiou')} {state} run of another kind: "
                f"{'; '.join(changes)}.",
                code="other_run",
                value="; ".join(changes),
                next_step=_DISCARD,
            )


@dataclass(frozen=True)
class _Completion:
    manifest: dict[str, Any]
    sha256: str
    result: RunResult


class OutputFolder:
    """The folder a run writes: ``estimates.<format>`` and ``.complete.json`` in the end, ``.parts/`` meanwhile.

    Args:
        path: The folder, locked by the caller.
        manifest: What is going to be written.
    """

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.estimates = path / f"estimates.{manifest.format}"
        self._folder = path
        self._manifest = manifest
        self._complete = path / ".complete.json"
        self._parts = path / ".parts"
        self._held = self._parts / "manifest.json"
        self._found: dict[tuple[int, int], list[Path]] = {}

    def open(self, *, overwrite: bool) -> RunResult | None:
        """Make the folder ready, for a new run or to resume.

        Args:
            overwrite: Discard what is there, unless it is the same run, unfinished.

        Returns:
            The result of the same run if it is finished already, otherwise None.

        Raises:
            RunError: The folder holds another run (code ``other_run``), estimates that are not ours or were changed
                (``output_exists``, ``output_changed``), a damaged manifest (``bad_manifest``), or codes as in
                `run_error`.
        """
        with storage_errors(self._folder):
            if overwrite and not self._resumable():
                self._discard()
            complete = self._completion()
            if complete is not None:
                return self._finished(complete)
            held = _read_json(self._held)
            if held is not None:
                self._manifest.require(held, "unfinished")
            elif self.estimates.exists():
                raise RunError(
                    f"{self.estimates} is there already, and no run of this kind is known to have written it.",
                    code="output_exists",
                    value=self.estimates,
                    next_step=_DISCARD,
                )
            else:
                # Parts without a manifest belong to nobody, nor does a note on estimates that are gone.
                self._remove_parts()
                self._complete.unlink(missing_ok=True)
                self._parts.mkdir()
                write_bytes(self._held, _json_bytes(self._manifest.as_dict()))
            for part in self._parts.glob("*.arrow"):
                if name := re.fullmatch(r"(\d{8})-(\d+)-[0-9a-f]{32}\.arrow", part.name):
                    self._found.setdefault((int(name[1]), int(name[2])), []).append(part)
        return None

    def stored_part(self, index: int, rows: int) -> tuple[Path, pl.DataFrame] | None:
        """The part file of a shard and its table, or None if it is not there or damaged."""
        for path in self._found.get((index, rows), []):
            with storage_errors(path):
                data = path.read_bytes()
            if path.name == _part_name(index, rows, data):
                return path, unpack(data)
        return None

    def read_part(self, path: Path) -> pl.DataFrame:
        """The table of a part file of this run."""
        with storage_errors(path):
            return unpack(path.read_bytes())

    def write_part(self, index: int, estimates: pl.DataFrame) -> Path:
        """Store the estimates of a shard; once this returns they survive any crash."""
        data = pack(estimates)
        path = self._parts / _part_name(index, estimates.height, data)
        write_bytes(path, data)
        return path

    def finish(self, parts: list[Path], result: RunResult) -> None:
        """Join the parts to the estimates file, note that the run is complete and remove the parts.

        Args:
            parts: All part files in the order of the shards.
            result: The result to answer with when the same run is asked for again.

        Raises:
            RunError: Codes as in `run_error`. The parts are kept, and the run can be resumed.
        """
        with replacing(self.estimates, self._parts / f".{self.estimates.name}.tmp") as temporary:
            _join(parts, temporary, self._manifest.format)
        with storage_errors(self._complete):
            complete = {
                "manifest": self._manifest.as_dict(),
                "sha256": _sha256(self.estimates),
                "result": result.as_dict(),
            }
            write_bytes(self._complete, _json_bytes(complete))
            self._remove_parts()

    def _finished(self, complete: _Completion) -> RunResult:
        self._manifest.require(complete.manifest, "finished")
        if _sha256(self.estimates) != complete.sha256:
            raise RunError(
                f"{self.estimates} was changed after it had been written.",
                code="output_changed",
                value=self.estimates,
                next_step=_DISCARD,
            )
        self._remove_parts()
        return complete.result

    def _completion(self) -> _Completion | None:
        values = _read_json(self._complete)
        if values is None:
            return None
        try:
            written = self._folder / f"estimates.{FORMATS[FORMATS.index(values['manifest']['format'])]}"
            result = RunResult(**{**values["result"], "estimates": written, "already_complete": True})
            complete = _Completion(values["manifest"], values["sha256"], result)
        except (KeyError, TypeError, ValueError) as error:
            raise _bad_manifest(self._complete) from error
        return complete if written.exists() else None

    def _resumable(self) -> bool:
        with contextlib.suppress(RunError):
            return _read_json(self._held) == self._manifest.as_dict() and self._completion() is None
        return False

    def _discard(self) -> None:
        with contextlib.suppress(RunError):
            complete = self._completion()
            if complete is not None:
                complete.result.estimates.unlink()
        self.estimates.unlink(missing_ok=True)
        self._complete.unlink(missing_ok=True)
        self._remove_parts()

    def _remove_parts(self) -> None:
        if self._parts.exists():
            shutil.rmtree(self._parts)


def _join(parts: list[Path], target: Path, format: str) -> None:
    table = pl.scan_ipc(parts, glob=False, hive_partitioning=False)  # folder names are taken as they are
    if format == "parquet":
        table.sink_parquet(target, row_group_size=_ROW_GROUP, maintain_order=True)
    elif format == "csv":
        table.select(_columns(table.collect_schema())).sink_csv(target, maintain_order=True)
    else:
        table.sink_ndjson(target, maintain_order=True)


def _columns(fields: Mapping[str, pl.DataType], parents: tuple[str, ...] = ()) -> Iterator[pl.Expr]:
    for name, dtype in fields.items():
        path = (*parents, name)
        if isinstance(dtype, pl.Struct):
            yield from _columns(pl.Schema(dtype), path)
        else:
            column = pl.col(path[0])
            for field in path[1:]:
                column = column.struct.field(field)
            yield column.alias(".".join(path))


def _part_name(index: int, rows: int, data: bytes) -> str:
    return f"{index:08}-{rows}-{hashlib.blake2b(data, digest_size=16).hexdigest()}.arrow"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _json_bytes(values: dict[str, Any]) -> bytes:
    return (json.dumps(values, indent=2, sort_keys=True) + "\n").encode()


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        values = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise _bad_manifest(path) from error
    if not isinstance(values, dict):
        raise _bad_manifest(path)
    return values


def _bad_manifest(path: Path) -> RunError:
    return RunError(f"{path} is damaged.", code="bad_manifest", value=path, next_step=_DISCARD)


def _flat(values: dict[str, Any]) -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= {f"{name}.{key}": str(part) for key, part in value.items()}
        else:
            flat[name] = str(value)
    return flat
