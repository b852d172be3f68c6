"""A recipe for a face reader: everything that decides the weights, in one TOML file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from affectome.learn.recipe import CardText, check_limits, read_recipe

_LIMITS = {
    "stem": (1, 1024),
    "batch": (2, 4096),
    "steps": (1, 1_000_000),
    "learning_rate": (1e-8, 1),
    "warmup": (1e-4, 1),
    "averaging": (0, 0.999_999),
    "dropout": (0, 0.9),
    "single_labels": (0, 100),
    "space": (0, 100),
    "consistency": (0, 100),
    "prototypes": (0, 100),
    "variance_cap": (0, 100),
    "seed": (0, 2**31 - 1),
}


@dataclass(frozen=True)
class FaceRecipe:
    """Settings of a training run.

    Attributes:
        task: ``face-affect``.
        id: Bundle id.
        version: Bundle version.
        title: One line for people.
        stem: Channels of the first convolution.
        widths: Channels of each stage; every stage halves the sides.
        blocks: Residual blocks of each stage.
        batch: Faces in a step.
        steps: Steps.
        learning_rate: Peak rate.
        warmup: Share of the steps in which the rate rises.
        averaging: Decay of the running average of the weights.
        dropout: Share of the features that are left out in a step.
        single_labels: Weight of the older single labels beside the votes.
        space: Weight of the place in the affect space.
        consistency: Weight of the penalty on feelings that exclude each other (Figueiredo et al., arXiv:2602.06778).
        prototypes: Weight of the pull toward prototypes of places in valence and arousal (arXiv:2509.11916).
        variance_cap: Weight of the cap on how far happy and how far surprised faces spread (arXiv:2509.11916), which
            sets in between a fifth and three fifths of the steps.
        seed: Seed of everything random.
        card: Text for the card.
    """

    task: str
    id: str
    version: str
    title: str
    stem: int
    widths: tuple[int, ...]
    blocks: tuple[int, ...]
    batch: int
    steps: int
    learning_rate: float
    warmup: float
    averaging: float
    dropout: float
    single_labels: float
    space: float
    consistency: float
    prototypes: float
    variance_cap: float
    seed: int
    card: CardText


def load_face_recipe(path: Path) -> FaceRecipe:
    """Read a recipe.

    Raises:
        InputError: The file is missing, not TOML, has keys that are missing or not known, or a value that does not fit.
    """
    recipe = read_recipe(path, FaceRecipe, example="recipes/face.toml")
    check_limits(path, "", recipe, _LIMITS)
    return recipe
