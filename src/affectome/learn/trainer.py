"""Joint training of the text model on several corpora, resumable at any step.

Every step takes one batch of one corpus. The order of all batches and everything random in a step follow from the
recipe's seed and the step's number, so a run that was interrupted goes on as if it had not been.
Needs the ``train`` extra.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from affectome.learn.batches import pad, plan_batches, sorted_batches, tokenize
from affectome.learn.corpora import Corpus
from affectome.learn.descent import Descent, Progress, encoder_rate
from affectome.learn.objectives import concordance_loss, gaussian_loss, presence_loss, soft_cross_entropy
from affectome.learn.recipe import Recipe
from affectome.learn.text_model import MEASURES, TextAffectModel
from affectome.learn.vocabulary import Vocabulary, forms_of


class Source(NamedTuple):
    """The training rows of one corpus and the token ids of their texts."""

    corpus: Corpus
    ids: list[list[int]]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Number of tokens of each text."""
        return np.array([len(ids) for ids in self.ids], np.int64)


def pool(model: TextAffectModel, rows: Sequence[Sequence[int]]) -> Tensor:
    """Text vectors (n, width) of token ids, computed in 16-bit floats where the processor gains by it."""
    with torch.autocast("cpu", torch.bfloat16):
        pooled: Tensor = model.pool(*pad(rows))
    return pooled


