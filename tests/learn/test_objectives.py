import math

import pytest

pytest.importorskip("torch", reason='needs the train extra: pip install "affectome[train]"')

import torch

from affectome.errors import UsageError
from affectome.learn.objectives import (
    concordance_loss,
    conflict_consistency,
    conflict_weights,
    cut_points,
    earth_mover_loss,
    feature_loss,
    focal_loss,
    gaussian_loss,
    kl_loss,
    level_logarithms,
    masked,
    ordinal_loss,
    presence_loss,
    prototype_loss,
    soft_cross_entropy,
    soft_target_loss,
    variance_cap,
)

pytestmark = pytest.mark.train


def test_presence_counts_known_cells_only():
    logits = torch.tensor([[0.0, 3.0], [math.log(3), -50.0]], requires_grad=True)
    loss = presence_loss(logits, torch.tensor([[1.0, math.nan], [0.0, math.nan]]))
    assert float(loss.detach()) == pytest.approx((math.log(2) + math.log(4)) / 2)
    loss.backward()
    assert logits.grad[:, 1].tolist() == [0, 0]
    assert torch.isfinite(logits.grad).all()


def test_soft_cross_entropy_by_hand():
    logits = torch.log(torch.tensor([[0.5, 0.25, 0.25]]))
    assert float(soft_cross_entropy(logits, torch.tensor([[1.0, 0, 0]]))) == pytest.approx(math.log(2))
    half = soft_cross_entropy(logits, torch.tensor([[0.5, 0.5, 0]]))
    assert float(half) == pytest.approx(1.5 * math.log(2))
    smooth = soft_cross_entropy(logits, torch.tensor([[1.0, 0, 0]]), smoothing=0.3)
    assert float(smooth) == pytest.approx((0.8 + 2 * 0.2) * math.log(2))


def test_soft_cross_entropy_is_least_at_the_target():
    target = torch.tensor([[0.7, 0.2, 0.1]])
    entropy = -(target * target.log()).sum()
    assert float(soft_cross_entropy(target.log(), target)) == pytest.approx(float(entropy))
    assert float(soft_cross_entropy(torch.zeros(1, 3), target)) > float(entropy)


def test_concordance_by_hand():
    target = torch.tensor([[1.0], [2.0], [3.0]])
    assert float(concordance_loss(target, target)) == pytest.approx(0, abs=1e-6)
    # Lin 1989: the same values one higher have CCC = 2 * (2/3) / (2/3 + 2/3 + 1) = 4/7.
    assert float(concordance_loss(target + 1, target)) == pytest.approx(3 / 7, rel=1e-5)
    assert float(concordance_loss(-target, target)) > 1


def test_concordance_averages_columns():
    target = torch.tensor([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]])
    shifted = target + torch.tensor([0.0, 1.0])
    assert float(concordance_loss(shifted, target)) == pytest.approx(3 / 14, rel=1e-5)


def test_the_gaussian_likelihood_is_that_of_torch_without_its_weight():
    generator = torch.Generator().manual_seed(0)
    mean, target = torch.randn(5, 3, generator=generator), torch.randn(5, 3, generator=generator)
    spread = torch.rand(5, 3, generator=generator) + 0.5
    reference = torch.nn.functional.gaussian_nll_loss(mean, target, spread**2)
    assert float(gaussian_loss(mean, spread, target, beta=0)) == pytest.approx(float(reference), rel=1e-5)


@pytest.mark.parametrize(("spread", "direction"), [(0.2, -1), (0.28, -1), (0.32, 1), (0.5, 1)])
def test_the_spread_is_drawn_to_the_size_of_the_errors(spread, direction):
    target = 0.3 * torch.randn(4000, 1, generator=torch.Generator().manual_seed(0))
    value = torch.full_like(target, spread, requires_grad=True)
    gaussian_loss(torch.zeros_like(target), value, target).backward()
    assert float(value.grad.sum()) * direction > 0


