"""The circuit of each emotion: the sub-layers that carry it, in each its strongest neurons or heads; found, kept, used.

A file of a circuit is JSON::

    {"affectome": version, "model": name, "fingerprint": SHA-256 of the model, "read_at": "block_output.24",
     "emotions": {"anger": [part, …], …}}

A part is ``{"site": "neurons.12", "importance": 0.9, "size": 1536, "units": {"7": 0.31, …}, "columns":
[7, …], "values": [0.02, …]}``. ``site`` is ``neurons`` or ``heads`` of a block; ``importance`` is that of its
sub-layer, see `sublayer_importance`, and to it its part of a dose is proportional; ``size`` counts the columns of the
site; ``units`` are its neurons or heads with their contributions in units of the stream; ``values`` is what a dose of 1
adds to ``columns``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affectome.errors import ModelError, UsageError
from affectome.language.in_process import InProcessModel
from affectome.language.inside.circuits import (
    head_columns,
    head_contributions,
    neuron_contributions,
    output_weight,
    sublayer_importance,
)
from affectome.language.inside.directions import contrast_directions
from affectome.language.inside.modules import Kind, ModuleMap, Site
from affectome.language.inside.scenarios import EMOTIONS
from affectome.language.inside.steering import EmotionDial
from affectome.version import __version__

Floats = NDArray[np.float64]
Groups = Mapping[Site, NDArray[np.float32]]

_STREAMS: tuple[tuple[Kind, Kind], ...] = (("attention", "after_attention"), ("mlp", "block_output"))
"""The sub-layers, and the stream behind each."""
_NEURONS = 64  # of a sub-layer
_HEADS = 3
_PUSH = 0.05  # of the stream's length, by which importance is measured


@dataclass(frozen=True)
class CircuitPart:
    """The neurons or heads of one sub-layer; see the top of the module."""

    site: Site
    importance: float
    size: int
    units: dict[int, float]
    columns: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True)
class Circuit:
    """The circuits of the emotions in one model.

    Attributes:
        model: Name of the model.
        fingerprint: SHA-256 of the model.
        read_at: Where the direction lies that the parts are measured against.
        parts: For each emotion its parts, the most important first.
    """

    model: str
    fingerprint: str
    read_at: Site
    parts: Mapping[str, tuple[CircuitPart, ...]]

    def dial(self) -> EmotionDial:
        """A dial that raises the neurons and heads of the circuit, each sub-layer by its share of the dose."""
        vectors: dict[str, dict[Site, Floats]] = {}
        for emotion, parts in self.parts.items():
            vectors[emotion] = {part.site: np.zeros(part.size) for part in parts}
            for part in parts:
                vectors[emotion][part.site][list(part.columns)] = part.values
        return EmotionDial(vectors)

    def save(self, path: Path) -> None:
        """Write the circuit to a file."""
        content = {
            "affectome": __version__,
            "model": self.model,
            "fingerprint": self.fingerprint,
            "read_at": str(self.read_at),
            "emotions": {
                emotion: [{**asdict(part), "site": str(part.site)} for part in parts]
                for emotion, parts in self.parts.items()
            },
        }
        path.write_text(json.dumps(content) + "\n", encoding="utf-8")


def load_circuit(path: Path, language_model: InProcessModel) -> Circuit:
    """The circuit of a file.

    Args:
        path: The file.
        language_model: The model that it was found in.

    Raises:
        ModelError: ``bad_circuit`` if the file holds none, ``other_model`` if it was found in another model.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        parts = {
            str(emotion): tuple(_read_part(part) for part in some)
            for emotion, some in dict(content["emotions"]).items()
        }
        circuit = Circuit(str(content["model"]), str(content["fingerprint"]), _read_site(content["read_at"]), parts)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, UsageError) as error:
        raise ModelError(
            f"{path} holds no circuit: {type(error).__name__} {error}",
            code="bad_circuit",
            value=path,
            next_step="Give a file that Circuit.save has written, or delete it to have it found anew.",
        ) from error
    if circuit.fingerprint != language_model.fingerprint:
        raise ModelError(
            f"The circuit was found in {circuit.model}, which is another model or other weights.",
            code="other_model",
            value=path,
            next_step="Find the circuit of this model, in another folder.",
        )
    return circuit


