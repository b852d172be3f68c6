"""MuSe 2022: one recurrent network for feelings over time and for what a clip calls forth.

The official recordings are given out against signed agreements. So the network, its losses and its late fusion are
tried where the truth is known by construction, and then on the continuous valence that listeners of stories noted of
themselves, with features of the conversation. Whoever has the official folders reads them with ``read_humour``,
``read_reaction`` and ``read_stress`` of ``affectome.learn.sequence_files``, trains by ``sweep_seeds`` and writes the
outputs with ``write_submission``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from affectome.errors import InputError
from affectome.evaluate import Interval, auc, bootstrap_mean, ccc, pearson
from affectome.evaluate.intervals import Metric
from affectome.studies.comparing import claim_difference, claim_end, claim_value, measure
from affectome.studies.made_up_series import made_up_clips, made_up_subjects, shuffled_targets
from affectome.studies.study import Claim, Context, Outcome, Role, Row, Study, Table

if TYPE_CHECKING:
    from affectome.learn.sequence_files import Series
    from affectome.learn.sequences import Loss, SequencePlan

Floats = NDArray[np.float64]
Cells = NDArray[np.float32]

FOLDER = "omg_empathy_features"
_CCC, _AUC, _PEARSON = "CCC", "AUC", "Pearson"
_SEED = 101  # the first of a sweep
_SHUFFLES = 40

_REACTIONS = 7

_STREAMS = ("polarity", "image_valence", "emo_watson", "opensmile_valence", "opensmile_arousal")
_RATE = 2  # rows a second
_SMOOTHED = (5, 20, 60)  # seconds, up to the present
_STORY, _STORIES = 1, (2, 4, 5, 8)
_PERSONALISED, _POOLED = "personalised CCC", "CCC of all rows"
_GOAL = 0.091  # personalised CCC of the challenge's baseline that sees the listener
_SWAPPED, _NETWORK, _LISTENER = "network, valence of another story", "network", "network told the listener"


def run(context: Context) -> Outcome:
    """Show the network what is known by construction, then the listeners."""
    import torch

    torch.set_num_threads(context.threads)
    latent, latent_claims = _latent(context)
    fusion, fusion_claim = _fusion(context)
    clips, clip_claims = _clips(context)
    listeners, listener_claim, notes = _listeners(context)
    return Outcome(
        [latent, fusion, *clips, listeners], [*latent_claims, fusion_claim, *clip_claims, listener_claim], notes
    )


STUDY = Study(
    number=39,
    id="muse-2022",
    title="MuSe 2022",
    paper="`EIHW/MuSe2022`",
    data=(FOLDER,),
    extras=("train",),
    run=run,
    missing=(
        "scores on the official humour, reaction and stress recordings, which need signed agreements",
        "targets of whole clips on real recordings with acoustic features",
    ),
)


def _latent(context: Context) -> tuple[Table, list[Claim]]:
    """A state that noisy features show early, and that the network has to hold back and smooth."""
    from affectome.learn.heads import fit_head
    from affectome.learn.sequences import SequencePlan, fit_sequences, sweep_seeds

    parts = {
        name: part["all"] for name, part in made_up_subjects(("all",), share=_share(context), seed=context.seed).items()
    }
    train, devel, test = parts.values()
    plan = SequencePlan(width=32, layers=2, learning_rate=0.005, epochs=_epochs(context, 40), batch=32, stop_after=8)
    truth = _targets(test)
    # By row, without memory.
    ridge = fit_head(_features(train), _targets(train), kind="measure", strength=1.0)
    sweep = sweep_seeds(train, devel, plan, seeds=_seeds(context, 3))
    by_chance = []
    for number in range(3 if context.quick else _SHUFFLES):
        rng = np.random.default_rng((context.seed, number))
        wrong = fit_sequences(shuffled_targets(train, rng), shuffled_targets(devel, rng), plan, seed=_SEED + number)
        by_chance.append(float(ccc(truth=truth, prediction=np.concatenate(wrong.predict(test)))))
    control = bootstrap_mean(by_chance, seed=context.seed)
    outputs: dict[str, tuple[Role, Floats]] = {
        "mean of the training targets": ("baseline", np.full_like(truth, _targets(train).mean())),
        "ridge regression of single rows": ("baseline", ridge.predict(_features(test))),
        "network": ("result", np.concatenate(sweep.best.predict(test)).astype(float)),
    }
    rows = _rows(context, {_CCC: ccc}, truth, outputs, _subjects(test))
    rows.insert(-1, Row(f"network, mean over {len(by_chance)} shuffles of the targets", "control", {_CCC: control}))
    context.note("latent state")
    claims = [
        claim_value("latent state: CCC on unseen subjects", _of(rows[-1], _CCC), ">=", 0.6),
        claim_value("latent state: mean CCC over shuffles of the targets", control, "<=", 0.05),
    ]
    return Table(f"Latent state of {len(test)} unseen made-up subjects", (_CCC,), rows), claims


def _fusion(context: Context) -> tuple[Table, Claim]:
    """Three modalities, each of which shows a part of what is felt."""
    from affectome.learn.sequences import SequencePlan, fuse

    names = ("voice", "face", "text")
    parts = made_up_subjects(names, share=_share(context), seed=context.seed)
    plan = SequencePlan(width=16, layers=1, learning_rate=0.01, epochs=_epochs(context, 25), batch=32, stop_after=6)
    top = replace(plan, width=8)
    fused = fuse(parts["train"], parts["devel"], plan, top, count=3, seed=_SEED)
    test = parts["test"]
    single = {name: np.concatenate(reader.predict(test[name])).astype(float) for name, reader in fused.readers.items()}
    truth, subjects = _targets(test[names[0]]), _subjects(test[names[0]])
    blend = np.concatenate(fused.predict(test)).astype(float)
    outputs: dict[str, tuple[Role, Floats]] = {
        "mean of the training targets": ("baseline", np.full_like(truth, _targets(parts["train"][names[0]]).mean())),
        **{f"{name} alone": ("result", output) for name, output in single.items()},
        "mean of the outputs": ("result", np.stack(list(single.values())).mean(axis=0)),
        "late fusion": ("result", blend),
    }
    rows = _rows(context, {_CCC: ccc}, truth, outputs, subjects)
    context.note("late fusion")
    # The best on the test series themselves is the hardest to reach.
    best = max(single, key=lambda name: float(ccc(truth=truth, prediction=single[name])))
    claim = claim_difference(
        "late fusion minus the best modality alone, CCC",
        ccc,
        truth=truth,
        first=blend,
        second=single[best],
        comparison=">=",
        by="value",
        seed=context.seed,
        groups=subjects,
    )
    return Table(f"Three modalities of {len(test[names[0]])} unseen made-up subjects", (_CCC,), rows), claim


def _clips(context: Context) -> tuple[list[Table], list[Claim]]:
    """One target for a whole clip: whether there is something, and seven intensities."""
    from affectome.learn.sequences import SequencePlan, fit_sequences

    plan = SequencePlan(width=16, layers=1, learning_rate=0.01, epochs=_epochs(context, 20), batch=64, stop_after=5)
    tables, claims = [], []
    kinds: tuple[tuple[Loss, str, Metric], ...] = (("presence", _AUC, auc), ("squared", _PEARSON, pearson))
    for loss, column, metric in kinds:
        own: SequencePlan = replace(plan, loss=loss)
        binary = loss == "presence"
        parts = made_up_clips(1 if binary else _REACTIONS, binary=binary, share=_share(context), seed=context.seed)
        truth = np.stack([clip.targets for clip in parts["test"]]).astype(float)
        rng = np.random.default_rng(context.seed)
        wrong = {name: shuffled_targets(parts[name], rng) for name in ("train", "devel")}
        fits = {
            "network, shuffled targets": fit_sequences(wrong["train"], wrong["devel"], own, seed=_SEED),
            "network": fit_sequences(parts["train"], parts["devel"], own, seed=_SEED),
        }
        given = {name: np.stack(fit.predict(parts["test"])).astype(float) for name, fit in fits.items()}
        chance = {_AUC: 0.5} if loss == "presence" else {}
        rows = [Row("mean of the training targets", "baseline", chance)]
        for (name, output), role in zip(given.items(), ("control", "result"), strict=True):
            which = "probability" if loss == "presence" else "prediction"
            rows.append(Row(name, role, measure({column: metric}, truth=truth, seed=context.seed, **{which: output})))  # type: ignore[arg-type]
        what = "Something present" if loss == "presence" else f"{_REACTIONS} intensities"
        tables.append(Table(f"{what}, in {len(truth)} made-up clips", (column,), rows))
        text = f"made-up clips, {what.lower()}: {column} of the network above chance"
        claims.append(claim_end(text, _of(rows[-1], column), ">", 0.5 if loss == "presence" else 0.0))
    context.note("clips")
    return tables, claims


Stories = dict[int, list["Series"]]
"""Series of the listeners by story."""
View = Callable[[Sequence["Series"]], list["Series"]]


def _listeners(context: Context) -> tuple[Table, Claim, list[str]]:
    """The valence of listeners through a story that no training has seen."""
    from affectome.learn.heads import fit_head

    stories = _read_stories(context)
    vault = context.vault({f"story {_STORY}": np.arange(len(stories[_STORY]))})
    train = [each for story in _STORIES for each in stories[story]]
    kept = np.concatenate([np.full(len(each.features), story) for story in _STORIES for each in stories[story]])
    told = partial(_told, listeners=sorted({each.subject for each in train}))
    views: dict[str, View] = {_NETWORK: list, _LISTENER: told}
    rounds = {name: _without_each(context, stories, view, seeds=2) for name, view in views.items()}
    swapped = _without_each(context, _swapped(stories), told, seeds=1)
    chosen = max(rounds, key=lambda name: rounds[name].score)
    ridges: dict[str, View] = {
        "ridge regression of the time and the listener": lambda series: told(_timed(series)),
        "ridge regression of the streams and the listener": told,
    }
    heads = {
        name: fit_head(_features(view(train)), _targets(train), kind="measure", groups=kept)
        for name, view in ridges.items()
    }
    test = [stories[_STORY][i] for i in vault.open(f"story {_STORY}", purpose="the table of listeners")]
    own = {each.subject: _targets([other for other in train if other.subject == each.subject]).mean() for each in test}
    truth, subjects = _targets(test), _subjects(test)
    outputs: dict[str, tuple[Role, Floats]] = {
        "mean of the training targets": ("baseline", np.full_like(truth, _targets(train).mean())),
        "mean of the listener": ("baseline", np.array([[own[subject]] for subject in subjects])),
        **{name: ("baseline", head.predict(_features(ridges[name](test)))) for name, head in heads.items()},
        _SWAPPED: ("control", swapped.predict(test)),
        **{name: ("result", rounds[name].predict(test)) for name in rounds},
    }
    rows = _rows(context, {_POOLED: ccc}, truth, outputs, subjects)
    each_listener = {name: _by_listener(truth, output, subjects) for name, (_, output) in outputs.items()}
    means = {name: bootstrap_mean(values, seed=context.seed) for name, values in each_listener.items()}
    rows = [replace(row, values={_PERSONALISED: means[row.predictor], **row.values}) for row in rows]
    context.note("listeners")
    values = next(row for row in rows if row.predictor == chosen)
    claim = claim_value(f"listeners, story {_STORY}: personalised CCC", _of(values, _PERSONALISED), ">=", _GOAL)
    scores = ", ".join(f"{name} {found.score:.3f}" for name, found in rounds.items())
    single = ", ".join(f"{value:.2f}" for value in each_listener[chosen])
    notes = [
        f"A network is the mean of {len(_STORIES)}, each trained without one of the stories {_STORIES} and chosen by "
        f"it among seeds and epochs. Mean personalised CCC on the story left out: {scores}. The claim is about the "
        f"best of them there: {chosen}.",
        f"CCC of each listener of story {_STORY}, {chosen}: {single}.",
        f"Frames were averaged to {_RATE} rows a second; a stream is 0 until it is known and keeps its last value "
        "where it is not. No output sees streams of a later time.",
    ]
    title = f"Valence of {len(test)} listeners through story {_STORY}: {len(truth):,} rows"
    return Table(title, (_PERSONALISED, _POOLED), rows), claim, notes


def _read_stories(context: Context) -> Stories:
    """Streams with their means over the last seconds, and the valence noted by the listener."""
    from affectome.learn.sequence_files import Series

    path = context.folder(FOLDER) / "frames.parquet"
    if not path.exists():
        raise InputError(f"{path.name} is not in {FOLDER}.", code="missing_file", value=path)
    series = ("subject", "story")
    rows = (
        pl.read_parquet(path)
        .filter(pl.col("valence").is_not_null())
        .group_by(*series, (pl.col("seconds") * _RATE).floor().alias("row"))
        .agg(pl.col(*_STREAMS, "valence").mean())
        .sort(*series, "row")
        .with_columns(pl.col(_STREAMS).forward_fill().over(series).fill_null(0))
        .with_columns(
            pl.col(stream).rolling_mean(seconds * _RATE, min_samples=1).over(series).alias(f"{stream} {seconds}")
            for stream, seconds in product(_STREAMS, _SMOOTHED)
        )
    )
    stories: Stories = {}
    for (subject, story), part in rows.group_by(series, maintain_order=True):
        shown = part.drop(*series, "row", "valence").to_numpy().astype(np.float32)
        felt = part["valence"].to_numpy().astype(np.float32)[:, None]
        if context.quick:
            shown, felt = shown[::8], felt[::8]
        stories.setdefault(int(str(story)), []).append(Series(str(subject), shown, felt))
    return stories


@dataclass(frozen=True, eq=False)
class _Rounds:
    """Networks of which each has not seen one of the stories.

    Attributes:
        outputs: Gives the output of each network for some series.
        score: Mean personalised CCC on the story that was left out.
    """

    outputs: Callable[[Sequence[Series]], list[list[Cells]]]
    score: float

    def predict(self, series: Sequence[Series]) -> Floats:
        """The mean of the outputs for all rows."""
        return np.asarray(
            np.stack([np.concatenate(output) for output in self.outputs(series)]).mean(axis=0), np.float64
        )


def _without_each(context: Context, stories: Stories, view: View, *, seeds: int) -> _Rounds:
    from affectome.learn.sequences import SequencePlan, sweep_seeds

    plan = SequencePlan(
        width=32,
        layers=1,
        dropout=0.2,
        hidden=32,
        learning_rate=0.005,
        batch=32,
        hop=200,
        epochs=_epochs(context, 12),
        stop_after=4,
    )
    fits, scores = [], []
    for left in _STORIES:
        rest = [each for story in _STORIES if story != left for each in stories[story]]
        devel = stories[left]
        best = sweep_seeds(view(rest), view(devel), plan, seeds=_seeds(context, seeds)).best
        output = np.concatenate(best.predict(view(devel)))
        scores.append(_by_listener(_targets(devel), output, _subjects(devel)).mean())
        fits.append(best)
    return _Rounds(lambda series: [fit.predict(view(series)) for fit in fits], float(np.mean(scores)))


def _swapped(stories: Stories) -> Stories:
    """Every story with what the same listener felt in the next one, unknown where that is shorter."""
    found: Stories = {}
    for story, other in zip(_STORIES, (*_STORIES[1:], _STORIES[0]), strict=True):
        felt = {each.subject: each.targets for each in stories[other]}
        found[story] = []
        for each in stories[story]:
            targets = np.full_like(each.targets, np.nan)
            taken = felt[each.subject][: len(targets)]
            targets[: len(taken)] = taken
            found[story].append(replace(each, targets=targets))
    return found


def _told(series: Sequence[Series], listeners: Sequence[str]) -> list[Series]:
    """Series with one more feature a listener."""
    found = []
    for each in series:
        who = np.array([each.subject == listener for listener in listeners], np.float32)
        found.append(replace(each, features=np.hstack([each.features, np.tile(who, (len(each.features), 1))])))
    return found


def _timed(series: Sequence[Series]) -> list[Series]:
    """Series that show nothing but the minutes since the beginning and their square."""
    minutes = [np.arange(len(each.features), dtype=np.float32)[:, None] / (60 * _RATE) for each in series]
    return [replace(each, features=np.hstack([m, m**2])) for each, m in zip(series, minutes, strict=True)]


def _by_listener(truth: Floats, output: Floats | Cells, subjects: Sequence[str]) -> Floats:
    """The CCC of each listener, 0 where it is not defined, as the challenge counts."""
    who = np.array(subjects)
    found = [float(ccc(truth=truth[who == one], prediction=output[who == one])) for one in dict.fromkeys(subjects)]
    return np.where(np.isnan(found), 0.0, found)


def _rows(
    context: Context,
    metrics: Mapping[str, Metric],
    truth: Floats,
    outputs: Mapping[str, tuple[Role, Floats]],
    subjects: Sequence[str],
) -> list[Row]:
    """A row a predictor; subjects are drawn whole."""
    rows = []
    for name, (role, output) in outputs.items():
        values = measure(metrics, truth=truth, prediction=output, seed=context.seed, groups=subjects)
        rows.append(Row(name, role, values))
    return rows


def _of(row: Row, column: str) -> Interval:
    value = row.values[column]
    assert isinstance(value, Interval)
    return value


def _targets(series: Sequence[Series]) -> Floats:
    return np.concatenate([each.targets for each in series]).astype(np.float64)


def _features(series: Sequence[Series]) -> Floats:
    return np.concatenate([each.features for each in series]).astype(np.float64)


def _subjects(series: Sequence[Series]) -> list[str]:
    return [each.subject for each in series for _ in each.features]


def _seeds(context: Context, count: int) -> range:
    return range(_SEED, _SEED + (1 if context.quick else count))


def _share(context: Context) -> int:
    return 3 if context.quick else 1


def _epochs(context: Context, count: int) -> int:
    return 3 if context.quick else count
