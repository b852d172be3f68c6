"""Labels of posts about an outbreak: sentiment, subjectivity and emotion of title and description, with provenance.

The published videos are not among the data. Rated sentences stand in: a table of the published size with a tweet as
title and an editorial as description, platforms dealt out in the published shares. On it the published order of
cleaning and labelling is compared with labelling texts as they were written.
"""

from __future__ import annotations

import time
from functools import partial

import numpy as np
import polars as pl
from numpy.typing import NDArray

from affectome.affect import map_labels
from affectome.domains import LabelledPosts, PostLabeller
from affectome.evaluate import (
    Interval,
    auc,
    bootstrap_mean,
    choose_thresholds,
    f1,
    multilabel_f1,
    pearson,
    predict_majority,
    predict_mean,
)
from affectome.evaluate.intervals import Metric
from affectome.learn import load_corpus
from affectome.models import default_model
from affectome.perceive import TextReader
from affectome.studies.comparing import claim_difference, claim_end, claim_value, measure
from affectome.studies.study import Claim, Context, Outcome, Role, Row, Study, Table

Floats = NDArray[np.float64]

_EMOTIONS, _RATED = "goemotions", "vader"
_POSTS = 4011
_PLATFORMS = {"YouTube": 0.486, "TikTok": 0.152}
_OTHER_SITES = 262
_TWEETS, _EDITORIALS = slice(0, 4200), slice(-5190, None)  # of the rated sentences, four sources one after the other
_FIELDS = ("title", "description")
_CUT = 0.05
_F1, _MICRO, _AUC = "macro-F1", "micro-F1", "AUC"
_FLIPS = ("sentiment", "subjectivity", "emotion")


def run(context: Context) -> Outcome:
    """Score the emotions, label the table in both orders, compare."""
    bundle = default_model("text-affect")
    table, claims = _fine_labels(context, TextReader(bundle, "goemotions28", threads=context.threads))
    reader = TextReader(bundle, "ekman7", threads=context.threads)
    posts = _posts(context)
    started = time.perf_counter()
    PostLabeller(_Silent()).label(posts, _FIELDS)
    lexicons = time.perf_counter() - started
    sound = PostLabeller(reader).label(posts, _FIELDS)
    whole = time.perf_counter() - started - lexicons
    context.note(f"{len(posts)} posts: lexicons {lexicons:.0f} s, with the reader {whole:.0f} s")
    faithful = PostLabeller(reader, order="faithful").label(posts, _FIELDS)
    tables = [table, _flips(sound, faithful, context.seed), *_ratings(sound, faithful, context.seed)]
    tables.append(_platforms(sound.posts, context.seed))
    kept = sum(a == b for a, b in zip(sound.posts["url"], posts["url"], strict=False))
    shares = sound.posts["platform"].value_counts(normalize=True)
    error = max(abs(shares.filter(platform=name)["proportion"].item() - share) for name, share in _PLATFORMS.items())
    claims += [
        *_order_claims(sound, faithful, context.seed),
        Claim("posts that keep their place, of the published number", kept, len(posts), ">="),
        Claim("columns added", len(sound.posts.columns) - len(posts.columns), 6, ">="),
        Claim("largest error of a platform's share", error, 0.001, "<="),
        Claim("seconds for VADER and TextBlob", lexicons, 60, "<="),
        Claim("seconds for all three annotators", whole, 300, "<="),
    ]
    notes = [
        "Emotions of the table's labels are GoEmotions in Ekman's groups, several a comment; the thresholds were chosen"
        " on the development part. The reader was trained on the training part.",
        "The 7 labels are read from the 28 by noisy-or over their groups; the labeller itself gives the most probable"
        " one.",
        f"Titles are {len(posts):,} rated tweets, descriptions as many rated sentences of editorials; platforms and"
        " months are dealt out by chance, so differences between platforms are chance as well.",
        "Cuts of subjectivity at thirds are ours; the published ones are not known.",
        "Labels that annotators give are no truth: only the table of human ratings says how good they are.",
    ]
    return Outcome(tables, claims, notes)


STUDY = Study(
    number=7,
    id="measles-videos",
    title="Measles videos",
    paper="arXiv 2406.07693",
    data=(_EMOTIONS, _RATED),
    extras=("study",),
    run=run,
    missing=(
        "the published videos, and the distribution of their labels by platform and month",
        "collection of videos from platforms",
    ),
)


