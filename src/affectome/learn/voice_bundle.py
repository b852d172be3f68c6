"""From a trained voice model to a bundle: integer weights, calibrated read-outs, card. Needs the ``train`` extra."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from affectome.affect import list_taxonomies, load_taxonomy
from affectome.affect.space import AffectSpace, softmax
from affectome.learn.calibration import fit_presence, fit_sharpness, fit_spread_scale, fit_temperature
from affectome.learn.checkpoints import whole_folder
from affectome.learn.onnx_graph import observed_ranges, open_session, save_graph
from affectome.learn.voice_corpora import VoiceCorpus, known_corpora, languages_of, load_clips
from affectome.learn.voice_graph import build_voice_graph
from affectome.learn.voice_recipe import VoiceRecipe
from affectome.models import BaseModelSource, Card, FileEntry, TrainingData, write_card
from affectome.models.card import CARD_NAME
from affectome.perceive.log_mel import log_mel
from affectome.perceive.voice import FINE
from affectome.perceive.voice_encoder import Heard, VoiceEncoder

if TYPE_CHECKING:
    from affectome.learn.voice_model import VoiceAffectModel
    from affectome.perceive import TextReader

Array = NDArray[np.float32]

SPACE_NAME = "space.safetensors"
_PLACE_LENGTHS = (0.0, 2.0, 5.0, 10.0, 20.0)  # how much the place in the affect space counts beside a head
_SAMPLE = 150  # training clips of each corpus for input ranges and the background


def write_voice_bundle(
    model: VoiceAffectModel,
    recipe: VoiceRecipe,
    corpora: Mapping[str, VoiceCorpus],
    base: Path,
    out: Path,
    *,
    words: TextReader,
    measures: Mapping[str, Array],
    threads: int = 2,
) -> None:
    """Write a bundle folder. Everything is fitted on training and development clips; test clips are not touched.

    The folder appears complete or not at all.

    Args:
        model: The trained model.
        recipe: The recipe it was trained by.
        corpora: The corpora by name.
        base: Folder of the base model, for its provenance.
        out: Folder of the bundle; a bundle that is there is replaced.
        words: The text reader whose affect space this is.
        measures: Valence, arousal and dominance (labels, 3) of the words of each corpus' taxonomy.
        threads: Processor threads.

    Raises:
        InputError: A clip cannot be decoded.
        ModelError: The recipe's words do not make a valid card.
        RunError: There is something else at ``out``, or it cannot be written.
    """
    used = {source.corpus: corpora[source.corpus] for source in recipe.sources}
    card = draft_voice_card(recipe, used, base)
    with whole_folder(out, CARD_NAME) as staged:
        encoder, background = _write_encoder(model, recipe, used, staged, threads)
        write_voice_readout(encoder, background, used, staged, words=words, measures=measures, slope=model.scale.item())
        entries = {path.name: FileEntry.of(path) for path in sorted(staged.iterdir())}
        write_card(staged / CARD_NAME, replace(card, files=entries))


def _write_encoder(
    model: VoiceAffectModel, recipe: VoiceRecipe, corpora: Mapping[str, VoiceCorpus], out: Path, threads: int
) -> tuple[VoiceEncoder, Array]:
    """Write the model; return it as the bundle runs it, and the mean of the vectors of a sample of training clips."""
    weights = {name: value.numpy() for name, value in model.state_dict().items()}
    rng = np.random.default_rng(recipe.seed)
    files: list[Path] = []
    for corpus in corpora.values():
        train = corpus.part("train").files
        files += [train[i] for i in rng.permutation(len(train))[:_SAMPLE]]
    sounds = load_clips(files)
    build = partial(
        build_voice_graph,
        weights,
        layers=len(model.encoder.layers),
        frozen=model.encoder.frozen,
        heads=model.encoder.width // 64,
        vocabularies=sorted(model.labels),
    )
    features = (log_mel(sound) for sound in sounds)
    feeds = ({"features": each[None], "frames": np.array([each.shape[1]])} for each in features)
    ranges = observed_ranges(build(ranges={}, observe=True), feeds, threads)
    save_graph(build(ranges=ranges), out / "model.onnx")
    encoder = VoiceEncoder(open_session((out / "model.onnx").read_bytes(), threads))
    background = encoder.encode(sounds).vectors.mean(axis=0)
    return encoder, background


def write_voice_readout(
    encoder: VoiceEncoder,
    background: Array,
    corpora: Mapping[str, VoiceCorpus],
    out: Path,
    *,
    words: TextReader,
    measures: Mapping[str, Array],
    slope: float,
) -> None:
    """Write everything a reader needs beside the model, fitted on development clips.

    Args:
        encoder: The model as the bundle runs it.
        background: Mean of the vectors (width,) of training clips.
        corpora: The corpora by name.
        out: Folder of the bundle.
        words: The text reader whose affect space this is.
        measures: Valence, arousal and dominance (labels, 3) of the words of each corpus' taxonomy.
        slope: Slope at which the model was trained to tell words apart.
    """
    space = AffectSpace(words.encoder.vectors, background, sharpness=slope, presence=(slope, 0.0))
    temperature: dict[str, float] = {FINE: 1.0}
    anchors: dict[str, Array] = {}
    similarities, present, chosen, sharpest = [], [], [], []
    means, spreads, wanted = [], [], []
    for corpus in corpora.values():
        dev = corpus.part("dev")
        heard: Heard = encoder.encode(load_clips(dev.files))
        taxonomy = load_taxonomy(corpus.taxonomy)
        truth = np.eye(len(taxonomy.labels), dtype=np.float32)[dev.labels]
        placed = space.anchors(taxonomy.forms())
        logits, anchors[corpus.taxonomy] = _with_place(heard, corpus.taxonomy, placed.vectors, truth)
        temperature[corpus.taxonomy] = fit_temperature(logits, truth)
        similarity = space.similarity(heard.vectors, placed)
        similarities.append(similarity.ravel())
        present.append(truth.ravel())
        sharpest.append(fit_sharpness(similarity, truth))
        chosen.append(len(dev.files))
        means.append(heard.means)
        spreads.append(heard.spreads)
        wanted.append(measures[corpus.taxonomy][dev.labels])
    presence = fit_presence(np.concatenate(similarities)[:, None], np.concatenate(present)[:, None])
    scale = fit_spread_scale(np.concatenate(means), np.concatenate(spreads), np.concatenate(wanted))
    save_file(
        {"background": background, **{f"anchors.{name}": each for name, each in anchors.items()}}, out / SPACE_NAME
    )
    readout = {
        "taxonomy": next(iter(corpora.values())).taxonomy,
        "temperature": temperature,
        "presence": list(presence),
        "sharpness": float(np.average(sharpest, weights=chosen)),
        "spread_scale": scale.tolist(),
        "strength": any(not np.isnan(corpus.strengths).all() for corpus in corpora.values()),
        "space": {"model": words.model, "sha256": words.sha256},
    }
    (out / "readout.json").write_text(json.dumps(readout, indent=1) + "\n", encoding="utf-8")


def _with_place(heard: Heard, taxonomy: str, anchors: Array, truth: Array) -> tuple[Array, Array]:
    """Logits of a head with the place in the affect space added, and anchors of the length at which that fits best."""

    def loss(length: float) -> float:
        logits = np.asarray(heard.labels[taxonomy] + length * heard.vectors @ anchors.T, np.float32)
        p = softmax(logits / np.float32(fit_temperature(logits, truth)))
        return -float(np.log(np.maximum((p * truth).sum(axis=1), 1e-9)).mean())

    best = min(_PLACE_LENGTHS, key=loss)
    scaled = np.asarray(best * anchors, np.float32)
    return heard.labels[taxonomy] + heard.vectors @ scaled.T, scaled


def draft_voice_card(recipe: VoiceRecipe, corpora: Mapping[str, VoiceCorpus], base: Path) -> Card:
    """The card of a bundle before there is a bundle, so that a recipe that makes none is found early.

    Raises:
        ModelError: The recipe's words do not make a valid card.
    """
    known = known_corpora()
    data = tuple(
        TrainingData(
            name=known[name]["title"],
            licence=known[name]["licence"],
            commercial=known[name]["commercial"],
            use=known[name]["use"],
            rows=int((corpus.split == "train").sum()),
        )
        for name, corpus in corpora.items()
    )
    weights = FileEntry.of(base / "model.safetensors")
    untaught = _untaught(corpora)
    return Card(
        id=recipe.id,
        version=recipe.version,
        task="voice-affect",
        title=recipe.title,
        taxonomies=tuple(list_taxonomies()),
        languages=languages_of(list(corpora)),
        licence=recipe.card.licence,
        commercial=recipe.card.commercial,
        commercial_note=recipe.card.commercial_note,
        released=datetime.now(UTC).date(),
        training_data=data,
        metrics=(),
        intended_use=recipe.card.intended_use,
        limits=(*recipe.card.limits, f"Labels of {FINE} without training data, read as absent: {', '.join(untaught)}."),
        files={"model.safetensors": weights},
        base_model=BaseModelSource(f"openai/{recipe.base}", "MIT", weights.sha256),
    )


def _untaught(corpora: Mapping[str, VoiceCorpus]) -> list[str]:
    """Labels of `FINE` that no label of the corpora stands for."""
    known = known_corpora()
    taught = {term for name in corpora for terms in known[name]["terms"].values() for term in terms}
    return [label for label in load_taxonomy(FINE).labels if label not in taught]
