"""From a recipe file to the folder of a face bundle. Needs the ``train`` and ``face`` extras."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from affectome.affect import load_taxonomy
from affectome.learn.checkpoints import check_target
from affectome.learn.descent import Progress
from affectome.learn.face_bundle import draft_face_card, write_face_bundle
from affectome.learn.face_corpus import CLASSES, VOTES, load_faces
from affectome.learn.face_prototypes import expression_prototypes, rated_sentences
from affectome.learn.face_recipe import load_face_recipe
from affectome.learn.face_trainer import FaceTrainer
from affectome.learn.prototypes import fit_prototypes
from affectome.models import default_model
from affectome.models.card import CARD_NAME
from affectome.perceive import TextReader


def train_face_recipe(
    path: Path,
    *,
    data: Path,
    out: Path,
    threads: int = 2,
    report: Callable[[str, Progress], None] | None = None,
) -> Path:
    """Train what a face recipe describes.

    A call that was interrupted goes on at the last checkpoint when it is made again.

    Args:
        path: The recipe.
        data: Folder that holds ``fer2013plus``, and ``emobank`` if the recipe has prototypes.
        out: Folder for the bundle and the checkpoints.
        threads: Processor threads.
        report: Called with the recipe's file name and the progress.

    Returns:
        The folder of the bundle, ``out/<id of the recipe>``.

    Raises:
        InputError: The recipe or the faces cannot be read.
        ModelError: The recipe's words do not make a valid card.
        RunError: A checkpoint in ``out`` belongs to another recipe, or ``out`` cannot be written.
    """
    recipe = load_face_recipe(path)
    corpus = load_faces(data)
    bundle = out / recipe.id
    draft_face_card(recipe, corpus)
    check_target(bundle, CARD_NAME)
    words = TextReader(default_model("text-affect"), threads=threads)
    trainer = FaceTrainer(
        recipe,
        corpus,
        anchors=label_anchors(words),
        prototypes=expression_prototypes(fit_prototypes(*rated_sentences(words, data))) if recipe.prototypes else None,
        out=out / "checkpoints" / recipe.id,
        threads=threads,
    )
    model = trainer.train(report=(lambda now: report(path.name, now)) if report else None)
    write_face_bundle(model, recipe, corpus, bundle, words=words, threads=threads)
    return bundle


def label_anchors(words: TextReader) -> dict[str, NDArray[np.float32]]:
    """Unit vectors (labels, space) of both taxonomies of faces in the affect space of a text reader."""
    return {name: words.space.anchors(load_taxonomy(name).forms()).vectors for name in (VOTES, CLASSES)}
