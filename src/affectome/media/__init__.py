"""What was observed: readers that turn tables, dialogues, plain texts and recordings into segments.

A segment is one unit of observation, a row with ``id, source, start, end, speaker, text, error, meta``. Readers stream
them in shards of bounded size and lose none: what cannot be read becomes a row with a code, or a file problem.
"""

from affectome.media.decoder import Findings
from affectome.media.decoding import Decoder, DecodingLimits
from affectome.media.files import FileProblem, is_recording
from affectome.media.language import LanguageGuess, detect_language, is_english
from affectome.media.listening import Listener
from affectome.media.mixed import MixedSource, part_inputs
from affectome.media.opening import FileEntry
from affectome.media.recordings import (
    RecordingEntry,
    RecordingSource,
    read_recordings,
    read_stream,
    recordings_schema,
)
from affectome.media.segments import SegmentSource, read_segments, segments_schema
from affectome.media.sentences import split_sentences
from affectome.media.voice_activity import SpeechDetector, SpeechRules, Stretch

__all__ = [
    "Decoder",
    "DecodingLimits",
    "FileEntry",
    "FileProblem",
    "Findings",
    "LanguageGuess",
    "Listener",
    "MixedSource",
    "RecordingEntry",
    "RecordingSource",
    "SegmentSource",
    "SpeechDetector",
    "SpeechRules",
    "Stretch",
    "detect_language",
    "is_english",
    "is_recording",
    "part_inputs",
    "read_recordings",
    "read_segments",
    "read_stream",
    "recordings_schema",
    "segments_schema",
    "split_sentences",
]
