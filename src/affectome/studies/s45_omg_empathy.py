"""How a told story moves its listener, second by second, from features of the conversation.

Ten listeners rated their own valence through stories told to them. The story of the validation part is predicted by
readers whose every setting was chosen on the training stories. Two protocols: personalised, where other stories of the
same listener train, and generalised, where nothing of the listener does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from affectome.dynamics import find_contagion
from affectome.errors import InputError, UsageError
from affectome.evaluate import Interval, Part, assert_disjoint, bootstrap_mean, ccc
from affectome.studies.comparing import claim_end, claim_value
from affectome.studies.study import Claim, Context, Outcome, Role, Row, Study, Table

Floats = NDArray[np.float64]
Key = tuple[int, int]
"""A listener and a story."""
Training = Literal["all", "own", "others"]

_FOLDER = "omg_empathy_features"
_STREAMS = ("polarity", "image_valence", "emo_watson", "opensmile_valence", "opensmile_arousal")
_WINDOWS = (5, 20, 60, 120)  # seconds up to the present
_STORY, _STORIES = 1, (2, 4, 5, 8)
_DELAYS, _STRENGTHS = (0, 2, 4, 6), (1.0, 10.0, 100.0)
_OFFICIAL = 0.091  # the challenge's baseline that sees the listener
_LONGEST = 6.0  # seconds by which a listener may follow

_STORY_CCC, _OTHER_CCC = f"CCC, story {_STORY}", "CCC, training stories left out"
_MEAN, _TIME = "mean of the training stories", "time alone"
_SWAPPED, _ALL = "all listeners, streams of another story", "personalised, all listeners"
_ROWS: dict[str, tuple[Role, Training]] = {
    _TIME: ("baseline", "all"),
    _SWAPPED: ("control", "all"),
    "personalised, own stories": ("result", "own"),
    _ALL: ("result", "all"),
    "generalised, other listeners": ("result", "others"),
}


@dataclass(frozen=True, eq=False)
class _Listening:
    """One story as one listener heard it, a row a second.

    Attributes:
        streams: ``(n, 5)`` the streams as they are.
        shown: ``(n, d)`` streams with their means over the last seconds and since the beginning.
        valence: ``(n,)`` what the listener noted.
    """

    streams: Floats
    shown: Floats
    valence: Floats


Listenings = Mapping[Key, _Listening]


class _Settings(NamedTuple):
    """Seconds by which the listener is taken to answer late, and the penalty of the regression."""

    delay: int
    strength: float


def run(context: Context) -> Outcome:
    """Choose on the training stories, read the validation story once, and look for contagion."""
    data = _load(context)
    vault = context.vault({f"story {_STORY}": [i for i, key in enumerate(data) if key[1] == _STORY]})
    views: dict[str, list[Listenings]] = {name: [data] for name in _ROWS}
    views[_TIME] = [_timed(data)]
    views[_SWAPPED] = [_swapped(data, turn) for turn in range(1, len(_STORIES) + 1)]
    chosen: dict[str, tuple[_Settings, list[float]]] = {}
    for name, (_, training) in _ROWS.items():
        if name != _SWAPPED:
            chosen[name] = _choose(_training(views[name][0]), training, context)
            context.note(f"{name}: {chosen[name][0]}")
    settings = chosen[_ALL][0]
    left = np.mean([_left_out(_training(view), "all", settings) for view in views[_SWAPPED]], axis=0)
    chosen[_SWAPPED] = settings, left.tolist()
    keys = list(data)
    test = [keys[i] for i in vault.open(f"story {_STORY}", purpose="the table of listeners")]
    found: dict[str, list[float]] = {}
    for name, (_, training) in _ROWS.items():
        each_view = []
        for view in views[name]:
            fit, here = _training(view), {key: view[key] for key in test}
            assert_disjoint(train=Part(groups=[key[1] for key in fit]), test=Part(groups=[key[1] for key in here]))
            each_view.append(list(_scores(fit, here, training, chosen[name][0]).values()))
        found[name] = np.mean(each_view, axis=0).tolist()
    rows = [Row(_MEAN, "baseline", {_STORY_CCC: 0.0, _OTHER_CCC: 0.0})]
    for name, (role, _) in _ROWS.items():
        mean = bootstrap_mean(found[name], seed=context.seed)
        rows.append(Row(name, role, {_STORY_CCC: mean, _OTHER_CCC: bootstrap_mean(chosen[name][1], seed=context.seed)}))
    beyond = bootstrap_mean(np.subtract(found[_ALL], found[_TIME]), seed=context.seed)
    contagion, followed = _contagion(context, data)
    claims = [
        _same_as_official(context),
        *(
            claim_value(f"{row.predictor}: mean {_STORY_CCC}", _interval(row), ">=", _OFFICIAL)
            for row in rows
            if row.role == "result" and row.predictor != "personalised, own stories"
        ),
        claim_end(f"{_ALL} minus time alone: mean {_STORY_CCC}", beyond, ">"),
        claim_value(f"{_SWAPPED}: mean {_STORY_CCC}", _interval(rows[2]), "<=", 0.03),
        *followed,
    ]
    single = {name: ", ".join(f"{value:.2f}" for value in values) for name, values in found.items()}
    title = f"Valence of {len(test)} listeners through a story that no training has seen"
    return Outcome(
        [Table(title, (_STORY_CCC, _OTHER_CCC), rows), contagion],
        claims,
        [
            f"Official figures on this story: listener alone {_OFFICIAL} personalised and .111 generalised, actor "
            "alone -.04; of participants .19 and .25, with features of their own.",
            "A figure on one story may be the course of that story: the row of time alone, which sees no stream, says "
            "how much. Delay and penalty were chosen on the second column.",
            "Intervals draw listeners, or listeners with stories. A constant output scores 0 by the official formula.",
            "Delay and penalty were chosen by leaving each training story out: "
            + "; ".join(f"{name} {used.delay} s, {used.strength:g}" for name, (used, _) in chosen.items())
            + ".",
            *(f"{name}, by listener: {single[name]}." for name in list(_ROWS)[2:]),
            "With one test story the means over listeners and over stories are the same number; what differs between "
            "the protocols is who trains.",
        ],
    )


STUDY = Study(
    number=45,
    id="omg-empathy",
    title="OMG-Empathy",
    paper="arXiv 1908.11706",
    data=(_FOLDER,),
    extras=("train",),
    run=run,
    missing=(
        "the three test stories, whose labels are not given out",
        "the recordings: faces, voices and laughter come as features of others",
        "recurrent readers in this study",
    ),
)


def _load(context: Context) -> dict[Key, _Listening]:
    path = context.folder(_FOLDER) / "frames.parquet"
    if not path.exists():
        raise InputError(f"{path.name} is not in {_FOLDER}.", code="missing_file", value=path)
    rows = (
        pl.read_parquet(path)
        .filter(pl.col("valence").is_not_null())
        .group_by("subject", "story", pl.col("seconds").floor().alias("row"))
        .agg(pl.col(*_STREAMS, "valence").mean())
        .sort("story", "subject", "row")
        .with_columns(pl.col(_STREAMS).forward_fill().over("subject", "story").fill_null(0))
    )
    data = {}
    for (subject, story), part in rows.group_by(["subject", "story"], maintain_order=True):
        streams = part.select(_STREAMS).to_numpy().astype(np.float64)
        data[int(str(subject)), int(str(story))] = _Listening(
            streams, _smoothed(streams), part["valence"].to_numpy().astype(np.float64)
        )
    return data


def _training(data: Listenings) -> dict[Key, _Listening]:
    return {key: each for key, each in data.items() if key[1] in _STORIES}


def _smoothed(streams: Floats) -> Floats:
    """Streams beside their means over the last seconds and since the beginning; nothing of a later time."""
    sums = np.vstack([np.zeros((1, streams.shape[1])), streams.cumsum(axis=0)])
    now = np.arange(1, len(streams) + 1)
    means = [
        (sums[now] - sums[np.maximum(now - window, 0)]) / np.minimum(now, window)[:, None]
        for window in (*_WINDOWS, len(streams))
    ]
    return np.hstack([streams, *means])


def _timed(data: Listenings) -> dict[Key, _Listening]:
    """Listenings that show nothing but the minutes since the beginning and their square."""
    found = {}
    for key, each in data.items():
        minutes = np.arange(len(each.valence))[:, None] / 60
        found[key] = replace(each, shown=np.hstack([minutes, minutes**2]))
    return found


def _swapped(data: Listenings, turn: int) -> dict[Key, _Listening]:
    """Listenings that show another story of the same listener, from its beginning again where it is shorter."""
    stories = sorted({story for _, story in data})
    other = dict(zip(stories, (*stories[turn:], *stories[:turn]), strict=True))
    found = {}
    for (listener, story), each in data.items():
        shown = data[listener, other[story]].shown
        found[listener, story] = replace(each, shown=np.resize(shown, (len(each.valence), shown.shape[1])))
    return found


def _choose(data: Listenings, training: Training, context: Context) -> tuple[_Settings, list[float]]:
    """The settings with the best mean CCC on training stories left out, and those CCCs."""
    best: tuple[_Settings, list[float]] | None = None
    for delay, strength in product(_DELAYS, _STRENGTHS[-1:] if context.quick else _STRENGTHS):
        settings = _Settings(delay, strength)
        scores = _left_out(data, training, settings)
        if best is None or np.mean(scores) > np.mean(best[1]):
            best = settings, scores
    assert best is not None
    return best


def _left_out(data: Listenings, training: Training, settings: _Settings) -> list[float]:
    """CCC of each listening by readers that have not seen its story."""
    scores = []
    for left in sorted({story for _, story in data}):
        fit = {key: each for key, each in data.items() if key[1] != left}
        here = {key: each for key, each in data.items() if key[1] == left}
        scores += list(_scores(fit, here, training, settings).values())
    return scores


def _scores(fit: Listenings, here: Listenings, training: Training, settings: _Settings) -> dict[Key, float]:
    """CCC of each listening by the reader of its listener."""
    everyone = _reader(list(fit.values()), settings) if training == "all" else None
    found = {}
    for key, each in here.items():
        used = [other for (who, _), other in fit.items() if (who == key[0]) == (training == "own")]
        output = (everyone or _reader(used, settings))(each.shown)
        found[key] = float(np.nan_to_num(float(ccc(truth=each.valence, prediction=output))))
    return found


def _reader(used: Sequence[_Listening], settings: _Settings) -> Callable[[Floats], Floats]:
    """A ridge regression whose outputs have the spread that listeners have on average."""
    from affectome.learn.heads import fit_head

    head = fit_head(
        np.vstack([_late(each.shown, settings.delay) for each in used]),
        np.concatenate([each.valence for each in used])[:, None],
        kind="measure",
        strength=settings.strength,
    )

    def plain(shown: Floats) -> Floats:
        return head.predict(_late(shown, settings.delay))[:, 0]

    # A penalised output varies too little, which the coefficient counts as an error.
    gain = np.mean([each.valence.std() for each in used]) / np.mean([plain(each.shown).std() for each in used])
    centre = np.concatenate([each.valence for each in used]).mean()
    return lambda shown: np.asarray(centre + gain * (plain(shown) - centre))


def _late(shown: Floats, delay: int) -> Floats:
    """Rows as they were some seconds before."""
    return np.vstack([np.repeat(shown[:1], delay, axis=0), shown])[: len(shown)]


def _official(first: Floats, second: Floats) -> float:
    """The formula of the challenge's script."""
    spread = first.std() * second.std()
    rho = float(((first - first.mean()) * (second - second.mean())).mean() / spread) if spread > 0 else 0.0
    return 2 * rho * float(spread) / float(first.var() + second.var() + (first.mean() - second.mean()) ** 2)


