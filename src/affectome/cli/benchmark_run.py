"""A benchmark of a language model while it is run: who answers, the progress, the files and the tables."""

from __future__ import annotations

import functools
import json as json_format
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.progress import Progress, TaskID

from affectome.cli.output import console, print_json, print_table, progress_bars
from affectome.evaluate import Interval
from affectome.language import RememberingModel, open_model
from affectome.language.benchmark import LayerScore
from affectome.language.eq_bench import PassScore
from affectome.version import __version__

Scores = list[LayerScore] | PassScore | Mapping[str, Interval]
"""Of one who answered: right answers by layer, marks, or figures with names."""


@dataclass(frozen=True)
class BenchmarkRun:
    """A benchmark that is being run: who answers, and where the results go."""

    benchmark: str
    model: RememberingModel
    out: Path
    json: bool

    @contextmanager
    def progress(self, name: str, total: int) -> Iterator[Callable[[int], None]]:
        """A bar for a number of questions; what it gives is told how many are answered."""
        with progress_bars(hidden=self.json) as bars:
            yield functools.partial(_show, bars, bars.add_task(f"asking{name}", total=total))

    def write(
        self,
        about: Mapping[str, object],
        scores: Mapping[str, Scores],
        lines: Sequence[Mapping[str, object]],
    ) -> int:
        """Write and print what was found; the exit code."""
        result = {
            "affectome": __version__,
            "benchmark": self.benchmark,
            "model": self.model.name,
            "fingerprint": self.model.fingerprint,
            "scripted": self.model.scripted,
            **about,
            "usage": self.model.usage(),
            "scores": {name: _plain(each) for name, each in scores.items()},
        }
        answers, path = self.out / "answers.jsonl", self.out / "result.json"
        answers.write_text("".join(json_format.dumps(line) + "\n" for line in lines), encoding="utf-8")
        path.write_text(json_format.dumps(result, indent=1) + "\n", encoding="utf-8")
        if self.json:
            print_json(result)
            return 0
        profiles = {name: each for name, each in scores.items() if isinstance(each, Mapping)}
        marks = [_row(name, each) for name, each in scores.items() if not isinstance(each, Mapping)]
        print_table(_figures(profiles) if profiles else marks)
        console().print(f"\nresult   {path}\nanswers  {answers}", markup=False, soft_wrap=True)
        return 0


@contextmanager
def benchmark_run(benchmark: str, model: str, out: Path, *, threads: int, json: bool) -> Iterator[BenchmarkRun]:
    """Open a model for a benchmark; its answers are remembered in the folder of the results.

    Raises:
        AffectomeError: As `open_model` and `RememberingModel`.
    """
    with RememberingModel(open_model(model, threads=threads), out / "replies.sqlite") as remembering:
        yield BenchmarkRun(benchmark, remembering, out, json)


def _show(bars: Progress, task: TaskID, count: int) -> None:
    bars.update(task, completed=count)


def _plain(scores: Scores) -> object:
    if isinstance(scores, Mapping):
        return {name: _ends(found) for name, found in scores.items()}
    if isinstance(scores, PassScore):
        return {"items": scores.read, "unread": scores.unread, "score": _ends(scores.score)}
    return [
        {"layer": each.layer, "items": each.items, "unread": each.unread, "accuracy": _ends(each.accuracy)}
        for each in scores
    ]


def _ends(found: Interval | None) -> dict[str, float] | None:
    return {"value": found.value, "low": found.low, "high": found.high} if found else None


def _figures(profiles: Mapping[str, Mapping[str, Interval]]) -> list[dict[str, object]]:
    """Rows of a table of profiles.

    A row for each figure: the model's, which is the last profile, with its interval, then the replies' to all. Where
    there are more who answer than figures, a row for each of them.
    """
    figures = list(dict.fromkeys(figure for profile in profiles.values() for figure in profile))
    if len(profiles) > len(figures):
        return [
            {"who": who, **{name: _span(profile.get(name)) for name in figures}} for who, profile in profiles.items()
        ]
    rows: list[dict[str, object]] = []
    for figure in figures:
        *others, own = (profile.get(figure) for profile in profiles.values())
        span = f"{own.low:.2f}–{own.high:.2f}" if own else ""
        shown = {"model": f"{own.value:.2f}" if own else "", "95 %": span}
        names = [who.removeprefix("always ") for who in profiles]
        always = {who: f"{each.value:.2f}" if each else "" for who, each in zip(names, others, strict=False)}
        rows.append({"figure": figure.replace("_", " "), **shown, **always})
    return rows


def _span(found: Interval | None) -> str:
    return f"{found.value:.2f} ({found.low:.2f}–{found.high:.2f})" if found else ""


def _row(name: str, scores: list[LayerScore] | PassScore) -> dict[str, object]:
    """The figure of all questions with its interval, then that of each layer."""
    row: dict[str, object] = {"who": name}
    if isinstance(scores, PassScore):
        found = scores.score
        row["score"] = f"{found.value:.1f}" if found else "none read"
        row["95 %"] = f"{found.low:.0f} to {found.high:.0f}" if found else ""
        return row | {"unread": str(scores.unread or "")}
    for score in scores:
        found = score.accuracy
        row[score.layer] = f"{found.value:.3f}" if found else "none read"
        if score.layer == "all":
            row["95 %"] = f"{found.low:.2f} to {found.high:.2f}" if found else ""
    return row | {"unread": str(scores[0].unread or "")}
