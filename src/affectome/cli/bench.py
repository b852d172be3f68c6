"""``affectome bench``: how emotionally able is a language model?"""

from __future__ import annotations

import functools
import json as json_format
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from cyclopts import App
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from affectome.cli.output import console, print_json, print_table
from affectome.domains.boundaries import (
    BoundaryPrompt,
    boundary_policies,
    boundary_prompts,
    profile_boundaries,
    read_boundaries,
    stock_replies,
)
from affectome.domains.boundary_patterns import Language as BoundaryLanguage
from affectome.errors import UsageError
from affectome.evaluate import Interval
from affectome.language import Ask, Message, RememberingModel, open_model
from affectome.language.benchmark import (
    Answer,
    LayerScore,
    Q,
    ask_all,
    choose_always,
    choose_at_random,
    score_layers,
)
from affectome.language.emobench import Language, load_emobench, score_understanding
from affectome.language.emotional_intelligence import Shown, build_items
from affectome.language.eq_bench import (
    PASSES,
    PassScore,
    ask_intensities,
    counted_pass,
    load_eq_bench,
    mark_answer,
    mark_intensities,
    score_pass,
)
from affectome.version import __version__

app = App(name="bench", help="How emotionally able is a language model?")

_STOCK = {"cold_refusal": "refuses", "deflection": "deflects", "reciprocation": "returns", "warm_boundary": "warm"}
_PARTS: dict[str, Shown] = {"": "all", ", last turn alone": "last", ", options alone": "none"}


@app.command(name="emotional-intelligence")
def emotional_intelligence(
    *,
    model: str,
    out: Path,
    data: Path | None = None,
    limit: int = 160,
    threads: int = 1,
    seed: int = 0,
    json: bool = False,
) -> int:
    """Ask a model about the feelings in dialogues: four layers of questions with four options each.

    Writes DIR/result.json, DIR/answers.jsonl with every question and what was chosen, and DIR/replies.sqlite, from
    which an interrupted run goes on without asking or losing anything twice. The questions are made from dialogues of
    the RECCON corpus, in which people marked every feeling. The same questions are asked with the last turn alone and
    with the options alone, which has to be at chance.

    For example:

        affectome bench emotional-intelligence --model http://localhost:8000/v1 --data corpora --out results
        affectome bench emotional-intelligence --model models/SmolLM2-135M --data corpora --out results --limit 40

    Args:
        model: Address of a server that speaks the protocol of OpenAI (vLLM, llama.cpp, Ollama), with #name behind it
            for one of its models; or a folder in Hugging Face layout, a GGUF file, or owner/name on the hub.
        out: Folder for the results.
        data: Folder of the corpora, with the folder reccon; by default AFFECTOME_DATA.
        limit: Questions of a layer at most.
        threads: Processor threads of a model in this process.
        seed: Seed by which questions are chosen.
        json: Print the result as JSON.
    """
    folder = data or (Path(os.environ["AFFECTOME_DATA"]) if os.environ.get("AFFECTOME_DATA") else None)
    if folder is None:
        raise UsageError(
            "There is no folder of the corpora.",
            code="bad_usage",
            value="--data",
            next_step="Give it with --data, or set AFFECTOME_DATA.",
        )
    items = build_items(folder, a_layer=limit, seed=seed)
    with _run("emotional-intelligence", model, out, threads=threads, json=json) as run:
        scores, lines = _ask_choices(run, items, _PARTS, seed)
        return run.write({"seed": seed, "items": len(items)}, scores, lines)


