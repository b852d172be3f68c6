"""A recipe for a reader of action units: everything that decides the weights, in one TOML file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from affectome.learn.recipe import CardText, check_limits, read_recipe

_LIMITS = {
    "people": (1, 1_000_000),
    "held_out": (1, 1_000_000),
    "shots": (1, 1000),
    "components": (1, 1404),
    "width": (1, 4096),
    "reduced": (1, 4096),
    "batch": (2, 4096),
    "steps": (1, 1_000_000),
    "learning_rate": (1e-8, 1),
    "warmup": (1e-4, 1),
    "averaging": (0, 0.999_999),
    "dropout": (0, 0.9),
    "seed": (0, 2**31 - 1),
}


@dataclass(frozen=True)
class ActionUnitsRecipe:
    """Settings of a training run.

    Attributes:
        task: ``action-units``.
        id: Bundle id.
        version: Bundle version.
        title: One line for people.
        people: Drawn people to learn from.
        held_out: Others for development, and as many again for the test.
        shots: Pictures of each.
        components: Principal components of the points that are looked at.
        width: Width of the layers that read the points.
        channels: Channels of the convolutions that read the picture, each of which halves its sides.
        reduced: Channels that are left of the last of them, place by place.
        batch: Faces in a step.
        steps: Steps.
        learning_rate: Peak rate.
        warmup: Share of the steps in which the rate rises.
        averaging: Decay of the running average of the weights.
        dropout: Share of what the last layers see that is left out in a step.
        seed: Seed of everything random, the faces too.
        card: Text for the card.
    """

    task: str
    id: str
    version: str
    title: str
    people: int
    held_out: int
    shots: int
    components: int
    width: int
    channels: tuple[int, ...]
    reduced: int
    batch: int
    steps: int
    learning_rate: float
    warmup: float
    averaging: float
    dropout: float
    seed: int
    card: CardText


def load_action_units_recipe(path: Path) -> ActionUnitsRecipe:
    """Read a recipe.

    Raises:
        InputError: The file is missing, not TOML, has keys that are missing or not known, or a value that does not fit.
    """
    recipe = read_recipe(path, ActionUnitsRecipe, example="recipes/action-units.toml")
    check_limits(path, "", recipe, _LIMITS)
    return recipe
