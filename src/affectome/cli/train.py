"""``affectome train``: weights from a recipe."""

from __future__ import annotations

import os
from pathlib import Path

from affectome.cli.output import console
from affectome.errors import MissingExtraError, UsageError
from affectome.learn import load_recipe
from affectome.models import pull


def train(
    recipe: Path, /, *, out: Path, data: Path | None = None, base: Path | None = None, threads: int | None = None
) -> int:
    """Train a model as a recipe says and write it as a bundle.

    A run that was interrupted goes on at its last checkpoint when the same command is given again. The bundle is in
    OUT/<id of the recipe>; use it with `--model OUT/<id>`.

    For example:

        affectome models pull minilm
        affectome train recipes/text.toml --data corpora/ --out trained/

    Args:
        recipe: The recipe, a TOML file.
        out: Folder for checkpoints and bundle.
        data: Folder that holds one subfolder a corpus; by default the variable AFFECTOME_DATA.
        base: Folder of the base model; by default where `affectome models pull` puts it.
        threads: Processor threads; by default all.
    """
    folder = data or os.environ.get("AFFECTOME_DATA")
    if not folder:
        raise UsageError(
            "Training needs the folder with the corpora.", code="missing_data", next_step="Give it with --data."
        )
    if threads is not None and threads < 1:
        raise UsageError("Training needs at least one thread.", code="bad_threads", value=threads)
    plan = load_recipe(recipe)
    try:
        from affectome.learn.training import train_recipe
    except ModuleNotFoundError as missing:
        raise MissingExtraError.for_extra("train", missing.name or "torch") from None

    printed = console()
    bundle = train_recipe(
        recipe,
        data=Path(folder),
        base=base or pull(plan.base),
        out=out,
        threads=threads or os.cpu_count() or 1,
        report=lambda name, now: printed.print(
            f"{name}  step {now.step:,} of {now.steps:,}  {now.seconds:,.0f} s  "
            + "  ".join(f"{corpus} {loss:.3f}" for corpus, loss in now.losses.items()),
            markup=False,
            soft_wrap=True,
        ),
    )
    printed.print(f"bundle  {bundle}", markup=False, soft_wrap=True)
    return 0
