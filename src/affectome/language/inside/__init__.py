"""What happens inside a language model: read it, change it, find feelings in it. Needs the ``train`` extra."""

from affectome.language.inside.activations import ActivationCache, read_activations, read_pieces, untrained
from affectome.language.inside.capture import add_vectors, capture, mask_columns, mask_heads, patch
from affectome.language.inside.circuits import head_contributions, neuron_contributions
from affectome.language.inside.directions import (
    contrast_directions,
    leave_theme_out,
    nearest_direction,
    split_half_cosine,
)
from affectome.language.inside.endurance import Persistence, persistence, prompt_shift
from affectome.language.inside.modules import ModuleMap, Site
from affectome.language.inside.probes import LayerScore, Probe, ProbeRows, best_layer, half_life, layer_curve
from affectome.language.inside.zero_shot import ask_for_emotion

__all__ = [
    "ActivationCache",
    "LayerScore",
    "ModuleMap",
    "Persistence",
    "Probe",
    "ProbeRows",
    "Site",
    "add_vectors",
    "ask_for_emotion",
    "best_layer",
    "capture",
    "contrast_directions",
    "half_life",
    "head_contributions",
    "layer_curve",
    "leave_theme_out",
    "mask_columns",
    "mask_heads",
    "nearest_direction",
    "neuron_contributions",
    "patch",
    "persistence",
    "prompt_shift",
    "read_activations",
    "read_pieces",
    "split_half_cosine",
    "untrained",
]
