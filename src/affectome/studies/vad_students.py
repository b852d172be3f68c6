"""Students of headlines: soft labels with feelings that conflict kept apart, and points turned into distributions.

Both stand in text for what the published system does with faces.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from affectome.affect import EmotionGaussians, label_entropy
from affectome.affect.gaussians import Dims
from affectome.evaluate import bootstrap, folds, hit_at_k, js, kl, near_duplicates, predict_mean
from affectome.studies.comparing import claim_difference, claim_value, divergences, measure
from affectome.studies.headlines import EMOTIONS, FOLDER, letters, load_headlines, load_points
from affectome.studies.study import Claim, Context, Role, Row, Table

if TYPE_CHECKING:
    from torch import Tensor

    from affectome.learn.heads import Head

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_LABELS = (*EMOTIONS, "none")
_TERMS = (*EMOTIONS, "neutral")  # the terms that stand for these labels
_FOLDS, _INNER = 5, 3
_CONSISTENCY = tuple(float(weight) for weight in 2.0 ** np.arange(-2, 7))
_ALLOWED = 1.01  # times the divergence of plain training, on inner folds, that consistency may cost
_ITERATIONS = 200
_STEPS, _MARGIN = 50, 0.05  # of moving a point toward its label
_METRICS = {"KL": kl, "JS": js}
_MEAN_SHARES, _MEAN_LABELS = "mean shares", "mean of majority labels"
_PLAIN, _CONSISTENT, _OTHER_PAIRS = "soft labels", "soft labels, consistent", "soft labels, consistent in other pairs"
_ONE_HOT, _SMOOTH, _POSTERIOR = "majority label", "majority label, smoothed evenly", "posterior of the point"
_OTHER_POINT = "posterior of another headline's point"
_ROLES: dict[str, Role] = {
    _MEAN_SHARES: "baseline",
    _MEAN_LABELS: "baseline",
    _OTHER_PAIRS: "control",
    _SMOOTH: "control",
    _OTHER_POINT: "control",
}


class PlacedHeadlines:
    """Headlines, what their raters felt, and where they lie in valence, arousal and dominance.

    Attributes:
        shares: ``(n, 7)`` shares of the raters' votes over `_LABELS`.
        points: ``(n, 3)`` rated valence, arousal and dominance in -1 to 1, NaN where a headline was not rated.
        features: ``(n, d)`` what the reader sees.
        clusters: ``(n,)`` near-duplicates.
        notes: What a reader of the results has to know.
    """

    def __init__(self, context: Context) -> None:
        from affectome.learn.features import AffectFeatures

        headlines = load_headlines(context.folder(FOLDER))
        rows = slice(200 if context.quick else None)
        texts = headlines.texts[rows]
        self.shares = headlines.shares()[rows]
        rated = load_points(context.folder("emobank"))
        self.points = np.array(
            [rated[key].point if (key := letters(text)) in rated else [np.nan] * 3 for text in texts]
        )
        self.features = AffectFeatures(threads=context.threads).transform(texts).astype(np.float64)
        self.clusters = near_duplicates(texts)
        found = int((~np.isnan(self.points).any(axis=1)).sum())
        self.notes = [
            f"{found} of {len(texts)} headlines have points, rated for EmoBank by other people; the others are left out"
            " of the comparison of posteriors.",
            "The reader's training has seen the points of many of these headlines. All students of a table get the same"
            " features, so their differences have no part in that, but the levels have.",
            "The weight of consistency is chosen on inner folds: the largest of"
            f" {_CONSISTENCY[0]:g} to {_CONSISTENCY[-1]:g} that keeps the divergence within {_ALLOWED - 1:.0%} of plain"
            " training.",
        ]

    def folds(self, rows: Ints, seed: int) -> list[tuple[Ints, Ints]]:
        """Training and test rows of each fold over some of the headlines."""
        cut = folds(len(rows), count=_FOLDS, groups=self.clusters[rows], seed=seed)
        return [(rows[fold.train], rows[fold.test]) for fold in cut]


def learn_consistency(
    context: Context, headlines: PlacedHeadlines, entries: dict[str, list[dict[str, Any]]]
) -> tuple[Table, list[Claim]]:
    """Students of the raters' shares with and without a price on joy and sadness at once."""
    from affectome.learn.heads import choose_strength

    apart, near = (_conflicts_of(entries[name]) for name in ("apart", "near"))
    held = headlines.folds(np.arange(len(headlines.shares)), context.seed)
    vault = context.vault({f"conflicts, fold {n + 1}": test for n, (_, test) in enumerate(held)})
    outputs = _empty(len(headlines.shares), (_MEAN_SHARES, _PLAIN, _OTHER_PAIRS, _CONSISTENT))
    for n, (train, _) in enumerate(held):
        x, y, groups = headlines.features[train], headlines.shares[train], headlines.clusters[train]
        strength = choose_strength(x, y, kind="choice", groups=groups, seed=context.seed)
        weight = _choose_weight(x, y, groups, strength, apart, context.seed)
        heads = {
            _PLAIN: _fit(x, y, strength),
            _CONSISTENT: _fit(x, y, strength, apart, weight),
            _OTHER_PAIRS: _fit(x, y, strength, near, weight),
        }
        test = vault.open(f"conflicts, fold {n + 1}", purpose="comparison of students")
        outputs[_MEAN_SHARES][test] = predict_mean(train_truth=y, items=len(test))
        for name, head in heads.items():
            outputs[name][test] = head.predict(headlines.features[test])
        context.note(f"conflicts, fold {n + 1} of {_FOLDS}: weight {weight:g}")
    seed = context.seed
    scored = partial(measure, _METRICS, truth=headlines.shares, seed=seed, groups=headlines.clusters)
    joy, sadness = _LABELS.index("joy"), _LABELS.index("sadness")
    joint = {name: output[:, joy] * output[:, sadness] for name, output in outputs.items()}
    rows = [
        Row(
            name,
            _ROLES.get(name, "result"),
            scored(probability=output)
            | {"joy × sadness": bootstrap(_mean, seed=seed, groups=headlines.clusters, values=joint[name])},
        )
        for name, output in outputs.items()
    ]
    ratio = partial(bootstrap, ratio_of_means, seed=seed, groups=headlines.clusters)
    left = ratio(part=joint[_CONSISTENT], whole=joint[_PLAIN])
    cost = {name: divergences(headlines.shares, outputs[name]) for name in (_CONSISTENT, _PLAIN)}
    price = ratio(part=cost[_CONSISTENT], whole=cost[_PLAIN])
    claims = [
        claim_value("consistency: joy × sadness, as a share of that of plain training", left, "<=", 0.5),
        Claim(
            "consistency: KL beyond that of plain training, as a share of it", abs(price.value - 1), 0.02, "<=", price
        ),
    ]
    title = f"SemEval-2007 held out, consistency of conflicting feelings: {len(headlines.shares):,} headlines"
    return Table(title, (*_METRICS, "joy × sadness"), rows), claims


