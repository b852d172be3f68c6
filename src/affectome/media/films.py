"""Films: for each one its stretches of speech and the faces in it, on one time line."""

from __future__ import annotations

import bisect
import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from affectome.errors import InputError
from affectome.media.decoding import SAMPLE_RATE
from affectome.media.face_detection import cut_out
from affectome.media.face_tracks import FaceTracker, Finder, TrackedFace, TrackRules
from affectome.media.files import FileProblem, FoundFile, content_hash, find_files
from affectome.media.film_decoder import FilmFindings, Taken
from affectome.media.film_decoding import FilmDecoder, FilmLimits
from affectome.media.pictures import pictures_schema
from affectome.media.recordings import RecordingEntry, RecordingSource

_SHARD_FACES, _SHARD_SECONDS = 96, 60.0
_SAMPLE_SECONDS = 0.05  # of sound whose loudness is one number
_MOMENT_SECONDS = 0.1  # of sound that goes with a picture
_SILENT = 1e-4  # mean level of what is not heard, -80 dB
_NO_SOUND = "no_audio_stream"
_NO_PICTURES = "no_video_stream"


@dataclass(slots=True)
class FilmEntry:
    """One film that is read.

    Attributes:
        path: Where it is.
        source: Its name in the table.
        digest: SHA-256 of its bytes, hexadecimal.
        format: Container and codec of the pictures as the last pass found them, such as ``mov/h264``; empty before.
        seconds: Time of the last picture.
        width: Pixels across, as it is shown.
        height: Pixels down, as it is shown.
        notes: Counts of the last pass: ``pictures`` decoded, ``looked_at``, ``cuts``, ``tracks``, ``bad_packets``.
    """

    path: Path
    source: str
    digest: str
    format: str = ""
    seconds: float = 0.0
    width: int = 0
    height: int = 0
    notes: Counter[str] = field(default_factory=Counter)


def films_schema() -> pl.Schema:
    """Columns of a table of faces in films: those of `pictures_schema`, the struct ``face`` with ``loudness`` as well.

    That is how loud the speech is which is heard with the picture, in decibels of full scale; null where nobody speaks.
    """
    schema = pictures_schema(faces=True)
    return pl.Schema({**schema, "face": pl.Struct({**dict(schema["face"]), "loudness": pl.Float64()})})  # type: ignore[call-overload]


class FilmSource:
    """Segments of a set of films; made by `read_films`.

    Attributes:
        entries: The films that are read, with what the last pass found.
        problems: Files that are not read, or were not read to their end in the last pass.
        fingerprint: SHA-256 over names and contents of the films and all options: equal fingerprints mean equal shards.
    """

    def __init__(
        self,
        entries: Sequence[FilmEntry],
        problems: Sequence[FileProblem],
        fingerprint: str,
        *,
        sound: RecordingSource | None,
        finder: Finder,
        limits: FilmLimits,
        rules: TrackRules,
    ) -> None:
        self.entries = list(entries)
        self.fingerprint = fingerprint
        self._problems = list(problems)
        self._sound = sound
        self._finder = finder
        self._limits = limits
        self._rules = rules

    @property
    def problems(self) -> list[FileProblem]:
        """Files that are not read, or were not read to their end in the last pass."""
        heard = self._sound.problems if self._sound else []
        known = {problem.path for problem in self._problems}
        return self._problems + [each for each in heard if each.code != _NO_SOUND and each.path not in known]

    @property
    def recording_entries(self) -> list[RecordingEntry]:
        """The sound of the films, where it is read."""
        return self._sound.entries if self._sound else []

    def shards(self) -> Iterator[pl.DataFrame]:
        """Tables of one film after the other, the same ones on every call: those of its sound, those of its faces.

        Tables of sound are those of `RecordingSource`, except that a film without sound has none. Tables of faces have
        the columns of `films_schema`; a row is a face at one moment, which lasts until the next picture that is
        looked at. ``speaker`` is its track, ``F1``, ``F2`` and so on by first appearance. A film without a face has one
        row without a picture, one that cannot be decoded, or not to its end, one with an error at its end.
        """
        with FilmDecoder(self._limits) as decoder:
            for entry in self.entries:
                self._problems = [problem for problem in self._problems if problem.path != entry.path]
                loudness = Loudness()
                if self._sound is not None:
                    for table in self._sound.of(entry.path):
                        heard = table.filter(pl.col("error") != _NO_SOUND)
                        if len(heard):
                            loudness.add(heard)
                            yield heard
                yield from self._faces(decoder, entry, loudness)

    def _faces(self, decoder: FilmDecoder, entry: FilmEntry, loudness: Loudness) -> Iterator[pl.DataFrame]:
        entry.notes = Counter()
        rows: list[dict[str, object]] = []
        began = 0.0
        findings = FilmFindings()
        for moment, until, faces in self._seen(decoder, entry):
            if isinstance(moment, FilmFindings):
                findings = moment
                break
            loud = loudness.at(moment.second) if faces else None
            rows += [_row(entry, moment, until, each, loud) for each in faces]
            if rows and (len(rows) >= _SHARD_FACES or moment.second - began >= _SHARD_SECONDS):
                yield _table(rows)
                rows, began = [], moment.second
        entry.format = "/".join(filter(None, (findings.container, findings.codec)))
        entry.seconds, entry.width, entry.height = findings.seconds, findings.width, findings.height
        entry.notes += Counter(pictures=findings.pictures, bad_packets=findings.bad_packets)
        heard = any(each.path == entry.path and each.seconds for each in self.recording_entries)
        if findings.code and not (findings.code == _NO_PICTURES and heard):
            self._problems.append(FileProblem(entry.path, findings.code, findings.message))
            rows.append(_bare(entry, findings.seconds, findings.seconds, findings.code))
        elif not entry.notes["faces"] and not findings.code:
            rows.append(_bare(entry, 0.0, findings.seconds, ""))
        if rows:
            yield _table(rows)

    def _seen(
        self, decoder: FilmDecoder, entry: FilmEntry
    ) -> Iterator[tuple[Taken | FilmFindings, float, list[TrackedFace]]]:
        """Each moment, when the next one comes, and the faces in it; at last what was found."""
        tracker = FaceTracker(self._finder, self._rules)
        held: tuple[Taken, list[TrackedFace]] | None = None
        tracks: set[int] = set()
        for taken in decoder.decode(entry.path):
            if isinstance(taken, FilmFindings):
                if held:
                    yield held[0], held[0].second + 1 / self._limits.a_second, held[1]
                entry.notes["tracks"] = len(tracks)
                yield taken, taken.seconds, []
                return
            if held:
                yield held[0], max(taken.second, held[0].second), held[1]
            faces = tracker.follow(taken.pixels, taken.second, cut=taken.cut, blank=taken.blank)
            entry.notes += Counter(looked_at=1, cuts=int(taken.cut), faces=len(faces))
            tracks |= {face.track for face in faces}
            held = taken, faces


