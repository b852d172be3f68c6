"""Decoding of sound files of unknown origin, as a child process of `affectome.media.decoding` does it.

It imports nothing of this package, so that the child starts fast and little memory is taken before the limit is set.
"""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

RATE = 16_000
BLOCK_SAMPLES = 1 << 16  # 4.1 s

_LEAST_RATE, _MOST_RATE = 1, 10_000_000
_MOST_BAD_IN_A_ROW = 200
# A stream counts as broken if this share of its packets, or this much of the length it states, is lost.
_BAD_SHARE = 0.05
_LOST_SHARE, _LOST_SECONDS = 0.02, 0.5
# Containers whose stated length is not an estimate.
_STATED = {"w64", "aiff", "au", "flac", "mov", "caf"}
# Sizes that programs write which do not know the length beforehand.
_PLACEHOLDER_BYTES = (1 << 31) - (1 << 16)


@dataclass
class Findings:
    """What is known of a file once it is decoded.

    Args:
        code: Empty, or why it could not be decoded, or not to its end.
        message: The same for people.
        seconds: Length of what was decoded.
        rate: Samples a second in the file.
        channels: Channels in the file.
        codec: Name of the codec.
        container: Name of the container.
        bad_samples: Samples that were no finite numbers and became 0.
        bad_packets: Pieces that could not be decoded and were passed over.
    """

    code: str = ""
    message: str = ""
    seconds: float = 0.0
    rate: int = 0
    channels: int = 0
    codec: str = ""
    container: str = ""
    bad_samples: int = 0
    bad_packets: int = 0


