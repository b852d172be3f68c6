"""The two calls most users need: read one text, analyse files."""

from __future__ import annotations

import functools
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import polars as pl

from affectome.errors import InputError, UsageError
from affectome.media import (
    FaceDetector,
    Listener,
    MixedSource,
    SpeakerEncoder,
    SpeakerTurns,
    SpeechDetector,
    Transcriber,
    Transcription,
    TurnRules,
    Viewer,
    find_transcription,
    part_inputs,
    read_pictures,
    read_recordings,
    read_segments,
    read_stream,
)
from affectome.media.files import Kind
from affectome.models import Bundle, default_model, find_model, locate
from affectome.perceive import (
    ActionUnits,
    FaceMesh,
    FaceReader,
    ImageReader,
    Reader,
    Readers,
    SpokenReaders,
    TextReader,
    VoiceReader,
)
from affectome.pipeline import RunProgress, RunResult, RunSettings, run
from affectome.pipeline.storage import storage_errors, write_bytes
from affectome.version import __version__

MODALITIES = ("text", "voice", "face", "image")
_TASKS = {"text": "text-affect", "voice": "voice-affect", "face": "face-affect"}
_COMMON = "ekman7"  # taxonomy of a table that several modalities share
_DETECTOR = ("silero-vad", "silero_vad_16k_sequence.onnx")
# Sound in a shard; what is written down has to be, by a large model, within the time limit of a shard.
_HEARD_SECONDS, _TRANSCRIBED_SECONDS = 120.0, 30.0
_READ_AS: dict[Kind, tuple[str, ...]] = {"text": ("text",), "sound": ("voice",), "picture": ("face", "image")}
_FACES = ("face-mesh", "face_detection_full_range.tflite")


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
        return VoiceReader(
            bundle,
            self.taxonomy,
            labels=self.labels,
            multi_label=self.multi_label,
            words=self._words(threads),
            threads=threads,
        )

    def open_face(self, threads: int = 1) -> FaceReader:
        """Load the reader of faces; it raises what `open` raises."""
        return FaceReader(
            self._bundle("face"),
            FaceMesh(locate(_FACES[0])),
            ActionUnits.of(default_model("action-units")),
            self.taxonomy,
            labels=self.labels,
            multi_label=self.multi_label,
            words=self._words(threads),
            threads=threads,
        )

    def open_all(self, modalities: Sequence[str], threads: int = 1) -> Readers:
        """Load a reader for each modality, all of the same labels; it raises what `open` raises."""
        felt = [name for name in modalities if name in _TASKS]
        options = dict.fromkeys(felt, self)
        if len(felt) > 1:
            common = replace(self, taxonomy=self.taxonomy or _COMMON)
            options = dict.fromkeys(felt, common)
            if self.model is not None:
                task = find_model(self.model, commercial=self.commercial).card.task
                if task not in [_TASKS[name] for name in felt]:
                    find_model(self.model, task=_TASKS[felt[0]])
                options = {name: common if _TASKS[name] == task else replace(common, model=None) for name in felt}
        readers: dict[str, Reader] = {name: _OPENERS[name](options[name], threads) for name in felt}
        if "image" in modalities:
            shared = next(iter(readers.values()), None)
            readers["image"] = ImageReader.beside(shared)
        return Readers(readers)

    def _words(self, threads: int) -> Callable[[], TextReader]:
        """Opens the text reader that places words in the affect space."""
        return functools.partial(replace(self, model=None, taxonomy=None, labels=(), multi_label=None).open, threads)

    def _bundle(self, modality: str) -> Bundle:
        task = _TASKS[modality]
        if self.model:
            return find_model(self.model, task=task, commercial=self.commercial)
        return default_model(task, commercial=self.commercial)


