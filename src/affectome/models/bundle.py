"""A bundle: a flat folder with weights and their card, checked in full before anything in it is loaded."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from affectome.errors import ModelError
from affectome.models.card import CARD_NAME, Card, FileEntry
from affectome.models.contents import refusal
from affectome.models.tables import MAX_TOML_BYTES

if TYPE_CHECKING:
    import numpy as np
    import onnxruntime
    import tokenizers

_FETCH_AGAIN = "Fetch or build the bundle again from a source you trust."
_QUIET = 3  # ONNX Runtime severity: errors and worse


@dataclass(frozen=True)
class Bundle:
    """A checked bundle; get one from :meth:`open`.

    Attributes:
        path: The folder.
        card: Its card.
        sha256: Hexadecimal sha256 of ``card.toml``, which through the card pins every byte of the bundle.
    """

    path: Path
    card: Card
    sha256: str

    @classmethod
    def open(cls, path: str | os.PathLike[str], commercial: bool = False) -> Bundle:
        """Check a folder and give access to it.

        Every file is hashed each time: 23 MB take about 15 ms, too little to be worth a cache that could be stale.

        Args:
            path: The folder with ``card.toml``.
            commercial: Refuse weights whose card does not allow commercial use.

        Returns:
            The bundle; nothing of it has been loaded yet.

        Raises:
            ModelError: ``bundle_missing``, ``card_invalid``, ``unsafe_file``, ``unlisted_file``, ``missing_file``,
                ``size_mismatch``, ``hash_mismatch`` or ``not_commercial``.
        """
        folder = Path(path)
        raw, card = read_card(folder)
        for problem in _problems(folder, card):
            raise problem
        if commercial and not card.commercial:
            raise not_commercial(card)
        return cls(path=folder, card=card, sha256=hashlib.sha256(raw).hexdigest())

    def file(self, name: str) -> Path:
        """The path of a file the card lists.

        Raises:
            ModelError: ``missing_file``, with the names there are.
        """
        if name not in self.card.files:
            raise ModelError(
                f"The bundle {self.card.versioned_id} has no file {name!r}.",
                code="missing_file",
                value=name,
                allowed=sorted(self.card.files),
            )
        return self.path / name

    def session(self, name: str = "model.onnx", threads: int = 1) -> onnxruntime.InferenceSession:
        """A new ONNX Runtime session on the CPU, nodes run one after the other.

        Args:
            name: File name of the network.
            threads: Threads within one operator, at least 1. One thread gives the same bytes on every run.

        Raises:
            ModelError: ``missing_file``, or ``load_failed`` if the runtime refuses the network.
        """
        import onnxruntime

        path = self.file(name)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.log_severity_level = _QUIET
        try:
            return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the runtime's errors share no base class of their own
            raise _load_failed(path, error) from error

    def tokenizer(self) -> tokenizers.Tokenizer:
        """A new tokenizer from ``tokenizer.json``.

        Raises:
            ModelError: ``missing_file`` or ``load_failed``.
        """
        import tokenizers

        path = self.file("tokenizer.json")
        try:
            return tokenizers.Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises plain Exception
            raise _load_failed(path, error) from error

    def arrays(self, name: str) -> dict[str, np.ndarray[Any, Any]]:
        """The tensors of a safetensors file by name, shapes and types as stored.

        Raises:
            ModelError: ``missing_file`` or ``load_failed``.
        """
        import safetensors
        import safetensors.numpy

        path = self.file(name)
        try:
            return safetensors.numpy.load_file(path)
        except (safetensors.SafetensorError, KeyError, ValueError) as error:  # KeyError: a type NumPy does not have
            raise _load_failed(path, error) from error


@dataclass(frozen=True)
class VerifyReport:
    """What :func:`verify` found.

    Attributes:
        path: The folder.
        card: Its card, None if it cannot be read.
        problems: Everything that is wrong, empty for a sound bundle.
    """

    path: Path
    card: Card | None
    problems: tuple[ModelError, ...]

    @property
    def ok(self) -> bool:
        """Whether the bundle is sound."""
        return not self.problems

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON types: ``path, model, ok, problems``."""
        return {
            "path": str(self.path),
            "model": self.card.versioned_id if self.card else None,
            "ok": self.ok,
            "problems": [problem.as_dict() for problem in self.problems],
        }


