import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

pytest.importorskip("torch", reason='needs the train extra: pip install "affectome[train]"')

import onnx
import onnxruntime
import torch
from tokenizers import Tokenizer

from affectome.learn.batches import pad, tokenize
from affectome.learn.bundle import observe_ranges
from affectome.learn.onnx_graph import OUTPUTS, Range, build_graph, quantize_columns, read_encoder, save_graph
from affectome.learn.text_model import TextAffectModel
from affectome.models.contents import refusal

pytestmark = pytest.mark.train

SHAPE = {"layers": 2, "heads": 2}
PRODUCTS = {f"layer.{i}.{name}" for i in range(2) for name in ("attention", "mixed", "wide", "narrow")}


@pytest.fixture(scope="module")
def model(base, corpora):
    torch.set_num_threads(1)
    torch.manual_seed(3)
    model = TextAffectModel(base, corpora["goemotions"].columns).eval()
    with torch.no_grad():  # no two parameters alike, so that none can stand in for another
        for value in model.parameters():
            value += 0.05 * torch.randn_like(value)
    return model


@pytest.fixture(scope="module")
def weights(model):
    return {name: value.numpy() for name, value in model.state_dict().items()}


@pytest.fixture(scope="module")
def texts(corpora):
    return corpora["goemotions"].part("train").texts[:40] + corpora["emobank"].texts[:20] + ["fear", "a " * 60]


@pytest.fixture(scope="module")
def rows(base, texts):
    return tokenize(texts, Tokenizer.from_file(str(base / "tokenizer.json")), 96)


@pytest.fixture(scope="module")
def ranges(weights, base, texts):
    watched = build_graph(weights, **SHAPE, ranges={}, observe=True, quantize_embeddings=False)
    return observe_ranges(watched, Tokenizer.from_file(str(base / "tokenizer.json")), texts, threads=1)


@pytest.fixture(scope="module")
def integer(weights, ranges):
    return build_graph(weights, **SHAPE, ranges=ranges)


def session(graph, optimized=True):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    if not optimized:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])


def run(graph, rows, **options):
    ids, mask = pad(rows)
    return session(graph, **options).run(None, {"input_ids": ids.numpy(), "attention_mask": mask.numpy()})


def reference(model, rows):
    with torch.no_grad():
        return [output.numpy() for output in model(*pad(rows))]


@pytest.mark.parametrize("chosen", [slice(None), slice(0, 1), slice(-2, None)], ids=["padded", "alone", "far apart"])
def test_the_float_graph_is_the_model(model, weights, rows, chosen):
    graph = build_graph(weights, **SHAPE, ranges={}, quantize_embeddings=False)
    outputs = run(graph, rows[chosen])
    assert len(outputs) == len(OUTPUTS)
    for output, expected in zip(outputs, reference(model, rows[chosen]), strict=True):
        assert output.shape == expected.shape
        np.testing.assert_allclose(output, expected, atol=1e-5)


def test_the_integer_graph_is_close(model, integer, rows):
    vector, labels, means, spreads = run(integer, rows)
    expected = reference(model, rows)
    assert (vector * expected[0]).sum(axis=1).min() > 0.98
    np.testing.assert_allclose(np.linalg.norm(vector, axis=1), 1, rtol=1e-5)
    for output, goal in ((labels, expected[1]), (means, expected[2]), (spreads, expected[3])):
        assert np.corrcoef(output.ravel(), goal.ravel())[0, 1] > 0.98


def test_every_product_of_the_encoder_is_an_integer_one(integer, ranges):
    assert set(ranges) == PRODUCTS
    kinds = [node.op_type for node in integer.graph.node]
    assert kinds.count("MatMulIntegerToFloat") == len(PRODUCTS)
    stored = {constant.name: constant.data_type for constant in integer.graph.initializer}
    assert stored["words"] == onnx.TensorProto.INT8
    assert all(stored[f"{name}.weight"] == onnx.TensorProto.INT8 for name in PRODUCTS)


