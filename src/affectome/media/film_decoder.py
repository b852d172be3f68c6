"""What the child process does that decodes films of unknown origin; see `affectome.media.child_program`.

It imports nothing of this package. A request names the file and its limits; the answer are blocks, each a picture with
its time, and what was found.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

HEAD = struct.Struct("<ddHHBB")
"""Head of a block: second, scale, rows, columns, and whether there was a cut before it and it is blank."""

_THUMB = (48, 27)  # pixels across and down of what pictures are compared by
_MOTION = 6.0  # mean difference of grey values, of 255, from which on twice as many pictures are taken
_CUT = 34.0  # the same, between neighbouring candidates, that no movement makes
_FLAT = 2.5  # standard deviation of grey values below which there is nothing to see
_MANY = 45.0  # pictures a second from which on those that others do not build on are passed over
_MOST_BAD_IN_A_ROW = 200
_LOST_SHARE, _LOST_SECONDS = 0.02, 1.0
_STATED = {"mov", "mp4", "matroska", "webm", "avi"}  # containers whose stated length is not an estimate
_STILLS = {"tty", "image2", "png_pipe", "jpeg_pipe", "gif", "webp_pipe"}
_MOST_SIDE = 16_384
_NOTHING = "No picture of it can be decoded."


@dataclass
class FilmFindings:
    """What is known of the pictures of a film once they are decoded.

    Args:
        code: Empty, or why they could not be decoded, or not to the end.
        message: The same for people.
        seconds: Time of the last picture.
        width: Pixels across as the first is shown.
        height: Pixels down.
        rate: Pictures a second as the file states them; 0 if it does not.
        codec: Name of the codec.
        container: Name of the container.
        pictures: How many were decoded.
        bad_packets: Pieces that could not be decoded and were passed over.
    """

    code: str = ""
    message: str = ""
    seconds: float = 0.0
    width: int = 0
    height: int = 0
    rate: float = 0.0
    codec: str = ""
    container: str = ""
    pictures: int = 0
    bad_packets: int = 0


class Taken(NamedTuple):
    """A picture that is taken from a film.

    Attributes:
        second: When it is shown.
        scale: Pixels of the film for each one here.
        pixels: RGB values (h, w, 3).
        cut: Whether it shows something else than the one before.
        blank: Whether there is nothing to see in it.
    """

    second: float
    scale: float
    pixels: Any
    cut: bool
    blank: bool


class UndecodableError(Exception):
    """The film, or the rest of it, cannot be decoded."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def load() -> None:
    """Import what decoding needs, before memory is limited."""
    import av
    import numpy  # noqa: F401

    av.logging.set_level(None)


def answer(request: dict[str, Any], give: Callable[[bytes], None]) -> dict[str, object]:
    """Decode the film of a request, give its pictures and return its `FilmFindings`."""

    def pass_on(taken: Taken) -> None:
        high, wide = taken.pixels.shape[:2]
        give(HEAD.pack(taken.second, taken.scale, high, wide, taken.cut, taken.blank) + taken.pixels.tobytes())

    return asdict(decode(Path(request.pop("path")), pass_on, **request))


def decode(
    path: Path, give: Callable[[Taken], None], *, a_second: float, longest: int, most_seconds: float
) -> FilmFindings:
    """Take pictures from a film, more where much moves.

    Args:
        path: The file.
        give: Takes each picture.
        a_second: Pictures that are taken a second; where much moves it is twice as many.
        longest: Pixels of the longer side to which larger pictures are made smaller.
        most_seconds: Time at which decoding ends with ``too_long``.

    Returns:
        What was found; never raises for what is in the file.
    """
    import av

    findings = FilmFindings()
    try:
        # The file is opened here and no protocol allowed, so that a playlist in disguise leads nowhere.
        with path.open("rb") as stream:
            try:
                options = {"protocol_whitelist": "none"}
                container = av.open(stream, "r", container_options=options, metadata_errors="ignore")
            except (av.FFmpegError, ValueError, OverflowError) as error:
                raise _undecodable(error) from error
            with container:
                _take(container, _Sampler(give, a_second, longest), findings, most_seconds)
    except UndecodableError as error:
        findings.code, findings.message = error.code, str(error)
    except (MemoryError, av.MemoryError):
        findings.code, findings.message = "decode_memory", "Decoding it takes too much memory."
    except Exception as error:  # whatever a library makes of a file, the next one is not to suffer
        findings.code, findings.message = "undecodable", f"Decoding it fails: {type(error).__name__}."
    return findings


class _Sampler:
    """Chooses pictures by time, movement and cuts."""

    def __init__(self, give: Callable[[Taken], None], a_second: float, longest: int) -> None:
        self.stretch = 1.0
        """Width of a pixel against its height."""
        self._give = give
        self._step = 1 / a_second
        self._longest = longest
        self._thumb: Any = None
        self._last = -math.inf
        self._looked_at = self._taken_at = -1  # half steps and steps of the time line
        self._cut = False

    def see(self, frame: Any, second: float) -> None:  # noqa: ANN401 - a frame of PyAV
        """Take a picture or pass it over."""
        if second < self._last:  # times that go back begin anew
            self._looked_at = self._taken_at = -1
        self._last = second
        half, whole = (int((second + 1e-3) / step) for step in (self._step / 2, self._step))
        if half == self._looked_at:
            return
        thumb = _pixels(frame, *_THUMB, "gray").astype("i2")
        change = 0.0 if self._thumb is None else float(abs(thumb - self._thumb).mean())
        self._thumb, self._looked_at = thumb, half
        self._cut |= change >= _CUT
        if self._cut or change >= _MOTION or whole != self._taken_at:
            wide, high = round(frame.width * self.stretch), frame.height
            scale = min(1.0, self._longest / max(wide, high))
            pixels = _pixels(frame, max(1, round(wide * scale)), max(1, round(high * scale)), "rgb24")
            blank = bool(thumb.std() < _FLAT)
            self._give(Taken(second, 1 / scale, _turned(pixels, frame), self._cut, blank))
            self._taken_at, self._cut = whole, False


