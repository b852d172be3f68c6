"""Label variance: what the disagreement of raters says, and whether a student gains by learning it.

The votes on CREMA-D clips and FER+ faces are described beside raters who ignore what they rate. On the headlines of
SemEval-2007, with six raters each, students learn either the shares of the raters' votes or the majority label,
everything else being equal, and are compared with the shares on headlines they did not see. Then the same is tried on
speech, with the votes of CREMA-D for other actors' clips, and a layer of a speech encoder is chosen by saliency.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from affectome.affect import VoteTable
from affectome.errors import InputError
from affectome.evaluate import (
    Interval,
    bootstrap,
    bootstrap_mean,
    near_duplicates,
)
from affectome.studies.headlines import EMOTIONS, FOLDER, RATERS, Headlines, load_headlines
from affectome.studies.study import Claim, Context, Outcome, Role, Row, Study, Table
from affectome.studies.voice_disagreement import SpokenFeelings
from affectome.studies.vote_students import FOLDS, Features, VoteTarget, hold_out, students_claims, students_table

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

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
_READER, _WORDS = "reader", "words"


def run(context: Context) -> Outcome:
    """Describe the votes, train the students, compare."""
    crema, reproduced = _crema(context)
    faces = _faces(context)
    headlines, claims, notes = _headlines(context)
    speech, of_speech, on_speech = SpokenFeelings(context).run()
    return Outcome([*crema, faces, *headlines, *speech], [reproduced, *claims, *of_speech], [*notes, *on_speech])


STUDY = Study(
    number=13,
    id="label-variance",
    title="Label variance in speech",
    paper="arXiv 2503.22711",
    data=("crema_d_votes", "emodb", "fer2013plus", "ravdess_speech", FOLDER),
    extras=("study", "train", "voice"),
    run=run,
    missing=(
        "training on speech with real raters' shares of these very clips as targets: the recordings of CREMA-D and"
        " MSP-Podcast are not at hand",
        "valence, arousal and dominance of speech under a concordance loss, of which there are no ratings here",
        "convolutions or a recurrent network over the frames of the chosen layer",
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
    one_vote = VoteTarget("one vote a rater", votes.soft_labels(), votes.consensus("split").weight)
    tables, claims = [_votes_table(votes, context.seed)], []
    for target, names in ((one_vote, (_READER, _WORDS)), (_proportional(headlines), (_READER,))):
        part = target.at(chosen)
        held = hold_out(context, part, {name: sources[name] for name in names}, clusters)
        tables.append(
            students_table(context, held, f"SemEval-2007 held out, {part.title}: {len(clusters):,} headlines")
        )
        claims += students_claims(context, held)
    notes = [
        "The reference figures on the CREMA-D votes were computed before from the same file by another program, and are"
        f" not from the paper. Ties among the most frequent labels go to the first of {', '.join(_CREMA_LABELS)}; the"
        " reference shares of majorities that meet the acted emotion come out under this rule only.",
        f"One vote a rater: the strongest emotion if it reaches {_STRONG} of 100, otherwise none; two emotions of equal"
        f" strength are no vote ({len(RATERS) * len(votes.items) - int(votes.ratings.sum())} of"
        f" {len(RATERS) * len(votes.items)}).",
        "Strengths as shares: a rater's strengths, divided by their sum, are that rater's vote.",
        f"Students are heads on frozen features, tested in {FOLDS} folds under each seed with near-duplicates in one"
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


def _proportional(headlines: Headlines) -> VoteTarget:
    shares = headlines.shares()
    top = np.isclose(shares, shares.max(axis=1, keepdims=True), rtol=0, atol=1e-9)
    return VoteTarget("strengths as shares", shares, top / top.sum(axis=1, keepdims=True))


def _votes_table(votes: VoteTable, seed: int) -> Table:
    def alpha(counts: Ints) -> float:
        return VoteTable.from_counts(counts, votes.labels).alpha()

    rows = [
        Row(who, role, _spread(v, seed) | {"alpha": bootstrap(alpha, seed=seed, resamples=200, counts=v.counts)})
        for who, role, v in _with_indifferent("headline", votes, seed)
    ]
    return Table(f"SemEval-2007, one vote a rater: {len(votes.items):,} headlines", (*_SPREAD, "alpha"), rows)


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise InputError(
            f"The data set {path.parent.name!r} has no file {path.name!r}.",
            code="missing_file",
            value=path,
            next_step="Put the whole data set there.",
        )
    return path
