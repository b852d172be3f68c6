"""Short-time spectra of 16 kHz sound, and what is measured on one frame of them.

Frames lie 10 ms apart. Spectra are taken over 20 ms under a Hamming window, as Eyben et al. (2016), "The Geneva
Minimalistic Acoustic Parameter Set", IEEE Transactions on Affective Computing 7 (2), section 3, have it.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

RATE = 16_000
HOP = 160
LENGTH = 320
MARGIN = 2048  # zeros before the first and after the last sample, so that no frame needs a special case
FLOOR = np.float32(1e-12)  # power; what a log is taken of is never below -120 dB of full scale
_POINTS = 512
_BANDS = 26
_MEL_RANGE = (20.0, 8000.0)
_LIFTER = 22
_COEFFICIENTS = 4
_LOUDNESS_POWER = 1 / 3
_PREDICTION_ORDER = 11
_PREDICTION_RANGE = 5500.0  # Hz; three formants of any adult or child lie below
_FORMANT_RANGE = (150.0, 5400.0)  # Hz
_WIDEST = 700.0  # Hz; a resonance wider than this is the slope of the spectrum, not a formant
_EMPHASIS = 0.97

_FREQUENCIES = np.arange(_POINTS // 2 + 1) * (RATE / _POINTS)


class SpectralFrames(NamedTuple):
    """What the spectra of ``t`` frames say; arrays of float32, (t,) where nothing else stands.

    ``flux`` needs the frame before and is NaN in the first.
    """

    loudness: Array
    flux: Array
    alpha_ratio: Array
    hammarberg: Array
    slope_low: Array
    slope_high: Array
    tilt: Array
    mfcc: Array  # (t, 4)


def pad(samples: Array) -> Array:
    """``samples`` between two margins of `MARGIN` zeros."""
    return np.pad(samples, MARGIN)


def frame_count(samples: int) -> int:
    """How many frames ``samples`` samples have: one every 10 ms begun."""
    return -(-samples // HOP)


def frames(padded: Array, length: int, start: int, stop: int) -> Array:
    """Frames ``start`` to ``stop`` of a padded signal as a view, (stop - start, length).

    Frame ``i`` is centred on sample ``i * HOP + HOP // 2`` of the signal without its margins.
    """
    first = MARGIN + HOP // 2 - length // 2 + start * HOP
    span = padded[first : first + (stop - start - 1) * HOP + length]
    return np.lib.stride_tricks.sliding_window_view(span, length)[::HOP]


def power_spectra(framed: Array) -> Array:
    """Power of ``framed`` (t, 320) at 257 frequencies of 0 to 8 kHz, (t, 257).

    The scale is such that a sine of amplitude ``a`` on the frequency of a bin has ``a²`` there.
    """
    spectra = np.fft.rfft(framed * _window(), _POINTS, axis=1)
    return np.square(spectra.real) + np.square(spectra.imag)


def measure_spectra(power: Array, before: Array | None) -> SpectralFrames:
    """Measure frames of one stretch of sound.

    Args:
        power: What `power_spectra` gave, (t, 257).
        before: The auditory spectrum of the frame before the first, (26,); None at the beginning.

    Returns:
        The measures; see ``data/prosody.toml`` for their formulas and sources.
    """
    mel = power @ _mel_weights()
    decibels = 10 * np.log10(np.maximum(power, FLOOR))
    auditory = auditory_spectra(power)
    step = np.diff(auditory, axis=0, prepend=auditory[:1] if before is None else before[None])
    flux = np.sqrt(np.square(step).sum(axis=1)) * _loudness_scale()
    if before is None:
        flux[:1] = np.nan
    low, high, peak_low, peak_high = (_band(*edges) for edges in ((50, 1000), (1000, 5000), (0, 2000), (2000, 5000)))
    alpha = np.log10(np.maximum(power[:, high].sum(axis=1), FLOOR) / np.maximum(power[:, low].sum(axis=1), FLOOR))
    return SpectralFrames(
        loudness=auditory.sum(axis=1) * _loudness_scale(),
        flux=flux,
        alpha_ratio=10 * alpha,
        hammarberg=decibels[:, peak_low].max(axis=1) - decibels[:, peak_high].max(axis=1),
        slope_low=decibels @ _slope_weights(0, 500),
        slope_high=decibels @ _slope_weights(500, 1500),
        tilt=decibels @ _tilt_weights(),
        mfcc=np.log(np.maximum(mel, FLOOR)) @ _cosines(),
    )


def auditory_spectra(power: Array) -> Array:
    """Power in 26 mel bands, weighted by equal loudness and compressed, (t, 26)."""
    heard = (power @ _mel_weights()) * _equal_loudness()
    compressed: Array = np.cbrt(heard)
    return compressed


def formants(power: Array) -> Array:
    """The first three formants of frames in Hz, (t, 3) of float64; NaN where fewer resonances were found.

    Linear prediction of order 11 on the part of the spectrum below 5.5 kHz, with its high frequencies raised (Makhoul
    1975, "Linear prediction: a tutorial review", section on selective prediction); the formants are the poles between
    150 and 5400 Hz with a bandwidth below 700 Hz, in order of frequency.
    """
    kept = _FREQUENCIES <= _PREDICTION_RANGE
    correlation = power[:, kept].astype(np.float64) @ _prediction_cosines()
    correlation[:, 0] = correlation[:, 0] * (1 + 1e-6) + 1e-12
    poles = np.linalg.eigvals(_companions(_predictor(correlation)))
    scale = float(_FREQUENCIES[kept][-1]) / np.pi
    frequency = np.angle(poles) * scale
    width = -2 * scale * np.log(np.maximum(np.abs(poles), 1e-6))
    good = (frequency > _FORMANT_RANGE[0]) & (frequency < _FORMANT_RANGE[1]) & (width < _WIDEST)
    found: NDArray[np.float64] = np.sort(np.where(good, frequency, np.nan), axis=1)[:, :3]
    return found.astype(np.float32)


def _predictor(correlation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Levinson-Durbin over all rows at once: (t, order + 1) to the predictor's coefficients (t, order)."""
    order = correlation.shape[1] - 1
    coefficients = np.zeros((len(correlation), order))
    error = correlation[:, 0].copy()
    for m in range(order):
        known = coefficients[:, :m]
        reflection = (correlation[:, m + 1] - (known * correlation[:, m:0:-1]).sum(axis=1)) / error
        coefficients[:, :m] = known - reflection[:, None] * known[:, ::-1]
        coefficients[:, m] = reflection
        error *= np.maximum(1 - reflection**2, 1e-9)
    return coefficients


