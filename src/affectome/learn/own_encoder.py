"""An encoder trained further on a labelled table, and what its reader reads besides taught to it anew.

Fine-tuning moves the affect space. So that a bundle still answers every vocabulary and measure, its other read-outs are
fitted to the answers of the reader on the training rows; how well they agree is measured on the development rows.
Needs the ``train`` extra (torch, transformers, onnx).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from safetensors.numpy import save_file
from tokenizers import Tokenizer

from affectome.affect import load_taxonomy
from affectome.affect.space import AffectSpace
from affectome.errors import InputError, LeakError, UsageError
from affectome.evaluate import Split
from affectome.evaluate.inputs import Codes, Floats
from affectome.learn.bundle import SAMPLE, write_encoder
from affectome.learn.calibration import fit_presence, fit_sharpness
from affectome.learn.checkpoints import whole_folder
from affectome.learn.descent import Progress
from affectome.learn.fine_tuning import FineTuned, HeadPlan, fine_tune
from affectome.learn.heads import fit_head
from affectome.learn.onnx_graph import read_encoder
from affectome.learn.own_table import Rows, TunedEncoder
from affectome.learn.text_model import MEASURES, check_base
from affectome.models import BaseModelSource, Bundle, FileEntry, base_models, write_card
from affectome.models.card import CARD_NAME
from affectome.perceive import TextReader
from affectome.perceive.encoder import WINDOW, Encoded, TextEncoder

Array = NDArray[np.float32]

EPOCHS = 4.0
"""How often each training row is seen unless said otherwise."""
_TAUGHT = 0.5  # share of a teacher's answer in what is learnt
_EVERY = 50  # steps between two checkpoints, and between two lines of progress
_EDGE = 1e-3  # distance that bounded values keep from their bounds before they are stretched
_LEAST_SPREAD = 0.01  # what the graph adds to a spread
_READ = 2_000  # rows to which the other read-outs are fitted
_SHAPE = {"model_type": "bert", "hidden_act": "gelu", "layer_norm_eps": 1e-12}


@dataclass(frozen=True, kw_only=True)
class FineTuning:
    """How an encoder is trained on a table.

    Args:
        base: Folder of a BERT encoder in Hugging Face layout; by default that of the reader.
        epochs: How often each training row is seen.
        teacher: A bundle that reads the same labels; half of what is learnt are then its answers.
    """

    base: Path | None = None
    epochs: float = EPOCHS
    teacher: Bundle | None = None

    def check(self) -> None:
        """Refuse a base that no bundle can be made from, and epochs that are none.

        Raises:
            InputError: A file of the base is missing, or it is another kind of encoder.
            UsageError: The epochs are out of range.
        """
        if not 0.01 <= self.epochs <= 1000:
            raise UsageError(
                "The epochs must be between 0.01 and 1000.", code="bad_setting", value=f"epochs={self.epochs}"
            )
        if self.base is None:
            return
        step = "Give a folder with config.json, model.safetensors and tokenizer.json, or leave --base out."
        check_base(self.base, step)
        config = _config(self.base)
        other = [f"{key} = {config.get(key)}" for key, value in _SHAPE.items() if config.get(key) != value]
        if config.get("position_embedding_type", "absolute") != "absolute":
            other.append(f"position_embedding_type = {config['position_embedding_type']}")
        if int(config.get("max_position_embeddings", 0)) < WINDOW:
            other.append(f"max_position_embeddings = {config.get('max_position_embeddings')}")
        if other:
            raise InputError(
                f"No bundle can be made from the encoder in {self.base}: {', '.join(other)}.",
                code="bad_base_model",
                value=self.base,
                allowed=[f"{key} = {value}" for key, value in _SHAPE.items()],
                next_step="Give a BERT encoder, such as the one `affectome models pull minilm` brings.",
            )

    def source(self, reader: Bundle) -> BaseModelSource:
        """What the card names as the base; the licence of a folder is known where its weights are."""
        if self.base is None:
            card = reader.card
            return BaseModelSource(card.versioned_id, card.licence, card.files["model.onnx"].sha256)
        sha256 = FileEntry.of(self.base / "model.safetensors").sha256
        for name, model in base_models().items():
            if "model.safetensors" in model.files and model.files["model.safetensors"].sha256 == sha256:
                return BaseModelSource(model.hub.repository if model.hub else name, model.licence, sha256)
        return BaseModelSource(self.base.resolve().name, "LicenseRef-unstated", sha256)

    def train(
        self,
        rows: Rows,
        split: Split,
        *,
        reader: Bundle,
        work: Path,
        keep: Path,
        threads: int = 2,
        seed: int = 0,
        report: Callable[[str], None] | None = None,
    ) -> TunedEncoder:
        """Train the encoder and write it as a bundle that still answers what the reader answers.

        A call that was interrupted goes on at the last checkpoint when it is made again with the same arguments.

        Args:
            rows: The usable rows of the table.
            split: Their parts; test rows are not touched.
            reader: The reader whose other read-outs are taught to the encoder.
            work: Folder for checkpoints and the bundle.
            keep: Folder for the encoder in float, in Hugging Face layout.
            threads: Processor threads.
            seed: Seed of everything drawn.
            report: Called with a line now and then.

        Raises:
            InputError: The base cannot be used.
            LeakError: The teacher has learnt from test rows.
            UsageError: The teacher reads other labels.
            RunError: A checkpoint belongs to another training, or a folder cannot be written.
        """
        say = report or (lambda line: None)
        texts = [rows.texts[row] for row in split.train]
        targets = rows.targets[split.train]
        if self.teacher is not None:
            say(f"asking {self.teacher.card.versioned_id} about {len(texts):,} rows")
            targets = (1 - _TAUGHT) * targets + _TAUGHT * _answers(self.teacher, rows, split, threads)
        base = self.base or _float_base(reader, work / "base")
        say(f"fine-tuning on {len(texts):,} rows, {self.epochs:g} epochs")
        tuned = fine_tune(
            texts,
            {"own": targets},
            [HeadPlan("own", rows.kind, rows.labels)],
            base=base,
            epochs=self.epochs,
            max_tokens=WINDOW,
            checkpoints=work,
            checkpoint_every=_EVERY,
            seed=seed,
            threads=threads,
            report=_Forecast(say),
        )
        tuned.save(keep)
        say("writing the encoder with integer weights")
        bundle = _write(tuned, rows, split, base, reader, work / "encoder", threads, seed)
        return TunedEncoder(bundle, _agreement(bundle, reader, [rows.texts[row] for row in split.dev], threads))


class _Forecast:
    """Says how far a training is and what time is left; knows nothing of steps that an earlier call took."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say, self._taken = say, 0

    def __call__(self, now: Progress) -> None:
        self._taken += _EVERY
        left = now.seconds / self._taken * (now.steps - now.step)
        self._say(f"step {now.step:,} of {now.steps:,}, loss {sum(now.losses.values()):.3f}, about {left:,.0f} s left")


