"""A recipe for a quick text reader: everything that decides the weights, in one TOML file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from affectome.errors import InputError
from affectome.learn.corpora import CORPORA
from affectome.learn.recipe import CardText, check_limits, read_recipe

_LIMITS = {
    "width": (2, 1024),
    "channels": (1, 1024),
    "hidden": (1, 4096),
    "max_tokens": (4, 512),
    "pieces": (0, 10_000_000),
    "raters_share": (0, 1),
    "passes": (1e-3, 1000),
    "batch": (2, 4096),
    "learning_rate": (1e-8, 1),
    "warmup": (1e-4, 1),
    "averaging": (0, 0.999_999),
    "dropout": (0, 0.9),
    "word_dropout": (0, 0.9),
    "escalate": (0, 1),
    "seed": (0, 2**31 - 1),
}


@dataclass(frozen=True)
class QuickRecipe:
    """Settings of a training run.

    Attributes:
        task: ``text-affect-fast``.
        id: Bundle id.
        version: Bundle version.
        title: One line for people.
        teacher: Id of the text bundle whose answers are learnt.
        base: Name of the base weights whose word vectors, in fewer dimensions, it starts from.
        labels_from: Corpus with raters for the labels of the teacher.
        width: Width of a word vector.
        channels: Channels of the convolutions.
        hidden: Width of the layer between.
        max_tokens: Longer texts are cut in training.
        pieces: Further texts, put together from parts of others; the teacher reads them too.
        pieces_from: Corpora whose texts the parts come from.
        raters_share: Weight of the raters against the teacher where there are both.
        passes: How often each text is seen.
        batch: Texts in a step.
        learning_rate: Peak rate.
        warmup: Share of the steps in which the rate rises.
        averaging: Decay of the running average of the weights.
        dropout: Share of what the layers see that is left out in a step.
        word_dropout: Share of the words that are left out in a step.
        escalate: Share of the tokens of the development texts that is left to the teacher.
        seed: Seed of everything random.
        card: Text for the card.
        weights: The corpora, each with the weight of one of its texts.
    """

    task: str
    id: str
    version: str
    title: str
    teacher: str
    base: str
    labels_from: str
    width: int
    channels: int
    hidden: int
    max_tokens: int
    pieces: int
    pieces_from: tuple[str, ...]
    raters_share: float
    passes: float
    batch: int
    learning_rate: float
    warmup: float
    averaging: float
    dropout: float
    word_dropout: float
    escalate: float
    seed: int
    card: CardText
    weights: dict[str, float]


def load_quick_recipe(path: Path) -> QuickRecipe:
    """Read a recipe.

    Raises:
        InputError: The file is missing, not TOML, has keys that are missing or not known, or a value that does not fit.
    """
    recipe = read_recipe(path, QuickRecipe, example="recipes/text-fast.toml")
    check_limits(path, "", recipe, _LIMITS)
    for name in (recipe.labels_from, *recipe.pieces_from, *recipe.weights):
        if name not in CORPORA or name not in recipe.weights:
            raise InputError(
                f"The recipe {path} does not fit: {name!r} is no corpus with a weight.",
                code="bad_recipe",
                value=path,
                allowed=sorted(CORPORA),
            )
    return recipe
