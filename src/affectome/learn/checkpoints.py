"""What training writes is whole or absent: checkpoints, which need torch, and folders, which do not."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from safetensors import SafetensorError, safe_open

from affectome.errors import RunError
from affectome.pipeline.storage import replacing, run_error, storage_errors

if TYPE_CHECKING:
    from torch import Tensor

_NAME = "checkpoint.safetensors"


class Checkpoint(NamedTuple):
    """State of a training run.

    Attributes:
        step: Steps done.
        recipe: Everything that decides the weights, as text.
        tensors: Named arrays.
    """

    step: int
    recipe: str
    tensors: Mapping[str, Tensor]


def write_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Replace the checkpoint of a folder, which is made if need be.

    Raises:
        RunError: It cannot be written; the codes are those of ``affectome.pipeline.storage.run_error``.
    """
    from safetensors.torch import save_file

    path = folder / _NAME
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with replacing(path, folder / "checkpoint.partial") as partial:
        tensors = {key: value.contiguous().clone() for key, value in checkpoint.tensors.items()}
        try:
            save_file(tensors, partial, {"step": str(checkpoint.step), "recipe": checkpoint.recipe})
        except SafetensorError as reason:  # an error of the disk comes as one of the format
            raise run_error(reason, path) from reason


def read_checkpoint(folder: Path, recipe: str) -> Checkpoint | None:
    """The checkpoint of a folder, None if there is none.

    Args:
        folder: The folder.
        recipe: What decides the weights of the run that wants to go on.

    Raises:
        RunError: The checkpoint cannot be read or belongs to another recipe.
    """
    from safetensors.torch import load_file

    path = folder / _NAME
    if not path.exists():
        return None
    try:
        with safe_open(path, "pt") as stored:
            meta = stored.metadata()
        tensors = load_file(path)
    except (OSError, SafetensorError) as reason:
        raise RunError(
            f"The checkpoint in {folder} cannot be read: {reason}.",
            code="bad_checkpoint",
            value=folder,
            next_step="Delete it to start again.",
        ) from reason
    if meta["recipe"] != recipe:
        raise RunError(
            f"The checkpoint in {folder} belongs to another recipe.",
            code="other_recipe",
            value=folder,
            next_step="Choose another folder, or delete the checkpoint.",
        )
    return Checkpoint(int(meta["step"]), recipe, tensors)


def check_target(out: Path, mark: str) -> None:
    """Refuse a folder that must not be replaced.

    Args:
        out: Where something is to be written.
        mark: Name of a file by which an older folder of the same kind is known.

    Raises:
        RunError: There is something else at ``out``.
    """
    if out.exists() and not (out / mark).is_file():
        raise RunError(
            f"{out} is there and holds no {mark}, so it is not replaced.",
            code="not_replaced",
            value=out,
            next_step="Choose another folder.",
        )


@contextlib.contextmanager
def whole_folder(out: Path, mark: str) -> Iterator[Path]:
    """Let the caller fill a folder beside the target, then put it in the target's place.

    Args:
        out: The folder to be; an older one of its kind is replaced.
        mark: Name of a file by which one of its kind is known.

    Raises:
        RunError: There is something else at ``out``, or the codes of ``affectome.pipeline.storage.run_error``.
    """
    check_target(out, mark)
    with storage_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        # A neighbour of the target, so that the rename stays on one file system.
        with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as temporary:
            staged = Path(temporary) / out.name
            staged.mkdir()
            yield staged
            if out.exists():
                shutil.rmtree(out)
            staged.rename(out)
