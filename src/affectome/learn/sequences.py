"""From features over time to what is felt at each moment, or in a whole clip. Needs the ``train`` extra (torch).

One recurrent network for three kinds of targets: continuous values in [-1, 1], whether something is present, and
intensities in [0, 1]. What is chosen, the epoch and the seed, is chosen on the development partition.

Source: layers, losses and metrics of the baselines of S. Amiriparian and others, The MuSe 2022 Multimodal Sentiment
Analysis Challenge (2022).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, get_args

import numpy as np
import torch
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

from affectome.errors import UsageError
from affectome.evaluate import Part, Score, assert_disjoint, auc, ccc, folds, pearson
from affectome.learn.objectives import concordance_loss, presence_loss
from affectome.learn.sequence_files import Array, Series

Loss = Literal["concordance", "presence", "squared"]


@dataclass(frozen=True)
class SequencePlan:
    """How a network is built and trained.

    Attributes:
        loss: ``"concordance"`` for values in [-1, 1], scored by the concordance correlation; ``"presence"`` for 0 or 1,
            scored by the area under the curve; ``"squared"`` for intensities in [0, 1], scored by the correlation.
        width: Units of a recurrent layer in each direction.
        layers: Recurrent layers, 1 to 4.
        bidirectional: Whether rows see what comes after them.
        dropout: Share of values left out between layers in training.
        hidden: Units of the layer before the last.
        learning_rate: First step size.
        batch: Windows a step.
        epochs: Passes over the training windows at most.
        stop_after: Passes without a better score on the development series after which training ends.
        halve_after: Such passes after which the step size is halved.
        window: Rows of a training window; development and test series are read whole.
        hop: Rows between the starts of training windows.
    """

    loss: Loss = "concordance"
    width: int = 64
    layers: int = 2
    bidirectional: bool = False
    dropout: float = 0.0
    hidden: int = 64
    learning_rate: float = 0.002
    batch: int = 256
    epochs: int = 100
    stop_after: int = 15
    halve_after: int = 5
    window: int = 200
    hop: int = 100

    def __post_init__(self) -> None:
        if self.loss not in get_args(Loss):
            raise UsageError("The loss is not known.", code="unknown_loss", value=self.loss, allowed=get_args(Loss))
        if not 1 <= self.layers <= 4:
            raise UsageError("There are 1 to 4 layers.", code="bad_layers", value=self.layers, allowed=("1 to 4",))


class RecurrentNetwork(nn.Module):
    """A linear map, recurrent layers, a hidden layer, and the outputs before their last function.

    Args:
        inputs: Features.
        outputs: Targets.
        plan: Sizes.
        by_row: Whether every row has an output, rather than the series.
    """

    def __init__(self, inputs: int, outputs: int, plan: SequencePlan, *, by_row: bool) -> None:
        super().__init__()
        self.by_row = by_row
        self.first = nn.Linear(inputs, plan.width, bias=False)
        between = plan.dropout if plan.layers > 1 else 0.0
        self.recurrent = nn.LSTM(
            plan.width, plan.width, plan.layers, batch_first=True, dropout=between, bidirectional=plan.bidirectional
        )
        directions = 2 if plan.bidirectional else 1
        self.last = nn.Sequential(
            nn.Linear(directions * plan.width, plan.hidden),
            nn.ReLU(),
            nn.Dropout(plan.dropout),
            nn.Linear(plan.hidden, outputs),
        )
        self.directions = directions

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Outputs ``(b, t, k)``, or ``(b, k)`` from the state after the last row.

        Args:
            features: ``(b, t, d)``.
            lengths: ``(b,)`` rows of each series; what follows them has no influence.
        """
        packed = pack_padded_sequence(self.first(features), lengths, batch_first=True, enforce_sorted=False)
        rows, (state, _) = self.recurrent(packed)
        if not self.by_row:
            return torch.as_tensor(self.last(torch.cat(list(state[-self.directions :]), dim=1)))
        padded, _ = pad_packed_sequence(rows, batch_first=True, total_length=features.shape[1])
        return torch.as_tensor(self.last(padded))


def sequence_loss(raw: Tensor, targets: Tensor, loss: Loss) -> Tensor:
    """The loss of a batch over its known cells.

    The concordance is that of whole series: each is taken over the known rows of one series and one target, then
    averaged over series. Targets of whole series are taken together over the batch.

    Args:
        raw: Outputs of the network, ``(b, t, k)`` or ``(b, k)``.
        targets: The same shape, NaN where unknown or where a series has ended.
        loss: As in `SequencePlan`.
    """
    if loss == "presence":
        return presence_loss(raw.reshape(-1, raw.shape[-1]), targets.reshape(-1, raw.shape[-1]))
    known, outputs = ~torch.isnan(targets), bounded(raw, loss)
    if loss == "squared":
        return ((outputs[known] - targets[known]) ** 2).mean()
    if raw.ndim == 3:  # a column a series and target
        outputs, targets, known = (cells.transpose(0, 1).flatten(1) for cells in (outputs, targets, known))
    use = known.any(dim=0)
    return concordance_loss(outputs[:, use], targets[:, use].nan_to_num(), known[:, use].to(outputs.dtype))


