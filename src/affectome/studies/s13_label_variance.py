"""Label variance: what the disagreement of raters says, and whether a student gains by learning it.

The votes on CREMA-D clips and FER+ faces are described beside raters who ignore what they rate. On the headlines of
SemEval-2007, with six raters each, students learn either the shares of the raters' votes or the majority label,
everything else being equal, and are compared with the shares on headlines they did not see.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from affectome.affect import VoteTable
from affectome.errors import InputError
from affectome.evaluate import (
    Interval,
    accuracy,
    bootstrap,
    bootstrap_mean,
    brier,
    folds,
    hit_at_k,
    js,
    kl,
    near_duplicates,
    predict_mean,
)
from affectome.evaluate.intervals import Metric
from affectome.studies.comparing import claim_difference, measure
from affectome.studies.headlines import EMOTIONS, FOLDER, RATERS, Headlines, load_headlines
from affectome.studies.study import Claim, Context, Outcome, Role, Row, Study, Table

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Features = Callable[[Ints], Floats]
"""Features of all headlines, fitted on the rows that are given."""

_CREMA_LABELS = ("A", "D", "F", "H", "N", "S")
_CHANNELS = {"voice": "voice only", "face": "face only", "multimodal": "voice and face"}
# Computed once from the same file by another program, by channel and column.
_REFERENCE = {
    channel: dict(zip(("entropy (bit)", "unanimous", "tied", "majority = acted"), figures, strict=True))
    for channel, figures in {
        "voice": ("1.196", ".051", ".087", ".455"),
        "face": ("1.009", ".135", ".063", ".690"),
        "multimodal": (".924", ".150", ".056", ".748"),
    }.items()
}
_REFERENCE["voice"]["raters"] = "9.21"
_EMOTIONS_OF_FACES = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
_N_BEST = ("1-best", "2-best", "3-best")
_SPREAD = ("raters", "entropy (bit)", "unanimous", "tied", *_N_BEST)
_ACTED = ("majority = acted", "votes = acted")

_STRONG = 50  # of 100: from here on a rater's strongest emotion counts as a vote
_NONE = "none"
_SEEDS, _FOLDS = 5, 3
_SHARE_METRICS: dict[str, Metric] = {"KL": kl, "JS": js, "Brier": brier}
_LABEL_METRICS: dict[str, Metric] = {
    "accuracy": accuracy,
    "2-best": partial(hit_at_k, k=2),
    "3-best": partial(hit_at_k, k=3),
}
_MEAN_SHARES, _MEAN_MAJORITY = "mean shares", "mean of majority labels"
_SHARES, _MAJORITY, _SHUFFLED = "shares", "majority labels", "shuffled shares"
_READER, _WORDS = "reader", "words"
_ROLES: dict[str, Role] = {
    _MEAN_SHARES: "baseline",
    _MEAN_MAJORITY: "baseline",
    f"{_READER}, {_SHUFFLED}": "control",
}


def run(context: Context) -> Outcome:
    """Describe the votes, train the students, compare."""
    crema, reproduced = _crema(context)
    faces = _faces(context)
    headlines, claims, notes = _headlines(context)
    return Outcome([*crema, faces, *headlines], [reproduced, *claims], notes)


STUDY = Study(
    number=13,
    id="label-variance",
    title="Label variance in speech",
    paper="arXiv 2503.22711",
    data=("crema_d_votes", "fer2013plus", FOLDER),
    extras=("study",),
    run=run,
    missing=(
        "training on speech with the raters' shares as targets, parted by speaker",
        "choice of a speech encoder's layer by saliency",
        "scores under noise and reverberation, and by speaker and gender",
    ),
)


def _crema(context: Context) -> tuple[list[Table], Claim]:
    votes = pl.read_csv(_existing(context.folder("crema_d_votes") / "votes.csv.gz"))
    tables, reached, figures = [], 0, 0
    for channel, name in _CHANNELS.items():
        part = votes.filter(modality=channel)
        actors = part["actor"].to_numpy()
        acted = np.array([_CREMA_LABELS.index(label) for label in part["intended"]])
        own = VoteTable.from_counts(part.select(_CREMA_LABELS).to_numpy(), _CREMA_LABELS)
        rows = []
        for who, role, table in _with_indifferent("clip", own, context.seed):
            values = _spread(table, context.seed, actors) | _met(table, acted, context.seed, actors)
            rows.append(Row(who, role, values))
        other = np.random.default_rng(context.seed).permutation(acted)
        control = Row("raters, acted emotion of another clip", "control", _met(own, other, context.seed, actors))
        rows.insert(1, control)
        tables.append(Table(f"CREMA-D votes, {name}: {len(part):,} clips", (*_SPREAD, *_ACTED), rows))
        figures += len(_REFERENCE[channel])
        reached += sum(_rounds_to(values[column].value, figure) for column, figure in _REFERENCE[channel].items())
        context.note(f"CREMA-D votes, {name}")
    text = f"CREMA-D votes: reference figures, of {figures}, that come out to the last digit"
    return tables, Claim(text, reached, figures, ">=")


def _faces(context: Context) -> Table:
    table = pl.read_csv(_existing(context.folder("fer2013plus") / "labels.csv"))
    # "unknown" and "NF", not a face, stay: without them the raters would look surer than they were.
    labels = (*_EMOTIONS_OF_FACES, "unknown", "NF")
    votes = VoteTable.from_counts(table.select(labels).to_numpy(), labels)
    rows = [Row(who, role, _spread(v, context.seed)) for who, role, v in _with_indifferent("face", votes, context.seed)]
    context.note("FER+ votes")
    return Table(f"FER+ votes over 8 emotions, unknown and not a face: {len(table):,} faces", _SPREAD, rows)


def _with_indifferent(item: str, votes: VoteTable, seed: int) -> list[tuple[str, Role, VoteTable]]:
    """The votes, after those of raters who draw labels with their overall frequency, as many as the item really has."""
    frequency = votes.counts.sum(axis=0) / votes.counts.sum()
    drawn = np.random.default_rng(seed).multinomial(votes.ratings, frequency)
    indifferent = VoteTable.from_counts(drawn, votes.labels)
    return [(f"raters who ignore the {item}", "baseline", indifferent), ("raters", "ceiling", votes)]


def _spread(votes: VoteTable, seed: int, groups: Ints | None = None) -> dict[str, Interval]:
    """How far raters agree; n-best is the chance that a random rater names one of an item's n most frequent labels."""
    share = -np.sort(-votes.soft_labels(), axis=1)
    of_items = {
        "raters": votes.ratings,
        "entropy (bit)": votes.entropy(2),
        "unanimous": share[:, 0] == 1,
        "tied": votes.consensus().tied,
        **{name: share[:, : k + 1].sum(axis=1) for k, name in enumerate(_N_BEST)},
    }
    return {column: bootstrap_mean(values, seed=seed, groups=groups) for column, values in of_items.items()}


