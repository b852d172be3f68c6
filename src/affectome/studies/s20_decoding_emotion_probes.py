"""Decoding emotion in the deep: in which layer of a language model the emotion of a text is, and how long it stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from affectome.evaluate import accuracy, f1, paired_bootstrap, predict_majority
from affectome.studies.balanced_comments import FOLDER, Comments, load_comments
from affectome.studies.comparing import claim_value, measure
from affectome.studies.corpora import emotion_words
from affectome.studies.study import Claim, Context, Outcome, Role, Row, Study, Table

if TYPE_CHECKING:
    from affectome.language.in_process import InProcessModel
    from affectome.language.inside import ActivationCache, LayerScore, ProbeRows
    from affectome.language.inside.probes import Kind

_EACH, _QUICK = {"train": 160, "dev": 60, "test": 70}, {"train": 12, "dev": 6, "test": 6}
_LIMIT = 64  # tokens of a comment
_SEEDS = 5
_DEPTHS = 5  # at which all but the linear probes of plain comments are fitted
_PLAIN_TEXTS = 40
_MACRO, _ACCURACY = "macro-F1", "accuracy"
_DEV, _CONTROL, _LAYER = "macro-F1 of dev, mean of seeds", "accuracy, shuffled labels, mean of seeds", "layer"
_SEEDED = "macro-F1, mean of seeds"
_METRICS = {_MACRO: f1, _ACCURACY: accuracy}


def run(context: Context) -> Outcome:
    """Probe every layer, then the controls, then what stays and what a prompt moves."""
    from affectome.language.in_process import InProcessModel
    from affectome.language.inside import ActivationCache, ProbeRows, untrained
    from affectome.learn.features import masked_words

    comments = load_comments(context.folder(FOLDER), _QUICK if context.quick else _EACH, context.seed)
    context.vault({"test": comments.rows["test"]}).open("test", purpose="layer curves and the tables of probes")
    rows = ProbeRows(**comments.rows)
    model = InProcessModel(context.base_encoder(), threads=context.threads)
    cache = ActivationCache(context.work / "activations")
    masked = replace(comments, texts=masked_words(comments.texts, emotion_words()))
    context.note(f"{len(comments.texts):,} comments")
    curve = _curve(context, model, cache, comments, rows)
    hidden = _curve(context, model, cache, masked, rows, every=False)
    drawn = _curve(context, untrained(model, context.seed), cache, comments, rows, every=False)
    deep = _curve(context, model, cache, comments, rows, kind="mlp", every=False)
    table, claims = _best(context, model, cache, comments, rows, curve)
    endured, more, notes = _endurance(context, model, cache, comments, rows, curve)
    curves = {"linear probe": curve, "linear probe, words for feelings masked": hidden, "MLP probe": deep}
    changed = sum(one != other for one, other in zip(comments.texts, masked.texts, strict=True))
    return Outcome(
        [table, _layers(comments, curves, drawn), endured],
        [*claims, *_depth(curve, drawn, 1 / len(comments.emotions)), *more],
        [
            f"The model is {model.name}. Of each emotion there are at most {_EACH['train']} training comments; of a "
            f"comment the first {_LIMIT} tokens are read, their vectors averaged.",
            f"Layer 0 is the embedding. A seed draws four fifths of the training comments; there are {_seeds(context)} "
            "seeds. Layers and penalties are chosen on dev.",
            f"Masking changed {changed:,} of {len(comments.texts):,} comments.",
            *notes,
        ],
    )


def _curve(
    context: Context,
    model: InProcessModel,
    cache: ActivationCache,
    comments: Comments,
    rows: ProbeRows,
    *,
    kind: Kind = "linear",
    every: bool = True,
) -> list[LayerScore]:
    """Every layer, or some from the embedding to the last block."""
    from affectome.language.inside import ModuleMap, layer_curve, read_activations

    stream = ModuleMap(model.model).stream()
    numbers = (
        range(len(stream))
        if every and not context.quick
        else np.linspace(0, len(stream) - 1, _DEPTHS).round().astype(int).tolist()
    )
    found = read_activations(model, comments.texts, stream, limit=_LIMIT, cache=cache)
    context.note(f"vectors of {model.name}")
    layers = [found[stream[number]] for number in numbers]
    seeds = range(context.seed, context.seed + _seeds(context))
    curve = layer_curve(layers, comments.labels, rows, kind=kind, seeds=seeds, numbers=numbers)
    context.note(f"{kind} probes of {model.name}")
    return curve


def _best(
    context: Context,
    model: InProcessModel,
    cache: ActivationCache,
    comments: Comments,
    rows: ProbeRows,
    curve: Sequence[LayerScore],
) -> tuple[Table, list[Claim]]:
    """The probe of the best layer beside what has no skill, n-grams, and the model's own answer."""
    from sklearn.linear_model import LogisticRegression

    from affectome.language.inside import Probe, ask_for_emotion, best_layer
    from affectome.learn.features import SparseFeatures

    labels, test = comments.labels, rows.test
    texts = {part: [comments.texts[k] for k in some] for part, some in comments.rows.items()}
    best = best_layer(curve)
    cells = _read(model, cache, comments, best.layer)
    probe = Probe("linear", context.seed).fit(cells[rows.train], labels[rows.train], cells[rows.dev], labels[rows.dev])
    shuffled = np.random.default_rng(context.seed).permutation(labels[rows.train])
    control = Probe("linear", context.seed).fit(cells[rows.train], shuffled, cells[rows.dev], labels[rows.dev])
    grams = SparseFeatures().fit(texts["train"])
    bag = LogisticRegression(C=10, max_iter=1000).fit(grams.transform(texts["train"]), labels[rows.train])
    answer = ask_for_emotion(model, texts["test"], comments.emotions)
    # What is said at any text tells nothing of this one.
    calibrated = answer - ask_for_emotion(model, texts["dev"][::3], comments.emotions).mean(axis=0)
    context.note("answers of the model")
    outputs: dict[str, tuple[Role, NDArray[np.int64]]] = {
        "majority": ("baseline", predict_majority(train_truth=labels[rows.train], items=len(test))),
        "n-grams": ("baseline", bag.predict(grams.transform(texts["test"]))),
        "linear probe, shuffled labels": ("control", control.predict(cells[test])),
        "zero-shot answer": ("result", answer.argmax(axis=1)),
        "zero-shot answer less its mean": ("result", calibrated.argmax(axis=1)),
        f"linear probe of layer {best.layer}": ("result", probe.predict(cells[test])),
    }
    truth = labels[test]
    found = [
        Row(name, role, measure(_METRICS, truth=truth, prediction=output, seed=context.seed))
        for name, (role, output) in outputs.items()
    ]
    read = outputs[f"linear probe of layer {best.layer}"][1]
    claims = []
    for name, least in (("majority", 0.20), ("zero-shot answer", 0.10), ("zero-shot answer less its mean", 0.10)):
        gain = paired_bootstrap(f1, truth=truth, first=read, second=outputs[name][1], seed=context.seed)
        claims.append(claim_value(f"macro-F1 of the best layer less {name}", gain, ">=", least))
    title = f"{len(comments.emotions)} emotions of {len(test):,} comments"
    return Table(title, (_MACRO, _ACCURACY), found), claims


