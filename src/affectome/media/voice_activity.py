"""Where somebody speaks: Silero's voice activity model over a stream of sound.

The model reads windows of 512 samples (32 ms) behind the 64 samples before them and carries its state from window to
window. The form of it that takes a sequence of windows at a time is used, which gives the same numbers in less than
half the time. From its probabilities to segments the rules are those of its authors (Silero Team, Silero VAD, 2024,
https://github.com/snakers4/silero-vad): speech starts at one threshold and ends below a lower one.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from affectome.errors import UsageError
from affectome.media.decoding import SAMPLE_RATE, Samples

WINDOW = 512
"""Samples of a window."""

_CONTEXT = 64
_STATE = 128
_SEQUENCE = 64  # windows of one call of the model, 2 s
_FAINTEST = 2.0**-15
"""A stretch whose every sample lies below one step of 16 bits is silence, which the model need not be asked about."""


@dataclass(frozen=True, kw_only=True)
class SpeechRules:
    """How probabilities become segments.

    Attributes:
        threshold: Probability at which speech begins.
        exit_threshold: Probability below which it may end.
        least_speech: Seconds; what is shorter is no speech.
        least_silence: Seconds of silence that end a segment.
        padding: Seconds added on both sides.
        most_seconds: Length of a segment, padding included, beyond which it is cut at its deepest pause; above 1.
    """

    threshold: float = 0.5
    exit_threshold: float = 0.35
    least_speech: float = 0.25
    least_silence: float = 0.3
    padding: float = 0.1
    most_seconds: float = 10.0

    def __post_init__(self) -> None:
        if not self.most_seconds > 1:
            raise UsageError(
                f"Segments of at most {self.most_seconds} seconds are too short to hear a voice in.",
                code="bad_segment_length",
                value=self.most_seconds,
                next_step="Give more than 1 second.",
            )


@dataclass(frozen=True, eq=False)
class Stretch:
    """A stretch of sound.

    Attributes:
        start: First sample, counted from the beginning of the file.
        samples: The sound (n,), float32 in [-1, 1], 16 kHz.
    """

    start: int
    samples: Samples

    @property
    def end(self) -> int:
        """The sample after the last one."""
        return self.start + len(self.samples)


class SpeechDetector:
    """Finds the stretches of speech in a stream of sound.

    Args:
        path: Silero's ``silero_vad_16k_sequence.onnx``.

    Attributes:
        digest: SHA-256 of the model, hexadecimal.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        import onnxruntime

        raw = Path(path).read_bytes()
        self.digest = hashlib.sha256(raw).hexdigest()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(raw, options, providers=["CPUExecutionProvider"])

    def probabilities(self, blocks: Iterable[Samples]) -> Iterator[tuple[Samples, NDArray[np.float32]]]:
        """The sound in windows with the probability that each one is speech.

        Args:
            blocks: The sound of one file, pieces of any length at 16 kHz.

        Returns:
            Pairs of windows (n, 512), n at most 64, the last one filled up with zeros, and probabilities (n,).
        """
        short = memory = np.zeros((1, 1, _STATE), np.float32)
        context = np.zeros(_CONTEXT, np.float32)
        for windows in _in_windows(blocks):
            if np.abs(windows).max() < _FAINTEST:
                short = memory = np.zeros((1, 1, _STATE), np.float32)
                heard = np.zeros(len(windows), np.float32)
            else:
                before = np.vstack([context, windows[:-1, -_CONTEXT:]])
                feed = {"input": np.hstack([before, windows]), "h": short, "c": memory}
                heard, short, memory = self._session.run(None, feed)
            context = windows[-1, -_CONTEXT:]
            yield windows, heard

    def stretches(self, blocks: Iterable[Samples], rules: SpeechRules) -> Iterator[Stretch]:
        """The stretches of speech, in order and without overlap, as soon as each one is over.

        Args:
            blocks: The sound of one file, pieces of any length at 16 kHz.
            rules: How probabilities become segments.
        """
        total = 0

        def counted() -> Iterator[Samples]:
            nonlocal total
            for block in blocks:
                total += len(block)
                yield block

        cutter = _Cutter(rules)
        for windows, heard in self.probabilities(counted()):
            yield from cutter.take(windows, heard)
        yield from cutter.finish(total)


