import pytest

pytest.importorskip("torch", reason='needs the train extra: pip install "affectome[train]"')

import torch
from torch import nn

from affectome.learn.descent import Descent, encoder_rate

pytestmark = pytest.mark.train


def descent(steps=100, folder=None, **changes):
    """A line through the points of x + 2."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(1, 1))
    settings = {"warmup": 0.1, "averaging": 0.5, "seed": 3, "recipe": "line", "folder": folder} | changes
    return Descent(model, dict.fromkeys(("0.weight", "0.bias"), 0.2), steps=steps, **settings)


def losses(model):
    def at(step):
        x = torch.randn(16, 1)  # of the step's seed
        return {"odd" if step % 2 else "even": ((model(x) - x - 2) ** 2).mean(), "none": model[0].bias.sum() * 0}

    return at


def test_it_finds_the_minimum_and_reports():
    run, log = descent(), []
    run.run(losses(run.model), report=log.append)
    assert run.model[0].weight.item() == pytest.approx(1, abs=0.02)
    assert run.model[0].bias.item() == pytest.approx(2, abs=0.02)
    assert not run.model.training
    assert [(now.step, now.steps) for now in log] == [(50, 100), (100, 100)]
    assert set(log[0].losses) == {"even", "odd", "none"}
    assert log[1].losses["odd"] < 0.1 * log[0].losses["odd"]


def test_the_rate_rises_then_falls_to_nothing():
    run, rates = descent(steps=20), []

    def at(step):
        rates.append(run.optimizer.param_groups[0]["lr"])
        return losses(run.model)(step)

    run.run(at)
    assert rates[0] == pytest.approx(0.2 * 0.001)
    assert rates[2] == pytest.approx(0.2 * 0.9)
    assert rates[19] == pytest.approx(0.2 * 0.05)
    assert rates[2:] == sorted(rates[2:], reverse=True)


def test_the_average_follows_the_weights():
    run, seen = descent(steps=3, averaging=0.25), []

    def at(step):
        seen.append(run.model[0].bias.item())
        return losses(run.model)(step)

    start = run.model[0].bias.item()
    run.run(at)
    # The decay is 1/11, 2/12 and 3/13 after the first three steps, below the limit of 0.25.
    last = run.trained["0.bias"].item()
    first = start / 11 + seen[1] * 10 / 11
    second = first / 6 + seen[2] * 5 / 6
    assert (last - second * 3 / 13) / (10 / 13) == pytest.approx(seen[2], abs=0.5)
    limited = descent(steps=3, averaging=0.0)
    limited.run(losses(limited.model))
    assert torch.equal(limited.average["0.bias"], limited.trained["0.bias"])


def test_it_goes_on_where_it_was_interrupted(tmp_path):
    whole = descent(folder=tmp_path / "whole")
    whole.run(losses(whole.model))

    def stop(now):
        raise KeyboardInterrupt

    broken = descent(folder=tmp_path / "broken")
    with pytest.raises(KeyboardInterrupt):
        broken.run(losses(broken.model), checkpoint_every=30, report=stop)
    again, log = descent(folder=tmp_path / "broken"), []
    again.run(losses(again.model), checkpoint_every=30, report=log.append)
    assert [now.step for now in log] == [50, 100]
    assert all(torch.equal(a, b) for a, b in zip(whole.model.parameters(), again.model.parameters(), strict=True))
    finished = descent(folder=tmp_path / "broken")
    finished.run(lambda step: pytest.fail("a step was taken"))
    assert all(torch.equal(a, b) for a, b in zip(whole.model.parameters(), finished.model.parameters(), strict=True))


def test_the_rate_falls_from_layer_to_layer():
    assert encoder_rate("encoder.encoder.layer.5.output.dense.weight", 6, 0.9) == 1
    assert encoder_rate("encoder.encoder.layer.3.output.dense.weight", 6, 0.9) == pytest.approx(0.81)
    assert encoder_rate("encoder.embeddings.position_embeddings.weight", 6, 0.9) == pytest.approx(0.9**6)