class TextTrainer:
    """Trains one model from one recipe.

    Args:
        recipe: The settings.
        corpora: Corpora by name; only their training rows are used.
        base: Folder of the base encoder.
        vocabulary: Forms of the label words.
        out: Folder for checkpoints.
        teachers: Trained models. This one starts from the mean of their weights, and their answers are mixed into the
            targets with the recipe's share.
        threads: Processor threads.
    """

    def __init__(
        self,
        recipe: Recipe,
        corpora: Mapping[str, Corpus],
        base: Path,
        vocabulary: Vocabulary,
        out: Path,
        *,
        teachers: Sequence[TextAffectModel] = (),
        threads: int = 2,
    ) -> None:
        torch.set_num_threads(threads)
        torch.manual_seed(recipe.seed)
        self.recipe, self.vocabulary, self.out = recipe, vocabulary, out
        self.tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
        labels_corpus = corpora[recipe.labels_from].part("train")
        self.model = TextAffectModel(base, labels_corpus.columns)
        prior = torch.tensor(labels_corpus.targets.mean(0)).clamp(1e-4, 1 - 1e-4)
        with torch.no_grad():
            self.model.label_head.bias.copy_(torch.logit(prior))
            self.model.label_bias.copy_(torch.logit(prior) - 2.0)
        parts = [corpora[plan.corpus].part("train") for plan in recipe.sources]
        self.sources = [Source(part, tokenize(part.texts, self.tokenizer, recipe.max_tokens)) for part in parts]
        if teachers:
            self._learn_from(teachers)
        rng = np.random.default_rng(recipe.seed)
        plan = [
            (k, rows)
            for k, (source, tokens) in enumerate(zip(recipe.sources, self.sources, strict=True))
            for rows in plan_batches(tokens.lengths, passes=source.passes, size=source.batch, rng=rng)
        ]
        self.plan = [plan[i] for i in rng.permutation(len(plan))]
        self.descent = Descent(
            self.model,
            self._rates(),
            steps=len(plan),
            warmup=recipe.warmup,
            averaging=recipe.averaging,
            seed=recipe.seed,
            recipe=repr(recipe),
            folder=out,
        )
        self.form_ids: dict[str, list[list[int]]] = {}

    def _learn_from(self, teachers: Sequence[TextAffectModel]) -> None:
        """Start from the average of the teachers' weights, and mix what they answer on average into the targets.

        Models tuned from one base lie in one basin, and their average generalises better (Wortsman et al. 2022).
        """
        states = [teacher.state_dict() for teacher in teachers]
        self.model.load_state_dict({name: torch.stack([state[name] for state in states]).mean(0) for name in states[0]})
        share = self.recipe.teacher_share
        for plan, source in zip(self.recipe.sources, self.sources, strict=True):
            if plan.corpus != self.recipe.labels_from and source.corpus.columns != MEASURES[:3]:
                continue
            presence = plan.corpus == self.recipe.labels_from
            source.corpus.targets[:] *= 1 - share
            with torch.no_grad():
                for rows in sorted_batches(source.lengths):
                    for teacher in teachers:
                        pooled = pool(teacher, [source.ids[i] for i in rows])
                        answer = (
                            torch.sigmoid(teacher.label_logits(pooled))
                            if presence
                            else teacher.measures(pooled)[0][:, :3]
                        )
                        source.corpus.targets[rows] += share / len(teachers) * answer.numpy()

    def _rates(self) -> dict[str, float]:
        """Peak learning rate of each parameter."""
        layers = int(self.model.encoder.config.num_hidden_layers)
        rates = {}
        for name, value in self.model.named_parameters():
            if name.startswith("encoder."):
                rates[name] = self.recipe.learning_rate * encoder_rate(name, layers, self.recipe.layer_decay)
            elif value.ndim == 0 or name == "label_bias":
                rates[name] = 1e-2
            else:
                rates[name] = self.recipe.learning_rate * 5
        return rates

    def train(
        self, *, checkpoint_every: int = 400, report: Callable[[Progress], None] | None = None
    ) -> TextAffectModel:
        """Run all steps that are left and return the model with its averaged weights, in evaluation mode.

        Args:
            checkpoint_every: Steps between checkpoints.
            report: Called every 50 steps.

        Raises:
            RunError: The checkpoint belongs to another recipe or is damaged, or cannot be written.
        """
        self.descent.run(self._losses, checkpoint_every=checkpoint_every, report=report)
        return self.model

    def _losses(self, step: int) -> dict[str, Tensor]:
        k, rows = self.plan[step]
        source = self.recipe.sources[k]
        rng = np.random.default_rng((self.recipe.seed, step))
        return {source.corpus: self._loss(self.sources[k], rows, rng) * source.weight}

    def _loss(self, source: Source, rows: NDArray[np.int64], rng: np.random.Generator) -> Tensor:
        corpus, model = source.corpus, self.model
        pooled = pool(self.model, [source.ids[i] for i in rows])
        targets = torch.from_numpy(corpus.targets[rows])
        if corpus.kind == "measure":
            return self._measure_loss(pooled, targets, corpus.columns)
        if corpus.kind == "presence" and corpus.columns == model.labels:
            anchors = pool(self.model, [self._form(label, rng) for label in corpus.columns])
            return presence_loss(model.label_logits(pooled), targets) + presence_loss(
                model.anchor_logits(pooled, anchors), targets
            )
        shares = targets / targets.sum(1, keepdim=True)
        present = np.flatnonzero(shares.sum(0).numpy())
        absent = np.setdiff1d(np.arange(len(corpus.columns)), present)
        extra = rng.permutation(absent)[: max(0, self.recipe.anchors - len(present))]
        chosen = np.concatenate([present, extra])
        anchors = pool(self.model, [self._form(corpus.columns[i], rng) for i in chosen])
        return soft_cross_entropy(model.choice_logits(pooled, anchors), shares[:, chosen], self.recipe.smoothing)

    def _measure_loss(self, pooled: Tensor, targets: Tensor, columns: tuple[str, ...]) -> Tensor:
        means, spreads = self.model.measures(pooled)
        at = [MEASURES.index(column) for column in columns]
        if columns == ("toxicity",):
            return torch.nn.functional.binary_cross_entropy(means[:, at], targets)
        if columns == ("sentiment",):
            return concordance_loss(means[:, at], targets)
        return gaussian_loss(means[:, at].detach(), spreads, targets) + concordance_loss(means[:, at], targets)

    def _form(self, label: str, rng: np.random.Generator) -> list[int]:
        if label not in self.form_ids:
            self.form_ids[label] = tokenize(forms_of(label, self.vocabulary), self.tokenizer, self.recipe.max_tokens)
        forms = self.form_ids[label]
        return forms[int(rng.integers(len(forms)))]
