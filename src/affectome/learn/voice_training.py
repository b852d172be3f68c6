"""From a recipe file to the folder of a voice bundle. Needs the ``train`` and ``voice`` extras."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from affectome.affect import load_taxonomy
from affectome.learn.checkpoints import check_target
from affectome.learn.descent import Progress
from affectome.learn.voice_bundle import draft_voice_card, write_voice_bundle
from affectome.learn.voice_corpora import VoiceCorpus, load_voice_corpus
from affectome.learn.voice_model import VoiceAffectModel
from affectome.learn.voice_recipe import VoiceRecipe, load_voice_recipe
from affectome.learn.voice_still import fit_still
from affectome.learn.voice_trainer import VoiceTrainer
from affectome.models import default_model
from affectome.models.card import CARD_NAME
from affectome.perceive import TextReader

Array = NDArray[np.float32]

_SENTENCES = ("I feel {}.", "She was full of {}.", "Such {}!")
_FORMS = 6  # words for a label that are read for its valence, arousal and dominance


def train_voice_recipe(
    path: Path,
    *,
    data: Path,
    base: Path,
    out: Path,
    threads: int = 2,
    report: Callable[[str, Progress], None] | None = None,
    prepared: Callable[[str], None] | None = None,
) -> Path:
    """Train what a voice recipe describes.

    A call that was interrupted goes on at the last checkpoint when it is made again.

    Args:
        path: The recipe.
        data: Folder that holds one subfolder a corpus.
        base: Folder of the Whisper to start from, in Hugging Face layout.
        out: Folder for the bundle, the checkpoints, and what the lower layers give for the clips (some gigabytes).
        threads: Processor threads.
        report: Called with the recipe's file name and the progress.
        prepared: Called with what was prepared before the first step and fitted after the last.

    Returns:
        The folder of the bundle, ``out/<id of the recipe>``.

    Raises:
        InputError: The recipe, a corpus or the base model cannot be read.
        ModelError: The recipe's words do not make a valid card.
        RunError: A checkpoint in ``out`` belongs to another recipe, or ``out`` cannot be written.
    """
    recipe = load_voice_recipe(path)
    corpora = {source.corpus: load_voice_corpus(source.corpus, data) for source in recipe.sources}
    bundle = out / recipe.id
    draft_voice_card(recipe, corpora, base)
    check_target(bundle, CARD_NAME)
    words = TextReader(default_model("text-affect"), threads=threads)
    measures = {corpus.taxonomy: label_measures(words, corpus.taxonomy) for corpus in corpora.values()}
    trainer = voice_trainer(
        recipe, corpora, base, words=words, measures=measures, out=out, threads=threads, report=prepared
    )
    model: VoiceAffectModel = trainer.train(report=(lambda p: report(path.name, p)) if report else None)
    shares = fit_still(model, trainer.clips)
    if prepared:
        prepared("share of the layer that was not trained: " + ", ".join(f"{k} {v:g}" for k, v in shares.items()))
    write_voice_bundle(model, recipe, corpora, base, bundle, words=words, measures=measures, threads=threads)
    return bundle


def voice_trainer(
    recipe: VoiceRecipe,
    corpora: Mapping[str, VoiceCorpus],
    base: Path,
    *,
    words: TextReader,
    measures: Mapping[str, Array],
    out: Path,
    threads: int = 2,
    report: Callable[[str], None] | None = None,
) -> VoiceTrainer:
    """The trainer of a recipe, whose voices are to lie in the affect space of a text reader; arguments as above."""
    anchors = {name: words.space.anchors(load_taxonomy(name).forms()).vectors for name in measures}
    return VoiceTrainer(
        recipe,
        corpora,
        base,
        anchors=anchors,
        measures=measures,
        out=out / "checkpoints" / recipe.id,
        states=out / "states" / f"{recipe.base}-{recipe.frozen}",
        threads=threads,
        report=report,
    )


def label_measures(words: TextReader, taxonomy: str) -> Array:
    """Valence, arousal and dominance (labels, 3) of the words of a taxonomy, as the text reader reads them."""
    rows = []
    for forms in load_taxonomy(taxonomy).forms().values():
        texts = [sentence.format(form) for form in forms[:_FORMS] for sentence in _SENTENCES]
        rows.append(words.encoder.encode(texts).means[:, :3].mean(axis=0))
    return np.array(rows, np.float32)