def _choose_weight(
    features: Floats, shares: Floats, groups: Ints, strength: float, conflicts: Tensor, seed: int
) -> float:
    """The largest weight of consistency that costs hardly any divergence on inner folds; 0 if none does."""
    inner = folds(len(shares), count=_INNER, groups=groups, seed=seed)

    def divergence(weight: float) -> float:
        parts = [
            divergences(
                shares[held], _fit(features[train], shares[train], strength, conflicts, weight).predict(features[held])
            )
            for train, held in inner
        ]
        return float(np.concatenate(parts).mean())

    plain, chosen = divergence(0.0), 0.0
    for weight in _CONSISTENCY:
        if divergence(weight) > _ALLOWED * plain:
            break
        chosen = weight
    return chosen


def _fit(
    features: Floats, shares: Floats, strength: float, conflicts: Tensor | None = None, weight: float = 0.0
) -> Head:
    """A head of soft labels, carried on with the price on pairs of feelings if there is one."""
    import torch

    from affectome.learn.heads import fit_head
    from affectome.learn.objectives import conflict_consistency, soft_cross_entropy

    start = fit_head(features, shares, kind="choice", strength=strength)
    if conflicts is None or not weight:
        return start
    x = torch.tensor((features - start.mean) / start.scale, dtype=torch.float32)
    y = torch.tensor(shares, dtype=torch.float32)
    matrix, bias = (torch.tensor(values, requires_grad=True) for values in (start.matrix, start.bias))
    descent = torch.optim.LBFGS([matrix, bias], max_iter=_ITERATIONS, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        descent.zero_grad()
        scores = x @ matrix + bias
        conflict = conflict_consistency(torch.softmax(scores, dim=1), conflicts)
        found = soft_cross_entropy(scores, y) + weight * conflict + strength / 2 * (matrix**2).sum()
        found.backward()  # type: ignore[no-untyped-call]
        return found

    descent.step(loss)  # type: ignore[no-untyped-call]
    return replace(start, matrix=matrix.detach().numpy(), bias=bias.detach().numpy())


def _conflicts_of(entries: list[dict[str, Any]]) -> Tensor:
    """Weights of pairs of labels."""
    from affectome.learn.objectives import conflict_weights

    return conflict_weights(_LABELS, {tuple(entry["feelings"]): entry["weight"] for entry in entries})


def learn_posteriors(context: Context, headlines: PlacedHeadlines, own: EmotionGaussians) -> tuple[Table, list[Claim]]:
    """Students of one label a headline, as it is, smoothed, and as the posterior of the rated point."""
    from affectome.learn.heads import fit_head

    terms = _select(own, _TERMS)
    rows = np.flatnonzero(~np.isnan(headlines.points).any(axis=1))
    label = headlines.shares.argmax(axis=1)
    hard = np.eye(len(_LABELS))[label]
    other = headlines.points.copy()
    other[rows] = np.random.default_rng(context.seed).permutation(headlines.points[rows])
    lessons = {_ONE_HOT: hard, _SMOOTH: hard.copy(), _OTHER_POINT: hard.copy(), _POSTERIOR: hard.copy()}
    for name, points in ((_POSTERIOR, headlines.points), (_OTHER_POINT, other)):
        lessons[name][rows] = posterior_for_label(terms, points[rows], label[rows])
    lessons[_SMOOTH] = smoothed_evenly(hard, float(label_entropy(lessons[_POSTERIOR][rows], exclusive=True).mean()))
    held = headlines.folds(rows, context.seed)
    vault = context.vault({f"posteriors, fold {n + 1}": test for n, (_, test) in enumerate(held)})
    outputs = _empty(len(headlines.shares), (_MEAN_LABELS, *lessons))
    for n, (train, _) in enumerate(held):
        groups = headlines.clusters[train]
        heads = {
            name: fit_head(headlines.features[train], lesson[train], kind="choice", groups=groups, seed=context.seed)
            for name, lesson in lessons.items()
        }
        test = vault.open(f"posteriors, fold {n + 1}", purpose="comparison of students")
        outputs[_MEAN_LABELS][test] = predict_mean(train_truth=hard[train], items=len(test))
        for name, head in heads.items():
            outputs[name][test] = head.predict(headlines.features[test])
        context.note(f"posteriors, fold {n + 1} of {_FOLDS}")
    truth, clusters = headlines.shares[rows], headlines.clusters[rows]
    scored = partial(measure, seed=context.seed, groups=clusters)
    table = [
        Row(
            name,
            _ROLES.get(name, "result"),
            scored(_METRICS, truth=truth, probability=output[rows])
            | scored({"2-best": partial(hit_at_k, k=2)}, truth=label[rows], probability=output[rows]),
        )
        for name, output in outputs.items()
    ]
    claim = claim_difference(
        "student of posteriors minus student of majority labels, KL from the raters' shares",
        kl,
        truth=truth,
        first=outputs[_POSTERIOR][rows],
        second=outputs[_ONE_HOT][rows],
        comparison="<",
        seed=context.seed,
        groups=clusters,
    )
    title = f"SemEval-2007 held out, one label and one point a headline: {len(rows):,} headlines"
    return Table(title, (*_METRICS, "2-best"), table), [claim]


def posterior_for_label(terms: EmotionGaussians, points: Floats, labels: Ints, dims: Dims = "VAD") -> Floats:
    """Posteriors of points that agree with their labels.

    A point moves straight toward the mean of its label, in 50 steps, until the label is the most probable term by a
    margin of .05; if it never is, the posterior at the mean is taken.

    Args:
        terms: ``k`` terms.
        points: ``(n, d)``.
        labels: ``(n,)`` positions of terms.
        dims: ``"VA"`` or ``"VAD"``.

    Returns:
        ``(n, k)``, rows sum to 1.

    Source: the relabelling of arXiv 2602.06778.
    """
    way = np.linspace(0, 1, _STEPS + 1)[None, :, None]
    path = points[:, None] + way * (terms.mean[labels, : len(dims)] - points)[:, None]
    posterior = terms.posterior(path.reshape(-1, len(dims)), dims=dims).reshape(len(points), _STEPS + 1, -1)
    own = np.take_along_axis(posterior, labels[:, None, None], axis=2)[..., 0]
    others = posterior.copy()
    np.put_along_axis(others, labels[:, None, None], -np.inf, axis=2)
    agrees = own >= others.max(axis=2) + _MARGIN
    agrees[:, -1] = True
    return np.asarray(posterior[np.arange(len(points)), agrees.argmax(axis=1)])


def smoothed_evenly(hard: Floats, entropy: float) -> Floats:
    """One-hot rows, each mixed with the uniform distribution until they have this entropy in nats."""
    from scipy.optimize import brentq

    even = np.full(hard.shape[1], 1 / hard.shape[1])

    def missed(share: float) -> float:
        return float(label_entropy((1 - share) * hard[0] + share * even, exclusive=True)) - entropy

    share = brentq(missed, 0, 1)
    return np.asarray((1 - share) * hard + share * even)


def _select(terms: EmotionGaussians, names: tuple[str, ...]) -> EmotionGaussians:
    rows = [terms.terms.index(name) for name in names]
    return EmotionGaussians(names, terms.mean[rows], terms.sd[rows], terms.correlation[rows])


def _empty(n: int, names: tuple[str, ...]) -> dict[str, Floats]:
    return {name: np.full((n, len(_LABELS)), np.nan) for name in names}


def _mean(*, values: Floats) -> float:
    return float(values.mean())


def ratio_of_means(*, part: Floats, whole: Floats) -> float:
    """A metric: the mean of some values as a share of the mean of others, both ``(n,)``."""
    return float(part.mean() / whole.mean())
