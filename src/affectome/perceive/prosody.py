"""How something is said: pitch, loudness, tempo, voice quality and spectrum of a stretch of sound.

The set follows eGeMAPS (Eyben et al. 2016, "The Geneva Minimalistic Acoustic Parameter Set"), with pauses and syllable
nuclei added. What is measured, in which unit and after whom stands in ``data/prosody.toml``, which `prosody_features`
reads.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from affectome.perceive import pitch, spectrum
from affectome.perceive.pitch import Contour
from affectome.perceive.spectrum import HOP, RATE, Array

_BLOCK = 256  # frames at a time, so that memory does not grow with the clip by more than its contours
_LIMIT = 32.0  # full scale is 1; beyond this a sample is an error of the file, and squares would overflow
_SILENT = 1e-10  # mean square, -100 dB of full scale
_REFERENCE = 27.5  # Hz
_FRAMES_PER_SECOND = RATE / HOP
_SMOOTHED = 7  # frames over which the level is averaged before peaks and pauses are looked for
_PAUSE_DEPTH = 25.0  # dB below the 99th percentile; De Jong and Wempe (2009), as the next
_DIP = 2.0  # dB
_PAUSE = 20  # frames
_FEWEST = 10  # voiced frames that a slope over time needs


class ProsodyFeature(NamedTuple):
    """One feature: its name, unit, the range of its values, its formula and whose it is (empty if ours)."""

    name: str
    unit: str
    low: float
    high: float
    formula: str
    source: str


@cache
def prosody_features() -> tuple[ProsodyFeature, ...]:
    """All features that `measure_prosody` gives, in its order."""
    text = files("affectome.perceive").joinpath("data/prosody.toml").read_text(encoding="utf-8")
    return tuple(ProsodyFeature(name, **entry) for name, entry in tomllib.loads(text).items())


def measure_prosody(samples: Array) -> dict[str, float]:
    """Measure the prosody of one clip.

    Any clip is measured, however short, silent or broken: samples that are no numbers count as zero, and what a clip
    does not define (the pitch of a whisper, everything of an empty clip) is NaN.

    Args:
        samples: Mono sound at 16 kHz, (n,), full scale ±1.

    Returns:
        Value of each feature, by name, in the order of `prosody_features`.
    """
    names = [feature.name for feature in prosody_features()]
    if not len(samples):
        return dict.fromkeys(names, float("nan"))
    sound = np.nan_to_num(np.asarray(samples, np.float32), posinf=_LIMIT, neginf=-_LIMIT).clip(-_LIMIT, _LIMIT)
    sound = sound - np.float32(sound.mean(dtype=np.float64))
    contours = _contours(sound)
    values = {**_tone(contours), **_level(sound, contours), **_tempo(contours), **_quality(contours)}
    return {name: values[name] for name in names}


class _Contours(NamedTuple):
    """What was measured frame by frame; (t,) each, NaN where undefined."""

    path: pitch.Path
    power: Array  # mean square
    jitter: Contour
    shimmer: Contour
    formants: Contour  # (t, 3)
    spectral: spectrum.SpectralFrames

    @property
    def sounding(self) -> NDArray[np.bool_]:
        return self.power > _SILENT

    @property
    def voiced(self) -> NDArray[np.bool_]:
        return ~np.isnan(self.path.period)


def _contours(sound: Array) -> _Contours:
    count = spectrum.frame_count(len(sound))
    padded = spectrum.pad(sound)
    blocks = [(start, min(start + _BLOCK, count)) for start in range(0, count, _BLOCK)]
    candidates = [pitch.pitch_candidates(spectrum.frames(padded, pitch.LENGTH, *block)) for block in blocks]
    path = pitch.pitch_path(pitch.Candidates(*map(np.concatenate, zip(*candidates, strict=True))))
    parts = []
    before = None
    for start, stop in blocks:
        framed = spectrum.frames(padded, spectrum.LENGTH, start, stop)
        power = spectrum.power_spectra(framed)
        spectral = spectrum.measure_spectra(power, before)
        before = spectrum.auditory_spectra(power[-1:])[0]
        voiced = np.flatnonzero(~np.isnan(path.period[start:stop]))
        resonances = np.full((stop - start, 3), np.nan)
        resonances[voiced[::2]] = spectrum.formants(power[voiced[::2]])  # the dearest measure, and a slow one
        jitter, shimmer = np.full((2, stop - start), np.nan)
        jitter[voiced], shimmer[voiced] = pitch.compare_cycles(padded, start + voiced, path.period[start:stop][voiced])
        parts.append((np.square(framed).mean(axis=1), jitter, shimmer, resonances, *spectral))
    joined = [np.concatenate(part) for part in zip(*parts, strict=True)]
    level, jitter, shimmer, resonances, *spectral_parts = joined
    return _Contours(path, level, jitter, shimmer, resonances, spectrum.SpectralFrames(*spectral_parts))


def _tone(contours: _Contours) -> dict[str, float]:
    voiced = contours.voiced
    hertz = RATE / contours.path.period
    tone = 12 * np.log2(hertz / _REFERENCE)
    low, middle, high = _percentiles(tone, 20, 50, 80)
    low_hertz, middle_hertz, high_hertz = _percentiles(hertz, 20, 50, 80)
    steps = np.diff(_moving_mean(tone, 3)) * _FRAMES_PER_SECOND
    lengths = np.array([stop - start for start, stop in _stretches(voiced)]) / _FRAMES_PER_SECOND
    return {
        "f0_median_hz": middle_hertz,
        "f0_mean_semitones": _mean(tone),
        "f0_median_semitones": middle,
        "f0_p20_semitones": low,
        "f0_p80_semitones": high,
        "f0_range_semitones": high - low,
        "f0_range_hz": high_hertz - low_hertz,
        "f0_sd_semitones": _deviation(tone),
        "f0_slope_semitones": _slope(tone),
        "f0_slope_hz": _slope(hertz),
        "f0_rise_semitones": _mean(np.where(steps > 0, steps, np.nan)),
        "f0_fall_semitones": _mean(np.where(steps < 0, steps, np.nan)),
        "voiced_share": float(voiced.mean()),
        "voiced_rate": len(lengths) / len(voiced) * _FRAMES_PER_SECOND,
        "voiced_mean_seconds": _mean(lengths),
    }


def _level(sound: Array, contours: _Contours) -> dict[str, float]:
    square = float(np.mean(np.square(sound), dtype=np.float64))
    loudness = contours.spectral.loudness
    low, middle, high = _percentiles(loudness, 20, 50, 80)
    return {
        "level_dbfs": 10 * float(np.log10(square)) if square > 1e-20 else float("nan"),
        "loudness_mean": _mean(loudness),
        "loudness_p20": low,
        "loudness_p50": middle,
        "loudness_p80": high,
        "loudness_range": high - low,
        "loudness_sd": _deviation(loudness),
    }


def _tempo(contours: _Contours) -> dict[str, float]:
    count = len(contours.power)
    seconds = count / _FRAMES_PER_SECOND
    if not contours.sounding.any():
        return dict.fromkeys(
            ("syllable_rate", "articulation_rate", "pause_rate", "pause_share", "pause_mean_seconds"), float("nan")
        )
    level = 10 * np.log10(np.maximum(_moving_mean(contours.power, _SMOOTHED), _SILENT))
    spoken = level > np.percentile(level, 99) - _PAUSE_DEPTH
    edges = np.flatnonzero(spoken)[[0, -1]]
    pauses = [stop - start for start, stop in _stretches(~spoken) if edges[0] < start < edges[1]]
    pauses = [length for length in pauses if length >= _PAUSE]
    nuclei = sum(bool(spoken[at] and contours.voiced[at]) for at in _peaks(level, _DIP))
    paused = sum(pauses) / _FRAMES_PER_SECOND
    return {
        "syllable_rate": nuclei / seconds,
        "articulation_rate": nuclei / (seconds - paused),
        "pause_rate": len(pauses) / seconds,
        "pause_share": paused / seconds,
        "pause_mean_seconds": paused / len(pauses) if pauses else float("nan"),
    }


def _quality(contours: _Contours) -> dict[str, float]:
    voiced, spectral = contours.voiced, contours.spectral
    unvoiced = contours.sounding & ~voiced
    ratio = pitch.harmonics_to_noise(contours.path.periodicity)
    values = {
        "flux_mean": _mean(spectral.flux),
        "flux_voiced": _mean(spectral.flux[voiced]),
        "flux_unvoiced": _mean(spectral.flux[unvoiced]),
        "jitter_mean": _mean(contours.jitter),
        "jitter_sd": _deviation(contours.jitter),
        "shimmer_mean_db": _mean(contours.shimmer),
        "shimmer_sd_db": _deviation(contours.shimmer),
        "hnr_mean_db": _mean(ratio),
        "hnr_sd_db": _deviation(ratio),
        "h1_h2_db": _mean(contours.path.harmonic_difference),
    }
    for name, contour in (
        ("alpha_ratio", spectral.alpha_ratio),
        ("hammarberg", spectral.hammarberg),
        ("slope_0_500", spectral.slope_low),
        ("slope_500_1500", spectral.slope_high),
        ("tilt", spectral.tilt),
    ):
        values[f"{name}_voiced"] = _mean(contour[voiced])
        values[f"{name}_unvoiced"] = _mean(contour[unvoiced])
    values |= {f"f{i + 1}_hz": _mean(contours.formants[:, i]) for i in range(3)}
    cepstrum = spectral.mfcc[contours.sounding]
    values |= {f"mfcc{i + 1}_mean": _mean(cepstrum[:, i]) for i in range(cepstrum.shape[1])}
    values |= {f"mfcc{i + 1}_sd": _deviation(cepstrum[:, i]) for i in range(cepstrum.shape[1])}
    return values


def _known(values: NDArray[np.floating[Any]]) -> Contour:
    known: Contour = values[~np.isnan(values)].astype(np.float64)
    return known


def _mean(values: NDArray[np.floating[Any]]) -> float:
    known = _known(values)
    return float(known.mean()) if len(known) else float("nan")


def _deviation(values: NDArray[np.floating[Any]]) -> float:
    known = _known(values)
    return float(known.std()) if len(known) > 1 else float("nan")


def _percentiles(values: NDArray[np.floating[Any]], *shares: float) -> list[float]:
    known = _known(values)
    return [float(value) for value in np.percentile(known, shares)] if len(known) else [float("nan")] * len(shares)


def _slope(values: Contour) -> float:
    """Slope a second of the least-squares line through the frames that are known; NaN for fewer than ten."""
    time = np.flatnonzero(~np.isnan(values)) / _FRAMES_PER_SECOND
    if len(time) < _FEWEST:
        return float("nan")
    time = time - time.mean()
    return float(_known(values) @ time / (time @ time))


def _moving_mean(values: NDArray[np.floating[Any]], width: int) -> Contour:
    """Mean of the known values among the ``width`` about each; NaN stays NaN."""
    known = ~np.isnan(values)
    ones = np.ones(width)
    half = width // 2  # "same" of a signal shorter than the window would be as long as the window
    total = np.convolve(np.where(known, values, 0), ones)[half : half + len(values)]
    return np.where(known, total / np.maximum(np.convolve(known, ones)[half : half + len(values)], 1), np.nan)


def _stretches(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and behind-last position of every run of true values."""
    edges = np.flatnonzero(np.diff(flags, prepend=False, append=False)).tolist()
    return list(zip(edges[::2], edges[1::2], strict=True))


def _peaks(level: Contour, dip: float) -> list[int]:
    """Positions of the peaks that rise at least ``dip`` above the lowest points on both sides, ends included."""
    found = []
    top, bottom, rising = 0, 0, True
    turns = np.flatnonzero(np.diff(np.sign(np.diff(level)))) + 1
    for at in (*turns.tolist(), len(level) - 1):
        if rising:
            if level[at] > level[top]:
                top = at
            elif level[top] - level[at] >= dip:
                found.append(top)
                bottom, rising = at, False
        elif level[at] < level[bottom]:
            bottom = at
        elif level[at] - level[bottom] >= dip:
            top, rising = at, True
    return found if not rising else [*found, top]