def test_products_without_a_range_stay_in_float(weights, ranges):
    graph = build_graph(weights, **SHAPE, ranges={name: r for name, r in ranges.items() if "narrow" not in name})
    kinds = [node.op_type for node in graph.graph.node]
    assert kinds.count("MatMulIntegerToFloat") == 6


@pytest.mark.parametrize("optimized", [True, False])
def test_a_text_has_the_same_scores_in_any_company(integer, rows, optimized):
    together = run(integer, rows, optimized=optimized)
    for i in (0, 17, len(rows) - 2):
        for output, alone in zip(together, run(integer, [rows[i]], optimized=optimized), strict=True):
            np.testing.assert_allclose(output[i], alone[0], atol=1e-4)


def test_ranges_do_not_depend_on_the_order_or_the_truncation_set_before(weights, base, texts, ranges):
    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=128)
    watched = build_graph(weights, **SHAPE, ranges={}, observe=True, quantize_embeddings=False)
    again = observe_ranges(watched, tokenizer, texts[::-1], threads=1)
    assert again == ranges
    assert all(r.low < 0 < r.high for r in again.values())


def test_texts_are_cleaned_before_they_are_observed(weights, base):
    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    watched = build_graph(weights, **SHAPE, ranges={}, observe=True, quantize_embeddings=False)
    raw, plain = (observe_ranges(watched, tokenizer, [text], threads=1) for text in ("joy &amp; fear", "joy & fear"))
    assert raw == plain


def test_an_input_that_is_always_zero_does_no_harm(weights, ranges, rows):
    graph = build_graph(weights, **SHAPE, ranges=ranges | {"layer.0.mixed": Range(0.0, 0.0)})
    assert all(np.isfinite(output).all() for output in run(graph, rows))


def test_more_tokens_than_positions_are_refused(integer, base):
    with pytest.raises(onnxruntime.capi.onnxruntime_pybind11_state.Fail, match="128 by 129"):
        run(integer, [[2] * 129])
    assert run(integer, [[2] * 128])[0].shape == (1, 32)


def test_a_graph_without_one_of_its_weights_is_not_built(weights):
    with pytest.raises(KeyError, match="spread_head"):
        build_graph({k: v for k, v in weights.items() if "spread_head" not in k}, **SHAPE, ranges={})


def test_a_saved_graph_passes_the_check_of_bundles(tmp_path, integer):
    save_graph(integer, tmp_path / "model.onnx")
    assert refusal(tmp_path / "model.onnx") is None
    assert not integer.metadata_props
    names = [output.name for output in onnx.load(tmp_path / "model.onnx").graph.output]
    assert names == list(OUTPUTS)


@given(
    arrays.arrays(np.float32, st.tuples(st.integers(1, 8), st.integers(1, 6)), elements=st.floats(-1e3, 1e3, width=32))
)
def test_columns_keep_seven_bits(weight):
    integers, scale = quantize_columns(weight)
    assert integers.dtype == np.int8
    assert np.abs(integers.astype(int)).max() <= 63
    assert (np.abs(integers * scale - weight) <= scale * 0.5001 + 1e-8).all()


def test_an_encoder_is_read_back(weights, integer):
    plain = build_graph(weights, **SHAPE, ranges={}, quantize_embeddings=False)
    exact, heads = read_encoder(plain)
    assert heads == 2
    assert {f"encoder.{name}" for name in exact} == {
        name for name in weights if name.startswith("encoder.") and "pooler" not in name
    }
    sums = ("encoder.embeddings.position_embeddings.weight", "encoder.embeddings.token_type_embeddings.weight")
    rounded, _ = read_encoder(integer)
    for name, value in exact.items():
        wanted = weights[f"encoder.{name}"]
        if f"encoder.{name}" == sums[0]:
            wanted = wanted + weights[sums[1]][0]
        if f"encoder.{name}" != sums[1]:
            np.testing.assert_array_equal(value, wanted, err_msg=name)
        assert np.abs(rounded[name] - value).max() <= np.abs(value).max() / 120
