"""Hearing parts of recordings again, as a report needs them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from affectome.media.decoder import Findings
from affectome.media.decoding import SAMPLE_RATE, Decoder, Samples


class Listener:
    """Gives any part of some recordings, decoded once from the start as long as the parts come in order.

    Memory holds the part asked for and the block behind it. It is a context manager, which ends the decoder.

    Args:
        files: Where each recording lies, by its name.
    """

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._files = dict(files)
        self._decoder = Decoder()
        self._source = ""
        self._blocks: Iterator[Samples] = iter(())
        self._held: Samples = np.zeros(0, np.float32)
        self._start = 0  # sample at which what is held begins

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *_: object) -> None:
        self._decoder.close()

    def __call__(self, source: str, start: float, end: float) -> Samples | None:
        """Samples of a part, mono at 16 kHz, fewer where the recording ends.

        Args:
            source: Name of the recording.
            start: Seconds.
            end: Seconds.

        Returns:
            The samples, None for a recording that is not known or no longer there, or a part that it does not have.
        """
        first, last = round(start * SAMPLE_RATE), round(end * SAMPLE_RATE)
        if source != self._source or first < self._start:
            path = self._files.get(source)
            if path is None or not path.is_file():
                return None
            self._source, self._blocks = source, self._decode(path)
            self._held, self._start = np.zeros(0, np.float32), 0
        while self._start + len(self._held) < last:
            block = next(self._blocks, None)
            if block is None:
                break
            unheard = max(0, min(first - self._start, len(self._held)))
            self._held = np.concatenate([self._held[unheard:], block])
            self._start += unheard
        part = self._held[max(0, first - self._start) : max(0, last - self._start)]
        return part if len(part) else None

    def _decode(self, path: Path) -> Iterator[Samples]:
        for block in self._decoder.decode(path):
            if not isinstance(block, Findings):
                yield block
