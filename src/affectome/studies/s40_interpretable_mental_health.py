"""Interpretable mental-health analysis: what grades of explanations follow, and which way of asking helps a model.

People graded explanations of three writers: a chat model where it was right, the same where it was wrong, and a weak
model. Automatic measures are held against these grades with all writers pooled and within the chat model, beside the
length of the explanation. Then a model is asked in several ways whether posts show stress, which people labelled.
Nothing here tells of the health of a person; posts are never shown.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from affectome.domains.explanations import copied_share, likelihood, log_length, shared_words
from affectome.evaluate import (
    Interval,
    Part,
    accuracy,
    assert_disjoint,
    auc,
    bootstrap,
    f1,
    near_duplicates,
    paired_bootstrap,
    pearson,
    predict_majority,
)
from affectome.language import RememberingModel, open_model
from affectome.language.paired_effects import paired_effects
from affectome.language.wellbeing_prompts import (
    PostAnswer,
    ask_about_post,
    load_post_strategies,
    load_post_tasks,
)
from affectome.models import default_model
from affectome.perceive import TextReader
from affectome.perceive.cleaning import clean
from affectome.studies.comparing import claim_end, claim_value, measure
from affectome.studies.explained_posts import (
    ASPECTS,
    EXPLAINED,
    STRESS,
    WRITERS,
    Explanations,
    Posts,
    count_tests,
    load_explanations,
    load_stress,
)
from affectome.studies.study import Claim, Context, Outcome, Role, Row, Study, Table, Value

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_ASKED = "Does the poster suffer from depression? Explain your answer."  # what the writers were asked
_SHOWN = {"DR": 405, "dreaddit": 414, "loneliness": 528, "Irf": 2113, "MultiWD": 2441, "SAD": 684, "CAMS": 625}
_POSTS, _REASONED, _POST_WORDS = 100, 40, 100
_LENGTH, _SHUFFLED = "length", "length, grades shuffled"
_SHARED, _LIKELIHOOD = "words shared with the post", "likelihood after the post"
_POOLED, _WITHIN = "r pooled", "r within the chat model"
_PLAIN, _NEUTRAL, _CUES = "zero-shot", "neutral cue", ("emotion cue", "emotion hint")
_MAJORITY, _RANDOM, _WORDS, _FEATURES = "majority", "random", "words, trained", "reader, trained"
_F1, _ACCURACY, _AUC, _YES = "weighted F1", "accuracy", "AUC", "answers yes"
_GAIN, _OVER, _AUC_GAIN = "accuracy", "accuracy over neutral cue", "AUC"
_P, _HOLM, _N = "p", "p after Holm", "posts"
_BASELINES = (_MAJORITY, _RANDOM, _WORDS, _FEATURES)
_SHOWN_HINTS = 3
_LEVEL = 0.05
_NAMED = re.compile(r"\W*(yes|no)\b", re.IGNORECASE)


def run(context: Context) -> Outcome:
    """Grades first, then the ways of asking."""
    explanations = load_explanations(context.folder(EXPLAINED))
    if context.quick:
        explanations = explanations.at(np.arange(0, len(explanations.texts), 12))
    counts = count_tests(context.folder(EXPLAINED))
    train, test, dropped = _load_posts(context)
    model = open_model(str(context.base_encoder()), threads=context.threads)
    with RememberingModel(model, context.work / "replies.sqlite") as remembering:
        tables, claims = _grades(context, explanations, remembering)
        asked, more, notes = _strategies(context, remembering, train, test)
    off = max(abs(counts.get(name, 0) - published) for name, published in _SHOWN.items())
    return Outcome(
        [*tables, *asked],
        [Claim("test sets: largest distance from the published counts", off, 0, "<="), *claims, *more],
        [
            f"The model is {model.name}. A model of this size shows whether the measurement works, not what the "
            "strategies do for a large one.",
            f"Left out of training: {dropped} parts that are of the same post as a test part or nearly equal to one.",
            f"A post is shown with its first {_POST_WORDS} words; likelihoods read 60 words of a post and 50 of an "
            "explanation.",
            *notes,
        ],
    )


STUDY = Study(
    number=40,
    id="interpretable-mental-health",
    title="Interpretable mental-health analysis",
    paper="arXiv 2304.03347",
    data=(EXPLAINED, STRESS),
    extras=("study", "train"),
    run=run,
    missing=(
        "the other tasks of the paper, among them emotion recognition in conversations and causal emotion entailment",
        "the strategies on a model large enough to follow them",
        "human grades of explanations by the model that is asked here",
        "a check by natural-language inference whether an explanation follows from the post",
    ),
)


def _grades(context: Context, found: Explanations, model: RememberingModel) -> tuple[list[Table], list[Claim]]:
    """Measures of explanations against grades."""
    chat = np.array([writer != "weak model" for writer in found.writers])
    measures: dict[str, Floats] = {
        _LENGTH: log_length(found.texts),
        _SHARED: shared_words(found.posts, found.texts),
        "share copied from the post": copied_share(found.posts, found.texts),
        "affect shared with the post": _shared_affect(context, found),
        _LIKELIHOOD: likelihood(model, found.posts, found.texts, question=_ASKED),
    }
    context.note("measures of explanations")
    overall = found.grades["overall"]
    shuffled = np.random.default_rng(context.seed).permutation(len(overall))
    rows = [
        Row(_LENGTH, "baseline", _follows(context, measures[_LENGTH], overall, chat, found.posts)),
        Row(_SHUFFLED, "control", _follows(context, measures[_LENGTH], overall[shuffled], chat, found.posts)),
    ]
    rows += [
        Row(name, "result", _follows(context, values, overall, chat, found.posts))
        for name, values in measures.items()
        if name != _LENGTH
    ]
    people = f"{len(overall)} explanations graded by three people"
    by_aspect = [
        Row(
            name,
            "baseline" if name == _LENGTH else "result",
            {
                aspect: _correlation(context, values[chat], found.grades[aspect][chat], np.array(found.posts)[chat])
                for aspect in ASPECTS
            },
        )
        for name, values in measures.items()
    ]
    means: Sequence[Row] = [
        Row(
            writer,
            "baseline" if writer == "weak model" else "result",
            {"grade": float(overall[of].mean()), "words": float(np.exp(measures[_LENGTH][of]).mean() - 1)},
        )
        for writer in sorted(WRITERS, key=lambda name: name != "weak model")
        for of in [np.array([other == writer for other in found.writers])]
    ]
    figures = ((_POOLED, 0.78, np.ones_like(chat)), (_WITHIN, 0.12, chat))
    claims = [
        Claim(
            f"{_LENGTH} and grade: distance of {column} from {figure}",
            abs(float(pearson(truth=overall[of], prediction=measures[_LENGTH][of])) - figure),
            0.005,
            "<=",
        )
        for column, figure, of in figures
    ]
    for name in (_SHARED, _LIKELIHOOD):
        difference = paired_bootstrap(
            pearson,
            truth=overall[chat],
            first=measures[name][chat],
            second=measures[_LENGTH][chat],
            seed=context.seed,
            groups=np.array(found.posts)[chat],
        )
        claims.append(claim_end(f"r within the chat model of {name} minus that of length", difference, ">"))
    return [
        Table(f"{people}: mean overall grade and length", ("grade", "words"), means),
        Table(f"{people}: what goes with the overall grade", (_POOLED, _WITHIN), rows),
        Table(f"{int(chat.sum())} explanations of the chat model: r with each grade", ASPECTS, by_aspect),
    ], claims


def _follows(
    context: Context, values: Floats, grade: Floats, chat: NDArray[np.bool_], posts: list[str]
) -> dict[str, Interval]:
    groups = np.array(posts)
    return {
        _POOLED: _correlation(context, values, grade, groups),
        _WITHIN: _correlation(context, values[chat], grade[chat], groups[chat]),
    }


def _correlation(context: Context, values: Floats, grade: Floats, groups: NDArray[np.str_]) -> Interval:
    """Correlation over the explanations that have a value; posts are drawn whole."""
    known = ~np.isnan(values)
    return bootstrap(pearson, seed=context.seed, groups=groups[known], truth=grade[known], prediction=values[known])


def _shared_affect(context: Context, found: Explanations) -> Floats:
    """Cosine of post and explanation in the affect space of the package's reader."""
    reader = TextReader(default_model("text-affect"), threads=context.threads)
    written = [i for i, text in enumerate(found.texts) if clean(text)]
    sides = ([column[i] for i in written] for column in (found.posts, found.texts))
    posts, texts = (reader.encoder.vectors(side).astype(np.float64) for side in sides)
    values = np.full(len(found.texts), np.nan)
    values[written] = (posts * texts).sum(axis=1)
    return values


