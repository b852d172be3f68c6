"""A training recipe: everything that decides the weights, in one TOML file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from affectome.errors import InputError, ModelError
from affectome.models.tables import build, parse_toml

Kind = TypeVar("Kind")

_RECIPE_LIMITS = {
    "max_tokens": (3, 512),
    "learning_rate": (1e-8, 1),
    "layer_decay": (0.01, 1),
    "warmup": (1e-4, 1),
    "averaging": (0, 0.999_999),
    "smoothing": (0, 0.9),
    "anchors": (2, 10_000),
    "seed": (0, 2**31 - 1),
    "teacher_share": (0, 1),
}
_SOURCE_LIMITS = {"passes": (1e-4, 1000), "batch": (2, 4096), "weight": (1e-6, 1e6)}


@dataclass(frozen=True)
class SourcePlan:
    """How one corpus takes part.

    Attributes:
        corpus: Name of a corpus reader.
        passes: How often its training rows are seen; a fraction sees a part of them.
        batch: Texts in a step.
        weight: Factor on its loss.
    """

    corpus: str
    passes: float
    batch: int
    weight: float = 1.0


@dataclass(frozen=True)
class CardText:
    """What the bundle's card says that cannot be computed; see ``affectome.models.Card``."""

    licence: str
    commercial: bool
    commercial_note: str
    intended_use: str
    limits: tuple[str, ...]


@dataclass(frozen=True)
class Recipe:
    """Settings of a training run.

    Attributes:
        id: Bundle id.
        version: Bundle version.
        title: One line for people.
        base: Name of the base weights, as ``affectome models pull`` knows them.
        labels_from: Corpus whose labels get a direct head.
        max_tokens: Longer texts are cut in training.
        learning_rate: Peak rate of the top encoder layer; the heads get five times as much.
        layer_decay: Factor on the rate for each layer further down.
        warmup: Share of the steps in which the rate rises.
        averaging: Decay of the running average of the weights.
        smoothing: Label smoothing where labels exclude each other.
        anchors: Label words encoded in a step of an open vocabulary.
        seed: Seed of everything random.
        teachers: File names of recipes, beside this one, whose trained models this one starts from, at the mean of
            their weights, and learns from; without any it starts from the base.
        teacher_share: Weight, in [0, 1], of the mean of the teachers' answers against the raters', for the labels of
            ``labels_from`` and for valence, arousal and dominance.
        card: Text for the card.
        sources: The corpora.
    """

    id: str
    version: str
    title: str
    base: str
    labels_from: str
    max_tokens: int
    learning_rate: float
    layer_decay: float
    warmup: float
    averaging: float
    smoothing: float
    anchors: int
    seed: int
    teachers: tuple[str, ...]
    teacher_share: float
    card: CardText
    sources: tuple[SourcePlan, ...]


def load_recipe(path: Path) -> Recipe:
    """Read a recipe.

    Raises:
        InputError: The file is missing, not TOML, has keys that are missing or not known, or a value that does not fit.
    """
    recipe = read_recipe(path, Recipe, example="recipes/text.toml")
    check_limits(path, "", recipe, _RECIPE_LIMITS)
    for i, source in enumerate(recipe.sources):
        check_limits(path, f"sources[{i}].", source, _SOURCE_LIMITS)
    names = sorted({source.corpus for source in recipe.sources})
    if recipe.labels_from not in names:
        raise _misfit(path, f"labels_from is {recipe.labels_from!r}, which is not one of its sources", names)
    if bool(recipe.teacher_share) != bool(recipe.teachers):
        raise _misfit(path, "teachers and teacher_share need each other")
    return recipe


def load_teachers(path: Path, recipe: Recipe) -> list[tuple[Path, Recipe]]:
    """Read the recipes of a recipe's teachers.

    Returns:
        Path and recipe of each teacher.

    Raises:
        InputError: One of them cannot be read, has teachers itself, or differs in base or labels.
    """
    teachers = [(path.parent / name, load_recipe(path.parent / name)) for name in recipe.teachers]
    for at, teacher in teachers:
        if teacher.teachers:
            raise _misfit(at, "a teacher cannot have teachers")
        if (teacher.base, teacher.labels_from) != (recipe.base, recipe.labels_from):
            raise _misfit(at, f"base and labels_from must be those of {path.name}, whose teacher it is")
    return teachers


def recipe_task(path: Path) -> str:
    """What the model of a recipe will do, such as ``voice-affect``; ``text-affect`` where the recipe does not say.

    Raises:
        InputError: The file is missing or not TOML.
    """
    return str(_read_table(path, "recipes/text.toml").get("task", "text-affect"))


def read_recipe(path: Path, kind: type[Kind], *, example: str) -> Kind:
    """Read a file into a recipe of some kind, without a look at its values.

    Args:
        path: The file.
        kind: A dataclass.
        example: A recipe to start from instead.

    Raises:
        InputError: The file is missing, not TOML, or has keys that are missing or not known.
    """
    table = _read_table(path, example)
    try:
        return build(kind, table)
    except ModelError as reason:
        raise _misfit(path, reason.message.rstrip("."), reason.allowed) from reason


def _read_table(path: Path, example: str) -> dict[str, Any]:
    try:
        return parse_toml(path.read_bytes())
    except OSError as reason:
        raise InputError(
            f"The recipe {path} cannot be read: {reason.strerror}.",
            code="bad_recipe",
            value=path,
            next_step=f"Start from {example}.",
        ) from reason
    except ModelError as reason:
        raise _misfit(path, reason.message.rstrip("."), reason.allowed) from reason


def check_limits(path: Path, where: str, values: object, limits: Mapping[str, tuple[float, float]]) -> None:
    """Refuse settings out of their range.

    Args:
        path: The recipe.
        where: What the settings belong to, before their names.
        values: An object with the settings.
        limits: Least and greatest value of each.

    Raises:
        InputError: A value is out of its range.
    """
    for name, (low, high) in limits.items():
        value = getattr(values, name)
        if not low <= value <= high:
            raise _misfit(path, f"{where}{name} is {value:g} and must be between {low:g} and {high:g}")


def _misfit(path: Path, reason: str, allowed: tuple[str, ...] | list[str] = ()) -> InputError:
    return InputError(f"The recipe {path} does not fit: {reason}.", code="bad_recipe", value=path, allowed=allowed)
