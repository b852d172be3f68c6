"""Sounds made at run time: tones, sweeps and something a speech detector takes for speech."""

import struct
import sys
import wave
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

RATE = 16_000
VOWELS = [(730, 1090, 2440), (270, 2290, 3010), (300, 870, 2240), (530, 1840, 2480), (570, 840, 2410)]


def tone(seconds, rate=RATE, hertz=440.0, level=0.5):
    return (level * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def syllables(seconds, seed=0):
    """Buzzing vowels, four syllables a second, with gliding pitch: pulses through three resonances each."""
    rng = np.random.default_rng(seed)
    parts, length = [], RATE // 4
    for number in range(int(seconds * 4)):
        pitch = 120 + 25 * np.sin(number) + np.linspace(10, -10, length)
        phase = np.cumsum(pitch / RATE)
        source = np.diff(np.floor(phase), prepend=0.0) + 0.01 * rng.normal(size=length)
        time = np.arange(800) / RATE
        sound = source
        for formant, width in zip(VOWELS[rng.integers(len(VOWELS))], (80, 100, 150), strict=True):
            sound = np.convolve(sound, np.exp(-np.pi * width * time) * np.cos(2 * np.pi * formant * time))[:length]
        parts.append(sound * np.hanning(length) ** 0.5)
    sound = np.concatenate(parts)
    return (0.3 * sound / np.abs(sound).max()).astype(np.float32)


def silence(seconds):
    return np.zeros(int(seconds * RATE), np.float32)


def write_wav(path, samples, rate=RATE):
    """16 bits; samples (n,) or (n, channels) in [-1, 1]."""
    samples = np.asarray(samples)
    samples = samples[:, None] if samples.ndim == 1 else samples
    with wave.open(str(path), "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.rint(samples * 32767).astype("<i2").tobytes())
    return path


def write_raw_wav(path, data, *, tag=1, channels=1, rate=RATE, bits=16, stated=None):
    """A WAV file of any header, however wrong."""
    align = max(channels * bits // 8, 0)
    head = struct.pack("<HHIIHH", tag, channels, rate, min(rate * align, 2**32 - 1), align % 65536, bits)
    size = len(data) if stated is None else stated
    body = b"WAVEfmt " + struct.pack("<I", len(head)) + head + b"data" + struct.pack("<I", size) + data
    path.write_bytes(b"RIFF" + struct.pack("<I", (len(body) - len(data) + size) % 2**32) + body)
    return path


def encode(path, samples, codec, *, rate=RATE, layout="mono", container=None, video=False, sound=True):
    """A file written by libav: samples (n,) in [-1, 1], the same in every channel."""
    av = pytest.importorskip("av", reason="needs the voice extra")
    with av.open(str(path), "w", format=container) as file:
        pictures = file.add_stream("mpeg4", rate=5) if video else None
        if pictures is not None:
            pictures.width = pictures.height = 32
            pictures.pix_fmt = "yuv420p"
        track = file.add_stream(codec, rate=rate, layout=layout) if sound else None
        if codec == "wmav2":  # which knows no usual one
            track.bit_rate = 64_000
        if pictures is not None:
            for _ in range(max(1, 5 * len(samples) // rate)):
                picture = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
                file.mux(pictures.encode(picture))
            file.mux(pictures.encode(None))
        if track is not None:
            channels = {"mono": 1, "stereo": 2}[layout]
            data = np.repeat(np.rint(samples * 32767).astype(np.int16), channels).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(data, format="s16", layout=layout)
            frame.sample_rate, frame.pts = rate, 0
            for piece in [frame, None]:
                file.mux(track.encode(piece))
    return path


@pytest.fixture(scope="session")
def sounds():
    return SimpleNamespace(
        encode=encode,
        silence=silence,
        syllables=syllables,
        tone=tone,
        write_raw_wav=write_raw_wav,
        write_wav=write_wav,
    )


@pytest.fixture(scope="session")
def silero() -> Path:
    """The speech detector's weights."""
    pytest.importorskip("onnxruntime")
    from affectome.models import locate

    return locate("silero-vad") / "silero_vad_16k_sequence.onnx"