def _config(base: Path) -> dict[str, Any]:
    try:
        config = json.loads((base / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as reason:
        raise InputError(
            f"The base model's config.json in {base} cannot be read: {reason}.", code="bad_base_model", value=base
        ) from reason
    return config if isinstance(config, dict) else {}


def _answers(teacher: Bundle, rows: Rows, split: Split, threads: int) -> Floats:
    """What a teacher says of the training rows, (n, k) in the order of the labels."""
    reader = TextReader(teacher, threads=threads)
    rates = reader.head if reader.head and reader.head.kind == "measure" else None
    kind = "measure" if rates else "choice" if reader.exclusive else "presence"
    labels = rates.labels if rates else reader.labels
    if kind != rows.kind or set(labels) != set(rows.labels):
        raise UsageError(
            f"The teacher {teacher.card.versioned_id} reads other labels than the table has: "
            f"{kind} of {', '.join(labels)}.",
            code="teacher_mismatch",
            value=teacher.card.id,
            allowed=rows.labels,
            next_step="Give a bundle trained on the same labels.",
        )
    known = reader.learnt_from([rows.texts[row] for row in split.test])
    if known.any():
        raise LeakError(
            f"The teacher {teacher.card.versioned_id} has learnt from {known.sum():,} of the test rows.",
            code="teacher_saw_test",
            value=teacher.card.id,
            next_step="Give a teacher that was trained on other texts, or on this table in the same way.",
        )
    encoded = reader.encoder.encode([rows.texts[row] for row in split.train])
    found = rates.read(encoded.features()) if rates else reader.read_out(encoded)
    return np.asarray(found[:, [labels.index(label) for label in rows.labels]], np.float64)


def _float_base(reader: Bundle, folder: Path) -> Path:
    """The encoder of a reader in float, in Hugging Face layout; what its integers had lost stays lost."""
    weights, heads = read_encoder(onnx.load(reader.file("model.onnx")))
    words, width = weights["embeddings.word_embeddings.weight"].shape
    weights["pooler.dense.weight"] = np.zeros((width, width), np.float32)  # part of the layout, never run
    weights["pooler.dense.bias"] = np.zeros(width, np.float32)
    config = _SHAPE | {
        "architectures": ["BertModel"],
        "vocab_size": words,
        "hidden_size": width,
        "num_hidden_layers": sum(name.endswith("intermediate.dense.bias") for name in weights),
        "num_attention_heads": heads,
        "intermediate_size": len(weights["encoder.layer.0.intermediate.dense.bias"]),
        "max_position_embeddings": len(weights["embeddings.position_embeddings.weight"]),
        "type_vocab_size": 2,
    }
    with whole_folder(folder, "config.json") as staged:
        save_file(weights, staged / "model.safetensors", {"format": "pt"})
        (staged / "config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
        reader.tokenizer().save(str(staged / "tokenizer.json"))
    return folder


def _write(
    tuned: FineTuned, rows: Rows, split: Split, base: Path, reader: Bundle, out: Path, threads: int, seed: int
) -> Bundle:
    """The encoder as a bundle; read-outs and affect space are fitted to the answers of the reader on training rows."""
    chosen = np.sort(np.random.default_rng(seed).permutation(split.train)[:_READ])
    texts = [rows.texts[row] for row in chosen]
    theirs = TextReader(reader, threads=threads)
    encoded = theirs.encoder.encode(texts)
    config = _config(base)
    encoded.means[:, 4] = theirs.toxicity(encoded)
    weights = tuned.encoder_weights() | _read_outs(tuned.vectors(texts), encoded, rows.units[chosen], seed)
    readout = json.loads(reader.file("readout.json").read_text(encoding="utf-8"))
    for fitted in ("head", "toxicity"):  # to features of the reader's own encoder
        readout.pop(fitted, None)
    with whole_folder(out, CARD_NAME) as staged:
        tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
        layers, heads = int(config["num_hidden_layers"]), int(config["num_attention_heads"])
        encoder, background = write_encoder(
            weights, tokenizer, staged, layers=layers, heads=heads, sample=texts[:SAMPLE], threads=threads
        )
        readout |= _space(encoder, background, texts, reader, readout, threads)
        (staged / "readout.json").write_text(json.dumps(readout, indent=1) + "\n", encoding="utf-8")
        entries = {path.name: FileEntry.of(path) for path in sorted(staged.iterdir())}
        write_card(staged / CARD_NAME, replace(reader.card, files=entries))
    return Bundle.open(out)


def _read_outs(pooled: Array, answers: Encoded, units: Codes, seed: int) -> dict[str, Array]:
    """Weights of the read-outs of ``build_graph`` that give a reader's answers from pooled vectors (n, width)."""
    signed = np.arctanh(np.clip(answers.means[:, :4], _EDGE - 1, 1 - _EDGE))
    share = np.clip(answers.means[:, 4:], _EDGE, 1 - _EDGE)
    spreads = np.log(np.expm1(np.maximum(answers.spreads - _LEAST_SPREAD, _EDGE)))
    targets = np.hstack([answers.labels, signed, np.log(share / (1 - share)), spreads])
    head = fit_head(pooled, targets, kind="measure", groups=units, seed=seed)
    matrix = head.matrix.astype(np.float64) / head.scale[:, None]
    bias = head.bias - head.mean @ matrix
    labels, measures = answers.labels.shape[1], len(MEASURES)
    ends = np.cumsum([labels, measures])
    (label, measure, spread), (label_bias, measure_bias, spread_bias) = np.split(matrix.T, ends), np.split(bias, ends)
    unit = np.eye(measures)
    # The graph has a wide layer before the measures: gelu(z) - gelu(-z) = z takes a linear read-out through it.
    found = {
        "label_head.weight": label,
        "label_head.bias": label_bias,
        "measure_head.1.weight": np.vstack([measure, -measure]),
        "measure_head.1.bias": np.hstack([measure_bias, -measure_bias]),
        "measure_head.3.weight": np.hstack([unit, -unit]),
        "measure_head.3.bias": np.zeros(measures),
        "spread_head.weight": spread,
        "spread_head.bias": spread_bias,
    }
    return {name: np.ascontiguousarray(value, np.float32) for name, value in found.items()}


def _space(
    encoder: TextEncoder, background: Array, texts: list[str], reader: Bundle, readout: dict[str, Any], threads: int
) -> dict[str, Any]:
    """Presence and sharpness of the moved affect space, fitted to what the reader says of texts."""
    space = AffectSpace(encoder.vectors, background, sharpness=readout["sharpness"], presence=readout["presence"])
    anchors = space.anchors(load_taxonomy(readout["taxonomy"]).forms())
    similarity = space.similarity(encoder.vectors(texts), anchors)
    several, one = (
        TextReader(reader, readout["taxonomy"], multi_label=each, threads=threads).probabilities(texts)
        for each in (True, False)
    )
    return {"presence": list(fit_presence(similarity, several)), "sharpness": fit_sharpness(similarity, one)}


def _agreement(bundle: Bundle, reader: Bundle, texts: list[str], threads: int) -> dict[str, float]:
    """Pearson correlation of a bundle with a reader over texts, by what is read; labels together."""
    taxonomy = json.loads(reader.file("readout.json").read_text(encoding="utf-8"))["taxonomy"]

    def read(each: Bundle) -> dict[str, Array]:
        direct = TextReader(each, taxonomy, multi_label=True, threads=threads)
        encoded = direct.encoder.encode(texts)
        words = TextReader(each, taxonomy, multi_label=False, threads=threads)
        found = {name: encoded.means[:, k] for k, name in enumerate(MEASURES)} | {"toxicity": direct.toxicity(encoded)}
        return found | {taxonomy: direct.read_out(encoded), "affect space": words.read_out(encoded)}

    ours, theirs = read(bundle), read(reader)
    return {
        name: round(float(np.corrcoef(values.ravel(), theirs[name].ravel())[0, 1]), 3)
        for name, values in ours.items()
        if min(np.ptp(values), np.ptp(theirs[name])) > 0
    }
