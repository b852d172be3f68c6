"""Training objectives, each a mean over rows or over known cells. Needs the ``train`` extra (torch).

``weights`` (n,) are confidences of 0 or more in the rows; a row of weight 2 counts as two rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor
from torch.nn.functional import (
    binary_cross_entropy_with_logits,
    cosine_similarity,
    kl_div,
    log_softmax,
    logsigmoid,
    normalize,
    pad,
    relu,
    softmax,
)

from affectome.errors import UsageError


def presence_loss(logits: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean binary cross-entropy of labels that may be present together; both (n, labels), NaN for unknown targets."""
    known = ~torch.isnan(targets)
    share = None if weights is None else weights[:, None].expand_as(targets)[known]
    cells = binary_cross_entropy_with_logits(logits[known], targets[known], reduction="none")
    return _mean(cells, share)


def focal_loss(
    logits: Tensor, targets: Tensor, weights: Tensor | None = None, *, gamma: float = 2.0, alpha: float = 0.25
) -> Tensor:
    """Mean binary cross-entropy in which a cell counts the less the nearer its probability is to the target.

    Args:
        logits: (n, labels).
        targets: (n, labels) in [0, 1], NaN where unknown.
        weights: (n,).
        gamma: Power of the distance between probability and target, 0 or more.
        alpha: Factor on presence, ``1 - alpha`` on absence, in between for targets in between.

    Source: T.-Y. Lin and others, Focal Loss for Dense Object Detection (2017), equation 5; for soft targets the
    distance of X. Li and others, Generalized Focal Loss (2020), equation 3, which is 0 at the target.
    """
    known = ~torch.isnan(targets)
    share = None if weights is None else weights[:, None].expand_as(targets)[known]
    given, wanted = logits[known], targets[known]
    distance = (wanted - torch.sigmoid(given)).abs()
    balance = alpha * wanted + (1 - alpha) * (1 - wanted)
    cells = balance * distance**gamma * binary_cross_entropy_with_logits(given, wanted, reduction="none")
    return _mean(cells, share)


def soft_cross_entropy(
    logits: Tensor, targets: Tensor, smoothing: float = 0.0, weights: Tensor | None = None
) -> Tensor:
    """Cross-entropy with a distribution over labels that exclude each other; both (n, labels)."""
    if smoothing:
        targets = (1 - smoothing) * targets + smoothing / targets.shape[1]
    return _mean(-(targets * log_softmax(logits, dim=1)).sum(1), weights)


