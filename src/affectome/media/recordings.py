"""Recordings: files with sound as one stream of segments on the time line."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from affectome.errors import InputError, UsageError
from affectome.media.decoder import Findings
from affectome.media.decoding import SAMPLE_RATE, Decoder, DecodingLimits, Samples
from affectome.media.files import FileProblem, FoundFile, Kind, content_hash, find_files
from affectome.media.segments import segments_schema
from affectome.media.speaker_turns import SpeakerTurns
from affectome.media.voice_activity import SpeechDetector, SpeechRules, Stretch, even_stretches

_SHARD_ROWS = 2000
_PIECE = 6400  # bytes of a stream that are read at once, 0.2 s
# One step of 16 bits: a clip that never reaches it is silence.
_FAINTEST = 2.0**-15


@dataclass(slots=True)
class RecordingEntry:
    """One file that is read.

    Attributes:
        path: Where it is.
        source: Its name in the table.
        digest: SHA-256 of its bytes, hexadecimal.
        format: Container and codec as the last pass found them, such as ``wav/pcm_s16le``; empty before.
        seconds: Length of the sound as the last pass decoded it.
        notes: Counts of the last pass: ``bad_samples`` that were no finite numbers, ``bad_packets`` passed over.
    """

    path: Path
    source: str
    digest: str
    format: str = ""
    seconds: float = 0.0
    notes: Counter[str] = field(default_factory=Counter)


class _Row(NamedTuple):
    id: str
    source: str
    start: float
    end: float
    error: str
    audio: bytes | None
    speaker: str | None = None
    reads: str = "voice"


def recordings_schema(*, words: bool = False) -> pl.Schema:
    """Columns of a table of recorded segments: those of `segments_schema` and ``audio``.

    ``start`` and ``end`` are seconds in the file, ``text`` is null, ``speaker`` too unless turns are told apart.
    ``audio`` is 16-bit little-endian PCM, 16 kHz, mono; null where there is nothing to hear. ``error`` is empty or a
    code of `Decoder.decode`.

    Args:
        words: Whether some rows are there for what is said in them; a column ``reads`` tells them, ``text``, from those
            for the voice, ``voice``.
    """
    return pl.Schema({**segments_schema(), "audio": pl.Binary(), **({"reads": pl.String()} if words else {})})


class RecordingSource:
    """Segments of a set of recordings; made by `read_recordings`.

    Attributes:
        entries: The files that are read, with what the last pass found.
        problems: Files that are not read, or were not read to their end in the last pass.
        fingerprint: SHA-256 over names and contents of the files, the detector and all options: equal fingerprints
            mean equal shards.
    """

    def __init__(
        self,
        entries: Sequence[RecordingEntry],
        problems: Sequence[FileProblem],
        fingerprint: str,
        *,
        detector: SpeechDetector | None,
        rules: SpeechRules,
        shard_seconds: float,
        limits: DecodingLimits,
        turns: SpeakerTurns | None,
        reads: tuple[str, ...],
    ) -> None:
        self.entries = list(entries)
        self.problems = list(problems)
        self.fingerprint = fingerprint
        self._detector = detector
        self._rules = rules
        self._shard_seconds = shard_seconds
        self._limits = limits
        self._turns = turns
        self._reads = reads

    @property
    def files(self) -> list[Path]:
        """The files that are read, in reading order."""
        return [entry.path for entry in self.entries]

    def shards(self) -> Iterator[pl.DataFrame]:
        """Tables with the columns of `recordings_schema`, the same ones on every call.

        A shard holds at least ``shard_seconds`` of sound, less at the end or once it has 2,000 rows. Each file has at
        least one row: a file without speech one without sound, a file that cannot be decoded, or not to its end, one
        with an error at its end; the latter are in ``problems`` too.
        """
        yield from self._tables(self.entries)

    def of(self, path: Path) -> Iterator[pl.DataFrame]:
        """The tables of one of the files."""
        yield from self._tables([entry for entry in self.entries if entry.path == path])

    def _tables(self, entries: Sequence[RecordingEntry]) -> Iterator[pl.DataFrame]:
        shard: list[_Row] = []
        seconds = 0.0
        with Decoder(self._limits) as decoder:
            for entry in entries:
                for row in self._rows(decoder, entry):
                    shard.append(row)
                    seconds += row.end - row.start if row.audio else 0.0
                    if seconds >= self._shard_seconds or len(shard) == _SHARD_ROWS:
                        yield self._table(shard)
                        shard, seconds = [], 0.0
        if shard:
            yield self._table(shard)

    def _table(self, shard: Sequence[_Row]) -> pl.DataFrame:
        return _table(shard, words="text" in self._reads)

    def _rows(self, decoder: Decoder, entry: RecordingEntry) -> Iterator[_Row]:
        self.problems = [problem for problem in self.problems if problem.path != entry.path]
        speakers: Iterator[str] = iter(())
        if self._turns is not None:
            sound = (block for block in decoder.decode(entry.path) if not isinstance(block, Findings))
            speakers = iter(self._turns.of(self._heard(sound)))
        findings = Findings()

        def blocks() -> Iterator[Samples]:
            nonlocal findings
            for block in decoder.decode(entry.path):
                if isinstance(block, Findings):
                    findings = block
                else:
                    yield block

        number = 0
        for stretch in self._heard(blocks()):
            start, end = stretch.start / SAMPLE_RATE, stretch.end / SAMPLE_RATE
            row = _Row(f"{entry.source}#{number}", entry.source, start, end, "", _pcm(stretch.samples))
            row = row._replace(speaker=next(speakers, None), reads=self._reads[0])
            yield row
            for other in self._reads[1:]:
                yield row._replace(id=f"{row.id}:{other}", reads=other)
            number += 1
        entry.format = "/".join(filter(None, (findings.container, findings.codec)))
        entry.seconds = findings.seconds
        entry.notes = Counter(bad_samples=findings.bad_samples, bad_packets=findings.bad_packets)
        if findings.code:
            self.problems.append(FileProblem(entry.path, findings.code, findings.message))
            end = findings.seconds
            row = _Row(f"{entry.source}#{number}", entry.source, end, end, findings.code, None)
            yield row._replace(reads=self._reads[0])
        elif not number:
            row = _Row(f"{entry.source}#0", entry.source, 0.0, findings.seconds, "", None)
            yield row._replace(reads=self._reads[0])

    def _heard(self, blocks: Iterator[Samples]) -> Iterator[Stretch]:
        """The stretches without those of clips taken as a whole in which there is silence."""
        for stretch in self._stretches(blocks):
            if self._detector is not None or np.abs(stretch.samples).max() >= _FAINTEST:
                yield stretch

    def _stretches(self, blocks: Iterator[Samples]) -> Iterator[Stretch]:
        if self._detector is None:
            return even_stretches(blocks, self._rules.most_seconds)
        return self._detector.stretches(blocks, self._rules)


def read_stream(
    stream: IO[bytes], *, detector: SpeechDetector, max_seconds: float = 10.0, name: str = "stdin"
) -> Iterator[pl.DataFrame]:
    """Stretches of speech of sound that goes on, each as soon as it is over.

    Args:
        stream: Raw sound: 16-bit little-endian samples, 16 kHz, mono; read as it comes, until it ends.
        detector: Finds the speech.
        max_seconds: Greatest length of a segment, above 1.
        name: What the sound is called in the table.

    Returns:
        Tables of one row with the columns of `recordings_schema`.

    Raises:
        UsageError: ``bad_segment_length``.
    """
    stretches = detector.stretches(_samples_of(stream), SpeechRules(most_seconds=max_seconds))
    for number, stretch in enumerate(stretches):
        start, end = stretch.start / SAMPLE_RATE, stretch.end / SAMPLE_RATE
        yield _table([_Row(f"{name}#{number}", name, start, end, "", _pcm(stretch.samples))])


def _samples_of(stream: IO[bytes]) -> Iterator[Samples]:
    """Raw 16-bit samples as they come; half a sample at the end is left out."""
    rest = b""
    while data := stream.read(_PIECE):
        data = rest + data
        whole = len(data) // 2 * 2
        rest = data[whole:]
        yield np.frombuffer(data[:whole], "<i2").astype(np.float32) / np.float32(32768)


def read_recordings(
    paths: Sequence[str | Path],
    *,
    detector: SpeechDetector | None,
    max_seconds: float = 10.0,
    whole_clips: bool = False,
    shard_seconds: float = 120.0,
    limits: DecodingLimits | None = None,
    turns: SpeakerTurns | None = None,
    reads: Sequence[str] = ("voice",),
    kinds: Sequence[Kind] = ("sound", "film"),
) -> RecordingSource:
    """Read files with sound, stretch of speech by stretch of speech, in bounded memory.

    Read are all kinds of sound and film that libav or libsndfile decode, and folders of these; texts beside them are
    passed over, `read_segments` reads those.

    Args:
        paths: Files or folders.
        detector: Finds the speech; None only with ``whole_clips``.
        max_seconds: Greatest length of a segment, above 1.
        whole_clips: Take each file as one segment, cut every ``max_seconds``, for sounds that are no speech.
        shard_seconds: Seconds of sound in a shard, above 0.
        limits: What decoding a file may cost.
        turns: Tells the speakers of each recording apart, for which it is decoded twice; None leaves ``speaker`` null.
        reads: What a stretch is there for, ``voice``, ``text`` or both: a row for each, which has the same source,
            start and end. The id of a second row ends in ``:text``. A recording without speech has one row, so has an
            error.
        kinds: What files are read for their sound, ``sound``, ``film`` or both.

    Raises:
        InputError: ``no_paths``, ``missing_path``, ``not_a_file``; ``nothing_readable`` if no file can be opened. What
            is wrong with single files is listed in ``problems``.
        UsageError: ``bad_segment_length``, ``bad_shard_seconds``, ``no_detector``.
        MissingExtraError: The ``voice`` extra is not installed.
    """
    if not shard_seconds > 0:
        raise UsageError(
            "A shard holds some sound.",
            code="bad_shard_seconds",
            value=shard_seconds,
            next_step="Give a number of seconds above 0.",
        )
    if detector is None and not whole_clips:
        raise UsageError(
            "Speech cannot be found without a detector.",
            code="no_detector",
            next_step="Give a SpeechDetector, or whole_clips=True for clips that are to be taken as they are.",
        )
    rules = SpeechRules(most_seconds=max_seconds)
    used = None if whole_clips else detector
    limits = limits or DecodingLimits()
    Decoder(limits).close()  # says at once what is not installed
    found, problems = find_files([paths] if isinstance(paths, str | Path) else paths, kinds=kinds)
    entries = _open_all(found, problems)
    read = [[entry.source, entry.digest] for entry in entries]
    told = turns and [turns.voices.digest, astuple(turns.rules)]
    options = [astuple(rules), astuple(limits), used and used.digest, shard_seconds, told, list(reads)]
    fingerprint = hashlib.sha256(json.dumps([options, read]).encode()).hexdigest()
    return RecordingSource(
        entries,
        problems,
        fingerprint,
        detector=used,
        rules=rules,
        shard_seconds=shard_seconds,
        limits=limits,
        turns=turns,
        reads=tuple(reads),
    )


def _open_all(found: Sequence[FoundFile], problems: list[FileProblem]) -> list[RecordingEntry]:
    """The files that can be opened; the others are added to ``problems``."""
    entries: list[RecordingEntry] = []
    for file in found:
        try:
            entries.append(RecordingEntry(file.path, file.source, content_hash(file.path)))
        except OSError as error:
            message = f"It cannot be read: {error.strerror or error}."
            problems.append(FileProblem(Path(file.given_as), "unreadable", message))
    if not entries:
        reason = f" {problems[0].path}: {problems[0].message}" if problems else ""
        raise InputError(
            f"There is no file with sound that can be read.{reason}",
            code="nothing_readable",
            value=problems[0].path if problems else None,
            next_step="Give .wav, .flac, .mp3, .ogg, .m4a, .mp4, .mkv or other files with sound, or a folder of them.",
        )
    return entries


def _pcm(samples: Samples) -> bytes:
    steps: NDArray[np.int16] = np.rint(samples * np.float32(32767)).astype("<i2")
    return steps.tobytes()


def _table(rows: Sequence[_Row], *, words: bool = False) -> pl.DataFrame:
    names = _Row._fields
    frame = pl.DataFrame(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)), schema_overrides=_OVERRIDES)
    schema = recordings_schema(words=words)
    missing = [pl.lit(None, dtype=schema[name]).alias(name) for name in schema if name not in names and name != "meta"]
    fields = [pl.lit(None, dtype=kind).alias(name) for name, kind in dict(schema["meta"]).items()]  # type: ignore[call-overload]
    return frame.with_columns(*missing, pl.struct(fields).alias("meta")).select(list(schema))


_OVERRIDES = {
    "start": pl.Float64(),
    "end": pl.Float64(),
    "audio": pl.Binary(),
    "error": pl.String(),
    "speaker": pl.String(),
}
