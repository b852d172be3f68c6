"""What files and streams hold, as segments to be read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from affectome.api.options import ReaderOptions
from affectome.errors import InputError, UsageError
from affectome.media import (
    FaceDetector,
    FilmSource,
    MixedSource,
    RecordingSource,
    SpeakerEncoder,
    SpeakerTurns,
    SpeechDetector,
    Transcriber,
    Transcription,
    TurnRules,
    find_transcription,
    part_inputs,
    read_films,
    read_pictures,
    read_recordings,
    read_segments,
    read_stream,
)
from affectome.media.files import Kind
from affectome.models import locate
from affectome.perceive import Readers, SpokenReaders

MODALITIES = ("text", "voice", "face", "image", "fused")
_DETECTOR = ("silero-vad", "silero_vad_16k_sequence.onnx")
# Sound in a shard; what is written down has to be, by a large model, within the time limit of a shard.
_HEARD_SECONDS, _TRANSCRIBED_SECONDS = 120.0, 30.0
_READ_AS: dict[Kind, tuple[str, ...]] = {
    "text": ("text",),
    "sound": ("voice",),
    "film": ("voice", "face", "fused"),
    "picture": ("face", "image"),
}
_FINDER = ("face-mesh", "face_detection_full_range.tflite")


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
    said = bool(inputs.transcribe) and ("text" in wanted if modalities else bool(parts["film"]))
    if said and not modalities:
        wanted.add("text")
    watched = bool(parts["film"]) and bool(wanted & {"face", "fused"})
    if not watched:
        wanted.discard("fused")
    films = _films(parts["film"], inputs, wanted, said) if watched else None
    heard = parts["sound"] + ([] if watched else parts["film"])
    heard_as = [name for name in ("voice", "text") if name in wanted and (name == "voice" or (said and modalities))]
    recordings = None
    if heard_as and (heard or not watched):
        recordings = _sound(heard or paths, inputs, heard_as, ("sound",) if watched else ("sound", "film"))
    pictures = None
    if wanted & {"face", "image"} and (parts["picture"] or not watched):
        finder = _finder() if "face" in wanted and not inputs.face_crops else None
        pictures = read_pictures(
            parts["picture"] or paths, faces="face" in wanted, looks="image" in wanted, detector=finder
        )
    texts = None
    if "text" in wanted and (parts["text"] or not said):
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
            others = recordings or pictures or films
            if not others or (modalities and not said) or error.code != "nothing_readable":
                raise
            if not said:
                wanted.discard("text")
    return MixedSource(texts, recordings, pictures, films), tuple(name for name in MODALITIES if name in wanted)


def _sound(
    paths: Sequence[str | Path], inputs: InputOptions, reads: Sequence[str], kinds: Sequence[Kind]
) -> RecordingSource:
    """The sound of some files, each stretch for the modalities it is there for."""
    return read_recordings(
        paths,
        detector=None if inputs.whole_clips else open_speech_detector(),
        max_seconds=inputs.max_seconds,
        whole_clips=inputs.whole_clips,
        turns=inputs.turns(),
        reads=reads,
        shard_seconds=_TRANSCRIBED_SECONDS if inputs.transcribe else _HEARD_SECONDS,
        kinds=kinds,
    )


def _films(paths: Sequence[str | Path], inputs: InputOptions, wanted: set[str], said: bool) -> FilmSource:
    """Films of which faces are read, and their sound if it is."""
    finder = _finder()
    reads = [name for name in ("voice", "text") if name in wanted and (name == "voice" or said)]
    sound = _sound(paths, inputs, reads, ("film",)) if reads else None
    return read_films(paths, finder=finder, digest=finder.digest, sound=sound)


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
    voice = open_readers(reader or ReaderOptions(), ("voice",), inputs.transcription())
    for segment in read_stream(stream, detector=open_speech_detector(), max_seconds=inputs.max_seconds):
        yield voice(segment).row(0, named=True)


def _finder() -> FaceDetector:
    return FaceDetector(locate(_FINDER[0]) / _FINDER[1])


def open_speech_detector() -> SpeechDetector:
    """What finds speech in sound.

    Raises:
        MissingExtraError: The ``voice`` extra is not installed.
        ModelError: Its weights are not there.
    """
    return SpeechDetector(locate(_DETECTOR[0]) / _DETECTOR[1])


def open_readers(
    reader: ReaderOptions, modalities: Sequence[str], words: Transcription | None
) -> Readers | SpokenReaders:
    """What a worker reads with."""
    readers = reader.open_all(modalities, threads=1)
    return readers if words is None else SpokenReaders(readers, Transcriber(words))
