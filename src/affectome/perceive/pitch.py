"""The pitch of a voice, how periodic it is, and how one cycle differs from the next.

Candidates come from the autocorrelation of a window divided by that of the window itself, and the path through them is
the cheapest one (Boersma 1993, "Accurate short-term analysis of the fundamental frequency and the harmonics-to-noise
ratio of a sampled sound", IFA Proceedings 17). The window is the Gaussian of 60 ms of Eyben et al. (2016).
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from affectome.perceive.spectrum import FLOOR, HOP, MARGIN, RATE, Array

Contour = NDArray[np.float64]

LENGTH = 960
LOWEST, HIGHEST = 55.0, 1000.0  # Hz; Eyben et al. (2016)

_POINTS = 1280  # holds the frame and the longest lag, so that the circular correlation is the linear one
_SHORTEST_LAG, _LONGEST_LAG = int(RATE / HIGHEST), int(np.ceil(RATE / LOWEST))
_CANDIDATES = 5
_VOICING = 0.65  # periodicity at which voiced and unvoiced cost the same; less, and noise finds high voices
_SILENCE = 0.03  # of the loudest frame; Boersma (1993)
_OCTAVE = 0.02  # what an octave lower costs
_OCTAVE_JUMP = 1.0
_VOICED_UNVOICED = 0.3
_IMPOSSIBLE = -1e6
_CLEANEST = 1 - 1e-6  # a periodicity of one would be an infinite ratio: at most 60 dB
_SEARCH = 0.125  # of a period: how far the next cycle may lie from where it is expected
_ALIKE = 0.5  # correlation below which two stretches are not the same cycle


class Candidates(NamedTuple):
    """Periods that ``t`` frames may have.

    Attributes:
        lag: In samples, (t, 5).
        strength: Periodicity, (t, 5); far below zero where a frame has fewer maxima.
        harmonic_difference: Level of the first harmonic minus that of the second in dB, (t, 5).
        peak: Greatest absolute sample of each frame, (t,).
    """

    lag: Array
    strength: Array
    harmonic_difference: Array
    peak: Array


class Path(NamedTuple):
    """What was chosen for each frame, (t,) each: NaN where it is unvoiced."""

    period: Contour
    periodicity: Contour
    harmonic_difference: Contour


def pitch_candidates(framed: Array) -> Candidates:
    """Find the strongest maxima of the normalised autocorrelation.

    Args:
        framed: Frames of 60 ms, (t, 960).

    Returns:
        Five candidates a frame.
    """
    centred = framed - framed.mean(axis=1, keepdims=True)
    peak = np.abs(centred).max(axis=1)
    spectra = np.fft.rfft(centred * _window(), _POINTS, axis=1)
    power = np.square(spectra.real) + np.square(spectra.imag)
    correlation = np.fft.irfft(power, _POINTS, axis=1)[:, : _LONGEST_LAG + 2]
    ratio = correlation / (np.maximum(correlation[:, :1], FLOOR) * _window_correlation())
    normalised = ratio.astype(np.float32, copy=False)
    inner = normalised[:, _SHORTEST_LAG : _LONGEST_LAG + 1]
    before = normalised[:, _SHORTEST_LAG - 1 : _LONGEST_LAG]
    after = normalised[:, _SHORTEST_LAG + 1 : _LONGEST_LAG + 2]
    maxima = (inner > before) & (inner >= after) & (inner > _VOICING / 2)
    lags = np.arange(_SHORTEST_LAG, _LONGEST_LAG + 1)
    ranked = np.where(maxima, inner - _OCTAVE * np.log2(lags).astype(np.float32), np.float32(_IMPOSSIBLE))
    row = np.arange(len(framed))
    columns, heights = [], []
    for _ in range(_CANDIDATES):  # several times faster than a partial sort
        columns.append(ranked.argmax(axis=1))
        heights.append(ranked[row, columns[-1]])
        ranked[row, columns[-1]] = -np.inf
    best, row = np.stack(columns, axis=1), row[:, None]
    real = np.stack(heights, axis=1) > _IMPOSSIBLE
    left, middle, right = before[row, best], inner[row, best], after[row, best]
    shift, top = parabola(left, middle, right)
    lag = np.where(real, lags[best] + shift, _LONGEST_LAG).astype(np.float32)
    return Candidates(
        lag=lag,
        strength=np.where(real, np.minimum(top, 1), np.float32(_IMPOSSIBLE)),
        harmonic_difference=_harmonic_difference(power, lag),
        peak=peak,
    )


def parabola(left: Array, middle: Array, right: Array) -> tuple[Array, Array]:
    """Where, from the middle of three points one apart, a parabola through them has its top, and how high it is."""
    bend = left - 2 * middle + right
    slope = 0.5 * (right - left)
    shift = np.where(bend < 0, -slope / np.where(bend < 0, bend, -1), 0).clip(-0.5, 0.5).astype(np.float32)
    return shift, middle + 0.5 * slope * shift


def pitch_path(candidates: Candidates) -> Path:
    """The likeliest way through the candidates of all frames of a clip (Boersma 1993, equations 23 to 27)."""
    lag, strength, difference, peak = (np.asarray(part, np.float64) for part in candidates)
    log_lag = np.log2(lag)
    quiet = np.maximum(0, 2 - peak / max(float(peak.max()), 1e-30) / (_SILENCE / (1 + _VOICING)))
    gain = np.concatenate(
        [(_VOICING + quiet)[:, None], strength - _OCTAVE * (log_lag + np.log2(LOWEST / RATE))], axis=1
    )
    count, states = gain.shape
    jump = np.full((states, states), _VOICED_UNVOICED)
    jump[0, 0] = 0
    came_from = np.zeros((count, states), np.intp)
    score = gain[0]
    for i in range(1, count):
        jump[1:, 1:] = _OCTAVE_JUMP * np.abs(log_lag[i - 1][:, None] - log_lag[i])
        total = score[:, None] - jump
        came_from[i] = total.argmax(axis=0)
        score = total.max(axis=0) + gain[i]
    path = np.zeros(count, np.intp)
    path[-1] = score.argmax()
    for i in range(count - 1, 0, -1):
        path[i - 1] = came_from[i, path[i]]
    frame, chosen = np.arange(count), np.maximum(path - 1, 0)
    voiced = (path > 0) & (strength[frame, chosen] > 0)
    return Path(*(np.where(voiced, part[frame, chosen], np.nan) for part in (lag, strength, difference)))


def harmonics_to_noise(periodicity: Contour) -> Contour:
    """Boersma (1993), equation 4: ``10 log10(r / (1 - r))`` in dB, at most 60."""
    held = periodicity.clip(1 - _CLEANEST, _CLEANEST)
    ratio: Contour = 10 * np.log10(held / (1 - held))
    return ratio


def compare_cycles(padded: Array, frame: NDArray[np.intp], period: Contour) -> tuple[Contour, Contour]:
    """Follow three cycles from the highest peak about the middle of each frame.

    The next cycle is where the waveform resembles the present one most (Milenkovic 1987, "Least mean square measures of
    voice perturbation"), to a fraction of a sample.

    Args:
        padded: The signal with its margins.
        frame: Numbers of voiced frames, (t,).
        period: Their periods in samples, (t,).

    Returns:
        Jitter, ``|T2 - T1|`` over the mean of both, and shimmer, ``|20 log10(A2 / A1)|`` in dB of the peak-to-peak
        amplitudes, averaged over both pairs; (t,) each, NaN where no cycles could be followed.
    """
    jitter = np.full(len(frame), np.nan)
    shimmer = np.full(len(frame), np.nan)
    low = 0.0
    for high in (32, 64, 128, _LONGEST_LAG + 1):  # like periods together, so that no short one pays for a long one
        rows = np.flatnonzero((period > low) & (period <= high))
        if len(rows):
            jitter[rows], shimmer[rows] = _compare(padded, MARGIN + HOP // 2 + frame[rows] * HOP, period[rows])
        low = high
    return jitter, shimmer


def _harmonic_difference(power: Array, lag: Array) -> Array:
    """Level of the first harmonic minus that of the second in dB: power (t, 641), 12.5 Hz apart, and lags (t, k)."""
    levels = []
    for harmonic in (1, 2):
        nearest = np.rint(harmonic * _POINTS / lag).astype(np.intp)
        around = [np.take_along_axis(power, nearest + step, axis=1) for step in (-1, 0, 1)]
        levels.append(np.maximum(np.maximum.reduce(around), FLOOR))
    difference: Array = 10 * np.log10(levels[0] / levels[1])
    return difference


def _compare(padded: Array, centre: NDArray[np.intp], period: Contour) -> tuple[Contour, Contour]:
    half = int(np.ceil(period.max() / 2))
    offset = np.arange(-half, half + 1)
    within = np.abs(offset) <= period[:, None] / 2
    weight = np.where(within, 0.5 + 0.5 * np.cos(2 * np.pi * offset / period[:, None]), 0).astype(np.float32)
    around = np.where(within, np.abs(padded[centre[:, None] + offset]), -1)
    start = centre - half + around.argmax(axis=1)
    first, second, third = start, np.zeros_like(start), np.zeros_like(start)
    one, second = _next_cycle(padded, first, period, weight, offset)
    two, third = _next_cycle(padded, second, period, weight, offset)
    jitter = np.abs(two - one) / (0.5 * (one + two))
    levels = []
    for at in (first, second, third):
        cycle = padded[at[:, None] + offset]
        swing = np.where(within, cycle, -np.inf).max(axis=1) - np.where(within, cycle, np.inf).min(axis=1)
        levels.append(20 * np.log10(np.maximum(swing, FLOOR)))
    shimmer = 0.5 * (np.abs(levels[1] - levels[0]) + np.abs(levels[2] - levels[1]))
    return jitter, np.where(np.isnan(jitter), np.nan, shimmer)


def _next_cycle(
    padded: Array, at: NDArray[np.intp], period: Contour, weight: Array, offset: NDArray[np.intp]
) -> tuple[Contour, NDArray[np.intp]]:
    """Distance to the cycle after the one at ``at`` in samples, NaN if there is none, and its place."""
    reach = int(np.ceil(_SEARCH * period.max())) + 1
    expected = at + np.rint(period).astype(np.intp)
    span = padded[expected[:, None] + np.arange(offset[0] - reach, offset[-1] + reach + 1)]
    windows = np.lib.stride_tricks.sliding_window_view(span, len(offset), axis=1)
    cycle = padded[at[:, None] + offset]
    product = np.einsum("tlw,tw->tl", windows, cycle * weight)
    energy = np.einsum("tlw,tw->tl", np.lib.stride_tricks.sliding_window_view(span * span, len(offset), axis=1), weight)
    own = (np.square(cycle) * weight).sum(axis=1, keepdims=True)
    alike = product / np.sqrt(np.maximum(energy * own, FLOOR))
    allowed = np.abs(np.arange(-reach, reach + 1)) <= _SEARCH * period[:, None] + 1
    best = np.where(allowed, alike, -2)[:, 1:-1].argmax(axis=1) + 1
    row = np.arange(len(at))
    left, middle, right = alike[row, best - 1], alike[row, best], alike[row, best + 1]
    shift, _ = parabola(left, middle, right)
    found = (middle > _ALIKE) & (middle >= left) & (middle >= right)
    place = expected + best - reach
    return np.where(found, place - at + shift, np.nan).astype(np.float64), place


@cache
def _window() -> Array:
    middle = (LENGTH - 1) / 2
    window: Array = np.exp(-0.5 * np.square((np.arange(LENGTH) - middle) / (0.4 * middle))).astype(np.float32)
    return window


@cache
def _window_correlation() -> Array:
    """Autocorrelation of the window, one at lag zero, (longest lag + 2,)."""
    power = np.square(np.abs(np.fft.rfft(_window().astype(np.float64), 2 * LENGTH)))
    correlation = np.fft.irfft(power, 2 * LENGTH)[: _LONGEST_LAG + 2]
    normalised: Array = (correlation / correlation[0]).astype(np.float32)
    return normalised