class UndecodableError(Exception):
    """The file, or the rest of it, cannot be decoded."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def load() -> None:
    """Import the libraries, before memory is limited."""
    import av
    import numpy  # noqa: F401
    import soundfile  # noqa: F401
    import soxr  # noqa: F401

    av.logging.set_level(None)


def answer(request: dict[str, Any], give: Callable[[bytes], None]) -> dict[str, Any]:
    """Decode the file of a request, give its blocks and return its `Findings`."""
    path, most_seconds = Path(request["path"]), request["most_seconds"]
    return asdict(decode(path, lambda block: give(block.tobytes()), most_seconds=most_seconds))


def decode(path: Path, give: Callable[[Any], None], *, most_seconds: float) -> Findings:
    """Decode a file into blocks of mono samples at 16 kHz.

    libav is asked first. libsndfile follows if libav cannot make anything of the file.

    Args:
        path: The file.
        give: Takes each block, float32 in [-1, 1], of at most `BLOCK_SAMPLES` samples.
        most_seconds: Length at which decoding ends with ``too_long``.

    Returns:
        What was found; never raises for what is in the file.
    """
    findings = Findings()
    sink = _Sink(give, findings, most_seconds)
    try:
        try:
            _decode_av(path, sink, findings)
        except UndecodableError as error:
            if error.code != "undecodable" or sink.given:
                raise
            _decode_soundfile(path, sink, findings, error)
        sink.finish()
    except UndecodableError as error:
        findings.code, findings.message = error.code, str(error)
        with contextlib.suppress(UndecodableError):
            sink.finish()
    except MemoryError:
        findings.code, findings.message = "decode_memory", "Decoding it takes too much memory."
    except Exception as error:  # whatever a library makes of a file, the next one is not to suffer
        findings.code, findings.message = "undecodable", f"Decoding it fails: {type(error).__name__}."
    findings.seconds = sink.given / RATE
    return findings


class _Sink:
    """Takes pieces as the file has them and passes on mono blocks at 16 kHz."""

    def __init__(self, give: Callable[[Any], None], findings: Findings, most_seconds: float) -> None:
        self.given = 0
        self._give = give
        self._findings = findings
        self._most = int(most_seconds * RATE)
        self._rate = 0
        self._resample: Any = None
        self._pieces: list[Any] = []
        self._waiting = 0

    def take(self, samples: Any, rate: int) -> None:  # noqa: ANN401 - an array (n, channels), numpy is loaded late
        """Take samples (n, channels), float32, full scale 1."""
        import numpy as np

        if not _LEAST_RATE <= rate <= _MOST_RATE:
            raise UndecodableError("undecodable", f"{rate} samples a second are no sound.")
        self._findings.channels = self._findings.channels or samples.shape[1]
        if rate != self._rate:
            self._resampled(last=True)
            self._start(rate)
        good = np.isfinite(samples)
        if not good.all():
            self._findings.bad_samples += int(good.size - np.count_nonzero(good))
            samples = np.where(good, samples, np.float32(0))
        mono = samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1, dtype=np.float32)
        self._pieces.append(np.clip(mono, -1.0, 1.0))
        self._waiting += len(mono)
        if self._waiting >= max(rate, 1 << 12):
            self._resampled(last=False)

    def finish(self) -> None:
        """Pass on what is left."""
        self._resampled(last=True)

    def _start(self, rate: int) -> None:
        import soxr

        self._rate = rate
        self._findings.rate = self._findings.rate or rate
        self._resample = None if rate == RATE else soxr.ResampleStream(rate, RATE, 1, dtype="float32", quality="HQ")

    def _resampled(self, *, last: bool) -> None:
        import numpy as np

        if not self._rate:
            return
        mono = np.concatenate(self._pieces) if self._pieces else np.zeros(0, np.float32)
        self._pieces, self._waiting = [], 0
        # A second at a time: at 8 samples a second each one becomes 2,000.
        step = max(self._rate, 1)
        for start in range(0, max(len(mono), 1), step):
            piece = mono[start : start + step]
            if self._resample is not None:
                piece = self._resample.resample_chunk(piece, last=last and start + step >= len(mono))
            self._pass_on(piece)
        if last:
            self._rate, self._resample = 0, None

    def _pass_on(self, samples: Any) -> None:  # noqa: ANN401
        for start in range(0, len(samples), BLOCK_SAMPLES):
            block = samples[start : start + BLOCK_SAMPLES]
            room = self._most - self.given
            if block[:room].size:
                self._give(block[:room].clip(-1.0, 1.0))
            self.given += min(len(block), room)
            if len(block) > room:
                raise UndecodableError("too_long", f"It is longer than {self._most / RATE / 3600:g} hours.")


def _decode_av(path: Path, sink: _Sink, findings: Findings) -> None:
    import av

    # The file is opened here and no protocol allowed, so that a playlist in disguise leads nowhere.
    with path.open("rb") as stream:
        try:
            container = av.open(stream, "r", container_options={"protocol_whitelist": "none"}, metadata_errors="ignore")
        except (av.FFmpegError, ValueError, OverflowError) as error:
            raise _undecodable(error) from error
        with container:
            _decode_container(container, path, sink, findings)


def _decode_container(container: Any, path: Path, sink: _Sink, findings: Findings) -> None:  # noqa: ANN401
    import av

    if not container.streams.audio:
        if container.streams.video and container.format.name not in {"tty", "image2", "png_pipe", "jpeg_pipe"}:
            raise UndecodableError("no_audio_stream", "It holds no sound.")
        raise UndecodableError("undecodable", "It is no sound file.")
    stream = container.streams.audio[0]
    findings.container = container.format.name
    if stream.codec_context is None:
        raise UndecodableError("undecodable", "Its codec is not known.")
    findings.codec = stream.codec_context.name
    stated = _stated_seconds(container, stream, path)
    packets = in_a_row = 0
    samples, rate = 0, 0
    try:
        for packet in container.demux(stream):
            packets += 1
            try:
                frames = packet.decode()
            except av.MemoryError as error:
                raise MemoryError from error
            except av.FFmpegError as error:
                if isinstance(error, av.EOFError):
                    continue
                findings.bad_packets += 1
                in_a_row += 1
                if in_a_row >= _MOST_BAD_IN_A_ROW:
                    raise _undecodable(error, "damaged" if samples else "undecodable") from error
                continue
            for frame in frames:
                in_a_row = 0
                samples += frame.samples
                rate = frame.sample_rate
                sink.take(_as_float(frame), frame.sample_rate)
    except (av.FFmpegError, ValueError, OverflowError) as error:
        if isinstance(error, av.MemoryError):
            raise MemoryError from error
        raise _undecodable(error, "damaged" if samples else "undecodable") from error
    if not samples:  # an empty file in good order is left to libsndfile
        raise UndecodableError("undecodable", "Nothing in it can be decoded.")
    if findings.bad_packets > max(2.0, _BAD_SHARE * packets):
        raise UndecodableError("damaged", f"{findings.bad_packets} of its {packets} packets cannot be decoded.")
    seconds = samples / rate if rate else 0.0
    if stated is not None and seconds < stated * (1 - _LOST_SHARE) - _LOST_SECONDS:
        raise UndecodableError("truncated", f"It ends after {seconds:.1f} of {stated:.1f} seconds.")


def _stated_seconds(container: Any, stream: Any, path: Path) -> float | None:  # noqa: ANN401
    """The length the file claims to have, None if that is not to be relied on."""
    names = set(container.format.name.split(","))
    if "wav" in names:  # libav gives the length that is there
        stated, rate = _stated_wav_bytes(path), stream.codec_context.bit_rate
        return None if stated is None or not rate else 8 * stated / rate
    if stream.duration is None or stream.time_base is None or not _STATED & names:
        return None
    return float(stream.duration * stream.time_base)


def _stated_wav_bytes(path: Path) -> int | None:
    """Bytes of sound that the header of a WAV file states."""
    with path.open("rb") as stream:
        if stream.read(4) != b"RIFF":
            return None
        stream.seek(12)
        for _ in range(1000):
            head = stream.read(8)
            if len(head) < 8:
                return None
            name, size = struct.unpack("<4sI", head)
            if name == b"data":
                return None if size >= _PLACEHOLDER_BYTES else int(size)
            stream.seek(size + size % 2, os.SEEK_CUR)
    return None


def _as_float(frame: Any) -> Any:  # noqa: ANN401
    """The samples of a frame (n, channels), float32, full scale 1."""
    import numpy as np

    values = frame.to_ndarray()
    channels = frame.layout.nb_channels
    values = values.T if frame.format.is_planar else values.reshape(-1, channels)
    if values.dtype == np.uint8:
        return (values.astype(np.float32) - 128) / 128
    if values.dtype.kind == "i":
        return values.astype(np.float32) / np.float32(2.0 ** (8 * values.dtype.itemsize - 1))
    with np.errstate(over="ignore"):
        return values.astype(np.float32)


def _decode_soundfile(path: Path, sink: _Sink, findings: Findings, first: UndecodableError) -> None:
    import soundfile

    try:
        with soundfile.SoundFile(path) as sound:
            findings.container, findings.codec = sound.format.lower(), sound.subtype.lower()
            frames = max(1, BLOCK_SAMPLES // sound.channels)
            for block in _blocks(sound, frames):
                sink.take(block, sound.samplerate)
    except (soundfile.SoundFileError, ValueError, TypeError, OverflowError) as error:
        if sink.given:
            raise UndecodableError("damaged", f"It is damaged: {_first_line(error)}") from error
        raise first from error


def _blocks(sound: Any, frames: int) -> Iterator[Any]:  # noqa: ANN401
    while len(block := sound.read(frames, dtype="float32", always_2d=True)):
        yield block


def _undecodable(error: Exception, code: str = "undecodable") -> UndecodableError:
    return UndecodableError(code, f"It cannot be decoded: {_first_line(error)}")


def _first_line(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return f"{text.splitlines()[0].rstrip('.')}."
