"""Read-outs on the layer that was not trained, fitted beside those of a trained voice model.

Their strength, and how much they count, are chosen on development clips. Needs the ``train`` extra.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import log_softmax
from torch import Tensor, nn

from affectome.learn.calibration import fit_temperature
from affectome.learn.heads import Head, fit_head
from affectome.learn.voice_model import VoiceAffectModel
from affectome.learn.voice_trainer import Clips, pad

Array = NDArray[np.float32]
Ints = NDArray[np.int64]

_STRENGTHS = (1.0, 0.1)
_SHARES = (0.0, 0.25, 0.5, 1.0, 2.0)
_COPIES = 3  # the clip as it is, and distorted ones
_PLACE_STRENGTH = 1.0
_BATCH = 16


class _Read(NamedTuple):
    """What the trained layers and the still one give for some clips of a corpus."""

    pooled: Array
    still: Array
    labels: Ints


def fit_still(model: VoiceAffectModel, clips: Mapping[str, Clips]) -> dict[str, float]:
    """Fit the still read-outs of a model in place.

    Args:
        model: A trained model in evaluation mode.
        clips: What the lower layers give for the clips of each corpus.

    Returns:
        How much the still read-out counts, for each taxonomy with a corpus of its own and for ``place``, 0 for not.
    """
    train = {name: _read(model, each, "train", range(min(_COPIES, each.copies + 1))) for name, each in clips.items()}
    dev = {name: _read(model, each, "dev", range(1)) for name, each in clips.items()}
    taxonomy = {name: each.corpus.taxonomy for name, each in clips.items()}
    shares: dict[str, float] = {}
    with torch.inference_mode():
        for name, corpus in taxonomy.items():
            trained = model.label_logits(torch.from_numpy(dev[name].pooled), corpus).numpy()
            wanted = np.eye(trained.shape[1])
            heads = [
                fit_head(train[name].still, wanted[train[name].labels], kind="choice", strength=strength)
                for strength in _STRENGTHS
            ]
            best = min(
                ((share, head) for share in _SHARES for head in heads),
                key=lambda pair: _loss(trained + pair[0] * _scores(pair[1], dev[name].still), dev[name].labels),
            )
            shares[corpus] = best[0]
            _put(best[1], model.still_heads[corpus], best[0])
        shares["place"] = _fit_place(model, taxonomy, train, dev)
    return shares


def _fit_place(
    model: VoiceAffectModel, taxonomy: Mapping[str, str], train: Mapping[str, _Read], dev: Mapping[str, _Read]
) -> float:
    """A linear way from the still features to the anchors of the labels."""
    anchors = {name: getattr(model, f"anchors_{corpus}").numpy() for name, corpus in taxonomy.items()}
    features = np.concatenate([each.still for each in train.values()])
    targets = np.concatenate([anchors[name][each.labels] for name, each in train.items()])
    head = fit_head(features, targets, kind="measure", strength=_PLACE_STRENGTH)

    def loss(share: float) -> float:
        _put(head, model.still_place, share)
        losses = []
        for name, each in dev.items():
            vectors = model.vectors(torch.from_numpy(each.pooled), torch.from_numpy(each.still))
            losses.append(_loss(float(model.scale) * (vectors.numpy() @ anchors[name].T), each.labels))
        return float(np.mean(losses))

    best = min(_SHARES, key=loss)
    _put(head, model.still_place, best)
    return best


def _read(model: VoiceAffectModel, clips: Clips, split: str, copies: range) -> _Read:
    rows = np.flatnonzero(clips.corpus.split == split)
    wanted = [(int(row), copy) for copy in copies for row in rows]
    states = [clips.of(row, copy) for row, copy in wanted]
    order = np.argsort([len(each) for each in states], kind="stable")
    pooled: list[Tensor] = []
    still: list[Tensor] = []
    with torch.inference_mode():
        for start in range(0, len(order), _BATCH):
            frames, mask = pad([states[i] for i in order[start : start + _BATCH]])
            with torch.autocast("cpu", torch.bfloat16):
                pooled.append(model.pool(frames, mask).float())
                still.append(model.still_features(frames, mask))
    back = np.argsort(order, kind="stable")
    labels = clips.corpus.labels[[row for row, _ in wanted]]
    return _Read(torch.cat(pooled).numpy()[back], torch.cat(still).numpy()[back], labels)


def _loss(logits: NDArray[np.floating], labels: Ints) -> float:
    """Cross-entropy at the best temperature."""
    truth = np.eye(logits.shape[1], dtype=np.float32)[labels]
    temperature = fit_temperature(logits.astype(np.float32), truth)
    return -float((truth * log_softmax(logits / temperature, axis=1)).sum(1).mean())


def _scores(head: Head, features: Array) -> NDArray[np.float64]:
    return np.asarray((features - head.mean) / head.scale @ head.matrix + head.bias, np.float64)


def _put(head: Head, linear: nn.Module, share: float) -> None:
    """Make a layer of a head, its standardisation and its share folded into its weights."""
    assert isinstance(linear, nn.Linear)
    matrix = head.matrix / np.asarray(head.scale)[:, None]
    bias = head.bias - np.asarray(head.mean) @ matrix
    linear.weight.data.copy_(torch.from_numpy((share * matrix.T).astype(np.float32)))
    linear.bias.data.copy_(torch.from_numpy(np.asarray(share * bias, np.float32)))
