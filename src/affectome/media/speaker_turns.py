"""Who speaks when: the stretches of a recording grouped by voice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from affectome.errors import UsageError
from affectome.media.decoding import SAMPLE_RATE, Samples
from affectome.media.voice_activity import Stretch

Array = NDArray[np.float32]
Ints = NDArray[np.int64]

_SOUND_SECONDS = 60.0  # of sound that is held to be encoded at once


class VoiceVectors(Protocol):
    """Turns sounds into unit vectors, close together for one voice; `SpeakerEncoder` is one."""

    @property
    def digest(self) -> str:
        """SHA-256 of what the vectors depend on."""
        ...

    def encode(self, sounds: list[Samples], /) -> Array:
        """Unit vectors (n, d) of n sounds."""
        ...


@dataclass(frozen=True, kw_only=True)
class TurnRules:
    """How voices become speakers.

    Attributes:
        speakers: Number of speakers in each recording, where it is known; None lets the voices tell it.
        least_alike: Mean cosine between two groups of stretches below which they are two speakers. By default the value
            that is best on dialogues composed of RAVDESS actors 1 to 16 (benchmarks/speaker_turns.py).
        sure_seconds: Length from which a stretch has a say in what the groups are; shorter ones join the nearest.
        most_stretches: Stretches that have a say at most, which bounds time and memory; evenly picked from longer
            recordings, the others join the nearest.
    """

    speakers: int | None = None
    least_alike: float = 0.58
    sure_seconds: float = 1.0
    most_stretches: int = 1000

    def __post_init__(self) -> None:
        if self.speakers is not None and self.speakers < 1:
            raise UsageError(
                f"{self.speakers} speakers cannot be told apart.",
                code="bad_speakers",
                value=self.speakers,
                next_step="Give how many people speak, 1 or more, or --speakers alone to let the voices tell.",
            )


class SpeakerTurns:
    """Tells the speakers of a recording apart.

    Args:
        voices: Encodes stretches of speech.
        rules: How voices become speakers.
    """

    def __init__(self, voices: VoiceVectors, rules: TurnRules | None = None) -> None:
        self.voices = voices
        self.rules = rules or TurnRules()

    def of(self, stretches: Iterable[Stretch]) -> list[str]:
        """The speaker of each stretch of one recording, ``S1`` for who speaks first, ``S2`` for the next, and so on.

        A stretch has one speaker, also where two follow each other without a pause or talk at once. Only vectors are
        kept, and a minute of sound.

        Args:
            stretches: The stretches in their order.
        """
        vectors: list[Array] = []
        seconds: list[float] = []
        held: list[Samples] = []
        waiting = 0
        for stretch in stretches:
            held.append(stretch.samples)
            seconds.append(len(stretch.samples) / SAMPLE_RATE)
            waiting += len(stretch.samples)
            if waiting >= _SOUND_SECONDS * SAMPLE_RATE:
                vectors.append(self.voices.encode(held))
                held, waiting = [], 0
        if held:
            vectors.append(self.voices.encode(held))
        if not vectors:
            return []
        return [f"S{number + 1}" for number in group_voices(np.concatenate(vectors), seconds, self.rules)]


def group_voices(vectors: Array, seconds: Sequence[float], rules: TurnRules) -> Ints:
    """Group stretches by voice: agglomerative clustering by the mean cosine between groups.

    Args:
        vectors: Unit vectors (n, d), n at least 1.
        seconds: Lengths of the n stretches.
        rules: When to stop.

    Returns:
        Numbers (n,) of the groups, 0 for that of the first stretch, 1 for the next one that appears, and so on.
    """
    lengths = np.asarray(seconds)
    sure = np.flatnonzero(lengths >= rules.sure_seconds)
    if len(sure) < (rules.speakers or 1):
        sure = np.arange(len(vectors))
    if len(sure) > rules.most_stretches:
        sure = sure[np.linspace(0, len(sure) - 1, rules.most_stretches).round().astype(np.int64)]
    groups = _merge(vectors[sure], rules)
    middles = np.stack([(vectors[sure[groups == k]]).sum(axis=0) for k in range(groups.max() + 1)])
    middles /= np.maximum(np.linalg.norm(middles, axis=1, keepdims=True), 1e-12)
    found: Ints = (vectors @ middles.T).argmax(axis=1)
    found[sure] = groups
    _, first, inverse = np.unique(found, return_index=True, return_inverse=True)
    order = np.empty(len(first), np.int64)
    order[np.argsort(first)] = np.arange(len(first))
    return np.asarray(order[inverse], np.int64)


def _merge(vectors: Array, rules: TurnRules) -> Ints:
    """Groups (n,) from 0 on: the two most alike are joined until too few or too different ones are left."""
    count = len(vectors)
    member = np.arange(count)
    size = np.ones(count)
    alike = (vectors @ vectors.T).astype(np.float64)
    np.fill_diagonal(alike, -np.inf)
    for left in range(count, 1, -1):
        one, other = divmod(int(alike.argmax()), count)
        if left <= rules.speakers if rules.speakers else alike[one, other] < rules.least_alike:
            break
        joined = (size[one] * alike[one] + size[other] * alike[other]) / (size[one] + size[other])
        alike[one], alike[:, one] = joined, joined
        alike[one, one] = -np.inf
        alike[other], alike[:, other] = -np.inf, -np.inf
        size[one] += size[other]
        member[member == other] = one
    return np.unique(member, return_inverse=True)[1].astype(np.int64)
