"""Loneliness in posts: whether, how long, where from, who is missing and what is wished for; and how often, corrected.

The 5,633 published posts with their votes are not among the data. The axes are measured on posts composed from a
codebook with votes of simulated raters, detection also on published posts with one label each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from affectome.evaluate import Interval, accuracy, auc, folds, kl, near_duplicates, predict_mean, uar
from affectome.evaluate.intervals import Metric
from affectome.models import default_model
from affectome.perceive import TextReader
from affectome.studies.comparing import claim_difference, claim_end, claim_value, measure
from affectome.studies.loneliness_posts import (
    LONELY,
    Composed,
    Labelled,
    Seen,
    compose_posts,
    load_depressed,
    load_explained,
    load_neutral,
    see,
)
from affectome.studies.planted_shares import Counted, planted_shares
from affectome.studies.study import Claim, Context, Outcome, Role, Row, Study, Table

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Meaning = Callable[[Sequence[str]], Floats]
"""Sentence vectors (n, width) of n texts."""

_EXPLAINED, _DEPRESSED, _COMMENTS = "imhi_mentallama", "depressionemo", "goemotions"
_TRAIN, _TEST = slice(0, None, 2), slice(1, None, 2)
_FIT, _CHOOSE = slice(0, None, 4), slice(2, None, 4)  # halves of the sentences for training
_STRENGTHS = tuple(float(10**exponent) for exponent in np.arange(1.0, -2.5, -0.5))
_NAMING = ("lonely", "loneliness", "lonesome", "alone")
_FOLDS = 5
_AUC, _UAR, _ACCURACY, _KL = "AUC", "UAR", "accuracy", "KL to the votes"
_METRICS: dict[str, Metric] = {_AUC: auc, _UAR: uar, _ACCURACY: accuracy}
_CONSTANT, _LENGTH, _WORDS = "every post lonely", "length", "says lonely or alone"
_UNTRAINED, _SHUFFLED, _MASKED = "reader as it is, its label lonely", "labels of other posts", "naming words masked"
_COMPOSED, _RESAMPLES, _RUNS = 800, 300, 100
_PARTS: tuple[Literal["dev", "test"], ...] = ("dev", "test")
_SOURCES = ("reader", "base", "both")


def run(context: Context) -> Outcome:
    """Fit on composed and published posts, look at every test set once, then plant changes of how often."""
    from affectome.learn.features import masked_words

    reader = TextReader(default_model("text-affect"), "ed32", threads=context.threads)
    masked = partial(masked_words, words=_NAMING)
    count = 200 if context.quick else _COMPOSED
    train = compose_posts(count, places=_TRAIN, seed=context.seed)
    seen_train = see(reader, train.texts)
    meaning = partial(_meaning, base=context.base_encoder(), threads=context.threads)
    source, strength = _choose(reader, meaning, count // 2, context.seed)
    axis_train = _features(source, seen_train, meaning(train.texts))
    explained = _first(load_explained(context.folder(_EXPLAINED)), 150 if context.quick else None)
    seen_explained = see(reader, explained.texts)
    context.note(f"axes: {source}, strength {strength:g}; {len(explained.texts)} explained posts read")

    test = compose_posts(count, places=_TEST, seed=context.seed + 1)
    depressed = _first(load_depressed(context.folder(_DEPRESSED)), 150 if context.quick else None)
    comments = {
        part: load_neutral(context.folder(_COMMENTS), part)[: 150 if context.quick else None] for part in _PARTS
    }
    sizes = {"composed": count, _DEPRESSED: len(depressed.texts), _COMMENTS: len(comments["test"])}
    vault = context.vault({name: np.arange(size) for name, size in sizes.items()})
    for name in sizes:
        vault.open(name, purpose="read once by everything that was fitted")
    seen_test = see(reader, test.texts)
    seen_depressed, masked_depressed = (see(reader, texts) for texts in (depressed.texts, masked(depressed.texts)))
    axis_test = _features(source, seen_test, meaning(test.texts))
    seen_comments = {part: see(reader, texts) for part, texts in comments.items()}
    masked_explained = see(reader, masked(explained.texts))
    context.note("test posts read")

    table, claims, duration = _axes(train, axis_train, test, axis_test, strength, context.seed)
    tables = [table]
    across, more, reported = _within(explained, seen_explained, masked_explained, seen_train, train, context.seed)
    tables.append(across)
    claims += more
    clusters = near_duplicates([*explained.texts, *depressed.texts])
    repeated = np.isin(clusters[: len(explained.texts)], clusters[len(explained.texts) :])
    learnt = _joined(seen_train, seen_explained.at(~repeated))
    truth = np.concatenate([train.truth[LONELY], explained.lonely[~repeated]]).astype(np.int64)
    trained = {"composed posts": (seen_train, train.truth[LONELY]), "composed and explained posts": (learnt, truth)}
    transfer, chance = _transfer(trained, depressed, seen_depressed, masked_depressed, context.seed)
    tables.append(transfer)
    claims.append(chance)
    easy, claim = _against_comments(learnt, truth, seen_comments, seen_depressed.at(depressed.lonely > 0), context.seed)
    tables.append(easy)
    claims.append(claim)
    context.note("posts scored")
    counts = {"explained posts, lonely": reported, "composed lonely posts, enduring": duration}
    for (name, pool), (_, other) in zip(counts.items(), reversed(counts.items()), strict=True):
        planted, more = planted_shares(name, pool, other, runs=10 if context.quick else _RUNS, seed=context.seed)
        tables.append(planted)
        claims += more
    chosen = (
        f"Axes are read with features of: {source}, penalty {strength:g}; chosen on composed posts of two halves of the"
        " training sentences. Explained posts left out of what DepressionEmo is read with, because they nearly repeat"
        f" a post of it: {int(repeated.sum())}."
    )
    return Outcome(tables, claims, [*_NOTES, chosen])


_NOTES = (
    "The four axes are measured on composed posts only: sentences of a codebook put together by chance, with three"
    " simulated raters who name the composed label with a chance of .8 and else any other. The test posts hold no"
    " sentence of the training posts. This shows that the method works, not how well it reads real posts.",
    "Explained posts are the loneliness test set of IMHI, cross-validated without near-duplicates across folds; their"
    " labels are those that the published explanations of a language model start with.",
    "DepressionEmo is used for evaluation only, as its terms ask; nothing was fitted or chosen on it.",
    "Heads for loneliness weigh lonely and other posts alike, so UAR, not accuracy, says what they do at their cut.",
    "Neutral comments come from other forums and are short, so telling them from lonely posts says little about"
    " loneliness: see the row of the length, and the table within one forum.",
    "Planted shares: items are drawn from labelled ones so that the truth is known, with the errors the reader makes"
    " on them; labelled items for the correction are drawn anew in each run. Errors are in points of a hundred.",
)

STUDY = Study(
    number=8,
    id="fig-loneliness",
    title="FIG-Loneliness",
    paper="arXiv 2201.07423",
    data=(_EXPLAINED, _DEPRESSED, _COMMENTS),
    extras=("study", "train"),
    run=run,
    missing=(
        "the published posts with the votes of their raters: detection at .95 and the axes at .70 on them",
        "the axes on real posts",
        "how often before and after a date in real forums, as an interrupted series",
        "which forms of loneliness go with which wishes, as odds ratios corrected for the reader's errors",
    ),
)


def _axes(
    train: Composed, seen: Floats, test: Composed, seen_test: Floats, strength: float, seed: int
) -> tuple[Table, list[Claim], Counted]:
    """The four axes on the lonely test posts, and how enduring loneliness is reported on them."""
    from affectome.learn.facets import FacetHeads, Targets, fit_facets

    def fit(features: Floats, values: Mapping[str, Floats]) -> FacetHeads:
        targets = {axis: Targets(values[axis], "choice", labels) for axis, labels in train.labels.items()}
        return fit_facets(features, targets, requires, strength=strength, seed=seed)

    axes = [axis for axis in train.labels if axis != LONELY]
    requires = dict.fromkeys(axes, (LONELY, LONELY))
    shares = {axis: train.shares(axis) for axis in train.labels}
    voted = fit(seen, shares)
    most = fit(seen, {axis: train.majority(axis) for axis in train.labels})
    order = np.random.default_rng(seed).permutation(len(train.texts))
    shuffled = fit(seen, {axis: values[order] for axis, values in shares.items()})
    lonely = np.flatnonzero(test.truth[LONELY] == 1)
    features = seen_test[lonely]
    learnt = train.truth[LONELY] == 1

    def read(heads: FacetHeads) -> Floats:
        return _stacked([heads.heads[axis].predict(features) for axis in axes])

    outputs: list[tuple[str, Role, Floats]] = [
        (
            "frequency of each label",
            "baseline",
            _stacked([predict_mean(train_truth=shares[axis][learnt], items=len(lonely)) for axis in axes]),
        ),
        ("votes of other posts", "control", read(shuffled)),
        ("heads on the majority", "result", read(most)),
        ("heads on the shares of votes", "result", read(voted)),
        ("one rater's chances", "ceiling", _stacked([test.expected(axis)[lonely] for axis in axes])),
    ]
    votes = _stacked([test.shares(axis)[lonely] for axis in axes])
    width = votes.shape[1]
    first = np.repeat(np.arange(len(axes)) * width, len(lonely))  # so that labels of different axes differ
    truth = np.concatenate([test.truth[axis][lonely] for axis in axes]) + first
    groups = np.tile(lonely, len(axes))
    scored = partial(measure, groups=groups, seed=seed, resamples=_RESAMPLES)
    values = {
        name: scored({_KL: kl}, truth=votes, probability=output)
        | scored({_ACCURACY: accuracy, _UAR: uar}, truth=truth, prediction=output.argmax(axis=1) + first)
        for name, _, output in outputs
    }
    predicted = voted.predict(seen_test)
    absent = predicted[LONELY].argmax(axis=1) == 0
    said = sum(int((~np.isnan(predicted[axis][absent])).any(axis=1).sum()) for axis in axes)
    found = accuracy(truth=test.truth[LONELY], prediction=(~absent).astype(np.int64))
    claims = [
        claim_value(
            "composed posts: accuracy, mean of the four axes",
            values["heads on the shares of votes"][_ACCURACY],
            ">=",
            0.70,
        ),
        claim_difference(
            "composed posts: divergence from the votes, heads on shares minus heads on the majority",
            kl,
            truth=votes,
            first=outputs[3][2],
            second=outputs[2][2],
            comparison="<",
            groups=groups,
            seed=seed,
            resamples=_RESAMPLES,
        ),
        claim_end(
            "composed posts: divergence from the votes, heads on the votes of other posts",
            values["votes of other posts"][_KL],
            ">",
            values["heads on the shares of votes"][_KL].high,
        ),
        Claim("composed posts: axes given to posts that are read as not lonely", said, 0, "<="),
        Claim("composed posts: accuracy of lonely or not", float(found), 0.95, ">="),
    ]
    read_duration = voted.heads["duration"].predict(features)
    place = train.labels["duration"].index("enduring")
    duration = Counted(
        (test.truth["duration"][lonely] == place).astype(np.int64),
        (read_duration.argmax(axis=1) == place).astype(np.int64),
    )
    title = f"Four axes of {len(lonely):,} composed lonely posts, votes of three simulated raters"
    rows = [Row(name, role, values[name]) for name, role, _ in outputs]
    return Table(title, (_KL, _ACCURACY, _UAR), rows), claims, duration


def _within(
    posts: Labelled, seen: Seen, masked: Seen, composed: Seen, train: Composed, seed: int
) -> tuple[Table, list[Claim], Counted]:
    """Loneliness within published posts of one kind, out of fold; and what is reported on them."""
    truth = posts.lonely.astype(np.int64)
    parts = folds(len(truth), count=_FOLDS, texts=posts.texts, strata=truth, seed=seed)
    order = np.random.default_rng(seed).permutation(len(truth))

    def across(rows: Floats, labels: Ints) -> Floats:
        scores = np.zeros(len(labels))
        for known, held in parts:
            scores[held] = _fit_scores(rows[known], labels[known], rows[held])
        return scores

    outputs: list[tuple[str, Role, Floats]] = [
        (_CONSTANT, "baseline", np.ones(len(truth))),
        (_LENGTH, "baseline", across(seen.length, truth)),
        (_WORDS, "baseline", seen.named),
        # Shuffled once, so that folds and labels no longer belong together; scored against the true labels.
        (_SHUFFLED, "control", across(seen.features, truth[order])),
        (_UNTRAINED, "result", seen.lonely),
        ("head, composed posts", "result", _fit_scores(composed.features, train.truth[LONELY], seen.features)),
        (f"head, {_MASKED}", "result", across(masked.features, truth)),
        ("head", "result", across(seen.features, truth)),
    ]
    table, values = _scored(f"Explained posts, lonely or not, {len(truth)} posts out of fold", truth, outputs, seed)
    scores = {name: output for name, _, output in outputs}
    claims = [
        claim_difference(
            "explained posts: AUC of the head minus whether a post says lonely or alone",
            auc,
            truth=truth,
            first=scores["head"],
            second=scores[_WORDS],
            comparison=">",
            seed=seed,
            resamples=_RESAMPLES,
        ),
        claim_value(f"explained posts: AUC, {_MASKED}", values[f"head, {_MASKED}"][_AUC], ">=", 0.70),
        claim_value(f"explained posts: AUC, {_SHUFFLED}", values[_SHUFFLED][_AUC], "<=", 0.60),
    ]
    return table, claims, Counted(truth, (scores["head"] > 0.5).astype(np.int64))


def _transfer(
    trained: Mapping[str, tuple[Seen, Ints]], posts: Labelled, seen: Seen, masked: Seen, seed: int
) -> tuple[Table, Claim]:
    """Loneliness among depressed posts, by heads fitted elsewhere."""
    truth = posts.lonely.astype(np.int64)
    name, (learnt, labels) = [*trained.items()][-1]
    other = np.random.default_rng(seed).permutation(labels)
    outputs: list[tuple[str, Role, Floats]] = [
        (_CONSTANT, "baseline", np.ones(len(truth))),
        (_LENGTH, "baseline", _fit_scores(learnt.length, labels, seen.length)),
        (_WORDS, "baseline", seen.named),
        (_SHUFFLED, "control", _fit_scores(learnt.features, other, seen.features)),
        (_UNTRAINED, "result", seen.lonely),
        *(
            (f"head, {source}", "result", _fit_scores(own.features, own_labels, seen.features))
            for source, (own, own_labels) in trained.items()
        ),
        (f"head, {name}, {_MASKED}", "result", _fit_scores(learnt.features, labels, masked.features)),
    ]
    table, values = _scored(
        f"DepressionEmo test, lonely among depressed posts, {len(truth)} posts", truth, outputs, seed
    )
    value = values[f"head, {name}"][_AUC]
    return table, claim_value("DepressionEmo test posts: AUC of loneliness", value, ">=", 0.75)


def _against_comments(
    learnt: Seen, labels: Ints, comments: Mapping[Literal["dev", "test"], Seen], lonely: Seen, seed: int
) -> tuple[Table, Claim]:
    """Lonely posts of DepressionEmo against neutral comments."""
    rows = _joined(learnt, comments["dev"])
    known = np.concatenate([labels, np.zeros(len(comments["dev"].named), np.int64)])
    test = _joined(lonely, comments["test"])
    truth = np.repeat([1, 0], [len(lonely.named), len(comments["test"].named)])
    other = np.random.default_rng(seed).permutation(known)
    outputs: list[tuple[str, Role, Floats]] = [
        (_CONSTANT, "baseline", np.ones(len(truth))),
        (_LENGTH, "baseline", _fit_scores(rows.length, known, test.length)),
        (_WORDS, "baseline", test.named),
        (_SHUFFLED, "control", _fit_scores(rows.features, other, test.features)),
        (_UNTRAINED, "result", test.lonely),
        ("head", "result", _fit_scores(rows.features, known, test.features)),
    ]
    title = f"{len(lonely.named)} lonely posts of DepressionEmo against {len(comments['test'].named)} neutral comments"
    table, values = _scored(title, truth, outputs, seed)
    text = "lonely posts of DepressionEmo against neutral comments of GoEmotions: UAR"
    return table, claim_value(text, values["head"][_UAR], ">=", 0.95)


def _scored(
    title: str, truth: Ints, outputs: Sequence[tuple[str, Role, Floats]], seed: int
) -> tuple[Table, dict[str, dict[str, Interval]]]:
    """A table of chances, and its values by predictor."""
    scored = partial(measure, _METRICS, truth=truth, seed=seed, resamples=_RESAMPLES)
    values = {
        name: scored(probability=scores, prediction=(scores > 0.5).astype(np.int64)) for name, _, scores in outputs
    }
    return Table(title, tuple(_METRICS), [Row(name, role, values[name]) for name, role, _ in outputs]), values


def _fit_scores(features: Floats, truth: Ints, test: Floats) -> Floats:
    """Chances of the label on test rows by a head that weighs both labels alike."""
    from affectome.learn.heads import fit_head

    counts = np.bincount(truth, minlength=2)
    head = fit_head(
        features, truth[:, None].astype(np.float64), kind="presence", weights=len(truth) / 2 / counts[truth]
    )
    return np.asarray(head.predict(test)[:, 0], np.float64)


def _choose(reader: TextReader, meaning: Meaning, count: int, seed: int) -> tuple[str, float]:
    """The features and penalty with the least divergence on posts of other sentences, both from the training half."""
    from affectome.learn.heads import fit_head

    fitted, held = (compose_posts(count, places=places, seed=seed + 2) for places in (_FIT, _CHOOSE))
    sights = [(see(reader, posts.texts), meaning(posts.texts)) for posts in (fitted, held)]
    known, lonely = fitted.truth[LONELY] == 1, held.truth[LONELY] == 1
    loss = np.zeros((len(_SOURCES), len(_STRENGTHS)))
    for place in np.ndindex(loss.shape):
        features, tested = (_features(_SOURCES[place[0]], *sight) for sight in sights)
        for axis in fitted.labels:
            if axis == LONELY:
                continue
            head = fit_head(features[known], fitted.shares(axis)[known], kind="choice", strength=_STRENGTHS[place[1]])
            loss[place] += float(kl(truth=held.shares(axis)[lonely], probability=head.predict(tested[lonely])))
    best = np.unravel_index(int(loss.argmin()), loss.shape)
    return _SOURCES[int(best[0])], _STRENGTHS[int(best[1])]


def _meaning(texts: Sequence[str], *, base: Path, threads: int) -> Floats:
    from affectome.learn.base_vectors import base_vectors

    return base_vectors(texts, base, threads=threads).astype(np.float64)


def _features(source: str, seen: Seen, meaning: Floats) -> Floats:
    parts = {"reader": [seen.features], "base": [meaning], "both": [seen.features, meaning]}
    return np.hstack(parts[source])


def _stacked(axes: Sequence[Floats]) -> Floats:
    """Distributions of several axes below each other, filled up with labels that never occur."""
    width = max(axis.shape[1] for axis in axes)
    return np.vstack([np.pad(axis, ((0, 0), (0, width - axis.shape[1]))) for axis in axes])


def _joined(first: Seen, second: Seen) -> Seen:
    return Seen(*(np.concatenate(columns) for columns in zip(first, second, strict=True)))


def _first(posts: Labelled, count: int | None) -> Labelled:
    return Labelled(posts.texts[:count], posts.lonely[:count])
