import math

import pytest

pytest.importorskip("torch", reason='needs the train extra: pip install "affectome[train]"')

import torch

from affectome.learn.objectives import concordance_loss, gaussian_loss, presence_loss, soft_cross_entropy

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
