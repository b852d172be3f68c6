"""From a recipe file to a bundle folder, stage by stage. Needs the ``train`` extra."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

from affectome.errors import InputError, RunError
from affectome.learn.bundle import check_target, draft_card, held_out, write_bundle
from affectome.learn.corpora import COMPOSED, load_corpus
from affectome.learn.recipe import load_stages
from affectome.learn.text_model import TextAffectModel
from affectome.learn.trainer import Progress, TextTrainer
from affectome.learn.vocabulary import load_vocabulary

_BASE_FILES = ("config.json", "model.safetensors", "tokenizer.json")


def train_recipe(
    path: Path,
    *,
    data: Path,
    base: Path,
    out: Path,
    threads: int = 2,
    report: Callable[[str, Progress], None] | None = None,
) -> Path:
    """Train what a recipe describes, and before it the recipe it starts from.

    Corpora composed for this project are read beside the recipe, all others below ``data``. A call that was interrupted
    goes on at the last checkpoint when it is made again. Whatever can be refused is refused before the first step.

    Args:
        path: The recipe.
        data: Folder that holds one subfolder a corpus.
        base: Folder of the base model.
        out: Folder for the checkpoints, a subfolder a recipe, and the bundle.
        threads: Processor threads.
        report: Called with the recipe's file name and the progress.

    Returns:
        The folder of the bundle, ``out/<id of the recipe>``.

    Raises:
        InputError: A recipe, the vocabulary, a corpus or the base model cannot be read, or the corpora do not give what
            a bundle needs.
        ModelError: The recipe's words do not make a valid card.
        RunError: A checkpoint in ``out`` belongs to another recipe, or ``out`` cannot be written.
    """
    stages = load_stages(path)
    recipe = stages[-1][1]
    vocabulary = load_vocabulary(path.parent / "vocabulary.tsv")
    for name in _BASE_FILES:
        if not (base / name).is_file():
            raise InputError(
                f"The base model lacks {name!r} in {base}.",
                code="bad_base_model",
                value=base,
                next_step=f"Run: affectome models pull {recipe.base}",
            )
    names = {source.corpus for _, stage in stages for source in stage.sources}
    corpora = {name: load_corpus(name, path.parent if name in COMPOSED else data) for name in sorted(names)}
    held_out(recipe, corpora)
    bundle = out / draft_card(recipe, corpora, base).id
    check_target(bundle)
    model: TextAffectModel | None = None
    for at, stage in stages:
        checkpoints = out / "checkpoints" / at.stem
        try:
            checkpoints.mkdir(parents=True, exist_ok=True)
        except OSError as reason:
            raise RunError(
                f"{checkpoints} cannot be written: {reason.strerror}.",
                code="cannot_write",
                value=checkpoints,
                next_step="Choose another --out folder.",
            ) from reason
        trainer = TextTrainer(stage, corpora, base, vocabulary, checkpoints, start=model, threads=threads)
        model = trainer.train(report=functools.partial(report, at.name) if report else None)
    assert model is not None  # there is always the stage of the recipe itself
    write_bundle(model, recipe, corpora, base, bundle, threads)
    return bundle
