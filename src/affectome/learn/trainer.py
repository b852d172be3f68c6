"""Joint training of the text model on several corpora, resumable at any step.

Every step takes one batch of one corpus. The order of all batches and everything random in a step follow from the
recipe's seed and the step's number, so a run that was interrupted goes on as if it had not been.
Needs the ``train`` extra.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor

from affectome.errors import RunError
from affectome.learn.corpora import Corpus
from affectome.learn.objectives import concordance_loss, gaussian_loss, presence_loss, soft_cross_entropy
from affectome.learn.recipe import Recipe
from affectome.learn.text_model import MEASURES, TextAffectModel
from affectome.learn.vocabulary import Vocabulary, forms_of
from affectome.perceive.cleaning import clean

_WINDOW = 50  # batches whose texts are sorted by length together: little padding, still random order


@dataclass(frozen=True)
class Progress:
    """One line of a training log: step, number of steps, mean loss by corpus since the last line, seconds so far."""

    step: int
    steps: int
    losses: dict[str, float]
    seconds: float


class TokenBatches:
    """Texts of one corpus as token ids, cut into batches of similar length.

    Args:
        corpus: Training rows.
        tokenizer: Tokenizer of the base encoder.
        max_tokens: Longer texts are cut.
    """

    def __init__(self, corpus: Corpus, tokenizer: Tokenizer, max_tokens: int) -> None:
        self.corpus = corpus
        self.ids = tokenize(corpus.texts, tokenizer, max_tokens)
        self.lengths = np.array([len(ids) for ids in self.ids])

    def plan(self, passes: float, size: int, rng: np.random.Generator) -> list[NDArray[np.int64]]:
        """Row numbers of the batches for so many passes, in random order."""
        n = len(self.ids)
        order = np.concatenate([rng.permutation(n) for _ in range(math.ceil(passes))])[: round(passes * n)]
        batches: list[NDArray[np.int64]] = []
        for start in range(0, len(order), size * _WINDOW):
            window = order[start : start + size * _WINDOW]
            window = window[np.argsort(self.lengths[window], kind="stable")]
            batches += [window[i : i + size] for i in range(0, len(window), size)]
        return [batches[i] for i in rng.permutation(len(batches))]


def tokenize(texts: Sequence[str], tokenizer: Tokenizer, max_tokens: int) -> list[list[int]]:
    """Token ids of cleaned texts, each cut to ``max_tokens``."""
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_tokens)
    return [encoding.ids for encoding in tokenizer.encode_batch([clean(text) for text in texts])]


def pad(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Ids and mask (n, longest), padded with 0."""
    longest = max(map(len, rows))
    ids = torch.zeros(len(rows), longest, dtype=torch.long)
    mask = torch.zeros(len(rows), longest, dtype=torch.long)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row)
        mask[i, : len(row)] = 1
    return ids, mask


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
        start: A trained model to start from, and to learn from if the recipe gives it a share as a teacher.
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
        start: TextAffectModel | None = None,
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
        self.sources = [
            TokenBatches(corpora[s.corpus].part("train"), self.tokenizer, recipe.max_tokens) for s in recipe.sources
        ]
        if start is not None:
            self.model.load_state_dict(start.state_dict())
            self._learn_from(start)
        rng = np.random.default_rng(recipe.seed)
        plan = [
            (k, rows)
            for k, (source, batches) in enumerate(zip(recipe.sources, self.sources, strict=True))
            for rows in batches.plan(source.passes, source.batch, rng)
        ]
        self.plan = [plan[i] for i in rng.permutation(len(plan))]
        self.optimizer = torch.optim.AdamW(self._groups(), fused=True)
        self.peaks = [group["lr"] for group in self.optimizer.param_groups]
        self.average = {name: value.detach().clone() for name, value in self._trained()}
        self.step = 0
        self.form_ids: dict[str, list[list[int]]] = {}

    def _learn_from(self, teacher: TextAffectModel) -> None:
        """Mix the teacher's probabilities into the targets of the labelled corpus."""
        share = self.recipe.teacher_share
        for plan, source in zip(self.recipe.sources, self.sources, strict=True):
            if not share or plan.corpus != self.recipe.labels_from:
                continue
            order = np.argsort(source.lengths, kind="stable")
            with torch.no_grad():
                for rows in np.array_split(order, max(1, len(order) // 128)):
                    logits = teacher.label_logits(pool(teacher, [source.ids[i] for i in rows]))
                    source.corpus.targets[rows] *= 1 - share
                    source.corpus.targets[rows] += share * torch.sigmoid(logits).numpy()

    def _trained(self) -> list[tuple[str, Tensor]]:
        return [(name, value) for name, value in self.model.named_parameters() if value.requires_grad]

    def _groups(self) -> list[dict[str, object]]:
        top = int(self.model.encoder.config.num_hidden_layers) - 1
        groups: list[dict[str, object]] = []
        for name, value in self._trained():
            rate = self.recipe.learning_rate
            if name.startswith("encoder."):
                layer = int(name.split("layer.")[1].split(".")[0]) if "layer." in name else -1
                rate *= self.recipe.layer_decay ** (top - layer)
            elif value.ndim == 0 or name == "label_bias":
                rate = 1e-2
            else:
                rate *= 5
            groups.append({"params": [value], "lr": rate, "weight_decay": 0.01 if value.ndim > 1 else 0.0})
        return groups

    def train(
        self, *, checkpoint_every: int = 400, report: Callable[[Progress], None] | None = None
    ) -> TextAffectModel:
        """Run all steps that are left and return the model with its averaged weights.

        Args:
            checkpoint_every: Steps between checkpoints.
            report: Called every 50 steps.

        Raises:
            RunError: The checkpoint belongs to another recipe or is damaged, or cannot be written.
        """
        self._resume()
        started, sums, counts = time.monotonic(), dict[str, float](), dict[str, int]()
        self.model.train()
        while self.step < len(self.plan):
            name, loss = self._one_step()
            sums[name], counts[name] = sums.get(name, 0.0) + loss, counts.get(name, 0) + 1
            if self.step % 50 == 0 and report:
                means = {key: sums[key] / counts[key] for key in sorted(sums)}
                report(Progress(self.step, len(self.plan), means, time.monotonic() - started))
                sums, counts = {}, {}
            if self.step % checkpoint_every == 0:
                self._checkpoint()
        self._checkpoint()
        return self.averaged()

    def averaged(self) -> TextAffectModel:
        """The model with the running average of its weights, in evaluation mode."""
        self.model.load_state_dict(self.average, strict=False)
        return self.model.eval()

    def _one_step(self) -> tuple[str, float]:
        k, rows = self.plan[self.step]
        torch.manual_seed(self.recipe.seed * 1_000_003 + self.step)
        rng = np.random.default_rng((self.recipe.seed, self.step))
        done = self.step / len(self.plan)
        factor = min(1.0, (done + 1e-4) / self.recipe.warmup) * (1 - done)
        for group, peak in zip(self.optimizer.param_groups, self.peaks, strict=True):
            group["lr"] = peak * factor
        loss = self._loss(self.sources[k], rows, rng) * self.recipe.sources[k].weight
        loss.backward()
        torch.nn.utils.clip_grad_norm_([value for _, value in self._trained()], 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.step += 1
        decay = min(self.recipe.averaging, self.step / (self.step + 10))
        with torch.no_grad():
            for name, value in self._trained():
                self.average[name].lerp_(value, 1 - decay)
        return self.recipe.sources[k].corpus, float(loss.detach())

    def _loss(self, source: TokenBatches, rows: NDArray[np.int64], rng: np.random.Generator) -> Tensor:
        corpus, model = source.corpus, self.model
        pooled = self._pool([source.ids[i] for i in rows])
        targets = torch.from_numpy(corpus.targets[rows])
        if corpus.kind == "measure":
            return self._measure_loss(pooled, targets, corpus.columns)
        if corpus.kind == "presence" and corpus.columns == model.labels:
            anchors = self._pool([self._form(label, rng) for label in corpus.columns])
            return presence_loss(model.label_logits(pooled), targets) + presence_loss(
                model.anchor_logits(pooled, anchors), targets
            )
        shares = targets / targets.sum(1, keepdim=True)
        present = np.flatnonzero(shares.sum(0).numpy())
        absent = np.setdiff1d(np.arange(len(corpus.columns)), present)
        extra = rng.permutation(absent)[: max(0, self.recipe.anchors - len(present))]
        chosen = np.concatenate([present, extra])
        anchors = self._pool([self._form(corpus.columns[i], rng) for i in chosen])
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

    def _pool(self, rows: Sequence[Sequence[int]]) -> Tensor:
        return pool(self.model, rows)

    def _checkpoint(self) -> None:
        tensors = {f"model/{name}": value.detach() for name, value in self._trained()}
        tensors |= {f"average/{name}": value for name, value in self.average.items()}
        for index, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer/{index}/{key}": value for key, value in state.items()}
        meta = {"step": str(self.step), "recipe": repr(self.recipe)}
        partial = self.out / "checkpoint.partial"
        try:
            self.out.mkdir(parents=True, exist_ok=True)
            save_file({key: value.contiguous().clone() for key, value in tensors.items()}, partial, meta)
            partial.replace(self.out / "checkpoint.safetensors")
        except (OSError, SafetensorError) as reason:
            raise RunError(
                f"The checkpoint cannot be written to {self.out}: {reason}.",
                code="cannot_write",
                value=self.out,
                next_step="Make room there, then give the same command again; it goes on at the checkpoint before.",
            ) from reason

    def _resume(self) -> None:
        path = self.out / "checkpoint.safetensors"
        if not path.exists():
            return
        try:
            with safe_open(path, "pt") as stored:
                meta = stored.metadata()
            tensors = load_file(path)
        except (OSError, SafetensorError) as reason:
            raise RunError(
                f"The checkpoint in {self.out} cannot be read: {reason}.",
                code="bad_checkpoint",
                value=self.out,
                next_step="Delete it to start again.",
            ) from reason
        if meta["recipe"] != repr(self.recipe):
            raise RunError(
                f"The checkpoint in {self.out} belongs to another recipe.",
                code="other_recipe",
                value=self.out,
                next_step="Choose another --out folder, or delete the checkpoint.",
            )
        self.model.load_state_dict(
            {key.removeprefix("model/"): value for key, value in tensors.items() if key.startswith("model/")},
            strict=False,
        )
        self.average = {
            key.removeprefix("average/"): value for key, value in tensors.items() if key.startswith("average/")
        }
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            if key.startswith("optimizer/"):
                _, index, field = key.split("/")
                state.setdefault(int(index), {})[field] = value
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})
        self.step = int(meta["step"])
