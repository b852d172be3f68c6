"""What was observed: readers that turn tables, dialogues, plain texts and recordings into segments.

A segment is one unit of observation, a row with ``id, source, start, end, speaker, text, error, meta``. Readers stream
them in shards of bounded size and lose none: what cannot be read becomes a row with a code, or a file problem.
"""

from affectome.media.decoder import Findings
from affectome.media.decoding import Decoder, DecodingLimits
from affectome.media.face_detection import FaceDetector, FoundFace, cut_out, framed
from affectome.media.face_tracks import FaceTracker, TrackedFace, TrackRules
from affectome.media.files import FileProblem, is_picture, is_recording
from affectome.media.film_decoding import FilmDecoder, FilmLimits
from affectome.media.films import FilmEntry, FilmSource, read_films
from affectome.media.language import LanguageGuess, detect_language, is_english
from affectome.media.listening import Listener
from affectome.media.mixed import MixedSource, part_inputs
from affectome.media.opening import FileEntry
from affectome.media.picture_decoding import Picture, PictureDecoder, PictureLimits
from affectome.media.pictures import PictureEntry, PictureSource, pictures_schema, read_pictures
from affectome.media.recordings import (
    RecordingEntry,
    RecordingSource,
    read_recordings,
    read_stream,
    recordings_schema,
)
from affectome.media.segments import SegmentSource, read_segments, segments_schema
from affectome.media.sentences import split_sentences
from affectome.media.speaker_encoder import SpeakerEncoder
from affectome.media.speaker_turns import SpeakerTurns, TurnRules
from affectome.media.transcription import Transcriber, Transcription, find_transcription
from affectome.media.viewing import Viewer
from affectome.media.voice_activity import SpeechDetector, SpeechRules, Stretch

__all__ = [
    "Decoder",
    "DecodingLimits",
    "FaceDetector",
    "FaceTracker",
    "FileEntry",
    "FileProblem",
    "FilmDecoder",
    "FilmEntry",
    "FilmLimits",
    "FilmSource",
    "Findings",
    "FoundFace",
    "LanguageGuess",
    "Listener",
    "MixedSource",
    "Picture",
    "PictureDecoder",
    "PictureEntry",
    "PictureLimits",
    "PictureSource",
    "RecordingEntry",
    "RecordingSource",
    "SegmentSource",
    "SpeakerEncoder",
    "SpeakerTurns",
    "SpeechDetector",
    "SpeechRules",
    "Stretch",
    "TrackRules",
    "TrackedFace",
    "Transcriber",
    "Transcription",
    "TurnRules",
    "Viewer",
    "cut_out",
    "detect_language",
    "find_transcription",
    "framed",
    "is_english",
    "is_picture",
    "is_recording",
    "part_inputs",
    "pictures_schema",
    "read_films",
    "read_pictures",
    "read_recordings",
    "read_segments",
    "read_stream",
    "recordings_schema",
    "segments_schema",
    "split_sentences",
]
