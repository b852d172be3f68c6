"""Training objectives of the text model. Needs the ``train`` extra."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, log_softmax


def presence_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean binary cross-entropy of labels that may be present together; both (n, labels), NaN for unknown targets."""
    known = ~torch.isnan(targets)
    return binary_cross_entropy_with_logits(logits[known], targets[known])


def soft_cross_entropy(logits: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
    """Cross-entropy with a distribution over labels that exclude each other; both (n, labels)."""
    if smoothing:
        targets = (1 - smoothing) * targets + smoothing / targets.shape[1]
    return -(targets * log_softmax(logits, dim=1)).sum(1).mean()


def concordance_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """1 - CCC (Lin 1989), averaged over the columns of two (n, k) arrays."""
    p, t = prediction - prediction.mean(0), target - target.mean(0)
    shift = (prediction.mean(0) - target.mean(0)) ** 2
    ccc = 2 * (p * t).mean(0) / ((p**2).mean(0) + (t**2).mean(0) + shift + 1e-8)
    return (1 - ccc).mean()


def gaussian_loss(mean: Tensor, spread: Tensor, target: Tensor, beta: float = 0.5) -> Tensor:
    """Gaussian negative log-likelihood weighted by the variance to the power ``beta`` (Seitzer et al. 2022).

    The weight keeps a large predicted spread from switching off the gradient of the mean.
    """
    variance = spread**2
    loss = 0.5 * ((target - mean) ** 2 / variance + torch.log(variance))
    return (loss * variance.detach() ** beta).mean()
