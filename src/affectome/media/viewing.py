"""Seeing pictures again, as a report needs them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from affectome.media.picture_decoding import Picture, PictureDecoder, PictureLimits

_LONGEST = 512


class Viewer:
    """Gives any of some pictures, each decoded when it is asked for.

    It is a context manager, which ends the decoder.

    Args:
        files: Where each picture lies, by its name.

    Raises:
        MissingExtraError: The ``face`` extra is not installed.
    """

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._files = dict(files)
        self._decoder = PictureDecoder(PictureLimits(longest=_LONGEST))

    def __enter__(self) -> Viewer:
        return self

    def __exit__(self, *_: object) -> None:
        self._decoder.close()

    def __call__(self, source: str) -> Picture | None:
        """A picture, its longer side at most 512 pixels; None if it is not known, no longer there or cannot be decoded.

        Args:
            source: Name of the picture.
        """
        path = self._files.get(source)
        if path is None or not path.is_file():
            return None
        picture = self._decoder.decode(path)
        return None if picture.pixels is None else picture