def _load_posts(context: Context) -> tuple[Posts, Posts, int]:
    """Training parts that share nothing with the test, the test in a drawn order, and how many were left out."""
    train, test = (load_stress(context.folder(STRESS), part) for part in ("train", "test"))
    clusters = near_duplicates([*train.texts, *test.texts])
    shared = np.isin(train.posts, test.posts) | np.isin(clusters[: len(train.texts)], clusters[len(train.texts) :])
    kept = train.at(np.flatnonzero(~shared))
    assert_disjoint(train=Part(groups=kept.posts, texts=kept.texts), test=Part(groups=test.posts, texts=test.texts))
    order = np.random.default_rng(context.seed).permutation(len(test.texts))
    rows = context.vault({"test": order}).open("test", purpose="ways of asking beside trained readers")
    return kept, test.at(rows), int(shared.sum())


def _strategies(
    context: Context, model: RememberingModel, train: Posts, test: Posts
) -> tuple[list[Table], list[Claim], list[str]]:
    """Every way of asking beside readers that look at nothing and trained ones."""
    task = load_post_tasks()["stress"]
    asked = 6 if context.quick else _POSTS
    hints = _hints(context, test.texts[:asked])
    truth, outputs = test.stressed, _baselines(context, train, test)
    answers: dict[str, list[PostAnswer]] = {}
    for name, strategy in load_post_strategies().items():
        reach = min(asked, _REASONED) if strategy.reasons else asked
        answers[name] = []
        for text, hint in zip(test.texts[:reach], hints[:reach], strict=True):
            shown = " ".join(text.split()[:_POST_WORDS])
            answers[name].append(ask_about_post(model, shown, strategy, task, hint=hint if strategy.wants_hint else ""))
        context.note(f"{name}: {len(answers[name])} posts")
        outputs[name] = np.full(len(truth), np.nan)
        outputs[name][:reach] = [_leaning(answer, task.answers[0]) for answer in answers[name]]
    return _compare(context, outputs, answers, truth, asked)


