"""Outlines and clips of sound."""

from __future__ import annotations

import base64
import struct

import numpy as np
import pytest

from affectome.report.sound import RATE, clip_uri, cut_loudest, outline


def _decoded(uri):
    """The samples of a mu-law clip, by the rule of G.711, and the file around them."""
    file = base64.b64decode(uri.removeprefix("data:audio/wav;base64,"))
    size = struct.unpack_from("<I", file, 54)[0]
    codes = 255 - np.frombuffer(file, np.uint8, size, 58).astype(int)
    numbers = ((2 * (codes & 15) + 33) << ((codes >> 4 & 7) + 2)) - 132
    return np.where(codes & 128, -numbers, numbers) / 32767, file


def test_clips_are_wav_files_that_sound_alike():
    seconds = np.arange(1601) / RATE
    sound = (0.6 * np.sin(2 * np.pi * 220 * seconds)).astype(np.float32)
    heard, file = _decoded(clip_uri(sound))
    assert file[:4] + file[8:16] == b"RIFFWAVEfmt "
    assert struct.unpack_from("<I", file, 4)[0] == len(file) - 8
    assert len(file) % 2 == 0
    assert struct.unpack_from("<HHI", file, 20) == (7, 1, 16000)
    assert len(heard) == 1601
    assert np.sqrt(((heard - sound) ** 2).mean()) < 0.02 * np.sqrt((sound**2).mean())


@pytest.mark.parametrize(("sample", "code"), [(0.0, 0xFF), (1.0, 0x80), (-1.0, 0x00)])
def test_codes_of_silence_and_full_scale(sample, code):
    _, file = _decoded(clip_uri(np.array([sample], np.float32)))
    assert file[58] == code


def test_the_loudest_part_is_cut():
    sound = np.full(10 * RATE, 0.1, np.float32)
    sound[6 * RATE : 8 * RATE] = 0.9
    start, cut = cut_loudest(sound, 2.0)
    assert start == pytest.approx(6.0)
    assert len(cut) == 2 * RATE
    assert cut_loudest(sound[:RATE], 2.0)[0] == 0.0


def test_outline_has_extremes_and_gaps_and_asks_in_pieces():
    asked = []

    def sounds(source, start, end):
        asked.append((start, end))
        if start >= 60:
            return None
        count = round((end - start) * RATE)
        return np.linspace(-0.5, 0.5, count, dtype=np.float32) if start == 0 else np.full(count, np.nan, np.float32)

    found = outline(sounds, "a.wav", 0.0, 90.0, 9)
    assert asked == [(0.0, 30.0), (30.0, 60.0), (60.0, 90.0)]
    assert found[0] == pytest.approx((-0.5, -1 / 6), abs=1e-4)
    assert found[3:6] == [(0.0, 0.0)] * 3
    assert found[6:] == [None] * 3


def test_outline_of_sound_that_ends_early():
    found = outline(lambda *_: np.ones(RATE, np.float32), "a.wav", 0.0, 4.0, 4)
    assert found == [(1.0, 1.0), None, None, None]
