"""The two calls most users need: read one text, analyse files."""

from __future__ import annotations

import functools
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import polars as pl

from affectome.errors import InputError, UsageError
from affectome.media import (
    Listener,
    MixedSource,
    SpeechDetector,
    part_inputs,
    read_recordings,
    read_segments,
    read_stream,
)
from affectome.models import Bundle, default_model, find_model, locate
from affectome.perceive import Readers, TextReader, VoiceReader
from affectome.pipeline import RunProgress, RunResult, RunSettings, run
from affectome.pipeline.storage import storage_errors, write_bytes
from affectome.version import __version__

MODALITIES = ("text", "voice")
_TASKS = {"text": "text-affect", "voice": "voice-affect"}
_COMMON = "ekman7"  # taxonomy of a table that several modalities share
_DETECTOR = ("silero-vad", "silero_vad_16k_sequence.onnx")


@dataclass(frozen=True, kw_only=True)
class ReaderOptions:
    """Which model reads, and into which words.

    Args:
        model: Bundle id or folder; by default the shipped one. Where text and voice are read, it answers for its own
            kind.
        taxonomy: Taxonomy id; by default the labels the model was trained on, and ekman7 where text and voice are read.
        labels: Own words for feelings instead of a taxonomy.
        multi_label: Whether several labels may be present at once; by default the taxonomy or the model decides, and
            own words exclude each other.
        commercial: Refuse weights whose training data forbid commercial use.
    """

    model: str | None = None
    taxonomy: str | None = None
    labels: tuple[str, ...] = ()
    multi_label: bool | None = None
    commercial: bool = False

    def open(self, threads: int = 1) -> TextReader:
        """Load the reader of text.

        Raises:
            ModelError: The bundle is missing, changed, or not allowed for commercial use.
            UsageError: The taxonomy or a label does not fit.
        """
        bundle = self._bundle("text")
        return TextReader(bundle, self.taxonomy, labels=self.labels, multi_label=self.multi_label, threads=threads)

    def open_voice(self, threads: int = 1) -> VoiceReader:
        """Load the reader of voices; it raises what `open` raises."""
        bundle = self._bundle("voice")
        words = functools.partial(replace(self, model=None, taxonomy=None, labels=(), multi_label=None).open, threads)
        return VoiceReader(
            bundle, self.taxonomy, labels=self.labels, multi_label=self.multi_label, words=words, threads=threads
        )

    def open_all(self, modalities: Sequence[str], threads: int = 1) -> Readers:
        """Load a reader for each modality, all of the same labels; it raises what `open` raises."""
        options = self
        if len(modalities) > 1:
            options = replace(self, taxonomy=self.taxonomy or _COMMON)
            if self.model is not None:
                task = find_model(self.model, commercial=self.commercial).card.task
                chosen = {name: self.model if _TASKS[name] == task else None for name in modalities}
                if not any(chosen.values()):
                    find_model(self.model, task=_TASKS[modalities[0]])
                opened = {name: replace(options, model=model) for name, model in chosen.items()}
                return Readers({name: _OPENERS[name](each, threads) for name, each in opened.items()})
        return Readers({name: _OPENERS[name](options, threads) for name in modalities})

    def _bundle(self, modality: str) -> Bundle:
        task = _TASKS[modality]
        if self.model:
            return find_model(self.model, task=task, commercial=self.commercial)
        return default_model(task, commercial=self.commercial)


