"""Files of published benchmarks, which are not part of the package."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from affectome.errors import InputError


@contextmanager
def published(path: Path, what: str) -> Iterator[None]:
    """Turns what a reader trips over into one error.

    Args:
        path: The file or folder.
        what: Name of the benchmark.

    Raises:
        InputError: ``missing_data_set`` if there is no such file, ``bad_corpus`` if it has another layout.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(
            f"There is no file {error.filename!r} of {what}.",
            code="missing_data_set",
            value=path,
            next_step="Name the published file, as it is or gzipped.",
        ) from error
    except (OSError, EOFError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError(
            f"{str(path)!r} cannot be read as {what}: {error!r}.",
            code="bad_corpus",
            value=path,
            next_step="Give the published file as it is.",
        ) from error


def read_text(path: Path) -> str:
    """Text of a file that may be gzipped, with ``.gz`` added to its name."""
    path = path if path.exists() or path.suffix == ".gz" else path.with_name(f"{path.name}.gz")
    content = path.read_bytes()
    return (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8")


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Objects of a file that has one a line; it may be gzipped."""
    return [json.loads(line) for line in read_text(path).splitlines() if line.strip()]
