"""EmotionPrompt: does an emotional sentence at the end of the instruction make a language model better?

Every stimulus stands beside a neutral control with as many tokens. All are asked on development items; the one that
gains most over its control there is asked once more on test items.
"""

from __future__ import annotations

import gzip
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affectome.evaluate import near_duplicates
from affectome.language import ChatModel, RememberingModel, open_model
from affectome.language.paired_effects import Effect, paired_effects, share_right
from affectome.language.prompt_changes import (
    Prompt,
    PromptChange,
    list_stimuli,
    neutral_control,
    token_counter,
)
from affectome.studies.comparing import claim_end
from affectome.studies.corpora import readable
from affectome.studies.planted_effects import planted_effects
from affectome.studies.study import Claim, Context, Outcome, Row, Study, Table, Value

Floats = NDArray[np.float64]

_FOLDER = "emotionprompt_tasks"
_TASKS = Path(__file__).parent / "data" / "emotionprompt.toml"
_DEV, _TEST, _QUICK = 6, 50, (1, 2)  # items of a task
_RUNS, _QUICK_RUNS = 400, 20
_PLANTED = ((1, 200), (11, 400))  # changes at once, items
_MAX_WORDS = 60
_RIGHT, _GAIN, _OVER, _P, _TOKENS = "right", "gain", "gain over control", "p after Holm", "tokens added"


@dataclass(frozen=True)
class Question:
    """An item of a task.

    Attributes:
        task: Name of the task.
        prompt: The question without a change.
        gold: The right one of its choices.
    """

    task: str
    prompt: Prompt
    gold: str


@dataclass(frozen=True, eq=False)
class Answers:
    """Answers to the same items without a change, with changes, and with their controls.

    Attributes:
        questions: ``n`` items.
        plain: ``(n,)`` 1 right, 0 wrong, NaN unread.
        changed: The same by change.
        controls: The same by change, for its control.
    """

    questions: list[Question]
    plain: Floats
    changed: dict[str, Floats]
    controls: dict[str, Floats]

    def effects(self, seed: int) -> list[Effect]:
        """What each change did."""
        return paired_effects(self.plain, self.changed, self.controls, seed=seed)


def run(context: Context) -> Outcome:
    """Ask development items with every stimulus and control, then test items with the one chosen."""
    questions = load_questions(context.folder(_FOLDER))
    dev, test = draw_parts(questions, *(_QUICK if context.quick else (_DEV, _TEST)), context.seed)
    vault = context.vault({"test": test})
    tables: list[Table] = []
    claims: list[Claim] = []
    for at_once, items in _PLANTED:
        runs = _QUICK_RUNS if context.quick else _RUNS
        table, found = planted_effects(at_once, items=items, runs=runs, seed=context.seed)
        tables.append(table)
        claims += found
    context.note("planted effects drawn")
    source = open_model(str(context.base_encoder()), threads=context.threads)
    count = token_counter(source)
    changes = {stimulus.sentence.name: stimulus.sentence for stimulus in list_stimuli()}
    controls = {name: neutral_control(sentence, count) for name, sentence in changes.items()}
    added = {name: count(f" {sentence.text}") for name, sentence in changes.items()}
    uneven = max(abs(count(f" {controls[name].text}") - added[name]) for name in changes)
    with RememberingModel(source, context.work / "answers.sqlite") as model:
        on_dev = ask_all(model, [questions[k] for k in dev], changes, controls)
        context.note("development items asked")
        effects = on_dev.effects(context.seed)
        chosen = max(effects, key=lambda effect: effect.net_gain.value).name
        rows = vault.open("test", purpose="the stimulus chosen on development items beside its neutral control")
        on_test = ask_all(model, [questions[k] for k in rows], {chosen: changes[chosen]}, {chosen: controls[chosen]})
    (effect,) = on_test.effects(context.seed)
    tables += [
        _table("Development items", on_dev, effects, added, context.seed),
        _table("Test items", on_test, [effect], added, context.seed),
        _by_task(on_test, chosen, context.seed),
    ]
    said = f"{chosen!r}, chosen on development items: gain over"
    claims += [
        Claim("tokens by which a control differs from its stimulus, at most", float(uneven), 0, "<="),
        claim_end(f"{said} no stimulus on test items", effect.gain, ">"),
        claim_end(f"{said} its neutral control on test items", effect.net_gain, ">"),
    ]
    helped = ", ".join(each.name for each in effects if each.helped)
    verdict = "helped" if effect.helped else f"did not help beyond chance (p {effect.p_value:.3f})"
    notes = [
        f"The model is {source.name}. An answer is the choice that the model makes at temperature 0; {effect.unread} of"
        f" {len(rows)} test items could not be read.",
        "Tasks are those of the published set whose answers are among fixed words, with as many items of each answer:"
        f" {', '.join(sorted({question.task for question in questions}))}. Items of more than {_MAX_WORDS} words are"
        " left out.",
        f"Helped on development items, beyond no stimulus and beyond the control: {helped or 'none'}.",
        f"On test items {chosen!r} {verdict}: {effect.won} items won and {effect.lost} lost against no stimulus.",
    ]
    return Outcome(tables, claims, notes)


STUDY = Study(
    number=25,
    id="emotionprompt",
    title="EmotionPrompt",
    paper="arXiv 2307.11760",
    data=(_FOLDER,),
    extras=("train",),
    run=run,
    missing=(
        "tasks whose answers are written freely, and the normalised scores of the published set",
        "examples in the prompt, temperatures above 0, and judges of truth and information",
        "whether a stimulus chosen on one model helps another one",
        "which words of a stimulus the answer depends on",
    ),
)