class Loudness:
    """How loud the speech of a film is over time; twenty numbers a second of it are kept."""

    def __init__(self) -> None:
        self._starts: list[float] = []
        self._levels: list[NDArray[np.float32]] = []

    def add(self, stretches: pl.DataFrame) -> None:
        """Take the stretches of a table of `recordings_schema`, in the order of time."""
        step = int(_SAMPLE_SECONDS * SAMPLE_RATE)
        for start, audio in stretches.select("start", "audio").iter_rows():
            if audio and not (self._starts and start <= self._starts[-1]):  # a stretch may have a row for its words
                samples = np.frombuffer(audio, "<i2").astype(np.float32) / np.float32(32767)
                parts = samples[: len(samples) // step * step].reshape(-1, step)
                self._starts.append(start)
                self._levels.append(np.square(parts).mean(axis=1))

    def at(self, second: float) -> float | None:
        """Decibels of full scale around a moment, None where nobody speaks."""
        k = bisect.bisect_right(self._starts, second) - 1
        if k < 0:
            return None
        first = int((second - self._starts[k]) / _SAMPLE_SECONDS)
        levels = self._levels[k][first : first + round(_MOMENT_SECONDS / _SAMPLE_SECONDS)]
        return float(10 * np.log10(max(float(levels.mean()), _SILENT**2))) if len(levels) else None


def read_films(
    paths: Sequence[str | Path],
    *,
    finder: Finder,
    digest: str,
    sound: RecordingSource | None = None,
    limits: FilmLimits | None = None,
    rules: TrackRules | None = None,
) -> FilmSource:
    """Read films, the sound and the faces of each, in bounded memory.

    Args:
        paths: Files or folders; what is no film is passed over.
        finder: Finds the faces.
        digest: SHA-256 of what finds them.
        sound: The sound of the same films; None reads faces alone.
        limits: What decoding a film may cost.
        rules: How faces become tracks.

    Raises:
        InputError: ``no_paths``, ``missing_path``, ``not_a_file``; ``nothing_readable`` if no file can be opened.
        MissingExtraError: An extra is not installed.
    """
    limits, rules = limits or FilmLimits(), rules or TrackRules()
    FilmDecoder(limits).close()  # says at once what is not installed
    found, problems = find_files([paths] if isinstance(paths, str | Path) else paths, kinds=("film",))
    entries = _open_all(found, problems)
    read = [[entry.source, entry.digest] for entry in entries]
    options = [astuple(limits), astuple(rules), digest, sound and sound.fingerprint]
    fingerprint = hashlib.sha256(json.dumps([options, read]).encode()).hexdigest()
    return FilmSource(entries, problems, fingerprint, sound=sound, finder=finder, limits=limits, rules=rules)


def _open_all(found: Sequence[FoundFile], problems: list[FileProblem]) -> list[FilmEntry]:
    entries: list[FilmEntry] = []
    for file in found:
        try:
            entries.append(FilmEntry(file.path, file.source, content_hash(file.path)))
        except OSError as error:
            message = f"It cannot be read: {error.strerror or error}."
            problems.append(FileProblem(Path(file.given_as), "unreadable", message))
    if not entries:
        reason = f" {problems[0].path}: {problems[0].message}" if problems else ""
        raise InputError(
            f"There is no film that can be read.{reason}",
            code="nothing_readable",
            value=problems[0].path if problems else None,
            next_step="Give .mp4, .mov, .mkv, .webm, .avi or other films, or a folder of them.",
        )
    return entries


def _row(
    entry: FilmEntry, moment: Taken, until: float, tracked: TrackedFace, loudness: float | None
) -> dict[str, object]:
    face = tracked.face
    crop = cut_out(moment.pixels, face)
    scale = moment.scale
    place = face._replace(x=face.x * scale, y=face.y * scale, size=face.size * scale)
    return {
        **_bare(entry, moment.second, until, ""),
        "id": f"{entry.source}@{moment.second:.3f}#F{tracked.track}",
        "speaker": f"F{tracked.track}",
        "picture": crop.tobytes(),
        "height": crop.shape[0],
        "width": crop.shape[1],
        "face": {**place._asdict(), "loudness": loudness},
    }


def _bare(entry: FilmEntry, start: float, end: float, error: str) -> dict[str, object]:
    """A row without a picture."""
    return {
        "id": f"{entry.source}@{start:.3f}#",
        "source": entry.source,
        "start": start,
        "end": end,
        "error": error,
        "meta": {"time": None, "group": None},
    }


def _table(rows: Sequence[dict[str, object]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=films_schema())
