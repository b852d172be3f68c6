"""Log-mel energies as the voice encoder wants them."""

from __future__ import annotations

import numpy as np
import pytest

from affectome.perceive.log_mel import BANDS, level, log_mel, mel_filters
from affectome.perceive.spectrum import HOP, RATE


def tone(hertz, seconds=0.5, size=0.3):
    return (size * np.sin(2 * np.pi * hertz * np.arange(int(seconds * RATE)) / RATE)).astype(np.float32)


@pytest.mark.parametrize(("samples", "frames"), [(0, 2), (1, 2), (HOP, 2), (5 * HOP, 4), (16_000, 100), (16_001, 100)])
def test_frames(samples, frames):
    assert log_mel(np.zeros(samples, np.float32)).shape == (BANDS, frames)


def test_bands_are_linear_to_1_khz_and_have_equal_area():
    filters = mel_filters()
    assert filters.shape == (BANDS, 201)
    peaks = filters.argmax(axis=1) * RATE / 2 / 200
    assert np.all(np.diff(peaks) >= 0)
    # 45.2 mel over 81 steps, 66.7 Hz a mel: 37.2 Hz a band below 1 kHz.
    assert peaks[25] == pytest.approx(26 * 37.2, abs=40)
    areas = filters[40:].sum(axis=1) * RATE / 2 / 200
    assert areas == pytest.approx(np.ones(BANDS - 40), rel=0.15)


def test_a_tone_is_loudest_in_its_band():
    bands = log_mel(tone(2000)).mean(axis=1)
    where = mel_filters()[:, round(2000 / (RATE / 2 / 200))]
    assert bands.argmax() == where.argmax()


def test_the_span_is_eight_decades():
    energies = log_mel(tone(440))
    assert energies.max() - energies.min() <= 2.0 + 1e-6  # (x + 4) / 4


def test_level():
    quiet, loud = tone(300, size=0.01), tone(300, size=0.9)
    assert np.sqrt(np.mean(level(quiet) ** 2)) == pytest.approx(0.05, rel=1e-3)
    assert level(quiet) == pytest.approx(level(loud), abs=1e-4)
    assert not level(np.zeros(100, np.float32)).any()
    assert level(np.zeros(0, np.float32)).shape == (0,)
    click = np.zeros(16_000, np.float32)
    click[100] = 1
    assert level(click).max() == 1
