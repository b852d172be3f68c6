"""Which bundles are installed: the shipped ones and those other packages offer.

A package offers bundles through the entry point group ``affectome.models``; the value is a function without arguments
that returns the folders of its bundles. An id belongs to the first provider that offers it, shipped bundles first, so
that installing a package cannot replace a model under its name.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from affectome.errors import ModelError
from affectome.models.bundle import Bundle, not_commercial, read_card
from affectome.models.card import CARD_NAME, Card
from affectome.models.tables import parse_toml

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

ENTRY_POINT_GROUP = "affectome.models"
SHIPPED = "affectome"

_BUNDLES = Path(__file__).parent / "bundles"
_DEFAULTS = Path(__file__).parent / "data" / "defaults.toml"


@dataclass(frozen=True)
class InstalledModel:
    """A bundle that is there: its card, its folder and the package that offers it; its files are not checked yet."""

    card: Card
    path: Path
    provider: str


@dataclass(frozen=True)
class ProviderProblem:
    """A bundle or provider that could not be used: who, and the error's code and message."""

    provider: str
    code: str
    message: str


class ModelList(NamedTuple):
    """What :func:`list_models` found: ``models`` by provider, id and newest version first, and ``problems``."""

    models: tuple[InstalledModel, ...]
    problems: tuple[ProviderProblem, ...]


def shipped_bundles() -> list[Path]:
    """The folders of the bundles inside this package, sorted by name."""
    return sorted(card.parent for card in _BUNDLES.glob(f"*/{CARD_NAME}"))


def list_models(task: str | None = None) -> ModelList:
    """All installed models. Cards are read; weights are neither hashed nor loaded.

    Args:
        task: Only models of this task.

    Returns:
        The models, and what went wrong with providers; a broken one never hides the others.
    """
    models: list[InstalledModel] = []
    problems: list[ProviderProblem] = []
    for found in _installed():
        if isinstance(found, ProviderProblem):
            problems.append(found)
        elif task in (None, found.card.task):
            models.append(found)
    return ModelList(tuple(models), tuple(problems))


def find_model(id_or_path: str | os.PathLike[str], task: str | None = None, commercial: bool = False) -> Bundle:
    """Open a model by id or path.

    Args:
        id_or_path: An id (``text-en``, newest version), an id with version (``text-en@0.1.0``), or the folder of a
            bundle. Text without a path separator is tried as an id first, so a folder cannot shadow a model.
        task: The task it must answer.
        commercial: Refuse a model that does not allow commercial use.

    Returns:
        The checked bundle.

    Raises:
        ModelError: ``unknown_model`` with the closest ids, ``wrong_task``, or what :meth:`Bundle.open` raises.
    """
    bundle = Bundle.open(model_folder(id_or_path), commercial=commercial)
    if task is not None and bundle.card.task != task:
        raise ModelError(
            f"The model {bundle.card.versioned_id} answers {bundle.card.task!r}, {task!r} is needed.",
            code="wrong_task",
            value=bundle.card.task,
            allowed=_names(list_models(task).models),
        )
    return bundle


def default_model(task: str, commercial: bool = False) -> Bundle:
    """The model that answers a task when the user names none.

    Args:
        task: The task, such as ``text-affect``.
        commercial: Pass over models that do not allow commercial use.

    Returns:
        The checked bundle.

    Raises:
        ModelError: ``no_default_model`` if no default of this task is installed, ``not_commercial`` if those that are
            do not allow commercial use, or what :meth:`Bundle.open` raises.
    """
    refused: Card | None = None
    for name in parse_toml(_DEFAULTS.read_bytes()).get(task, []):
        model = _match(name)
        if model is None:
            continue
        if model.card.commercial or not commercial:
            return find_model(model.path, task=task, commercial=commercial)
        refused = refused or model.card
    if refused is not None:
        raise not_commercial(refused)
    raise ModelError(
        f"No model answers {task!r} by default.",
        code="no_default_model",
        value=task,
        allowed=_names(list_models(task).models),
        next_step="Name a model or the folder of a bundle.",
    )


def model_folder(id_or_path: str | os.PathLike[str]) -> Path:
    """The folder of a model by id or path, unchecked; for checks that want to report what is wrong with it.

    Args:
        id_or_path: As in :func:`find_model`.

    Returns:
        The folder; for a path, that path, whether it exists or not.

    Raises:
        ModelError: ``unknown_model`` with the closest ids.
    """
    name = os.fspath(id_or_path)
    if isinstance(id_or_path, os.PathLike) or Path(name).name != name:
        return Path(name)
    model = _match(name)
    if model is not None:
        return model.path
    if (Path(name) / CARD_NAME).is_file():
        return Path(name)
    from difflib import get_close_matches

    names = _names(list_models().models)
    raise ModelError(
        f"No model is called {name!r}.",
        code="unknown_model",
        value=name,
        allowed=get_close_matches(name, names, n=5, cutoff=0.5) or names,
        next_step="'affectome models list' shows what is installed; the folder of a bundle works too.",
    )


def _names(models: Iterable[InstalledModel]) -> list[str]:
    return list(dict.fromkeys(name for model in models for name in (model.card.id, model.card.versioned_id)))


def _match(name: str) -> InstalledModel | None:
    """The model of this id or versioned id; providers after the one that has it are not even imported."""
    for found in _installed():
        if isinstance(found, InstalledModel) and name in (found.card.id, found.card.versioned_id):
            return found
    return None


def _installed() -> Iterator[InstalledModel | ProviderProblem]:
    """All models and problems, provider by provider, lazily; within one by id, newest version first."""
    owners: dict[str, str] = {}
    seen: set[Path] = set()
    for provider, offer in _providers():
        models: list[InstalledModel] = []
        try:
            folders = [Path(folder) for folder in offer()]
        except Exception as error:  # another package's code: whatever it raises must not stop this one
            yield ProviderProblem(provider, "provider_failed", f"{type(error).__name__}: {error}")
            continue
        for folder in folders:
            if folder.resolve() in seen:  # the entry point of this very package repeats the shipped bundles
                continue
            seen.add(folder.resolve())
            try:
                _, card = read_card(folder)
            except ModelError as error:
                yield ProviderProblem(provider, error.code, error.message)
                continue
            if owners.setdefault(card.id, provider) != provider:
                message = f"{folder}: the id {card.id!r} belongs to {owners[card.id]!r}."
                yield ProviderProblem(provider, "duplicate_id", message)
            else:
                models.append(InstalledModel(card, folder, provider))
        models.sort(key=lambda model: model.card.release, reverse=True)
        yield from sorted(models, key=lambda model: model.card.id)


def _providers() -> Iterator[tuple[str, Callable[[], Iterable[str | os.PathLike[str]]]]]:
    """Names of packages with the functions that list their bundles, this package first."""
    yield SHIPPED, shipped_bundles
    from importlib.metadata import entry_points

    for point in sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda point: (point.name, point.value)):
        name = point.dist.name if point.dist else point.name
        yield name, partial(_load_and_call, point)


def _load_and_call(point: EntryPoint) -> Iterable[str | os.PathLike[str]]:
    """Import and call in one step, so that a broken import counts as the provider's failure too."""
    folders: Iterable[str | os.PathLike[str]] = point.load()()
    return folders
