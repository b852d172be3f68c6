"""The calls most users need: read one text, analyse files, listen."""

from affectome.api.analysis import analyze
from affectome.api.options import ReaderOptions
from affectome.api.reading import Reading, read, single_segment
from affectome.api.sources import InputOptions, listen, open_source

__all__ = [
    "InputOptions",
    "ReaderOptions",
    "Reading",
    "analyze",
    "listen",
    "open_source",
    "read",
    "single_segment",
]
