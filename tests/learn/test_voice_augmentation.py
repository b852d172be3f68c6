"""What happens to voices on their way."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("scipy")

from affectome.learn.voice_augmentation import (
    NOISES,
    add_noise,
    change_speed,
    distort,
    encode,
    limit_band,
    reverberate,
    telephone,
)

pytestmark = pytest.mark.train

RATE = 16_000


def tone(hertz, seconds=1.0):
    return (0.1 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * RATE)) / RATE)).astype(np.float32)


def power(samples):
    return float(np.mean(np.square(samples, dtype=np.float64)))


@pytest.mark.parametrize("kind", NOISES)
def test_noise_has_the_ratio_asked_for(kind):
    clean = tone(440)
    noisy = add_noise(clean, 10.0, np.random.default_rng(0), kind=kind, others=[tone(200), tone(700, 0.3)])
    assert 10 * np.log10(power(clean) / power(noisy - clean)) == pytest.approx(10, abs=0.01)


def test_noise_on_silence_is_silence():
    assert not add_noise(np.zeros(100, np.float32), 10.0, np.random.default_rng(0)).any()


def test_brown_noise_is_deeper_than_white():
    def centre(kind):
        noise = add_noise(tone(440), -60.0, np.random.default_rng(1), kind=kind)
        spectrum = np.abs(np.fft.rfft(noise)) ** 2
        return (spectrum * np.fft.rfftfreq(len(noise), 1 / RATE)).sum() / spectrum.sum()

    assert centre("brown") < centre("pink") < centre("white")


def test_reverberation_rings_on():
    click = np.zeros(RATE, np.float32)
    click[0] = 1.0
    room = reverberate(click, 0.5, np.random.default_rng(0), wet=0.5)
    assert power(room[1:]) * (RATE - 1) == pytest.approx(0.5, rel=0.05)
    early, late = power(room[1:2000]), power(room[6000:8000])
    assert late < 1e-3 * early


@pytest.mark.parametrize(("hertz", "kept"), [(100, 0.0), (1000, 1.0), (5000, 0.0)])
def test_telephone_band(hertz, kept):
    assert power(telephone(tone(hertz))) / power(tone(hertz)) == pytest.approx(kept, abs=0.15)


def test_band_without_an_upper_end_keeps_what_is_high():
    assert power(limit_band(tone(7000), 100, 8000)) == pytest.approx(power(tone(7000)), rel=0.05)
    assert power(limit_band(tone(7000), 100, 3000)) < 0.01 * power(tone(7000))


def test_speed_moves_length_and_pitch():
    fast = change_speed(tone(400), 1.25)
    assert len(fast) == pytest.approx(RATE / 1.25, abs=2)
    assert np.fft.rfftfreq(len(fast), 1 / RATE)[np.abs(np.fft.rfft(fast)).argmax()] == pytest.approx(500, abs=3)


@pytest.mark.parametrize("codec", ["mp3", "opus"])
def test_codecs_keep_a_tone(codec):
    pytest.importorskip("av")
    coded = encode(tone(440), 32, codec)
    assert abs(len(coded) - RATE) < 0.2 * RATE
    assert np.fft.rfftfreq(len(coded), 1 / RATE)[np.abs(np.fft.rfft(coded)).argmax()] == pytest.approx(440, abs=3)


def test_distortions_follow_the_seed():
    pytest.importorskip("av")
    clean, others = tone(300), [tone(180), tone(240)]
    for seed in range(12):
        first, again = (distort(clean, np.random.default_rng(seed), others) for _ in range(2))
        assert np.array_equal(first, again)
        assert np.isfinite(first).all()
        assert np.abs(first).max() <= 1
        assert np.sqrt(power(first)) == pytest.approx(0.05, rel=0.1)
