"""From a recipe file to the folder of a bundle that reads action units. Needs the ``train`` and ``face`` extras."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from affectome.affect.action_units import PRESENT, list_action_units
from affectome.errors import RunError
from affectome.evaluate import choose_thresholds
from affectome.learn.action_units_corpus import DrawnFaces, Mesh, draw_faces
from affectome.learn.action_units_graph import build_action_units_graph
from affectome.learn.action_units_recipe import ActionUnitsRecipe, load_action_units_recipe
from affectome.learn.action_units_trainer import ActionUnitsTrainer
from affectome.learn.checkpoints import check_target, whole_folder
from affectome.learn.descent import Progress
from affectome.learn.face_rendering import load_face_shape
from affectome.learn.onnx_graph import open_session, save_graph
from affectome.media.face_detection import open_tflite
from affectome.models import Card, FileEntry, TrainingData, write_card
from affectome.models.card import CARD_NAME
from affectome.perceive.action_units import ActionUnits
from affectome.perceive.face_mesh import POINTS
from affectome.pipeline.storage import storage_errors

Array = NDArray[np.float32]
Bytes = NDArray[np.uint8]

_CHECKED = 64  # development faces on which the written model must agree with the trained one
_TOLERANCE = 1e-4


def landmark_mesh(folder: Path) -> Mesh:
    """What finds landmarks on drawn faces, which have the size that the network takes.

    Args:
        folder: Folder with ``face_landmark.tflite``.

    Raises:
        MissingExtraError: The ``face`` extra is not installed.
    """
    network = open_tflite((folder / "face_landmark.tflite").read_bytes())
    start = network.get_input_details()[0]["index"]
    mesh, sure = sorted(network.get_output_details(), key=lambda each: -int(each["shape"][-1]))

    def found(pictures: Bytes) -> tuple[Array, Array]:
        points, scores = [], []
        for picture in pictures:
            network.set_tensor(start, (picture.astype(np.float32) / 255)[None])
            network.invoke()
            points.append(network.get_tensor(mesh["index"]).reshape(POINTS, 3).copy())
            scores.append(1 / (1 + np.exp(-network.get_tensor(sure["index"]).ravel()[0])))
        return np.array(points, np.float32), np.array(scores, np.float32)

    return found


def train_action_units_recipe(
    path: Path,
    *,
    data: Path,
    base: Path,
    out: Path,
    threads: int = 2,
    report: Callable[[str, Progress], None] | None = None,
    prepared: Callable[[str], None] | None = None,
) -> Path:
    """Draw faces and train what a recipe of action units describes.

    A call that was interrupted goes on where it stopped when it is made again.

    Args:
        path: The recipe.
        data: Folder with ``ict_face``.
        base: Folder with ``face_landmark.tflite``.
        out: Folder for the faces (some hundred megabytes), the checkpoints and the result.
        threads: Processor threads.
        report: Called with the recipe's file name and the progress.
        prepared: Called with what was drawn before the first step.

    Returns:
        The folder of the bundle, ``out/<id of the recipe>``.

    Raises:
        InputError: The recipe or the parametric face cannot be read.
        ModelError: The recipe's words do not make a valid card.
        RunError: A checkpoint in ``out`` belongs to another recipe, or ``out`` cannot be written.
    """
    recipe = load_action_units_recipe(path)
    faces = partial(recipe_faces, recipe, data=data, base=base, out=out, report=prepared)
    checkpoints, bundle = out / "checkpoints" / recipe.id, out / recipe.id
    load_face_shape(data)
    draft_action_units_card(recipe, data)
    check_target(bundle, CARD_NAME)
    with storage_errors(checkpoints):
        checkpoints.mkdir(parents=True, exist_ok=True)
    trainer = ActionUnitsTrainer(recipe, faces("train"), out=checkpoints, threads=threads)
    trainer.train(report=(lambda progress: report(path.name, progress)) if report else None)
    write_action_units_bundle(trainer, faces("dev"), bundle, data=data, threads=threads)
    return bundle


def recipe_faces(
    recipe: ActionUnitsRecipe,
    part: str,
    *,
    data: Path,
    base: Path,
    out: Path,
    report: Callable[[str], None] | None = None,
) -> DrawnFaces:
    """The faces of one part of a recipe, drawn or read from ``out/faces``; arguments as above."""
    return draw_faces(
        load_face_shape(data),
        landmark_mesh(base),
        out / "faces",
        part=part,
        people=recipe.people if part == "train" else recipe.held_out,
        shots=recipe.shots,
        seed=recipe.seed,
        report=report,
    )


def write_action_units_bundle(
    trainer: ActionUnitsTrainer, dev: DrawnFaces, out: Path, *, data: Path, threads: int = 2
) -> None:
    """Write a bundle folder. It appears complete or not at all.

    Args:
        trainer: The trainer after its training.
        dev: Faces of people who were not trained on, for the thresholds.
        out: Folder of the bundle; a bundle that is there is replaced.
        data: Folder with ``ict_face``, for the provenance.
        threads: Processor threads.

    Raises:
        ModelError: The recipe's words do not make a valid card.
        RunError: The written model does not give what the trained one gives, or cannot be written.
    """
    card = draft_action_units_card(trainer.recipe, data)
    weights = {name: value.numpy() for name, value in trainer.model.state_dict().items()}
    readout = {
        "units": [unit.number for unit in list_action_units()],
        "present": [PRESENT] * len(list_action_units()),
        "reference": np.round(trainer.reference, 5).tolist(),
    }
    with whole_folder(out, CARD_NAME) as staged:
        save_graph(build_action_units_graph(weights), staged / "model.onnx")
        reader = ActionUnits(open_session((staged / "model.onnx").read_bytes(), threads), readout)
        strengths = reader.measure(dev.points, dev.pictures)
        _check(trainer, reader, dev, strengths, out)
        chosen = choose_thresholds(dev_truth=dev.strengths >= PRESENT, dev_probability=strengths)
        readout["present"] = [round(float(each), 4) for each in chosen.values]
        (staged / "readout.json").write_text(json.dumps(readout) + "\n", encoding="utf-8")
        entries = {path.name: FileEntry.of(path) for path in sorted(staged.iterdir())}
        write_card(staged / CARD_NAME, replace(card, files=entries))


def _check(trainer: ActionUnitsTrainer, reader: ActionUnits, dev: DrawnFaces, strengths: Array, out: Path) -> None:
    import torch

    inputs = reader.inputs(dev.points[:_CHECKED], dev.pictures[:_CHECKED])
    with torch.inference_mode():
        trained = trainer.model(**{name: torch.from_numpy(each) for name, each in inputs.items()}).numpy()
    apart = float(np.abs(trained - strengths[:_CHECKED]).max())
    if apart > _TOLERANCE:
        raise RunError(
            f"The written model differs from the trained one by {apart:.2g}.",
            code="graph_differs",
            value=out,
            next_step="Report this.",
        )


def draft_action_units_card(recipe: ActionUnitsRecipe, data: Path) -> Card:
    """The card of a bundle before there is a bundle, so that a recipe that makes none is found early.

    Raises:
        ModelError: The recipe's words do not make a valid card.
    """
    drawn = TrainingData(
        name="Faces drawn from the parametric face of ICT-FaceKit, light form",
        licence="MIT",
        commercial="yes",
        use=f"strengths of action units; {recipe.shots} pictures of each of {recipe.people} people who do not exist",
        rows=recipe.people * recipe.shots,
    )
    return Card(
        id=recipe.id,
        version=recipe.version,
        task="action-units",
        title=recipe.title,
        taxonomies=(),
        languages=("zxx",),  # no words at all
        licence=recipe.card.licence,
        commercial=recipe.card.commercial,
        commercial_note=recipe.card.commercial_note,
        released=datetime.now(UTC).date(),
        training_data=(drawn,),
        metrics=(),
        intended_use=recipe.card.intended_use,
        limits=recipe.card.limits,
        files={"ict_face.npz": FileEntry.of(data / "ict_face" / "ict_face.npz")},
        base_model=None,
    )