def _hints(context: Context, texts: Sequence[str]) -> list[str]:
    """The strongest emotions that the package's reader finds in each text."""
    reader = TextReader(default_model("text-affect"), "goemotions28", threads=context.threads)
    order = np.argsort(-reader.probabilities(texts), axis=1)[:, :_SHOWN_HINTS]
    return [", ".join(reader.labels[k] for k in row) for row in order]


def _baselines(context: Context, train: Posts, test: Posts) -> dict[str, Floats]:
    """Probability of stress by what looks at nothing and by linear readers of words and of affect."""
    from sklearn.linear_model import LogisticRegression

    from affectome.learn.features import AffectFeatures, SparseFeatures
    from affectome.learn.heads import fit_head

    rows = slice(200 if context.quick else None)
    texts, truth, groups = train.texts[rows], train.stressed[rows], np.array(train.posts[rows])
    n = len(test.texts)
    words = SparseFeatures().fit(texts)
    bag = LogisticRegression(max_iter=1000).fit(words.transform(texts), truth)
    reader = AffectFeatures(threads=context.threads)
    head = fit_head(reader.transform(texts), truth[:, None], kind="presence", groups=groups, seed=context.seed)
    context.note(f"trained on {len(texts):,} posts")
    return {
        _MAJORITY: predict_majority(train_truth=truth, items=n).astype(np.float64),
        _RANDOM: np.random.default_rng(context.seed).random(n),
        _WORDS: bag.predict_proba(words.transform(test.texts))[:, 1],
        _FEATURES: head.predict(reader.transform(test.texts))[:, 0],
    }


def _leaning(answer: PostAnswer, affirmed: str) -> float:
    """Probability of the affirming answer, NaN for an answer that cannot be read."""
    if not answer.choice:
        return float("nan")
    if not answer.scores:
        return float(answer.choice == affirmed)
    weights = {choice: np.exp(score) for choice, score in answer.scores.items()}
    return float(weights[affirmed] / sum(weights.values()))


