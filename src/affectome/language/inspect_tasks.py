"""The benchmarks as tasks of inspect_ai, with its providers, logs and viewer. Needs the ``inspect`` extra.

They are registered by the entry point ``inspect_ai`` through `affectome.domains.inspect_tasks`::

    inspect eval affectome/emotional_intelligence --model openai/gpt-4o -T data=corpora

An answer that cannot be read is unscored, never wrong. Limits on the length of answers are those of a model that
answers at once; give one that thinks first more room with ``--max-tokens``. The provider ``hf`` needs
``-M do_sample=false`` for answers without chance.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import (
    ChatMessage,
    ChatMessageAssistant,
    ChatMessageSystem,
    ChatMessageUser,
    GenerateConfig,
    ResponseSchema,
)
from inspect_ai.scorer import (
    CORRECT,
    INCORRECT,
    Metric,
    SampleScore,
    Score,
    Scorer,
    Target,
    accuracy,
    grouped,
    mean,
    metric,
    scorer,
    stderr,
    value_to_float,
)
from inspect_ai.solver import TaskState, generate
from inspect_ai.util import JSONSchema

from affectome.errors import UsageError
from affectome.language.benchmark import Question
from affectome.language.chat import Ask, Message, Reply, read_reply
from affectome.language.emobench import Language, load_emobench
from affectome.language.emotion_detection import ANSWER, load_text_lists
from affectome.language.emotional_intelligence import Shown, build_items
from affectome.language.eq_bench import PASSES, load_eq_bench, mark_answer

_TURNS = {"system": ChatMessageSystem, "user": ChatMessageUser, "assistant": ChatMessageAssistant}
_BY_LAYER: list[Metric | dict[str, list[Metric]]] = [
    accuracy(),
    stderr(cluster="dialogue"),
    grouped(accuracy(), "layer", all=False),
]


@task
def emotional_intelligence(data: str = "", a_layer: int = 160, shown: Shown = "all", seed: int = 0) -> Task:
    """Questions about the feelings in dialogues, in four layers; see `affectome.language.emotional_intelligence`.

    Args:
        data: Folder of the corpora, with the folder reccon; by default AFFECTOME_DATA.
        a_layer: Questions of a layer at most.
        shown: Whether ``all`` of the dialogues is shown, the ``last`` turn alone or ``none`` of it.
        seed: Seed by which questions are chosen.
    """
    return _choices(build_items(_data(data), a_layer=a_layer, seed=seed), shown)


@task
def emobench(questions: str, language: Language = "en", shown: Shown = "all", seed: int = 0) -> Task:
    """EmoBench: what somebody feels and why, and what to do about it.

    Args:
        questions: Folder with EU.jsonl and EA.jsonl of the authors.
        language: ``en`` or ``zh``.
        shown: ``none`` hides the scenarios.
        seed: Seed of the order of options.
    """
    return _choices(load_emobench(Path(questions), language, seed=seed), shown, understanding())


@task
def eq_bench(questions: str) -> Task:
    """EQ-Bench, first version: how strong four feelings of somebody in a dialogue are.

    Args:
        questions: The file eq_bench_v1_questions_60.json of the authors.
    """
    asked = load_eq_bench(Path(questions))
    samples = [
        sample(each.id, each.ask(), "", {"reference": dict(each.reference), "dialogue": each.dialogue})
        for each in asked
    ]
    return _task(samples, asked[0].ask(), intensities())


@task
def emotion_detection(lists: str) -> Task:
    """LongEmotion's emotion detection: which one of some thirty texts differs from the rest in feeling.

    Args:
        lists: The file Emotion_Detection.jsonl of the authors.
    """
    asked = load_text_lists(Path(lists))
    samples = [sample(each.id, each.ask(), str(each.gold), {"indices": list(each.texts)}) for each in asked]
    return _task(samples, asked[0].ask(), index())


@metric
def understanding() -> Metric:
    """Share of EmoBench's scenarios whose feeling and cause are both right, of those where both could be read."""
    number = value_to_float()

    def both(scores: list[SampleScore]) -> float:
        of: dict[str, list[float]] = {}
        for each in scores:
            found = cast(Mapping[str, Any], each.sample_metadata)
            if found["layer"] != "application":
                of.setdefault(found["dialogue"], []).append(number(each.score.value))
        read = [min(values) for values in of.values() if len(values) == 2]
        return sum(read) / len(read) if read else float("nan")

    return both