def circuit_sites(modules: ModuleMap) -> list[Site]:
    """Everything that `find_circuit` needs to read."""
    kinds: tuple[Kind, ...] = ("after_attention", "block_output", "heads", "neurons")
    return [Site(kind, layer) for kind in kinds for layer in range(modules.layers)]


def find_circuit(
    language_model: InProcessModel,
    groups: Groups,
    prompts: Sequence[Sequence[int]],
    read_at: Site,
    *,
    sublayers: int = 10,
) -> Circuit:
    """Find the circuit of each emotion.

    Of all sub-layers up to ``read_at`` those are taken through which a direction comes furthest. Each gets a share of
    the dose by its importance; in it, what its strongest neurons or heads do more at this emotion than at the others
    is scaled so that it adds a vector of that share of the stream's length.

    Args:
        language_model: The model.
        groups: What `read_situations` finds at `circuit_sites`.
        prompts: Tokens of plain prompts, at whose last token importance is measured.
        read_at: A site ``block_output`` with a direction of each emotion.
        sublayers: How many are taken.

    Raises:
        ModelError: ``normed_output`` for models in which neurons cannot be told apart, see `neuron_contributions`.
        UsageError: As in `contrast_directions`.
    """
    references = contrast_directions(groups[read_at])
    streams = {
        Site(kind, layer): Site(stream, layer) for layer in range(read_at.layer + 1) for kind, stream in _STREAMS
    }
    directions = {site: contrast_directions(groups[stream]) for site, stream in streams.items()}
    lengths = {site: float(np.linalg.norm(groups[stream], axis=-1).mean()) for site, stream in streams.items()}
    parts = {}
    for k, emotion in enumerate(EMOTIONS):
        vectors = {site: found[k] * (_PUSH * lengths[site]) for site, found in directions.items()}
        importance = sublayer_importance(language_model, prompts, vectors, references[k], read_at)
        best = sorted((site for site in importance if importance[site] > 0), key=lambda site: -importance[site])
        total = sum(importance[site] for site in best[:sublayers])
        parts[emotion] = tuple(
            _part(language_model, groups, site, k, references[k], importance[site], lengths[site] / total)
            for site in best[:sublayers]
        )
    return Circuit(language_model.name, language_model.fingerprint, read_at, parts)


def _part(
    language_model: InProcessModel,
    groups: Groups,
    sublayer: Site,
    emotion: int,
    reference: Floats,
    importance: float,
    length: float,
) -> CircuitPart:
    """The strongest units of a sub-layer; what they add is as long as its importance times a length."""
    model, modules = language_model.model, ModuleMap(language_model.model)
    heads = sublayer.kind == "attention"
    site = Site("heads" if heads else "neurons", sublayer.layer)
    more = groups[site][:, emotion] - groups[site].mean(axis=1)
    contribute = head_contributions if heads else neuron_contributions
    contributions = contribute(model, site.layer, more, reference)
    units = [int(unit) for unit in np.argsort(-contributions)[: _HEADS if heads else _NEURONS]]
    columns = head_columns(modules, units) if heads else units
    values = more.mean(axis=0, dtype=np.float64)[columns]
    added = float(np.linalg.norm(values @ output_weight(model, site)[columns]))
    return CircuitPart(
        site=site,
        importance=importance,
        size=more.shape[1],
        units={unit: float(contributions[unit]) for unit in units},
        columns=tuple(columns),
        values=tuple((values * (importance * length / max(added, 1e-12))).tolist()),
    )


def _read_part(content: Mapping[str, Any]) -> CircuitPart:
    columns, values, size = content["columns"], content["values"], int(content["size"])
    if len(columns) != len(values) or not all(0 <= column < size for column in columns):
        raise ValueError("columns and values do not fit")
    return CircuitPart(
        site=_read_site(content["site"]),
        importance=float(content["importance"]),
        size=size,
        units={int(unit): float(value) for unit, value in content["units"].items()},
        columns=tuple(map(int, columns)),
        values=tuple(map(float, values)),
    )


def _read_site(text: str) -> Site:
    kind, _, layer = text.partition(".")
    return Site(kind, int(layer))  # type: ignore[arg-type]  # a site checks its kind
