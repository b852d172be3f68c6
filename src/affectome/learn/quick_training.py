"""From a recipe of a quick text reader to the folder of its bundle. Needs the ``train`` extra."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from affectome.learn.answers import read_answers
from affectome.learn.batches import plan_batches
from affectome.learn.checkpoints import check_target
from affectome.learn.corpora import COMPOSED, Corpus, load_corpus
from affectome.learn.descent import Descent, Progress
from affectome.learn.pieces import make_pieces
from affectome.learn.quick_bundle import draft_quick_card, write_quick_bundle
from affectome.learn.quick_model import QuickTextModel, padded
from affectome.learn.quick_recipe import QuickRecipe, load_quick_recipe
from affectome.learn.text_model import check_base
from affectome.models import find_model
from affectome.models.card import CARD_NAME
from affectome.perceive import TextReader
from affectome.perceive.cleaning import clean
from affectome.perceive.encoder import Encoded

Array = NDArray[np.float32]

# Weights that bring the gradients of the outputs to about one size.
_LOGIT_SHARE, _VECTOR_SHARE, _MEAN_SHARE, _SPREAD_SHARE = 0.05, 4.0, 4.0, 2.0
_NOT_DECIDING = ("id", "version", "title", "escalate", "card")
_EMBEDDINGS = "embeddings.word_embeddings.weight"


class Lesson(NamedTuple):
    """What is learnt.

    Attributes:
        rows: Token ids of n texts.
        weight: (n,) weight of each.
        answers: What the teacher answers.
        raters: (n, labels) what raters say, NaN where there are none.
        rated: Where the texts with raters are.
    """

    rows: list[list[int]]
    weight: Array
    answers: Encoded
    raters: Array
    rated: slice


def train_quick_recipe(
    path: Path,
    *,
    data: Path,
    base: Path,
    out: Path,
    threads: int = 2,
    report: Callable[[str, Progress], None] | None = None,
    prepared: Callable[[str], None] | None = None,
) -> Path:
    """Train what a recipe describes.

    The teacher reads the training texts first; its answers are kept. A call that was interrupted goes on where it
    stopped when it is made again.

    Args:
        path: The recipe.
        data: Folder that holds one subfolder a corpus; those composed for this project are beside the recipe.
        base: Folder of the base model, whose word vectors it starts from.
        out: Folder for the answers, the checkpoints and the bundle.
        threads: Processor threads.
        report: Called with the recipe's file name and the progress.
        prepared: Called with a line as the teacher reads.

    Returns:
        The folder of the bundle, ``out/<id of the recipe>``.

    Raises:
        InputError: The recipe, a corpus or the base model cannot be read.
        ModelError: The teacher cannot be used, or the recipe's words do not make a valid card.
        RunError: A checkpoint in ``out`` belongs to another recipe, or ``out`` cannot be written.
    """
    recipe = load_quick_recipe(path)
    check_base(base, next_step=f"Run: affectome models pull {recipe.base}")
    corpora = {name: load_corpus(name, path.parent if name in COMPOSED else data) for name in recipe.weights}
    teacher = TextReader(find_model(recipe.teacher, task="text-affect"), threads=threads)
    bundle = out / draft_quick_card(recipe, corpora, teacher.card).id
    check_target(bundle, CARD_NAME)
    lesson = prepare_lesson(recipe, corpora, teacher, out / "answers", prepared)
    trainer = QuickTrainer(recipe, lesson, teacher, base, out / "checkpoints" / recipe.id, threads=threads)
    model = trainer.train(report=functools.partial(report, path.name) if report else None)
    taught = Encoded(*(each[lesson.rated].astype(np.float32) for each in lesson.answers))
    write_quick_bundle(model, recipe, corpora, teacher, taught, bundle)
    return bundle


def prepare_lesson(
    recipe: QuickRecipe,
    corpora: dict[str, Corpus],
    teacher: TextReader,
    folder: Path,
    report: Callable[[str], None] | None = None,
) -> Lesson:
    """The training texts of the corpora and pieces of them, with the answers of the teacher.

    Args:
        recipe: The recipe.
        corpora: The corpora by name.
        teacher: The reader to learn from.
        folder: Where its answers are kept.
        report: Called with a line as it reads.
    """
    texts: list[str] = []
    weights: list[Array] = []
    raters: list[Array] = []
    rated = slice(0)
    for name, weight in recipe.weights.items():
        train = corpora[name].part("train")
        if name == recipe.labels_from:
            rated = slice(len(texts), len(texts) + len(train.texts))
        texts += train.texts
        weights.append(np.full(len(train.texts), weight, np.float32))
        unknown = np.full((len(train.texts), len(teacher.labels)), np.nan, np.float32)
        raters.append(train.targets if name == recipe.labels_from else unknown)
    sources = [text for name in recipe.pieces_from for text in corpora[name].part("train").texts]
    pieces = make_pieces(sources, recipe.pieces, recipe.seed)
    weights.append(np.full(len(pieces), min(recipe.weights[name] for name in recipe.pieces_from), np.float32))
    raters.append(np.full((len(pieces), len(teacher.labels)), np.nan, np.float32))
    texts += pieces
    encodings = teacher.encoder.tokenizer.encode_batch_fast([clean(text) for text in texts], add_special_tokens=False)
    unknown_id = teacher.encoder.tokenizer.token_to_id("[UNK]") or 0
    rows = [encoding.ids[: recipe.max_tokens] or [unknown_id] for encoding in encodings]
    answers = read_answers(teacher, texts, folder, report)
    return Lesson(rows, np.concatenate(weights), answers, np.concatenate(raters), rated)


class QuickTrainer:
    """Trains a quick model on the answers of a teacher.

    Args:
        recipe: The recipe.
        lesson: What is learnt.
        teacher: Whose answers they are.
        base: Folder of the base model.
        folder: Folder of the checkpoint; without one, an interrupted run is lost.
        threads: Processor threads.
    """

    def __init__(
        self,
        recipe: QuickRecipe,
        lesson: Lesson,
        teacher: TextReader,
        base: Path,
        folder: Path | None,
        *,
        threads: int = 2,
    ) -> None:
        torch.set_num_threads(threads)
        torch.manual_seed(recipe.seed)
        self.recipe, self.lesson = recipe, lesson
        self.slope, self.intercept = (torch.from_numpy(each) for each in teacher.platt)
        self.mask_id = teacher.encoder.tokenizer.token_to_id("[MASK]") or 0
        self.model = QuickTextModel(
            first_vectors(base, recipe.width),
            space=lesson.answers.vectors.shape[1],
            labels=len(teacher.labels),
            channels=recipe.channels,
            hidden=recipe.hidden,
            dropout=recipe.dropout,
        )
        lengths = np.array([len(row) for row in lesson.rows], np.int64)
        rng = np.random.default_rng(recipe.seed)
        self.batches = plan_batches(lengths, passes=recipe.passes, size=recipe.batch, rng=rng)
        self.descent = Descent(
            self.model,
            dict.fromkeys(dict(self.model.named_parameters()), recipe.learning_rate),
            steps=len(self.batches),
            warmup=recipe.warmup,
            averaging=recipe.averaging,
            seed=recipe.seed,
            recipe=f"{_deciding(recipe)} {teacher.sha256}",
            folder=folder,
        )

    def train(self, report: Callable[[Progress], None] | None = None) -> QuickTextModel:
        """Take all steps that are left and return the model with its averaged weights."""
        self.descent.run(self._losses, report=report)
        return self.model

    def _losses(self, step: int) -> dict[str, Tensor]:
        chosen = self.batches[step]
        ids = padded([self.lesson.rows[i] for i in chosen])
        left_out = (torch.rand(ids.shape) < self.recipe.word_dropout) & (ids >= 0)
        given = self.model(ids.masked_fill(left_out, self.mask_id))
        wanted = [torch.from_numpy(each[chosen].astype(np.float32)) for each in self.lesson.answers]
        weight = torch.from_numpy(self.lesson.weight[chosen])
        losses = self._by_output(given, wanted, torch.from_numpy(self.lesson.raters[chosen]))
        return {name: (weight * loss).mean() for name, loss in losses.items()}

    def _by_output(self, given: Sequence[Tensor], wanted: Sequence[Tensor], raters: Tensor) -> dict[str, Tensor]:
        """Losses (n,) of vectors, logits, measures and spreads."""
        (vectors, logits, means, spreads), (near, taught, measured, spread) = given, wanted
        presence = torch.sigmoid(taught * self.slope + self.intercept)
        share = self.recipe.raters_share * ~torch.isnan(raters)
        targets = presence * (1 - share) + raters.nan_to_num() * share
        scores = logits * self.slope + self.intercept
        return {
            "labels": binary_cross_entropy_with_logits(scores, targets, reduction="none").sum(1),
            "logits": _LOGIT_SHARE * (logits - taught).square().mean(1),
            "vectors": _VECTOR_SHARE * (1 - (vectors * near).sum(1)),
            "measures": _MEAN_SHARE * (means - measured).square().sum(1),
            "spreads": _SPREAD_SHARE * (spreads - spread).square().sum(1),
        }


def _deciding(recipe: QuickRecipe) -> dict[str, object]:
    """What of a recipe decides the weights."""
    return {name: value for name, value in asdict(recipe).items() if name not in _NOT_DECIDING}


def first_vectors(base: Path, width: int) -> Tensor:
    """Word vectors of a base model in fewer dimensions: their principal components, of length about a half."""
    stored = load_file(base / "model.safetensors")
    full = next(value for name, value in stored.items() if name.endswith(_EMBEDDINGS)).astype(np.float32)
    full -= full.mean(axis=0)
    _, directions = np.linalg.eigh(full.T @ full)
    vectors = full @ directions[:, ::-1][:, :width]
    return torch.from_numpy(np.ascontiguousarray(vectors * (0.5 / (vectors.std() * width**0.5))))
