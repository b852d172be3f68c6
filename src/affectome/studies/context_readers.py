"""Readers of an utterance alone and of an utterance with what came before it.

On EmpatheticDialogues the context is the situation the conversation is about, or the speaker's first turn; on MELD it
is the turns before. Everything else is equal: the same features, the same read-outs, the same rows.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from affectome.affect import load_taxonomy
from affectome.evaluate import accuracy, ece, f1, folds, hit_at_k, near_duplicates, predict_prior
from affectome.studies.comparing import claim_difference, measure
from affectome.studies.corpora import MELD, SITUATIONS, Turns, emotion_words, load_conversations, load_meld
from affectome.studies.study import Claim, Context, Role, Row, Table

if TYPE_CHECKING:
    from affectome.evaluate.intervals import Metric
    from affectome.learn.features import AffectFeatures
    from affectome.learn.heads import Head

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_FEELINGS, _SEVEN = load_taxonomy("ed32").labels, load_taxonomy("meld7").labels
_STRENGTHS = (0.3, 0.1, 0.03, 0.01)
_PRIOR = "frequency of each label"
_HIT_METRICS: dict[str, Metric] = {"accuracy": accuracy, "hit@3": partial(hit_at_k, k=3), "ECE": ece}
_WEIGHTED: Metric = partial(f1, average="weighted")
_TURN_METRICS: dict[str, Metric] = {"weighted F1": _WEIGHTED, "macro F1": f1, "accuracy": accuracy, "ECE": ece}
_TURNS_BACK, _DIRECTIONS = 2, 32


def read_conversations(context: Context, affect: AffectFeatures) -> tuple[list[Table], list[Claim]]:
    """Which of 32 feelings a turn shows, with and without the situation or the turn before it."""
    from affectome.learn.features import masked_words

    folder, few = context.folder(SITUATIONS), slice(250 if context.quick else None)
    parts = [load_conversations(folder, part) for part in ("dev", "test")]
    texts = {
        name: [text for part in parts for text in getattr(part, name)[few]]
        for name in ("situations", "openings", "sequels")
    }
    labels = np.concatenate([part.labels[few] for part in parts])
    first = len(parts[0].labels[few])
    clusters = near_duplicates(texts["situations"])
    place = np.arange(len(labels))
    spoken = np.array([bool(text) for text in texts["sequels"]])
    train = place[:first][~np.isin(clusters[:first], clusters[first:]) & spoken[:first]]
    test = context.vault({"test conversations": place[first:][spoken[first:]]}).open(
        "test conversations", purpose="comparison of readers with and without context, as they are and masked"
    )
    tables, claims = [], []
    for masked in (True, False):
        seen = {
            name: affect.transform(masked_words(said, emotion_words()) if masked else said).astype(np.float64)
            for name, said in texts.items()
        }
        context.note(f"conversations, {'masked' if masked else 'as they are'}: features")
        how = ", words for feelings masked" if masked else ""
        for turn, before, what in (
            ("openings", "situations", "first turn and situation"),
            ("sequels", "openings", "later turns and first turn"),
        ):
            title = f"{what.capitalize()}{how}: {len(test):,} conversations, {len(_FEELINGS)} labels"
            table, claim = _compare_pairs(context, title, seen[turn], seen[before], labels, train, test)
            tables.append(table)
            claims += [claim] if masked else []
            context.note(title)
    return tables, claims


def _compare_pairs(
    context: Context, title: str, turn: Floats, before: Floats, labels: Ints, train: Ints, test: Ints
) -> tuple[Table, Claim]:
    """The turn alone, the context alone, another conversation's context, and both."""
    order = np.arange(len(turn))
    rng = np.random.default_rng(context.seed)
    order[train], order[test] = rng.permutation(train), rng.permutation(test)
    inputs: dict[str, tuple[Role, Floats]] = {
        "turn alone": ("baseline", turn),
        "context alone": ("result", before),
        "turn and context of another conversation": ("control", pair(turn, before[order])),
        "turn and context": ("result", pair(turn, before)),
    }
    truth = labels[test]
    prior = predict_prior(train_truth=labels[train], labels=list(_FEELINGS), items=len(test))
    inner = folds(len(train), count=8, seed=context.seed)[0]
    outputs = {_PRIOR: prior}
    for name, (_, features) in inputs.items():
        head = _fit(features, labels, train[inner.train], train[inner.test], len(_FEELINGS))
        outputs[name] = head.predict(features[test])
    rows = [
        Row(
            name,
            inputs[name][0] if name in inputs else "baseline",
            measure(_HIT_METRICS, truth=truth, prediction=output.argmax(axis=1), probability=output, seed=context.seed),
        )
        for name, output in outputs.items()
    ]
    claim = claim_difference(
        f"{title}: accuracy of turn and context minus that of the turn alone",
        accuracy,
        truth=truth,
        first=outputs["turn and context"].argmax(axis=1),
        second=outputs["turn alone"].argmax(axis=1),
        comparison=">=",
        threshold=0.03,
        by="value",
        seed=context.seed,
    )
    return Table(title, tuple(_HIT_METRICS), rows), claim


def pair(turn: Floats, before: Floats) -> Floats:
    """Features of a pair of texts from those of each, all ``n`` rows: both, and their product."""
    return np.hstack([turn, before, turn * before])


