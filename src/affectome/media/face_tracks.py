"""Following faces from picture to picture of a film."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from affectome.media.face_detection import FoundFace, Pixels

_REACH = 3.0  # side of the square in which a face is looked for again, against that of its box
_NEAR = 0.8  # distance between the middles of one face in two pictures, against the side of its box
_ALIKE = 2.0  # factor between the sizes of one face in two pictures
_EMPTY_SECONDS = 0.5  # between two looks at a whole picture when nobody is in sight
_MOST_FACES = 32  # of one picture; the surest are followed


class Finder(Protocol):
    """Finds faces; `FaceDetector` is one."""

    def __call__(self, picture: Pixels, /) -> list[FoundFace]:
        """The faces of a whole picture (h, w, 3)."""
        ...

    def within(self, picture: Pixels, x: float, y: float, side: float, /) -> list[FoundFace]:
        """The faces in a square around a point of a picture."""
        ...


@dataclass(frozen=True, kw_only=True)
class TrackRules:
    """How faces become tracks.

    Attributes:
        whole_seconds: Time after which the whole picture is looked at again, for faces that came in.
        lost_seconds: Time after which a face that is not seen any more has left; who comes back is somebody new.
    """

    whole_seconds: float = 1.0
    lost_seconds: float = 1.0


class TrackedFace(NamedTuple):
    """A face of a film at one moment.

    Attributes:
        track: Number of its track, from 1 on.
        face: Where it is.
    """

    track: int
    face: FoundFace


@dataclass(slots=True)
class _Track:
    number: int
    face: FoundFace
    seen: float
    moved: tuple[float, float] = (0.0, 0.0)  # pixels a second


class FaceTracker:
    """Follows the faces of one film.

    Between looks at the whole picture, each face is looked for near where it is expected, which costs a fraction. Faces
    are told apart by their places alone, never by whose they are; after a cut everybody is new.

    Args:
        finder: Finds faces.
        rules: How they become tracks.
    """

    def __init__(self, finder: Finder, rules: TrackRules | None = None) -> None:
        self._finder = finder
        self._rules = rules or TrackRules()
        self._tracks: list[_Track] = []
        self._count = 0
        self._looked_at = float("-inf")

    def follow(self, picture: Pixels, second: float, *, cut: bool = False, blank: bool = False) -> list[TrackedFace]:
        """The faces of the next picture, by the numbers of their tracks.

        Args:
            picture: RGB values (h, w, 3).
            second: When it is shown, not before the one before.
            cut: Whether it shows something else than the one before.
            blank: Whether there is nothing to see, so that nobody is looked for.
        """
        if cut or second < self._looked_at:
            self._tracks, self._looked_at = [], float("-inf")
        self._tracks = [track for track in self._tracks if second - track.seen <= self._rules.lost_seconds]
        if blank:
            return []
        found = None if self._is_due(second) else self._nearby(picture, second)
        if found is None:
            self._looked_at = second
            surest = sorted(self._finder(picture), key=lambda face: -face.score)[:_MOST_FACES]
            found = self._matched(surest, second)
        return sorted(found)

    def _is_due(self, second: float) -> bool:
        wait = self._rules.whole_seconds if self._tracks else _EMPTY_SECONDS
        return second - self._looked_at >= wait - 1e-6

    def _nearby(self, picture: Pixels, second: float) -> list[TrackedFace] | None:
        """Every face near where it is expected; None if one of them is not there, or nobody is followed."""
        followed = []
        for track in self._tracks:
            x, y = _expected(track, second)
            near = self._finder.within(picture, x, y, track.face.size * _REACH)
            same = [face for face in near if _distance(track, face, second) <= _NEAR]
            if not same:
                return None
            followed.append((track, min(same, key=lambda face: _distance(track, face, second))))
        places = {(face.x, face.y) for _, face in followed}
        if len(places) < len(followed):  # two tracks on one face
            return None
        return [_moved(track, face, second) for track, face in followed]

    def _matched(self, faces: Sequence[FoundFace], second: float) -> list[TrackedFace]:
        """Faces as the nearest tracks, each once; the others begin tracks."""
        pairs = sorted(
            (distance, k, j)
            for k, track in enumerate(self._tracks)
            for j, face in enumerate(faces)
            if (distance := _distance(track, face, second)) <= _NEAR
        )
        of_face: dict[int, _Track] = {}
        taken: set[int] = set()
        for _, k, j in pairs:
            if k not in taken and j not in of_face:
                taken.add(k)
                of_face[j] = self._tracks[k]
        found = []
        for j, face in enumerate(faces):
            track = of_face.get(j)
            if track is None:
                self._count += 1
                track = _Track(self._count, face, second)
                self._tracks.append(track)
            found.append(_moved(track, face, second))
        return found


def _expected(track: _Track, second: float) -> tuple[float, float]:
    passed = second - track.seen
    return track.face.x + track.moved[0] * passed, track.face.y + track.moved[1] * passed


def _distance(track: _Track, face: FoundFace, second: float) -> float:
    """Distance from where a face is expected, against its size; infinite if it is of another size."""
    factor = face.size / track.face.size
    if not 1 / _ALIKE <= factor <= _ALIKE:
        return float("inf")
    x, y = _expected(track, second)
    return float(np.hypot(face.x - x, face.y - y)) / max(face.size, track.face.size)


def _moved(track: _Track, face: FoundFace, second: float) -> TrackedFace:
    passed = second - track.seen
    if passed > 0:
        track.moved = (face.x - track.face.x) / passed, (face.y - track.face.y) / passed
    track.face, track.seen = face, second
    return TrackedFace(track.number, face)
