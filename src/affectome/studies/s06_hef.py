"""The small empathetic model: which of 32 feelings a situation is about, and a set of candidates that holds it.

Read-outs on the package's reader, on a base encoder and on words learn from the development situations of
EmpatheticDialogues and from what the same people said about them. Their blend is weighed on held-out development rows,
and so is the size of the candidate sets. Test situations are scored as they are and with words for feelings masked.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from affectome.affect import load_taxonomy
from affectome.evaluate import bootstrap_mean, ece, hit_at_k, near_duplicates, predict_prior
from affectome.models import default_model
from affectome.perceive import TextReader
from affectome.studies.comparing import claim_difference, claim_value, measure
from affectome.studies.corpora import SITUATIONS, emotion_words, load_conversations, load_situations
from affectome.studies.hinted_answers import ask_with_hints
from affectome.studies.stacking import ReadOut, latent_words, stacked
from affectome.studies.study import Claim, Context, Outcome, Role, Row, Study, Table

if TYPE_CHECKING:
    from affectome.evaluate.intervals import Metric

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_LABELS = load_taxonomy("ed32").labels
_METRICS: dict[str, Metric] = {
    "hit@1": partial(hit_at_k, k=1),
    "hit@3": partial(hit_at_k, k=3),
    "hit@5": partial(hit_at_k, k=5),
    "ECE": ece,
}
_TALK = 0.5  # confidence in a conversation, which strays from its situation
_ERRORS = (0.05, 0.1, 0.2)
_PRIOR, _WORDS, _BASE = "frequency of each label", "words", "base encoder"
_SHUFFLED, _OPEN, _READER, _BLEND = (
    "reader, shuffled labels",
    "reader, no training on situations",
    "reader",
    "blend of all",
)
_ROLES: dict[str, Role] = {_PRIOR: "baseline", _WORDS: "baseline", _BASE: "baseline", _SHUFFLED: "control"}


def run(context: Context) -> Outcome:
    """Train on the development situations, score the test situations as they are and masked."""
    corpus = _load(context)
    vault = context.vault({"test situations": corpus.test})
    test = vault.open("test situations", purpose="comparison of predictors, as they are and masked")
    truth = corpus.labels[test]
    shown, dev = _predict(context, corpus, test)
    masked, _ = _predict(context, corpus.masked(), test)
    scored = partial(measure, _METRICS, truth=truth, seed=context.seed)
    tables = []
    for title, outputs in (("Test situations", shown), ("Test situations, words for feelings masked", masked)):
        rows = [Row(name, _ROLES.get(name, "result"), scored(probability=p)) for name, p in outputs.items()]
        tables.append(Table(f"{title}: {len(test):,}, {len(_LABELS)} labels", tuple(_METRICS), rows))
    values = scored(probability=shown[_BLEND])
    candidates, covered = _candidates(context, corpus, truth, shown, dev)
    claims = [
        claim_value("hit@1 of the blend", values["hit@1"], ">=", 0.48),
        claim_value("hit@3 of the blend", values["hit@3"], ">=", 0.74),
        claim_difference(
            "hit@1 of the blend minus that of the base encoder",
            _METRICS["hit@1"],
            truth=truth,
            first=shown[_BLEND],
            second=shown[_BASE],
            comparison=">",
            seed=context.seed,
        ),
        *covered,
    ]
    notes = [
        f"{corpus.dropped} development situations are near-duplicates of test situations and are left out of training.",
        f"Conversations of the development part train too, with a confidence of {_TALK:g}; the test part gives its"
        " situations alone.",
        f"Masked are the labels of all category taxonomies of the package and their synonyms, {len(emotion_words())}"
        " words with their inflections, in training as in testing.",
    ]
    tables.append(candidates)
    if context.model is None:
        notes.append("No language model was asked: give one with --model.")
    else:
        texts = [corpus.texts[row] for row in test]
        asked, found, remarks = ask_with_hints(context, context.model, texts, truth, shown[_BLEND], _LABELS)
        tables.append(asked)
        claims += found
        notes += remarks
    return Outcome(tables, claims, notes)


STUDY = Study(
    number=6,
    id="hef",
    title="HEF",
    paper="arXiv 2402.11801",
    data=(SITUATIONS,),
    extras=("study", "train"),
    run=run,
    missing=(
        "words that cause the feeling, against marked causes",
        "replies conditioned on feeling and cause, and whether people find them more empathetic",
    ),
)


@dataclass(frozen=True, eq=False)
class _Corpus:
    """Situations of both parts, and what was said about those of the development part.

    Attributes:
        texts: ``n`` situations.
        talk: ``n`` texts, empty where there is none.
        labels: ``(n,)``.
        clusters: ``(n,)`` near-duplicates.
        train: Rows to learn from.
        test: Rows to predict.
        dropped: Development rows that are near-duplicates of test rows.
    """

    texts: list[str]
    talk: list[str]
    labels: Ints
    clusters: Ints
    train: Ints
    test: Ints
    dropped: int

    def masked(self) -> _Corpus:
        """The same with words for feelings masked."""
        from affectome.learn.features import masked_words

        words = emotion_words()
        return replace(self, texts=masked_words(self.texts, words), talk=masked_words(self.talk, words))


def _load(context: Context) -> _Corpus:
    folder = context.folder(SITUATIONS)
    rows = slice(300 if context.quick else None)
    dev, test = (load_situations(folder, part) for part in ("dev", "test"))
    spoken = load_conversations(folder, "dev")
    said = {
        situation: f"{opening} {sequel}".strip()
        for situation, opening, sequel in zip(spoken.situations, spoken.openings, spoken.sequels, strict=True)
    }
    texts = [*dev.texts[rows], *test.texts[rows]]
    place = np.arange(len(texts))
    first = len(dev.texts[rows])
    clusters = near_duplicates(texts)
    known = np.isin(clusters[:first], clusters[first:])
    return _Corpus(
        texts,
        [said.get(text, "") if i < first else "" for i, text in enumerate(texts)],
        np.concatenate([dev.labels[rows], test.labels[rows]]),
        clusters,
        place[:first][~known],
        place[first:],
        int(known.sum()),
    )


def _predict(context: Context, corpus: _Corpus, test: Ints) -> tuple[dict[str, Floats], Floats]:
    """Probabilities of the test rows by predictor, and the blend's for training rows it has not seen."""
    from scipy.special import softmax

    from affectome.learn.base_vectors import base_vectors
    from affectome.learn.calibration import fit_temperature
    from affectome.learn.features import AffectFeatures

    texts = [*corpus.texts, *corpus.talk]
    seen = AffectFeatures(threads=context.threads).transform(texts).astype(np.float64)
    base = base_vectors(texts, context.base_encoder(), threads=context.threads).astype(np.float64)
    context.note(f"features of {len(texts):,} texts")
    train, targets = corpus.train, np.eye(len(_LABELS))[corpus.labels]
    shuffled = targets.copy()
    shuffled[train] = np.random.default_rng(context.seed).permutation(targets[train])
    read_outs: dict[str, ReadOut] = {
        _WORDS: _head(context, corpus, targets, None),
        _BASE: _head(context, corpus, targets, base),
        _READER: _head(context, corpus, targets, seen),
    }
    fitted = stacked(
        read_outs,
        train,
        test,
        targets[train],
        kind="choice",
        groups=corpus.clusters[train],
        seed=context.seed,
    )
    context.note(", ".join(f"{name} {weight:.2f}" for name, weight in fitted.weights.items()))
    temperature = fit_temperature(np.log(fitted.held_out).astype(np.float32), targets[train].astype(np.float32))
    blend, dev = (softmax(np.log(p) / temperature, axis=1) for p in (fitted.blend, fitted.held_out))
    untrained = TextReader(default_model("text-affect"), "ed32", threads=context.threads)
    outputs = {
        _PRIOR: predict_prior(
            train_truth=corpus.labels[train], labels=[str(k) for k in range(len(_LABELS))], items=len(test)
        ),
        _WORDS: fitted.outputs[_WORDS],
        _BASE: fitted.outputs[_BASE],
        _SHUFFLED: _head(context, corpus, shuffled, seen)(train, test),
        _OPEN: untrained.probabilities([corpus.texts[i] for i in test]).astype(np.float64),
        _READER: fitted.outputs[_READER],
        _BLEND: blend,
    }
    return outputs, dev