def _take(container: Any, sampler: _Sampler, findings: FilmFindings, most_seconds: float) -> None:  # noqa: ANN401
    import av

    streams = [stream for stream in container.streams.video if not _is_cover(stream)]
    if not streams or container.format.name in _STILLS:
        kind = "no_video_stream" if container.streams.audio else "undecodable"
        raise UndecodableError(kind, "It holds no moving pictures.")
    stream = streams[0]
    findings.container = container.format.name
    if stream.codec_context is None:
        raise UndecodableError("undecodable", "Its codec is not known.")
    findings.codec = stream.codec_context.name
    findings.rate = float(stream.average_rate or 0)
    if findings.rate > _MANY:
        stream.codec_context.skip_frame = "NONREF"
    aspect = float(stream.sample_aspect_ratio or 1)
    sampler.stretch = aspect if 0.2 < aspect < 5 else 1.0
    stated = _stated_seconds(container, stream)
    for frame in _frames(container, stream, findings):
        second = _second(frame, stream, findings)
        if second > most_seconds:
            raise UndecodableError("too_long", f"It is longer than {most_seconds / 3600:g} hours.")
        if not findings.pictures:
            wide, high = round(frame.width * sampler.stretch), frame.height
            sideways = frame.rotation % 180 != 0
            findings.width, findings.height = (high, wide) if sideways else (wide, high)
        findings.pictures += 1
        findings.seconds = max(findings.seconds, second)
        try:
            sampler.see(frame, second)
        except (av.FFmpegError, ValueError, OverflowError) as error:
            if isinstance(error, av.MemoryError):
                raise
            findings.bad_packets += 1
    if not findings.pictures:
        raise UndecodableError("undecodable", _NOTHING)
    if findings.seconds < stated * (1 - _LOST_SHARE) - _LOST_SECONDS:
        raise UndecodableError("truncated", f"It ends after {findings.seconds:.1f} of {stated:.1f} seconds.")


def _stated_seconds(container: Any, stream: Any) -> float:  # noqa: ANN401
    """The length that the file says its pictures have, 0 if that is not to be relied on."""
    if not _STATED & set(container.format.name.split(",")):
        return 0.0
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    # Of the whole file; where there is sound too, that may go on for longer.
    return 0.0 if container.streams.audio else (container.duration or 0) / 1e6


def _frames(container: Any, stream: Any, findings: FilmFindings) -> Iterator[Any]:  # noqa: ANN401
    """The pictures that can be decoded; single bad ones are passed over and counted."""
    import av

    in_a_row = 0
    try:
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except av.MemoryError:
                raise
            except av.EOFError:
                continue
            except av.FFmpegError as error:
                findings.bad_packets += 1
                in_a_row += 1
                if in_a_row >= _MOST_BAD_IN_A_ROW:
                    raise _undecodable(error, "damaged" if findings.pictures else "undecodable") from error
                continue
            for frame in frames:
                in_a_row = 0
                if not 0 < max(frame.width, frame.height) <= _MOST_SIDE:
                    raise UndecodableError("too_many_pixels", f"It has {frame.width:,} × {frame.height:,} pixels.")
                yield frame
    except (av.FFmpegError, ValueError, OverflowError) as error:
        if isinstance(error, av.MemoryError):
            raise
        raise _undecodable(error, "damaged" if findings.pictures else "undecodable") from error


def _is_cover(stream: Any) -> bool:  # noqa: ANN401
    """Whether a stream is the picture on the cover of a record."""
    import av

    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def _second(frame: Any, stream: Any, findings: FilmFindings) -> float:  # noqa: ANN401
    """When a picture is shown, counted from the start of the file's time line."""
    if frame.time is not None and math.isfinite(frame.time):
        start = float(stream.start_time * stream.time_base) if stream.start_time and stream.time_base else 0.0
        container = stream.container.start_time  # in microseconds, the earliest of all streams
        return max(0.0, float(frame.time) - (container / 1e6 if container is not None else start))
    return findings.pictures / (findings.rate or 25.0)


def _pixels(frame: Any, wide: int, high: int, form: str) -> Any:  # noqa: ANN401
    return frame.reformat(width=wide, height=high, format=form, interpolation="AREA").to_ndarray()


def _turned(pixels: Any, frame: Any) -> Any:  # noqa: ANN401
    """The picture standing as its camera says."""
    import numpy as np

    return np.ascontiguousarray(np.rot90(pixels, round(frame.rotation / 90) % 4))


def _undecodable(error: Exception, code: str = "undecodable") -> UndecodableError:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return UndecodableError(code, f"It cannot be decoded: {text.splitlines()[0].rstrip('.')}.")
