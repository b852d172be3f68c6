"""Reading the TOML files under ``affect/data`` and refusing names that are not in them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from affectome.errors import UsageError

_DATA = Path(__file__).with_name("data")


@cache
def read_toml(name: str) -> dict[str, Any]:
    """The content of ``data/<name>.toml``; cached and shared, so callers must not change it."""
    with (_DATA / f"{name}.toml").open("rb") as file:
        return tomllib.load(file)


@cache
def file_ids(folder: str) -> tuple[str, ...]:
    """Stems of the TOML files in ``data/<folder>``, sorted."""
    return tuple(sorted(path.stem for path in (_DATA / folder).glob("*.toml")))


def unknown_name(what: str, name: str, known: Iterable[str], next_step: str) -> UsageError:
    """The error for a ``name`` that is not among the ``known`` ones, which it lists closest first.

    Args:
        what: What the name should have been, e.g. ``"taxonomy"``; the code becomes ``unknown_<what>``.
        name: The name as given.
        known: The names that exist.
        next_step: What to do now, one sentence.
    """
    from difflib import get_close_matches  # only needed once something is wrong

    names = list(known)
    close = get_close_matches(name.casefold(), names, n=3, cutoff=0.4)
    return UsageError(
        f"There is no {what} {name!r}.",
        code=f"unknown_{what}",
        value=name,
        allowed=[*close, *(other for other in names if other not in close)],
        next_step=next_step,
    )