def load_questions(folder: Path) -> list[Question]:
    """The items of the tasks, in their order, each text once in a task.

    Args:
        folder: Folder with ``instruction_induction`` and ``bigbench-ii``.

    Raises:
        InputError: A file is not there or has another layout.
    """
    found: dict[tuple[str, str], Question] = {}
    for task in tomllib.loads(_TASKS.read_text(encoding="utf-8"))["tasks"]:
        choices = tuple(task["answers"].values())
        for text, gold in _examples(folder, task["file"]):
            if len(text.split()) <= _MAX_WORDS:
                prompt = Prompt(task["instruction"], text, choices)
                found.setdefault((task["name"], text), Question(task["name"], prompt, task["answers"][gold]))
    return list(found.values())


def _examples(folder: Path, name: str) -> list[tuple[str, str]]:
    """Text and gold of each item, in either of the two published layouts."""
    with readable(folder):
        content = (folder / name).read_bytes()
        examples: Any = json.loads(gzip.decompress(content) if name.endswith(".gz") else content)["examples"]
        rows: Sequence[Mapping[str, Any]] = list(examples.values()) if isinstance(examples, dict) else examples
        return [(" ".join(row["input"].split()), _gold(row)) for row in rows]


def _gold(row: Mapping[str, Any]) -> str:
    if "output" in row:
        return str(row["output"])
    scores: Mapping[str, float] = row["target_scores"]
    return max(scores, key=lambda answer: scores[answer])


def draw_parts(
    questions: Sequence[Question], dev_each: int, test_each: int, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Development and test items, as many of each task and answer; no test item is like one of development.

    Args:
        questions: All items.
        dev_each: Development items of a task.
        test_each: Test items of a task.
        seed: Seed of the draw.

    Returns:
        Row numbers of both parts.
    """
    order = np.random.default_rng(seed).permutation(len(questions))
    clusters = near_duplicates([question.prompt.text for question in questions])
    used: set[tuple[str, int]] = set()
    parts: dict[str, list[int]] = {"dev": [], "test": []}
    for task in dict.fromkeys(question.task for question in questions):
        golds = sorted({question.gold for question in questions if question.task == task})
        for gold in golds:
            ready = []
            for k in order:
                if (questions[k].task, questions[k].gold) == (task, gold) and (task, int(clusters[k])) not in used:
                    used.add((task, int(clusters[k])))
                    ready.append(int(k))
            share, rest = -(-dev_each // len(golds)), -(-test_each // len(golds))
            parts["dev"] += ready[:share]
            parts["test"] += ready[share : share + rest]
    return np.array(parts["dev"], np.int64), np.array(parts["test"], np.int64)


def right_answers(model: ChatModel, questions: Sequence[Question], change: PromptChange | None) -> Floats:
    """1 where the answer is right, 0 where it is wrong, NaN where it cannot be read."""
    right = []
    for question in questions:
        prompt = question.prompt if change is None else change(question.prompt)
        reply = model.answer(prompt.ask())
        right.append(float(reply.choice == question.gold) if reply.choice else np.nan)
    return np.array(right)


def ask_all(
    model: ChatModel,
    questions: list[Question],
    changes: Mapping[str, PromptChange],
    controls: Mapping[str, PromptChange],
) -> Answers:
    """Ask the same items without a change, with each change and with each control."""
    return Answers(
        questions,
        right_answers(model, questions, None),
        {name: right_answers(model, questions, change) for name, change in changes.items()},
        {name: right_answers(model, questions, control) for name, control in controls.items()},
    )


def _table(title: str, answers: Answers, effects: Sequence[Effect], added: Mapping[str, int], seed: int) -> Table:
    """What has no skill, no stimulus, then every stimulus below its control."""
    chance = float(np.mean([1 / len(question.prompt.choices) for question in answers.questions]))
    rows = [
        Row("chance", "baseline", {_RIGHT: chance}),
        Row("no stimulus", "baseline", {_RIGHT: share_right(answers.plain, seed), _TOKENS: 0}),
    ]
    for effect in effects:
        name = effect.name
        control: dict[str, Value] = {_RIGHT: share_right(answers.controls[name], seed), _TOKENS: added[name]}
        rows.append(Row(f"neutral, as long as {name!r}", "control", control))
        values: dict[str, Value] = {
            _RIGHT: share_right(answers.changed[name], seed),
            _GAIN: effect.gain,
            _OVER: effect.net_gain,
            _P: effect.adjusted,
            _TOKENS: added[name],
        }
        rows.append(Row(name, "result", values))
    return Table(f"{title}: {len(answers.questions)}", (_RIGHT, _GAIN, _OVER, _P, _TOKENS), rows)


def _by_task(answers: Answers, chosen: str, seed: int) -> Table:
    """Share right by task without a stimulus, with the one chosen, and with its control."""
    of_task = np.array([question.task for question in answers.questions])
    tasks = tuple(dict.fromkeys(of_task.tolist()))

    def values(right: Floats) -> dict[str, Value]:
        return {task: share_right(right[of_task == task], seed) for task in tasks}

    rows = [
        Row("no stimulus", "baseline", values(answers.plain)),
        Row(f"neutral, as long as {chosen!r}", "control", values(answers.controls[chosen])),
        Row(chosen, "result", values(answers.changed[chosen])),
    ]
    return Table("Test items by task, share right", tasks, rows)
