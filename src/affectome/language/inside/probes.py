"""Probes: is the emotion of a text in a layer, or did the probe learn it by itself?

A probe is a small classifier on the vectors of one layer of a frozen model. Beside each stands the same probe fitted to
shuffled labels (J. Hewitt and P. Liang, Designing and Interpreting Probes with Control Tasks, 2019): what it scores
less is the probe's selectivity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from affectome.errors import MissingExtraError, UsageError
from affectome.evaluate import SeedScores, accuracy, f1, over_seeds

if TYPE_CHECKING:
    import torch

Cells = NDArray[np.float32]
Ints = NDArray[np.int64]
Kind = Literal["linear", "mlp"]

_STRENGTHS = (0.001, 0.01, 0.1)  # inverse penalties of the linear probe
_HIDDEN, _DROPOUT, _EPOCHS, _BATCH = 256, 0.1, 40, 64
_SHARE = 0.8  # of the training rows that a seed draws


@dataclass(frozen=True, eq=False)
class ProbeRows:
    """Which rows a probe learns from, is chosen by and is measured on.

    Attributes:
        train: Row numbers.
        dev: Row numbers.
        test: Row numbers.
    """

    train: Ints
    dev: Ints
    test: Ints


class Probe:
    """A classifier on vectors that are first scaled by the mean and spread of its training rows.

    Linear probes are logistic regressions, whose penalty is chosen by the loss on the dev rows; MLP probes have one
    hidden layer of 256, dropout of 0.1, and are kept as they were after the epoch of 40 with the lowest dev loss.

    Args:
        kind: ``"linear"`` or ``"mlp"``.
        seed: Seed of all draws.

    Raises:
        UsageError: The kind is not known.
    """

    def __init__(self, kind: Kind = "linear", seed: int = 0) -> None:
        if kind not in get_args(Kind):
            raise UsageError("Unknown kind of probe.", code="unknown_probe", value=kind, allowed=get_args(Kind))
        self.kind, self.seed = kind, seed
        self._model: Any = None
        self._mean = self._spread = np.zeros(0, np.float32)

    def fit(self, features: Cells, labels: Ints, dev_features: Cells, dev_labels: Ints) -> Probe:
        """Learn from rows (n, d) with classes from 0; the dev rows only choose.

        Raises:
            MissingExtraError: scikit-learn is not installed.
        """
        self._mean, self._spread = features.mean(axis=0), features.std(axis=0) + 1e-6
        rows, dev = self._scaled(features), self._scaled(dev_features)
        fit = _fit_linear if self.kind == "linear" else _fit_mlp
        self._model = fit(rows, labels, dev, dev_labels, self.seed)
        return self

    def probabilities(self, features: Cells) -> Cells:
        """The probability of each class, (n, classes)."""
        rows = self._scaled(features)
        if self.kind == "linear":
            return np.asarray(self._model.predict_proba(rows), np.float32)
        return _mlp_probabilities(self._model, rows)

    def predict(self, features: Cells) -> Ints:
        """The most probable class of each row, (n,)."""
        return np.asarray(self.probabilities(features).argmax(axis=1), np.int64)

    def _scaled(self, features: Cells) -> Cells:
        return np.asarray((features - self._mean) / self._spread, np.float32)


@dataclass(frozen=True)
class LayerScore:
    """What a probe finds in one layer, over seeds.

    Attributes:
        layer: 0 is the embedding, k the stream after block k.
        dev: Macro-F1 on the dev rows, by which layers are chosen.
        test: Macro-F1 on the test rows.
        accuracy: Accuracy on the test rows.
        control: Accuracy on the test rows of the probe that was fitted to shuffled labels.
    """

    layer: int
    dev: SeedScores
    test: SeedScores
    accuracy: SeedScores
    control: SeedScores

    @property
    def selectivity(self) -> float:
        """Mean accuracy less that of the control."""
        return self.accuracy.mean - self.control.mean


def layer_curve(
    layers: Sequence[Cells],
    labels: Ints,
    rows: ProbeRows,
    *,
    kind: Kind = "linear",
    seeds: Sequence[int] = range(5),
    numbers: Sequence[int] | None = None,
) -> list[LayerScore]:
    """Probe every layer.

    Each seed draws four fifths of the training rows, so that the interval is also about the texts learnt from.

    Args:
        layers: For each layer (n, d).
        labels: ``(n,)`` classes from 0.
        rows: Rows to learn from, to choose by and to measure on.
        kind: Kind of probe.
        seeds: Two or more seeds.
        numbers: Number of each layer; from 0 when absent.

    Raises:
        UsageError: There are fewer than two seeds.
        MissingExtraError: scikit-learn or SciPy is not installed.
    """
    names = range(len(layers)) if numbers is None else numbers
    return [_score_layer(name, cells, labels, rows, kind, seeds) for name, cells in zip(names, layers, strict=True)]


def best_layer(curve: Sequence[LayerScore]) -> LayerScore:
    """The layer with the highest mean on the dev rows, the earliest of equals."""
    return max(curve, key=lambda score: score.dev.mean)


def half_life(accuracies: Sequence[float], offsets: Sequence[float], chance: float) -> float:
    """Where accuracy less chance has fallen to half of what it was at the first offset, linearly between offsets.

    Returns:
        The offset, in the unit of ``offsets``; infinity if it never falls so low, NaN if nothing is above chance.
    """
    above = np.asarray(accuracies, np.float64) - chance
    if above[0] <= 0:
        return float("nan")
    below = np.flatnonzero(above <= above[0] / 2)
    if not len(below):
        return float("inf")
    k = int(below[0])
    share = (above[k - 1] - above[0] / 2) / (above[k - 1] - above[k])
    return float(offsets[k - 1] + share * (offsets[k] - offsets[k - 1]))


def _score_layer(
    layer: int, cells: Cells, labels: Ints, rows: ProbeRows, kind: Kind, seeds: Sequence[int]
) -> LayerScore:
    found: dict[str, dict[int, float]] = {"dev": {}, "test": {}, "accuracy": {}, "control": {}}
    for seed in seeds:
        draw = np.random.default_rng(seed)
        train = draw.choice(rows.train, round(_SHARE * len(rows.train)), replace=False)
        probe = Probe(kind, seed).fit(cells[train], labels[train], cells[rows.dev], labels[rows.dev])
        predicted = probe.predict(cells[rows.test])
        found["dev"][seed] = float(f1(truth=labels[rows.dev], prediction=probe.predict(cells[rows.dev])))
        found["test"][seed] = float(f1(truth=labels[rows.test], prediction=predicted))
        found["accuracy"][seed] = float(accuracy(truth=labels[rows.test], prediction=predicted))
        shuffled, shuffled_dev = draw.permutation(labels[train]), draw.permutation(labels[rows.dev])
        control = Probe(kind, seed).fit(cells[train], shuffled, cells[rows.dev], shuffled_dev)
        predicted = control.predict(cells[rows.test])
        found["control"][seed] = float(accuracy(truth=labels[rows.test], prediction=predicted))
    scores = {name: over_seeds(values.__getitem__, list(seeds), bounds=(0, 1)) for name, values in found.items()}
    return LayerScore(layer, **scores)


def _fit_linear(rows: Cells, labels: Ints, dev: Cells, dev_labels: Ints, seed: int) -> Any:  # noqa: ANN401
    try:
        from sklearn.linear_model import LogisticRegression
        from sklearn.metrics import log_loss
        from threadpoolctl import threadpool_limits
    except ModuleNotFoundError as missing:
        raise MissingExtraError.for_extra("train", missing.name or "scikit-learn") from None
    classes = np.unique(labels)
    known = np.isin(dev_labels, classes)
    best, lowest = None, np.inf
    for strength in _STRENGTHS:
        with threadpool_limits(1):  # problems so small take longer on several threads, much longer on a busy machine
            model = LogisticRegression(C=strength, tol=1e-3, max_iter=2000, random_state=seed).fit(rows, labels)
        loss = log_loss(dev_labels[known], model.predict_proba(dev[known]), labels=classes)
        if loss < lowest:
            best, lowest = model, loss
    return best


def _fit_mlp(rows: Cells, labels: Ints, dev: Cells, dev_labels: Ints, seed: int) -> torch.nn.Module:
    import torch
    from torch.nn import functional

    torch.manual_seed(seed)
    model = torch.nn.Sequential(
        torch.nn.Linear(rows.shape[1], _HIDDEN),
        torch.nn.ReLU(),
        torch.nn.Dropout(_DROPOUT),
        torch.nn.Linear(_HIDDEN, int(max(labels.max(), dev_labels.max())) + 1),
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)
    x, y = torch.from_numpy(rows), torch.from_numpy(labels)
    held_x, held_y = torch.from_numpy(dev), torch.from_numpy(dev_labels)
    best, lowest = {}, float("inf")
    for _ in range(_EPOCHS):
        model.train()
        for part in torch.randperm(len(x)).split(_BATCH):  # type: ignore[no-untyped-call]
            optimizer.zero_grad()
            functional.cross_entropy(model(x[part]), y[part]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        model.eval()
        with torch.inference_mode():
            loss = float(functional.cross_entropy(model(held_x), held_y))
        if loss < lowest:
            best, lowest = {name: value.clone() for name, value in model.state_dict().items()}, loss
    model.load_state_dict(best)
    return model.eval()


def _mlp_probabilities(model: torch.nn.Module, rows: Cells) -> Cells:
    import torch

    with torch.inference_mode():
        return np.asarray(model(torch.from_numpy(rows)).softmax(dim=1).numpy(), np.float32)