class _Silent:
    """Reads no emotions, to time the other annotators."""

    def __call__(self, segments: pl.DataFrame) -> pl.DataFrame:
        nothing = {"top": pl.String, "confidence": pl.Float64}
        return segments.with_columns(
            *(pl.lit(None, dtype=kind).alias(name) for name, kind in nothing.items()),
            status=pl.lit("abstained"),
            error=pl.lit("not_asked"),
            model=pl.lit("none"),
        )

    def failed(self, segments: pl.DataFrame, code: str) -> pl.DataFrame:
        return self(segments).with_columns(status=pl.lit("failed"), error=pl.lit(code))


def _fine_labels(context: Context, reader: TextReader) -> tuple[Table, list[Claim]]:
    """Seven emotions on GoEmotions, several a comment."""
    corpus = load_corpus("goemotions", context.folder(_EMOTIONS).parent)
    groups = map_labels("goemotions28", "ekman7")
    truth = (corpus.targets @ (groups.matrix > 0) > 0).astype(np.float64)
    rows = {part: np.flatnonzero(corpus.split == part)[: 200 if context.quick else None] for part in ("dev", "test")}
    vault = context.vault({"test": rows["test"]})

    def read(chosen: NDArray[np.int64]) -> Floats:
        return groups.apply(reader.probabilities([corpus.texts[i] for i in chosen]))[0]

    thresholds = choose_thresholds(dev_truth=truth[rows["dev"]], dev_probability=read(rows["dev"])).values
    test = vault.open("test", purpose="seven emotions")
    found = read(test)
    context.note("seven emotions read")
    prior = predict_mean(train_truth=truth[corpus.split == "train"], items=len(test))
    always = choose_thresholds(
        dev_truth=truth[rows["dev"]], dev_probability=np.tile(prior[:1], (len(rows["dev"]), 1))
    ).values
    other = np.random.default_rng(context.seed).permutation(found)
    top = np.eye(found.shape[1])[found.argmax(axis=1)]

    def values(probability: Floats, cuts: Floats | float) -> dict[str, Interval]:
        metrics: dict[str, Metric] = {
            _F1: partial(multilabel_f1, thresholds=cuts),
            _MICRO: partial(multilabel_f1, thresholds=cuts, average="micro"),
        }
        if len(np.unique(probability)) > found.shape[1]:
            metrics[_AUC] = auc
        return measure(metrics, truth=truth[test], probability=probability, seed=context.seed, resamples=300)

    result = values(found, thresholds)
    rows_of = [
        Row("frequency of each emotion", "baseline", values(prior, always)),
        Row("reader, another comment's answer", "control", values(other, thresholds)),
        Row("reader, most probable emotion alone", "result", values(top, 0.5)),
        Row("reader, emotions that reach their threshold", "result", result),
    ]
    title = f"GoEmotions in Ekman's seven groups, test: {len(test):,} comments"
    claim = claim_value("seven emotions, macro-F1", result[_F1], ">=", 0.55)
    return Table(title, (_F1, _MICRO, _AUC), rows_of), [claim]


def _posts(context: Context) -> pl.DataFrame:
    """A table of the published size with rated sentences as title and description."""
    rated = load_corpus("vader_ratings", context.folder(_RATED).parent)
    n = 60 if context.quick else _POSTS
    rng = np.random.default_rng(context.seed)
    columns: dict[str, object] = {}
    for field, source in zip(_FIELDS, (_TWEETS, _EDITORIALS), strict=True):
        texts, ratings = rated.texts[source], rated.targets[source, 0]
        chosen = rng.permutation(len(texts))[:n]
        columns[field] = [texts[i] for i in chosen]
        columns[f"{field}_rating"] = ratings[chosen].astype(np.float64)
    counts = {name: round(share * n) for name, share in _PLATFORMS.items()}
    sites = [name for name, count in counts.items() for _ in range(count)]
    sites += [f"site {i % _OTHER_SITES + 1}" for i in range(n - len(sites))]
    columns["platform"] = [sites[i] for i in rng.permutation(n)]
    columns["month"] = rng.integers(1, 6, n)
    return pl.DataFrame({"url": [f"post/{i}" for i in range(n)], **columns})


