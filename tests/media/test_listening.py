"""Hearing parts of recordings again."""

from __future__ import annotations

import wave

import numpy as np
import pytest

pytest.importorskip("av")

from affectome.media import Listener

RATE = 16_000


@pytest.fixture(scope="module")
def ramp(tmp_path_factory):
    """Ninety seconds in which every second has a value of its own."""
    path = tmp_path_factory.mktemp("sounds") / "ramp.wav"
    values = np.repeat(np.arange(90) * 300, RATE).astype("<i2")
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(RATE)
        sound.writeframes(values.tobytes())
    return path


def second(samples):
    return np.rint(samples * 32768 / 300)


def test_parts_in_order_and_back_again(ramp):
    with Listener({"ramp": ramp}) as listen:
        for start in (0, 3, 40, 40, 12, 88):
            part = listen("ramp", start, start + 1.5)
            assert len(part) == 1.5 * RATE
            assert second(part[:RATE]).tolist() == [start] * RATE
            assert second(part[RATE:]).tolist() == [start + 1] * (RATE // 2)


def test_the_end_is_shorter_and_beyond_it_is_nothing(ramp):
    with Listener({"ramp": ramp}) as listen:
        assert len(listen("ramp", 89.5, 95)) == RATE // 2
        assert listen("ramp", 120, 121) is None


def test_what_is_not_there(ramp, tmp_path):
    with Listener({"ramp": ramp, "gone": tmp_path / "gone.wav"}) as listen:
        assert listen("unknown", 0, 1) is None
        assert listen("gone", 0, 1) is None
        assert listen("ramp", 1, 2) is not None
