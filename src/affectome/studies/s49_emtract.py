"""Investors' emotions in posts: noisy text cleaned with its pictographs kept, twelve emotions and two sentiments.

The published 10,000 posts are not among the data; StockEmotions stands in, where every post holds a pictograph. Words,
the package's reader and a tuned encoder are blended; everything is chosen on the published development part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affectome.evaluate import (
    Part,
    accuracy,
    assert_disjoint,
    audit_shortcuts,
    ece,
    f1,
    near_duplicates,
    predict_majority,
    uar,
)
from affectome.evaluate.intervals import Metric
from affectome.perceive import PostCleaner
from affectome.studies.comparing import claim_difference, claim_value, measure
from affectome.studies.stock_posts import EMOTION, SENTIMENT, TASKS, Posts, labels_of, load_cleaner, load_posts
from affectome.studies.study import Claim, Context, Outcome, Row, Study, Table

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Answers = dict[str, Floats]
ReadOut = Callable[[Sequence[str]], Answers]
"""Probabilities of posts by task: ``emotion`` (n, 12) and ``sentiment`` (n, 2)."""

_FOLDER, _LEXICONS = "stockemotions", "emtract_lexicons"
_TILTS = np.arange(0.0, 1.01, 0.1)
_EPOCHS, _RATE, _MAX_TOKENS = 3.0, 1e-4, 64
_INVERSE_STRENGTH = 4.0
_SHUFFLED, _UNCLEANED = "words, labels of other posts", "words, not cleaned"
_PLAIN = "words without pictographs"
_ACCURACY, _MACRO, _UAR, _ECE = "accuracy", "macro-F1", "UAR", "ECE"


def run(context: Context) -> Outcome:
    """Fit on the training posts, choose on the development posts, look at the test posts once."""
    folder = context.folder(_FOLDER) / "tweet"
    train, dev, test = (load_posts(folder / f"{part}_stockemo.csv.gz") for part in ("train", "val", "test"))
    if context.quick:
        train, dev, test = (posts.at(np.arange(min(400, len(posts.texts)))) for posts in (train, dev, test))
    assert_disjoint(train=Part(rows=train.texts), dev=Part(rows=dev.texts), test=Part(rows=test.texts))
    cleaner = load_cleaner(context.folder(_LEXICONS))
    read_outs = {
        "words": word_read_out(train, cleaner),
        "reader": _reader_read_out(train, context),
        "tuned encoder": _tuned_read_out(train, context),
    }
    shuffled = train.with_labels_of(np.random.default_rng(context.seed).permutation(len(train.texts)))
    others = {
        _SHUFFLED: word_read_out(shuffled, cleaner),
        _UNCLEANED: word_read_out(train, str.lower),
        _PLAIN: word_read_out(train, PostCleaner(cleaner.tickers, cleaner.companies, pictographs=False)),
    }
    weights, tilts = choose_blend({name: read(dev.texts) for name, read in read_outs.items()}, train, dev)
    context.note(f"weights {weights}, tilts {tilts}")

    test = test.at(context.vault({"test": np.arange(len(test.texts))}).open("test", purpose="emotion and sentiment"))
    found = {name: read(test.texts) for name, read in (others | read_outs).items()}
    found["blend"] = blend([found[name] for name in read_outs], weights)
    audit = _audit(train, test, context.seed)
    tables, claims = [], []
    for task, metric, wanted in ((EMOTION, _MACRO, 0.42), (SENTIMENT, _ACCURACY, 0.79)):
        table, drawn = _task(task, metric, wanted, train, test, found, tilts[task], audit[task], context.seed)
        tables.append(table)
        claims += drawn
    clusters = near_duplicates([*train.texts, *dev.texts, *test.texts])
    repeated = np.isin(clusters[-len(test.texts) :], clusters[: -len(test.texts)])
    tables.append(_apart(train, test, found["blend"], tilts, repeated, context.seed))
    notes = [
        "Read-outs were fitted on the training part; their weights and how far answers lean towards rare labels were"
        f" chosen on the development part: {_said(weights)}; an answer is the label with the highest probability over"
        f" its training frequency to the power of {tilts[EMOTION]:.1f} (emotion) or"
        f" {tilts[SENTIMENT]:.1f} (sentiment).",
        f"Test posts that nearly repeat a post of the other parts: {int(repeated.sum())}.",
        "The published parts are drawn by chance from the same days and stocks, so a score for later days would be"
        " lower.",
        "The cleaner keeps pictographs and emoticons as tokens; a table of more than forty cases in its tests covers"
        " every rule.",
    ]
    return Outcome(tables, claims, notes)


STUDY = Study(
    number=49,
    id="emtract",
    title="EmTract",
    paper="arXiv 2112.03868",
    data=(_FOLDER, _LEXICONS),
    extras=("study", "train"),
    run=run,
    missing=(
        "the published 10,000 labelled posts with their five folds, and seven emotions on them",
        "correction of spelling and cutting of joined words",
        "emotions of a firm and day against returns, volatility and volume, with planted effects",
        "which tokens speak for an emotion",
    ),
)


def word_read_out(train: Posts, cleaner: Callable[[str], str]) -> ReadOut:
    """A logistic read-out of tokens and characters of cleaned posts."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.pipeline import make_pipeline, make_union

    cleaned = [cleaner(text) for text in train.texts]

    def fitted(task: str) -> Callable[[Sequence[str]], Floats]:
        tokens = TfidfVectorizer(token_pattern=r"\S+", ngram_range=(1, 2), min_df=2, sublinear_tf=True)
        characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), min_df=3, sublinear_tf=True)
        logistic = LogisticRegression(C=_INVERSE_STRENGTH, solver="liblinear", random_state=0)
        model = make_pipeline(make_union(tokens, characters), OneVsRestClassifier(logistic))
        model.fit(cleaned, train.truth(task))

        def read(texts: Sequence[str]) -> Floats:
            chance = np.asarray(model.predict_proba([cleaner(text) for text in texts]), np.float64)
            whole = np.zeros((len(texts), len(labels_of(task))))
            whole[:, model.classes_] = chance
            return whole

        return read

    tasks = {task: fitted(task) for task in TASKS}
    return lambda texts: {task: read(texts) for task, read in tasks.items()}


