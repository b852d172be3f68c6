"""``affectome bench``: how emotionally able is a language model?"""

from __future__ import annotations

import functools
import json as json_format
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cyclopts import App
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from affectome.cli.output import console, print_json, print_table
from affectome.errors import UsageError
from affectome.language import RememberingModel, open_model
from affectome.language.benchmark import LayerScore, ask_all, choose_always, choose_at_random, score_layers
from affectome.language.emotional_intelligence import Shown, build_items
from affectome.version import __version__

app = App(name="bench", help="How emotionally able is a language model?")

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
    scores = {
        "any letter": score_layers(choose_at_random(items, seed=seed)),
        "always A": score_layers(choose_always(items)),
    }
    with RememberingModel(open_model(model, threads=threads), out / "replies.sqlite") as remembering:
        bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            console=console(),
            transient=True,
            disable=json or not sys.stderr.isatty(),
        )
        with bars:
            answers = {}
            for name, shown in _PARTS.items():
                task = bars.add_task(f"asking{name}", total=len(items))
                answers[name] = ask_all(remembering, items, shown=shown, report=functools.partial(_show, bars, task))
                scores[f"{remembering.name}{name}"] = score_layers(answers[name])
        result: dict[str, Any] = {
            "affectome": __version__,
            "benchmark": "emotional-intelligence",
            "model": remembering.name,
            "fingerprint": remembering.fingerprint,
            "scripted": remembering.scripted,
            "seed": seed,
            "items": len(items),
            "usage": remembering.usage(),
            "scores": {name: [_plain(score) for score in each] for name, each in scores.items()},
        }
    lines = [
        json_format.dumps(
            {**asdict(answer.item), "shown": _PARTS[name], "choice": answer.choice, "failure": answer.failure}
        )
        for name, each in answers.items()
        for answer in each
    ]
    (out / "answers.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (out / "result.json").write_text(json_format.dumps(result, indent=1) + "\n", encoding="utf-8")
    if json:
        print_json(result)
        return 0
    print_table([_row(name, each) for name, each in scores.items()])
    console().print(f"\nresult   {out / 'result.json'}\nanswers  {out / 'answers.jsonl'}", markup=False, soft_wrap=True)
    return 0


def _show(bars: Progress, task: TaskID, count: int) -> None:
    bars.update(task, completed=count)


def _plain(score: LayerScore) -> dict[str, Any]:
    found = score.accuracy
    return {
        "layer": score.layer,
        "items": score.items,
        "unread": score.unread,
        "accuracy": found and {"value": found.value, "low": found.low, "high": found.high},
    }


def _row(name: str, scores: list[LayerScore]) -> dict[str, Any]:
    """The share of right answers of all questions with its interval, then that of each layer."""
    row = {"who": name}
    for score in scores:
        found = score.accuracy
        row[score.layer] = f"{found.value:.3f}" if found else "none read"
        if score.layer == "all":
            row["95 %"] = f"{found.low:.2f} to {found.high:.2f}" if found else ""
    return row | {"unread": str(scores[0].unread or "")}
