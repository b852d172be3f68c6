"""Training of the voice model on several corpora, resumable at any step.

The layers that are not trained run once over every clip and over distorted copies of it; what they give is kept on
disk, and the steps read it from there. Every step takes one batch of each corpus, a copy of each clip at random.
Needs the ``train`` and ``voice`` extras.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from affectome.affect import load_taxonomy
from affectome.learn.descent import Descent, Progress
from affectome.learn.objectives import gaussian_loss
from affectome.learn.voice_augmentation import distort
from affectome.learn.voice_corpora import VoiceCorpus, load_clips
from affectome.learn.voice_model import VoiceAffectModel, VoiceEncoder
from affectome.learn.voice_recipe import VoiceRecipe
from affectome.perceive.log_mel import BANDS, log_mel
from affectome.perceive.voice import FINE
from affectome.pipeline.storage import replacing

Array = NDArray[np.float32]
Ints = NDArray[np.int64]

_LONGEST = 200  # frames of 20 ms that a clip keeps in a step
_CUT_SHORT = 0.4  # share of the clips of which a stretch at random is taken
_SHORTEST = 50
_BATCH = 8
_SPACE, _FINE, _MEASURES, _STRENGTH = 0.5, 2.0, 0.1, 0.3
_MEASURE_SPREAD = 0.15  # spread of a speaker's valence, arousal and dominance around those of the acted word


class Clips:
    """What the lower layers give for the clips of a corpus and for their distorted copies.

    Args:
        corpus: The corpus.
        folder: Where it is kept, for this base and number of layers only.
        copies: Number of distorted copies.
    """

    def __init__(self, corpus: VoiceCorpus, folder: Path, *, copies: int) -> None:
        self.corpus, self.folder, self.copies = corpus, folder, copies

    def prepare(self, encoder: VoiceEncoder, report: Callable[[str], None] | None = None) -> None:
        """Compute what is not there yet."""
        missing = [copy for copy in range(self.copies + 1) if not self._path(copy).exists()]
        if not missing:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        sounds = load_clips(self.corpus.files)
        speaking = [sounds[i] for i in np.flatnonzero(self.corpus.split == "train")]
        for copy in missing:
            rng = np.random.default_rng(copy)
            heard = sounds if copy == 0 else [distort(sound, rng, speaking) for sound in sounds]
            states = lower_states(encoder, [log_mel(sound) for sound in heard])
            ends = np.cumsum([len(each) for each in states])
            with replacing(self._path(copy), self.folder / "states.partial") as partial, partial.open("wb") as stream:
                np.save(stream, ends)
                np.save(stream, np.concatenate(states))
            if report:
                report(f"{self.corpus.name}: copy {copy} of {self.copies}")

    def of(self, row: int, copy: int = 0) -> NDArray[np.float16]:
        """Frames (t, width) of a clip; copy 0 is the clip as it is."""
        ends, states = self._stored[copy]
        return np.asarray(states[ends[row - 1] if row else 0 : ends[row]])

    @cached_property
    def _stored(self) -> list[tuple[Ints, NDArray[np.float16]]]:
        found = []
        for copy in range(self.copies + 1):
            with self._path(copy).open("rb") as stream:
                found.append((np.load(stream), np.load(stream)))
        return found

    def _path(self, copy: int) -> Path:
        return self.folder / f"{self.corpus.name}-{copy}.states"


def lower_states(encoder: VoiceEncoder, features: Sequence[Array]) -> list[NDArray[np.float16]]:
    """What `VoiceEncoder.lower` gives for clips of any length, from log-mel energies (80, frames) each."""
    order = np.argsort([each.shape[1] for each in features], kind="stable")
    found: list[NDArray[np.float16]] = [np.zeros((0, 0), np.float16)] * len(features)
    for start in range(0, len(order), _BATCH):
        rows = order[start : start + _BATCH]
        frames = [features[i].shape[1] for i in rows]
        batch = np.zeros((len(rows), BANDS, max(frames)), np.float32)
        for k, i in enumerate(rows):
            batch[k, :, : frames[k]] = features[i]
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            states, _ = encoder.lower(torch.from_numpy(batch), torch.tensor(frames))
        for k, i in enumerate(rows):
            found[i] = states[k, : frames[k] // 2].float().numpy().astype(np.float16)
    return found


def pad(states: Sequence[NDArray[np.float16]]) -> tuple[Tensor, Tensor]:
    """Clips of any length as one batch: frames (n, t, width) and the mask (n, t) of those that are there."""
    length = max(len(each) for each in states)
    batch = np.zeros((len(states), length, states[0].shape[1]), np.float32)
    mask = np.zeros((len(states), length), np.bool_)
    for k, each in enumerate(states):
        batch[k, : len(each)] = each
        mask[k, : len(each)] = True
    return torch.from_numpy(batch), torch.from_numpy(mask)


class VoiceTrainer:
    """Trains one model from one recipe.

    Args:
        recipe: The settings.
        corpora: Corpora by name; only their training rows are used.
        base: Folder of the Whisper to start from.
        anchors: Unit vectors (labels, space) of each corpus' taxonomy in the affect space.
        measures: Valence, arousal and dominance (labels, 3) of the words of each corpus' taxonomy.
        out: Folder for checkpoints.
        states: Folder for what is kept of the clips.
        threads: Processor threads.
        report: Called with what is being prepared.
    """

    def __init__(
        self,
        recipe: VoiceRecipe,
        corpora: Mapping[str, VoiceCorpus],
        base: Path,
        *,
        anchors: Mapping[str, Array],
        measures: Mapping[str, Array],
        out: Path,
        states: Path,
        threads: int = 2,
        report: Callable[[str], None] | None = None,
    ) -> None:
        torch.set_num_threads(threads)
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        self.corpora = {source.corpus: corpora[source.corpus] for source in recipe.sources}
        taxonomies = sorted({corpus.taxonomy for corpus in self.corpora.values()})
        encoder = VoiceEncoder.from_whisper(base, recipe.layers, recipe.frozen)
        self.model = VoiceAffectModel(
            encoder,
            {name: torch.from_numpy(anchors[name]) for name in taxonomies},
            {name: load_taxonomy(name).labels for name in (*taxonomies, FINE)},
        )
        self.measures = {name: torch.from_numpy(measures[name]) for name in taxonomies}
        self.clips = {}
        for name, corpus in self.corpora.items():
            self.clips[name] = Clips(corpus, states, copies=recipe.copies)
            self.clips[name].prepare(encoder.eval(), report)
        self.descent = Descent(
            self.model,
            self._rates(),
            steps=recipe.steps,
            warmup=recipe.warmup,
            averaging=recipe.averaging,
            seed=recipe.seed,
            recipe=repr(recipe),
            folder=out,
        )

    def _rates(self) -> dict[str, float]:
        """Peak learning rate of each parameter."""
        rates = {}
        for name, value in self.model.named_parameters():
            if name.startswith("encoder.layers."):
                below = self.recipe.layers - 1 - int(name.split(".")[2])
                rates[name] = self.recipe.learning_rate * self.recipe.layer_decay**below
            elif value.ndim == 0 or name == "mix":
                rates[name] = 1e-2
            else:
                rates[name] = self.recipe.learning_rate * 10
        return rates

    def train(
        self, *, checkpoint_every: int = 100, report: Callable[[Progress], None] | None = None
    ) -> VoiceAffectModel:
        """Run all steps that are left and return the model with its averaged weights, in evaluation mode.

        Raises:
            RunError: The checkpoint belongs to another recipe or is damaged, or cannot be written.
        """
        self.descent.run(self._losses, checkpoint_every=checkpoint_every, report=report)
        return self.model

    def _losses(self, step: int) -> dict[str, Tensor]:
        rng = np.random.default_rng((self.recipe.seed, step))
        return {
            source.corpus: source.weight * self._loss(source.corpus, source.batch, rng)
            for source in self.recipe.sources
        }

    def _loss(self, name: str, size: int, rng: np.random.Generator) -> Tensor:
        corpus, clips, model = self.corpora[name], self.clips[name], self.model
        training = np.flatnonzero(corpus.split == "train")
        rows = rng.choice(training, min(size, len(training)), replace=False)
        copies = rng.integers(clips.copies + 1, size=len(rows))
        states, mask = pad([_stretch(clips.of(int(i), int(copy)), rng) for i, copy in zip(rows, copies, strict=True)])
        with torch.autocast("cpu", torch.bfloat16):
            pooled = model.pool(states, mask)
        pooled = model.dropout(pooled.float())
        labels = torch.from_numpy(corpus.labels[rows])
        means, spreads, strength = model.measures(pooled)
        smoothing = self.recipe.smoothing
        direct = cross_entropy(model.label_logits(pooled, corpus.taxonomy), labels, label_smoothing=smoothing)
        placed = model.anchor_logits(model.vectors(pooled), corpus.taxonomy)
        fine = torch.from_numpy(corpus.at(rows).fine_strengths())
        wanted = self.measures[corpus.taxonomy][labels]
        jittered = wanted + _MEASURE_SPREAD * torch.from_numpy(rng.normal(size=wanted.shape).astype(np.float32))
        loss = (
            direct
            + _SPACE * cross_entropy(placed, labels, label_smoothing=smoothing)
            + _FINE * binary_cross_entropy_with_logits(model.label_logits(pooled, FINE), fine)
            + _MEASURES * gaussian_loss(means, spreads, jittered)
        )
        noted = torch.from_numpy(corpus.strengths[rows])
        known = ~noted.isnan()
        if known.any():
            # A strength of 0.5 is normal, one of 1 strong.
            strong = 2 * noted[known] - 1
            loss = loss + _STRENGTH * torch.nn.functional.binary_cross_entropy(strength[known], strong)
        return loss


def _stretch(states: NDArray[np.float16], rng: np.random.Generator) -> NDArray[np.float16]:
    """A clip, or a part of it at random, with some of its frames missing."""
    length = min(len(states), _LONGEST)
    if length > _SHORTEST and rng.random() < _CUT_SHORT:
        length = int(rng.integers(_SHORTEST, length + 1))
    start = int(rng.integers(len(states) - length + 1))
    part = states[start : start + length].copy()
    gap = int(rng.integers(max(1, length // 6)))
    where = int(rng.integers(length - gap + 1))
    part[where : where + gap] = 0
    return part