@scorer(metrics=_BY_LAYER)
def letter() -> Scorer:
    """Whether the letter of the right option was chosen, however the answer is worded."""

    async def score(state: TaskState, target: Target) -> Score:
        reply = _read(state, choices=tuple(state.metadata["letters"]))
        if not reply.choice:
            return _unread(reply.text)
        return Score(value=CORRECT if reply.choice == target.text else INCORRECT, answer=reply.choice)

    return score


@scorer(metrics=[accuracy(), stderr()])
def index() -> Scorer:
    """Whether the number of the right text was given, as JSON."""

    async def score(state: TaskState, target: Target) -> Score:
        reply = _read(state, schema=ANSWER)
        if reply.value is None or reply.value["index"] not in state.metadata["indices"]:
            return _unread(reply.text)
        given = str(reply.value["index"])
        return Score(value=CORRECT if given == target.text else INCORRECT, answer=given)

    return score


@scorer(metrics={"*": [mean(), stderr(cluster="dialogue")]})
def intensities() -> Scorer:
    """How near given intensities are to the reference, between -100 and 100: the first pass, and the revised one."""

    async def score(state: TaskState, target: Target) -> Score:
        marks = mark_answer(state.metadata["reference"], state.output.completion)
        if all(worth is None for worth in marks):
            return _unread(state.output.completion)
        values = [float("nan") if worth is None else worth * 10 for worth in marks]
        return Score(value=dict(zip(PASSES, values, strict=True)), answer=state.output.completion)

    return score


def _choices(questions: Sequence[Question], shown: Shown, *more: Metric) -> Task:
    samples = []
    for question in questions:
        ask = question.ask(shown)
        about = {"layer": question.layer, "dialogue": question.dialogue, "letters": list(ask.choices)}
        samples.append(sample(question.id, ask, ask.choices[question.gold], about))
    return _task(samples, questions[0].ask(shown), letter(), *more)


def _task(samples: Sequence[Sample], ask: Ask, scoring: Scorer, *more: Metric) -> Task:
    """A task whose requests all have the form of one of them."""
    form = None
    if ask.schema is not None:
        form = ResponseSchema(name="answer", json_schema=JSONSchema.model_validate(ask.schema), strict=True)
    config = GenerateConfig(max_tokens=ask.max_tokens, temperature=ask.temperature, response_schema=form)
    metrics = [*_BY_LAYER, *more] if more else None
    return Task(dataset=MemoryDataset(list(samples)), solver=generate(), scorer=scoring, config=config, metrics=metrics)


def sample(identifier: str, ask: Ask, target: str, about: dict[str, Any]) -> Sample:
    """A request as a sample of inspect_ai."""
    turns: list[ChatMessage] = [_TURNS[message.role](content=message.content) for message in ask.messages]
    return Sample(id=identifier, input=turns, target=target, metadata=about)


def _read(state: TaskState, **wanted: Any) -> Reply:  # noqa: ANN401 - choices or schema
    text = state.output.completion
    return read_reply(Reply(text), Ask((Message("user", ""),), **wanted))


def _unread(text: str) -> Score:
    return Score.unscored(reason="invalid_response_format" if text.strip() else "no_response", answer=text)


def _data(folder: str) -> Path:
    found = folder or os.environ.get("AFFECTOME_DATA")
    if not found:
        raise UsageError(
            "There is no folder of the corpora.",
            code="bad_usage",
            value="data",
            next_step="Give it with -T data=FOLDER, or set AFFECTOME_DATA.",
        )
    return Path(found)
