"""From a recipe file to a bundle folder. Needs the ``train`` extra."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path

from tokenizers import Tokenizer

from affectome.learn.bundle import draft_card, held_out, write_bundle
from affectome.learn.checkpoints import check_target, whole_folder
from affectome.learn.corpora import COMPOSED, load_corpus
from affectome.learn.descent import Progress
from affectome.learn.recipe import Recipe, load_recipe, load_teachers
from affectome.learn.text_model import TextAffectModel, check_base, save_encoder
from affectome.learn.trainer import TextTrainer
from affectome.learn.vocabulary import load_vocabulary
from affectome.models.card import CARD_NAME
from affectome.pipeline.storage import storage_errors


def train_recipe(
    path: Path,
    *,
    data: Path,
    base: Path,
    out: Path,
    threads: int = 2,
    report: Callable[[str, Progress], None] | None = None,
) -> Path:
    """Train what a recipe describes, and before it its teachers.

    Corpora composed for this project are read beside the recipe, all others below ``data``. A call that was interrupted
    goes on at the last checkpoint when it is made again. Whatever can be refused is refused before the first step.
    Beside the bundle, ``out/<id of the recipe>-encoder`` holds the encoder with its full weights in Hugging Face
    layout, a base for further training.

    Args:
        path: The recipe.
        data: Folder that holds one subfolder a corpus.
        base: Folder of the base model.
        out: Folder for the checkpoints, a subfolder a recipe, the bundle and the encoder.
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
    recipe = load_recipe(path)
    teachers = load_teachers(path, recipe)
    vocabulary = load_vocabulary(path.parent / "vocabulary.tsv")
    check_base(base, next_step=f"Run: affectome models pull {recipe.base}")
    names = {source.corpus for _, each in [*teachers, (path, recipe)] for source in each.sources}
    corpora = {name: load_corpus(name, path.parent if name in COMPOSED else data) for name in sorted(names)}
    held_out(recipe, corpora)
    bundle = out / draft_card(recipe, corpora, base).id
    encoder = out / f"{recipe.id}-encoder"
    check_target(bundle, CARD_NAME)
    check_target(encoder, "config.json")

    def trained(at: Path, each: Recipe, taught_by: Sequence[TextAffectModel] = ()) -> TextAffectModel:
        checkpoints = out / "checkpoints" / at.stem
        with storage_errors(checkpoints):
            checkpoints.mkdir(parents=True, exist_ok=True)
        trainer = TextTrainer(each, corpora, base, vocabulary, checkpoints, teachers=taught_by, threads=threads)
        return trainer.train(report=functools.partial(report, at.name) if report else None)

    model = trained(path, recipe, [trained(*teacher) for teacher in teachers])
    write_bundle(model, recipe, corpora, base, bundle, threads)
    with whole_folder(encoder, "config.json") as staged:
        save_encoder(model.encoder, Tokenizer.from_file(str(base / "tokenizer.json")), staged)
    return bundle