def _layers(comments: Comments, curves: dict[str, list[LayerScore]], drawn: list[LayerScore]) -> Table:
    chance = 1 / len(comments.emotions)
    rows = [Row("chance", "baseline", {_CONTROL: chance})]
    named: list[tuple[Role, str, list[LayerScore]]] = [
        ("control", "linear probe, random weights", drawn),
        *(("result", *each) for each in curves.items()),
    ]
    for role, name, curve in named:
        rows += [
            Row(
                f"{name}, layer {score.layer}",
                role,
                {_LAYER: score.layer, _DEV: score.dev.mean, _SEEDED: score.test.mean, _CONTROL: score.control.mean},
            )
            for score in curve
        ]
    return Table("Layers", (_LAYER, _DEV, _SEEDED, _CONTROL), rows)


def _depth(curve: list[LayerScore], drawn: list[LayerScore], chance: float) -> list[Claim]:
    """Inside the model it is better than at its embedding, and only where it has learnt."""
    from affectome.language.inside import best_layer

    inside, below = best_layer(curve[1:-1]), curve[0]
    gain = inside.test.mean - below.test.mean
    without = best_layer(drawn[1:-1]).test.mean - drawn[0].test.mean
    off = abs(best_layer(curve).control.mean - chance)
    return [
        Claim(f"macro-F1 of layer {inside.layer}, the best interior one, less the embedding's", gain, 0.03, ">="),
        Claim("the same gain with random weights", without, 0.03, "<"),
        Claim("accuracy of the best layer with shuffled labels, distance from chance", off, 0.03, "<="),
    ]


