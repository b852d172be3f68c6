"""From a trained text model to a bundle: integer weights, calibrated read-outs, card.

Needs the ``train`` extra.
"""

from __future__ import annotations

import json
import shutil
import tomllib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from safetensors.numpy import save_file
from tokenizers import Tokenizer

from affectome.affect import list_taxonomies, load_taxonomy
from affectome.affect.space import AffectSpace, sigmoid
from affectome.evaluate import choose_thresholds
from affectome.learn.calibration import fit_platt, fit_presence, fit_sharpness, fit_spread_scale
from affectome.learn.corpora import Corpus
from affectome.learn.onnx_graph import Range, build_graph, save_graph
from affectome.learn.recipe import Recipe
from affectome.models import BaseModelSource, Card, FileEntry, TrainingData, write_card
from affectome.perceive.encoder import Encoded, TextEncoder

if TYPE_CHECKING:
    import onnx

    from affectome.learn.text_model import TextAffectModel

Array = NDArray[np.float32]

_SAMPLE = 500  # training texts of each corpus for input ranges and the background
_SMOOTHING = 10.0  # present texts with which the common threshold counts against a rare label's own


def write_bundle(
    model: TextAffectModel, recipe: Recipe, corpora: Mapping[str, Corpus], base: Path, out: Path, threads: int = 2
) -> None:
    """Write a bundle folder. Everything is fitted on training and development rows; test rows are not touched.

    Args:
        model: The trained model.
        recipe: The recipe it was trained by.
        corpora: The corpora by name.
        base: Folder of the base model, for tokenizer and provenance.
        out: Folder of the bundle; replaced if it is there.
        threads: Processor threads.
    """
    weights = {name: value.numpy() for name, value in model.state_dict().items()}
    config = model.encoder.config
    shape = {"layers": int(config.num_hidden_layers), "heads": int(config.num_attention_heads)}
    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    rng = np.random.default_rng(recipe.seed)
    sample = [
        text
        for source in recipe.sources
        for text in _some(corpora[source.corpus].part("train").texts, _SAMPLE, rng)
    ]
    watched = build_graph(weights, **shape, ranges={}, observe=True, quantize_embeddings=False)
    ranges = observe_ranges(watched, tokenizer, sample, threads)
    if out.exists():
        shutil.rmtree(out)
    out.mkdir(parents=True)
    save_graph(build_graph(weights, **shape, ranges=ranges), out / "model.onnx")
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.save(str(out / "tokenizer.json"))
    encoder = TextEncoder(_session((out / "model.onnx").read_bytes(), threads), tokenizer)
    background = encoder.vectors(sample).mean(axis=0)
    save_file({"background": background}, out / "space.safetensors")
    readout = _fit_readout(encoder, recipe, corpora, background, float(weights["scale"]))
    (out / "readout.json").write_text(json.dumps(readout, indent=1) + "\n", encoding="utf-8")
    entries = {path.name: FileEntry.of(path) for path in sorted(out.iterdir())}
    write_card(out / "card.toml", _card(recipe, corpora, base, entries))


def observe_ranges(
    model: onnx.ModelProto, tokenizer: Tokenizer, texts: Sequence[str], threads: int = 2
) -> dict[str, Range]:
    """Input range of each product of a graph built with ``observe``, over some texts.

    Padding never reaches the observations, since every text is run alone.
    """
    session = _session(model.SerializeToString(), threads)
    values = dict(pair.split("=") for pair in session.get_modelmeta().custom_metadata_map["observed"].split())
    names = sorted(set(values.values()))
    low, high = dict.fromkeys(names, 0.0), dict.fromkeys(names, 0.0)
    tokenizer.enable_truncation(96)
    for encoding in tokenizer.encode_batch(list(texts)):
        ids = np.array([encoding.ids], np.int64)
        for name, array in zip(
            names, session.run(names, {"input_ids": ids, "attention_mask": np.ones_like(ids)}), strict=True
        ):
            low[name], high[name] = min(low[name], float(array.min())), max(high[name], float(array.max()))
    return {product: Range(low[value], high[value]) for product, value in values.items()}


def _session(model: bytes, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _some(texts: Sequence[str], count: int, rng: np.random.Generator) -> list[str]:
    return [texts[i] for i in rng.permutation(len(texts))[:count]]


def _fit_readout(
    encoder: TextEncoder, recipe: Recipe, corpora: Mapping[str, Corpus], background: Array, slope: float
) -> dict[str, object]:
    """Everything a reader needs beside the model, fitted on development rows."""
    labelled = corpora[recipe.labels_from].part("dev")
    encoded = encoder.encode(labelled.texts)
    platt = fit_platt(encoded.labels, labelled.targets)
    p = sigmoid(encoded.labels * platt.slope + platt.intercept)
    thresholds = choose_thresholds(dev_truth=labelled.targets, dev_probability=p, smoothing=_SMOOTHING).values
    taxonomy = next(
        name for name in list_taxonomies() if load_taxonomy(name).labels == labelled.columns
    )
    space = AffectSpace(encoder.vectors, background, sharpness=slope, presence=(slope, 0.0))

    def similarity(vectors: Array, labels: Sequence[str], forms: Mapping[str, Sequence[str]]) -> Array:
        return space.similarity(vectors, space.anchors({label: forms[label] for label in labels}))

    forms = load_taxonomy(taxonomy).forms()
    presence = fit_presence(similarity(encoded.vectors, labelled.columns, forms), labelled.targets)
    choice = [corpora[s.corpus].part("dev") for s in recipe.sources if s.corpus.startswith("situations")][0]
    words = {label: (label,) for label in choice.columns}
    sharpness = fit_sharpness(similarity(encoder.vectors(choice.texts), choice.columns, words), choice.targets)
    measured = corpora["emobank"].part("dev")
    spread = _dimensions(encoder.encode(measured.texts), measured.targets)
    return {
        "taxonomy": taxonomy,
        "slope": platt.slope.tolist(),
        "intercept": platt.intercept.tolist(),
        "thresholds": [round(float(value), 6) for value in thresholds],
        "presence": list(presence),
        "sharpness": sharpness,
        "spread_scale": spread.tolist(),
    }


def _dimensions(encoded: Encoded, targets: Array) -> Array:
    return fit_spread_scale(encoded.means[:, :3], encoded.spreads, targets)


def _card(recipe: Recipe, corpora: Mapping[str, Corpus], base: Path, entries: dict[str, FileEntry]) -> Card:
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
        files=entries,
        base_model=BaseModelSource("all-MiniLM-L6-v2", "Apache-2.0", weights.sha256),
    )