def _reader_read_out(train: Posts, context: Context) -> ReadOut:
    """Heads on what the package's reader sees."""
    from affectome.learn.features import AffectFeatures
    from affectome.learn.heads import fit_head

    features = AffectFeatures(threads=context.threads)
    seen = features.transform(train.texts)
    heads = {task: fit_head(seen, train.targets(task), kind="choice", seed=context.seed) for task in TASKS}

    def read(texts: Sequence[str]) -> Answers:
        asked = features.transform(texts)
        return {task: head.predict(asked) for task, head in heads.items()}

    return read


def _tuned_read_out(train: Posts, context: Context) -> ReadOut:
    """An encoder tuned for both tasks at once."""
    from affectome.learn.fine_tuning import HeadPlan, fine_tune

    targets = {task: train.targets(task) for task in TASKS}
    plans = [HeadPlan(task, "choice", labels_of(task)) for task in targets]
    model = fine_tune(
        train.texts,
        targets,
        plans,
        base=context.base_encoder(),
        epochs=0.2 if context.quick else _EPOCHS,
        learning_rate=_RATE,
        max_tokens=_MAX_TOKENS,
        checkpoints=context.work / "tuned",
        seed=context.seed,
        threads=context.threads,
    )
    return lambda texts: {task: answer.astype(np.float64) for task, answer in model.predict(texts).items()}


def choose_blend(
    answers: Mapping[str, Answers], train: Posts, dev: Posts
) -> tuple[dict[str, Floats], dict[str, float]]:
    """Weights of the read-outs and the tilt of the answers, by task, on development posts.

    Args:
        answers: Probabilities of the development posts by read-out.
        train: The posts whose frequencies count.
        dev: The posts to choose on.

    Returns:
        Weights that sum to 1, by task, and the power of the frequency by which probabilities are divided.
    """
    from affectome.learn.stacking import stack

    weights = {task: stack([own[task] for own in answers.values()], dev.targets(task), "choice") for task in TASKS}
    blended = blend(list(answers.values()), weights)
    tilts = {}
    for task, metric in ((EMOTION, _macro), (SENTIMENT, accuracy)):
        frequency = train.targets(task).mean(axis=0)
        scores = [
            float(metric(truth=dev.truth(task), prediction=_answer(blended[task], frequency, tilt))) for tilt in _TILTS
        ]
        tilts[task] = float(_TILTS[int(np.argmax(scores))])
    return weights, tilts


