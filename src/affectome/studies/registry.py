"""Which systems there are, which studies exist, and what state the committed results put each system in."""

from __future__ import annotations

import pkgutil
import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Literal

from affectome.errors import RunError, UsageError
from affectome.studies.results import Result, load_result
from affectome.studies.study import Study

StateName = Literal["works", "partly", "not yet"]

_ROOM = Path(__file__).parent
_MODULE = re.compile(r"s(\d\d)_\w+")
COMMITTED = _ROOM / "results"
"""Folder of the results that count."""


@dataclass(frozen=True)
class System:
    """A published system.

    Attributes:
        number: Its number, from 1.
        id: Identifier, lower-case words with hyphens.
        title: Its usual name.
        what: What it does, as the rest of a sentence that starts with its name.
        paper: Paper or code it comes from.
    """

    number: int
    id: str
    title: str
    what: str
    paper: str


@dataclass(frozen=True)
class State:
    """Whether a system works here.

    Attributes:
        name: ``"works"`` if every claim of its committed result holds and nothing is missing, ``"partly"`` if there is
            a committed result, ``"not yet"`` otherwise.
        failing: Texts of the claims that do not hold.
        missing: What its study does not show.
    """

    name: StateName
    failing: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.name != "partly":
            return self.name
        reasons = [f"does not hold: {text}" for text in self.failing] + [f"missing: {text}" for text in self.missing]
        return f"partly ({'; '.join(reasons)})"


@cache
def list_systems() -> tuple[System, ...]:
    """All systems, by number."""
    table = tomllib.loads((_ROOM / "data" / "systems.toml").read_text(encoding="utf-8"))
    return tuple(System(**entry) for entry in table["systems"])


def find_studies() -> tuple[Study, ...]:
    """Every study of the package, by number.

    Raises:
        RunError: As in `find_study`.
    """
    modules = _modules()
    return tuple(_load_study(system, modules[system.number]) for system in list_systems() if system.number in modules)


def find_study(name: str) -> Study:
    """The study with this id or number.

    Raises:
        UsageError: There is none.
        RunError: Its module cannot be imported, or does not fit its entry in the list of systems.
    """
    modules = _modules()
    there = [system for system in list_systems() if system.number in modules]
    for system in there:
        if name in (system.id, str(system.number), f"{system.number:02d}"):
            return _load_study(system, modules[system.number])
    raise UsageError(
        f"There is no study {name!r}.",
        code="unknown_study",
        value=name,
        allowed=[system.id for system in there],
        next_step="See: affectome study list",
    )


@cache
def _modules() -> dict[int, str]:
    """Names of the study modules by the number in them."""
    found = (_MODULE.fullmatch(module.name) for module in pkgutil.iter_modules([str(_ROOM)]))
    return {int(match[1]): match[0] for match in found if match}


def _load_study(system: System, module: str) -> Study:
    try:
        study: Study = import_module(f"affectome.studies.{module}").STUDY
    except (ImportError, AttributeError) as error:
        raise RunError(
            f"The study in {module}.py cannot be imported: {error}.", code="broken_study", value=module
        ) from error
    if (study.number, study.id, study.title) != (system.number, system.id, system.title):
        raise RunError(
            f"The study in {module}.py does not fit the list of systems.",
            code="study_mismatch",
            value=f"{study.number} {study.id} {study.title!r}",
            allowed=(f"{system.number} {system.id} {system.title!r}",),
            next_step="Take number, id and title from data/systems.toml; the module has the same number.",
        )
    return study


def committed_result(system_id: str, folder: Path = COMMITTED) -> Result | None:
    """The committed result of a system, None if there is none.

    Args:
        system_id: Identifier of the system.
        folder: Where results are committed.

    Raises:
        RunError: The file is damaged, belongs to another system, or comes from a quick run.
    """
    path = folder / f"{system_id}.json"
    if not path.exists():
        return None
    result = load_result(path)
    if result.quick or result.study != system_id:
        raise RunError(
            f"{path.name} is not the result of a whole run of {system_id!r}.",
            code="quick_result" if result.quick else "other_study",
            value=path,
            next_step=f"Run: affectome study run {system_id}, without --quick.",
        )
    return result


def system_state(system: System, folder: Path = COMMITTED) -> State:
    """The state of a system, from its committed result and from what its study lists as missing.

    Args:
        system: The system.
        folder: Where results are committed.

    Raises:
        UsageError: There is a result and no study.
        RunError: As in `committed_result` and `find_study`.
    """
    result = committed_result(system.id, folder)
    if result is None:
        return State("not yet")
    study = find_study(system.id)
    failing = tuple(claim.text for claim in result.outcome.claims if not claim.holds)
    return State("partly" if failing or study.missing else "works", failing, study.missing)