def _flips(sound: LabelledPosts, faithful: LabelledPosts, seed: int) -> Table:
    """How many labels change with the order of cleaning and labelling."""
    rng = np.random.default_rng(seed)
    rows: list[Row] = []
    for dealt in (True, False):
        for field in _FIELDS:
            values = {}
            for kind in _FLIPS:
                first, second = (part.posts[f"{field}_{kind}"].fill_null("").to_numpy() for part in (sound, faithful))
                second = rng.permutation(second) if dealt else second
                values[kind] = bootstrap_mean((first != second).astype(float), seed=seed)
            name = f"{field}, labels of another post" if dealt else f"{field}, cleaned first"
            rows.append(Row(name, "baseline" if dealt else "result", values))
    title = f"Labels that differ from those of the text as written: {len(sound.posts):,} posts"
    return Table(title, _FLIPS, rows)


def _signs(values: Floats) -> NDArray[np.int64]:
    """0 for negative, 1 for neutral, 2 for positive."""
    return np.asarray(1 + (values >= _CUT).astype(np.int64) - (values <= -_CUT))


def _scores(labelled: LabelledPosts, field: str) -> Floats:
    own = labelled.provenance.filter(column=f"{field}_sentiment").sort("row")
    return own["score"].fill_null(0.0).to_numpy()


def _ratings(sound: LabelledPosts, faithful: LabelledPosts, seed: int) -> list[Table]:
    """Polarity in both orders beside the mean of people's ratings."""
    tables = []
    for field in _FIELDS:
        truth = sound.posts[f"{field}_rating"].to_numpy()
        sign = _signs(truth)
        majority = predict_majority(train_truth=sign, items=len(sign))
        other = np.random.default_rng(seed).permutation(_scores(sound, field))
        rows = [Row("majority", "baseline", measure({_F1: f1}, truth=sign, prediction=majority, seed=seed))]
        roles: tuple[tuple[str, Role, Floats], ...] = (
            ("as written, scores of another post", "control", other),
            ("cleaned first", "result", _scores(faithful, field)),
            ("as written", "result", _scores(sound, field)),
        )
        for name, role, scores in roles:
            values = measure({_F1: f1}, truth=sign, prediction=_signs(scores), seed=seed)
            values |= measure({"Pearson": pearson}, truth=truth, prediction=scores, seed=seed)
            rows.append(Row(name, role, values))
        tables.append(Table(f"Sentiment of the {field} and people's ratings", (_F1, "Pearson"), rows))
    return tables


def _platforms(posts: pl.DataFrame, seed: int) -> Table:
    """Shares of labels by platform."""
    columns = ("posts", "negative title", "highly opinionated title", "joyful title")
    groups = {"all": posts, **{name: posts.filter(platform=name) for name in _PLATFORMS}}
    groups["other sites"] = posts.filter(~pl.col("platform").is_in([*_PLATFORMS]))
    rows = []
    for name, part in groups.items():
        marks = (
            part["title_sentiment"] == "negative",
            part["title_subjectivity"] == "highly opinionated",
            (part["title_emotion"] == "joy").fill_null(False),
        )
        shares = [bootstrap_mean(mark.to_numpy().astype(float), seed=seed) for mark in marks]
        role: Role = "baseline" if name == "all" else "control"
        rows.append(Row(name, role, dict(zip(columns, (len(part), *shares), strict=True))))
    return Table("Labels by platform, dealt out by chance", columns, rows)


def _order_claims(sound: LabelledPosts, faithful: LabelledPosts, seed: int) -> list[Claim]:
    claims = []
    for field in _FIELDS:
        labels = [part.posts[f"{field}_sentiment"].to_numpy() for part in (sound, faithful)]
        flips = bootstrap_mean((labels[0] != labels[1]).astype(float), seed=seed)
        claims.append(claim_end(f"{field}: sentiment labels that cleaning first changes", flips, ">", 0.0))
        claims.append(
            claim_difference(
                f"{field}: sentiment as written minus cleaned first, Pearson with people's ratings",
                pearson,
                truth=sound.posts[f"{field}_rating"].to_numpy(),
                first=_scores(sound, field),
                second=_scores(faithful, field),
                comparison=">",
                seed=seed,
            )
        )
    return claims
