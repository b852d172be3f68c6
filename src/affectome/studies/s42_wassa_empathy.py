"""Empathy in what people write about news: felt by authors of essays, shown in turns of conversations.

An encoder is tuned on turns with the turns before them. Beside it stand read-outs of words, of the package's reader, of
lexicons and of the turns before; held-out rows decide what each weighs. Essays are predicted by cross-validation in two
ways, with no author and with no article in two folds, by read-outs that learn from essays of later authors too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from affectome.evaluate import Part, assert_disjoint, bootstrap, folds, pearson, split_rows
from affectome.studies.comparing import claim_difference, claim_value
from affectome.studies.empathy import (
    ESSAYS,
    FELT,
    FELT_RANGE,
    SHARED_TASKS,
    SHOWN,
    SHOWN_RANGE,
    Essays,
    Turns,
    article_means,
    balanced_weights,
    join_turns,
    load_essays,
    load_later_essays,
    load_people,
    load_turns,
    talk_before,
    turns_before,
)
from affectome.studies.learnt import FOLDERS, note_learnt
from affectome.studies.read_outs import feature_read_out, word_read_out
from affectome.studies.stacking import ReadOut, stacked
from affectome.studies.study import Claim, Context, Outcome, Role, Row, Study, Table

if TYPE_CHECKING:
    from affectome.learn.fine_tuning import FineTuned

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_EPOCHS, _RATE, _TOKENS = 0.8, 2e-4, 48
_TURNS_BEFORE = 2
_FOLDS, _INNER = 10, 3
_DEV = 0.1
_LENGTH, _WORDS, _SHUFFLED = "length of the text", "words", "reader, shuffled targets"
_READER, _LEXICON, _STRATIFIED = "reader", "reader + lexicons", "reader + lexicons, stratified"
_LATER, _LATER_READER = "words, with later essays", "reader + lexicons, with later essays"
_TUNED, _BLEND = "tuned encoder", "blend"
_BEFORE, _ELSEWHERE = "reader + lexicons + turns before", "tuned encoder, turns before from elsewhere"
_PLACE, _PEOPLE, _ABOUT = "place in the conversation", "what authors said of themselves", "mean of the article"
_ROLES: dict[str, Role] = {
    **dict.fromkeys((_LENGTH, _PLACE, _PEOPLE, _ABOUT, _WORDS), "baseline"),
    **dict.fromkeys((_SHUFFLED, _ELSEWHERE), "control"),
}
_AUTHOR, _ARTICLE = "no author in two folds", "no article in two folds"


def run(context: Context) -> Outcome:
    """Tune the encoder, predict the held-out turns, then the essays fold by fold."""
    talk = _load_talk(context)
    essays = load_essays(context.folder(ESSAYS))
    later = load_later_essays(context.folder(SHARED_TASKS))
    if context.quick:
        essays, later = essays.first(120), later.first(40)
    tuned = _tune(context, talk)
    turns, claims, notes = _turns(context, talk, tuned)
    corpus = _Writing(context, essays, later)
    notes.append(note_learnt(context, [talk.turns.texts[i] for i in talk.test], "held-out turns"))
    notes.append(note_learnt(context, essays.texts, "essays"))
    tables = []
    for way in (_AUTHOR, _ARTICLE):
        table, more = _cross_validate(context, corpus, way)
        tables.append(table)
        claims += more
    return Outcome(
        [turns, *tables],
        claims,
        [
            *notes,
            f"{len(later.texts):,} essays of other authors, rated for later shared tasks, train two of the read-outs"
            " in the blend. Many are about the same articles, so both are left out where no article may be in two"
            " folds.",
            "r is that of all held-out predictions together, not the mean over folds. Predictions are clipped to the"
            " scale. But for the baseline of what authors said of themselves, only texts are used. The mean of the"
            " training rows is the same for all, so it has no r.",
        ],
    )


STUDY = Study(
    number=42,
    id="wassa-empathy",
    title="WASSA empathy",
    paper="arXiv 2407.18496",
    data=(ESSAYS, SHARED_TASKS, *FOLDERS),
    extras=("study", "train"),
    run=run,
    missing=(
        "the official test parts, whose ratings are not published",
        "the paper's four sentence embeddings and its four lexical resources, in place of which the package's stand",
    ),
)


@dataclass(frozen=True, eq=False)
class _Talk:
    """Turns of all conversations, those to learn from first.

    Attributes:
        turns: ``n`` turns.
        conversation: ``(n,)`` number of the conversation of each turn.
        train: Rows to learn from.
        dev: Rows of other conversations that decide about weights.
        test: Rows to predict.
    """

    turns: Turns
    conversation: Ints
    train: Ints
    dev: Ints
    test: Ints


def _load_talk(context: Context) -> _Talk:
    parts = [load_turns(context.folder(SHARED_TASKS), held_out=held_out) for held_out in (False, True)]
    if context.quick:
        parts = [part.first(count) for part, count in zip(parts, (400, 150), strict=True)]
    turns = join_turns(parts)
    first = len(parts[0].texts)
    conversation = np.unique(turns.conversations, return_inverse=True)[1]
    split = split_rows(first, groups=conversation[:first], shares=(1 - _DEV, _DEV, 0), seed=context.seed)
    for known in (turns.conversations, turns.people):
        assert_disjoint(train=Part(groups=known[:first]), test=Part(groups=known[first:]))
    return _Talk(turns, conversation, split.train, split.dev, np.arange(first, len(turns.texts)))


def _tune(context: Context, talk: _Talk) -> FineTuned:
    """An encoder that reads turns with the turns before them."""
    from affectome.learn.fine_tuning import HeadPlan, fine_tune

    before = turns_before(talk.turns, _TURNS_BEFORE)
    return fine_tune(
        [talk.turns.texts[i] for i in talk.train],
        {"shown": talk.turns.scores[talk.train]},
        [HeadPlan("shown", "measure", SHOWN)],
        base=context.base_encoder(),
        second=[before[i] for i in talk.train],
        epochs=0.5 if context.quick else _EPOCHS,
        learning_rate=_RATE,
        max_tokens=_TOKENS,
        checkpoints=context.work / "tuned",
        seed=context.seed,
        threads=context.threads,
        report=lambda progress: context.note(
            f"step {progress.step:,} of {progress.steps:,}, {progress.seconds:,.0f} s"
        ),
    )


def _turns(context: Context, talk: _Talk, tuned: FineTuned) -> tuple[Table, list[Claim], list[str]]:
    """Correlations on the held-out turns."""
    from affectome.learn.stacking import stack

    found, dev = _predict_turns(context, talk, tuned)
    blended = (_WORDS, _BEFORE, _TUNED)
    weights = [
        stack([dev[name][:, [k]] for name in blended], talk.turns.scores[talk.dev][:, [k]], "measure")
        for k in range(len(SHOWN))
    ]
    found[_BLEND] = np.einsum("kc,cnk->nk", np.stack(weights), np.stack([found[name] for name in blended]))
    low, high = np.array(SHOWN_RANGE).T
    found = {name: output if name == _LENGTH else np.clip(output, low, high) for name, output in found.items()}
    wanted, groups = talk.turns.scores[talk.test], talk.conversation[talk.test]
    rows = [
        Row(
            name,
            _ROLES.get(name, "result"),
            {
                column: bootstrap(
                    pearson, seed=context.seed, groups=groups, truth=wanted[:, k], prediction=output[:, k]
                )
                for k, column in enumerate(SHOWN)
            },
        )
        for name, output in found.items()
    ]
    best = rows[-1].values
    claims = [
        claim_value(f"turns: r of the blend, {column}", best[column], ">=", threshold)  # type: ignore[arg-type]
        for column, threshold in zip(SHOWN, (0.68, 0.70, 0.68), strict=True)
    ]
    claims.append(
        claim_difference(
            "turns: mean r with the turns before minus without, package's reader",
            pearson,
            truth=wanted,
            first=found[_BEFORE],
            second=found[_LEXICON],
            comparison=">",
            seed=context.seed,
            groups=groups,
        )
    )
    shares = "; ".join(
        f"{column} {', '.join(f'{name} {weight:.2f}' for name, weight in zip(blended, each, strict=True))}"
        for column, each in zip(SHOWN, weights, strict=True)
    )
    notes = [
        f"{len(talk.train):,} turns are learnt from and {len(talk.dev):,} of other conversations weigh the blend"
        f" ({shares}); read-outs on features then learn from both.",
        "No conversation and no speaker is on both sides; the articles they talk about are.",
    ]
    return Table(f"Held-out conversations, r: {len(wanted):,} turns", SHOWN, rows), claims, notes


def _predict_turns(context: Context, talk: _Talk, tuned: FineTuned) -> tuple[dict[str, Floats], dict[str, Floats]]:
    """Predictions ``(rows, 3)`` by predictor: of held-out turns, and of development turns by parts of the blend."""
    from affectome.learn.features import AffectFeatures, LexiconFeatures

    texts, scores = talk.turns.texts, talk.turns.scores
    reader = AffectFeatures(threads=context.threads)
    seen = reader.transform(texts).astype(np.float64)
    written = LexiconFeatures().transform(texts).astype(np.float64)
    context.note(f"features of {len(texts):,} turns")
    measured = seen[:, reader.reader.encoder.vectors(["one"]).shape[1] :]
    both = np.hstack([seen, written])
    before = np.hstack([both, talk_before(talk.turns, measured, written)])
    shuffled = scores.copy()
    fitted = np.concatenate([talk.train, talk.dev])
    shuffled[fitted] = np.random.default_rng(context.seed).permutation(scores[fitted])
    head = partial(_head, groups=talk.conversation, seed=context.seed)
    read_outs: dict[str, ReadOut] = {
        _PLACE: head(before[:, -4:], scores),
        _WORDS: word_read_out(texts, scores, kind="measure"),
        _SHUFFLED: head(both, shuffled),
        _READER: head(seen, scores),
        _LEXICON: head(both, scores),
        _STRATIFIED: _stratified(both, scores, SHOWN_RANGE, head),
        _BEFORE: head(before, scores),
    }
    dev = {name: read_outs[name](talk.train, talk.dev) for name in (_WORDS, _BEFORE)}
    found = {_LENGTH: np.repeat([[len(texts[i])] for i in talk.test], len(SHOWN), axis=1).astype(np.float64)}
    for name, read_out in read_outs.items():
        found[name] = read_out(fitted, talk.test)
        context.note(f"turns: {name}")
    said = turns_before(talk.turns, _TURNS_BEFORE)
    elsewhere = np.random.default_rng(context.seed).permutation(talk.test)
    for name, rows, contexts in (
        (_ELSEWHERE, talk.test, elsewhere),
        (_TUNED, talk.test, talk.test),
        (_TUNED, talk.dev, talk.dev),
    ):
        output = tuned.predict([texts[i] for i in rows], [said[i] for i in contexts])["shown"].astype(np.float64)
        (dev if rows is talk.dev else found)[name] = output
    order = (_LENGTH, _PLACE, _WORDS, _SHUFFLED, _ELSEWHERE, _READER, _LEXICON, _STRATIFIED, _BEFORE, _TUNED)
    return {name: found[name] for name in order}, dev


def _head(
    features: Floats, targets: Floats, weights: Floats | None = None, *, groups: Ints | None, seed: int
) -> ReadOut:
    return feature_read_out(features, targets, kind="measure", groups=groups, weights=weights, seed=seed)


def _stratified(
    features: Floats, scores: Floats, ranges: Sequence[tuple[float, float]], head: Callable[..., ReadOut]
) -> ReadOut:
    """Read-outs whose training rows count the more, the rarer scores like theirs are."""
    parts = [
        head(features, scores[:, [k]], balanced_weights(scores[:, k], low, high))
        for k, (low, high) in enumerate(ranges)
    ]
    return lambda train, test: np.hstack([part(train, test) for part in parts])


class _Writing:
    """Essays to predict, later essays below them, and their features.

    Attributes:
        texts: ``n + m`` essays.
        scores: ``(n + m, 2)``.
        count: ``n``.
        authors: ``(n + m,)`` number of the author.
        articles: ``(n + m,)`` number of the article.
        seen: ``(n + m, d)`` what the reader sees.
        both: The same beside lexicons.
        people: ``(n, 12)`` what the authors of the essays to predict said of themselves.
    """

    def __init__(self, context: Context, essays: Essays, later: Essays) -> None:
        from affectome.learn.features import AffectFeatures, LexiconFeatures

        self.texts = [*essays.texts, *later.texts]
        self.scores = np.concatenate([essays.scores, later.scores])
        self.count = len(essays.texts)
        self.authors = np.unique([*essays.authors, *later.authors], return_inverse=True)[1]
        self.articles = np.unique([*essays.articles, *later.articles], return_inverse=True)[1]
        self.seen = AffectFeatures(threads=context.threads).transform(self.texts).astype(np.float64)
        self.both = np.hstack([self.seen, LexiconFeatures().transform(self.texts)])
        self.people = load_people(context.folder(SHARED_TASKS), essays.authors)
        context.note(f"features of {len(self.texts):,} essays")


def _cross_validate(context: Context, corpus: _Writing, way: str) -> tuple[Table, list[Claim]]:
    """Correlations of held-out essays under one way to divide them."""
    n = corpus.count
    groups = (corpus.articles if way == _ARTICLE else corpus.authors)[:n]
    parts = folds(n, count=_FOLDS, groups=groups, seed=context.seed)
    names = [f"essays, {way}, fold {number + 1}" for number in range(_FOLDS)]
    vault = context.vault({name: part.test for name, part in zip(names, parts, strict=True)})
    words = word_read_out(corpus.texts, corpus.scores, kind="measure")
    found: dict[str, Floats] = {}
    for name, part in zip(names, parts, strict=True):
        test = vault.open(name, purpose="comparison of predictors")
        blended, alone = _essay_read_outs(context, corpus, words, way)
        fitted = stacked(
            blended,
            part.train,
            test,
            corpus.scores[part.train],
            kind="measure",
            groups=groups[part.train],
            count=_INNER,
            seed=context.seed,
        )
        outputs = {predictor: read_out(part.train, test) for predictor, read_out in alone.items()}
        for predictor, output in {**outputs, **fitted.outputs, _BLEND: fitted.blend}.items():
            found.setdefault(predictor, np.full((n, len(FELT)), np.nan))[test] = np.clip(output, *FELT_RANGE)
        weights = ", ".join(f"{predictor} {weight:.2f}" for predictor, weight in fitted.weights.items())
        context.note(f"{name} of {_FOLDS}: {weights}")
    found[_LENGTH] = np.repeat([[len(text)] for text in corpus.texts[:n]], len(FELT), axis=1).astype(np.float64)
    rows, claims = [], []
    order = (
        *(_LENGTH, _PEOPLE, _ABOUT, _WORDS, _SHUFFLED),
        *(_READER, _LEXICON, _STRATIFIED, _LATER, _LATER_READER, _BLEND),
    )
    for name in (name for name in order if name in found):
        values = {
            column: bootstrap(
                pearson,
                seed=context.seed,
                groups=corpus.authors[:n],
                truth=corpus.scores[:n, k],
                prediction=found[name][:, k],
            )
            for k, column in enumerate(FELT)
        }
        rows.append(Row(name, _ROLES.get(name, "result"), values))
    if way != _ARTICLE:
        claims = [
            claim_value(f"essays, {way}: r of the blend, {column}", values[column], ">=", threshold)
            for column, threshold in zip(FELT, (0.44, 0.46), strict=True)
        ]
    return Table(f"Essays, {_FOLDS} folds, {way}, r: {n:,} essays", FELT, rows), claims


def _essay_read_outs(
    context: Context, corpus: _Writing, words: ReadOut, way: str
) -> tuple[dict[str, ReadOut], dict[str, ReadOut]]:
    """Read-outs of essays: those that are blended, and those that are only compared; each chooses its penalty anew."""
    later = np.arange(corpus.count, len(corpus.texts))
    groups = corpus.articles if way == _ARTICLE else corpus.authors
    head = partial(_head, groups=groups, seed=context.seed)
    shuffled = np.random.default_rng(context.seed).permutation(corpus.scores)
    blended: dict[str, ReadOut] = {_WORDS: words, _LEXICON: head(corpus.both, corpus.scores)}
    alone: dict[str, ReadOut] = {
        _PEOPLE: head(corpus.people, corpus.scores[: corpus.count], groups=groups[: corpus.count]),
        _SHUFFLED: head(corpus.both, shuffled),
        _READER: head(corpus.seen, corpus.scores),
        _STRATIFIED: _stratified(corpus.both, corpus.scores, [FELT_RANGE] * len(FELT), head),
    }
    if way != _ARTICLE:
        seen = head(corpus.both, corpus.scores)
        blended[_LATER] = lambda train, test: words(np.concatenate([train, later]), test)
        blended[_LATER_READER] = lambda train, test: seen(np.concatenate([train, later]), test)
        alone[_ABOUT] = partial(article_means, corpus.articles, corpus.scores)
    return blended, alone
