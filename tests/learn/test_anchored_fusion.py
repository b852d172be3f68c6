"""What only two streams together tell is learnt, and what is missing has no influence."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the train extra")

from affectome.errors import UsageError
from affectome.learn.anchored_fusion import FusionPlan, Stream, fit_fusion

pytestmark = pytest.mark.train


def clips(count, seed):
    """Words and voices, each pleasant or not at random; the target is whether they differ."""
    rng = np.random.default_rng(seed)
    items, targets = [], []
    for _ in range(count):
        words, voice = rng.choice([-1.0, 1.0], 2)
        items.append(
            {
                "text": _stream(rng, words, rng.integers(2, 6), 1.0),
                "voice": _stream(rng, voice, rng.integers(4, 9), 0.5),
            }
        )
        targets.append([float(words != voice)])
    return items, np.array(targets, np.float32)


def _stream(rng, sign, rows, step):
    features = rng.normal(0, 0.5, (rows, 3)).astype(np.float32)
    features[:, 0] += sign
    return Stream((np.arange(rows) * step).astype(np.float32), features)


@pytest.fixture(scope="module")
def trained():
    train, dev = clips(400, 0), clips(100, 1)
    return fit_fusion(*train, *dev, anchor="text", plan=FusionPlan(epochs=40, width=16))


def right(found, truth):
    return float(((found > 0.5) == truth).mean())


def test_what_both_together_tell_is_learnt(trained):
    items, truth = clips(200, 2)
    assert right(trained.predict(items), truth) > 0.9
    alone = [{"text": item["text"]} for item in items]
    assert abs(right(trained.predict(alone), truth) - 0.5) < 0.15
    shuffled = [{**item, "voice": items[k - 1]["voice"]} for k, item in enumerate(items)]
    assert abs(right(trained.predict(shuffled), truth) - 0.5) < 0.15


def test_any_stream_may_be_missing(trained):
    items, _ = clips(3, 3)
    found = trained.predict([{"text": items[0]["text"]}, {"voice": items[1]["voice"]}, {}])
    assert found.shape == (3, 1)
    assert np.isfinite(found).all()


def test_neighbours_in_a_batch_have_no_influence(trained):
    items, _ = clips(6, 4)
    together = trained.predict(items)
    apart = np.concatenate([trained.predict([item]) for item in items])
    assert together == pytest.approx(apart, abs=1e-5)


def test_the_same_seed_gives_the_same_network():
    train, dev = clips(40, 0), clips(20, 1)
    one, other = (fit_fusion(*train, *dev, anchor="text", plan=FusionPlan(epochs=2, width=8)) for _ in range(2))
    assert one.dev_loss == other.dev_loss


def test_unknown_targets_are_left_out():
    items, truth = clips(60, 0)
    dev = clips(20, 1)
    part = truth.copy()
    part[::2] = np.nan
    found = fit_fusion(items, part, *dev, anchor="text", plan=FusionPlan(epochs=2, width=8))
    assert np.isfinite(found.dev_loss).all()


def test_what_does_not_fit_is_refused():
    items, truth = clips(4, 0)
    with pytest.raises(UsageError) as caught:
        fit_fusion(items, truth, items, truth, anchor="face")
    assert caught.value.code == "unknown_stream"
    with pytest.raises(UsageError) as caught:
        fit_fusion(items, truth[:2], items, truth, anchor="text")
    assert caught.value.code == "shape_mismatch"
    odd = [*items[:3], {"text": Stream(items[0]["text"].seconds, items[0]["text"].features[:, :2])}]
    with pytest.raises(UsageError) as caught:
        fit_fusion(odd, truth, items, truth, anchor="text")
    assert caught.value.code == "shape_mismatch"
