"""Several kinds of input as one stream of segment tables."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from affectome.errors import InputError
from affectome.media.files import FileProblem, find_files
from affectome.media.recordings import RecordingEntry, RecordingSource
from affectome.media.segments import SegmentSource


class MixedSource:
    """Texts, then recordings; every table holds one kind, recordings have a column ``audio``.

    Args:
        texts: Segments of text.
        recordings: Segments of sound.

    Attributes:
        fingerprint: Of one kind alone its own, otherwise SHA-256 over those of both.
    """

    def __init__(self, texts: SegmentSource | None, recordings: RecordingSource | None) -> None:
        self.texts, self.recordings = texts, recordings
        self._sources = [source for source in (texts, recordings) if source is not None]
        prints = [source.fingerprint for source in self._sources]
        self.fingerprint = prints[0] if len(prints) == 1 else hashlib.sha256("".join(prints).encode()).hexdigest()

    @property
    def problems(self) -> list[FileProblem]:
        """Files that nobody reads, or that were not read to their end in the last pass."""
        recorded = {entry.path for entry in self.recordings.entries} if self.recordings else set()
        found = {problem: None for source in self._sources for problem in source.problems}
        return [each for each in found if each.code != "unknown_format" or each.path not in recorded]

    @property
    def inputs(self) -> list[str]:
        """The files that are read, as texts."""
        texts = self.texts.entries if self.texts else []
        named = [entry.source if entry.source == "stdin" else str(entry.path) for entry in texts]
        return named + [str(entry.path) for entry in self.recording_entries]

    @property
    def recording_entries(self) -> list[RecordingEntry]:
        """The recordings that are read."""
        return self.recordings.entries if self.recordings else []

    def shards(self) -> Iterator[pl.DataFrame]:
        """The tables of every kind, the same ones on every call."""
        for source in self._sources:
            yield from source.shards()


def part_inputs(paths: Sequence[str | Path]) -> tuple[list[str | Path], list[str | Path]]:
    """Which of some paths hold something to read as text, and which something to hear; folders may hold both.

    Raises:
        InputError: ``no_paths``, ``missing_path`` or ``not_a_file``.
    """
    if not paths:
        raise InputError(
            "No file was given.", code="no_paths", next_step="Name files, folders, or - for standard input."
        )
    written: list[str | Path] = []
    heard: list[str | Path] = []
    for path in paths:
        sounds, _ = find_files([path], sound=True)
        if sounds:
            heard.append(path)
        if not (sounds and sounds[0].named):
            written.append(path)
    return written, heard
