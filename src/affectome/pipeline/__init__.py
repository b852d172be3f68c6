"""How data flows: a sharded runner that survives being killed, and an adapter for distributed engines."""

from affectome.pipeline.arrow import arrow_scorer
from affectome.pipeline.contracts import (
    FORMATS,
    RunProgress,
    RunResult,
    RunSettings,
    Scorer,
    ScorerFactory,
    ShardSource,
)
from affectome.pipeline.runner import run

__all__ = [
    "FORMATS",
    "RunProgress",
    "RunResult",
    "RunSettings",
    "Scorer",
    "ScorerFactory",
    "ShardSource",
    "arrow_scorer",
    "run",
]
