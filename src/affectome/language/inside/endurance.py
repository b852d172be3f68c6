"""How long an emotion is still to be read after its text has ended, and how far a prompt before a text moves it."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affectome.errors import UsageError
from affectome.evaluate import Interval, bootstrap_mean
from affectome.language.in_process import InProcessModel
from affectome.language.inside.activations import read_pieces
from affectome.language.inside.modules import Site
from affectome.language.inside.probes import Ints, Probe, half_life


@dataclass(frozen=True)
class Persistence:
    """How well a probe reads the emotion of a text while the model reads on.

    Attributes:
        offsets: Mean number of tokens since the end of the text; the text itself has 0.
        accuracies: Accuracy of the probe there, over texts.
        half_life: Tokens after which accuracy less chance is half of what it was in the text; infinity if it never is.
    """

    offsets: tuple[float, ...]
    accuracies: tuple[Interval, ...]
    half_life: float


def persistence(
    language_model: InProcessModel, probe: Probe, site: Site, texts: Sequence[str], labels: Ints, *, seed: int = 0
) -> Persistence:
    """Read on after a text, the same plain sentences after each, and ask the probe at every sentence.

    The sentences are the same for all texts, so the mean of their vectors over the texts says nothing of an emotion; it
    is exchanged for the mean of the texts themselves, on which the probe has learnt. Chance is one in the number of
    classes, which have to be about equally frequent.

    Args:
        language_model: The model.
        probe: A fitted probe.
        site: Where it reads.
        texts: n texts that it has not seen.
        labels: Their classes.
        seed: Seed of the intervals.
    """
    sentences = [f" {sentence}" for sentence in _material()["continuation"]]
    pieces = read_pieces(language_model, [(text, *sentences) for text in texts], site)
    pieces = pieces - pieces.mean(axis=0) + pieces[:, 0].mean(axis=0)
    lengths = [len(language_model.tokenizer.encode(sentence, add_special_tokens=False)) for sentence in sentences]
    ends = np.cumsum(lengths)
    offsets = (0.0, *(float(end - length / 2) for end, length in zip(ends, lengths, strict=True)))
    right = [probe.predict(pieces[:, k]) == labels for k in range(pieces.shape[1])]
    accuracies = tuple(bootstrap_mean(some.astype(np.float64), seed=seed) for some in right)
    chance = 1 / len(np.unique(labels))
    return Persistence(offsets, accuracies, half_life([found.value for found in accuracies], offsets, chance))


def prompt_shift(
    language_model: InProcessModel,
    probe: Probe,
    site: Site,
    texts: Sequence[str],
    emotions: Sequence[str],
    *,
    seed: int = 0,
) -> dict[str, Interval]:
    """How far "You are …" before a text moves the log-odds of that emotion in the reading of the text.

    Args:
        language_model: The model.
        probe: A fitted probe.
        site: Where it reads.
        texts: n texts, best plain ones.
        emotions: Names of the probe's classes, in their order; those without a prompt are not asked for.
        seed: Seed of the intervals.

    Returns:
        For each emotion the mean shift against a prompt that names no feeling, in nats.

    Raises:
        UsageError: There is no prompt for any of the emotions.
    """
    material = _material()
    feelings = {name: feeling for name, feeling in material["feelings"].items() if name in emotions}
    if not feelings:
        raise UsageError(
            "There is no prompt for any of these emotions.",
            code="unknown_emotion",
            value=list(emotions),
            allowed=list(material["feelings"]),
        )

    def odds(prompt: str) -> NDArray[np.float64]:
        pieces = read_pieces(language_model, [(prompt, f"\n\n{text}") for text in texts], site)
        found = np.clip(probe.probabilities(pieces[:, 1]).astype(np.float64), 1e-9, 1 - 1e-9)
        return np.log(found / (1 - found))

    plain = odds(material["plain_prompt"])
    shifts = {}
    for name, feeling in feelings.items():
        column = list(emotions).index(name)
        moved = odds(material["prompt"].format(feeling=feeling))
        shifts[name] = bootstrap_mean(moved[:, column] - plain[:, column], seed=seed)
    return shifts


@cache
def _material() -> dict[str, Any]:
    text = files("affectome.language.inside").joinpath("data/neutral.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
