"""Who it sounds like: voices as unit vectors that lie close together when they are one person's.

The network is that of Wan et al. (2018, "Generalized End-to-End Loss for Speaker Verification", arXiv 1710.10467):
three recurrent layers over 1.6 s of mel energies, with the weights that Resemble AI publish in the package resemblyzer
(Apache-2.0). It is computed here with numpy; neither their code nor torch is needed.
"""

from __future__ import annotations

import hashlib
import os
import tomllib
from functools import cache
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from affectome.errors import ModelError
from affectome.media.decoding import SAMPLE_RATE, Samples

Array: TypeAlias = NDArray[np.float32]

SIZE = 256
"""Numbers of a vector."""

_TABLE = Path(__file__).parent / "data" / "speaker_weights.toml"
_WINDOW, _HOP, _BANDS = 400, 160, 40
_FRAMES = 160  # of a window that is encoded, 1.6 s
_STEP = 77  # frames from one to the next, 1.3 windows a second
_LEAST_COVERED = 0.75  # share of the last window that has to hold sound
_LEVEL = 10 ** (-30 / 20)  # root mean square to which fainter sounds are raised
_LAYERS = 3
_BATCH = 64  # windows that are encoded at once


class SpeakerEncoder:
    """Turns stretches of speech into unit vectors of 256 numbers, none below 0.

    Args:
        folder: Folder with the weights, ``affectome models pull speaker-encoder``.

    Attributes:
        digest: SHA-256 of the weights, hexadecimal.

    Raises:
        ModelError: ``size_mismatch`` if the file is not the one whose arrays are known.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        table = tomllib.loads(_TABLE.read_text(encoding="utf-8"))
        raw = (Path(folder) / table["file"]).read_bytes()
        if len(raw) != table["bytes"]:
            raise ModelError(
                f"{table['file']} has {len(raw)} bytes, {table['bytes']} were expected.",
                code="size_mismatch",
                value=table["file"],
                next_step="Run: affectome models pull speaker-encoder",
            )
        self.digest = hashlib.sha256(raw).hexdigest()
        weights = {name: _array(raw, **place) for name, place in table["arrays"].items()}
        self._layers = [
            (
                np.ascontiguousarray(weights[f"lstm.weight_ih_l{k}"].T),
                np.ascontiguousarray(weights[f"lstm.weight_hh_l{k}"].T),
                weights[f"lstm.bias_ih_l{k}"] + weights[f"lstm.bias_hh_l{k}"],
            )
            for k in range(_LAYERS)
        ]
        self._matrix, self._bias = np.ascontiguousarray(weights["linear.weight"].T), weights["linear.bias"]

    def encode(self, sounds: list[Samples]) -> Array:
        """The vectors (n, 256) of n stretches.

        Args:
            sounds: Mono samples at 16 kHz in [-1, 1]. A stretch of less than 1.6 s is filled up with silence, which
                makes its vector less sure; one of several windows gets their mean direction.
        """
        windows = [_windows(mel_energies(_raised(sound))) for sound in sounds]
        if not windows:
            return np.zeros((0, SIZE), np.float32)
        every = np.concatenate(windows)
        parts = np.concatenate([self._directions(every[at : at + _BATCH]) for at in range(0, len(every), _BATCH)])
        ends = np.cumsum([len(each) for each in windows])
        return _unit(np.add.reduceat(parts, np.concatenate([[0], ends[:-1]]), axis=0))

    def _directions(self, windows: Array) -> Array:
        """Unit vectors (n, 256) of windows (n, 160, 40)."""
        inputs = np.ascontiguousarray(windows.transpose(1, 0, 2))
        for into, back, bias in self._layers:
            driven = inputs @ into + bias
            state = memory = np.zeros((inputs.shape[1], SIZE), np.float32)
            outputs = np.empty((*inputs.shape[:2], SIZE), np.float32)
            for time, drive in enumerate(driven):
                gates = drive + state @ back
                opening = _sigmoid(gates[:, : 2 * SIZE])
                memory = opening[:, SIZE:] * memory + opening[:, :SIZE] * np.tanh(gates[:, 2 * SIZE : 3 * SIZE])
                state = _sigmoid(gates[:, 3 * SIZE :]) * np.tanh(memory)
                outputs[time] = state
            inputs = outputs
        return _unit(np.maximum(inputs[-1] @ self._matrix + self._bias, 0))


def mel_energies(samples: Samples) -> Array:
    """Energies (frames, 40) in 40 mel bands up to 8 kHz, a hundred frames a second, over 25 ms each.

    Args:
        samples: Mono sound at 16 kHz.
    """
    padded = np.pad(samples, _WINDOW // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP]
    shape = np.float32(0.5) - np.float32(0.5) * np.cos(2 * np.pi * np.arange(_WINDOW, dtype=np.float32) / _WINDOW)
    power = np.square(np.abs(np.fft.rfft(frames * shape, axis=1))).astype(np.float32)
    return np.asarray(power @ _mel_filters(), np.float32)


@cache
def _mel_filters() -> Array:
    """Triangles (201, 40) of equal area on the mel scale of Slaney's Auditory Toolbox (1998)."""
    knee, step = 1000.0, np.log(6.4) / 27
    highest = 15 + np.log(SAMPLE_RATE / 2 / knee) / step
    mels = np.linspace(0, highest, _BANDS + 2)
    edges = np.where(mels < 15, mels * knee / 15, knee * np.exp(step * (mels - 15)))
    bins = np.linspace(0, SAMPLE_RATE / 2, _WINDOW // 2 + 1)[:, None]
    rise = (bins - edges[:-2]) / np.diff(edges)[:-1]
    fall = (edges[2:] - bins) / np.diff(edges)[1:]
    return np.asarray(np.maximum(0, np.minimum(rise, fall)) * 2 / (edges[2:] - edges[:-2]), np.float32)


def _windows(energies: Array) -> Array:
    """Windows (n, 160, 40), at least one; the last one is filled up with silence."""
    count = max(1, 1 + -(-(len(energies) - _FRAMES) // _STEP))
    if count > 1 and len(energies) - (count - 1) * _STEP < _LEAST_COVERED * _FRAMES:
        count -= 1
    missing = max(0, (count - 1) * _STEP + _FRAMES - len(energies))
    filled = np.pad(energies, ((0, missing), (0, 0)))
    return np.stack([filled[at : at + _FRAMES] for at in range(0, count * _STEP, _STEP)])


def _raised(sound: Samples) -> Samples:
    size = float(np.sqrt(np.mean(np.square(sound, dtype=np.float64)))) if len(sound) else 0.0
    return np.asarray(sound * np.float32(_LEVEL / size), np.float32) if 0 < size < _LEVEL else sound


def _array(raw: bytes, at: int, shape: list[int]) -> Array:
    return np.frombuffer(raw, "<f4", count=int(np.prod(shape)), offset=at).reshape(shape)


def _sigmoid(values: Array) -> Array:
    return np.asarray(0.5 * (np.tanh(0.5 * values) + 1), np.float32)


def _unit(vectors: Array) -> Array:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12), np.float32)