def verify(bundle: Bundle | str | os.PathLike[str]) -> VerifyReport:
    """Check a bundle as :meth:`Bundle.open` does, but go on after a problem and report all of them.

    Args:
        bundle: A bundle, which is read again from disk, or the path of its folder.

    Returns:
        The report; a bundle that is missing or broken is a problem in it, not an exception.
    """
    folder = bundle.path if isinstance(bundle, Bundle) else Path(bundle)
    try:
        _, card = read_card(folder)
    except ModelError as problem:
        return VerifyReport(folder, None, (problem,))
    return VerifyReport(folder, card, tuple(_problems(folder, card)))


def read_card(folder: Path) -> tuple[bytes, Card]:
    """The bytes of a folder's card and the card, without a look at the other files.

    Raises:
        ModelError: ``bundle_missing``, ``unsafe_file`` or ``card_invalid``.
    """
    path = folder / CARD_NAME
    if path.is_symlink():
        raise _unsafe(path, "a symbolic link")
    if not path.is_file():
        raise ModelError(
            f"There is no model bundle at {folder}: {CARD_NAME} is missing.",
            code="bundle_missing",
            value=folder,
            next_step="Name a model id or the folder of a bundle; 'affectome models list' shows what is installed.",
        )
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_TOML_BYTES + 1)
        return raw, Card.parse(raw)
    except OSError as error:
        raise _unreadable(path, error) from None
    except ModelError as error:
        raise ModelError(
            f"{path}: {error.message}",
            code=error.code,
            value=error.value,
            allowed=error.allowed,
            next_step=error.next_step,
        ) from None


def not_commercial(card: Card) -> ModelError:
    """The error for weights that commercial use was asked of but is not allowed."""
    reason = " ".join(card.commercial_note.split()) or f"Its licence is {card.licence}."
    return ModelError(
        f"The model {card.versioned_id} is not cleared for commercial use. {reason}",
        code="not_commercial",
        value=card.versioned_id,
        next_step="Choose a model whose card allows commercial use; 'affectome models list' shows which do.",
    )


def _problems(folder: Path, card: Card) -> Iterator[ModelError]:
    """Everything wrong with the files of a bundle, one problem a file at most, in the order of their names."""
    try:
        found = {entry.name: entry for entry in os.scandir(folder)}
    except OSError as error:
        yield _unreadable(folder, error)
        return
    for name in sorted({*found, *card.files} - {CARD_NAME}):
        path = folder / name
        if name not in found:
            yield ModelError(
                f"{path} is listed in {CARD_NAME} but missing.",
                code="missing_file",
                value=name,
                next_step=_FETCH_AGAIN,
            )
        elif found[name].is_symlink():
            yield _unsafe(path, "a symbolic link")
        elif name not in card.files:
            yield ModelError(
                f"{path} is not listed in {CARD_NAME}.",
                code="unlisted_file",
                value=name,
                allowed=sorted(card.files),
                next_step="Move it out of the bundle, or list it in the card if you made the bundle.",
            )
        elif not found[name].is_file(follow_symlinks=False):
            yield _unsafe(path, "not a regular file")
        else:
            try:
                problem = check_file(path, card.files[name]) or _refused(path)
            except OSError as error:
                problem = _unreadable(path, error)
            if problem:
                yield problem


def check_file(path: Path, entry: FileEntry) -> ModelError | None:
    """What is wrong with the size or hash of a file, or None; the size is compared first and may spare the hash."""
    size = path.stat().st_size
    if size != entry.size:
        return ModelError(
            f"{path} has {size} bytes, {entry.size} were expected.",
            code="size_mismatch",
            value=path.name,
            next_step=_FETCH_AGAIN,
        )
    digest = FileEntry.of(path).sha256
    if digest != entry.sha256:
        return ModelError(
            f"{path} was changed: its sha256 is {digest}, {entry.sha256} was expected.",
            code="hash_mismatch",
            value=path.name,
            next_step=_FETCH_AGAIN,
        )
    return None


def _refused(path: Path) -> ModelError | None:
    reason = refusal(path)
    return _unsafe(path, reason) if reason else None


def _unsafe(path: Path, reason: str) -> ModelError:
    return ModelError(
        f"{path} is refused: it is {reason}.", code="unsafe_file", value=path.name, next_step=_FETCH_AGAIN
    )


def _unreadable(path: Path, error: OSError) -> ModelError:
    return ModelError(
        f"{path} cannot be read: {error.strerror or error}.",
        code="unreadable_file",
        value=path.name,
        next_step="Check that the file exists and that you may read it.",
    )


def _load_failed(path: Path, error: Exception) -> ModelError:
    reason = " ".join(str(error).split())
    return ModelError(
        f"{path} matches its card but cannot be loaded: {reason}",
        code="load_failed",
        value=path.name,
        next_step="The bundle may need a newer version; update onnxruntime, tokenizers and safetensors.",
    )
