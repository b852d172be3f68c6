"""The calls most users need: read one text, analyse files, listen."""

from affectome.api.analysis import analyze
from affectome.api.options import ReaderOptions
from affectome.api.reading import Reading, axes_estimator, read, read_texts, single_segment
from affectome.api.sources import InputOptions, listen, open_source, open_speech_detector

__all__ = [
    "InputOptions",
    "ReaderOptions",
    "Reading",
    "analyze",
    "axes_estimator",
    "listen",
    "open_source",
    "open_speech_detector",
    "read",
    "read_texts",
    "single_segment",
]
