"""All dials of a model from the same situations: equal shares behind some blocks, one block alone, and the circuit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from affectome.language.in_process import InProcessModel
from affectome.language.inside.activations import ActivationCache
from affectome.language.inside.circuit_file import Circuit, Groups, circuit_sites, find_circuit
from affectome.language.inside.directions import contrast_directions
from affectome.language.inside.modules import ModuleMap, Site
from affectome.language.inside.scenarios import Situation, plain_prompt
from affectome.language.inside.steering import EmotionDial, read_situations, stream_dial

Floats = NDArray[np.float64]

_FROM, _TO, _READ = 0.27, 0.67, 0.8  # of the depth of a model
_MOST, _PROMPTS = 36, 6  # situations that are read, and those at which importance is measured


@dataclass(frozen=True, eq=False)
class Dials:
    """What dials are made of that are comparable at the same dose.

    Attributes:
        situations: What was read.
        groups: For each site of `circuit_sites` ``(situations, emotions, columns)``.
        directions: ``(emotions, blocks, width)`` unit vectors behind each block.
        lengths: ``(blocks,)`` mean length of the stream there.
    """

    situations: list[Situation]
    groups: Groups
    directions: Floats
    lengths: Floats

    def layers(self, blocks: Sequence[int]) -> EmotionDial:
        """Equal shares of the dose behind some blocks."""
        shares = np.zeros(len(self.lengths))
        shares[list(blocks)] = 1.0
        return stream_dial(self.directions, self.lengths, shares)

    def circuit(self, language_model: InProcessModel) -> Circuit:
        """The circuits of the model that was read, against the directions at four fifths of its depth.

        Raises:
            ModelError: As in `find_circuit`.
        """
        some = self.situations[:: -(-len(self.situations) // _PROMPTS)]
        prompts = [language_model.prompt_tokens(plain_prompt(each)) for each in some]
        read_at = Site("block_output", int(_READ * len(self.lengths)))
        return find_circuit(language_model, self.groups, prompts, read_at)


def middle_blocks(blocks: int) -> range:
    """Blocks in the middle of a model, where a tone is set before words are chosen: about 11 to 20 of 28."""
    return range(int(_FROM * blocks), max(int(_TO * blocks), int(_FROM * blocks) + 1))


def find_dials(
    language_model: InProcessModel, situations: Sequence[Situation], *, cache: ActivationCache | None = None
) -> Dials:
    """Read situations and find directions in them.

    Args:
        language_model: The model.
        situations: Situations; of more than 36 some are taken, evenly spread.
        cache: Where vectors are looked up and kept.
    """
    rows = np.unique(np.linspace(0, len(situations) - 1, min(len(situations), _MOST)).astype(int))
    some = [situations[row] for row in rows]
    modules = ModuleMap(language_model.model)
    groups = read_situations(language_model, some, circuit_sites(modules), cache=cache)
    stream = [groups[Site("block_output", layer)] for layer in range(modules.layers)]
    return Dials(
        some,
        groups,
        np.stack([contrast_directions(each) for each in stream], axis=1),
        np.array([np.linalg.norm(each, axis=-1).mean() for each in stream]),
    )