def _met(votes: VoteTable, acted: Ints, seed: int, groups: Ints) -> dict[str, Interval]:
    """How often the majority, and how many of the votes, name the acted emotion."""
    majority = votes.consensus("first").winner == acted
    shares = votes.soft_labels()[np.arange(len(acted)), acted]
    of_items = dict(zip(_ACTED, (majority, shares), strict=True))
    return {column: bootstrap_mean(values, seed=seed, groups=groups) for column, values in of_items.items()}


def _rounds_to(value: float, figure: str) -> bool:
    decimals = len(figure.partition(".")[2])
    return f"{value:.{decimals}f}".removeprefix("0") == figure


@dataclass(frozen=True, eq=False)
class _Target:
    """What the raters of headlines say.

    Attributes:
        title: How votes were made from strengths.
        shares: ``(n, 7)`` over six emotions and none.
        majority: ``(n, 7)`` one-hot, with equal weights where the highest share is shared.
    """

    title: str
    shares: Floats
    majority: Floats

    @property
    def labels(self) -> Ints:
        """``(n,)`` position of the majority label, -1 where there are several."""
        return np.where(self.majority.max(axis=1) == 1, self.majority.argmax(axis=1), -1)

    def at(self, rows: Ints) -> _Target:
        """The target of some headlines."""
        return _Target(self.title, self.shares[rows], self.majority[rows])


@dataclass(frozen=True, eq=False)
class _HeldOut:
    """What was predicted for held-out headlines, one seed after the other.

    Attributes:
        headline: ``(m,)`` number of the headline.
        seed: ``(m,)`` seed.
        outputs: ``(m, 7)`` shares by predictor.
    """

    headline: Ints
    seed: Ints
    outputs: dict[str, Floats]


