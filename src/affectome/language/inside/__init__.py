"""What happens inside a language model: read it, change it, find feelings in it. Needs the ``train`` extra."""

from affectome.language.inside.activations import ActivationCache, read_activations, read_pieces, untrained
from affectome.language.inside.capture import add_vectors, capture, mask_columns, mask_heads, patch
from affectome.language.inside.circuit_file import Circuit, CircuitPart, circuit_sites, find_circuit, load_circuit
from affectome.language.inside.circuits import (
    ablation_drops,
    head_contributions,
    neuron_contributions,
    random_units,
    strongest,
    sublayer_contributions,
    sublayer_importance,
)
from affectome.language.inside.dials import Dials, find_dials, middle_blocks
from affectome.language.inside.directions import (
    contrast_directions,
    leave_theme_out,
    nearest_direction,
    split_half_cosine,
)
from affectome.language.inside.endurance import Persistence, persistence, prompt_shift
from affectome.language.inside.judging import Judged, ReplyJudge
from affectome.language.inside.modules import ModuleMap, Site
from affectome.language.inside.probes import LayerScore, Probe, ProbeRows, best_layer, half_life, layer_curve
from affectome.language.inside.replies import ReadPrompts
from affectome.language.inside.scenarios import (
    Situation,
    halve_themes,
    load_situations,
    plain_prompt,
    tone_prompt,
)
from affectome.language.inside.steering import EmotionDial, random_dial, read_situations, stream_dial
from affectome.language.inside.trials import Trial, Trials
from affectome.language.inside.zero_shot import ask_for_emotion

__all__ = [
    "ActivationCache",
    "Circuit",
    "CircuitPart",
    "Dials",
    "EmotionDial",
    "Judged",
    "LayerScore",
    "ModuleMap",
    "Persistence",
    "Probe",
    "ProbeRows",
    "ReadPrompts",
    "ReplyJudge",
    "Site",
    "Situation",
    "Trial",
    "Trials",
    "ablation_drops",
    "add_vectors",
    "ask_for_emotion",
    "best_layer",
    "capture",
    "circuit_sites",
    "contrast_directions",
    "find_circuit",
    "find_dials",
    "half_life",
    "halve_themes",
    "head_contributions",
    "layer_curve",
    "leave_theme_out",
    "load_circuit",
    "load_situations",
    "mask_columns",
    "mask_heads",
    "middle_blocks",
    "nearest_direction",
    "neuron_contributions",
    "patch",
    "persistence",
    "plain_prompt",
    "prompt_shift",
    "random_dial",
    "random_units",
    "read_activations",
    "read_pieces",
    "read_situations",
    "split_half_cosine",
    "stream_dial",
    "strongest",
    "sublayer_contributions",
    "sublayer_importance",
    "tone_prompt",
    "untrained",
]
