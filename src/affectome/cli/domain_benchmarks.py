"""``affectome bench`` in the domains: boundaries, values, support, and posts about how their writers are."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from affectome.api import ReaderOptions, read_texts
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
from affectome.domains.support import (
    SupportTurn,
    ask_for_strategy,
    load_support_strategies,
    profile_strategies,
    without_prior,
)
from affectome.domains.support_dialogues import SupportChoices, load_support_choices
from affectome.domains.values import (
    LETTERS,
    STANCES,
    Survey,
    Variant,
    ask_for_stance,
    load_compass,
    load_survey,
    place,
    profile_stances,
)
from affectome.errors import InputError, UsageError
from affectome.evaluate import Interval, bootstrap, bootstrap_mean, f1, read_labelled
from affectome.language import Ask, Message, choice_shares
from affectome.language.wellbeing_prompts import PostAnswer, ask_about_post, load_post_strategies, load_post_tasks

_STOCK = {"cold_refusal": "refuses", "deflection": "deflects", "reciprocation": "returns", "warm_boundary": "warm"}
_AFFIRMED, _DENIED = ("yes", "true", "1", "1.0"), ("no", "false", "0", "0.0")
_HINTED = 3  # emotions of a hint


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
                choice = run.model.answer(ask_for_stance(variant, proposition, order)).choice
                if choice:
                    places[row, column] = LETTERS.index(choice)
                lines.append({**proposition._asdict(), "wording": column, "offered": order.tolist(), "choice": choice})
                report(len(lines))
    return places, lines


def _stances_at(offered: NDArray[np.int64], places: NDArray[np.float64]) -> NDArray[np.float64]:
    """The stances that were offered at the chosen places, NaN where nothing was chosen."""
    chosen = np.take_along_axis(offered, np.nan_to_num(places).astype(np.int64)[..., None], axis=-1)[..., 0]
    return np.where(np.isfinite(places), chosen, np.nan)


def support(
    *, model: str, moments: Path, out: Path, limit: int = 200, threads: int = 1, seed: int = 0, json: bool = False
) -> int:
    """Ask a model which strategy of emotional support comes next in talks, and see which ones it likes too much.

    Writes the same files as emotional-intelligence, and goes on in the same way. The preference bias is 0 for a model
    that likes no strategy more than another; "less its prior" is what it says of a talk against what it says of none.

    For example:

        affectome bench support --model http://localhost:8000/v1 --moments ESConv.json --out results

    Args:
        model: As in emotional-intelligence.
        moments: ESConv.json of the authors (github.com/thu-coai/Emotional-Support-Conversation), or results.json of
            arXiv 2402.13211; as they are or gzipped.
        out: Folder for the results.
        limit: Moments at most, drawn at random.
        threads: Processor threads of a model in this process.
        seed: Seed of the draw and of the intervals.
        json: Print the result as JSON.
    """
    every = load_support_choices(moments)
    rng = np.random.default_rng(seed)
    asked = every.at(np.sort(rng.permutation(len(every.strategies))[:limit]))
    count = len(load_support_strategies())
    with benchmark_run("support", model, out, threads=threads, json=json) as run:
        chosen, likings = _take_strategies(run, asked)
        guesses = {
            "any strategy": rng.integers(0, count, len(chosen)),
            "most frequent": np.full(len(chosen), np.bincount(every.strategies).argmax()),
            "previous": np.array([_previous(context) for context in asked.contexts]),
        }
        if likings is not None:
            prior = likings[-1]
            guesses[f"{run.model.name} less its prior"] = without_prior(likings[:-1], prior).argmax(axis=1)
        scores: dict[str, Scores] = {
            who: profile_strategies(truth=asked.strategies, prediction=taken, talks=asked.talks, seed=seed)
            for who, taken in {**guesses, run.model.name: chosen}.items()
        }
        names = [strategy.name for strategy in load_support_strategies()]
        lines = [
            {"talk": talk, "turns": len(context), "used": names[used], "chosen": names[taken] if taken >= 0 else None}
            for talk, context, used, taken in zip(asked.talks, asked.contexts, asked.strategies, chosen, strict=True)
        ]
        return run.write({"seed": seed, "items": len(lines)}, scores, lines)


def posts(
    *,
    model: str,
    data: Path,
    label: str,
    out: Path,
    task: str = "stress",
    positive: str | None = None,
    limit: int = 100,
    threads: int = 1,
    seed: int = 0,
    json: bool = False,
) -> int:
    """Ask a model what posts show, such as stress, in seven ways: with cues to emotions, examples, and reasons first.

    Writes the same files as emotional-intelligence, and goes on in the same way. A neutral cue stands beside the cues
    to emotions: whatever it changes is not owed to emotions. Nothing here is a diagnosis.

    For example:

        affectome bench posts --model http://localhost:8000/v1 --data dreaddit-test.csv --label label --out results

    Args:
        model: As in emotional-intelligence.
        data: Table with a column of posts and one of labels.
        label: Column with the labels: yes or no, true or false, 1 or 0.
        out: Folder for the results.
        task: What is asked about the posts.
        positive: The label of posts that show it, where labels are other words.
        limit: Posts at most, drawn at random.
        threads: Processor threads of a model in this process.
        seed: Seed of the draw and of the intervals.
        json: Print the result as JSON.
    """
    tasks = load_post_tasks()
    if task not in tasks:
        raise UsageError("There is no such task.", code="unknown_label", value=task, allowed=sorted(tasks))
    wanted = tasks[task]
    table = read_labelled(data, label=label)
    known = [
        (row, _affirmed(cell, positive)) for row, cell in enumerate(table.cells) if cell and table.segments["text"][row]
    ]
    drawn = [known[k] for k in np.sort(np.random.default_rng(seed).permutation(len(known))[:limit])]
    texts = [str(table.segments["text"][row]) for row, _ in drawn]
    truth = np.array([0 if affirmed else 1 for _, affirmed in drawn])
    strategies = load_post_strategies().values()
    hints = _hints(texts, threads)
    scores: dict[str, Scores] = {
        f"always {answer}": _profile_answers(truth, np.full(len(truth), k), seed)
        for k, answer in enumerate(wanted.answers)
    }
    lines: list[dict[str, object]] = []
    with benchmark_run("posts", model, out, threads=threads, json=json) as run:
        for strategy in strategies:
            answers: list[PostAnswer] = []
            with run.progress(f", {strategy.id}", len(texts)) as report:
                for text, hint in zip(texts, hints, strict=True):
                    answers.append(ask_about_post(run.model, text, strategy, wanted, hint=hint))
                    report(len(answers))
            said = np.array([wanted.answers.index(each.choice) if each.choice else -1 for each in answers])
            scores[strategy.id] = _profile_answers(truth, said, seed)
            lines += [
                {
                    "id": table.segments["id"][row],
                    "strategy": strategy.id,
                    "label": wanted.answers[right],
                    **asdict(answer),
                }
                for (row, _), right, answer in zip(drawn, truth.tolist(), answers, strict=True)
            ]
        return run.write({"seed": seed, "task": task, "items": len(texts)}, scores, lines)


def _take_strategies(run: BenchmarkRun, asked: SupportChoices) -> tuple[NDArray[np.int64], NDArray[np.float64] | None]:
    """What is chosen (n,), -1 if unread; and where the model tells it, its probabilities (n + 1, k), the prior last."""
    chosen, likings = [], []
    with run.progress("", len(asked.contexts) + 1) as report:
        for context in [*asked.contexts, ()]:
            ask = ask_for_strategy(context)
            reply = run.model.answer(ask)
            chosen.append(ask.choices.index(reply.choice) if reply.choice else -1)
            likings.append(choice_shares(reply, ask.choices))
            report(len(chosen))
    told = [shares for shares in likings if shares is not None]
    return np.array(chosen[:-1]), np.array(told) if len(told) == len(likings) else None


def _previous(context: Sequence[SupportTurn]) -> int:
    """The last strategy that a supporter used, the first of the list where none is known."""
    return next((turn.strategy for turn in reversed(context) if turn.strategy >= 0), 0)


def _affirmed(cell: str, positive: str | None) -> bool:
    if positive is not None:
        return cell.casefold() == positive.strip().casefold()
    if cell.casefold() in _AFFIRMED or cell.casefold() in _DENIED:
        return cell.casefold() in _AFFIRMED
    raise InputError(
        "A label is neither yes nor no.",
        code="unknown_label",
        value=cell,
        allowed=(*_AFFIRMED, *_DENIED),
        next_step="Name the label of posts that show it with --positive.",
    )


def _hints(texts: Sequence[str], threads: int) -> list[str]:
    """What a reader of emotions finds in each text, the strongest first."""
    reader = ReaderOptions(taxonomy="ekman7").open(threads)
    return [", ".join(list(reading.emotion)[:_HINTED]) or "none" for reading in read_texts(texts, reader)]


def _profile_answers(truth: NDArray[np.int64], said: NDArray[np.int64], seed: int) -> dict[str, Interval]:
    """Accuracy and weighted F1 of the answers that can be read, how many are affirmed, and the share unread."""
    read = said >= 0
    found = {"unread": bootstrap_mean((~read).astype(float), seed=seed)}
    if not read.any():
        return found
    return {
        "accuracy": bootstrap_mean((truth == said)[read].astype(float), seed=seed),
        "weighted F1": bootstrap(
            functools.partial(f1, average="weighted"), seed=seed, truth=truth[read], prediction=said[read]
        ),
        "affirmed": bootstrap_mean((said[read] == 0).astype(float), seed=seed),
        **found,
    }
