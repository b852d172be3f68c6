"""A dial for the tone of a language model: vectors added to what flows through it while it writes, with a dose.

After "Do LLMs feel? Emotion circuits discovery and control" (arXiv 2510.11328). A dose of 1 adds, all sites taken
together, vectors as long as the residual stream is where they are added; dials of different shape are compared at the
same dose. Outside the ``with`` the model is bit for bit what it was.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from affectome.errors import UsageError
from affectome.language.chat import Message
from affectome.language.in_process import InProcessModel
from affectome.language.inside.activations import ActivationCache, Cells, read_activations
from affectome.language.inside.capture import Positions, Steps, add_vectors
from affectome.language.inside.modules import Site
from affectome.language.inside.scenarios import EMOTIONS, Situation, opening, plain_prompt

Floats = NDArray[np.float64]

_LIMIT = 512  # tokens of a prompt


@dataclass(frozen=True, eq=False)
class EmotionDial:
    """Vectors that move a model towards emotions.

    Attributes:
        vectors: For each emotion and site ``(columns,)``, what a dose of 1 adds there.
    """

    vectors: Mapping[str, Mapping[Site, Floats]]

    def turned(
        self,
        model: nn.Module,
        emotion: str,
        dose: float,
        *,
        positions: Positions | Sequence[int] = "last",
        steps: Steps = "all",
    ) -> AbstractContextManager[None]:
        """A context in which the model is steered.

        Args:
            model: The model that the vectors were found in.
            emotion: One of the dial's.
            dose: How far; a negative one steers away.
            positions: Tokens of a pass that are moved, as in `add_vectors`.
            steps: All passes, or the reading of the prompt alone.

        Raises:
            UsageError: The dial has no such emotion, or the dose is not a number.
        """
        if emotion not in self.vectors:
            raise UsageError(
                "The dial has no such emotion.", code="unknown_emotion", value=emotion, allowed=tuple(self.vectors)
            )
        if not np.isfinite(dose):
            raise UsageError("A dose must be a number.", code="bad_dose", value=dose)
        vectors = {site: torch.from_numpy(vector).float() for site, vector in self.vectors[emotion].items()}
        return add_vectors(model, vectors, strength=dose, positions=positions, steps=steps)

    def fingerprint(self, emotion: str) -> str:
        """SHA-256 of the vectors of an emotion and their sites."""
        digest = hashlib.sha256()
        for site, vector in sorted(self.vectors[emotion].items()):
            digest.update(str(site).encode() + vector.astype("<f4").tobytes())
        return digest.hexdigest()


def read_situations(
    language_model: InProcessModel,
    situations: Sequence[Situation],
    sites: Sequence[Site],
    *,
    wordings: Mapping[str, int] | None = None,
    cache: ActivationCache | None = None,
) -> dict[Site, Cells]:
    """What a model holds when it has begun its reply with a feeling: in each situation every emotion in turn.

    Args:
        language_model: The model.
        situations: n situations.
        sites: Where to read.
        wordings: Number of the wording of each theme; by default the themes take them in turn, so that what is
            found in eight themes was never said in the same words in two of them.
        cache: Where vectors are looked up and kept.

    Returns:
        For each site ``(n, emotions, columns)``, emotions in the order of `EMOTIONS`: groups of `contrast_directions`.
    """
    themes = dict.fromkeys(situation.theme for situation in situations)
    wordings = wordings or {theme: k for k, theme in enumerate(themes)}
    texts = [
        _text(language_model, plain_prompt(each)) + opening(emotion, wordings[each.theme])
        for each in situations
        for emotion in EMOTIONS
    ]
    found = read_activations(language_model, texts, sites, pooling="last", limit=_LIMIT, cache=cache)
    return {site: cells.reshape(len(situations), len(EMOTIONS), -1) for site, cells in found.items()}


def stream_dial(directions: Floats, lengths: Floats, shares: Floats) -> EmotionDial:
    """A dial that moves the residual stream behind blocks along a direction an emotion.

    Args:
        directions: ``(emotions, layers, width)`` unit vectors of `EMOTIONS`.
        lengths: ``(layers,)`` mean length of the stream behind each block.
        shares: ``(layers,)`` parts of the dose, not negative; a block without one is left alone. One share makes a dial
            of a single layer, equal ones a uniform dial.

    Raises:
        UsageError: ``bad_shares`` if they do not fit or none is above 0.
    """
    if shares.shape != lengths.shape or shares.min() < 0 or shares.sum() <= 0:
        raise UsageError(
            "A dial needs a share of the dose for each block, one of them above 0.",
            code="bad_shares",
            value=shares.tolist(),
        )
    weights = shares / shares.sum() * lengths
    return EmotionDial(
        {
            emotion: {
                Site("block_output", int(layer)): directions[k, layer] * weights[layer]
                for layer in np.flatnonzero(shares)
            }
            for k, emotion in enumerate(EMOTIONS)
        }
    )


def random_dial(dial: EmotionDial, seed: int) -> EmotionDial:
    """The control: vectors of the same lengths at the same sites, in directions that mean nothing."""
    draw = np.random.default_rng(seed)

    def drawn(vector: Floats) -> Floats:
        other = draw.normal(size=vector.shape)
        return np.asarray(other * (np.linalg.norm(vector) / np.linalg.norm(other)), np.float64)

    return EmotionDial(
        {
            emotion: {site: drawn(vector) for site, vector in vectors.items()}
            for emotion, vectors in dial.vectors.items()
        }
    )


def _text(language_model: InProcessModel, prompt: Sequence[Message]) -> str:
    """A prompt as text, without the mark of the beginning that the tokenizer itself puts before every text."""
    tokenizer, tokens = language_model.tokenizer, language_model.prompt_tokens(prompt)
    text = str(tokenizer.decode(tokens))
    return text.removeprefix(tokenizer.bos_token) if tokenizer.encode("")[:1] == tokens[:1] else text