def even_stretches(blocks: Iterable[Samples], most_seconds: float) -> Iterator[Stretch]:
    """The whole sound, cut every ``most_seconds``, whatever is in it.

    Args:
        blocks: The sound of one file at 16 kHz.
        most_seconds: Length of a stretch.
    """
    length = int(most_seconds * SAMPLE_RATE)
    start = 0
    waiting = np.zeros(0, np.float32)
    for block in blocks:
        waiting = np.concatenate([waiting, block])
        while len(waiting) > length:
            yield Stretch(start, waiting[:length])
            start, waiting = start + length, waiting[length:]
    if len(waiting):
        yield Stretch(start, waiting)


def _in_windows(blocks: Iterable[Samples]) -> Iterator[Samples]:
    waiting = np.zeros(0, np.float32)
    size = WINDOW * _SEQUENCE
    for block in blocks:
        waiting = np.concatenate([waiting, block])
        whole = len(waiting) // size * size
        for start in range(0, whole, size):
            yield waiting[start : start + size].reshape(-1, WINDOW)
        waiting = waiting[whole:]
    if len(waiting):
        filled = np.zeros(-(-len(waiting) // WINDOW) * WINDOW, np.float32)
        filled[: len(waiting)] = waiting
        yield filled.reshape(-1, WINDOW)


@dataclass
class _Cutter:
    """Turns windows and probabilities into stretches; holds no more sound than the longest of them needs."""

    rules: SpeechRules
    _sound: Samples = field(default_factory=lambda: np.zeros(0, np.float32))
    _heard: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    _first: int = 0  # number of the first window held
    _next: int = 0  # number of the window to look at next
    _start: int | None = None  # window in which the present speech begins
    _pause: int | None = None  # window in which its present pause begins
    _done: int = 0  # samples that are given away

    def take(self, windows: Samples, heard: NDArray[np.float32]) -> Iterator[Stretch]:
        self._sound = np.concatenate([self._sound, windows.ravel()])
        self._heard = np.concatenate([self._heard, heard])
        last = self._first + len(self._heard)
        while self._next < last:
            yield from self._look(self._next, float(self._heard[self._next - self._first]))
            self._next += 1
        self._forget()

    def finish(self, total: int) -> Iterator[Stretch]:
        if self._start is not None:
            end = self._pause if self._pause is not None else self._next
            yield from self._give(self._start, end, total)

    def _look(self, window: int, heard: float) -> Iterator[Stretch]:
        rules = self.rules
        if heard >= rules.threshold:
            self._pause = None
            if self._start is None:
                self._start = window
        elif self._start is not None and heard < rules.exit_threshold and self._pause is None:
            self._pause = window
        if self._start is None:
            return
        if self._pause is not None and (window - self._pause) * WINDOW >= rules.least_silence * SAMPLE_RATE:
            yield from self._end(self._pause)
        elif (window + 2 - self._start) * WINDOW > (rules.most_seconds - 2 * rules.padding) * SAMPLE_RATE:
            if self._pause is not None:
                yield from self._end(self._pause)
            else:
                cut = self._deepest_pause(self._start, window + 1)
                yield from self._give(self._start, cut, cut * WINDOW)
                self._start = cut

    def _end(self, window: int) -> Iterator[Stretch]:
        start, self._start, self._pause = self._start, None, None
        assert start is not None
        yield from self._give(start, window, (self._next + 1) * WINDOW)

    def _give(self, start: int, end: int, most: int) -> Iterator[Stretch]:
        """The padded stretch from window to window, not beyond sample ``most`` nor into what was given before."""
        if (end - start) * WINDOW < self.rules.least_speech * SAMPLE_RATE:
            return
        padding = int(self.rules.padding * SAMPLE_RATE)
        first = max(start * WINDOW - padding, self._done)
        self._done = min(end * WINDOW + padding, most)
        offset = self._first * WINDOW
        yield Stretch(first, self._sound[first - offset : self._done - offset].copy())

    def _deepest_pause(self, start: int, end: int) -> int:
        """The window of the second half at which it is least like speech and most quiet, over five windows."""
        middle = (start + end) // 2
        here = slice(middle - self._first, end - self._first)
        sound = self._sound.reshape(-1, WINDOW)[here]
        level = np.sqrt(np.square(sound).mean(axis=1))
        cost = self._heard[here] + level / max(float(level.max()), _FAINTEST)
        smooth = np.convolve(np.pad(cost, 2, mode="edge"), np.full(5, 0.2), mode="valid")
        return middle + int(smooth.argmin())

    def _forget(self) -> None:
        padding = -(-int(self.rules.padding * SAMPLE_RATE) // WINDOW)
        keep = max((self._next if self._start is None else self._start) - padding, self._first)
        self._sound = self._sound[(keep - self._first) * WINDOW :]
        self._heard = self._heard[keep - self._first :]
        self._first = keep