def _head(context: Context, corpus: _Corpus, targets: Floats, features: Floats | None) -> ReadOut:
    """A read-out on features of situations and, below them, of what was said about them; on words without features."""
    from affectome.learn.heads import choose_strength, fit_head

    n = len(corpus.texts)
    talks = np.array([bool(text) for text in corpus.talk])
    strength: list[float] = []

    def read_out(train: Ints, test: Ints) -> Floats:
        more = train[talks[train]] + n
        both = np.concatenate([train, more])
        found = features
        if found is None:
            found = latent_words([*corpus.texts, *corpus.talk], both, seed=context.seed)
        wanted, groups = np.tile(targets, (2, 1)), corpus.clusters[train]
        if not strength:  # once for all folds: it varies little, and the search takes most of the time
            chosen = choose_strength(found[train], wanted[train], kind="choice", groups=groups, seed=context.seed)
            strength.append(chosen)
        weights = np.concatenate([np.ones(len(train)), np.full(len(more), _TALK)])
        head = fit_head(found[both], wanted[both], kind="choice", strength=strength[0], weights=weights)
        return head.predict(found[test])

    return read_out


def _candidates(
    context: Context, corpus: _Corpus, truth: Ints, outputs: dict[str, Floats], dev: Floats
) -> tuple[Table, list[Claim]]:
    """Sets of candidates that should hold the true label with a promised probability."""
    from affectome.learn.conformal import conformal_sets

    codes = corpus.labels[corpus.train]
    prior = np.tile(outputs[_PRIOR][0], (len(codes), 1))
    rows, off = [], []
    predictors: tuple[tuple[str, Role, Floats], ...] = ((_PRIOR, "baseline", prior), (_BLEND, "result", dev))
    for name, role, on_dev in predictors:
        for error in _ERRORS:
            sets = conformal_sets(dev_truth=codes, dev_probability=on_dev, probability=outputs[name], error=error)
            inside = bootstrap_mean(sets[np.arange(len(truth)), truth], seed=context.seed)
            size = bootstrap_mean(sets.sum(axis=1), seed=context.seed)
            rows.append(Row(f"{name}, {1 - error:.0%} promised", role, {"coverage": inside, "labels": size}))
            if name == _BLEND:
                text = f"candidate sets of the blend: coverage off the promised {1 - error:.0%}"
                off.append(Claim(text, abs(inside.value - (1 - error)), 0.02, "<=", inside))
    return Table(f"Sets of candidates for {len(truth):,} test situations", ("coverage", "labels"), rows), off
