"""Printing for people and for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from affectome.errors import AffectomeError, UsageError

if TYPE_CHECKING:
    from rich.progress import Progress

    from affectome.evaluate import ScoreRow

_BLOCKS = " ▏▎▍▌▋▊▉█"


def at_commas(words: Sequence[str]) -> tuple[str, ...]:
    """Words of an option that may be repeated and may hold several words with commas between them.

    Raises:
        UsageError: The option was given but holds no word.
    """
    parts = tuple(part.strip() for word in words for part in word.split(",") if part.strip())
    if words and not parts:
        raise UsageError(
            f"{','.join(words)!r} holds no word.",
            code="empty_list",
            value=",".join(words),
            next_step="Give words with commas between them.",
        )
    return parts


class _Terminal(Console):
    def on_broken_pipe(self) -> None:
        raise BrokenPipeError  # rich would end the process with code 1; `affectome.cli.main` knows better


def console() -> Console:
    """The terminal."""
    return _Terminal(highlight=False)


def progress_bars(*, hidden: bool) -> Progress:
    """Bars with a description and how many of how many, which vanish when they are done.

    Args:
        hidden: Show none; none is shown either where nobody looks at standard error.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn  # most commands show no bar

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, console=console(), transient=True, disable=hidden or not sys.stderr.isatty())


def print_json(value: object) -> None:
    """Write one JSON document to standard output."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=1, default=str) + "\n")


def print_error(error: AffectomeError, *, as_json: bool) -> None:
    """Write an error to standard error, as ``{"error": {...}}`` when a program reads."""
    if as_json:
        sys.stderr.write(json.dumps({"error": error.as_dict()}, ensure_ascii=False) + "\n")
    else:
        Console(stderr=True, highlight=False, soft_wrap=True).print(
            f"[bold red]error[/] {escape(f'[{error.code}]')} {escape(str(error))}"
        )


def bar(share: float, width: int = 16) -> str:
    """A horizontal bar for a share in [0, 1]."""
    eighths = round(max(0.0, min(1.0, share)) * width * 8)
    return "█" * (eighths // 8) + (_BLOCKS[eighths % 8] if eighths % 8 else "")


def print_table(rows: Sequence[Mapping[str, object]], title: str | None = None, right: Sequence[str] = ()) -> None:
    """Print rows with equal keys as a table; the columns in ``right`` are aligned to the right."""
    table = Table(title=title, title_justify="left", box=None, header_style="bold", pad_edge=False)
    for name in rows[0] if rows else ():
        table.add_column(name, justify="right" if name in right else "left")
    for row in rows:
        table.add_row(*(escape(str(value)) for value in row.values()))
    console().print(table)


def print_scores(rows: Sequence[ScoreRow], title: str | None = None) -> None:
    """Print scores with their intervals; what is undefined is a dash."""
    print_table(
        [
            {
                "predictor": row.predictor,
                "": "" if row.role == "result" else row.role,
                "metric": row.metric,
                "value": figure(row.interval.value),
                "95 %": f"{figure(row.interval.low)} to {figure(row.interval.high)}",
            }
            for row in rows
        ],
        title=title,
        right=["value", "95 %"],
    )


def figure(value: float, digits: int = 3) -> str:
    """A score with so many digits; a dash for one that is undefined."""
    return "–" if value != value else f"{round(value, digits) + 0.0:.{digits}f}"  # + 0.0 takes the sign off a zero