def kl_loss(logits: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
    """Kullback–Leibler divergence of the output from a distribution over labels; both (n, labels), in nats.

    The gradient is that of `soft_cross_entropy`; the value is 0 at the target, so losses of different rows compare.
    """
    return _mean(kl_div(log_softmax(logits, dim=1), targets, reduction="none").sum(1), weights)


def earth_mover_loss(logits: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
    """Squared differences of the cumulated distributions over ordered labels, summed over cuts; both (n, labels).

    Source: L. Hou and others, Squared Earth Mover's Distance-based Loss (2016).
    """
    cumulated = (softmax(logits, dim=1) - targets).cumsum(1)
    return _mean((cumulated**2).sum(1), weights)


def cut_points(raw: Tensor) -> Tensor:
    """Rising cut points (levels - 1,) from free numbers: the first as it is, then steps of their exponentials."""
    return torch.cat([raw[:1], raw[1:].exp()]).cumsum(0)


def level_logarithms(places: Tensor, cuts: Tensor) -> Tensor:
    """Logarithms of the probabilities of the levels of an ordinal scale, (n, levels).

    Args:
        places: Places on the scale, (n,) or (n, 1).
        cuts: Rising cut points (levels - 1,).

    Source: the cumulative logit model, P. McCullagh, Journal of the Royal Statistical Society B 42 (1980).
    """
    # With the logistic function s and the cuts a < b around a level, both less the place: s(b) - s(a) =
    # s(b) s(-a) (1 - exp(a - b)), which stays exact far from the cuts.
    above = cuts - places.reshape(-1, 1)
    between = torch.log(-torch.expm1(-cuts.diff()))
    return pad(logsigmoid(above), (0, 1)) + pad(logsigmoid(-above), (1, 0)) + pad(between, (1, 1))


def ordinal_loss(places: Tensor, cuts: Tensor, levels: Tensor, weights: Tensor | None = None) -> Tensor:
    """Negative log-likelihood of levels in the cumulative logit model, mean over rows with a known level.

    Args:
        places: Places on the scale, (n,) or (n, 1).
        cuts: Rising cut points (k - 1,), e.g. of `cut_points`.
        levels: (n,) whole levels from 0, NaN where unknown.
        weights: (n,).
    """
    known = ~torch.isnan(levels)
    logarithms = level_logarithms(places.reshape(-1)[known], cuts)
    rows = -logarithms.gather(1, levels[known].long()[:, None])[:, 0]
    return _mean(rows, None if weights is None else weights[known])


def concordance_loss(prediction: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """1 - CCC (Lin 1989), averaged over the columns of two (n, k) arrays.

    The weights are (n,), or (n, k) where columns have their own, such as 0 for what only fills up a column.
    """
    share = None if weights is None else weights.reshape(len(weights), -1)

    def mean(values: Tensor) -> Tensor:
        return values.mean(0) if share is None else (share * values).sum(0) / share.sum(0)

    p, t = prediction - mean(prediction), target - mean(target)
    shift = (mean(prediction) - mean(target)) ** 2
    ccc = 2 * mean(p * t) / (mean(p**2) + mean(t**2) + shift + 1e-8)
    return (1 - ccc).mean()


def gaussian_loss(
    mean: Tensor, spread: Tensor, target: Tensor, beta: float = 0.5, weights: Tensor | None = None
) -> Tensor:
    """Gaussian negative log-likelihood weighted by the variance to the power ``beta`` (Seitzer et al. 2022).

    The weight keeps a large predicted spread from switching off the gradient of the mean.
    """
    variance = spread**2
    loss = 0.5 * ((target - mean) ** 2 / variance + torch.log(variance))
    return _mean(loss * variance.detach() ** beta, None if weights is None else weights[:, None].expand_as(loss))


def masked(loss: Callable[[Tensor, Tensor, Tensor | None], Tensor]) -> Callable[..., Tensor]:
    """A loss of whole rows that leaves out rows whose targets are not all known.

    Args:
        loss: Called with the outputs, targets and weights of the rows that are left.

    Returns:
        A loss of ``outputs`` (n, …), ``targets`` (n, …) with NaN where unknown, and ``weights`` (n,). It is 0 with a
        gradient of 0 where no row is left, so that the losses of several tasks over one batch can be added.
    """

    def known_only(outputs: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
        known = ~torch.isnan(targets.reshape(len(targets), -1)).any(dim=1)
        if not known.any():
            return outputs.sum() * 0
        return loss(outputs[known], targets[known], None if weights is None else weights[known])

    return known_only


def conflict_weights(labels: Sequence[str], pairs: Mapping[tuple[str, str], float]) -> Tensor:
    """The matrix (labels, labels) of `conflict_consistency` from pairs of labels that rule each other out.

    Args:
        labels: Columns of the probabilities.
        pairs: Weight of each conflict, 0 or more, e.g. 0.8 for a strong and 0.4 for a moderate one.

    Raises:
        UsageError: A label is unknown, is paired with itself, a pair occurs twice, or a weight is negative.
    """
    matrix = torch.zeros(len(labels), len(labels))
    for pair, weight in pairs.items():
        for label in pair:
            if label not in labels:
                raise UsageError("A label is not known.", code="unknown_label", value=label, allowed=tuple(labels))
        i, j = sorted(labels.index(label) for label in pair)
        if i == j or matrix[i, j] or not 0 <= weight < float("inf"):
            raise UsageError(
                "A conflict needs two different labels, once, and a weight of 0 or more.",
                code="bad_conflict",
                value=f"{pair}: {weight}",
            )
        matrix[i, j] = weight
    return matrix


def conflict_consistency(probabilities: Tensor, conflicts: Tensor, weights: Tensor | None = None) -> Tensor:
    """Joint probability given to labels that rule each other out: the mean over rows of the sum of w_ij·p_i·p_j.

    Args:
        probabilities: (n, labels) in [0, 1].
        conflicts: (labels, labels) weights of 0 or more, fixed or learned; each pair counts once if only one of its two
            cells is filled, as by `conflict_weights`.
        weights: (n,).

    Source: arXiv 2602.06778.
    """
    return _mean(((probabilities @ conflicts) * probabilities).sum(1), weights)


def soft_target_loss(
    logits: Tensor, teacher: Tensor, temperature: float = 2.0, weights: Tensor | None = None
) -> Tensor:
    """Divergence of softened answers from those of a teacher, times the squared temperature; both logits (n, labels).

    The factor keeps the size of the gradient independent of the temperature.

    Source: G. Hinton and others, Distilling the Knowledge in a Neural Network (2015).
    """
    return temperature**2 * kl_loss(logits / temperature, softmax(teacher / temperature, dim=1), weights)


def feature_loss(features: Tensor, teacher: Tensor, weights: Tensor | None = None) -> Tensor:
    """One minus the cosine between the vectors of student and teacher, both (n, width)."""
    return _mean(1 - cosine_similarity(features, teacher, dim=1), weights)


def prototype_loss(
    features: Tensor, prototypes: Tensor, targets: Tensor, temperature: float = 0.9, weights: Tensor | None = None
) -> Tensor:
    """Divergence of the softmax over cosines with fixed prototypes from a wanted distribution over them.

    Args:
        features: Vectors of the student (n, width).
        prototypes: (m, width).
        targets: (n, m) rows that sum to 1.
        temperature: Divides the cosines.
        weights: (n,).

    Source: arXiv 2509.11916.
    """
    cosines = normalize(features, dim=1) @ normalize(prototypes, dim=1).T
    return kl_loss(cosines / temperature, targets, weights)


def variance_cap(features: Tensor, labels: Tensor, *, capped: Sequence[int], cap: float, margin: float) -> Tensor:
    """What the classes of a batch exceed a spread by, and what they come closer to others than a margin.

    The mean over capped classes of how far the mean squared distance to their centre is above the cap, plus the mean
    over pairs of a capped and any other class of the squared shortfall of the distance between their centres.

    Args:
        features: (n, width).
        labels: (n,) class numbers.
        capped: Classes that are to be compact.
        cap: Squared distance that is free.
        margin: Distance between centres from which on nothing is lost.

    Returns:
        0 or more; a class that is not in the batch takes no part.

    Source: arXiv 2509.11916.
    """
    centres = {int(label): features[labels == label].mean(0) for label in sorted(set(labels.tolist()))}
    kept = [label for label in capped if label in centres]
    spreads = [((features[labels == label] - centres[label]) ** 2).sum(1).mean() for label in kept]
    pairs = {tuple(sorted((label, other))) for label in kept for other in centres if other != label}
    gaps = [(centres[first] - centres[second]).norm() for first, second in sorted(pairs)]
    nothing = features.sum() * 0
    above = relu(torch.stack(spreads) - cap).mean() if spreads else nothing
    return above + (relu(margin - torch.stack(gaps)) ** 2).mean() if gaps else above + nothing


def _mean(values: Tensor, weights: Tensor | None) -> Tensor:
    """Mean of values of any shape, weighted if there are weights of the same shape."""
    return values.mean() if weights is None else (weights * values).sum() / weights.sum()
