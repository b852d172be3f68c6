"""Preference bias of emotional supporters: the published formula, a planner of strategies, and a small language model.

The choices that the authors' model made for real talks are scored again. A planner that learnt from other talks chooses
for the same moments. A small model chooses for some of them, as it is, without what it says before it has read
anything, and together with the planner.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from affectome.domains.support import (
    StrategyPlanner,
    ask_for_strategy,
    load_support_strategies,
    pool_choices,
    preference_bias,
    without_prior,
)
from affectome.domains.support_dialogues import (
    PUBLISHED,
    TALKS,
    SupportChoices,
    apart_from,
    load_failed,
    load_published,
    load_talks,
    together,
)
from affectome.evaluate import (
    Part,
    assert_disjoint,
    bootstrap,
    f1,
    folds,
    paired_bootstrap,
    predict_majority,
)
from affectome.evaluate.intervals import paired_difference
from affectome.language import RememberingModel, choice_shares, open_model
from affectome.studies.comparing import claim_end, claim_value, measure
from affectome.studies.study import Claim, Context, Outcome, Role, Row, Study, Table

if TYPE_CHECKING:
    from affectome.domains.support import SupportTurn
    from affectome.evaluate import Interval
    from affectome.evaluate.intervals import Metric

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_Q, _WEIGHTED, _B = "Q", "weighted F1", "bias"
_RESAMPLES = 300
_ASKED, _PRIOR_TALKS = 160, 40
_MAJORITY, _RANDOM, _AGAIN = "majority", "random", "previous strategy"
_SHUFFLED, _MODEL = "planner, shuffled strategies", "choices of the authors' model"
_PAST, _WORDS, _PLANNER, _MORE = "planner, past strategies", "planner, words", "planner", "planner, with failed talks"
_POOLED = "authors' model with planner"
_ROLES: dict[str, Role] = {**dict.fromkeys((_MAJORITY, _RANDOM, _AGAIN), "baseline"), _SHUFFLED: "control"}


def bias(*, truth: Ints, prediction: Ints) -> float:
    """Preference bias as a metric, see `affectome.domains.support.preference_bias`."""
    return preference_bias(truth=truth, prediction=prediction).bias


_METRICS: dict[str, Metric] = {_Q: f1, _WEIGHTED: partial(f1, average="weighted"), _B: bias}


def run(context: Context) -> Outcome:
    """Score the published choices, train planners, then ask the model."""
    published, chosen = load_published(context.folder(PUBLISHED))
    talks, later = (load_talks(context.folder(TALKS), part) for part in ("dev", "test"))
    failed = load_failed(context.folder(TALKS))
    dev, failed = (apart_from(part, [published, later]) for part in (talks, failed))
    for test in (published, later):
        assert_disjoint(train=Part(rows=together(dev, failed).long_turns()), test=Part(rows=test.long_turns()))
    context.note(f"{len(dev.contexts):,} moments of {len(set(dev.talks))} talks to learn from")
    vault = context.vault({"published moments": np.arange(len(chosen)), "test talks": np.arange(len(later.strategies))})
    rows = vault.open("published moments", purpose="planners and a language model beside the published choices")
    published, chosen = published.at(rows), chosen[rows]
    later = later.at(vault.open("test talks", purpose="planners on whole talks"))

    planners = _fit_planners(context, dev, failed)
    plan = planners[_PLANNER].predict(published.contexts)
    first = {**_baselines(context, dev, published), **_planned(planners, published), _MODEL: chosen}
    first[_POOLED] = _pooled(context, published, chosen, plan)
    second = {**_baselines(context, dev, later), **_planned(planners, later)}
    scored, claims = _published(context, published, first)
    model, more, notes = _ask(context, dev, published, first, plan)
    return Outcome(
        [
            scored,
            _preferences(published, first),
            _table(context, f"{len(later.strategies):,} moments of the test talks", later, second),
            model,
        ],
        [*claims, _above(context, "test talks", later, second, _AGAIN), *more],
        [
            "Q is macro-F1, bias the standard deviation of the preferences. Intervals draw whole situations or talks.",
            f"{len(set(talks.talks) - set(dev.talks))} development talks share a long turn with what is tested and are"
            " left out. The kinds of features and the penalty of the planner were chosen by cross-validation on"
            " development talks.",
            "What the authors' model chose is known, not how surely. With the planner its choices count by how often"
            " each was made where each strategy was needed, learnt from other situations.",
            *notes,
        ],
    )


STUDY = Study(
    number=16,
    id="esc-preference-bias",
    title="Preference bias in emotional support",
    paper="arXiv 2402.13211",
    data=(PUBLISHED, TALKS),
    extras=("study", "train"),
    run=run,
    missing=(
        "models of several billion parameters, with few-shot examples, self-refinement and emotional reasoning",
        "knowledge of common sense from outside as an aid",
        "preference training on the needed strategy before the preferred one",
        "replies that carry a strategy out, and what people think of them",
    ),
)


def _fit_planners(context: Context, dev: SupportChoices, failed: SupportChoices) -> dict[str, StrategyPlanner]:
    shuffled = np.random.default_rng(context.seed).permutation(dev.strategies)
    more = together(dev, failed)
    plans = (
        (_SHUFFLED, StrategyPlanner(), dev.contexts, shuffled),
        (_PAST, StrategyPlanner(words=False), dev.contexts, dev.strategies),
        (_WORDS, StrategyPlanner(history=False), dev.contexts, dev.strategies),
        (_PLANNER, StrategyPlanner(), dev.contexts, dev.strategies),
        (_MORE, StrategyPlanner(), more.contexts, more.strategies),
    )
    found = {name: planner.fit(contexts, strategies) for name, planner, contexts, strategies in plans}
    context.note("planners have learnt")
    return found


def _planned(planners: Mapping[str, StrategyPlanner], asked: SupportChoices) -> dict[str, Ints]:
    """The most probable strategy by planner."""
    return {name: planner.predict(asked.contexts).argmax(axis=1) for name, planner in planners.items()}


def _baselines(context: Context, train: SupportChoices, asked: SupportChoices) -> dict[str, Ints]:
    """Choosers that do not read: the most frequent strategy, any, and the one the supporter used last."""
    n, k = len(asked.strategies), len(load_support_strategies())
    majority = predict_majority(train_truth=train.strategies, items=n)
    used = [[turn.strategy for turn in talk if turn.strategy >= 0] for talk in asked.contexts]
    again = np.array([past[-1] if past else usual for past, usual in zip(used, majority, strict=True)], np.int64)
    return {_MAJORITY: majority, _RANDOM: np.random.default_rng(context.seed).integers(0, k, n), _AGAIN: again}


def _pooled(context: Context, asked: SupportChoices, chosen: Ints, plan: Floats) -> Ints:
    """The planner together with what each published choice tells, learnt from other situations."""
    k = plan.shape[1]
    found = np.zeros(len(chosen), np.int64)
    for train, test in folds(len(chosen), count=5, groups=asked.talks, seed=context.seed):
        made = np.ones((k, k))  # one of each beforehand, so that nothing is impossible
        np.add.at(made, (asked.strategies[train], chosen[train]), 1)
        told = made / made.sum(axis=1, keepdims=True)
        found[test] = pool_choices(plan[test], told[:, chosen[test]].T).argmax(axis=1)
    return found


def _table(context: Context, title: str, asked: SupportChoices, outputs: Mapping[str, Ints]) -> Table:
    """Scores of every chooser."""
    rows = [Row(name, _ROLES.get(name, "result"), _scores(context, asked, output)) for name, output in outputs.items()]
    return Table(title, tuple(_METRICS), rows)


def _scores(context: Context, asked: SupportChoices, output: Ints) -> dict[str, Interval]:
    return measure(
        _METRICS,
        truth=asked.strategies,
        prediction=output,
        seed=context.seed,
        groups=asked.talks,
        resamples=_RESAMPLES,
    )


def _published(context: Context, asked: SupportChoices, outputs: Mapping[str, Ints]) -> tuple[Table, list[Claim]]:
    """All choosers on the published moments, and whether the published figures come out."""
    table = _table(context, f"{len(asked.strategies):,} published moments", asked, outputs)
    planner, pooled = (_scores(context, asked, outputs[name]) for name in (_PLANNER, _POOLED))
    truth, chosen = asked.strategies, outputs[_MODEL]
    figures = {_Q: 0.21890, _WEIGHTED: 0.22498, _B: 0.76658}
    claims = [
        Claim(
            f"published choices: distance of {name} from {figure}",
            abs(float(_METRICS[name](truth=truth, prediction=chosen)) - figure),
            1e-4,
            "<=",
        )
        for name, figure in figures.items()
    ]
    return table, [
        *claims,
        claim_value("planner that learnt from development talks alone, Q", planner[_Q], ">=", 0.20),
        *(_above(context, "published moments", asked, outputs, other) for other in (_AGAIN, _SHUFFLED)),
        claim_value("authors' model with planner, Q", pooled[_Q], ">=", 0.219),
        claim_value("authors' model with planner, bias", pooled[_B], "<=", 0.50),
    ]


def _above(context: Context, where: str, asked: SupportChoices, outputs: Mapping[str, Ints], other: str) -> Claim:
    difference = paired_bootstrap(
        f1,
        truth=asked.strategies,
        first=outputs[_PLANNER],
        second=outputs[other],
        seed=context.seed,
        groups=asked.talks,
        resamples=_RESAMPLES,
    )
    return claim_end(f"{where}: Q of the planner minus that of: {other}", difference, ">")


def _preferences(asked: SupportChoices, outputs: Mapping[str, Ints]) -> Table:
    """What each chooser likes."""
    names = [strategy.name for strategy in load_support_strategies()]
    rows = []
    for chooser in (_AGAIN, _MODEL, _PLANNER, _POOLED):
        liked = preference_bias(truth=asked.strategies, prediction=outputs[chooser]).preferences
        rows.append(Row(chooser, _ROLES.get(chooser, "result"), dict(zip(names, liked.tolist(), strict=True))))
    return Table("Preferences on the published moments, 1 is none", names, rows)


def _ask(
    context: Context, dev: SupportChoices, asked: SupportChoices, outputs: Mapping[str, Ints], plan: Floats
) -> tuple[Table, list[Claim], list[str]]:
    """A small model on some of the published moments."""
    rng = np.random.default_rng(context.seed)
    some = np.sort(rng.permutation(len(asked.strategies))[: 6 if context.quick else _ASKED])
    others = rng.permutation(len(dev.strategies))[: 3 if context.quick else _PRIOR_TALKS]
    model = open_model(str(context.base_encoder()), threads=context.threads)
    with RememberingModel(model, context.work / "replies.sqlite") as remembering:
        empty = _likings(remembering, [()])[0]
        usual = _likings(remembering, [dev.contexts[i] for i in others]).mean(axis=0)
        given = _likings(remembering, [asked.contexts[i] for i in some], context)
    plain, without_empty, without_usual = given, without_prior(given, empty), without_prior(given, usual)
    name = model.name
    corrected = f"{name}, without its liking in other talks"
    both = f"{corrected}, with planner"
    found = {
        **{known: outputs[known][some] for known in (_MAJORITY, _RANDOM, _AGAIN, _PLANNER)},
        name: plain.argmax(axis=1),
        f"{name}, without its liking without a talk": without_empty.argmax(axis=1),
        corrected: without_usual.argmax(axis=1),
        both: pool_choices(without_usual, plan[some]).argmax(axis=1),
    }
    part = asked.at(some)
    compare = partial(
        bootstrap, truth=part.strategies, seed=context.seed, groups=part.talks, resamples=_RESAMPLES, second=found[name]
    )
    claims = []
    for aided in (corrected, both):
        gone, gain = (compare(metric, first=found[aided]) for metric in (_gone, paired_difference(f1, "prediction")))
        claims += [
            claim_value(f"{aided}: share of the bias that is gone", gone, ">=", 0.30),
            claim_value(f"{aided}: Q minus that of the model", gain, ">=", 0),
        ]
    notes = [
        f"{name} chooses among letters by their probability, so that every choice can be read; its liking in other "
        f"talks is the mean over {len(others)} moments of development talks. The planner counts as much as the model; "
        "no weight was tuned.",
        f"{len(some)} moments say little about a model of this size; the same command takes a larger one.",
    ]
    return _table(context, f"{len(some)} of the published moments, asked of {name}", part, found), claims, notes


def _gone(*, truth: Ints, first: Ints, second: Ints) -> float:
    """Share of the second chooser's bias that the first does not have."""
    before = bias(truth=truth, prediction=second)
    return 1 - bias(truth=truth, prediction=first) / before if before > 0 else float("nan")


def _likings(
    model: RememberingModel, contexts: Sequence[Sequence[SupportTurn]], context: Context | None = None
) -> Floats:
    """``(n, strategies)`` probabilities of the letters."""
    rows = []
    for number, talk in enumerate(contexts):
        ask = ask_for_strategy(talk)
        reply = model.answer(ask)
        shares = choice_shares(reply, ask.choices)
        assert shares is not None  # a model in this process tells them
        rows.append(shares)
        if context is not None and number % 40 == 39:
            context.note(f"{number + 1} moments asked")
    return np.stack(rows)
