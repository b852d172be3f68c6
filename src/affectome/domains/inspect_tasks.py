"""All benchmarks as tasks of inspect_ai: those of `affectome.language.inspect_tasks`, and emotional boundaries.

The entry point ``inspect_ai`` names this module. Needs the ``inspect`` extra.
"""

from __future__ import annotations

from dataclasses import asdict

from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import GenerateConfig
from inspect_ai.scorer import Score, Scorer, Target, mean, scorer, stderr
from inspect_ai.solver import TaskState, generate

from affectome.domains.boundaries import Risk, boundary_policies, boundary_prompts, read_boundaries
from affectome.domains.boundary_patterns import PATTERNS, Language
from affectome.language.inspect_tasks import emobench, emotion_detection, emotional_intelligence, eq_bench

__all__ = ["boundaries", "emobench", "emotion_detection", "emotional_intelligence", "eq_bench"]

_TOKENS = 120


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
