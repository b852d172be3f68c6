"""Prosody of sounds whose pitch, level, tempo and spectrum are known because they were made that way."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from affectome.perceive.prosody import measure_prosody, prosody_features

RATE = 16_000


def times(seconds):
    return np.arange(int(seconds * RATE)) / RATE


def tone(frequency, seconds=1.0, harmonics=1, level=0.3):
    """Harmonics whose amplitude falls as one over their number."""
    phase = 2 * np.pi * frequency * times(seconds)
    return (level * sum(np.sin(k * phase) / k for k in range(1, harmonics + 1))).astype(np.float32)


def pulses(starts, heights, seconds):
    """A voice: at each start (in seconds, any fraction of a sample) a resonance of 700 Hz begins to ring."""
    time = times(seconds)
    sound = np.zeros_like(time)
    for start, height in zip(starts, heights, strict=True):
        since = time - start
        ringing = (since >= 0) & (since < 0.02)
        sound[ringing] += height * np.sin(2 * np.pi * 700 * since[ringing]) * np.exp(-400 * since[ringing])
    return (0.4 * sound).astype(np.float32)


def sloped_noise(exponent, seconds=4.0):
    """Noise whose power falls with the frequency to the power of ``exponent``."""
    count = int(seconds * RATE)
    spectrum = np.fft.rfft(np.random.default_rng(3).standard_normal(count))
    frequency = np.maximum(np.fft.rfftfreq(count, 1 / RATE), 20)
    sound = np.fft.irfft(spectrum * frequency ** (-exponent / 2), count)
    return (0.1 * sound / sound.std()).astype(np.float32)


@pytest.mark.parametrize(("frequency", "harmonics"), [(62.0, 9), (110.0, 5), (233.3, 5), (480.0, 5), (820.0, 2)])
def test_pitch_of_a_voice_of_known_frequency(frequency, harmonics):
    values = measure_prosody(tone(frequency, harmonics=harmonics))
    assert values["f0_median_hz"] == pytest.approx(frequency, rel=0.003)
    assert values["f0_median_semitones"] == pytest.approx(12 * math.log2(frequency / 27.5), abs=0.05)
    assert values["f0_range_semitones"] < 0.1
    assert values["f0_slope_semitones"] == pytest.approx(0, abs=0.1)
    assert values["voiced_share"] > 0.95
    assert values["jitter_mean"] < 0.003
    assert values["shimmer_mean_db"] < 0.15


def test_slope_of_a_glide():
    """From 150 to 300 Hz in two seconds, an octave evenly: 6 semitones a second."""
    phase = 2 * np.pi * 150 * 2 / math.log(2) * np.exp2(times(2) / 2)
    values = measure_prosody((0.3 * np.sin(phase) + 0.15 * np.sin(2 * phase)).astype(np.float32))
    assert values["f0_slope_semitones"] == pytest.approx(6, abs=0.1)
    assert values["f0_rise_semitones"] == pytest.approx(6, abs=0.3)
    assert values["f0_median_hz"] == pytest.approx(150 * math.sqrt(2), rel=0.01)
    assert values["f0_range_semitones"] == pytest.approx(0.6 * 12, abs=0.2)
    assert values["f0_range_hz"] == pytest.approx(150 * (2**0.8 - 2**0.2), rel=0.02)


@pytest.mark.parametrize("amplitude", [1.0, 0.1, 0.001])
def test_level_and_loudness_of_a_sine(amplitude):
    values = measure_prosody(tone(1000, level=amplitude))
    assert values["level_dbfs"] == pytest.approx(20 * math.log10(amplitude) - 10 * math.log10(2), abs=0.01)
    assert values["loudness_p50"] == pytest.approx(amplitude ** (2 / 3), rel=0.02)
    assert values["flux_mean"] == pytest.approx(0, abs=0.02 * values["loudness_p50"])


def test_a_constant_is_not_sound():
    with_offset, without = (measure_prosody(tone(200) + np.float32(offset)) for offset in (0.4, 0))
    assert with_offset["level_dbfs"] == pytest.approx(without["level_dbfs"], abs=0.01)
    assert with_offset["f0_median_hz"] == pytest.approx(200, rel=0.003)


@pytest.mark.parametrize("spread", [0.0, 0.01, 0.02])
def test_jitter_of_uneven_periods(spread):
    periods = 0.008 * (1 + spread * np.random.default_rng(5).standard_normal(240))
    values = measure_prosody(pulses(np.cumsum(periods), np.ones(240), 1.9))
    expected = np.abs(np.diff(periods)).mean() / periods.mean()
    assert values["jitter_mean"] == pytest.approx(expected, rel=0.15, abs=0.002)
    assert values["shimmer_mean_db"] < 0.3


@pytest.mark.parametrize("spread", [0.0, 0.3, 1.0])
def test_shimmer_of_uneven_heights(spread):
    decibels = spread * np.random.default_rng(6).standard_normal(240)
    values = measure_prosody(pulses(0.008 * np.arange(1, 241), 10 ** (decibels / 20), 1.9))
    assert values["shimmer_mean_db"] == pytest.approx(np.abs(np.diff(decibels)).mean(), rel=0.15, abs=0.02)
    assert values["jitter_mean"] < 0.003


@pytest.mark.parametrize("decibels", [5, 10, 20])
def test_harmonics_to_noise(decibels):
    """The energies of voice and noise are known, and so is their ratio."""
    voice = tone(150, 3.0, harmonics=8)
    noise = np.random.default_rng(1).standard_normal(len(voice)) * voice.std() * 10 ** (-decibels / 20)
    assert measure_prosody(voice + noise.astype(np.float32))["hnr_mean_db"] == pytest.approx(decibels, abs=1.5)


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0])
def test_spectrum_of_noise_of_known_tilt(exponent):
    """Power as f^-e falls 3.01 e dB an octave; the shares of two bands follow from the integral."""
    values = measure_prosody(sloped_noise(exponent))
    assert values["tilt_unvoiced"] == pytest.approx(-10 * math.log10(2) * exponent, abs=0.3)
    low, high = (np.sum(np.arange(*edges, 10.0) ** -exponent) for edges in ((50, 1000), (1000, 5000)))
    assert values["alpha_ratio_unvoiced"] == pytest.approx(10 * math.log10(high / low), abs=1)


def test_hammarberg_and_harmonics_of_two_sines():
    """Peaks 20 dB apart below and above 2 kHz; a first harmonic 6 dB above the second."""
    time = times(1)
    sound = sum(a * np.sin(2 * np.pi * f * time) for f, a in ((200, 0.4), (400, 0.2), (3000, 0.04)))
    values = measure_prosody(sound.astype(np.float32))
    assert values["hammarberg_voiced"] == pytest.approx(20, abs=0.7)
    assert values["h1_h2_db"] == pytest.approx(20 * math.log10(2), abs=0.5)


def test_formants_of_three_resonances():
    """A train of pulses at 100 Hz through poles at 700, 1200 and 2600 Hz, 80 Hz wide."""
    coefficients = np.ones(1)
    for frequency in (700, 1200, 2600):
        pole = np.exp(-np.pi * 80 / RATE)
        coefficients = np.convolve(coefficients, [1, -2 * pole * np.cos(2 * np.pi * frequency / RATE), pole**2])
    sound = np.zeros(RATE)
    for i in range(6, RATE):
        sound[i] = (i % 160 == 0) - coefficients[1:] @ sound[i - 6 : i][::-1]
    values = measure_prosody((0.3 * sound / np.abs(sound).max()).astype(np.float32))
    assert [values[f"f{i}_hz"] for i in (1, 2, 3)] == pytest.approx([700, 1200, 2600], rel=0.06)


def test_cepstrum_does_not_hear_the_level():
    noise = sloped_noise(1.0)
    loud, soft = measure_prosody(noise), measure_prosody(noise / 10)
    for name in ("mfcc1_mean", "mfcc2_mean", "mfcc3_mean", "mfcc4_mean", "mfcc1_sd"):
        assert soft[name] == pytest.approx(loud[name], abs=0.02)


def test_syllables_and_pauses():
    """Four syllables of .2 s a second for two seconds, then a second of silence, and the same again."""
    beat = np.clip(np.sin(2 * np.pi * 4 * times(2)), 0, None).astype(np.float32) + np.float32(0.02)
    words = tone(140, 2, harmonics=6) * beat
    noise = 1e-4 * np.random.default_rng(0).standard_normal(RATE).astype(np.float32)
    values = measure_prosody(np.concatenate([words, noise, words]))
    assert values["syllable_rate"] == pytest.approx(16 / 5, abs=0.21)
    assert values["pause_rate"] == pytest.approx(1 / 5)
    assert values["pause_mean_seconds"] == pytest.approx(1.1, abs=0.1)
    assert values["pause_share"] == pytest.approx(values["pause_mean_seconds"] / 5)
    assert values["articulation_rate"] == pytest.approx(values["syllable_rate"] / (1 - values["pause_share"]))


def test_silence_and_nothing_are_undefined():
    silent = measure_prosody(np.zeros(RATE, np.float32))
    assert silent["voiced_share"] == 0
    assert silent["loudness_mean"] == 0
    for name in ("f0_median_hz", "level_dbfs", "hnr_mean_db", "alpha_ratio_unvoiced", "mfcc1_mean", "syllable_rate"):
        assert math.isnan(silent[name])
    assert all(map(math.isnan, measure_prosody(np.zeros(0, np.float32)).values()))


def test_blocks_leave_no_trace():
    """What begins in the second block of frames is measured as it is alone; a minute takes no special path."""
    short, long = (measure_prosody(tone(180, seconds, harmonics=4)) for seconds in (2.0, 31.0))
    for name in ("f0_median_hz", "loudness_p50", "alpha_ratio_voiced", "mfcc1_mean", "f1_hz"):
        assert long[name] == pytest.approx(short[name], rel=0.02)
    assert long["flux_mean"] < 0.01


def test_the_table_names_every_feature():
    assert list(measure_prosody(tone(200))) == [feature.name for feature in prosody_features()]
    for feature in prosody_features():
        assert feature.low < feature.high
        assert feature.unit
        assert feature.formula


@settings(max_examples=60, deadline=None)
@given(
    arrays(np.float32, st.integers(0, 4000), elements=st.floats(width=32)),
    st.sampled_from([1.0, 1e-6, 1e6]),
    st.integers(1, 3),
)
@example(np.ones(1, np.float32), 1.0, 1)
@example(np.full(3000, np.nan, np.float32), 1.0, 1)
@example(np.tile(np.float32([3e38, -3e38]), 2000), 1.0, 1)
@example(np.sign(np.sin(np.arange(4000) / 20)).astype(np.float32), 1.0, 1)
@example(np.float32([0] + [1] * 15), 1.0, 1)  # a single frame, and it is voiced
@example(np.eye(1, 4000, 1000, dtype=np.float32)[0], 1.0, 1)
def test_any_samples_are_measured_within_the_stated_ranges(samples, scale, copies):
    with np.errstate(over="ignore"):
        samples = np.tile(samples * np.float32(scale), copies)
    with warnings.catch_warnings(), np.errstate(divide="warn", invalid="warn", over="warn"):
        warnings.simplefilter("error")
        values = measure_prosody(samples)
    for feature in prosody_features():
        value = values[feature.name]
        assert type(value) is float
        assert math.isnan(value) or feature.low - 1e-3 <= value <= feature.high + 1e-3, (feature.name, value)
