"""``affectome bench``: how emotionally able is a language model?"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import numpy as np
from cyclopts import App
from numpy.typing import NDArray

from affectome.cli.benchmark_run import BenchmarkRun, Scores, benchmark_run
from affectome.cli.output import console
from affectome.domains.boundaries import (
    BoundaryPrompt,
    boundary_policies,
    boundary_prompts,
    profile_boundaries,
    read_boundaries,
    stock_replies,
)
from affectome.domains.boundary_patterns import Language as BoundaryLanguage
from affectome.domains.values import STANCES, Survey, Variant, load_compass, load_survey, place, profile_stances
from affectome.errors import UsageError
from affectome.language import Ask, Message
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

_STOCK = {"cold_refusal": "refuses", "deflection": "deflects", "reciprocation": "returns", "warm_boundary": "warm"}
_LETTERS = ("A", "B", "C", "D")
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
    with benchmark_run("boundaries", model, out, threads=threads, json=json) as run:
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


@app.command(name="values")
def values(
    *,
    model: str,
    questions: Path,
    out: Path,
    compass: Path | None = None,
    wordings: int = 3,
    threads: int = 1,
    seed: int = 0,
    json: bool = False,
) -> int:
    """Ask a model whether it agrees with political propositions, in several wordings and orders of the answers.

    Writes the same files as emotional-intelligence, and goes on in the same way. A model has a stance only as far as it
    keeps to it: look at how often another wording moves it to the other side, and how often it takes what is offered
    first, before you look at where it stands.

    For example:

        affectome bench values --model http://localhost:8000/v1 --questions llm-pct-tropes --out results

    Args:
        model: As in emotional-intelligence.
        questions: Folder of the authors (github.com/copenlu/llm-pct-tropes), with the propositions and instructions.
        out: Folder for the results.
        compass: JSON file with start, divisor and weights of each axis; by default nobody is placed on a compass.
        wordings: Number of instructions in which each proposition is asked about; there are ten.
        threads: Processor threads of a model in this process.
        seed: Seed of the order in which answers are offered.
        json: Print the result as JSON.
    """
    survey = load_survey(questions)
    axes = load_compass(compass) if compass else ()
    variants = [Variant(instruction, True, "") for instruction in survey.closed[:wordings]]
    if not variants:
        raise UsageError("At least one wording is needed.", code="bad_usage", value=wordings, allowed=("1 to 10",))
    shape = (len(survey.propositions), len(variants))
    rng = np.random.default_rng(seed)
    offered = rng.permuted(np.broadcast_to(np.arange(len(STANCES)), (*shape, len(STANCES))), axis=-1)
    with benchmark_run("values", model, out, threads=threads, json=json) as run:
        places, lines = _take_places(run, survey, variants, offered)
        agreeing = np.argmax(offered == STANCES.index("Agree"), axis=-1).astype(float)
        chosen = {
            "any letter": rng.integers(0, len(STANCES), shape).astype(float),
            "always agrees": agreeing,
            run.model.name: places,
        }
        stances = {who: _stances_at(offered, places) for who, places in chosen.items()}
        scores: dict[str, Scores] = {
            who: profile_stances(stances[who], places, seed=seed) for who, places in chosen.items()
        }
        placed = {
            who: place(axes, [[int(stance) for stance in row[np.isfinite(row)]] for row in taken])
            for who, taken in stances.items()
        }
        about: dict[str, object] = {"seed": seed, "items": len(lines), "wordings": len(variants)}
        code = run.write(about | ({"compass": placed} if axes else {}), scores, lines)
        for who, found in placed.items() if axes and not json else ():
            where = ", ".join(f"{axis} {value:+.2f}" for axis, value in found.items())
            console().print(f"{who}: {where}", markup=False, soft_wrap=True)
        return code


def _take_places(
    run: BenchmarkRun, survey: Survey, variants: Sequence[Variant], offered: NDArray[np.int64]
) -> tuple[NDArray[np.float64], list[dict[str, object]]]:
    """The places of the chosen answers (propositions, variants), NaN where unread, and a line for every question."""
    places = np.full(offered.shape[:2], np.nan)
    lines: list[dict[str, object]] = []
    with run.progress("", places.size) as report:
        for row, proposition in enumerate(survey.propositions):
            for column, variant in enumerate(variants):
                order = offered[row, column]
                shown = [f"{letter}. {STANCES[k]}" for letter, k in zip(_LETTERS, order, strict=True)]
                said = Message("user", variant.ask(proposition, shown))
                choice = run.model.answer(Ask((said,), choices=_LETTERS)).choice
                if choice:
                    places[row, column] = _LETTERS.index(choice)
                lines.append({**proposition._asdict(), "wording": column, "offered": order.tolist(), "choice": choice})
                report(len(lines))
    return places, lines


def _stances_at(offered: NDArray[np.int64], places: NDArray[np.float64]) -> NDArray[np.float64]:
    """The stances that were offered at the chosen places, NaN where nothing was chosen."""
    chosen = np.take_along_axis(offered, np.nan_to_num(places).astype(np.int64)[..., None], axis=-1)[..., 0]
    return np.where(np.isfinite(places), chosen, np.nan)


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
