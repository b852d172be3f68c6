"""A training recipe: everything that decides the weights, in one TOML file."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from affectome.errors import InputError


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
        start: File name of the recipe, beside this one, whose trained model this one starts from; empty for the base.
        teacher_share: Weight, in [0, 1], of the probabilities of the model it starts from against the labels of
            ``labels_from``.
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
    start: str
    teacher_share: float
    card: CardText
    sources: tuple[SourcePlan, ...]


def load_recipe(path: Path) -> Recipe:
    """Read a recipe.

    Raises:
        InputError: The file is missing, not TOML, or has keys that are missing or not known.
    """
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as reason:
        raise InputError(
            f"The recipe {path} cannot be read: {reason}.",
            code="bad_recipe",
            value=path,
            next_step="Start from recipes/text.toml.",
        ) from reason
    known = {f.name for f in fields(Recipe)}
    wrong = sorted(known.symmetric_difference(values))
    if wrong:
        raise InputError(
            f"The recipe {path} has keys that are missing or not known: {', '.join(wrong)}.",
            code="bad_recipe",
            value=path,
            allowed=sorted(known),
        )
    try:
        card = CardText(**values["card"] | {"limits": tuple(values.pop("card")["limits"])})
        sources = tuple(SourcePlan(**source) for source in values.pop("sources"))
        return Recipe(**values, card=card, sources=sources)
    except TypeError as reason:
        raise InputError(f"The recipe {path} does not fit: {reason}.", code="bad_recipe", value=path) from reason
