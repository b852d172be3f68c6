"""EmoNet-Voice: how strongly feelings sound in a voice, by a benchmark that any reader of clips can be put to.

The clips with experts' ratings are not at hand. In their place stand strengths that actors were told to play (RAVDESS:
normal or strong), vocal bursts of 30 kinds (EmoGator), another language (EMO-DB), and the agreement of listeners on
CREMA-D. All clips that a shipped reader is shown are of speakers who were not in its training.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from affectome.affect import VoteTable, load_scale, load_taxonomy, map_labels
from affectome.errors import InputError
from affectome.evaluate import Interval, accuracy, bootstrap, bootstrap_mean, f1, spearman, uar
from affectome.evaluate.intensities import (
    Answers,
    Intensities,
    IntensityScores,
    ask,
    coarse_presence,
    over_emotions,
    score_intensities,
)
from affectome.studies.comparing import claim_difference, claim_end, claim_value, measure
from affectome.studies.refusing_readers import COLUMNS, RHO, account_refusals, row_values
from affectome.studies.study import Claim, Context, Outcome, Role, Row, Study, Table, Value
from affectome.studies.voice_clips import (
    HeardClips,
    acted_levels,
    fit_lines,
    hear_clips,
    open_reader,
    pair_takes,
)

if TYPE_CHECKING:
    from affectome.perceive import VoiceReader

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_MAIN, _CLEAN = "voice-all", "voice-clean"
_OTHER_ORDER = f"{_MAIN}, clips in another order"
_LOUDNESS, _DURATION, _RANDOM, _ZERO = "loudness alone", "duration alone", "random numbers", "nothing but 0"
_MEAN = "mean of the training clips"
_ACTED, _PRESENT = "0..2", "0..1"
_SHARED = {
    "neutral": "neutral",
    "happy": "happiness",
    "sad": "sadness",
    "angry": "anger",
    "fearful": "fear",
    "disgust": "disgust",
}
"""Labels of RAVDESS and the same ones of EMO-DB."""
_CREMA = {"A": "anger", "D": "disgust", "F": "fear", "H": "happiness", "N": "neutral", "S": "sadness"}
_LEAST_F1, _LEAST_RHO, _LEAST_PAIRS, _LEAST_UAR = 0.10, 0.15, 0.70, 0.40


def run(context: Context) -> Outcome:
    """Rate acted strengths, vocal bursts and another language, and how far listeners agree."""
    readers = {name: open_reader(name, context) for name in (_MAIN, _CLEAN)}
    ravdess = hear_clips(context, "ravdess", readers)
    tables, claims = _acted(context, ravdess)
    pairs, paired = _pairs(context, ravdess)
    emogator = hear_clips(context, "emogator", readers)
    bursts, of_bursts = _bursts(context, emogator, readers)
    emodb = hear_clips(context, "emodb", readers)
    presence = [_presence(context, each) for each in (ravdess, emodb)]
    cross, of_cross = _cross(context)
    tables += [pairs, *bursts, *presence, cross, _agreement(context)]
    return Outcome(tables, [*claims, *paired, *of_bursts, of_cross], _NOTES)


_NOTES = [
    "Strengths of RAVDESS are those the actors were told to play, as levels of the published scale: a feeling that is"
    " not acted 0, a normal one 5, a strong one 10. Nobody rated these clips, so that there is no agreement of raters"
    " beside them. Only feelings that a corpus has are rated; the other labels of the 40 stand for nothing here.",
    "A mean rank correlation is undefined, shown as nan, as soon as it is undefined for one emotion; the column"
    " undefined counts those. A reader that says the same of every clip has no rank correlation, not one of 0.",
    "Loudness and duration are turned into ratings by a line each and emotion, fitted on the training clips. The"
    f" shipped readers bring all clips to one loudness first. {_CLEAN} has heard no clip of RAVDESS.",
    "RAVDESS has four test actors, so that its intervals, which draw actors, are rough. EmoGator says which of 30"
    " feelings was asked for, not how strong it is: 0 or 10. Its test clips are 5 a category.",
    "Presence counts a hit if the acted label is among those present, of which there may be several; it is no accuracy,"
    " and random numbers do well by it because they make most labels present. Neutral can be present only through fine"
    " labels that no training clip taught.",
    "The test clips were used before for the figures of the readers' cards.",
]

STUDY = Study(
    number=1,
    id="emonet-voice",
    title="EmoNet-Voice",
    paper="arXiv 2506.09827",
    data=("crema_d_votes", "emodb", "emogator", "ravdess_speech"),
    extras=("train", "voice"),
    run=run,
    missing=(
        "the 12,600 clips with experts' ratings, and so the published correlations and the agreement of their raters",
        "15 of the 40 emotions, for which there is no recording",
        "strengths that listeners rated: those of RAVDESS are the actors' instructions",
        "a head of its own for each emotion on all 1500 frames, with 73,734,849 or 147,483,009 weights",
        "an encoder that learns to caption feelings first, and 4,752 hours of acted synthetic speech",
        "training on RAVDESS and testing on EMO-DB with the shipped reader, which has heard both; the other way round"
        " stands in for it",
    ),
)


def _acted(context: Context, ravdess: HeardClips) -> tuple[list[Table], list[Claim]]:
    """The strength of every feeling in every clip, and that of the acted one alone."""
    labels, columns, truth, of_train = acted_levels(ravdess)
    n, speakers = len(truth), ravdess.corpus.speakers
    tables, claims = [], []
    alone = truth > 0
    for title, shown, compared in (
        (f"RAVDESS test, acted strength of {len(labels)} emotions: {n} clips", np.ones_like(alone), _best_simple),
        (f"RAVDESS test, strength of the acted emotion alone: {int(alone.sum())} clips", alone, _LOUDNESS),
    ):
        ratings = Intensities(labels, np.where(shown, truth, np.nan)[:, :, None], load_scale(_ACTED))
        learnt = of_train if shown.all() else np.where(of_train > 0, of_train, np.nan)
        answers = _answers(context, ravdess, labels, columns, learnt)
        scores = {
            name: score_intensities(each, ratings, seed=context.seed, groups=speakers)
            for name, (_, each) in answers.items()
        }
        rows = [Row(name, role, row_values(scores[name])) for name, (role, _) in answers.items()]
        tables += [Table(title, COLUMNS, rows), _by_emotion(f"{title}, {RHO} by emotion", answers, scores)]
        other = compared if isinstance(compared, str) else compared(scores)
        common = load_scale("0..10")
        of = partial(_on_common, answers)
        claims.append(
            claim_difference(
                f"{title.partition(':')[0]}: mean Spearman of {_MAIN} minus that of {other}",
                over_emotions(spearman),
                truth=load_scale(_ACTED).to(common, ratings.values[:, :, 0]),
                first=of(_MAIN),
                second=of(other),
                comparison=">",
                seed=context.seed,
                groups=speakers,
            )
        )
        if shown.all():
            table, right = account_refusals(
                answers[_MAIN][1], ratings, name=_MAIN, title="RAVDESS test", seed=context.seed, groups=speakers
            )
            tables.append(table)
            claims.append(right)
        context.note(title)
    return tables, claims


def _by_emotion(title: str, answers: dict[str, tuple[Role, Answers]], scores: dict[str, IntensityScores]) -> Table:
    """The rank correlation of each emotion, without the readers that have none."""
    rows = [
        Row(name, role, {each.label: each.spearman for each in scores[name].emotions})
        for name, (role, _) in answers.items()
        if name not in (_ZERO, _MEAN)
    ]
    return Table(title, answers[_MAIN][1].labels, rows)


def _best_simple(scores: dict[str, IntensityScores]) -> str:
    """The simple reader with the highest mean rank correlation on these clips, the hardest one to beat."""
    return max((_LOUDNESS, _DURATION, _RANDOM), key=lambda name: np.nan_to_num(scores[name].spearman.value, nan=-1))


def _on_common(answers: dict[str, tuple[Role, Answers]], name: str) -> Floats:
    given = answers[name][1]
    return given.scale.to(load_scale("0..10"), given.values)


def _answers(
    context: Context, heard: HeardClips, labels: tuple[str, ...], columns: Ints, learnt: Floats
) -> dict[str, tuple[Role, Answers]]:
    """What each reader says of the test clips, each asked clip by clip.

    Args:
        context: Of the study.
        heard: The clips.
        labels: Emotions.
        columns: Their positions among the 40.
        learnt: ``(train, k)`` levels 0 to 2 from which the baselines learn, NaN where there is none.
    """
    rng = np.random.default_rng(context.seed)
    n, k = len(heard.corpus.files), len(labels)
    levels, shares = load_scale(_ACTED), load_scale(_PRESENT)
    test, train = heard.simple
    main = heard.fine[_MAIN][:, columns]
    simple: dict[str, tuple[Role, Floats, bool]] = {
        _ZERO: ("baseline", np.zeros((n, k)), True),
        _MEAN: ("baseline", np.tile(np.nanmean(learnt, axis=0), (n, 1)), True),
        _RANDOM: ("baseline", rng.uniform(0, 2, (n, k)), True),
        _LOUDNESS: ("baseline", fit_lines(train[:, 0], learnt, test[:, 0]), True),
        _DURATION: ("baseline", fit_lines(train[:, 1], learnt, test[:, 1]), True),
        _OTHER_ORDER: ("control", rng.permutation(main), False),
        _MAIN: ("result", main, False),
        _CLEAN: ("result", heard.fine[_CLEAN][:, columns], False),
    }
    return {
        name: (role, ask(values.__getitem__, range(n), labels=labels, scale=levels if as_level else shares))
        for name, (role, values, as_level) in simple.items()
    }


def _pairs(context: Context, ravdess: HeardClips) -> tuple[Table, list[Claim]]:
    """Whether the strong take of a feeling is read as stronger than the normal one, all else being the same."""
    _, columns, truth, _ = acted_levels(ravdess)
    normal, strong = pair_takes([path.stem for path in ravdess.corpus.files]).T
    speakers = ravdess.corpus.speakers[strong]
    fine = ravdess.fine[_MAIN][:, columns]
    own = truth[strong].argmax(axis=1)
    head = ravdess.heard[_MAIN].strength.astype(np.float64)
    rng = np.random.default_rng(context.seed)
    loud, long = ravdess.simple[0].T

    def share(rise: Floats) -> Interval:
        return bootstrap_mean((rise > 0) + 0.5 * (rise == 0), seed=context.seed, groups=speakers)

    rise = fine[strong, own] - fine[normal, own]
    given: dict[str, tuple[Role, Floats]] = {
        "coin": ("baseline", np.zeros(len(strong))),
        _LOUDNESS: ("baseline", loud[strong] - loud[normal]),
        _DURATION: ("baseline", long[strong] - long[normal]),
        f"{_MAIN}, takes swapped at random": ("control", rise * rng.choice((-1, 1), len(rise))),
        f"{_MAIN}, strength of the voice": ("result", head[strong] - head[normal]),
        f"{_MAIN}, strength of the acted emotion": ("result", rise),
    }
    rows = [Row(name, role, {"share": share(values)}) for name, (role, values) in given.items()]
    own_share = rows[-1].values["share"]
    assert isinstance(own_share, Interval)
    loudness = given[_LOUDNESS][1]
    more = bootstrap_mean((rise > 0).astype(float) - (loudness > 0), seed=context.seed, groups=speakers)
    claims = [
        claim_value("RAVDESS test: pairs in which the strong take is read as stronger", own_share, ">=", _LEAST_PAIRS),
        claim_end(f"RAVDESS test: such pairs, {_MAIN} minus {_LOUDNESS}", more, ">"),
    ]
    return Table(f"RAVDESS test, normal and strong takes: {len(strong)} pairs", ("share",), rows), claims


def _bursts(context: Context, emogator: HeardClips, readers: dict[str, VoiceReader]) -> tuple[list[Table], list[Claim]]:
    """Vocal bursts: which of 30 kinds, and the rank correlation of each of the fine emotions they stand for."""
    labels, columns, truth, of_train = acted_levels(emogator)
    present = (truth > 0).astype(np.float64)
    ratings = Intensities(labels, present[:, :, None], load_scale(_PRESENT))
    answers = _answers(context, emogator, labels, columns, 2 * (of_train > 0).astype(np.float64))
    speakers = emogator.corpus.speakers
    shown = tuple(column for column in COLUMNS if column not in ("MAE", "RMSE"))
    scores = {
        name: score_intensities(each, ratings, seed=context.seed, groups=speakers)
        for name, (_, each) in answers.items()
    }
    rows = []
    for name, (role, _) in answers.items():
        values = row_values(scores[name])
        rows.append(Row(name, role, {column: values[column] for column in shown}))
    rho = scores[_MAIN].spearman
    corpus = emogator.corpus
    kinds = {name: open_reader(name, context, corpus.taxonomy) for name in readers}
    said = {name: reader.read_out(emogator.heard[name]).argmax(axis=1) for name, reader in kinds.items()}
    most = int(np.bincount(emogator.train.labels).argmax())
    rng = np.random.default_rng(context.seed)
    size = len(load_taxonomy(corpus.taxonomy).labels)
    guesses: dict[str, tuple[Role, Ints]] = {
        "most frequent label": ("baseline", np.full(len(corpus.labels), most)),
        "random labels": ("baseline", rng.integers(size, size=len(corpus.labels))),
        _OTHER_ORDER: ("control", rng.permutation(said[_MAIN])),
        _MAIN: ("result", said[_MAIN]),
        _CLEAN: ("result", said[_CLEAN]),
    }
    names = tuple(map(str, range(size)))
    metrics = {"macro F1": partial(f1, labels=names), "UAR": partial(uar, labels=names)}
    score = partial(measure, metrics, truth=corpus.labels, seed=context.seed, groups=speakers)
    kind_rows = [Row(name, role, score(prediction=guess)) for name, (role, guess) in guesses.items()]
    macro = kind_rows[3].values["macro F1"]
    assert isinstance(macro, Interval)
    n = len(corpus.labels)
    title = f"EmoGator test, {len(labels)} emotions present or not: {n} vocal bursts"
    tables = [
        Table(title, shown, rows),
        _by_emotion(f"{title}, {RHO} by emotion", answers, scores),
        Table(f"EmoGator test, {size} categories: {n} vocal bursts", tuple(metrics), kind_rows),
    ]
    claims = [
        claim_value("EmoGator test, new speakers: macro F1 of 30 categories", macro, ">=", _LEAST_F1),
        claim_value("EmoGator test, new speakers: mean Spearman of emotions", rho, ">=", _LEAST_RHO),
        claim_end("EmoGator test, new speakers: interval of the mean Spearman above 0", rho, ">"),
    ]
    context.note("vocal bursts")
    return tables, claims


def _presence(context: Context, heard: HeardClips) -> Table:
    """Coarse labels by the published rule for presence, beside the label with the highest share."""
    corpus = heard.corpus
    mapping = map_labels("emonet40", corpus.taxonomy)
    k, n = len(mapping.target.labels), len(corpus.labels)
    rng = np.random.default_rng(context.seed)
    main = heard.fine[_MAIN]
    given: dict[str, tuple[Role, Floats | None]] = {
        "every label present": ("baseline", None),
        _RANDOM: ("baseline", rng.uniform(size=main.shape)),
        _OTHER_ORDER: ("control", rng.permutation(main)),
        _MAIN: ("result", main),
        _CLEAN: ("result", heard.fine[_CLEAN]),
    }
    rows = []
    for name, (role, shares) in given.items():
        values: dict[str, Value] = {}
        present = np.ones((n, k), np.bool_)
        if shares is not None:
            present = coarse_presence(4 * shares, mapping)
            # The strongest fine label decides; one without a counterpart is no answer.
            best = np.where(mapping.matrix.any(axis=1), shares, -1).argmax(axis=1)
            top = measure(
                {"top label": accuracy},
                truth=corpus.labels,
                prediction=mapping.matrix[best].argmax(axis=1),
                seed=context.seed,
                groups=corpus.speakers,
            )
            values |= top
        draw = partial(bootstrap_mean, seed=context.seed, groups=corpus.speakers)
        values["acted label present"] = draw(present[np.arange(n), corpus.labels].astype(float))
        values["labels present"] = draw(present.sum(axis=1).astype(float))
        rows.append(Row(name, role, values))
    columns = ("acted label present", "labels present", "top label")
    title = {"ravdess": "RAVDESS", "emodb": "EMO-DB"}[corpus.name]
    return Table(f"{title} test, presence of {k} labels through 40: {n} clips", columns, rows)


def _cross(context: Context) -> tuple[Table, Claim]:
    """English by the reader that has heard German and bursts alone, on the labels that both corpora have."""
    from affectome.learn.voice_corpora import load_sounds, load_voice_corpus

    corpus = load_voice_corpus("ravdess", context.data)
    names = load_taxonomy(corpus.taxonomy).labels
    rows_shared = np.flatnonzero([names[label] in _SHARED for label in corpus.labels])
    corpus = corpus.at(rows_shared[::6] if context.quick else rows_shared)
    german = open_reader(_CLEAN, context, "emodb7")
    columns = [german.labels.index(word) for word in _SHARED.values()]
    truth = np.array([list(_SHARED).index(names[label]) for label in corpus.labels])
    probability = german.read_out(german.encoder.encode(load_sounds(corpus.files)))[:, columns]
    said = probability.argmax(axis=1)
    rng = np.random.default_rng(context.seed)
    guesses: dict[str, tuple[Role, Ints]] = {
        "most frequent label": ("baseline", np.full(len(truth), np.bincount(truth).argmax())),
        "random labels": ("baseline", rng.integers(len(columns), size=len(truth))),
        f"{_CLEAN}, clips in another order": ("control", rng.permutation(said)),
        _CLEAN: ("result", said),
    }
    own = partial(measure, {"UAR": uar}, truth=truth, seed=context.seed, groups=corpus.speakers)
    rows = [Row(name, role, own(prediction=guess)) for name, (role, guess) in guesses.items()]
    reached = rows[-1].values["UAR"]
    assert isinstance(reached, Interval)
    text = f"EMO-DB to RAVDESS, {len(columns)} labels, {len(np.unique(corpus.speakers))} new actors: UAR"
    context.note("EMO-DB to RAVDESS")
    title = f"EMO-DB to RAVDESS, {len(columns)} labels: {len(truth):,} clips"
    return Table(title, ("UAR",), rows), claim_value(text, reached, ">=", _LEAST_UAR)


def _agreement(context: Context) -> Table:
    """How far listeners of CREMA-D agree that an emotion is there, emotion by emotion."""
    path = context.folder("crema_d_votes") / "votes.csv.gz"
    if not path.is_file():
        raise InputError(f"{path.name} is not in crema_d_votes.", code="missing_file", value=path)
    votes = pl.read_csv(path).filter(modality="voice")
    counts = votes.select(tuple(_CREMA)).to_numpy()
    frequency = counts.sum(axis=0) / counts.sum()
    drawn = np.random.default_rng(context.seed).multinomial(counts.sum(axis=1), frequency)
    actors = votes["actor"].to_numpy()
    given: dict[str, tuple[Role, Ints]] = {
        "listeners who ignore the clip": ("baseline", drawn),
        "listeners": ("ceiling", counts),
    }
    rows = []
    for name, (role, table) in given.items():
        values: dict[str, Value] = {}
        for k, emotion in enumerate(_CREMA.values()):
            heard = np.column_stack([table[:, k], table.sum(axis=1) - table[:, k]])
            values[emotion] = bootstrap(_alpha, seed=context.seed, resamples=200, groups=actors, counts=heard)
        rows.append(Row(name, role, values))
    title = f"CREMA-D, voice only, Krippendorff's alpha of an emotion being heard or not: {len(votes):,} clips"
    return Table(title, tuple(_CREMA.values()), rows)


def _alpha(*, counts: Ints) -> float:
    return VoteTable.from_counts(counts, ("heard", "not heard")).alpha()