_OPENERS: dict[str, Callable[[ReaderOptions, int], TextReader | VoiceReader]] = {
    "text": ReaderOptions.open,
    "voice": ReaderOptions.open_voice,
}


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What one text shows.

    Attributes:
        text: The text as given, with a question mark for each lone surrogate.
        status: ``scored``, ``abstained`` or ``failed``.
        error: Code of an abstention or failure, empty otherwise.
        emotion: Probability of each label, the most probable first; empty unless scored.
        present: Labels that reach their threshold, 0.5 where none was chosen on labelled texts; for labels that exclude
            each other the most probable one.
        dimensions: Valence, arousal and dominance with their standard deviations, in [-1, 1].
        tone: Sentiment in [-1, 1] and toxicity in [0, 1].
        rating: Measures that the model learnt from a table of its user, on their own scales; mostly empty.
        confidence: Calibrated probability of the first label.
        entropy: Entropy of the labels in nats.
        model: Bundle id and version.
        taxonomy: Taxonomy id; for labels a model learnt from a table of its user, the id of the model.
    """

    text: str
    status: str
    error: str
    emotion: dict[str, float]
    present: tuple[str, ...]
    dimensions: dict[str, float]
    tone: dict[str, float]
    rating: dict[str, float]
    confidence: float | None
    entropy: float | None
    model: str
    taxonomy: str


def read(text: str, options: ReaderOptions | None = None, *, reader: TextReader | None = None) -> Reading:
    """Read one text.

    Args:
        text: English text.
        options: Model and vocabulary.
        reader: A loaded reader, to read many texts one by one; otherwise one is loaded from ``options``.

    Raises:
        ModelError: The bundle is missing, changed, or not allowed for commercial use.
        UsageError: The taxonomy or a label does not fit.
    """
    reader = reader or (options or ReaderOptions()).open(threads=2)
    row = reader.perceive(single_segment(text)).row(0, named=True)
    emotion: dict[str, float] = row["emotion"] or {}
    dimensions = [f"{name}{suffix}" for name in ("valence", "arousal", "dominance") for suffix in ("", "_sd")]
    if reader.exclusive:
        present: tuple[str, ...] = (row["top"],) if emotion else ()
    else:
        present = tuple(label for label, p in emotion.items() if p >= reader.thresholds.get(label, 0.5))
    return Reading(
        text=row["text"],
        status=row["status"],
        error=row["error"],
        emotion=dict(sorted(emotion.items(), key=lambda item: -item[1])),
        present=present,
        dimensions={name: row[name] for name in dimensions} if emotion else {},
        tone=row["tone"] if emotion else {},
        rating=row.get("rating") or {},
        confidence=row["confidence"],
        entropy=row["entropy"],
        model=row["model"],
        taxonomy=row["taxonomy"],
    )


def single_segment(text: str) -> pl.DataFrame:
    """A segment table with one text."""
    text = text.encode(errors="replace").decode()
    meta = pl.Series(
        "meta", [{"time": None, "group": None}], pl.Struct({"time": pl.Datetime("us"), "group": pl.String})
    )
    return pl.DataFrame({"id": ["text"], "source": ["argument"], "text": [text], "error": [""]}).with_columns(
        meta,
        start=pl.lit(None, pl.Float64),
        end=pl.lit(None, pl.Float64),
        speaker=pl.lit(None, pl.String),
    )


@dataclass(frozen=True, kw_only=True)
class InputOptions:
    """Where the text is in the input; columns are found by their usual names unless given.

    Args:
        text_column: Column with the text.
        id_column: Column with a unique id.
        speaker_column: Column with who wrote or spoke.
        time_column: Column with the time.
        group_column: Column with a group to compare.
        keep: Further columns to carry into the estimates.
        sentences: Cut each text into sentences.
        max_seconds: Greatest length of a stretch of speech.
        whole_clips: Take each recording as one stretch instead of looking for speech in it: for laughs and cries.
    """

    text_column: str | None = None
    id_column: str | None = None
    speaker_column: str | None = None
    time_column: str | None = None
    group_column: str | None = None
    keep: tuple[str, ...] = ()
    sentences: bool = False
    max_seconds: float = 10.0
    whole_clips: bool = False


def analyze(
    paths: Sequence[str | Path] | str | Path,
    out: str | Path,
    *,
    reader: ReaderOptions | None = None,
    inputs: InputOptions | None = None,
    settings: RunSettings | None = None,
    modalities: Sequence[str] | None = None,
    report: bool = True,
    command: str = "",
    progress: Callable[[RunProgress], None] | None = None,
) -> RunResult:
    """Read files and folders into ``out/estimates.<format>``, ``out/report.html`` and ``out/run.json``.

    An interrupted call goes on where it stopped when it is made again, with the same bytes in the end.

    Args:
        paths: Files, folders, or ``-`` for standard input.
        out: Folder for the results.
        reader: Model and vocabulary.
        inputs: Columns and cutting.
        settings: Workers, format, time limit.
        modalities: What to read, of ``text`` and ``voice``; by default what the files hold.
        report: Whether to write the report.
        command: The command that was typed, for the record.
        progress: Called as rows are finished.

    Raises:
        InputError: Nothing readable, or a column is missing.
        UsageError: An option does not fit.
        ModelError: The weights cannot be used.
        RunError: The folder holds another run, or the run cannot go on.
    """
    reader, inputs, settings = reader or ReaderOptions(), inputs or InputOptions(), settings or RunSettings()
    chosen = [paths] if isinstance(paths, str | Path) else list(paths)
    out = Path(out)
    _keep_apart(out, chosen)
    source, read_as = open_source(chosen, inputs, modalities)
    loaded = reader.open_all(read_as)  # before anything is written: a wrong label should not leave a folder behind
    identity = {
        "model": loaded.model,
        "model_sha256": loaded.sha256,
        "taxonomy": loaded.taxonomy,
        "labels": ", ".join(reader.labels),
        "exclusive": str(loaded.exclusive),
        "affectome": __version__,
    }
    started = datetime.now(UTC)
    clock = time.perf_counter()
    result = run(
        source,
        functools.partial(reader.open_all, read_as, threads=1),
        out,
        settings=settings,
        identity=identity,
        progress=progress,
    )
    record: dict[str, object] = {
        "affectome": __version__,
        "command": command,
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(time.perf_counter() - clock, 3),
        "inputs": source.inputs,
        "modalities": list(read_as),
        "problems": [
            {"path": str(problem.path), "code": problem.code, "message": problem.message} for problem in source.problems
        ],
        **_described(source),
        "model": loaded.model,
        "model_sha256": loaded.sha256,
        "taxonomy": loaded.taxonomy,
        "labels": list(loaded.labels),
        "exclusive": loaded.exclusive,
        "thresholds": loaded.thresholds,
        "workers": settings.workers,
        "fingerprint": source.fingerprint,
        **{key: value for key, value in result.as_dict().items() if key not in ("seconds", "already_complete")},
    }
    page = out / "report.html"
    finished = _recorded(out / "run.json", record) if result.already_complete else None
    if finished is None or not page.exists():
        if report:
            from affectome.report import write_report

            files = {entry.source: entry.path for entry in source.recording_entries}
            with Listener(files) if files else nullcontext() as sounds:
                write_report(result.estimates, finished or record, page, card=loaded.cards[0], sounds=sounds)
        else:
            page.unlink(missing_ok=True)  # it would show another run
    if finished is None:  # the record comes last: where it is, everything is
        with storage_errors(out):
            content = json.dumps(record, indent=1, ensure_ascii=False) + "\n"
            write_bytes(out / "run.json", content.encode(errors="replace"))
    return result


def open_source(
    paths: Sequence[str | Path], inputs: InputOptions, modalities: Sequence[str] | None = None
) -> tuple[MixedSource, tuple[str, ...]]:
    """What some paths hold, as a source of segments, and the modalities that it has.

    Args:
        paths: Files, folders, or ``-`` for standard input.
        inputs: Columns and cutting.
        modalities: What to read; by default what the files hold.

    Raises:
        InputError: Nothing readable, or a column is missing.
        UsageError: A modality or an option does not fit.
        ModelError: ``base_model_missing`` if speech is to be found and the detector is not there.
        MissingExtraError: There is something to hear and the ``voice`` extra is not installed.
    """
    for modality in modalities or ():
        if modality not in MODALITIES:
            raise UsageError(
                f"{modality!r} cannot be read yet.", code="unknown_modality", value=modality, allowed=MODALITIES
            )
    written, heard = part_inputs(paths)
    recordings = None
    if "voice" in modalities if modalities else heard:
        detector = None if inputs.whole_clips else _detector()
        recordings = read_recordings(
            heard or paths, detector=detector, max_seconds=inputs.max_seconds, whole_clips=inputs.whole_clips
        )
    texts = None
    if "text" in modalities if modalities else written:
        try:
            texts = read_segments(
                written or paths,
                text_column=inputs.text_column,
                id_column=inputs.id_column,
                speaker_column=inputs.speaker_column,
                time_column=inputs.time_column,
                group_column=inputs.group_column,
                keep=inputs.keep,
                sentences=inputs.sentences,
            )
        except InputError as error:
            if recordings is None or modalities or error.code != "nothing_readable":
                raise
    source = MixedSource(texts, recordings)
    return source, tuple(name for name, part in zip(MODALITIES, (texts, recordings), strict=True) if part is not None)


def _described(source: MixedSource) -> dict[str, object]:
    """What the record of a run says about its files."""
    texts = source.texts.entries if source.texts else []
    columns = asdict(texts[0].columns).items() if texts else ()
    recordings = source.recording_entries
    notes = {entry.source: dict(+entry.notes) for entry in texts} | {e.source: dict(+e.notes) for e in recordings}
    return {
        "columns": {role: name for role, name in columns if name and role != "keep"},
        "encodings": {entry.source: entry.encoding for entry in texts if entry.encoding},
        "notes": {name: counts for name, counts in notes.items() if counts},
        "recordings": {entry.source: {"format": entry.format, "seconds": entry.seconds} for entry in recordings},
    }


def listen(
    stream: IO[bytes], *, reader: ReaderOptions | None = None, inputs: InputOptions | None = None
) -> Iterator[dict[str, Any]]:
    """Read the voice in sound that goes on, stretch by stretch.

    Args:
        stream: Raw sound: 16-bit little-endian samples, 16 kHz, mono.
        reader: Model and vocabulary.
        inputs: Greatest length of a stretch.

    Returns:
        A row of the estimates table for each stretch of speech, as soon as it is over.

    Raises:
        UsageError: An option does not fit.
        ModelError: The weights cannot be used, or the speech detector is not there.
    """
    inputs = inputs or InputOptions()
    voice = (reader or ReaderOptions()).open_voice()
    for segment in read_stream(stream, detector=_detector(), max_seconds=inputs.max_seconds):
        yield voice(segment).row(0, named=True)


def _detector() -> SpeechDetector:
    return SpeechDetector(locate(_DETECTOR[0]) / _DETECTOR[1])


def _keep_apart(out: Path, paths: Sequence[str | Path]) -> None:
    """Refuse an output folder inside an input folder: the next call would read what this one wrote."""
    for path in paths:
        if os.path.isdir(path) and out.resolve().is_relative_to(Path(path).resolve()):  # noqa: PTH112 - never raises
            raise UsageError(
                f"The output folder {str(out)!r} is inside the input folder {str(path)!r}.",
                code="out_inside_input",
                value=out,
                next_step="Choose an output folder outside of what is read.",
            )


def _recorded(path: Path, record: dict[str, object]) -> dict[str, object] | None:
    """The record that an earlier call left of the very run, None if there is none."""
    try:
        earlier: dict[str, object] = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    same = ("affectome", "model_sha256", "taxonomy", "labels", "exclusive", "fingerprint", "estimates")
    return earlier if all(earlier.get(key) == record[key] for key in same) else None
