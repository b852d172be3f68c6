"""Made-up series for which it is known what is felt: slow states that noisy features show, and short clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from affectome.learn.sequence_files import Series

Floats = NDArray[np.float64]

_SUBJECTS = {"train": 30, "devel": 15, "test": 40}
_ROWS = 200
_MEMORY = 0.96  # share of a state that is left after a row
_DELAY = 4  # rows by which what is felt follows what is shown
_NOISE = 1.5  # standard deviation, that of a state being 1
_SHOWN = 16  # features of a modality
_STATES = 8
_CLIPS = {"train": 600, "devel": 200, "test": 400}
_CLIP_ROWS = 12
_CLIP_NOISE = 3.0


def made_up_subjects(modalities: Sequence[str], *, share: int = 1, seed: int) -> dict[str, dict[str, list[Series]]]:
    """Subjects by partition and modality, described by the same targets in each modality.

    Each modality shows a state of its own, mixed with others that mean nothing. What is felt follows the sum of these
    states two seconds later, at two rows a second.

    Args:
        modalities: Their names.
        share: Makes one of so many subjects.
        seed: Seed of everything.
    """
    from affectome.learn.sequence_files import Series

    rng = np.random.default_rng(seed)
    maps = {name: rng.normal(size=(_STATES, _SHOWN)) for name in modalities}
    parts: dict[str, dict[str, list[Series]]] = {}
    for part, count in _SUBJECTS.items():
        parts[part] = {name: [] for name in modalities}
        for number in range(count // share):
            hidden = {name: _states(rng) for name in modalities}
            together = np.stack([states[:-_DELAY, 0] for states in hidden.values()]).sum(axis=0)
            felt = np.tanh(together / np.sqrt(len(modalities)))[:, None]
            for name, states in hidden.items():
                shown = states[_DELAY:] @ maps[name] + _NOISE * rng.normal(size=(_ROWS, _SHOWN))
                each = Series(f"{part} {number}", shown.astype(np.float32), felt.astype(np.float32))
                parts[part][name].append(each)
    return parts


def made_up_clips(targets: int, *, binary: bool, share: int = 1, seed: int) -> dict[str, list[Series]]:
    """Clips by partition, with targets of the whole clip that its noisy features show on average.

    Args:
        targets: Number of targets.
        binary: Whether targets are 0 or 1 rather than in between.
        share: Makes one of so many clips.
        seed: Seed of everything.
    """
    from affectome.learn.sequence_files import Series

    rng = np.random.default_rng(seed)
    shows = rng.normal(size=(targets, _SHOWN))
    parts: dict[str, list[Series]] = {}
    for part, count in _CLIPS.items():
        parts[part] = []
        for number in range(count // share):
            felt = rng.normal(size=targets)
            shown = felt @ shows + _CLIP_NOISE * rng.normal(size=(_CLIP_ROWS, _SHOWN))
            told = felt > 0 if binary else 1 / (1 + np.exp(-felt))
            parts[part].append(Series(f"{part} {number}", shown.astype(np.float32), told.astype(np.float32)))
    return parts


def shuffled_targets(series: Sequence[Series], rng: np.random.Generator) -> list[Series]:
    """The same series with their targets dealt out at random, over all rows where every row has its own."""
    if not series[0].by_row:
        order = rng.permutation(len(series))
        return [replace(each, targets=series[i].targets) for each, i in zip(series, order, strict=True)]
    cells = rng.permutation(np.concatenate([each.targets for each in series]))
    cuts = np.cumsum([len(each.targets) for each in series])[:-1]
    return [replace(each, targets=part) for each, part in zip(series, np.split(cells, cuts), strict=True)]


def _states(rng: np.random.Generator) -> Floats:
    """Independent states of mean 0 and variance 1 that change slowly, (rows and those of the delay, states)."""
    found = rng.normal(size=(_ROWS + _DELAY, _STATES))
    for row in range(1, len(found)):
        found[row] = _MEMORY * found[row - 1] + np.sqrt(1 - _MEMORY**2) * found[row]
    return found
