"""Sounds to vectors and measures with a bundle's ONNX model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from affectome.perceive.log_mel import BANDS, level, log_mel

if TYPE_CHECKING:
    import onnxruntime

Array = NDArray[np.float32]

_BATCH_FRAMES = 2000  # frames of 10 ms: larger batches leave the processor's cache
_BUCKET = 20  # frames by which clips of one batch may differ in length


class Heard(NamedTuple):
    """What the model gives for n sounds.

    Attributes:
        vectors: Unit vectors in the affect space (n, width).
        labels: For each taxonomy with a head of its own the logits (n, labels).
        means: Valence, arousal and dominance in [-1, 1]: (n, 3).
        spreads: Their standard deviations (n, 3).
        strength: How strong the feeling is, 0 normal to 1 strong: (n,).
    """

    vectors: Array
    labels: dict[str, Array]
    means: Array
    spreads: Array
    strength: Array


class VoiceEncoder:
    """Runs a voice model over any number of sounds of up to half a minute.

    Sounds are brought to a common level and read in order of their length. The scores of a sound do not depend on the
    sounds around it.

    Args:
        session: The model, with the inputs ``features`` and ``frames`` and the outputs ``vector``, ``means``,
            ``spreads``, ``strength`` and ``labels.<taxonomy>``.
    """

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self._session = session
        self._names = [output.name for output in session.get_outputs()]

    def encode(self, sounds: Sequence[Array]) -> Heard:
        """Encode n sounds (samples,), mono at 16 kHz, at least one of them."""
        features = [log_mel(level(sound)) for sound in sounds]
        frames = np.array([each.shape[1] for each in features])
        order = np.argsort(frames, kind="stable")
        outputs = []
        for rows in _batches(order, frames):
            batch = np.zeros((len(rows), BANDS, frames[rows].max()), np.float32)
            for k, i in enumerate(rows):
                batch[k, :, : frames[i]] = features[i]
            outputs.append(self._session.run(None, {"features": batch, "frames": frames[rows]}))
        back = np.argsort(order, kind="stable")
        joined = {
            name: np.concatenate(arrays)[back]
            for name, arrays in zip(self._names, zip(*outputs, strict=True), strict=True)
        }
        return Heard(
            vectors=joined["vector"],
            labels={name.removeprefix("labels."): each for name, each in joined.items() if name.startswith("labels.")},
            means=joined["means"],
            spreads=joined["spreads"],
            strength=joined["strength"],
        )


def _batches(order: NDArray[np.int64], frames: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Cut sounds sorted by length into batches of a bounded number of frames and of nearly equal lengths."""
    start = 0
    while start < len(order):
        end = start + 1
        while (
            end < len(order)
            and frames[order[end]] - frames[order[start]] <= _BUCKET
            and (end + 1 - start) * frames[order[end]] <= _BATCH_FRAMES
        ):
            end += 1
        yield order[start:end]
        start = end
