"""Several kinds of input as one stream of segment tables."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from affectome.errors import InputError
from affectome.media.files import FileProblem, Kind, find_files
from affectome.media.films import FilmEntry, FilmSource
from affectome.media.pictures import PictureEntry, PictureSource
from affectome.media.recordings import RecordingEntry, RecordingSource
from affectome.media.segments import SegmentSource


class MixedSource:
    """Texts, then recordings, then films, then pictures.

    Every table holds one kind: sound has a column ``audio``, pictures have a column ``picture``, faces in them also a
    column ``face``.

    Args:
        texts: Segments of text.
        recordings: Segments of sound.
        pictures: Pictures and the faces in them.
        films: Sound and faces of films.

    Attributes:
        fingerprint: Of one kind alone its own, otherwise SHA-256 over those of all.
    """

    def __init__(
        self,
        texts: SegmentSource | None = None,
        recordings: RecordingSource | None = None,
        pictures: PictureSource | None = None,
        films: FilmSource | None = None,
    ) -> None:
        self.texts, self.recordings, self.pictures, self.films = texts, recordings, pictures, films
        self._sources = [source for source in (texts, recordings, films, pictures) if source is not None]
        prints = [source.fingerprint for source in self._sources]
        self.fingerprint = prints[0] if len(prints) == 1 else hashlib.sha256("".join(prints).encode()).hexdigest()

    @property
    def problems(self) -> list[FileProblem]:
        """Files that nobody reads, or that were not read to their end in the last pass."""
        elsewhere = set(self._elsewhere)
        found = {problem: None for source in self._sources for problem in source.problems}
        return [each for each in found if each.code != "unknown_format" or each.path not in elsewhere]

    @property
    def inputs(self) -> list[str]:
        """The files that are read, as texts."""
        texts = self.texts.entries if self.texts else []
        named = [entry.source if entry.source == "stdin" else str(entry.path) for entry in texts]
        return named + [str(path) for path in dict.fromkeys(self._elsewhere)]

    @property
    def _elsewhere(self) -> list[Path]:
        """The files that are no texts."""
        seen = [entry.path for entry in self.film_entries] + [entry.path for entry in self.picture_entries]
        return [entry.path for entry in self.recording_entries] + seen

    @property
    def recording_entries(self) -> list[RecordingEntry]:
        """The recordings that are read, and the sound of films."""
        alone = self.recordings.entries if self.recordings else []
        return alone + (self.films.recording_entries if self.films else [])

    @property
    def film_entries(self) -> list[FilmEntry]:
        """The films whose pictures are read."""
        return self.films.entries if self.films else []

    @property
    def picture_entries(self) -> list[PictureEntry]:
        """The pictures that are read."""
        return self.pictures.entries if self.pictures else []

    def shards(self) -> Iterator[pl.DataFrame]:
        """The tables of every kind, the same ones on every call."""
        for source in self._sources:
            yield from source.shards()


def part_inputs(paths: Sequence[str | Path]) -> dict[Kind, list[str | Path]]:
    """Which of some paths hold texts, sound, films or pictures; folders may hold all of them.

    Raises:
        InputError: ``no_paths``, ``missing_path`` or ``not_a_file``.
    """
    if not paths:
        raise InputError(
            "No file was given.", code="no_paths", next_step="Name files, folders, or - for standard input."
        )
    parts: dict[Kind, list[str | Path]] = {"text": [], "sound": [], "film": [], "picture": []}
    others: tuple[Kind, ...] = ("sound", "film", "picture")
    for path in paths:
        named = False
        for kind in others:
            found, _ = find_files([path], kinds=(kind,))
            if found:
                parts[kind].append(path)
                named |= found[0].named
        if not named:
            parts["text"].append(path)
    return parts