@app.command(name="emobench")
def emobench(
    *,
    model: str,
    questions: Path,
    out: Path,
    language: Language = "en",
    limit: int = 200,
    threads: int = 1,
    seed: int = 0,
    json: bool = False,
) -> int:
    """Ask a model EmoBench: what somebody feels in a scenario, why, and what to do about it.

    Writes the same files as emotional-intelligence, and goes on in the same way. The figure of understanding is the
    share of scenarios whose feeling and cause are both right. The same questions are asked with the scenario hidden.

    For example:

        affectome bench emobench --model http://localhost:8000/v1 --questions EmoBench/data --out results

    Args:
        model: As in emotional-intelligence.
        questions: Folder with EU.jsonl and EA.jsonl of the authors (github.com/Sahandfer/EmoBench), as they are or
            gzipped.
        out: Folder for the results.
        language: Language of the scenarios.
        limit: Questions of a layer at most: of feelings, of causes, and of what to do.
        threads: Processor threads of a model in this process.
        seed: Seed of the order of options.
        json: Print the result as JSON.
    """
    every = load_emobench(questions, language, seed=seed)
    layers = dict.fromkeys(question.layer for question in every)
    items = [item for layer in layers for item in [each for each in every if each.layer == layer][:limit]]
    with _run("emobench", model, out, threads=threads, json=json) as run:
        scores, lines = _ask_choices(run, items, {"": "all", ", options alone": "none"}, seed, score_understanding)
        return run.write({"seed": seed, "language": language, "items": len(items)}, scores, lines)


@app.command(name="eq-bench")
def eq_bench(*, model: str, questions: Path, out: Path, limit: int = 60, threads: int = 1, json: bool = False) -> int:
    """Ask a model EQ-Bench, first version: how strong four feelings of somebody in a dialogue are.

    Writes the same files as emotional-intelligence, and goes on in the same way. Figures are between -100 and 100; who
    does not know is near 0. There is one of the answer that comes first and one of the answer after a critique.

    For example:

        affectome bench eq-bench --model http://localhost:8000/v1 --questions eq_bench_v1_questions_60.json --out DIR

    Args:
        model: As in emotional-intelligence.
        questions: The file eq_bench_v1_questions_60.json of the authors (github.com/EQ-bench/EQ-Bench), as it is or
            gzipped.
        out: Folder for the results.
        limit: Questions at most.
        threads: Processor threads of a model in this process.
        json: Print the result as JSON.
    """
    asked = load_eq_bench(questions)[:limit]
    equal = [mark_intensities(each.reference, dict.fromkeys(each.reference, 1.0)) for each in asked]
    with _run("eq-bench", model, out, threads=threads, json=json) as run:
        with run.progress("", len(asked)) as report:
            replies = ask_intensities(run.model, asked, report=report)
        marks = [mark_answer(each.reference, reply.text) for each, reply in zip(asked, replies, strict=True)]
        scores = {"all four equally": score_pass(asked, equal)}
        passes = {name: score_pass(asked, [getattr(worth, name) for worth in marks]) for name in PASSES}
        scores |= {f"{run.model.name}, {name} pass": score for name, score in passes.items()}
        lines = [
            {**asdict(each), "answer": reply.text, **worth._asdict()}
            for each, reply, worth in zip(asked, replies, marks, strict=True)
        ]
        return run.write({"items": len(asked), "counted": counted_pass(**passes)}, scores, lines)


@app.command(name="boundaries")
def boundaries(
    *,
    model: str,
    out: Path,
    language: BoundaryLanguage = "en",
    policy: Literal["assistant", "companion"] = "assistant",
    limit: int = 20,
    tokens: int = 120,
    threads: int = 1,
    seed: int = 0,
    json: bool = False,
) -> int:
    """Ask a model for friendship, love or dependence, and see how it keeps emotional boundaries.

    Writes the same files as emotional-intelligence, and goes on in the same way; the answers come with the sentences
    that show a pattern and with the summands of their scores, 0 to 10. Replies to what speaks of danger are not scored.
    Beside the model stand replies that are the same to everything: a model that does not answer what it is asked is
    worth no more than they are.

    For example:

        affectome bench boundaries --model http://localhost:8000/v1 --out results
        affectome bench boundaries --model http://localhost:8000/v1 --language de --policy companion --out results

    Args:
        model: As in emotional-intelligence.
        out: Folder for the results.
        language: Language of the requests.
        policy: What patterns are worth: to an assistant, or to a companion, whose warmth counts more.
        limit: Requests of an intent at most; there are twenty of each of seven intents.
        tokens: Length of a reply at most.
        threads: Processor threads of a model in this process.
        seed: Seed of the intervals.
        json: Print the result as JSON.
    """
    of_intent: dict[str, list[BoundaryPrompt]] = {}
    for prompt in boundary_prompts(language):
        of_intent.setdefault(prompt.intent, []).append(prompt)
    asked = [prompt for prompts in of_intent.values() for prompt in prompts[:limit]]
    read = functools.partial(read_boundaries, language=language, policy=boundary_policies()[policy])
    with _run("boundaries", model, out, threads=threads, json=json) as run:
        texts = {f"always {_STOCK[kind]}": [text] * len(asked) for kind, text in stock_replies(language).items()}
        replies: list[str] = []
        with run.progress("", len(asked)) as report:
            for prompt in asked:
                replies.append(run.model.answer(Ask((Message("user", prompt.text),), max_tokens=tokens)).text)
                report(len(replies))
        found = {
            who: [read(text, risk=prompt.risk) for prompt, text in zip(asked, given, strict=True)]
            for who, given in {**texts, run.model.name: replies}.items()
        }
        scores = {who: profile_boundaries(asked, readings, seed=seed) for who, readings in found.items()}
        lines = [
            {**asdict(prompt), "reply": text, **asdict(reading), "score": reading.score}
            for prompt, text, reading in zip(asked, replies, found[run.model.name], strict=True)
        ]
        about = {"seed": seed, "language": language, "policy": policy, "items": len(asked)}
        return run.write(about, scores, lines)


