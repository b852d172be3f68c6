"""The written graph gives what the trained model gives."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from affectome.learn.voice_graph import build_voice_graph
from affectome.learn.voice_model import VoiceAffectModel, VoiceEncoder

pytestmark = pytest.mark.train

LAYERS, FROZEN, HEADS, WIDTH = 3, 1, 2, 16


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    encoder = VoiceEncoder(WIDTH, HEADS, LAYERS, FROZEN)
    encoder.positions.data.normal_()
    anchors = {"crema6": torch.randn(6, 8)}
    made = VoiceAffectModel(encoder, anchors, {"crema6": list("abcdef"), "emonet40": [str(i) for i in range(40)]})
    for value in made.parameters():
        value.data += 0.1 * torch.randn_like(value)
    for value in (encoder.conv1.weight, encoder.conv2.weight, encoder.positions):
        value.data = value.data.half().float()  # as the base has them; the graph stores them so
    return made.eval()


@pytest.fixture(scope="module")
def sounds():
    rng = np.random.default_rng(0)
    frames = np.array([6, 40, 22])
    features = np.zeros((3, 80, 40), np.float32)
    for k, length in enumerate(frames):
        features[k, :, :length] = rng.normal(size=(80, length))
    return {"features": features, "frames": frames}


def session(model, ranges, **options):
    weights = {name: value.numpy() for name, value in model.state_dict().items()}
    graph = build_voice_graph(
        weights,
        layers=LAYERS,
        frozen=FROZEN,
        heads=HEADS,
        vocabularies=["crema6", "emonet40"],
        ranges=ranges,
        **options,
    )
    return onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])


def expected(model, sounds):
    with torch.inference_mode():
        states, mask = model.encoder.lower(*(torch.from_numpy(sounds[name]) for name in ("features", "frames")))
        pooled = model.pool(states, mask)
        still = model.still_features(states, mask)
        means, spreads, strength = model.measures(pooled)
        return {
            "vector": model.vectors(pooled, still).numpy(),
            "means": means.numpy(),
            "spreads": spreads.numpy(),
            "strength": strength.numpy(),
            "labels.crema6": model.label_logits(pooled, "crema6", still).numpy(),
            "labels.emonet40": model.label_logits(pooled, "emonet40", still).numpy(),
        }


def test_in_float_it_is_the_same(model, sounds):
    made = session(model, {})
    given = dict(zip([output.name for output in made.get_outputs()], made.run(None, sounds), strict=True))
    for name, wanted in expected(model, sounds).items():
        assert given[name] == pytest.approx(wanted, abs=2e-4), name


def test_padding_changes_nothing(model, sounds):
    made = session(model, {})
    together = made.run(None, sounds)
    for k, length in enumerate(sounds["frames"]):
        alone = made.run(
            None, {"features": sounds["features"][[k], :, :length], "frames": np.array([length], np.int64)}
        )
        for one, many in zip(alone, together, strict=True):
            assert one[0] == pytest.approx(many[k], abs=2e-4)


def test_every_product_is_observed_and_may_be_an_integer_one(model, sounds):
    from affectome.learn.onnx_graph import Range

    watched = session(model, {}, observe=True)
    names = dict(pair.split("=") for pair in watched.get_modelmeta().custom_metadata_map["observed"].split())
    assert len(names) == 4 * (LAYERS + 1)
    values = dict(zip(names, watched.run(list(names.values()), sounds), strict=True))
    ranges = {name: Range(float(each.min()), float(each.max())) for name, each in values.items()}
    coarse = session(model, ranges)
    given = dict(zip([output.name for output in coarse.get_outputs()], coarse.run(None, sounds), strict=True))
    for name, wanted in expected(model, sounds).items():
        assert given[name] == pytest.approx(wanted, abs=0.15), name
        assert not np.array_equal(given[name], wanted)
