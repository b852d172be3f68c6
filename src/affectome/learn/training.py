"""From a recipe file to a bundle folder, stage by stage. Needs the ``train`` extra."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

from affectome.learn.bundle import write_bundle
from affectome.learn.corpora import COMPOSED, Corpus, load_corpus
from affectome.learn.recipe import Recipe, load_recipe
from affectome.learn.text_model import TextAffectModel
from affectome.learn.trainer import Progress, TextTrainer
from affectome.learn.vocabulary import load_vocabulary


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
    goes on at the last checkpoint when it is made again.

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
        InputError: The recipe or a corpus cannot be read.
        RunError: A checkpoint in ``out`` belongs to another recipe.
    """
    vocabulary = load_vocabulary(path.parent / "vocabulary.tsv")

    def load(recipe: Recipe) -> dict[str, Corpus]:
        return {
            source.corpus: load_corpus(
                source.corpus, path.parent if source.corpus in COMPOSED else data
            )
            for source in recipe.sources
        }

    def stage(at: Path) -> tuple[Recipe, dict[str, Corpus], TextAffectModel]:
        recipe = load_recipe(at)
        start = stage(at.parent / recipe.start)[2] if recipe.start else None
        corpora = load(recipe)
        checkpoints = out / "checkpoints" / at.stem
        trainer = TextTrainer(recipe, corpora, base, vocabulary, checkpoints, start=start, threads=threads)
        tell = functools.partial(report, at.name) if report else None
        return recipe, corpora, trainer.train(report=tell)

    recipe, _, model = stage(path)
    bundle = out / recipe.id
    # Read again: a teacher changes the targets of the corpora a stage was trained on.
    write_bundle(model, recipe, load(recipe), base, bundle, threads)
    return bundle
