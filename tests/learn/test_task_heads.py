import math

import numpy as np
import pytest

pytest.importorskip("torch", reason='needs the train extra: pip install "affectome[train]"')

import torch

from affectome.errors import UsageError
from affectome.learn.heads import Head
from affectome.learn.task_heads import LOSSES, HeadPlan, TaskHead

pytestmark = pytest.mark.train

NAN = math.nan
PLANS = {
    "choice": HeadPlan("which", "choice", ("a", "b", "c")),
    "presence": HeadPlan("what", "presence", ("a", "b")),
    "measure": HeadPlan("how", "measure", ("v", "w")),
    "ordinal": HeadPlan("level", "ordinal", ("low", "middle", "high")),
}
TARGETS = {
    "choice": [[1, 0, 0], [0.5, 0.5, 0], [NAN] * 3, [0, 0.2, 0.8]],
    "presence": [[1, 0], [NAN, 1], [NAN, NAN], [0, 0]],
    "measure": [[10, 1], [14, NAN], [NAN, NAN], [18, 3]],
    "ordinal": [0, 2, NAN, 1],
}
CASES = [(kind, loss) for kind, losses in LOSSES.items() for loss in losses]


def made(kind, loss="", weight=1.0):
    plan = HeadPlan(PLANS[kind].name, kind, PLANS[kind].columns, weight)
    targets = plan.check(TARGETS[kind], 4)
    torch.manual_seed(0)
    return TaskHead(plan, 8, loss).start(targets), torch.from_numpy(targets)


@pytest.fixture
def pooled():
    torch.manual_seed(1)
    return torch.randn(4, 8)


def test_levels_become_rows_and_unseen_levels_stay(pooled):
    plan = HeadPlan("level", "ordinal", ("a", "b", "c", "d"))
    np.testing.assert_array_equal(plan.check([1, NAN, 0], 3), [[0, 1, 0, 0], [NAN] * 4, [1, 0, 0, 0]])
    assert torch.isfinite(TaskHead(plan, 8).start(plan.check([1, NAN, 0], 3)).answer(pooled)).all()


@pytest.mark.parametrize("kind", PLANS)
def test_before_training_a_head_gives_what_is_frequent(kind):
    head, targets = made(kind)
    answer = head.answer(torch.zeros(1, 8)).detach().numpy()[0]
    np.testing.assert_allclose(answer, np.nanmean(targets.numpy(), axis=0), atol=0.13 if kind != "measure" else 1e-6)
    if kind in ("choice", "ordinal"):
        assert answer.sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("kind", PLANS)
def test_it_reads_out_as_a_head_on_frozen_features_does(kind, pooled):
    head, _ = made(kind)
    weight, bias = (value.detach().numpy() for value in (head.linear.weight.T, head.linear.bias))
    cuts = np.zeros(0, np.float32)
    if kind == "measure":
        weight, bias = weight * head.scale.numpy(), bias * head.scale.numpy() + head.centre.numpy()
    if kind == "ordinal":
        raw = head.raw_cuts.detach().numpy()
        cuts = np.cumsum([raw[0], *np.exp(raw[1:])])
    frozen = Head(kind, np.zeros(8, np.float32), np.ones(8, np.float32), weight, bias, cuts)
    np.testing.assert_allclose(head.answer(pooled).detach().numpy(), frozen.predict(pooled.numpy()), atol=1e-5)


@pytest.mark.parametrize(("kind", "loss"), CASES)
def test_unknown_rows_take_no_part(kind, loss, pooled):
    head, targets = made(kind, loss)
    weights = torch.tensor([1.0, 2.0, 5.0, 1.0])
    kept = torch.tensor([0, 1, 3])
    whole = head.loss(pooled, targets, weights)
    assert torch.isfinite(whole)
    torch.testing.assert_close(whole, head.loss(pooled[kept], targets[kept], weights[kept]))
    assert head.loss(pooled[[2]], targets[[2]], weights[[2]]) is None
    whole.backward()
    assert torch.isfinite(head.linear.weight.grad).all()
    assert head.linear.weight.grad.abs().sum() > 0


@pytest.mark.parametrize(("kind", "loss"), CASES)
def test_a_weight_of_two_counts_twice(kind, loss, pooled):
    head, targets = made(kind, loss)
    twice = [0, 1, 1, 2, 3]
    weighted = head.loss(pooled, targets, torch.tensor([1.0, 2.0, 1.0, 1.0]))
    torch.testing.assert_close(weighted, head.loss(pooled[twice], targets[twice], torch.ones(5)))
    heavier, _ = made(kind, loss, weight=3.0)
    torch.testing.assert_close(
        heavier.loss(pooled, targets, torch.ones(4)), 3 * head.loss(pooled, targets, torch.ones(4))
    )


def test_losses_by_hand():
    start = torch.zeros(2, 8)
    head, _ = made("choice")
    torch.nn.init.zeros_(head.linear.bias)
    half = torch.tensor([[0.5, 0.5, 0.0]])
    assert head.loss(start[:1], half, torch.ones(1)).item() == pytest.approx(math.log(3))
    head, _ = made("measure")  # of the means 14 and 2 with standard deviations of the root of 32/3 and 1
    off = torch.tensor([[14.0, 4.0], [NAN, 2.0]])
    torch.nn.init.zeros_(head.linear.weight)
    assert head.loss(start, off, torch.ones(2)).item() == pytest.approx(4 / 3)
    head, _ = made("ordinal")
    with torch.no_grad():
        head.raw_cuts.copy_(torch.tensor([-math.log(3), math.log(2 * math.log(3))]))  # cuts at -ln 3 and ln 3
    levels = torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])  # of probabilities 1/2 and 1/4
    assert head.loss(start, levels, torch.ones(2)).item() == pytest.approx((math.log(2) + math.log(4)) / 2)


@pytest.mark.parametrize("column", [0, 1])
def test_a_constant_measure_is_no_division_by_zero(column, pooled):
    plan = PLANS["measure"]
    values = np.array([[1, 2], [1, 3], [1, 4], [1, 5]], np.float32)[:, :: 1 - 2 * column].copy()
    head = TaskHead(plan, 8).start(plan.check(values, 4))
    assert torch.isfinite(head.loss(pooled, torch.from_numpy(values), torch.ones(4)))


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda: HeadPlan("a", "choices", ("x", "y")), "unknown_kind"),
        (lambda: HeadPlan("a", "choice", ("x",)), "too_few_columns"),
        (lambda: HeadPlan("a", "measure", ()), "too_few_columns"),
        (lambda: HeadPlan("a", "measure", ("x",), weight=0), "bad_weights"),
        (lambda: PLANS["measure"].check([[1.0]], 1), "shape_mismatch"),
        (lambda: PLANS["ordinal"].check([0, 3], 2), "shape_mismatch"),
        (lambda: PLANS["presence"].check([[1, NAN], [0, NAN]], 2), "no_targets"),
        (lambda: PLANS["choice"].check([[1, 1, 0]], 1), "not_a_distribution"),
        (lambda: TaskHead(PLANS["choice"], 8, "focal"), "unknown_loss"),
    ],
)
def test_what_does_not_fit_is_refused(make, code):
    with pytest.raises(UsageError) as caught:
        make()
    assert caught.value.code == code