def blend(answers: Sequence[Answers], weights: Mapping[str, Floats]) -> Answers:
    """Weighted means of probabilities by task."""
    return {
        task: np.tensordot(own, np.stack([part[task] for part in answers]), axes=1) for task, own in weights.items()
    }


def _task(
    task: str,
    wanted_metric: str,
    wanted: float,
    train: Posts,
    test: Posts,
    found: Mapping[str, Answers],
    tilt: float,
    audit: Row,
    seed: int,
) -> tuple[Table, list[Claim]]:
    metrics: dict[str, Metric] = {_ACCURACY: accuracy, _MACRO: _macro, _UAR: uar, _ECE: ece}
    truth, frequency = test.truth(task), train.targets(task).mean(axis=0)
    score = partial(measure, metrics, truth=truth, seed=seed)
    majority = predict_majority(train_truth=train.truth(task), items=len(truth))
    rows = [Row("majority", "baseline", score(prediction=majority)), audit]
    results, best = [], {}
    for name, answers in found.items():
        own = answers[task]
        values = score(prediction=_answer(own, frequency, tilt), probability=own)
        if name == _SHUFFLED:
            rows.append(Row(name, "control", values))
        else:
            results.append(Row(name, "result", values))
            best = values
    labels = ", ".join(labels_of(task)) if task == SENTIMENT else "twelve emotions"
    metric = metrics[wanted_metric]
    claims = [
        claim_value(f"{labels}: {wanted_metric}", best[wanted_metric], ">=", wanted),
        claim_value(f"{labels}: calibration error", best[_ECE], "<=", 0.05),
    ]
    for name, what in ((_UNCLEANED, "cleaned minus not cleaned"), (_PLAIN, "with pictographs minus without")):
        first, second = (_answer(found[key][task], frequency, tilt) for key in ("words", name))
        text = f"{labels}: words {what}, {wanted_metric}"
        claims.append(
            claim_difference(text, metric, truth=truth, first=first, second=second, comparison=">", seed=seed)
        )
    return Table(f"StockEmotions test, {labels}: {len(truth):,} posts", tuple(metrics), [*rows, *results]), claims


def _audit(train: Posts, test: Posts, seed: int) -> dict[str, Row]:
    """What stock, month and length tell."""
    both = [*train.texts, *test.texts]
    rows = {}
    for task in TASKS:
        found = audit_shortcuts(
            truth=np.concatenate([train.truth(task), test.truth(task)]),
            train=np.arange(len(train.texts)),
            test=np.arange(len(train.texts), len(both)),
            texts=both,
            metadata={"stock": [*train.tickers, *test.tickers], "month": [*train.months, *test.months]},
            seed=seed,
        )
        rows[task] = Row("stock, month and length", "baseline", {_UAR: found[-1].interval})
    return rows


def _apart(
    train: Posts, test: Posts, found: Answers, tilts: Mapping[str, float], repeated: NDArray[np.bool_], seed: int
) -> Table:
    """The blend with and without posts that nearly repeat others."""
    rows: list[Row] = []
    metrics: dict[str, Metric] = {_ACCURACY: accuracy, _MACRO: _macro}
    for task in TASKS:
        frequency = train.targets(task).mean(axis=0)
        answer = _answer(found[task], frequency, tilts[task])
        for name, own in (("all posts", np.ones_like(repeated)), ("without repeated posts", ~repeated)):
            values = measure(metrics, truth=test.truth(task)[own], prediction=answer[own], seed=seed)
            rows.append(Row(f"{task}, {name}", "baseline" if name == "all posts" else "result", values))
    rows.sort(key=lambda row: row.role)
    return Table("Posts that nearly repeat posts of other parts left out", tuple(metrics), rows)


def _answer(probability: Floats, frequency: Floats, tilt: float) -> Ints:
    """The label with the highest probability over its frequency to the power of ``tilt``."""
    return np.asarray((probability / np.maximum(frequency, 1e-9) ** tilt).argmax(axis=1))


def _macro(*, truth: ArrayLike, prediction: ArrayLike) -> float:
    return float(f1(truth=truth, prediction=prediction))


def _said(weights: Mapping[str, Floats]) -> str:
    return "; ".join(f"{task} {' : '.join(f'{weight:.2f}' for weight in own)}" for task, own in weights.items())
