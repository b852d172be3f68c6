"""``affectome export``: estimates in the formats of other tools."""

from __future__ import annotations

import sys
from json import dumps
from pathlib import Path
from typing import Literal

from affectome.cli.output import console


def export(
    estimates: Path,
    /,
    *,
    format: Literal["emotionml", "webvtt", "textgrid", "eaf", "hume"],
    out: Path,
    json: bool = False,
) -> int:
    """Write estimates in the format of another tool.

    TextGrid (Praat), EAF (ELAN) and WebVTT (players, browsers) hold what lies on a time line, a file for each
    recording: what was said, the most probable emotion with its probability, valence, arousal and dominance. EmotionML
    holds every label of every row, with or without times. The format hume is the schema of the batch results of Hume's
    Expression Measurement API.

    For example:

        affectome export results/estimates.parquet --format textgrid --out talk.TextGrid
        affectome export results/estimates.parquet --format emotionml --out results/estimates.emotionml
        affectome export results/estimates.csv --format hume --out predictions.json

    Args:
        estimates: The table that `affectome analyze` has written.
        format: The format.
        out: The file; a folder where there are several recordings.
        json: Print what was written as JSON.
    """
    from affectome.report.exchange import export_estimates

    done = export_estimates(estimates, out, format)
    if json:
        told = {"paths": [str(path) for path in done.paths], "rows": done.rows, "left_out": done.left_out}
        sys.stdout.write(dumps(told) + "\n")
        return 0
    printed = console()
    for path in done.paths:
        printed.print(f"written {path}", markup=False, soft_wrap=True)
    left = f", {done.left_out:,} left out: unscored, or without a place in this format" if done.left_out else ""
    printed.print(f"{done.rows:,} row{'' if done.rows == 1 else 's'}{left}", markup=False)
    return 0
