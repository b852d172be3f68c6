"""A recipe for a voice reader: everything that decides the weights, in one TOML file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from affectome.learn.recipe import CardText, check_limits, read_recipe

_LIMITS = {
    "layers": (1, 64),
    "frozen": (0, 64),
    "copies": (0, 100),
    "steps": (1, 1_000_000),
    "learning_rate": (1e-8, 1),
    "layer_decay": (0.01, 1),
    "warmup": (1e-4, 1),
    "averaging": (0, 0.999_999),
    "smoothing": (0, 0.9),
    "seed": (0, 2**31 - 1),
}
_SOURCE_LIMITS = {"batch": (2, 4096), "weight": (1e-6, 1e6)}


@dataclass(frozen=True)
class VoiceSource:
    """How one corpus takes part: clips in each step, and the factor on their loss."""

    corpus: str
    batch: int
    weight: float = 1.0


@dataclass(frozen=True)
class VoiceRecipe:
    """Settings of a training run.

    Attributes:
        task: ``voice-affect``.
        id: Bundle id.
        version: Bundle version.
        title: One line for people.
        base: Name of the base weights, a Whisper.
        layers: Encoder layers that are kept.
        frozen: Layers of them that are not trained.
        copies: Distorted copies of each clip.
        steps: Steps; each takes a batch of every corpus.
        learning_rate: Peak rate of the top encoder layer; what is new gets ten times as much.
        layer_decay: Factor on the rate for each layer further down.
        warmup: Share of the steps in which the rate rises.
        averaging: Decay of the running average of the weights.
        smoothing: Label smoothing.
        seed: Seed of everything random.
        card: Text for the card.
        sources: The corpora.
    """

    task: str
    id: str
    version: str
    title: str
    base: str
    layers: int
    frozen: int
    copies: int
    steps: int
    learning_rate: float
    layer_decay: float
    warmup: float
    averaging: float
    smoothing: float
    seed: int
    card: CardText
    sources: tuple[VoiceSource, ...]


def load_voice_recipe(path: Path) -> VoiceRecipe:
    """Read a recipe.

    Raises:
        InputError: The file is missing, not TOML, has keys that are missing or not known, or a value that does not fit.
    """
    recipe = read_recipe(path, VoiceRecipe, example="recipes/voice.toml")
    check_limits(path, "", recipe, _LIMITS)
    for i, source in enumerate(recipe.sources):
        check_limits(path, f"sources[{i}].", source, _SOURCE_LIMITS)
    return recipe