def least_at(loss, start):
    """Where a loss of one tensor is least."""
    point = start.clone().requires_grad_()
    optimizer = torch.optim.LBFGS([point], max_iter=50, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        value = loss(point)
        value.backward()
        return value

    optimizer.step(closure)
    return point.detach()


def test_focal_loss_by_hand():
    # Probability 3/4. Present: 0.25 * (1/4)^2 * ln(4/3); absent: 0.75 * (3/4)^2 * ln 4.
    logits = torch.full((1, 2), math.log(3))
    present, absent = 0.25 / 16 * math.log(4 / 3), 0.75 * 9 / 16 * math.log(4)
    assert float(focal_loss(logits, torch.tensor([[1.0, 0.0]]))) == pytest.approx((present + absent) / 2)
    plain = focal_loss(logits, torch.tensor([[1.0, 0.0]]), gamma=0, alpha=0.5)
    assert float(plain) == pytest.approx(float(presence_loss(logits, torch.tensor([[1.0, 0.0]]))) / 2)


def test_divergence_by_hand():
    logits, target = torch.log(torch.tensor([[0.5, 0.25, 0.25]])), torch.tensor([[0.5, 0.5, 0.0]])
    assert float(kl_loss(logits, target)) == pytest.approx(0.5 * math.log(2))
    assert float(kl_loss(logits, logits.exp())) == pytest.approx(0, abs=1e-7)


def test_earth_mover_by_hand():
    # Cumulated differences of (1/2, 1/4, 1/4) and (0, 0, 1): 1/2 and 3/4.
    logits = torch.log(torch.tensor([[0.5, 0.25, 0.25]]))
    assert float(earth_mover_loss(logits, torch.tensor([[0.0, 0, 1]]))) == pytest.approx(0.25 + 0.5625)
    near, far = torch.tensor([[0.0, 1, 0]]), torch.tensor([[0.0, 0, 1]])
    sure = torch.tensor([[50.0, 0, 0]])
    assert float(earth_mover_loss(sure, near)) == pytest.approx(1)
    assert float(earth_mover_loss(sure, far)) == pytest.approx(2)


def test_levels_by_hand():
    # At place 0 with cuts 0 and ln 3 the probabilities are 1/2, 3/4 - 1/2 and 1 - 3/4.
    cuts = cut_points(torch.tensor([0.0, math.log(math.log(3))]))
    torch.testing.assert_close(cuts, torch.tensor([0.0, math.log(3)]))
    torch.testing.assert_close(level_logarithms(torch.zeros(1), cuts).exp(), torch.tensor([[0.5, 0.25, 0.25]]))
    loss = ordinal_loss(torch.zeros(2, 1), cuts, torch.tensor([0.0, 2.0]))
    assert float(loss) == pytest.approx((math.log(2) + math.log(4)) / 2)


@pytest.mark.parametrize("seed", range(5))
def test_cut_points_are_ordered_and_levels_are_distributions(seed):
    generator = torch.Generator().manual_seed(seed)
    cuts = cut_points(2 * torch.randn(5, generator=generator))
    assert (cuts.diff() > 0).all()
    probability = level_logarithms(8 * torch.randn(20, generator=generator), cuts).exp()
    assert probability.shape == (20, 6)
    torch.testing.assert_close(probability.sum(1), torch.ones(20))


def test_levels_stay_finite_far_from_the_cuts():
    places = torch.tensor([-200.0, 200.0], requires_grad=True)
    loss = ordinal_loss(places, torch.tensor([-1.0, 1.0]), torch.tensor([2.0, 1.0]))
    assert float(loss.detach()) == pytest.approx((201 + 199 - math.log(1 - math.exp(-2))) / 2, rel=1e-5)
    loss.backward()
    assert places.grad.tolist() == pytest.approx([-0.5, 0.5])


def test_a_learned_ordinal_scale_gives_the_frequencies():
    levels = torch.tensor([0.0] * 5 + [1.0] * 3 + [2.0] * 2)
    raw = least_at(lambda raw: ordinal_loss(torch.zeros(10), cut_points(raw), levels), torch.zeros(2))
    probability = level_logarithms(torch.zeros(1), cut_points(raw)).exp()
    torch.testing.assert_close(probability, torch.tensor([[0.5, 0.3, 0.2]]), atol=1e-3, rtol=0)


@pytest.mark.parametrize("loss", [kl_loss, earth_mover_loss, soft_cross_entropy])
def test_losses_of_distributions_are_least_at_the_target(loss):
    target = torch.tensor([[0.6, 0.3, 0.1]])
    found = least_at(lambda logits: loss(logits, target), torch.zeros(1, 3))
    torch.testing.assert_close(found.softmax(1), target, atol=5e-3, rtol=0)


@pytest.mark.parametrize("loss", [presence_loss, focal_loss])
@pytest.mark.parametrize("target", [0.2, 0.7])
def test_losses_of_presence_are_least_at_the_target(loss, target):
    found = least_at(lambda logits: loss(logits, torch.tensor([[target]])), torch.zeros(1, 1))
    assert float(torch.sigmoid(found)) == pytest.approx(target, abs=0.02)


DISTRIBUTION = torch.tensor([[0.6, 0.3, 0.1], [0.0, 1.0, 0.0], [0.2, 0.2, 0.6]])
LEVELS = torch.tensor([0.0, 2.0, 1.0])
CUTS = torch.tensor([-0.5, 0.8])


WEIGHTED = {
    "presence": (presence_loss, DISTRIBUTION),
    "focal": (focal_loss, DISTRIBUTION),
    "cross-entropy": (lambda x, t, w=None: soft_cross_entropy(x, t, weights=w), DISTRIBUTION),
    "divergence": (kl_loss, DISTRIBUTION),
    "earth mover": (earth_mover_loss, DISTRIBUTION),
    "ordinal": (lambda x, t, w=None: ordinal_loss(x[:, 0], CUTS, t, w), LEVELS),
    "concordance": (concordance_loss, DISTRIBUTION),
    "gaussian": (lambda x, t, w=None: gaussian_loss(x, x.exp(), t, weights=w), DISTRIBUTION),
    "conflict": (lambda x, t, w=None: conflict_consistency(x.sigmoid(), t @ t.T, w), DISTRIBUTION),
    "soft targets": (lambda x, t, w=None: soft_target_loss(x, t, weights=w), DISTRIBUTION),
    "features": (feature_loss, DISTRIBUTION),
    "prototypes": (lambda x, t, w=None: prototype_loss(x, torch.eye(3) + 0.1, t, weights=w), DISTRIBUTION),
}


@pytest.mark.parametrize("name", WEIGHTED)
def test_a_weight_of_two_is_a_row_given_twice_and_one_of_none_a_row_left_out(name):
    loss, targets = WEIGHTED[name]
    outputs = torch.randn(3, 3, generator=torch.Generator().manual_seed(0))
    rows = torch.tensor([0, 0, 1])
    if name == "conflict":
        weighted, repeated = loss(outputs, targets, torch.tensor([2.0, 1, 0])), loss(outputs[rows], targets)
    else:
        weighted = loss(outputs, targets, torch.tensor([2.0, 1, 0]))
        repeated = loss(outputs[rows], targets[rows])
    torch.testing.assert_close(weighted, repeated)
    torch.testing.assert_close(loss(outputs, targets, torch.ones(3)), loss(outputs, targets))


@pytest.mark.parametrize("name", sorted(WEIGHTED.keys() - {"conflict"}))
def test_unknown_rows_give_no_gradient(name):
    loss, targets = WEIGHTED[name]
    targets, weights = targets.clone(), torch.tensor([1.0, 2.0, 3.0])
    targets[1] = math.nan
    outputs = torch.randn(3, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    value = masked(loss)(outputs, targets, weights)
    known = [0, 2]
    torch.testing.assert_close(value, loss(outputs[known], targets[known], weights[known]))
    value.backward()
    assert outputs.grad[1].tolist() == [0, 0, 0]
    assert torch.isfinite(outputs.grad).all()
    assert outputs.grad[known].abs().sum() > 0


def test_a_batch_without_a_known_row_costs_nothing():
    outputs = torch.ones(2, 3, requires_grad=True)
    value = masked(kl_loss)(outputs, torch.full((2, 3), math.nan))
    value.backward()
    assert float(value.detach()) == 0
    assert outputs.grad.abs().sum() == 0


@pytest.mark.parametrize("loss", [presence_loss, focal_loss])
def test_unknown_cells_give_no_gradient(loss):
    logits = torch.randn(3, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    targets = DISTRIBUTION.clone()
    targets[1, 2] = math.nan
    loss(logits, targets, torch.tensor([1.0, 2.0, 3.0])).backward()
    assert logits.grad[1, 2] == 0
    assert (logits.grad != 0).sum() == 8


def test_unknown_levels_give_no_gradient():
    places = torch.zeros(3, requires_grad=True)
    ordinal_loss(places, CUTS, torch.tensor([0.0, math.nan, 2.0])).backward()
    assert places.grad[1] == 0
    assert (places.grad != 0).sum() == 2


def test_conflicts_by_hand():
    conflicts = conflict_weights(("joy", "anger", "sadness"), {("sadness", "joy"): 0.8, ("joy", "anger"): 0.4})
    probability = torch.tensor([[0.5, 0.2, 0.3], [0.0, 0.5, 0.5]])
    # 0.8 * 0.5 * 0.3 + 0.4 * 0.5 * 0.2 in the first row, nothing in the second.
    assert float(conflict_consistency(probability, conflicts)) == pytest.approx(0.16 / 2)


def test_the_heavier_a_conflict_the_less_its_labels_go_together():
    target = torch.tensor([[0.5, 0.1, 0.4]])

    def together(weight):
        conflicts = conflict_weights(("joy", "calm", "sadness"), {("joy", "sadness"): weight})
        found = least_at(
            lambda logits: kl_loss(logits, target) + conflict_consistency(logits.softmax(1), conflicts),
            torch.zeros(1, 3),
        ).softmax(1)[0]
        return float(found[0] * found[2])

    assert together(0) == pytest.approx(0.2, abs=1e-3)
    assert together(0) > together(0.8) > together(4) + 0.02


@pytest.mark.parametrize(
    ("pairs", "code"),
    [
        ({("joy", "rage"): 1}, "unknown_label"),
        ({("joy", "joy"): 1}, "bad_conflict"),
        ({("joy", "anger"): 1, ("anger", "joy"): 1}, "bad_conflict"),
        ({("joy", "anger"): -1}, "bad_conflict"),
    ],
)
def test_conflicts_that_make_no_sense_are_refused(pairs, code):
    with pytest.raises(UsageError) as caught:
        conflict_weights(("joy", "anger"), pairs)
    assert caught.value.code == code


def test_soft_targets_by_hand():
    # At a temperature of 2, logits of 2 ln 3 and 0 are odds of 3, those of the student are even.
    # The loss is 4 * KL(3/4, 1/4 | 1/2, 1/2).
    student, teacher = torch.zeros(1, 2), torch.tensor([[2 * math.log(3), 0.0]])
    divergence = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert float(soft_target_loss(student, teacher)) == pytest.approx(4 * divergence)
    assert float(soft_target_loss(teacher, teacher)) == pytest.approx(0, abs=1e-6)


def test_features_by_hand():
    student, teacher = torch.tensor([[3.0, 0], [1, 1]]), torch.tensor([[1.0, 0], [0, 5]])
    assert float(feature_loss(student, teacher)) == pytest.approx((0 + 1 - math.sqrt(0.5)) / 2)


def test_prototypes_by_hand():
    # Cosines 1 and 0 at temperature 1 / ln 3 are odds of 3.
    features, prototypes = torch.tensor([[5.0, 0.0]]), torch.tensor([[2.0, 0], [0, 3]])
    divergence = 0.5 * math.log(0.5 / 0.75) + 0.5 * math.log(0.5 / 0.25)
    loss = prototype_loss(features, prototypes, torch.tensor([[0.5, 0.5]]), 1 / math.log(3))
    assert float(loss) == pytest.approx(divergence)
    match = prototype_loss(features, prototypes, torch.tensor([[0.75, 0.25]]), 1 / math.log(3))
    assert float(match) == pytest.approx(0, abs=1e-6)


def test_the_variance_cap_by_hand():
    # Centres 1 and 4 on a line; class 0 has a mean squared distance of 1, class 1 of 0.
    features, labels = torch.tensor([[0.0], [2], [4], [4]]), torch.tensor([0, 0, 1, 1])
    assert float(variance_cap(features, labels, capped=[0], cap=0.25, margin=3)) == pytest.approx(0.75)
    assert float(variance_cap(features, labels, capped=[0], cap=1, margin=5)) == pytest.approx(4)
    assert float(variance_cap(features, labels, capped=[0, 1], cap=0.25, margin=5)) == pytest.approx(0.375 + 4)
    assert float(variance_cap(features, labels, capped=[7], cap=0, margin=5)) == 0
    assert float(variance_cap(features[:2], labels[:2], capped=[0], cap=0.25, margin=5)) == pytest.approx(0.75)


def test_the_variance_cap_draws_a_class_together_and_leaves_the_others():
    features = torch.randn(12, 2, generator=torch.Generator().manual_seed(0)).requires_grad_()
    labels = torch.arange(3).repeat(4)
    variance_cap(features, labels, capped=[1], cap=0.1, margin=0).backward()
    moved = (features.detach() - 0.1 * features.grad)[labels == 1]
    assert moved.var(0).sum() < features.detach()[labels == 1].var(0).sum()
    assert features.grad[labels != 1].abs().sum() == 0
