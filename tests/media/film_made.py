"""Films made at run time: bright squares that move over grey, which a stand-in for the face detector finds."""

import math

import numpy as np
import pytest

from affectome.media.face_detection import FoundFace

WIDE, HIGH = 320, 180


def squares(places, *, wide=WIDE, high=HIGH, shade=60):
    """A picture with bright squares: x, y of the middle and side each."""
    picture = np.full((high, wide, 3), shade, np.uint8)
    for x, y, side in places:
        top, left = max(0, round(y - side / 2)), max(0, round(x - side / 2))
        picture[top : top + round(side), left : left + round(side)] = 255
    return picture


def write_film(path, pictures, *, rate=25, codec="mpeg4", container=None, sound=None, turned=0, times=None):
    """A film of pictures (h, w, 3) of equal size, with sound (n,) at 16 kHz if there is some."""
    av = pytest.importorskip("av", reason="needs the voice extra")
    with av.open(str(path), "w", format=container) as file:
        stream = file.add_stream(codec, rate=rate)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = 4_000_000
        if turned:
            stream.set_display_rotation(turned)
        track = file.add_stream("aac", rate=16_000, layout="mono") if sound is not None else None
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = number if times is None else times[number]
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
        if track is not None:
            data = np.rint(np.clip(sound, -1, 1) * 32767).astype(np.int16)[None]
            frame = av.AudioFrame.from_ndarray(data, format="s16", layout="mono")
            frame.rate, frame.pts = 16_000, 0
            file.mux(track.encode(frame))
            file.mux(track.encode(None))
    return path


class SquareFinder:
    """Finds bright squares, each one a face; counts how often it looks at how much."""

    digest = "squares"

    def __init__(self):
        self.wholes = self.parts = 0

    def __call__(self, picture):
        self.wholes += 1
        return self._find(picture, 0, 0)

    def within(self, picture, x, y, side):
        self.parts += 1
        left, top = max(0, round(x - side / 2)), max(0, round(y - side / 2))
        return self._find(picture[top : top + round(side), left : left + round(side)], left, top)

    def _find(self, picture, left, top):
        bright = picture[:, :, 0] > 200
        found = []
        while bright.any():
            row, column = np.argwhere(bright)[0]
            right = column + int(np.argmin(np.append(bright[row, column:], False)))
            low = row + int(np.argmin(np.append(bright[row:, column], False)))
            bright[max(0, row - 2) : low + 2, max(0, column - 2) : right + 2] = False
            side = math.sqrt((right - column) * (low - row))
            if side >= 8:
                found.append(FoundFace(left + (column + right) / 2, top + (row + low) / 2, side, 0.0, 0.9))
        return sorted(found)
