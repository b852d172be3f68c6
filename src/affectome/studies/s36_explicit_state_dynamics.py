"""A mood outside the model: how states of three orders move, and whether a real model's replies follow them.

The first table is the scripted simulation whose figures are known. In the second a small language model answers a
customer through 25 turns: without memory of moods, with states of the first and second order, and with the states of
the first order in a wrong order of turns, which is the control. The customer's words alone move the states, so that
every condition has the same states in every run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affectome.dynamics import AffectState, StateDynamics, Trajectory, describe_trajectory, follow
from affectome.evaluate import Interval, bootstrap, pearson, permutation_test
from affectome.studies.study import Claim, Context, Outcome, Role, Row, Study, Table, Value

if TYPE_CHECKING:
    from affectome.dynamics.state import Axes
    from affectome.language import ChatModel

Floats = NDArray[np.float64]

_SIMULATED = np.repeat([0.0, -0.8, 0.6, 0.1], [5, 8, 7, 5])
_REPAIR = 14  # first turn of the third part, in the simulation and in the script
_SEEDS = 5
_TOKENS, _MEMORY, _TEMPERATURE = 24, 1, 0.7
_PERMUTATIONS = 2000

_NADIR, _RECOVERY, _AREA, _STEP, _CLIPS = "nadir turn", "recovery", "loop area", "largest step", "clipped"
_FOLLOWS, _BY_WORDS, _GIVEN_SIGNAL = "r with the mood", "r by a word list", "r beyond what was heard"
_STATELESS, _SHUFFLED, _FIRST, _SECOND = "stateless", "first order, moods shuffled", "first order", "second order"


class _Known(NamedTuple):
    """A condition of the simulation and its known figures as printed: nadir turn, recovery, loop area, largest step."""

    name: str
    dynamics: StateDynamics
    figures: str


def _known() -> list[_Known]:
    momentum = {
        0.3: "13 3 1.067 0.30",
        0.5: "12 3 1.255 0.38",
        0.7: "11 3 1.481 0.49",
        0.8: "10 3 1.549 0.56",
        0.9: "9 3 1.641 0.62",
    }
    damped = {
        0.0: "13 2 0.71 0.70",
        0.5: "11 3 1.17 0.46",
        0.7: "13 3 1.65 0.41",
        0.8: "13 5 1.78 0.35",
        0.9: "14 7 1.36 0.25",
        0.95: "16 11 0.67 0.12",
    }
    return [
        _Known("stateless", StateDynamics(0), "6 1 0.000 1.40"),
        _Known("first order", StateDynamics(1), "13 4 0.855 0.253"),
        *(_Known(f"momentum form, {m}", StateDynamics(2, momentum=m), figures) for m, figures in momentum.items()),
        *(
            _Known(f"damped form, {m}", StateDynamics(2, 0.5, momentum=m, form="damped"), figures)
            for m, figures in damped.items()
        ),
    ]


@dataclass(frozen=True, eq=False)
class _Conversation:
    """What one agent went through.

    Attributes:
        signals: ``(n,)`` valence of what was said to it.
        moods: ``(n,)`` valence of its state.
        replies: What it said.
    """

    signals: Floats
    moods: Floats
    replies: list[str]


def run(context: Context) -> Outcome:
    """Simulate, then let a model talk."""
    simulated, claims = _simulate()
    from affectome.api import axes_estimator
    from affectome.language import RememberingModel, open_model
    from affectome.models import default_model
    from affectome.perceive import TextReader

    model = open_model(str(context.base_encoder()), threads=context.threads)
    estimate = axes_estimator(TextReader(default_model("text-affect"), threads=context.threads))
    with RememberingModel(model, context.work / "replies.sqlite") as remembering:
        talks = _talk(context, remembering, estimate)
    table, followed, notes = _compare(context, talks, lambda text: estimate(text)[0])
    return Outcome(
        [simulated, table],
        [*claims, *followed],
        [
            f"The model is {model.name}; a reply has at most {_TOKENS} tokens at temperature {_TEMPERATURE}, and the "
            f"model sees {_MEMORY} turn before the present one.",
            "States are moved by the customer's words alone, read by the package's text reader without memory; replies "
            "are read by the same reader and, as a second opinion, by the word list of VADER.",
            "One figure of the simulation is printed otherwise: the largest step of the momentum form with "
            "0.7 is .4846 here and .49 there.",
            "The second order is the momentum form with 0.5; clip counts stand in the first table.",
            *notes,
        ],
    )


STUDY = Study(
    number=36,
    id="explicit-state-dynamics",
    title="Explicit state dynamics",
    paper="arXiv 2601.16087",
    data=(),
    extras=("train", "study"),
    run=run,
    missing=("models of several billion parameters", "states that the agent's own replies move, on a real model"),
)


def _simulate() -> tuple[Table, list[Claim]]:
    rows, areas, apart = [], [], []
    for name, dynamics, figures in _known():
        found, clipped = _followed(dynamics)
        own = (found.nadir_turn, found.recovery, found.loop_area, found.abruptness)
        values: dict[str, Value] = dict(zip((_NADIR, _RECOVERY, _AREA, _STEP), own, strict=True))
        rows.append(Row(name, "result" if dynamics.order else "baseline", values | {_CLIPS: clipped}))
        for value, printed in zip(own, figures.split(), strict=True):
            apart.append(abs(value - float(printed)) * 10 ** len(printed.partition(".")[2]))
        if dynamics.order == 2 and dynamics.form == "momentum":
            areas.append(found.loop_area)
    signals = np.random.default_rng(0).uniform(-1, 1, (200, 3))
    first, second = (follow(StateDynamics(order, 0.3), signals) for order in (1, 2))
    half = follow(StateDynamics(2, momentum=0.6), signals[:100]).last
    on = follow(AffectState.from_json(half.to_json()), signals[100:]).last
    whole = follow(StateDynamics(2, momentum=0.6), signals).last
    claims = [
        Claim("simulation: largest distance from a figure as printed, in its last digit", max(apart), 1.0, "<"),
        Claim("simulation: smallest rise of the loop area with the momentum", min(np.diff(areas)), 0.0, ">"),
        Claim("simulation: loop area without a state", _followed(StateDynamics(0))[0].loop_area, 1e-12, "<="),
        Claim(
            "second order without momentum: distance from the first",
            float(np.abs(first.positions - second.positions).max()),
            1e-12,
            "<=",
        ),
        Claim(
            "saved in the middle: distance from the state that went on",
            float(np.abs(np.subtract(on.position, whole.position)).max()),
            0.0,
            "<=",
        ),
    ]
    return Table("Scripted valence of 25 turns", (_NADIR, _RECOVERY, _AREA, _STEP, _CLIPS), rows), claims


def _followed(dynamics: StateDynamics) -> tuple[Trajectory, int]:
    signals = np.zeros((len(_SIMULATED), 3))
    signals[:, 0] = _SIMULATED
    trace = follow(dynamics, signals)
    return describe_trajectory(_SIMULATED, trace.positions[:, 0], repair=_REPAIR), trace.last.clipped


def _talk(context: Context, model: ChatModel, estimate: Callable[[str], Axes]) -> dict[str, list[_Conversation]]:
    """Every condition with every seed; the control is shown the moods of the first order in another order of turns."""
    from affectome.language import MoodAgent, shop_talk

    conditions = {
        _STATELESS: StateDynamics(0),
        _SHUFFLED: StateDynamics(1),
        _FIRST: StateDynamics(1),
        _SECOND: StateDynamics(2, momentum=0.5),
    }
    persona, lines = shop_talk()
    talks: dict[str, list[_Conversation]] = {}
    for seed in range(2 if context.quick else _SEEDS):
        for name, dynamics in conditions.items():
            agent = MoodAgent(
                model,
                AffectState.start(dynamics),
                estimate,
                persona=persona,
                listens_to="user",
                memory=_MEMORY,
                max_tokens=_TOKENS,
                temperature=_TEMPERATURE,
                seed=1000 * (context.seed + seed),
            )
            moods = follow(dynamics, [estimate(line) for line in lines]).positions
            order = np.random.default_rng((context.seed, seed)).permutation(len(lines))
            for number, line in enumerate(lines):
                valence, arousal, dominance = moods[order[number]].tolist()
                agent.respond(line, shown=(valence, arousal, dominance) if name == _SHUFFLED else None)
            talks.setdefault(name, []).append(
                _Conversation(
                    np.array([turn.signal[0] for turn in agent.turns]),
                    np.array([turn.state.position[0] for turn in agent.turns]),
                    [turn.reply for turn in agent.turns],
                )
            )
            context.note(f"seed {seed + 1}: {name}")
    return talks


def _compare(
    context: Context, talks: dict[str, list[_Conversation]], valence: Callable[[str], float]
) -> tuple[Table, list[Claim], list[str]]:
    """How the valence of replies goes with the mood of the same turn."""
    by_words = _word_list()
    read = {name: _read(each, valence) for name, each in talks.items()}
    listed = {name: _read(each, by_words) for name, each in talks.items()}
    moods = {name: np.concatenate([talk.moods for talk in each]) for name, each in talks.items()}
    heard = {name: np.concatenate([talk.signals for talk in each]) for name, each in talks.items()}
    turns = len(talks[_FIRST][0].replies)
    roles: dict[str, Role] = {_STATELESS: "baseline", _SHUFFLED: "control"}
    rows = []
    for name in talks:
        # Replies to one line are not independent of each other, so lines are drawn whole.
        line = np.tile(np.arange(turns), len(talks[name]))
        values = {
            _FOLLOWS: _correlation(context, moods[name], read[name], line),
            _BY_WORDS: _correlation(context, moods[name], listed[name], line),
        }
        if name != _STATELESS:  # whose mood is what was heard
            values[_GIVEN_SIGNAL] = bootstrap(
                _beyond, seed=context.seed, groups=line, heard=heard[name], truth=moods[name], prediction=read[name]
            )
        rows.append(Row(name, roles.get(name, "result"), values))
    claims = []
    for opinion, replies in (("", read), (", by a word list", listed)):
        test = permutation_test(
            pearson,
            truth=moods[_FIRST],
            first=replies[_FIRST],
            second=replies[_SHUFFLED],
            seed=context.seed,
            permutations=_PERMUTATIONS,
        )
        claims += [
            Claim(f"first order minus shuffled moods, r of reply and mood{opinion}", test.difference, 0.0, ">"),
            Claim(f"the same: p of a permutation test{opinion}", test.p_value, 0.05, "<"),
        ]
    title = f"Valence of {turns * len(talks[_FIRST])} replies a condition beside the mood of their turn"
    samples = [
        f"Turn {turn}, {name}: mood {talks[name][0].moods[turn - 1]:+.2f}, reply “{talks[name][0].replies[turn - 1]}”"
        for turn in (13, 20)
        for name in (_STATELESS, _FIRST)
    ]
    empty = sum(not reply.strip() for each in talks.values() for talk in each for reply in talk.replies)
    return Table(title, (_FOLLOWS, _BY_WORDS, _GIVEN_SIGNAL), rows), claims, [f"{empty} replies are empty.", *samples]


def _word_list() -> Callable[[str], float]:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    analyser = SentimentIntensityAnalyzer()
    return lambda text: float(analyser.polarity_scores(text)["compound"])


def _read(talks: Sequence[_Conversation], valence: Callable[[str], float]) -> Floats:
    return np.array([valence(reply) for talk in talks for reply in talk.replies])


def _correlation(context: Context, moods: Floats, replies: Floats, line: NDArray[np.int64]) -> Interval:
    return bootstrap(pearson, seed=context.seed, groups=line, truth=moods, prediction=replies)


def _beyond(*, heard: ArrayLike, truth: ArrayLike, prediction: ArrayLike) -> float:
    """Partial correlation of mood and reply, what was heard held fixed."""
    given = np.column_stack([np.ones(len(np.asarray(heard))), np.asarray(heard)])
    left = [values - given @ np.linalg.lstsq(given, values)[0] for values in map(np.asarray, (truth, prediction))]
    return float(pearson(truth=left[0], prediction=left[1]))