def _same_as_official(context: Context) -> Claim:
    rng = np.random.default_rng(context.seed)
    apart = 0.0
    for number in range(20):
        first, second = rng.normal(size=(2, 50)) + rng.normal(size=(2, 1))
        if number % 5 == 0:
            second = np.full(50, rng.normal())
        apart = max(
            apart, abs(float(np.nan_to_num(float(ccc(truth=first, prediction=second)))) - _official(first, second))
        )
    return Claim("CCC of 20 random pairs, constants among them: distance from the official script", apart, 1e-12, "<=")


def _contagion(context: Context, data: Listenings) -> tuple[Table, list[Claim]]:
    """How listeners follow each stream, beside surrogates and a planted delay."""
    share, lag, strength = "share with p < .05", "mean lag, s", "mean strength"
    rng = np.random.default_rng(context.seed)
    chance = [
        find_contagion(_slow(rng, 300), _slow(rng, 300), rate=1, longest=_LONGEST, seed=number).p_value < 0.05
        for number in range(20 if context.quick else 200)
    ]
    by_chance = bootstrap_mean(np.array(chance, float), seed=context.seed)
    rows = [Row("unrelated made-up series", "baseline", {share: by_chance})]
    for column, name in enumerate(_STREAMS):
        found = []
        for (listener, story), each in data.items():
            try:
                found.append(
                    find_contagion(
                        each.streams[:, column],
                        each.valence,
                        rate=1,
                        longest=_LONGEST,
                        seed=100 * listener + story,
                        surrogates=19 if context.quick else 199,
                    )
                )
            except UsageError:  # a stream or a listener that never varies
                continue
        if not found:
            continue
        passed = np.array([each.p_value < 0.05 for each in found], float)
        rows.append(
            Row(
                name,
                "result",
                {
                    share: bootstrap_mean(passed, seed=context.seed),
                    lag: bootstrap_mean([each.lag for each in found], seed=context.seed),
                    strength: bootstrap_mean([each.strength for each in found], seed=context.seed),
                },
            )
        )
    told = _slow(rng, 1500)
    planted = find_contagion(told, np.roll(told, 15) + 0.5 * rng.normal(size=1500), rate=5, longest=_LONGEST, seed=0)
    claims = [
        Claim("planted delay of 3 s: distance of the lag found, s", abs(planted.lag - 3), 0.2, "<="),
        claim_value("unrelated made-up series: share with p < .05", by_chance, "<=", 0.05),
    ]
    return Table("How the valence of listeners follows each stream", (share, lag, strength), rows), claims


def _slow(rng: np.random.Generator, count: int) -> Floats:
    """Noise that remembers nine tenths of itself."""
    noise = rng.normal(size=count)
    for i in range(1, count):
        noise[i] += 0.9 * noise[i - 1]
    return np.asarray(noise)


def _interval(row: Row) -> Interval:
    value = row.values[_STORY_CCC]
    assert isinstance(value, Interval)
    return value
