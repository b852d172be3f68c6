"""Students of votes: alike but for learning raters' shares or their majority, compared on items they did not see."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from affectome.evaluate import accuracy, brier, folds, hit_at_k, js, kl, predict_mean
from affectome.evaluate.intervals import Metric
from affectome.studies.comparing import claim_difference, measure
from affectome.studies.study import Claim, Context, Role, Row, Table

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Features = Callable[[Ints], Floats]
"""Features of all items, fitted on the rows that are given."""

SEEDS, FOLDS = 5, 3
SHARES, MAJORITY, SHUFFLED = "shares", "majority labels", "shuffled shares"
_SHARE_METRICS: dict[str, Metric] = {"KL": kl, "JS": js, "Brier": brier}
_LABEL_METRICS: dict[str, Metric] = {
    "accuracy": accuracy,
    "2-best": partial(hit_at_k, k=2),
    "3-best": partial(hit_at_k, k=3),
}
_BASELINES = ("mean shares", "mean of majority labels")  # of what is taught as shares, and as majority


@dataclass(frozen=True, eq=False)
class VoteTarget:
    """What raters say of items.

    Attributes:
        title: Which votes they are.
        shares: ``(n, k)`` share of the votes of each label.
        majority: ``(n, k)`` one-hot, with equal weights where the highest share is shared.
    """

    title: str
    shares: Floats
    majority: Floats

    @property
    def labels(self) -> Ints:
        """``(n,)`` position of the majority label, -1 where there are several."""
        return np.where(self.majority.max(axis=1) == 1, self.majority.argmax(axis=1), -1)

    def at(self, rows: Ints) -> VoteTarget:
        """The target of some items."""
        return VoteTarget(self.title, self.shares[rows], self.majority[rows])


@dataclass(frozen=True, eq=False)
class HeldOut:
    """What was predicted for held-out items, one seed after the other.

    Attributes:
        target: What the raters say of them.
        sources: Names of the features, the first one with the control of shuffled shares.
        items: ``(m,)`` number of the item.
        seed: ``(m,)`` seed.
        groups: ``(m,)`` group of the item, drawn whole for intervals.
        outputs: ``(m, k)`` shares by predictor.
    """

    target: VoteTarget
    sources: tuple[str, ...]
    items: Ints
    seed: Ints
    groups: Ints
    outputs: dict[str, Floats]


def hold_out(context: Context, target: VoteTarget, sources: Mapping[str, Features], groups: Ints) -> HeldOut:
    """Predictions for every item under every seed, by students that saw no item of its group.

    The penalty of each student is chosen by cross-validation on what it learns from.

    Args:
        context: Of the study.
        target: What the students learn, ``n`` items.
        sources: Features by name.
        groups: ``(n,)`` near-duplicates or speakers.
    """
    from affectome.learn.heads import fit_head

    seeds = range(context.seed, context.seed + (1 if context.quick else SEEDS))
    plan = {
        f"{target.title}: seed {seed}, fold {n + 1} of {FOLDS}": (seed, fold)
        for seed in seeds
        for n, fold in enumerate(folds(len(groups), count=FOLDS, groups=groups, seed=seed))
    }
    vault = context.vault({name: fold.test for name, (_, fold) in plan.items()})
    items, owner, outputs = [], [], defaultdict[str, list[Floats]](list)
    for name, (seed, (train, _)) in plan.items():
        test = vault.open(name, purpose="comparison of students")
        lessons = {SHARES: target.shares[train], MAJORITY: target.majority[train]}
        for baseline, lesson in zip(_BASELINES, lessons.values(), strict=True):
            outputs[baseline].append(predict_mean(train_truth=lesson, items=len(test)))
        for number, (source, features_of) in enumerate(sources.items()):
            features = features_of(train)
            control = {} if number else {SHUFFLED: np.random.default_rng(seed).permutation(lessons[SHARES])}
            for lesson, targets in (lessons | control).items():
                head = fit_head(features[train], targets, kind="choice", groups=groups[train], seed=seed)
                outputs[f"{source}, {lesson}"].append(head.predict(features[test]))
        items.append(test)
        owner.append(np.full(len(test), seed))
        context.note(name)
    together = {name: np.concatenate(parts) for name, parts in outputs.items()}
    order = np.concatenate(items)
    return HeldOut(target, tuple(sources), order, np.concatenate(owner), groups[order], together)


def students_table(context: Context, held: HeldOut, title: str) -> Table:
    """Divergences from the shares, and hits of the majority label, of every student.

    Args:
        context: Of the study.
        held: What they predicted.
        title: Of the set and the items; the votes and the number of seeds are added.
    """
    truth, label = held.target.shares[held.items], held.target.labels[held.items]
    score = partial(measure, seed=context.seed, groups=held.groups)
    roles: dict[str, Role] = dict.fromkeys(_BASELINES, "baseline")
    roles[f"{held.sources[0]}, {SHUFFLED}"] = "control"
    rows = []
    for name in (*roles, *(name for name in held.outputs if name not in roles)):
        output = held.outputs[name]
        values = score(_SHARE_METRICS, truth=truth, probability=output)
        values |= score(_LABEL_METRICS, truth=label, prediction=output.argmax(axis=1), probability=output)
        rows.append(Row(name, roles.get(name, "result"), values))
    whole = f"{title}, {len(np.unique(held.seed))} seeds"
    return Table(whole, (*_SHARE_METRICS, *_LABEL_METRICS), rows)


def students_claims(context: Context, held: HeldOut) -> list[Claim]:
    """That students of shares are closer to the shares, no worse at the majority, and learn more than noise."""
    title, first_source = held.target.title, held.sources[0]
    truth, label = held.target.shares[held.items], held.target.labels[held.items]
    compare = partial(claim_difference, seed=context.seed, groups=held.groups)
    claims = []
    for source in held.sources:
        soft, hard = held.outputs[f"{source}, {SHARES}"], held.outputs[f"{source}, {MAJORITY}"]
        pair = f"{title}, {source}: student of shares minus student of majority labels"
        claims.append(compare(f"{pair}, KL", kl, truth=truth, first=soft, second=hard, comparison="<"))
        by_seed = [
            float(kl(truth=truth[own], probability=soft[own])) - float(kl(truth=truth[own], probability=hard[own]))
            for own in (held.seed == seed for seed in np.unique(held.seed))
        ]
        claims.append(Claim(f"{pair}, KL under the worst of {len(by_seed)} seeds", max(by_seed), 0.0, "<"))
        first, second = soft.argmax(axis=1), hard.argmax(axis=1)
        answers = partial(compare, truth=label, first=first, second=second, comparison=">=")
        claims.append(answers(f"{pair}, accuracy", accuracy, threshold=-0.01, by="value"))
    soft = held.outputs[f"{first_source}, {SHARES}"]
    one, three = (float(hit_at_k(truth=label, probability=soft, k=k)) for k in (1, 3))
    claims.append(Claim(f"{title}, {first_source}: 3-best minus 1-best", three - one, 0.15, ">="))
    text = f"{title}, {first_source}: student of shuffled shares minus student of shares, KL"
    shuffled = held.outputs[f"{first_source}, {SHUFFLED}"]
    claims.append(compare(text, kl, truth=truth, first=shuffled, second=soft, comparison=">"))
    return claims
