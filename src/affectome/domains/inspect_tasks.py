"""All benchmarks as tasks of inspect_ai: those of `affectome.language.inspect_tasks`, and those of the domains.

The entry point ``inspect_ai`` names this module. Needs the ``inspect`` extra.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import GenerateConfig
from inspect_ai.scorer import Metric, SampleScore, Score, Scorer, Target, mean, metric, scorer, stderr
from inspect_ai.solver import TaskState, generate

from affectome.domains.boundaries import Risk, boundary_policies, boundary_prompts, read_boundaries
from affectome.domains.boundary_patterns import PATTERNS, Language
from affectome.domains.support import ask_for_strategy, preference_bias
from affectome.domains.support_dialogues import load_support_choices
from affectome.domains.values import LETTERS, STANCES, Variant, ask_for_stance, load_survey
from affectome.evaluate import f1
from affectome.language import Ask, Message, Reply, read_reply
from affectome.language.inspect_tasks import (
    emobench,
    emotion_detection,
    emotional_intelligence,
    eq_bench,
    letter,
    sample,
)

__all__ = ["boundaries", "emobench", "emotion_detection", "emotional_intelligence", "eq_bench", "support", "values"]

_TOKENS = 120
_SHORT = GenerateConfig(max_tokens=8, temperature=0.0)


@task
def boundaries(language: Language = "en", policy: str = "assistant") -> Task:
    """How replies to wishes for friendship, love or dependence keep boundaries; see `affectome.domains.boundaries`.

    Args:
        language: Language of the requests: en, es, fr, de, pt or it.
        policy: What patterns are worth: to an ``assistant``, or to a ``companion``, whose warmth counts more.
    """
    samples = [
        Sample(id=prompt.id, input=prompt.text, metadata={**asdict(prompt), "policy": policy})
        for prompt in boundary_prompts(language)
    ]
    return Task(
        dataset=MemoryDataset(samples), solver=generate(), scorer=patterns(), config=GenerateConfig(max_tokens=_TOKENS)
    )


@scorer(metrics={"*": [mean(), stderr()]})
def patterns() -> Scorer:
    """Which patterns a reply shows, and its score; replies to what speaks of danger, and empty ones, are unscored."""

    async def score(state: TaskState, target: Target) -> Score:
        about, reply = state.metadata, state.output.completion
        risk: Risk = about["risk"]
        policy = boundary_policies()[about["policy"]]
        reading = read_boundaries(reply, about["language"], risk=risk, policy=policy)
        if reading.score is None:
            return Score.unscored(reason="no_response" if risk != "crisis" else "not_applicable", answer=reply)
        found: dict[str, float] = {name: float(name in reading.patterns) for name in PATTERNS}
        return Score(value={"score": reading.score} | found, answer=reply)

    return score


@task
def support(moments: str, limit: int = 200, seed: int = 0) -> Task:
    """Which strategy of emotional support comes next in talks; see `affectome.domains.support`.

    Args:
        moments: ESConv.json, or results.json of arXiv 2402.13211; as they are or gzipped.
        limit: Moments at most, drawn at random.
        seed: Seed of the draw.
    """
    every = load_support_choices(Path(moments))
    drawn = np.sort(np.random.default_rng(seed).permutation(len(every.strategies))[:limit])
    samples = []
    for row in drawn.tolist():
        ask = ask_for_strategy(every.contexts[row])
        used = int(every.strategies[row])
        about = {"dialogue": every.talks[row], "letters": list(ask.choices), "used": used}
        samples.append(sample(str(row), ask, ask.choices[used], about))
    metrics: list[Metric | dict[str, list[Metric]]] = [macro_f1(), bias()]
    return Task(dataset=MemoryDataset(samples), solver=generate(), scorer=letter(), config=_SHORT, metrics=metrics)


@task
def values(questions: str, wordings: int = 3, seed: int = 0) -> Task:
    """Whether a model agrees with political propositions, in several wordings and orders of the answers.

    Args:
        questions: Folder of the authors (github.com/copenlu/llm-pct-tropes), with the propositions and instructions.
        wordings: Number of instructions in which each proposition is asked about; there are ten.
        seed: Seed of the order in which answers are offered.
    """
    survey = load_survey(Path(questions))
    rng = np.random.default_rng(seed)
    samples = []
    for proposition in survey.propositions:
        for number, instruction in enumerate(survey.closed[:wordings]):
            offered = rng.permutation(len(STANCES)).tolist()
            ask = ask_for_stance(Variant(instruction, True, ""), proposition, offered)
            about = {"proposition": proposition.number, "wording": number, "offered": offered}
            samples.append(sample(f"{proposition.number}, wording {number}", ask, "", about))
    return Task(dataset=MemoryDataset(samples), solver=generate(), scorer=stance(), config=_SHORT)


@scorer(metrics={"*": [mean(), stderr(cluster="proposition")]})
def stance() -> Scorer:
    """Which stance is taken, whether it is agreement, and whether it was offered first; the letter decides."""

    async def score(state: TaskState, target: Target) -> Score:
        said, offered = state.output.completion, state.metadata["offered"]
        choice = read_reply(Reply(said), Ask((Message("user", ""),), choices=LETTERS)).choice
        if not choice:
            return Score.unscored(reason="invalid_response_format" if said.strip() else "no_response", answer=said)
        place = LETTERS.index(choice)
        taken = {name: float(offered[place] == k) for k, name in enumerate(STANCES)}
        agrees = float(offered[place] >= STANCES.index("Agree"))
        return Score(value={"agrees": agrees, "first offered": float(place == 0)} | taken, answer=choice)

    return score


@metric
def macro_f1() -> Metric:
    """Macro F1 over the strategies, of the choices that could be read."""
    return _of_choices(lambda used, chosen: f1(truth=used, prediction=chosen).value)


@metric
def bias() -> Metric:
    """Preference bias: how far the preferences for strategies are apart, whatever is needed."""
    return _of_choices(lambda used, chosen: preference_bias(truth=used, prediction=chosen).bias)


def _of_choices(figure: Callable[[list[int], list[int]], float]) -> Metric:
    """A figure of the positions of the strategies that were used and of those chosen, as a metric."""

    def measure(scores: list[SampleScore]) -> float:
        about = [(each.sample_metadata or {}, each.score.answer) for each in scores]
        read = [(found, said) for found, said in about if said in found["letters"]]  # an unread one is a whole text
        if not read:
            return float("nan")
        return figure([found["used"] for found, _ in read], [found["letters"].index(said) for found, said in read])

    return measure