@dataclass(frozen=True)
class _Run:
    """A benchmark that is being run: who answers, and where the results go."""

    benchmark: str
    model: RememberingModel
    out: Path
    json: bool

    @contextmanager
    def progress(self, name: str, total: int) -> Iterator[Callable[[int], None]]:
        """A bar for a number of questions; what it gives is told how many are answered."""
        bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            console=console(),
            transient=True,
            disable=self.json or not sys.stderr.isatty(),
        )
        with bars:
            yield functools.partial(_show, bars, bars.add_task(f"asking{name}", total=total))

    def write(
        self,
        about: Mapping[str, object],
        scores: Mapping[str, list[LayerScore] | PassScore | Mapping[str, Interval]],
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
def _run(benchmark: str, model: str, out: Path, *, threads: int, json: bool) -> Iterator[_Run]:
    with RememberingModel(open_model(model, threads=threads), out / "replies.sqlite") as remembering:
        yield _Run(benchmark, remembering, out, json)


def _ask_choices(
    run: _Run,
    items: Sequence[Q],
    parts: Mapping[str, Shown],
    seed: int,
    further: Callable[[Sequence[Answer[Q]]], LayerScore] | None = None,
) -> tuple[dict[str, list[LayerScore] | PassScore], list[dict[str, Any]]]:
    """Scores of those who do not read and of the model, and a line for every question that it was asked."""
    chosen = {"any letter": choose_at_random(items, seed=seed), "always A": choose_always(items)}
    lines: list[dict[str, Any]] = []
    for name, shown in parts.items():
        with run.progress(name, len(items)) as report:
            answers = ask_all(run.model, items, shown=shown, report=report)
        chosen[f"{run.model.name}{name}"] = answers
        lines += [
            {**vars(each.item), "shown": shown, "choice": each.choice, "failure": each.failure} for each in answers
        ]
    scores: dict[str, list[LayerScore] | PassScore] = {
        name: [*score_layers(answers), *([further(answers)] if further else [])] for name, answers in chosen.items()
    }
    return scores, lines


def _show(bars: Progress, task: TaskID, count: int) -> None:
    bars.update(task, completed=count)


def _plain(scores: list[LayerScore] | PassScore | Mapping[str, Interval]) -> object:
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
    """A row for each figure: the model's, which is the last profile, with its interval, then the replies' to all."""
    rows: list[dict[str, object]] = []
    for figure in dict.fromkeys(figure for profile in profiles.values() for figure in profile):
        *others, own = (profile.get(figure) for profile in profiles.values())
        span = f"{own.low:.2f}–{own.high:.2f}" if own else ""
        shown = {"model": f"{own.value:.2f}" if own else "", "95 %": span}
        names = [who.removeprefix("always ") for who in profiles]
        always = {who: f"{each.value:.2f}" if each else "" for who, each in zip(names, others, strict=False)}
        rows.append({"figure": figure.replace("_", " "), **shown, **always})
    return rows


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
