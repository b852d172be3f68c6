"""From a trained text model to a bundle: integer weights, calibrated read-outs, card.

Needs the ``train`` extra.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file
from tokenizers import Tokenizer

from affectome.affect import list_taxonomies, load_taxonomy
from affectome.affect.space import AffectSpace, sigmoid
from affectome.errors import InputError
from affectome.evaluate import choose_thresholds
from affectome.learn.calibration import fit_platt, fit_presence, fit_sharpness, fit_spread_scale
from affectome.learn.checkpoints import whole_folder
from affectome.learn.corpora import Corpus
from affectome.learn.onnx_graph import Range, build_graph, observed_ranges, open_session, save_graph
from affectome.learn.recipe import Recipe
from affectome.learn.toxicity import fit_toxicity, harmless_texts
from affectome.models import BaseModelSource, Card, FileEntry, TrainingData, base_models, write_card
from affectome.models.card import CARD_NAME
from affectome.perceive.cleaning import clean
from affectome.perceive.encoder import WINDOW, Encoded, TextEncoder

if TYPE_CHECKING:
    import onnx

    from affectome.learn.text_model import TextAffectModel

Array = NDArray[np.float32]

_DIMENSIONS = ("valence", "arousal", "dominance")
SAMPLE = 500
"""Training texts of each corpus for input ranges and the background."""
_SMOOTHING = 10.0  # present texts with which the common threshold counts against a rare label's own


class HeldOut(NamedTuple):
    """Development rows on which the read-outs of a bundle are fitted.

    Attributes:
        taxonomy: Id of the taxonomy whose labels the direct head has.
        labelled: Texts with those labels.
        choice: Texts with one of many labels that exclude each other.
        measured: Texts with valence, arousal and dominance.
    """

    taxonomy: str
    labelled: Corpus
    choice: Corpus
    measured: Corpus


def held_out(recipe: Recipe, corpora: Mapping[str, Corpus]) -> HeldOut:
    """Find the development rows a bundle needs among the corpora of a recipe.

    Raises:
        InputError: A corpus for one of the read-outs is missing, or has no training or no development rows.
    """
    names = [source.corpus for source in recipe.sources]
    labelled = corpora[recipe.labels_from]
    taxonomy = next((name for name in list_taxonomies() if load_taxonomy(name).labels == labelled.columns), None)
    if taxonomy is None or labelled.kind != "presence":
        raise _unfit(recipe, f"the labels of {recipe.labels_from!r} are not those of a taxonomy, several to a text")
    choice = next((corpora[name] for name in names if name.startswith("situations")), None)
    measured = next((corpora[name] for name in names if _is_measured(corpora[name])), None)
    if choice is None or measured is None:
        lacking = "situations" if choice is None else "valence, arousal and dominance"
        raise _unfit(recipe, f"no source gives {lacking}")
    for corpus in (labelled, choice, measured):
        if not {"train", "dev"} <= set(corpus.split):
            raise _unfit(recipe, f"the corpus {corpus.name!r} has no rows to train on, or none to calibrate on")
    return HeldOut(taxonomy, labelled.part("dev"), choice.part("dev"), measured.part("dev"))


def _is_measured(corpus: Corpus) -> bool:
    return corpus.columns == _DIMENSIONS


def _unfit(recipe: Recipe, reason: str) -> InputError:
    return InputError(
        f"No bundle can be made from the recipe {recipe.id!r}: {reason}.", code="bad_recipe", value=recipe.id
    )


def write_bundle(
    model: TextAffectModel, recipe: Recipe, corpora: Mapping[str, Corpus], base: Path, out: Path, threads: int = 2
) -> None:
    """Write a bundle folder. Everything is fitted on training and development rows; test rows are not touched.

    The folder appears complete or not at all.

    Args:
        model: The trained model.
        recipe: The recipe it was trained by.
        corpora: The corpora by name.
        base: Folder of the base model, for tokenizer and provenance.
        out: Folder of the bundle; a bundle that is there is replaced.
        threads: Processor threads.

    Raises:
        InputError: The corpora do not give what a bundle needs.
        ModelError: The recipe's words do not make a valid card.
        RunError: There is something else at ``out``, or it cannot be written.
    """
    card = draft_card(recipe, corpora, base)
    with whole_folder(out, CARD_NAME) as staged:
        _write_files(model, recipe, corpora, base, staged, threads)
        entries = {path.name: FileEntry.of(path) for path in sorted(staged.iterdir())}
        write_card(staged / CARD_NAME, replace(card, files=entries))


def _write_files(
    model: TextAffectModel, recipe: Recipe, corpora: Mapping[str, Corpus], base: Path, out: Path, threads: int
) -> None:
    """Every file of a bundle but its card."""
    weights = {name: value.numpy() for name, value in model.state_dict().items()}
    config = model.encoder.config
    layers, heads = int(config.num_hidden_layers), int(config.num_attention_heads)
    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    rng = np.random.default_rng(recipe.seed)
    sample = [
        text for source in recipe.sources for text in _some(corpora[source.corpus].part("train").texts, SAMPLE, rng)
    ]
    encoder, background = write_encoder(
        weights, tokenizer, out, layers=layers, heads=heads, sample=sample, threads=threads
    )
    readout = _fit_readout(encoder, held_out(recipe, corpora), background, float(weights["scale"]))
    rated = [corpora[source.corpus] for source in recipe.sources if corpora[source.corpus].columns == ("toxicity",)]
    if any(corpus.targets.any() for corpus in rated):
        # Sentences rated for valence, arousal and dominance are of books, news and letters.
        measured = next(corpora[source.corpus] for source in recipe.sources if _is_measured(corpora[source.corpus]))
        harmless = harmless_texts(corpora[recipe.labels_from].part("train")) + measured.part("train").texts
        readout["toxicity"] = fit_toxicity(encoder, rated, harmless)
    (out / "readout.json").write_text(json.dumps(readout, indent=1) + "\n", encoding="utf-8")


def write_encoder(
    weights: Mapping[str, Array],
    tokenizer: Tokenizer,
    out: Path,
    *,
    layers: int,
    heads: int,
    sample: Sequence[str],
    threads: int = 2,
) -> tuple[TextEncoder, Array]:
    """Write the files of a bundle that hold its encoder, with integer weights.

    Args:
        weights: State of a ``TextAffectModel`` by parameter name.
        tokenizer: Its tokenizer.
        out: Folder for model.onnx, tokenizer.json and space.safetensors.
        layers: Encoder layers.
        heads: Attention heads.
        sample: Training texts for input ranges and the background.
        threads: Processor threads.

    Returns:
        The encoder as the bundle runs it, and the mean of the vectors of the sample.
    """
    watched = build_graph(weights, layers=layers, heads=heads, ranges={}, observe=True, quantize_embeddings=False)
    ranges = observe_ranges(watched, tokenizer, sample, threads)
    save_graph(build_graph(weights, layers=layers, heads=heads, ranges=ranges), out / "model.onnx")
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.save(str(out / "tokenizer.json"))
    encoder = TextEncoder(open_session((out / "model.onnx").read_bytes(), threads), tokenizer)
    background = encoder.vectors(sample).mean(axis=0)
    save_file({"background": background}, out / "space.safetensors")
    return encoder, background


def observe_ranges(
    model: onnx.ModelProto, tokenizer: Tokenizer, texts: Sequence[str], threads: int = 2
) -> dict[str, Range]:
    """Input range of each product of a graph built with ``observe``, over some texts.

    Padding never reaches the observations: every text is run alone.
    """
    tokenizer.no_padding()
    tokenizer.enable_truncation(WINDOW)
    rows = (np.array([encoding.ids], np.int64) for encoding in tokenizer.encode_batch([clean(text) for text in texts]))
    return observed_ranges(model, ({"input_ids": ids, "attention_mask": np.ones_like(ids)} for ids in rows), threads)


def _some(texts: Sequence[str], count: int, rng: np.random.Generator) -> list[str]:
    return [texts[i] for i in rng.permutation(len(texts))[:count]]


def _fit_readout(encoder: TextEncoder, held: HeldOut, background: Array, slope: float) -> dict[str, object]:
    """Everything a reader needs beside the model, fitted on development rows."""
    labelled, choice = held.labelled, held.choice
    encoded = encoder.encode(labelled.texts)
    platt = fit_platt(encoded.labels, labelled.targets)
    p = sigmoid(encoded.labels * platt.slope + platt.intercept)
    thresholds = choose_thresholds(dev_truth=labelled.targets, dev_probability=p, smoothing=_SMOOTHING).values
    space = AffectSpace(encoder.vectors, background, sharpness=slope, presence=(slope, 0.0))

    def similarity(vectors: Array, labels: Sequence[str], forms: Mapping[str, Sequence[str]]) -> Array:
        return space.similarity(vectors, space.anchors({label: forms[label] for label in labels}))

    forms = load_taxonomy(held.taxonomy).forms()
    presence = fit_presence(similarity(encoded.vectors, labelled.columns, forms), labelled.targets)
    words = {label: (label,) for label in choice.columns}
    sharpness = fit_sharpness(similarity(encoder.vectors(choice.texts), choice.columns, words), choice.targets)
    spread = _dimensions(encoder.encode(held.measured.texts), held.measured.targets)
    return {
        "taxonomy": held.taxonomy,
        "slope": platt.slope.tolist(),
        "intercept": platt.intercept.tolist(),
        "thresholds": [round(float(value), 6) for value in thresholds],
        "presence": list(presence),
        "sharpness": sharpness,
        "spread_scale": spread.tolist(),
    }


def _dimensions(encoded: Encoded, targets: Array) -> Array:
    return fit_spread_scale(encoded.means[:, :3], encoded.spreads, targets)


def draft_card(recipe: Recipe, corpora: Mapping[str, Corpus], base: Path) -> Card:
    """The card of a bundle before there is a bundle, so that a recipe that makes none is found early.

    Args:
        recipe: The recipe.
        corpora: The corpora by name.
        base: Folder of the base model.

    Returns:
        The card; the weights of the base stand in for its files.

    Raises:
        InputError: The recipe names a base model that is not known.
        ModelError: The recipe's words do not make a valid card.
    """
    models = base_models()
    if recipe.base not in models:
        raise InputError(
            f"There is no base model named {recipe.base!r}.",
            code="bad_recipe",
            value=recipe.base,
            allowed=sorted(models),
        )
    known = tomllib.loads(files("affectome.learn").joinpath("data/corpora.toml").read_text(encoding="utf-8"))
    data = tuple(
        TrainingData(
            name=known[source.corpus]["title"],
            licence=known[source.corpus]["licence"],
            commercial=known[source.corpus]["commercial"],
            use=known[source.corpus]["use"],
            rows=int((corpora[source.corpus].split == "train").sum()),
        )
        for source in recipe.sources
    )
    weights = FileEntry.of(base / "model.safetensors")
    return Card(
        id=recipe.id,
        version=recipe.version,
        task="text-affect",
        title=recipe.title,
        taxonomies=tuple(list_taxonomies()),
        languages=("en",),
        licence=recipe.card.licence,
        commercial=recipe.card.commercial,
        commercial_note=recipe.card.commercial_note,
        released=datetime.now(UTC).date(),
        training_data=data,
        metrics=(),
        intended_use=recipe.card.intended_use,
        limits=recipe.card.limits,
        files={"model.safetensors": weights},
        base_model=BaseModelSource(models[recipe.base].origin, models[recipe.base].licence, weights.sha256),
    )