def bounded(raw: Tensor, loss: Loss) -> Tensor:
    """Outputs of the network in the range of the targets."""
    return torch.tanh(raw) if loss == "concordance" else torch.sigmoid(raw)


def score_series(series: Sequence[Series], outputs: Sequence[Array], loss: Loss) -> Score:
    """The metric that belongs to a loss, over all rows of all series together, and over targets their mean.

    Args:
        series: Series with their targets.
        outputs: An array a series, of the shape of its targets.
        loss: As in `SequencePlan`.
    """
    columns = series[0].targets.shape[-1]
    truth = np.concatenate([each.targets.reshape(-1, columns) for each in series])
    output = np.concatenate([each.reshape(-1, columns) for each in outputs])
    if loss == "presence":
        return auc(truth=truth, probability=output)
    return ccc(truth=truth, prediction=output) if loss == "concordance" else pearson(truth=truth, prediction=output)


@dataclass(frozen=True, eq=False)
class SequenceRegressor:
    """A trained network with the scale of its features.

    Attributes:
        plan: How it was trained.
        scaler: Mean and spread of the features of the training series.
        network: The network at its best epoch.
        seed: Seed of its training.
        score: Its score on the development series.
        epochs: Passes after which it was best.
    """

    plan: SequencePlan
    scaler: StandardScaler
    network: RecurrentNetwork
    seed: int
    score: float
    epochs: int

    def predict(self, series: Sequence[Series]) -> list[Array]:
        """Outputs for series of the kind of the training series, each an array in the shape of its targets."""
        return _predict(self.network, [_scaled(self.scaler, each) for each in series], self.plan)


def fit_sequences(
    train: Sequence[Series], devel: Sequence[Series], plan: SequencePlan, *, seed: int
) -> SequenceRegressor:
    """Train on windows of some series and keep the epoch that scores best on others, read whole.

    The scale of the features is that of the training series. The same call gives the same weights.

    Args:
        train: Series to learn from.
        devel: Series to choose by.
        plan: Sizes, loss and pace.
        seed: Seed of the first weights, the order of windows and what is left out.

    Raises:
        UsageError: A partition is empty, series differ in kind, or the score is not defined on the development series.
    """
    by_row = _check_alike([*train, *devel], "train" if not train else "devel" if not devel else None)
    scaler = StandardScaler().fit(np.concatenate([each.features for each in train]))
    windows = [part for each in train for part in each.windows(plan.window, plan.hop)]
    inputs = [_scaled(scaler, part) for part in windows]
    targets = [torch.tensor(part.targets) for part in windows]
    used = [i for i, target in enumerate(targets) if not target.isnan().all()]
    read = [_scaled(scaler, each) for each in devel]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = RecurrentNetwork(inputs[0].shape[1], targets[0].shape[-1], plan, by_row=by_row)
        optimizer = torch.optim.Adam(network.parameters(), lr=plan.learning_rate)
        pace = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, "max", factor=0.5, patience=plan.halve_after)
        best, kept, state = -np.inf, 0, copy.deepcopy(network.state_dict())
        for epoch in range(1, plan.epochs + 1):
            network.train()
            order = [used[i] for i in torch.randperm(len(used)).tolist()]
            for start in range(0, len(order), plan.batch):
                rows = order[start : start + plan.batch]
                raw = network(*_padded([inputs[i] for i in rows]))
                chosen = [targets[i] for i in rows]
                truth = pad_sequence(chosen, True, float("nan")) if by_row else torch.stack(chosen)
                optimizer.zero_grad()
                sequence_loss(raw, truth, plan.loss).backward()  # type: ignore[no-untyped-call]
                optimizer.step()
            score = float(score_series(devel, _predict(network, read, plan), plan.loss))
            pace.step(score if np.isfinite(score) else -1.0)
            if score > best:
                best, kept, state = score, epoch, copy.deepcopy(network.state_dict())
            elif epoch - kept >= plan.stop_after:
                break
    if not kept:
        raise UsageError("The score is not defined on the development series.", code="no_score", value=plan.loss)
    network.load_state_dict(state)
    return SequenceRegressor(plan, scaler, network.eval(), seed, best, kept)


class Sweep(NamedTuple):
    """Trainings that differ in their seed alone: the one with the best score on devel, and all these scores."""

    best: SequenceRegressor
    scores: tuple[float, ...]