def _compare(
    context: Context, outputs: dict[str, Floats], answers: dict[str, list[PostAnswer]], truth: Ints, asked: int
) -> tuple[list[Table], list[Claim], list[str]]:
    strategies = load_post_strategies()
    reached = min(asked, _REASONED)
    at_once = [name for name in outputs if name not in strategies or not strategies[name].reasons]
    tables = []
    for n, names in ((len(truth), _BASELINES), (asked, at_once), (reached, list(outputs))):
        rows = [_row(context, name, truth[:n], outputs[name][:n]) for name in names]
        tables.append(Table(f"Stress in {n} posts, labelled by people", (_F1, _ACCURACY, _AUC, _YES), rows))
    right = {name: _right(outputs[name], truth) for name in strategies}
    effects = paired_effects(
        right[_PLAIN],
        {name: right[name] for name in [_NEUTRAL, *(name for name in strategies if name not in (_PLAIN, _NEUTRAL))]},
        dict.fromkeys(_CUES, right[_NEUTRAL]),
        level=_LEVEL,
        seed=context.seed,
    )
    rows = []
    for effect in effects:
        values: dict[str, Value] = {
            _GAIN: effect.gain,
            _P: effect.p_value,
            _HOLM: effect.adjusted,
            _AUC_GAIN: _auc_gain(context, truth, outputs[effect.name], outputs[_PLAIN]),
            _N: len(truth) - effect.unread,
        }
        if effect.gain_over_control is not None:
            values[_OVER] = effect.gain_over_control
        rows.append(Row(effect.name, "baseline" if effect.name == _NEUTRAL else "result", values))
    columns = (_GAIN, _OVER, _P, _HOLM, _AUC_GAIN, _N)
    tables.append(Table("Each way of asking minus zero-shot, on the same posts", columns, rows))
    trained, plain = (_scores(context, truth, outputs[name]) for name in (_FEATURES, _PLAIN))
    unread = sum(not answer.choice for found in answers.values() for answer in found)
    total = sum(map(len, answers.values()))
    claims = [
        Claim("answers that can be read", (total - unread) / total, 0.95, ">="),
        claim_value("weighted F1 of the reader, trained, over all posts", trained[_F1], ">=", 0.75),
        Claim(
            "ways of asking that help beyond chance and beyond the neutral cue",
            sum(effect.helped for effect in effects if effect.name != _NEUTRAL),
            1,
            ">=",
        ),
        Claim("neutral cue: p of its difference", effects[0].adjusted, _LEVEL, ">="),
        claim_value("AUC of zero-shot", plain[_AUC], ">", 0.5),
    ]
    reasons = [answer for found in answers.values() for answer in found if answer.reasons]
    named = sum(bool(_NAMED.match(answer.reasons)) for answer in reasons)
    notes = [
        "Answers are chosen by their probability, so that a model that answers at length is not read wrongly;"
        f" {unread} of {total} could not be read. Of {len(reasons)} reasons {named} begin with yes or no and"
        f" {sum(not answer.finished for answer in reasons)} were cut off.",
        f"Ways that write reasons first were asked about the first {reached} posts.",
    ]
    return tables, claims, notes


def _row(context: Context, name: str, truth: Ints, output: Floats) -> Row:
    role: Role = "baseline" if name in _BASELINES else "control" if name == _NEUTRAL else "result"
    affirmed = float((output[~np.isnan(output)] >= 0.5).mean())
    return Row(name, role, {**_scores(context, truth, output), _YES: affirmed})


def _scores(context: Context, truth: Ints, output: Floats) -> dict[str, Interval]:
    """Scores over the posts whose answer could be read."""
    read = ~np.isnan(output)
    return measure(
        {_F1: partial(f1, average="weighted"), _ACCURACY: accuracy, _AUC: auc},
        truth=truth[read],
        prediction=(output[read] >= 0.5).astype(np.int64),
        probability=output[read],
        seed=context.seed,
    )


def _right(output: Floats, truth: Ints) -> Floats:
    """1 right, 0 wrong, NaN where there is no answer."""
    return np.where(np.isnan(output), np.nan, (output >= 0.5) == truth)


def _auc_gain(context: Context, truth: Ints, first: Floats, second: Floats) -> Interval:
    """One way of asking against another by AUC, on the posts that both answered."""
    both = ~np.isnan(first) & ~np.isnan(second)
    return paired_bootstrap(
        auc, truth=truth[both], first=first[both], second=second[both], output="probability", seed=context.seed
    )