def _headlines(context: Context) -> tuple[list[Table], list[Claim], list[str]]:
    from affectome.learn.features import AffectFeatures, SparseFeatures

    headlines = load_headlines(context.folder(FOLDER))
    votes = _votes(headlines)
    chosen = np.arange(len(headlines.texts))[: 150 if context.quick else None]
    texts = [headlines.texts[i] for i in chosen]
    clusters = near_duplicates(texts)
    seen = AffectFeatures(threads=context.threads).transform(texts).astype(np.float64)

    def words(train: Ints) -> Floats:
        counted = SparseFeatures((1, 1), None, minimum=3).fit([texts[i] for i in train])
        return np.asarray(counted.transform(texts).toarray(), np.float64)

    sources: dict[str, Features] = {_READER: lambda train: seen, _WORDS: words}
    one_vote = _Target("one vote a rater", votes.soft_labels(), votes.consensus("split").weight)
    tables, claims = [_votes_table(votes, context.seed)], []
    for target, names in ((one_vote, (_READER, _WORDS)), (_proportional(headlines), (_READER,))):
        part = target.at(chosen)
        held = _hold_out(context, part, {name: sources[name] for name in names}, clusters)
        tables.append(_students_table(context, part, held, clusters))
        claims += _students_claims(context, part, held, clusters, names)
    notes = [
        "The reference figures on the CREMA-D votes were computed before from the same file by another program, and are"
        f" not from the paper. Ties among the most frequent labels go to the first of {', '.join(_CREMA_LABELS)}; the"
        " reference shares of majorities that meet the acted emotion come out under this rule only.",
        f"One vote a rater: the strongest emotion if it reaches {_STRONG} of 100, otherwise none; two emotions of equal"
        f" strength are no vote ({len(RATERS) * len(votes.items) - int(votes.ratings.sum())} of"
        f" {len(RATERS) * len(votes.items)}).",
        "Strengths as shares: a rater's strengths, divided by their sum, are that rater's vote.",
        f"Students are heads on frozen features, tested in {_FOLDS} folds under each seed with near-duplicates in one"
        " fold. A student of majority labels gets equal weights where labels tie. Intervals draw clusters of"
        " near-duplicates.",
        "The reader's training has seen valence, arousal and dominance of many of these headlines, which serves both"
        " students alike. The students on words have no part in that.",
    ]
    return tables, claims, notes


def _votes(headlines: Headlines) -> VoteTable:
    """One vote a rater and headline."""
    strongest = headlines.strength.max(axis=2)
    alone = (headlines.strength == strongest[:, :, None]).sum(axis=2) == 1
    label = headlines.strength.argmax(axis=2)
    rows = [
        (headline, rater, _NONE if strongest[r, i] < _STRONG else EMOTIONS[label[r, i]] if alone[r, i] else None)
        for r, rater in enumerate(RATERS)
        for i, headline in enumerate(headlines.ids)
    ]
    return VoteTable.from_rows(rows, (*EMOTIONS, _NONE))


def _proportional(headlines: Headlines) -> _Target:
    shares = headlines.shares()
    top = np.isclose(shares, shares.max(axis=1, keepdims=True), rtol=0, atol=1e-9)
    return _Target("strengths as shares", shares, top / top.sum(axis=1, keepdims=True))


def _votes_table(votes: VoteTable, seed: int) -> Table:
    def alpha(counts: Ints) -> float:
        return VoteTable.from_counts(counts, votes.labels).alpha()

    rows = [
        Row(who, role, _spread(v, seed) | {"alpha": bootstrap(alpha, seed=seed, resamples=200, counts=v.counts)})
        for who, role, v in _with_indifferent("headline", votes, seed)
    ]
    return Table(f"SemEval-2007, one vote a rater: {len(votes.items):,} headlines", (*_SPREAD, "alpha"), rows)


