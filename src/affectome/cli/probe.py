"""``affectome probe``: in which layer of a language model is it?"""

from __future__ import annotations

import json as json_format
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from affectome.cli.output import console, figure, print_json, print_table
from affectome.errors import MissingExtraError, UsageError
from affectome.evaluate import f1, predict_majority, read_labelled, split_rows
from affectome.version import __version__

if TYPE_CHECKING:
    from affectome.language.in_process import InProcessModel

_FEWEST = 30  # texts
_FOLLOWED = 100  # texts after which the model reads on


def probe(
    data: Path,
    *,
    model: Path,
    label: str,
    out: Path,
    text_column: str | None = None,
    speaker_column: str | None = None,
    kind: Literal["linear", "mlp"] = "linear",
    pooling: Literal["mean", "last"] = "mean",
    seeds: int = 5,
    random_weights: bool = False,
    threads: int = 1,
    seed: int = 0,
    json: bool = False,
) -> int:
    """Probe every layer of a language model for the label of a text.

    Writes DIR/layers.json, and to DIR/activations what the model holds of each text, which is not read twice. Beside
    each probe stands one that was fitted to shuffled labels. Texts are split so that near-duplicates, and texts of one
    speaker where they are known, stay together; the best layer is chosen on dev. In that layer it is also measured how
    long the label is still to be read while the model reads on. The model's own answer, when it is asked for the label,
    stands beside the probes.

    For example:

        affectome probe comments.csv --label emotion --model models/SmolLM2-135M-Instruct --out results
        affectome probe comments.csv --label emotion --model model.gguf --out results --random-weights

    Args:
        data: A CSV, TSV, JSONL or Parquet file, or a folder of them.
        model: Folder in Hugging Face layout, or a GGUF file.
        label: Column with the label.
        out: Folder for the results.
        text_column: Column with the text; by default found by its name.
        speaker_column: Column with who wrote or spoke.
        kind: A linear probe, or one with a hidden layer.
        pooling: The mean over the tokens of a text, or its last token.
        seeds: Number of seeds, two or more; each draws four fifths of the training texts.
        random_weights: Draw the weights of the model anew: what is still found was not learnt by it.
        threads: Processor threads.
        seed: The first seed, and that of the split.
        json: Print the result as JSON.
    """
    try:
        from affectome.language.in_process import InProcessModel
        from affectome.language.inside import (
            ActivationCache,
            ModuleMap,
            Probe,
            ProbeRows,
            best_layer,
            layer_curve,
            persistence,
            read_activations,
            untrained,
        )
    except ModuleNotFoundError as missing:
        raise MissingExtraError.for_extra("train", str(missing.name)) from None
    table = read_labelled(data, label=label, text_column=text_column, speaker_column=speaker_column)
    known = [
        (text, cell, speaker)
        for text, cell, speaker in zip(table.segments["text"], table.cells, table.speakers, strict=True)
        if text and text.strip() and cell
    ]
    if len(known) < _FEWEST:
        raise UsageError(
            f"Probes need {_FEWEST} labelled texts or more.",
            code="too_few_texts",
            value=len(known),
            next_step="Give more texts, or name the columns with --label and --text-column.",
        )
    texts, cells, speakers = map(list, zip(*known, strict=True))
    names, labels = np.unique(cells, return_inverse=True)
    # A text whose writer is not known is taken to be by somebody of its own.
    groups = [speaker or f"row {k}" for k, speaker in enumerate(speakers)] if any(speakers) else None
    split = split_rows(len(texts), groups=groups, texts=texts, strata=labels, shares=(0.6, 0.2, 0.2), seed=seed)
    rows = ProbeRows(split.train, split.dev, split.test)
    opened = InProcessModel(model, threads=threads)
    if random_weights:
        opened = untrained(opened, seed)
    stream = ModuleMap(opened.model).stream()
    found = read_activations(opened, texts, stream, pooling=pooling, cache=ActivationCache(out / "activations"))
    curve = layer_curve([found[site] for site in stream], labels, rows, kind=kind, seeds=range(seed, seed + seeds))
    majority = predict_majority(train_truth=labels[rows.train], items=len(rows.test))
    best = best_layer(curve)
    vectors = found[stream[best.layer]]
    fitted = Probe(kind, seed).fit(vectors[rows.train], labels[rows.train], vectors[rows.dev], labels[rows.dev])
    some = rows.test[:_FOLLOWED]
    endured = persistence(opened, fitted, stream[best.layer], [texts[k] for k in some], labels[some], seed=seed)
    asked = {part: [texts[k] for k in getattr(rows, part)] for part in ("dev", "test")}
    result: dict[str, Any] = {
        "affectome": __version__,
        "model": opened.name,
        "fingerprint": opened.fingerprint,
        "data": {"name": table.name, "label": label, "fingerprint": table.fingerprint, "problems": table.problems},
        "probe": {"kind": kind, "pooling": pooling, "seed": seed, "seeds": seeds},
        "classes": names.tolist(),
        "texts": {"train": len(rows.train), "dev": len(rows.dev), "test": len(rows.test)},
        "majority": {"macro_f1": float(f1(truth=labels[rows.test], prediction=majority))},
        "answer": _answer(opened, asked, names.tolist(), labels[rows.test]),
        "best_layer": best.layer,
        "layers": [{**asdict(score), "selectivity": score.selectivity} for score in curve],
        "persistence": {
            **asdict(endured),
            "layer": best.layer,
            "half_life": endured.half_life if math.isfinite(endured.half_life) else None,
        },
    }
    (out / "layers.json").write_text(json_format.dumps(result, indent=1) + "\n", encoding="utf-8")
    if json:
        print_json(result)
        return 0
    print_table(
        [
            {
                "layer": f"{score.layer}{' *' if score is best else ''}",
                "macro-F1": figure(score.test.mean),
                "95 %": f"{figure(score.test.low)} to {figure(score.test.high)}",
                "accuracy": figure(score.accuracy.mean),
                "shuffled labels": figure(score.control.mean),
            }
            for score in curve
        ],
        right=["layer", "macro-F1", "95 %", "accuracy", "shuffled labels"],
    )
    printed = console()
    printed.print(f"\n* best on dev; always the majority: {figure(result['majority']['macro_f1'])}", markup=False)
    answer = result["answer"]
    if "error" in answer:
        said = f"cannot be asked for, {answer['error']}"
    else:
        plain, centred = (figure(answer[name]) for name in ("macro_f1", "macro_f1_centred"))
        said = f"macro-F1 {plain}; less its mean answer to other texts, {centred}"
    printed.print(f"answer   {said}", markup=False)
    life = result["persistence"]["half_life"]
    stays = "it does not fall to half" if life is None else f"half of it is gone after {life:.0f} tokens"
    printed.print(f"reading on after the text, {stays}", markup=False)
    printed.print(f"layers   {out / 'layers.json'}", markup=False, soft_wrap=True)
    return 0


def _answer(
    model: InProcessModel, asked: Mapping[str, Sequence[str]], labels: Sequence[str], truth: NDArray[np.int64]
) -> dict[str, object]:
    """How well the model names the label when it is asked, as it is and less its mean answer on dev."""
    from affectome.language.inside import ask_for_emotion

    try:
        answer = ask_for_emotion(model, asked["test"], labels)
    except UsageError as error:  # these labels cannot be asked for by their first tokens
        return {"error": error.code}
    centred = answer - ask_for_emotion(model, asked["dev"][:_FOLLOWED], labels).mean(axis=0)
    return {
        "macro_f1": float(f1(truth=truth, prediction=answer.argmax(axis=1))),
        "macro_f1_centred": float(f1(truth=truth, prediction=centred.argmax(axis=1))),
    }
