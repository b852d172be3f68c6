"""Scorers and sources that worker processes can import, with rows that raise, die or hang on demand.

A text of ``raise:N`` raises in every call that has it, ``die`` ends the process, ``hang`` never returns.
"""

from __future__ import annotations

import hashlib
import os
import re
import signal
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import polars as pl

from affectome.errors import InputError, ModelError, RunError
from affectome.pipeline import RunSettings, run

LABELS = ("joy", "anger", "fear")
META = pl.Struct({"time": pl.Datetime("us"), "group": pl.String})
SEGMENTS = pl.Schema(
    {
        "id": pl.String,
        "source": pl.String,
        "start": pl.Float64,
        "end": pl.Float64,
        "speaker": pl.String,
        "text": pl.String,
        "error": pl.String,
        "meta": META,
    }
)


def segments(ids, texts, errors=None):
    """A segment table."""
    rows = [
        {"id": i, "source": "a.csv", "text": t, "error": e, "meta": {"time": None, "group": "g"}}
        for i, t, e in zip(ids, texts, errors or [""] * len(ids), strict=True)
    ]
    return pl.DataFrame(rows, schema=SEGMENTS)


@dataclass
class ListSource:
    """Shards from lists of texts."""

    texts: list[str]
    shard_rows: int = 8
    ids: list[str] | None = None
    fingerprint: str = "f0"
    after: dict[int, object] = field(default_factory=dict)

    @property
    def rows(self):
        return len(self.texts)

    def shards(self):
        ids = self.ids or [f"a.csv#{n}" for n in range(len(self.texts))]
        for start in range(0, max(len(ids), 1), self.shard_rows):
            stop = start + self.shard_rows
            if start in self.after:
                self.after[start]()
            yield segments(ids[start:stop], self.texts[start:stop])


class FakeScorer:
    """Scores from a digest of the text."""

    def __init__(self, seconds_a_row=0.0):
        self.seconds_a_row = seconds_a_row

    def __call__(self, table):
        for text in table["text"]:
            misbehave(text or "")
        if self.seconds_a_row:
            time.sleep(self.seconds_a_row * table.height)
        return self._estimates(table, table["error"].to_list())

    def failed(self, table, code):
        return self._estimates(table, [code] * table.height)

    def _estimates(self, table, errors):
        rows = []
        for (identifier, text, meta), error in zip(table.select("id", "text", "meta").iter_rows(), errors, strict=True):
            digest = hashlib.sha256((text or "").encode()).digest()
            status = "failed" if error else "abstained" if not text else "scored"
            emotion = {label: digest[n] / 255 for n, label in enumerate(LABELS)}
            rows.append(
                {
                    "id": identifier,
                    "text": text,
                    "status": status,
                    "error": error or ("" if text else "empty"),
                    "emotion": emotion if status == "scored" else None,
                    "valence": digest[3] / 128 - 1 if status == "scored" else None,
                    "tone": {"sentiment": digest[4] / 255} if status == "scored" else None,
                    "meta": meta,
                }
            )
        return pl.DataFrame(rows, schema=ESTIMATES)


ESTIMATES = pl.Schema(
    {
        "id": pl.String,
        "text": pl.String,
        "status": pl.String,
        "error": pl.String,
        "emotion": pl.Struct(dict.fromkeys(LABELS, pl.Float32)),
        "valence": pl.Float32,
        "tone": pl.Struct({"sentiment": pl.Float32}),
        "meta": META,
    }
)


def misbehave(text):
    if text == "raise":
        raise ValueError(text)
    if text == "raise:known":
        raise InputError("no", code="bad_row")
    if text == "raise:exit":
        raise SystemExit(3)
    if text == "die":
        os._exit(9)
    if text == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    if text == "hang":
        time.sleep(600)
    if text == "hang:locked":  # holds the interpreter lock for ages
        re.match(r"(a+)+$", "a" * 60 + "b")
    if text.startswith("once:"):  # dies the first time only
        mark = Path(text[5:])
        if not mark.exists():
            mark.touch()
            os._exit(9)
    if text == "print":
        print("noise on standard output", flush=True)  # noqa: T201


def fake(seconds_a_row=0.0):
    return FakeScorer(seconds_a_row)


def slow(seconds_a_row):
    return partial(fake, seconds_a_row)


class BreaksContract(FakeScorer):
    """A scorer with one fault."""

    def __init__(self, fault):
        super().__init__()
        self.fault = fault

    def __call__(self, table):
        estimates = super().__call__(table)
        match self.fault:
            case "fewer":
                return estimates[1:]
            case "order":
                return estimates.reverse()
            case "column":
                return estimates.drop("error")
            case "kind":
                return estimates.to_dicts()
            case "status":
                return estimates.with_columns(status=pl.lit("done"))
            case "empty" if table.is_empty():
                raise ValueError("nothing to score")
            case "schema" if "a.csv#0" in table["id"]:
                return estimates.with_columns(extra=pl.lit(1))
        return estimates

    def failed(self, table, code):
        if self.fault == "failed":
            raise ValueError("cannot")
        if self.fault == "failed dies":
            os._exit(9)
        return super().failed(table, code)


def breaks_contract(fault):
    return partial(BreaksContract, fault)


def raises_model_error():
    raise ModelError("The weights are missing.", code="missing_weights", value="w", next_step="Pull them.")


def raises_oddly():
    raise KeyError("weights")


def dies_at_start():
    os._exit(7)


TEXTS = [f"text number {n}" for n in range(90)]
TEXTS[17] = "raise"
TEXTS[40] = ""


def drive(out, workers=1, kill_at_step=0, seconds_a_row=0.004, file_format="parquet"):
    """One run of a fixed source, as a program of its own: the thing that crash tests kill."""
    if kill_at_step:
        _kill_at_storage_step(kill_at_step)
    source = ListSource(TEXTS, shard_rows=4, ids=[f"id{n % 80}" for n in range(len(TEXTS))])
    settings = RunSettings(workers=workers, format=file_format)
    try:
        run(source, slow(seconds_a_row), Path(out), settings=settings, identity={"model": "m"}, progress=_tell)
    except RunError as error:
        print("error", error.code, flush=True)  # noqa: T201
        raise SystemExit(error.exit_code) from None


def _tell(progress):
    print(progress.done, flush=True)  # noqa: T201


def _kill_at_storage_step(step):
    left = step

    def counted(call):
        def killing(*arguments, **keywords):
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **keywords)

        return killing

    os.fsync = counted(os.fsync)
    Path.replace = counted(Path.replace)
    Path.write_bytes = counted(Path.write_bytes)
    os.unlink = counted(os.unlink)
    os.rmdir = counted(os.rmdir)
