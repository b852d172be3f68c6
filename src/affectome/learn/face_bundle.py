"""From a trained face model to a bundle: ONNX weights, calibrated read-outs, card. Needs the ``train`` extra."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from affectome.affect import list_taxonomies, load_taxonomy
from affectome.affect.space import AffectSpace
from affectome.learn.calibration import fit_presence, fit_sharpness, fit_temperature
from affectome.learn.checkpoints import whole_folder
from affectome.learn.face_corpus import CLASSES, VOTES, FaceCorpus
from affectome.learn.face_graph import build_face_graph
from affectome.learn.face_prototypes import expression_gaussians
from affectome.learn.face_recipe import FaceRecipe
from affectome.learn.onnx_graph import open_session, save_graph
from affectome.models import Card, FileEntry, TrainingData, write_card
from affectome.models.card import CARD_NAME
from affectome.perceive.face_encoder import FaceEncoder

if TYPE_CHECKING:
    from affectome.learn.face_model import FaceAffectModel
    from affectome.perceive import TextReader

Array = NDArray[np.float32]

_SEVEN = len(load_taxonomy(CLASSES).labels)
_SAMPLE = 2000  # training faces for the background


def write_face_bundle(
    model: FaceAffectModel,
    recipe: FaceRecipe,
    corpus: FaceCorpus,
    out: Path,
    *,
    words: TextReader,
    threads: int = 2,
) -> None:
    """Write a bundle folder. Everything is fitted on training and development faces; test faces are not touched.

    The folder appears complete or not at all.

    Args:
        model: The trained model.
        recipe: The recipe it was trained by.
        corpus: The faces.
        out: Folder of the bundle; a bundle that is there is replaced.
        words: The text reader whose affect space this is.
        threads: Processor threads.

    Raises:
        ModelError: The recipe's words do not make a valid card.
        RunError: There is something else at ``out``, or it cannot be written.
    """
    card = draft_face_card(recipe, corpus)
    with whole_folder(out, CARD_NAME) as staged:
        weights = {name: value.numpy() for name, value in model.state_dict().items()}
        strides = [int(stage.stride) for stage in model.stages]  # type: ignore[arg-type]
        save_graph(build_face_graph(weights, strides=strides, vocabularies=(CLASSES, VOTES)), staged / "model.onnx")
        encoder = FaceEncoder(open_session((staged / "model.onnx").read_bytes(), threads))
        train = corpus.part("train")
        sample = np.random.default_rng(recipe.seed).permutation(len(train.names))[:_SAMPLE]
        background = encoder.encode(train.pictures[sample].astype(np.float32)).vectors.mean(axis=0)
        save_file({"background": background}, staged / "space.safetensors")
        readout = _fit_readout(encoder, background, corpus, words, model.scale.item())
        (staged / "readout.json").write_text(json.dumps(readout, indent=1) + "\n", encoding="utf-8")
        entries = {path.name: FileEntry.of(path) for path in sorted(staged.iterdir())}
        write_card(staged / CARD_NAME, replace(card, files=entries))


def _fit_readout(
    encoder: FaceEncoder, background: Array, corpus: FaceCorpus, words: TextReader, slope: float
) -> dict[str, object]:
    """Everything a reader needs beside the model, fitted on development faces."""
    dev = corpus.part("dev")
    seen = encoder.encode(dev.pictures.astype(np.float32))
    space = AffectSpace(words.encoder.vectors, background, sharpness=slope, presence=(slope, 0.0))
    similarity = space.similarity(seen.vectors, space.anchors(load_taxonomy(VOTES).forms()))
    temperature = {
        VOTES: fit_temperature(seen.labels[VOTES], dev.votes),
        CLASSES: fit_temperature(
            seen.labels[CLASSES], np.eye(seen.labels[CLASSES].shape[1], dtype=np.float32)[dev.classes]
        ),
    }
    gaussians = expression_gaussians()
    return {
        "taxonomy": VOTES,
        "temperature": temperature,
        "presence": list(fit_presence(similarity.ravel()[:, None], dev.votes.ravel()[:, None])),
        "sharpness": fit_sharpness(similarity, dev.votes),
        "term_means": gaussians.mean.round(4).tolist(),
        "term_spreads": gaussians.sd.round(4).tolist(),
        "space": {"model": words.model, "sha256": words.sha256},
    }


def draft_face_card(recipe: FaceRecipe, corpus: FaceCorpus) -> Card:
    """The card of a bundle before there is a bundle, so that a recipe that makes none is found early.

    Raises:
        ModelError: The recipe's words do not make a valid card.
    """
    data = TrainingData(
        name="FER2013 with the votes of FER+ (Goodfellow et al. 2013; Barsoum et al. 2016)",
        licence="MIT for the votes; none stated for the pictures",
        commercial="no",
        use="votes of ten people for eight expressions, and one older label a picture",
        rows=int((corpus.split == "train").sum()),
    )
    return Card(
        id=recipe.id,
        version=recipe.version,
        task="face-affect",
        title=recipe.title,
        taxonomies=tuple(list_taxonomies()),
        languages=("zxx",),  # no words at all
        licence=recipe.card.licence,
        commercial=recipe.card.commercial,
        commercial_note=recipe.card.commercial_note,
        released=datetime.now(UTC).date(),
        training_data=(data,),
        metrics=(),
        intended_use=recipe.card.intended_use,
        limits=recipe.card.limits,
        files={"model.onnx": FileEntry("0" * 64, 1)},
    )