def _hold_out(context: Context, target: _Target, sources: dict[str, Features], clusters: Ints) -> _HeldOut:
    """Predictions for every headline under every seed, by students that saw neither it nor a near-duplicate."""
    from affectome.learn.heads import fit_head

    seeds = range(context.seed, context.seed + (1 if context.quick else _SEEDS))
    plan = {
        f"{target.title}: seed {seed}, fold {n + 1} of {_FOLDS}": (seed, fold)
        for seed in seeds
        for n, fold in enumerate(folds(len(clusters), count=_FOLDS, groups=clusters, seed=seed))
    }
    vault = context.vault({name: fold.test for name, (_, fold) in plan.items()})
    headline, owner, outputs = [], [], defaultdict[str, list[Floats]](list)
    for name, (seed, (train, _)) in plan.items():
        test = vault.open(name, purpose="comparison of students")
        lessons = {_SHARES: target.shares[train], _MAJORITY: target.majority[train]}
        for baseline, lesson in ((_MEAN_SHARES, _SHARES), (_MEAN_MAJORITY, _MAJORITY)):
            outputs[baseline].append(predict_mean(train_truth=lessons[lesson], items=len(test)))
        for source, features_of in sources.items():
            features = features_of(train)
            control = (
                {_SHUFFLED: np.random.default_rng(seed).permutation(lessons[_SHARES])} if source == _READER else {}
            )
            for lesson, targets in (lessons | control).items():
                head = fit_head(features[train], targets, kind="choice", groups=clusters[train], seed=seed)
                outputs[f"{source}, {lesson}"].append(head.predict(features[test]))
        headline.append(test)
        owner.append(np.full(len(test), seed))
        context.note(name)
    together = {name: np.concatenate(parts) for name, parts in outputs.items()}
    return _HeldOut(np.concatenate(headline), np.concatenate(owner), together)


def _students_table(context: Context, target: _Target, held: _HeldOut, clusters: Ints) -> Table:
    truth, label = target.shares[held.headline], target.labels[held.headline]
    score = partial(measure, seed=context.seed, groups=clusters[held.headline])
    rows = []
    for name in sorted(held.outputs, key=lambda name: list(_ROLES).index(name) if name in _ROLES else len(_ROLES)):
        output = held.outputs[name]
        values = score(_SHARE_METRICS, truth=truth, probability=output)
        values |= score(_LABEL_METRICS, truth=label, prediction=output.argmax(axis=1), probability=output)
        rows.append(Row(name, _ROLES.get(name, "result"), values))
    title = f"SemEval-2007 held out, {target.title}: {len(clusters):,} headlines, {len(np.unique(held.seed))} seeds"
    return Table(title, (*_SHARE_METRICS, *_LABEL_METRICS), rows)


def _students_claims(
    context: Context, target: _Target, held: _HeldOut, clusters: Ints, sources: Sequence[str]
) -> list[Claim]:
    truth, label = target.shares[held.headline], target.labels[held.headline]
    compare = partial(claim_difference, seed=context.seed, groups=clusters[held.headline])
    claims = []
    for source in sources:
        soft, hard = held.outputs[f"{source}, {_SHARES}"], held.outputs[f"{source}, {_MAJORITY}"]
        pair = f"{target.title}, {source}: student of shares minus student of majority labels"
        claims.append(compare(f"{pair}, KL", kl, truth=truth, first=soft, second=hard, comparison="<"))
        by_seed = [
            float(kl(truth=truth[own], probability=soft[own])) - float(kl(truth=truth[own], probability=hard[own]))
            for own in (held.seed == seed for seed in np.unique(held.seed))
        ]
        claims.append(Claim(f"{pair}, KL under the worst of {len(by_seed)} seeds", max(by_seed), 0.0, "<"))
        first, second = soft.argmax(axis=1), hard.argmax(axis=1)
        answers = partial(compare, truth=label, first=first, second=second, comparison=">=")
        claims.append(answers(f"{pair}, accuracy", accuracy, threshold=-0.01, by="value"))
    soft = held.outputs[f"{_READER}, {_SHARES}"]
    one, three = (float(hit_at_k(truth=label, probability=soft, k=k)) for k in (1, 3))
    claims.append(Claim(f"{target.title}, {_READER}: 3-best minus 1-best", three - one, 0.15, ">="))
    text = f"{target.title}, {_READER}: student of shuffled shares minus student of shares, KL"
    shuffled = held.outputs[f"{_READER}, {_SHUFFLED}"]
    claims.append(compare(text, kl, truth=truth, first=shuffled, second=soft, comparison=">"))
    return claims


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise InputError(
            f"The data set {path.parent.name!r} has no file {path.name!r}.",
            code="missing_file",
            value=path,
            next_step="Put the whole data set there.",
        )
    return path
