"""``affectome bench``: how emotionally able is a language model?"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cyclopts import App

from affectome.cli.benchmark_run import BenchmarkRun, Scores, benchmark_run
from affectome.errors import UsageError
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
    ask_intensities,
    counted_pass,
    load_eq_bench,
    mark_answer,
    mark_intensities,
    score_pass,
)

app = App(name="bench", help="How emotionally able is a language model?")
for _name in ("boundaries", "values", "support", "posts"):
    app.command(f"affectome.cli.domain_benchmarks:{_name}", name=_name)

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
    with benchmark_run("emotional-intelligence", model, out, threads=threads, json=json) as run:
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
    with benchmark_run("emobench", model, out, threads=threads, json=json) as run:
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
    with benchmark_run("eq-bench", model, out, threads=threads, json=json) as run:
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


def _ask_choices(
    run: BenchmarkRun,
    items: Sequence[Q],
    parts: Mapping[str, Shown],
    seed: int,
    further: Callable[[Sequence[Answer[Q]]], LayerScore] | None = None,
) -> tuple[dict[str, Scores], list[dict[str, Any]]]:
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
    scores: dict[str, Scores] = {
        name: [*score_layers(answers), *([further(answers)] if further else [])] for name, answers in chosen.items()
    }
    return scores, lines
