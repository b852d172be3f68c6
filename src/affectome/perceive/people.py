"""Whose voice it is: the stretches of speech of a film and the faces in it, put together as people.

Who speaks moves the mouth. Between two pictures a quarter of a second apart, the opening of a mouth changes by about
0.15 while its owner speaks and 0.03 otherwise, which differs by face and is measured while nobody is heard. Both are
taken as means of exponential distributions, so every pair of pictures is evidence for or against a face being the one
that is heard, and nobody in sight is a possibility too. A mouth that speaks is also open wider where the voice is
louder (Chandrasekaran et al. 2009, The natural statistics of audiovisual speech), which tells it from one that laughs.
Nothing here knows whose face or voice it is beyond the film.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

Array = NDArray[np.float64]

_SILENT, _TIMES = 0.03, 5.0  # usual change of a silent mouth's opening between two pictures; of a speaking one
_STILLEST, _LIVELIEST = 0.01, 0.04  # what a silent mouth may change by in the films of somebody
_FEWEST = 5  # moments of a stretch that a correlation is taken over
_ENOUGH = 8  # pairs of pictures, while nobody is heard, that tell how much a mouth changes by when silent
_LEAST, _MOST = -1.5, 2.5  # what one pair of pictures can say: a mouth may be closed for a moment, or yawn
_PAIRS = 0.25  # of what independent pairs would say
_FOLLOWS = 0.5  # Fisher's z of the correlation of loudness and opening while the owner of a mouth speaks
_CLEAR = 3.0  # what the correlation over a stretch can say
_UNSEEN = -3.0  # log-odds, before any mouth is looked at, of nobody in sight being heard against one who is
_GAP = 0.6  # seconds between two pictures of a track above which nothing is known of what is between
_TOGETHER = 1.0  # seconds for which two tracks are seen at once and so belong to two people


@dataclass(frozen=True)
class Person:
    """Somebody in a film.

    Attributes:
        name: ``P1``, ``P2`` and so on by first appearance.
        tracks: Tracks of the face.
        speakers: Labels of the voice, where speakers were told apart.
        link: Probability that face and voice belong together, the lowest of its links; None if it has no link.
    """

    name: str
    tracks: tuple[str, ...]
    speakers: tuple[str, ...]
    link: float | None


@dataclass(frozen=True)
class People:
    """Everybody in a film.

    Attributes:
        persons: By first appearance.
        of_track: Name of the person by track.
        of_stretch: For each stretch of speech the name of the person.
        links: For each stretch the probability that this is right; 1 where nobody is in sight.
    """

    persons: tuple[Person, ...]
    of_track: Mapping[str, str]
    of_stretch: tuple[str, ...]
    links: tuple[float, ...]


def tell_people(faces: pl.DataFrame, stretches: pl.DataFrame) -> People:
    """Put faces and voices of one film together.

    Where speakers were told apart, each has the faces that move while it speaks, several of them if they are never seen
    at once; a face that is nobody's is a person of its own, so is a voice without a face. Where they were not, each
    stretch of speech goes to the face in sight that moves most like speaking.

    Args:
        faces: Columns ``track``, ``start``, ``end`` in seconds, ``mouth``, its opening, and ``loudness`` of the speech
            heard with it in decibels, null where that is not known; in the order of time.
        stretches: Columns ``start``, ``end`` and ``speaker``, null where speakers were not told apart.
    """
    tracks = faces["track"].unique(maintain_order=True).to_list()
    spans = {name: (float(part["start"].min()), float(part["end"].max())) for (name,), part in faces.group_by("track")}  # type: ignore[arg-type]
    evidence = _evidence(faces, tracks, stretches)
    speakers = stretches["speaker"].to_list()
    named = list(dict.fromkeys(name for name in speakers if name is not None))
    owner: dict[str, str | None] = dict.fromkeys(tracks)
    certainty: dict[str, float] = {}
    for share, track, name in sorted(_claims(evidence, tracks, speakers, named), reverse=True):
        taken = [other for other in tracks if owner[other] == name]
        if owner[track] is None and not any(_overlap(spans[track], spans[other]) > _TOGETHER for other in taken):
            owner[track], certainty[track] = name, share
    # Somebody is known by a speaker's label, a track that is nobody's, or as the voice of whom nobody sees.
    of_stretch: list[str] = []
    links: list[float] = []
    for name, row in zip(speakers, evidence, strict=True):
        if name is not None:
            own = [certainty[track] for track in tracks if owner[track] == name]
            of_stretch.append(f"speaker {name}")
            links.append(min(own, default=1.0))
        else:
            shares = _shares(row)
            best = int(shares.argmax())
            of_stretch.append(f"track {tracks[best]}" if best < len(tracks) else "unseen")
            links.append(float(shares[best]))
    keys = {track: f"speaker {name}" if name is not None else f"track {track}" for track, name in owner.items()}
    began: dict[str, float] = {}
    for track, key in keys.items():
        began[key] = min(began.get(key, np.inf), spans[track][0])
    for key, start in zip(of_stretch, stretches["start"], strict=True):
        began[key] = min(began.get(key, np.inf), start)
    names = {key: f"P{number}" for number, key in enumerate(sorted(began, key=lambda key: (began[key], key)), start=1)}
    persons = [
        Person(
            name,
            tuple(track for track in tracks if keys[track] == key),
            (key.removeprefix("speaker "),) if key.startswith("speaker ") else (),
            _lowest(key, keys, of_stretch, links),
        )
        for key, name in names.items()
    ]
    return People(
        tuple(persons),
        {track: names[key] for track, key in keys.items()},
        tuple(names[key] for key in of_stretch),
        tuple(links),
    )


def _evidence(faces: pl.DataFrame, tracks: Sequence[str], stretches: pl.DataFrame) -> Array:
    """Log-likelihood ratio (stretches, tracks) of speaking against silence; NaN where a track is not in sight."""
    found = np.full((len(stretches), len(tracks)), np.nan)
    starts, ends = stretches["start"].to_numpy(), stretches["end"].to_numpy()
    for k, track in enumerate(tracks):
        own = faces.filter(pl.col("track") == track)
        times, mouth = own["start"].to_numpy(), own["mouth"].to_numpy().astype(np.float64)
        middles = (times[1:] + times[:-1]) / 2
        change = np.abs(np.diff(mouth))
        known = (np.diff(times) <= _GAP) & np.isfinite(change)
        middles, change = middles[known], change[known]
        silent = _silent_change(middles, change, starts, ends)
        ratio = change / silent * (1 - 1 / _TIMES) - np.log(_TIMES)
        total = np.concatenate([[0.0], np.cumsum(_PAIRS * np.clip(ratio, _LEAST, _MOST))])
        first, last = np.searchsorted(middles, starts), np.searchsorted(middles, ends)
        seen = last > first
        found[seen, k] = (total[last] - total[first])[seen]
        loudness = own["loudness"].to_numpy().astype(np.float64)
        for i in np.flatnonzero(seen):
            here = (times >= starts[i]) & (times < ends[i])
            found[i, k] += _following(mouth[here], loudness[here])
    return found


def _following(mouth: Array, loudness: Array) -> float:
    """Log-likelihood ratio of a mouth that opens with the loudness against one that has nothing to do with it.

    Fisher's z of a correlation over n moments has the variance 1 / (n - 3).
    """
    known = np.isfinite(mouth) & np.isfinite(loudness)
    mouth, loudness = mouth[known], loudness[known]
    if len(mouth) < _FEWEST or mouth.std() < 1e-6 or loudness.std() < 1e-6:
        return 0.0
    z = np.arctanh(np.clip(np.corrcoef(mouth, loudness)[0, 1], -0.99, 0.99))
    return float(np.clip((len(mouth) - 3) * _FOLLOWS * (z - _FOLLOWS / 2), -_CLEAR, _CLEAR))


def _silent_change(middles: Array, change: Array, starts: Array, ends: Array) -> float:
    """Mean change of a mouth while nobody is heard, by the median, which moments of laughter do not move."""
    quiet = np.searchsorted(np.sort(starts), middles, side="right") <= np.searchsorted(np.sort(ends), middles)
    if quiet.sum() < _ENOUGH:
        return _SILENT
    return float(np.clip(np.median(change[quiet]) / np.log(2), _STILLEST, _LIVELIEST))


def _shares(evidence: Array) -> Array:
    """Probability of each track being the one that is heard, and at last of nobody in sight."""
    logs = np.append(np.where(np.isnan(evidence), -np.inf, evidence), _UNSEEN)
    shares = np.exp(logs - logs.max())
    return np.asarray(shares / shares.sum())


def _claims(
    evidence: Array, tracks: Sequence[str], speakers: Sequence[str | None], named: Sequence[str]
) -> list[tuple[float, str, str]]:
    """Probability that a track belongs to a speaker, for each track and the speaker it fits best."""
    claims = []
    for k, track in enumerate(tracks):
        each = np.array([np.nansum(evidence[[s == name for s in speakers], k]) for name in named])
        if len(each):
            shares = _shares(each)
            best = int(shares.argmax())
            if best < len(named):
                claims.append((float(shares[best]), track, named[best]))
    return claims


def _overlap(one: tuple[float, float], other: tuple[float, float]) -> float:
    return min(one[1], other[1]) - max(one[0], other[0])


def _lowest(key: str, keys: Mapping[str, str], of_stretch: Sequence[str], links: Sequence[float]) -> float | None:
    """The least sure link of somebody who has both a face and a voice."""
    own = [link for each, link in zip(of_stretch, links, strict=True) if each == key]
    return min(own) if own and key in keys.values() else None