def read_turns(context: Context, affect: AffectFeatures) -> tuple[list[Table], list[Claim]]:
    """Which of seven feelings a turn of a dialogue shows, with and without the turns before it."""
    from affectome.learn.features import masked_words

    folder = context.folder(MELD)
    train, dev, test = (_some(load_meld(folder, part), context) for part in ("train", "dev", "test"))
    opened = context.vault({"MELD test": np.arange(len(test.texts))}).open(
        "MELD test", purpose="comparison of readers with and without context, as they are and masked"
    )
    tables, claims = [], []
    for masked in (True, False):
        texts = [masked_words(part.texts, emotion_words()) if masked else part.texts for part in (train, dev, test)]
        seen = [affect.transform(part).astype(np.float64) for part in texts]
        how = ", words for feelings masked" if masked else ""
        title = f"MELD{how}: {len(opened):,} turns, {len(_SEVEN)} labels"
        table, claim = _compare_turns(context, title, (train, dev, test), seen)
        tables.append(table)
        claims += [claim] if masked else []
        context.note(title)
    return tables, claims


def _compare_turns(
    context: Context, title: str, parts: tuple[Turns, Turns, Turns], seen: list[Floats]
) -> tuple[Table, Claim]:
    """The turn alone, with the turns before it, and with those of another dialogue."""
    from sklearn.decomposition import PCA

    train, dev, test = parts
    # Its main directions stand for each turn before, or the history would have thousands of columns.
    directions = PCA(min(_DIRECTIONS, *seen[0].shape), random_state=context.seed).fit(seen[0])
    before = [history(part, directions.transform(each)) for part, each in zip(parts, seen, strict=True)]
    rng = np.random.default_rng(context.seed)
    other = [rng.permutation(rows) for rows in before]
    inputs: dict[str, tuple[Role, list[Floats]]] = {
        "turn alone": ("baseline", seen),
        "turn and those before another turn": ("control", [np.hstack(rows) for rows in zip(seen, other, strict=True)]),
        "turn and those before it": ("result", [np.hstack(rows) for rows in zip(seen, before, strict=True)]),
    }
    prior = predict_prior(train_truth=train.labels, labels=list(_SEVEN), items=len(test.texts))
    outputs, labels = {_PRIOR: prior}, np.concatenate([train.labels, dev.labels])
    for name, (_, features) in inputs.items():
        learnt, checked = np.split(np.arange(len(labels)), [len(train.labels)])
        head = _fit(np.vstack(features[:2]), labels, learnt, checked, len(_SEVEN))
        outputs[name] = head.predict(features[2])
    score = partial(measure, _TURN_METRICS, truth=test.labels, seed=context.seed, groups=test.dialogues)
    rows = [
        Row(
            name,
            inputs[name][0] if name in inputs else "baseline",
            score(prediction=output.argmax(axis=1), probability=output),
        )
        for name, output in outputs.items()
    ]
    claim = claim_difference(
        f"{title}: weighted F1 of turn and those before it minus that of the turn alone",
        _WEIGHTED,
        truth=test.labels,
        first=outputs["turn and those before it"].argmax(axis=1),
        second=outputs["turn alone"].argmax(axis=1),
        comparison=">",
        seed=context.seed,
        groups=test.dialogues,
    )
    return Table(title, tuple(_TURN_METRICS), rows), claim


def history(turns: Turns, features: Floats) -> Floats:
    """What came before each turn of its dialogue: the turns before and the speaker's own last turn.

    Args:
        turns: ``n`` turns.
        features: ``(n, d)`` features of each.

    Returns:
        ``(n, (back + 1) * (d + 1))``: for one, two … turns back and for the speaker's last turn the features and
        whether there is such a turn; for turns back the flag is negative if somebody else speaks.
    """
    n, d = features.shape
    found = np.zeros((n, _TURNS_BACK + 1, d + 1))
    last: dict[tuple[int, str], int] = {}
    for i, (dialogue, speaker) in enumerate(zip(turns.dialogues.tolist(), turns.speakers, strict=True)):
        for back in range(1, _TURNS_BACK + 1):
            if i >= back and turns.dialogues[i - back] == dialogue:
                found[i, back - 1, :d] = features[i - back]
                found[i, back - 1, d] = 1 if turns.speakers[i - back] == speaker else -1
        if (own := last.get((dialogue, speaker))) is not None:
            found[i, -1] = np.append(features[own], 1)
        last[dialogue, speaker] = i
    return found.reshape(n, -1)


def _fit(features: Floats, labels: Ints, train: Ints, check: Ints, classes: int) -> Head:
    """A read-out of the training rows, with the penalty that suits the rows it is checked on best."""
    from affectome.learn.heads import fit_head

    targets = np.eye(classes)[labels]

    def loss(head: Head) -> float:
        right = head.predict(features[check])[np.arange(len(check)), labels[check]]
        return -float(np.log(np.maximum(right, 1e-12)).mean())

    heads = (fit_head(features[train], targets[train], kind="choice", strength=strength) for strength in _STRENGTHS)
    return min(heads, key=loss)


def _some(turns: Turns, context: Context) -> Turns:
    """All turns, or those of the first dialogues for a quick look."""
    if not context.quick:
        return turns
    return turns.at(np.flatnonzero(turns.dialogues < 25))
