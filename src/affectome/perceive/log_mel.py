"""Sound as the voice encoder hears it: log energies in 80 mel bands, a hundred frames a second.

The bands, the window and the scaling are those that Whisper was trained with (Radford et al. 2023, arXiv 2212.04356,
section 2.2), so that its weights can be used. The bands follow the mel scale of Slaney's Auditory Toolbox (1998):
linear to 1 kHz, logarithmic above; each triangle is scaled to the same area.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from affectome.perceive.spectrum import HOP, RATE

Array = NDArray[np.float32]

BANDS = 80
_WINDOW = 400
_LEAST = 1e-10
_SPAN = 8.0  # decades below the loudest cell at which energies are cut off
_LINEAR_HZ, _LINEAR_MEL = 1000.0, 15.0
_LOG_STEP = np.log(6.4) / 27.0
_LEVEL = 0.05


def log_mel(samples: Array) -> Array:
    """Log-mel energies.

    Args:
        samples: Mono sound (n,) at 16 kHz in [-1, 1].

    Returns:
        Array (80, frames) with a frame for each full hop of 10 ms, at least two; an even number of them, since the
        encoder takes two at a time.
    """
    least = 2 * HOP
    if len(samples) < least:
        samples = np.pad(samples, (0, least - len(samples)))
    count = len(samples) // (2 * HOP) * 2
    half = _WINDOW // 2
    padded = np.pad(samples, half, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[: count * HOP : HOP]
    power = np.abs(np.fft.rfft(frames * _window(), axis=1)) ** 2
    energy = np.log10(np.maximum(mel_filters() @ power.T, _LEAST))
    scaled = (np.maximum(energy, energy.max() - _SPAN) + 4.0) / 4.0
    return np.asarray(scaled, np.float32)


def level(samples: Array) -> Array:
    """Sound at a common loudness: a root mean square of 0.05, so that the distance to a microphone says nothing.

    Peaks are clipped at 1. Silence stays silence.
    """
    size = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if len(samples) else 0.0
    if size < 1e-6:
        return np.zeros_like(samples)
    return np.asarray(np.clip(samples * np.float32(_LEVEL / size), -1, 1), np.float32)


@cache
def mel_filters() -> Array:
    """Triangular filters (80, 201) from a power spectrum of 201 bins to mel bands between 0 and 8 kHz."""
    bins = np.linspace(0, RATE / 2, _WINDOW // 2 + 1)
    edges = _hertz(np.linspace(0.0, float(_mel(np.array(RATE / 2))), BANDS + 2))
    rise = (bins[None] - edges[:-2, None]) / np.diff(edges)[:-1, None]
    fall = (edges[2:, None] - bins[None]) / np.diff(edges)[1:, None]
    triangles = np.maximum(0, np.minimum(rise, fall))
    return np.asarray(triangles * (2.0 / (edges[2:] - edges[:-2]))[:, None], np.float32)


@cache
def _window() -> Array:
    return np.asarray(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_WINDOW) / _WINDOW), np.float32)


def _mel(hertz: NDArray[np.float64]) -> NDArray[np.float64]:
    linear = hertz * _LINEAR_MEL / _LINEAR_HZ
    above = _LINEAR_MEL + np.log(np.maximum(hertz, 1e-9) / _LINEAR_HZ) / _LOG_STEP
    return np.where(hertz < _LINEAR_HZ, linear, above)


def _hertz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(
        mel < _LINEAR_MEL, mel * _LINEAR_HZ / _LINEAR_MEL, _LINEAR_HZ * np.exp(_LOG_STEP * (mel - _LINEAR_MEL))
    )