def _endurance(
    context: Context,
    model: InProcessModel,
    cache: ActivationCache,
    comments: Comments,
    rows: ProbeRows,
    curve: Sequence[LayerScore],
) -> tuple[Table, list[Claim], list[str]]:
    from affectome.language.inside import ModuleMap, Probe, best_layer, persistence, prompt_shift

    number = best_layer(curve).layer
    site = ModuleMap(model.model).stream()[number]
    cells = _read(model, cache, comments, number)
    labels = comments.labels
    probe = Probe("linear", context.seed).fit(cells[rows.train], labels[rows.train], cells[rows.dev], labels[rows.dev])
    some = rows.test[:: 1 if context.quick else 3]
    stays = persistence(model, probe, site, [comments.texts[k] for k in some], labels[some], seed=context.seed)
    context.note("persistence")
    neutral = [k for k in rows.dev if comments.emotions[labels[k]] == "neutral"][:_PLAIN_TEXTS]
    texts = [comments.texts[k] for k in neutral]
    shifts = prompt_shift(model, probe, site, texts, comments.emotions, seed=context.seed)
    context.note("prompts")
    found = [Row("chance", "baseline", {_ACCURACY: 1 / len(comments.emotions)})]
    found += [
        Row(f"{offset:.0f} tokens after the comment", "result", {_ACCURACY: value})
        for offset, value in zip(stays.offsets, stays.accuracies, strict=True)
    ]
    moved = sum(shift.value > 0 for shift in shifts.values())
    fallen = stays.accuracies[0].value - stays.accuracies[-1].value
    claims = [
        Claim("accuracy in the comment less that after the last plain sentence", fallen, 0.0, ">"),
        Claim(f"emotions of {len(shifts)} whose log-odds a prompt raises", moved, 5, ">="),
    ]
    said = ", ".join(
        f"{name} {shift.value:+.2f} [{shift.low:+.2f}, {shift.high:+.2f}]" for name, shift in shifts.items()
    )
    notes = [
        f"Half-life of the reading after the end of a comment: {stays.half_life:.0f} tokens.",
        f"Shift of the log-odds by a prompt, in nats over {len(texts)} neutral comments: {said}.",
    ]
    return Table(f"Reading on after {len(some)} comments", (_ACCURACY,), found), claims, notes


def _read(model: InProcessModel, cache: ActivationCache, comments: Comments, number: int) -> NDArray[np.float32]:
    from affectome.language.inside import ModuleMap, read_activations

    site = ModuleMap(model.model).stream()[number]
    return read_activations(model, comments.texts, [site], limit=_LIMIT, cache=cache)[site]


def _seeds(context: Context) -> int:
    return 2 if context.quick else _SEEDS


STUDY = Study(
    number=20,
    id="decoding-emotion-probes",
    title="Decoding Emotion in the Deep",
    paper="arXiv 2510.04064",
    data=(FOLDER,),
    extras=("train",),
    run=run,
    missing=(
        "The corpus of the paper cannot be reached; comments of GoEmotions stand in for it.",
        "One model of 135 million weights is probed, not several sizes of two families.",
        "Vectors are averaged over a text; its last token alone is not measured.",
    ),
)
