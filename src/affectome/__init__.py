"""Affectome: fine-grained affect with its uncertainty, every modality in one affect space.

``affectome.read`` looks at one text, ``affectome.analyze`` at files and folders; the rooms hold the parts.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from affectome.version import __version__

if TYPE_CHECKING:
    from affectome.api import InputOptions, ReaderOptions, analyze, read

__all__ = ["InputOptions", "ReaderOptions", "__version__", "analyze", "read"]


def __getattr__(name: str) -> object:
    # The readers bring polars and the ONNX runtime with them, so they load on first use.
    if name in __all__:
        return getattr(import_module("affectome.api"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