def sweep_seeds(train: Sequence[Series], devel: Sequence[Series], plan: SequencePlan, *, seeds: Sequence[int]) -> Sweep:
    """Train once a seed and choose by the development series; arguments and errors as for `fit_sequences`."""
    fits = [fit_sequences(train, devel, plan, seed=seed) for seed in seeds]
    return Sweep(max(fits, key=lambda fit: fit.score), tuple(fit.score for fit in fits))


@dataclass(frozen=True, eq=False)
class LateFusion:
    """Readers of single modalities and a network over their outputs.

    Attributes:
        readers: A reader a modality, trained on all training series.
        top: The network over their outputs.
    """

    readers: Mapping[str, SequenceRegressor]
    top: SequenceRegressor

    def predict(self, series: Mapping[str, Sequence[Series]]) -> list[Array]:
        """Outputs for series that every modality describes, in the same order."""
        outputs = {name: reader.predict(series[name]) for name, reader in self.readers.items()}
        return self.top.predict(_joined(series, outputs))


def fuse(
    train: Mapping[str, Sequence[Series]],
    devel: Mapping[str, Sequence[Series]],
    plan: SequencePlan,
    top: SequencePlan,
    *,
    count: int = 5,
    seed: int,
) -> LateFusion:
    """Late fusion: a network that learns from outputs for subjects whom the readers behind them have not seen.

    Args:
        train: The same training series in every modality, in the same order.
        devel: The same development series, likewise.
        plan: Plan of the readers.
        top: Plan of the network over their outputs.
        count: Number of folds of subjects.
        seed: Seed of the folds and trainings.

    Raises:
        UsageError: As for `fit_sequences`, or modalities do not describe the same series.
        LeakError: A subject is in both partitions.
    """
    if not train or list(train) != list(devel):
        raise UsageError("There must be the same modalities in both parts.", code="no_modality", value=list(devel))
    subjects = [each.subject for each in next(iter(train.values()))]
    others = [each.subject for each in next(iter(devel.values()))]
    assert_disjoint(train=Part(groups=subjects), test=Part(groups=others))
    parts = folds(len(subjects), count=count, groups=subjects, seed=seed)
    outputs: dict[str, list[Array]] = {}
    for name, series in train.items():
        found: dict[int, Array] = {}
        for part in parts:
            reader = fit_sequences([series[i] for i in part.train], devel[name], plan, seed=seed)
            found |= dict(zip(part.test.tolist(), reader.predict([series[i] for i in part.test]), strict=True))
        outputs[name] = [found[i] for i in range(len(series))]
    readers = {name: fit_sequences(series, devel[name], plan, seed=seed) for name, series in train.items()}
    told = {name: reader.predict(devel[name]) for name, reader in readers.items()}
    return LateFusion(readers, fit_sequences(_joined(train, outputs), _joined(devel, told), top, seed=seed))


def _joined(series: Mapping[str, Sequence[Series]], outputs: Mapping[str, Sequence[Array]]) -> list[Series]:
    """Series whose features are the outputs of the readers."""
    shapes = {tuple((each.subject, each.targets.shape) for each in series[name]) for name in outputs}
    if len(shapes) > 1:
        raise UsageError("Modalities must describe the same series.", code="shape_mismatch", value=list(outputs))
    rows = zip(*(outputs[name] for name in outputs), strict=True)
    first = series[next(iter(outputs))]
    return [
        replace(each, features=np.atleast_2d(np.concatenate(found, axis=-1)))
        for each, found in zip(first, rows, strict=True)
    ]


def _check_alike(series: Sequence[Series], empty: str | None) -> bool:
    """Whether series have targets by row; refuses those that differ in kind."""
    if empty:
        raise UsageError("A partition has no series.", code="no_series", value=empty)
    kinds = sorted({(each.by_row, each.features.shape[1], each.targets.shape[-1]) for each in series})
    if len(kinds) > 1:
        raise UsageError("Series must have the same features and targets.", code="shape_mismatch", value=kinds)
    return kinds[0][0]


def _scaled(scaler: StandardScaler, series: Series) -> Tensor:
    """Features on the scale of the training series; unknown ones take their mean."""
    return torch.from_numpy(np.nan_to_num(scaler.transform(series.features)).astype(np.float32))


def _padded(inputs: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    return pad_sequence(list(inputs), batch_first=True), torch.tensor([len(rows) for rows in inputs])


def _predict(network: RecurrentNetwork, inputs: Sequence[Tensor], plan: SequencePlan) -> list[Array]:
    network.eval()
    found: list[Array] = []
    with torch.no_grad():
        for start in range(0, len(inputs), plan.batch):
            part = inputs[start : start + plan.batch]
            outputs = bounded(network(*_padded(part)), plan.loss).numpy()
            found += [
                output[: len(rows)] if network.by_row else output for output, rows in zip(outputs, part, strict=True)
            ]
    return found
