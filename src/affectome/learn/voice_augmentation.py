"""What happens to voices on their way: noise, rooms, narrow bands, codecs, other speeds.

Used to train readers that survive other recordings, and to measure what each of these costs. Sounds are mono at 16 kHz,
arrays (n,) in [-1, 1]. Needs the ``train`` extra (scipy), and the ``voice`` extra (PyAV) for codecs.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, fftconvolve, resample_poly, sosfilt

from affectome.perceive.log_mel import level
from affectome.perceive.spectrum import RATE

Array = NDArray[np.float32]

NOISES = ("white", "pink", "brown", "babble")
CODECS = {"mp3": ("mp3", "libmp3lame"), "opus": ("ogg", "libopus")}
_TELEPHONE = (300.0, 3400.0)


def add_noise(
    samples: Array, ratio: float, rng: np.random.Generator, *, kind: str = "pink", others: Sequence[Array] = ()
) -> Array:
    """Sound with noise.

    Args:
        samples: The sound.
        ratio: Signal-to-noise ratio in dB over the whole sound.
        rng: Source of randomness.
        kind: One of `NOISES`; ``babble`` is a mix of other voices.
        others: Other voices, for ``babble``.
    """
    noise = _babble(len(samples), others, rng) if kind == "babble" and others else _coloured(len(samples), kind, rng)
    power, noise_power = float(np.mean(samples**2)), float(np.mean(noise**2))
    if not power or not noise_power:
        return samples
    factor = np.sqrt(power / noise_power / 10 ** (ratio / 10))
    return np.asarray(samples + noise * factor, np.float32)


def reverberate(samples: Array, seconds: float, rng: np.random.Generator, *, wet: float = 0.5) -> Array:
    """Sound in a room whose reverberation falls by 60 dB in ``seconds``; ``wet`` is the energy of the room's answer."""
    length = max(1, int(seconds * RATE))
    decay = np.exp(-6.908 * np.arange(length) / length)
    answer = rng.normal(size=length) * decay
    answer *= np.sqrt(wet / np.sum(answer**2))
    answer[0] += 1.0
    return np.asarray(fftconvolve(samples, answer)[: len(samples)], np.float32)


def limit_band(samples: Array, low: float, high: float) -> Array:
    """Sound between two frequencies in Hz; nothing is cut at or above 7.9 kHz."""
    if high < 7900:
        sections = butter(4, (low, high), "bandpass", fs=RATE, output="sos")
    else:
        sections = butter(4, low, "highpass", fs=RATE, output="sos")
    return np.asarray(sosfilt(sections, samples), np.float32)


def telephone(samples: Array) -> Array:
    """Sound as a telephone carries it: 300 to 3,400 Hz, 8 kHz, 8-bit mu-law (ITU-T G.711)."""
    narrow = resample_poly(limit_band(samples, *_TELEPHONE), 1, 2)
    peak = max(float(np.abs(narrow).max(initial=0)), 1e-9)
    scaled = narrow / peak
    companded = np.sign(scaled) * np.log1p(255 * np.abs(scaled)) / np.log(256)
    coarse = np.round(companded * 127) / 127
    expanded = np.sign(coarse) * np.expm1(np.abs(coarse) * np.log(256)) / 255
    return np.asarray(resample_poly(expanded * peak, 2, 1)[: len(samples)], np.float32)


def change_speed(samples: Array, factor: float) -> Array:
    """Sound played ``factor`` times as fast, which also moves its pitch."""
    up, down = 100, max(1, round(100 * factor))
    return np.asarray(resample_poly(samples, up, down), np.float32)


def encode(samples: Array, kilobits: int, codec: str = "mp3") -> Array:
    """Sound after a lossy codec, one of `CODECS`, at that many kbit/s."""
    import av
    from av.audio.stream import AudioStream

    container, name = CODECS[codec]
    file = io.BytesIO()
    with av.open(file, "w", format=container) as out:
        stream = out.add_stream(name, rate=RATE, layout="mono")
        assert isinstance(stream, AudioStream)
        stream.bit_rate = kilobits * 1000
        frame = av.AudioFrame.from_ndarray(np.clip(samples, -1, 1)[None].astype(np.float32), "fltp", "mono")
        frame.sample_rate = RATE
        for each in (frame, None):
            out.mux(stream.encode(each))
    file.seek(0)
    parts = []
    with av.open(file, "r") as coded:
        resampler = av.AudioResampler("fltp", "mono", RATE)
        for decoded in coded.decode(audio=0):
            parts += [part.to_ndarray()[0] for part in resampler.resample(decoded)]
    return np.asarray(np.concatenate(parts), np.float32) if parts else samples


def distort(samples: Array, rng: np.random.Generator, others: Sequence[Array] = ()) -> Array:
    """One of the many ways a voice may arrive, at random.

    Args:
        samples: A clean sound.
        rng: Source of randomness.
        others: Other voices to speak in the background.
    """
    if rng.random() < 0.7:
        samples = change_speed(samples, float(rng.uniform(0.88, 1.14)))
    if rng.random() < 0.4:
        samples = reverberate(samples, float(rng.uniform(0.1, 0.8)), rng, wet=float(rng.uniform(0.1, 1.0)))
    if rng.random() < 0.5:
        kind = NOISES[int(rng.integers(len(NOISES)))]
        samples = add_noise(samples, float(rng.uniform(3, 30)), rng, kind=kind, others=others)
    way = rng.random()
    if way < 0.15:
        samples = telephone(samples)
    elif way < 0.4:
        samples = limit_band(samples, float(rng.uniform(40, 250)), float(rng.uniform(3000, 8000)))
    elif way < 0.6:
        samples = encode(samples, int(rng.choice([16, 24, 32, 48])), str(rng.choice(list(CODECS))))
    return level(samples)


def _coloured(count: int, kind: str, rng: np.random.Generator) -> Array:
    """Noise whose power falls by 0 (white), 3 (pink) or 6 dB (brown) an octave."""
    slope = {"white": 0.0, "pink": 0.5, "babble": 0.5, "brown": 1.0}[kind]
    spectrum = np.fft.rfft(rng.normal(size=count))
    frequency = np.maximum(np.fft.rfftfreq(count, 1 / RATE), 20.0)
    return np.asarray(np.fft.irfft(spectrum / frequency**slope, count), np.float32)


def _babble(count: int, others: Sequence[Array], rng: np.random.Generator) -> Array:
    """Five other voices at once."""
    mixed = np.zeros(count, np.float32)
    for index in rng.integers(len(others), size=5):
        voice = np.roll(others[index], int(rng.integers(len(others[index]))))
        mixed += np.resize(voice, count)
    return mixed