def _companions(coefficients: NDArray[np.float64]) -> NDArray[np.float64]:
    """Matrices whose eigenvalues are the poles of the predictors, (t, order, order)."""
    rows, order = coefficients.shape
    matrices = np.zeros((rows, order, order))
    matrices[:, 0] = coefficients
    matrices[:, np.arange(1, order), np.arange(order - 1)] = 1
    return matrices


def _band(low: float, high: float) -> slice:
    """Bins of a band, its lower edge included."""
    return slice(*np.searchsorted(_FREQUENCIES, (low, high)))


@cache
def _window() -> Array:
    window = np.hamming(LENGTH + 1)[:-1]
    scaled: Array = (window * (2 / window.sum())).astype(np.float32)
    return scaled


@cache
def _mel_centres() -> NDArray[np.float64]:
    """Edges and centres of the mel bands in Hz, (28,): mel = 1127 ln(1 + f / 700)."""
    low, high = (1127 * np.log1p(edge / 700) for edge in _MEL_RANGE)
    return 700 * np.expm1(np.linspace(low, high, _BANDS + 2) / 1127)


@cache
def _mel_weights() -> Array:
    """Triangular bands, linear in mel, (257, 26)."""
    mel = 1127 * np.log1p(_FREQUENCIES / 700)[:, None]
    points = 1127 * np.log1p(_mel_centres() / 700)
    rising = (mel - points[:-2]) / (points[1:-1] - points[:-2])
    falling = (points[2:] - mel) / (points[2:] - points[1:-1])
    weights: Array = np.maximum(np.minimum(rising, falling), 0).astype(np.float32)
    return weights


@cache
def _equal_loudness() -> Array:
    """Hermansky (1990), "Perceptual linear predictive analysis of speech", equation 7, at the centres of the bands."""
    squared = np.square(2 * np.pi * _mel_centres()[1:-1])
    curve = (squared + 56.8e6) * squared**2 / ((squared + 6.3e6) ** 2 * (squared + 0.38e9))
    at_centres: Array = curve.astype(np.float32)
    return at_centres


@cache
def _loudness_scale() -> np.float32:
    """Makes the loudness of a full-scale sine of 1 kHz one."""
    sine = np.sin(2 * np.pi * 1000 / RATE * np.arange(LENGTH)).astype(np.float32)
    return np.float32(1 / auditory_spectra(power_spectra(sine[None])).sum())


@cache
def _cosines() -> Array:
    """Log band powers to the cepstral coefficients 1 to 4, liftered, (26, 4)."""
    order = np.arange(1, _COEFFICIENTS + 1)
    basis = np.sqrt(2 / _BANDS) * np.cos(np.pi / _BANDS * (np.arange(_BANDS)[:, None] + 0.5) * order)
    liftered: Array = (basis * (1 + _LIFTER / 2 * np.sin(np.pi * order / _LIFTER))).astype(np.float32)
    return liftered


@cache
def _slope_weights(low: float, high: float) -> Array:
    """Weights over bins that give the least-squares slope of a band in dB per kHz, (257,)."""
    return _regression(_FREQUENCIES / 1000, _within(low, high))


@cache
def _tilt_weights() -> Array:
    """Weights over bins that give the least-squares slope from 100 Hz to 5 kHz in dB per octave, (257,)."""
    return _regression(np.log2(np.maximum(_FREQUENCIES, 1)), _within(100, 5000))


def _within(low: float, high: float) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = np.abs(_FREQUENCIES - (low + high) / 2) <= (high - low) / 2
    return inside


def _regression(position: NDArray[np.float64], used: NDArray[np.bool_]) -> Array:
    centred = np.where(used, position - position[used].mean(), 0)
    weights: Array = (centred / np.square(centred).sum()).astype(np.float32)
    return weights


@cache
def _prediction_cosines() -> NDArray[np.float64]:
    """Power below 5.5 kHz, high frequencies raised, to autocorrelations 0 to 11, (bins, 12)."""
    kept = _FREQUENCIES[_FREQUENCIES <= _PREDICTION_RANGE]
    angle = np.pi * kept / kept[-1]
    raised = 1 + _EMPHASIS**2 - 2 * _EMPHASIS * np.cos(angle)
    ends = np.where((angle == 0) | (angle == np.pi), 0.5, 1.0)
    cosines: NDArray[np.float64] = (raised * ends)[:, None] * np.cos(angle[:, None] * np.arange(_PREDICTION_ORDER + 1))
    return cosines
