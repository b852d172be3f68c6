"""From a trained quick model to a bundle. Needs the ``train`` extra."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from affectome.learn.calibration import fit_platt, fit_spread_scale
from affectome.learn.checkpoints import whole_folder
from affectome.learn.corpora import Corpus
from affectome.models import Card, FileEntry, write_card
from affectome.models.card import CARD_NAME
from affectome.perceive.cascade import ENCODER_FILE, READOUT_FILE, logit, uncertainty
from affectome.perceive.quick_encoder import QuickEncoder

if TYPE_CHECKING:
    from affectome.learn.quick_model import QuickTextModel
    from affectome.learn.quick_recipe import QuickRecipe
    from affectome.perceive import TextReader
    from affectome.perceive.encoder import Encoded

Array = NDArray[np.float32]
Arrays = dict[str, NDArray[np.generic]]

_DIMENSIONS = "emobank"  # the corpus whose development rows say how wide the spreads must be


def write_quick_bundle(
    model: QuickTextModel,
    recipe: QuickRecipe,
    corpora: Mapping[str, Corpus],
    teacher: TextReader,
    taught: Encoded,
    out: Path,
) -> None:
    """Write a bundle folder. Everything is fitted on training and development rows; test rows are not touched.

    The logits are fitted so that calibration and thresholds of the teacher serve them too. The folder appears complete
    or not at all.

    Args:
        model: The trained model.
        recipe: The recipe it was trained by.
        corpora: The corpora by name.
        teacher: The reader it has learnt from.
        taught: What the teacher answers to the training texts with raters.
        out: Folder of the bundle; a bundle that is there is replaced.

    Raises:
        ModelError: The recipe's words do not make a valid card.
        RunError: There is something else at ``out``, or it cannot be written.
    """
    card = draft_quick_card(recipe, corpora, teacher.card)
    dev = corpora[recipe.labels_from].part("dev")
    thresholds = np.array(list(teacher.thresholds.values()), np.float32)
    arrays = _fitted(model.arrays(), teacher, corpora[_DIMENSIONS].part("dev"))
    arrays = _calibrated(arrays, teacher, dev)
    train = QuickEncoder(arrays, teacher.encoder.tokenizer).encode(corpora[recipe.labels_from].part("train").texts)
    arrays = _as_often(arrays, train.labels, taught.labels, (logit(thresholds) - teacher.platt[1]) / teacher.platt[0])
    encoded, tokens = QuickEncoder(arrays, teacher.encoder.tokenizer).encode_with_lengths(dev.texts)
    slope, intercept = teacher.platt
    prior = corpora[recipe.labels_from].part("train").targets.mean(axis=0)
    unsure = uncertainty(encoded.labels * slope + intercept, logit(thresholds), prior, tokens)
    readout = {
        "full": {"id": teacher.card.id, "network": teacher.card.files["model.onnx"].sha256},
        "thresholds": [round(float(value), 6) for value in thresholds],
        "prior": [round(float(share), 6) for share in prior],
        "limit": round(_limit(unsure, tokens, recipe.escalate), 6),
    }
    with whole_folder(out, CARD_NAME) as staged:
        save_file(arrays, staged / ENCODER_FILE)
        (staged / READOUT_FILE).write_text(json.dumps(readout, indent=1) + "\n", encoding="utf-8")
        entries = {path.name: FileEntry.of(path) for path in sorted(staged.iterdir())}
        write_card(staged / CARD_NAME, replace(card, files=entries))


def _limit(unsure: Array, tokens: Array, share: float) -> float:
    """The uncertainty above which there is a share of all tokens."""
    order = np.argsort(-unsure, kind="stable")
    reached = np.cumsum(tokens[order]) / tokens.sum()
    return float(unsure[order[np.searchsorted(reached, share)]])


def _fitted(arrays: Arrays, teacher: TextReader, measured: Corpus) -> Arrays:
    """Arrays whose spreads fit held-out rows."""
    read = QuickEncoder(arrays, teacher.encoder.tokenizer).encode(measured.texts)
    wider = fit_spread_scale(read.means[:, :3], read.spreads, measured.targets) / teacher.spread_scale
    return {**arrays, "spread_factor": wider.astype(np.float32)}


def _calibrated(arrays: Arrays, teacher: TextReader, dev: Corpus) -> Arrays:
    """Arrays whose logits fit held-out rows under the calibration of the teacher."""
    own = fit_platt(QuickEncoder(arrays, teacher.encoder.tokenizer).encode(dev.texts).labels, dev.targets)
    slope, intercept = teacher.platt
    return _changed(arrays, own.slope / slope, (own.intercept - intercept) / slope)


def _as_often(arrays: Arrays, logits: Array, taught: Array, cuts: Array) -> Arrays:
    """Arrays that give each label to as many texts as the teacher does, under the thresholds of the teacher.

    A less certain reader would otherwise give rare labels too seldom; the shift costs a little calibration.

    Args:
        arrays: The arrays.
        logits: (n, labels) of texts, by these arrays.
        taught: (n, labels) of the same texts, by the teacher.
        cuts: (labels,) logits from which on a label counts as given.
    """
    share = (taught >= cuts).mean(axis=0)
    reached = [np.quantile(logits[:, k], 1 - share[k]) for k in range(len(cuts))]
    return _changed(arrays, np.ones(len(cuts), np.float32), cuts - np.array(reached, np.float32))


def _changed(arrays: Arrays, factor: Array, shift: Array) -> Arrays:
    """Arrays whose logits are multiplied and shifted."""
    matrix, bias = (arrays[f"labels_{part}"].astype(np.float32) for part in ("matrix", "bias"))
    return {
        **arrays,
        "labels_matrix": (matrix * factor).astype(np.float16),
        "labels_bias": (bias * factor + shift).astype(np.float16),
    }


def draft_quick_card(recipe: QuickRecipe, corpora: Mapping[str, Corpus], teacher: Card) -> Card:
    """The card of a bundle before there is a bundle, so that a recipe that makes none is found early.

    Raises:
        ModelError: The recipe's words do not make a valid card.
    """
    return replace(
        teacher,
        id=recipe.id,
        version=recipe.version,
        task=recipe.task,
        title=recipe.title,
        licence=recipe.card.licence,
        commercial=recipe.card.commercial,
        commercial_note=recipe.card.commercial_note,
        intended_use=recipe.card.intended_use,
        limits=recipe.card.limits,
        metrics=(),
    )
