"""What was observed: readers that turn tables, dialogues and plain texts into segments.

A segment is one unit of observation, a row with ``id, source, start, end, speaker, text, error, meta``. Readers stream
them in shards of bounded size and lose none: what cannot be read becomes a row with a code, or a file problem.
"""

from affectome.media.files import FileProblem
from affectome.media.language import LanguageGuess, detect_language, is_english
from affectome.media.opening import FileEntry
from affectome.media.segments import SegmentSource, read_segments, segments_schema
from affectome.media.sentences import split_sentences

__all__ = [
    "FileEntry",
    "FileProblem",
    "LanguageGuess",
    "SegmentSource",
    "detect_language",
    "is_english",
    "read_segments",
    "segments_schema",
    "split_sentences",
]