_OPENERS: dict[str, Callable[[ReaderOptions, int], Reader]] = {
    "text": ReaderOptions.open,
    "voice": ReaderOptions.open_voice,
    "face": ReaderOptions.open_face,
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
        face_crops: Take each picture as one face that was cut out already, instead of looking for faces in it.
        transcribe: Write down what is said in recordings with this Whisper model: its folder in CTranslate2 layout, a
            size such as small or tiny.en, or owner/name on the Hugging Face hub.
        language: Code of the language that is spoken, such as en; by default the model tells it for each stretch.
        speakers: Tell the speakers of each recording apart; as a number, how many they are. Write it behind the files.
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
    face_crops: bool = False
    transcribe: str | None = None
    language: str | None = None
    speakers: bool | int = False

    def transcription(self) -> Transcription | None:
        """The model that writes down what is said, None if none was asked for.

        It raises what `find_transcription` raises.
        """
        return find_transcription(self.transcribe, self.language) if self.transcribe else None

    def turns(self) -> SpeakerTurns | None:
        """What tells speakers apart, None if it was not asked for.

        Raises:
            ModelError: ``base_model_missing`` if the speaker encoder is not there.
            UsageError: ``bad_speakers``.
        """
        if self.speakers is False:
            return None
        rules = TurnRules(speakers=None if self.speakers is True else self.speakers)
        return SpeakerTurns(SpeakerEncoder(locate("speaker-encoder")), rules)


def analyze(
    paths: Sequence[str | Path] | str | Path,
    out: str | Path,
    *,
    reader: ReaderOptions | None = None,
    inputs: InputOptions | None = None,
    settings: RunSettings | None = None,
    modalities: Sequence[str] | None = None,
    report: bool = True,
    contact_sheet: bool = False,
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
        modalities: What to read, of ``text``, ``voice``, ``face`` and ``image``; by default what the files hold.
        report: Whether to write the report.
        contact_sheet: Whether the report holds small pictures of the surest faces; otherwise it holds no picture.
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
    if contact_sheet and not (report and "face" in read_as):
        raise UsageError(
            "There is no contact sheet without faces." if report else "There is no contact sheet without a report.",
            code="no_contact_sheet",
            value="--contact-sheet",
            next_step="Leave it out, or read faces and write the report.",
        )
    loaded = reader.open_all(read_as)  # before anything is written: a wrong label should not leave a folder behind
    words = inputs.transcription() if source.recordings else None
    if words is not None:
        Transcriber(words)
    identity = {
        "model": loaded.model,
        "model_sha256": loaded.sha256,
        "taxonomy": loaded.taxonomy,
        "labels": ", ".join(reader.labels),
        "exclusive": str(loaded.exclusive),
        "affectome": __version__,
        **({"transcription": words.digest} if words else {}),
    }
    started = datetime.now(UTC)
    clock = time.perf_counter()
    result = run(
        source,
        functools.partial(_open_readers, reader, read_as, words),
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
        **({"transcription": {"model": words.model, "sha256": words.digest}} if words else {}),
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
    told = finished or record
    if told.get("contact_sheet", False) != contact_sheet:
        told = {**told, "command": command, "contact_sheet": contact_sheet}
    if told != finished or not page.exists():
        if report:
            card = next(iter(loaded.cards), None)
            _write_page(result.estimates, told, page, card, source, contact_sheet=contact_sheet)
        else:
            page.unlink(missing_ok=True)  # it would show another run
    if told != finished:  # the record comes last: where it is, everything is
        with storage_errors(out):
            content = json.dumps(told, indent=1, ensure_ascii=False) + "\n"
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
    parts = part_inputs(paths)
    wanted = set(modalities or [name for kind, names in _READ_AS.items() if parts[kind] for name in names])
    recordings = pictures = texts = None
    heard_as = [name for name in ("voice", "text") if name in wanted]
    if not (inputs.transcribe and modalities and parts["sound"]):  # what is said is read as text only on request
        heard_as = ["voice"] if "voice" in wanted else []
    if heard_as:
        detector = None if inputs.whole_clips else _detector()
        recordings = read_recordings(
            parts["sound"] or paths,
            detector=detector,
            max_seconds=inputs.max_seconds,
            whole_clips=inputs.whole_clips,
            turns=inputs.turns(),
            reads=heard_as,
            shard_seconds=_TRANSCRIBED_SECONDS if inputs.transcribe else _HEARD_SECONDS,
        )
    if wanted & {"face", "image"}:
        finder = FaceDetector(locate(_FACES[0]) / _FACES[1]) if "face" in wanted and not inputs.face_crops else None
        pictures = read_pictures(
            parts["picture"] or paths, faces="face" in wanted, looks="image" in wanted, detector=finder
        )
    if "text" in wanted and (parts["text"] or "text" not in heard_as):
        try:
            texts = read_segments(
                parts["text"] or paths,
                text_column=inputs.text_column,
                id_column=inputs.id_column,
                speaker_column=inputs.speaker_column,
                time_column=inputs.time_column,
                group_column=inputs.group_column,
                keep=inputs.keep,
                sentences=inputs.sentences,
            )
        except InputError as error:
            spoken = "text" in heard_as
            if not (recordings or pictures) or (modalities and not spoken) or error.code != "nothing_readable":
                raise
            if not spoken:
                wanted.discard("text")
    return MixedSource(texts, recordings, pictures), tuple(name for name in MODALITIES if name in wanted)


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
        **({"grouped_by": "folder"} if source.pictures and source.pictures.groups else {}),
    }


def listen(
    stream: IO[bytes], *, reader: ReaderOptions | None = None, inputs: InputOptions | None = None
) -> Iterator[dict[str, Any]]:
    """Read the voice in sound that goes on, stretch by stretch.

    Args:
        stream: Raw sound: 16-bit little-endian samples, 16 kHz, mono.
        reader: Model and vocabulary.
        inputs: Greatest length of a stretch, and what writes down its words.

    Returns:
        A row of the estimates table for each stretch of speech, as soon as it is over.

    Raises:
        UsageError: An option does not fit.
        ModelError: The weights cannot be used, or the speech detector is not there.
    """
    inputs = inputs or InputOptions()
    if inputs.speakers is not False:
        raise UsageError(
            "Speakers are told apart once all of them were heard, not while it listens.",
            code="no_speakers_in_stream",
            value="--speakers",
            next_step="Leave it out, or give a recording.",
        )
    voice = _open_readers(reader or ReaderOptions(), ("voice",), inputs.transcription())
    for segment in read_stream(stream, detector=_detector(), max_seconds=inputs.max_seconds):
        yield voice(segment).row(0, named=True)


def _write_page(
    estimates: Path,
    record: Mapping[str, object],
    page: Path,
    card: Mapping[str, Any] | None,
    source: MixedSource,
    *,
    contact_sheet: bool,
) -> None:
    """The report of a run, with sound where there are recordings and pictures where they are asked for."""
    from affectome.report import write_report

    heard = {entry.source: entry.path for entry in source.recording_entries}
    seen = {entry.source: entry.path for entry in source.pictures.entries} if source.pictures else {}
    with ExitStack() as stack:
        sounds = stack.enter_context(Listener(heard)) if heard else None
        pictures = stack.enter_context(Viewer(seen)) if contact_sheet else None
        write_report(estimates, record, page, card=card, sounds=sounds, pictures=pictures)


def _open_readers(
    reader: ReaderOptions, modalities: Sequence[str], words: Transcription | None
) -> Readers | SpokenReaders:
    """What a worker reads with."""
    readers = reader.open_all(modalities, threads=1)
    return readers if words is None else SpokenReaders(readers, Transcriber(words))


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
