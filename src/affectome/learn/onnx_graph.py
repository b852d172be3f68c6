"""The text model as an ONNX graph of integer matrix products.

The graph is written node by node from the weights, not traced, so that each matrix product can be an integer one with
fixed input ranges. Fixed ranges make a text's scores independent of the texts it shares a batch with, which ranges
taken from the batch do not. Weights keep 7 bits and a scale for each output column: two neighbouring products then fit
16 bits, and processors with and without dedicated dot-product instructions give the same result.
Needs the ``train`` extra (onnx).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OUTPUTS = ("vector", "labels", "means", "spreads")
MICROSOFT = "com.microsoft"
"""Domain of the operators that ONNX Runtime adds."""
_LEVELS = 63  # largest weight magnitude: 7 bits with sign


@dataclass(frozen=True)
class Range:
    """Lowest and highest value an activation takes, as observed on calibration texts."""

    low: float
    high: float


class Graph:
    """Collects nodes and constants, and names intermediate values."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}

    def constant(self, name: str, value: NDArray[np.generic] | np.generic) -> str:
        """A constant, once under its name."""
        if name not in self.constants:
            self.constants[name] = numpy_helper.from_array(np.asarray(value, order="C"), name)
        return name

    def add(self, kind: str, inputs: list[str], out: str, domain: str = "", **attributes: object) -> str:
        """A node with one output."""
        node = helper.make_node(kind, inputs, [out], name=out, domain=domain)
        node.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())
        self.nodes.append(node)
        return out


def quantize_columns(weight: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """A matrix (inputs, outputs) as 7-bit integers and one scale an output column."""
    scale = np.maximum(np.abs(weight).max(axis=0) / _LEVELS, 1e-8).astype(np.float32)
    return np.round(weight / scale).astype(np.int8), scale


def product(
    graph: Graph,
    x: str,
    name: str,
    weight: NDArray[np.float32],
    bias: NDArray[np.float32],
    ranges: Mapping[str, Range],
) -> str:
    """``x @ weight + bias``: integer if the range of x is known, otherwise float."""
    if name not in ranges:
        multiplied = graph.add("MatMul", [x, graph.constant(f"{name}.weight", weight)], f"{name}.product")
        return graph.add("Add", [multiplied, graph.constant(f"{name}.bias", bias)], f"{name}.out")
    low, high = min(ranges[name].low, 0.0), max(ranges[name].high, 0.0)
    scale = np.float32(max((high - low) / 255, 1e-8))
    zero = np.uint8(np.clip(round(-low / float(scale)), 0, 255))
    integers, scales = quantize_columns(weight)
    scale_name, zero_name = graph.constant(f"{name}.x_scale", scale), graph.constant(f"{name}.x_zero", zero)
    quantized = graph.add("QuantizeLinear", [x, scale_name, zero_name], f"{name}.x")
    return graph.add(
        "MatMulIntegerToFloat",
        [
            quantized,
            graph.constant(f"{name}.weight", integers),
            scale_name,
            graph.constant(f"{name}.scale", scales),
            zero_name,
            graph.constant("weight_zero", np.int8(0)),
            graph.constant(f"{name}.bias", bias),
        ],
        f"{name}.out",
        domain=MICROSOFT,
    )


def halved(g: Graph, name: str, value: NDArray[np.float32]) -> str:
    """A constant that is stored with 16 bits and used with 32."""
    return g.add("Cast", [g.constant(f"{name}.half", value.astype(np.float16))], name, to=TensorProto.FLOAT)


def build_graph(
    weights: Mapping[str, NDArray[np.float32]],
    *,
    layers: int,
    heads: int,
    ranges: Mapping[str, Range],
    observe: bool = False,
    quantize_embeddings: bool = True,
) -> onnx.ModelProto:
    """Write the graph.

    Args:
        weights: State of a ``TextAffectModel`` by parameter name.
        layers: Encoder layers.
        heads: Attention heads.
        ranges: Input range of each product that shall be integer; the names are
            ``layer.<i>.<attention|mixed|wide|narrow>``. Products that are not named stay in float.
        observe: Add the input of every product as an output, to find the ranges.
        quantize_embeddings: Keep word vectors as 8-bit integers with one scale a word.

    Returns:
        A checked model with the inputs ``input_ids, attention_mask`` (n, tokens) and the outputs ``vector`` (n, width)
        of unit length, ``labels`` (n, labels) logits, ``means`` (n, 5) and ``spreads`` (n, 3).
    """
    g = Graph()
    observed: dict[str, str] = {}

    def dense(x: str, name: str, *parameters: str) -> str:
        observed[name] = x
        weight = np.concatenate([weights[f"{p}.weight"].T for p in parameters], axis=1)
        bias = np.concatenate([weights[f"{p}.bias"] for p in parameters])
        return product(g, x, name, weight, bias, ranges)

    def norm(a: str, b: str, parameter: str, out: str) -> str:
        gamma = g.constant(f"{out}.gamma", weights[f"{parameter}.weight"])
        beta = g.constant(f"{out}.beta", weights[f"{parameter}.bias"])
        # Add and LayerNormalization: the fused SkipLayerNormalization took five times as long on a processor.
        summed = g.add("Add", [a, b], f"{out}.sum")
        return g.add("LayerNormalization", [summed, gamma, beta], out, epsilon=1e-12, axis=-1)

    x = _embeddings(g, weights, quantize_embeddings)
    mask32 = g.add("Cast", ["attention_mask"], "mask32", to=TensorProto.INT32)
    width = int(weights["encoder.embeddings.LayerNorm.weight"].shape[0])
    split = g.constant("split", np.array([width] * 3, np.int64))
    for i in range(layers):
        at = f"encoder.encoder.layer.{i}"
        qkv = dense(x, f"layer.{i}.attention", *(f"{at}.attention.self.{p}" for p in ("query", "key", "value")))
        parts = [f"layer.{i}.{p}" for p in ("query", "key", "value")]
        g.nodes.append(helper.make_node("Split", [qkv, split], parts, axis=2))
        mixed = g.add("MultiHeadAttention", [*parts, "", mask32], f"layer.{i}.mix", domain=MICROSOFT, num_heads=heads)
        attended = dense(mixed, f"layer.{i}.mixed", f"{at}.attention.output.dense")
        x = norm(attended, x, f"{at}.attention.output.LayerNorm", f"layer.{i}.middle")
        wide = g.add(
            "Gelu", [dense(x, f"layer.{i}.wide", f"{at}.intermediate.dense")], f"layer.{i}.gelu", domain=MICROSOFT
        )
        x = norm(dense(wide, f"layer.{i}.narrow", f"{at}.output.dense"), x, f"{at}.output.LayerNorm", f"layer.{i}.out")
    _heads(g, weights, x)
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["n", "tokens"])
        for name in ("input_ids", "attention_mask")
    ]
    sizes = dict(zip(OUTPUTS, (width, len(weights["label_head.bias"]), 5, 3), strict=True))
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", size]) for name, size in sizes.items()]
    return finish(g, "text", inputs, outputs, observed if observe else {})


def finish(
    graph: Graph,
    name: str,
    inputs: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
    observed: Mapping[str, str],
) -> onnx.ModelProto:
    """A checked model of what a graph has collected.

    Args:
        graph: The nodes and constants.
        name: Name of the graph.
        inputs: Its inputs.
        outputs: Its outputs.
        observed: Values (n, positions, width) by the product they go into, which become outputs as well.
    """
    watched = [
        helper.make_tensor_value_info(value, TensorProto.FLOAT, ["n", "positions", None])
        for value in sorted(set(observed.values()))
    ]
    made = helper.make_graph(graph.nodes, name, inputs, [*outputs, *watched], list(graph.constants.values()))
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid(MICROSOFT, 1)]
    model = helper.make_model(made, opset_imports=opsets, ir_version=9, producer_name="affectome")
    if observed:
        model.metadata_props.add(key="observed", value=" ".join(f"{k}={v}" for k, v in observed.items()))
    onnx.checker.check_model(model)
    return model


def open_session(model: bytes, threads: int) -> onnxruntime.InferenceSession:
    """A model ready to run on the processor."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def observed_ranges(
    model: onnx.ModelProto, feeds: Iterable[Mapping[str, NDArray[Any]]], threads: int
) -> dict[str, Range]:
    """Input range of each product of a graph built with ``observe``, over some inputs.

    Give one item at a time, so that padding never reaches the observations.
    """
    session = open_session(model.SerializeToString(), threads)
    values = dict(pair.split("=") for pair in session.get_modelmeta().custom_metadata_map["observed"].split())
    names = sorted(set(values.values()))
    low, high = dict.fromkeys(names, 0.0), dict.fromkeys(names, 0.0)
    for feed in feeds:
        for name, array in zip(names, session.run(names, feed), strict=True):
            low[name], high[name] = min(low[name], float(array.min())), max(high[name], float(array.max()))
    return {product: Range(low[value], high[value]) for product, value in values.items()}


def _embeddings(g: Graph, weights: Mapping[str, NDArray[np.float32]], quantize: bool) -> str:
    """Sum of word, position and type vectors, normalised: (n, tokens, width)."""
    words = weights["encoder.embeddings.word_embeddings.weight"]
    if quantize:
        scale = np.maximum(np.abs(words).max(axis=1, keepdims=True) / 127, 1e-8).astype(np.float32)
        table = g.constant("words", np.round(words / scale).astype(np.int8))
        integers = g.add("Gather", [table, "input_ids"], "word_integers")
        values = g.add("Cast", [integers], "word_values", to=TensorProto.FLOAT)
        scales = g.add("Gather", [g.constant("word_scales", scale), "input_ids"], "word_scale")
        x = g.add("Mul", [values, scales], "word_vectors")
    else:
        x = g.add("Gather", [g.constant("words", words), "input_ids"], "word_vectors")
    positions = weights["encoder.embeddings.position_embeddings.weight"]
    positions = positions + weights["encoder.embeddings.token_type_embeddings.weight"][0]
    shape = g.add("Shape", ["input_ids"], "length", start=1, end=2)
    table = g.constant("positions", positions.astype(np.float32))
    zero, axis = g.constant("zero", np.array([0], np.int64)), g.constant("axis", np.array([0], np.int64))
    here = g.add("Slice", [table, zero, shape, axis], "position_vectors")
    summed = g.add("Add", [x, here], "summed")
    gamma = g.constant("embeddings.gamma", weights["encoder.embeddings.LayerNorm.weight"])
    beta = g.constant("embeddings.beta", weights["encoder.embeddings.LayerNorm.bias"])
    return g.add("LayerNormalization", [summed, gamma, beta], "embeddings", epsilon=1e-12, axis=-1)


def _heads(g: Graph, weights: Mapping[str, NDArray[np.float32]], x: str) -> None:
    """Mean over the tokens and the heads on it, in float."""
    mask = g.add("Cast", ["attention_mask"], "mask", to=TensorProto.FLOAT)
    last, second = g.constant("last", np.array([2], np.int64)), g.constant("second", np.array([1], np.int64))
    column = g.add("Unsqueeze", [mask, last], "mask_column")
    total = g.add("ReduceSum", [g.add("Mul", [x, column], "masked"), second], "total", keepdims=0)
    pooled = g.add("Div", [total, g.add("ReduceSum", [mask, second], "count", keepdims=1)], "pooled")
    g.add("LpNormalization", [pooled], "vector", axis=-1, p=2)

    def linear(value: str, parameter: str, out: str) -> str:
        weight = g.constant(f"{parameter}.weight", weights[f"{parameter}.weight"].T)
        bias = g.constant(f"{parameter}.bias", weights[f"{parameter}.bias"])
        return g.add("Add", [g.add("MatMul", [value, weight], f"{out}.product"), bias], out)

    linear(pooled, "label_head", "labels")
    hidden = g.add("Gelu", [linear(pooled, "measure_head.1", "measure.wide")], "measure.gelu", domain=MICROSOFT)
    raw = linear(hidden, "measure_head.3", "measure.raw")
    size = g.constant("signed_and_share", np.array([4, 1], np.int64))
    g.nodes.append(helper.make_node("Split", [raw, size], ["signed.raw", "share.raw"], axis=1))
    signed = g.add("Tanh", ["signed.raw"], "signed")
    share = g.add("Sigmoid", ["share.raw"], "share")
    g.add("Concat", [signed, share], "means", axis=1)
    positive = g.add("Softplus", [linear(pooled, "spread_head", "spread.raw")], "spread.positive")
    g.add("Add", [positive, g.constant("least", np.float32(0.01))], "spreads")


def save_graph(model: onnx.ModelProto, path: Path) -> None:
    """Write the model as one file."""
    path.write_bytes(model.SerializeToString())


def read_encoder(model: onnx.ModelProto) -> tuple[dict[str, NDArray[np.float32]], int]:
    """The encoder that `build_graph` wrote into a graph, back in float.

    What 7 and 8 bits kept of the weights is kept; the vectors of positions and types were one sum and stay one.

    Args:
        model: A graph of `build_graph`.

    Returns:
        Its weights by parameter name of a BERT encoder, and the number of attention heads.

    Raises:
        KeyError: The graph was not written by `build_graph`.
    """
    stored = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}

    def dense(name: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        scale = stored.get(f"{name}.scale", np.float32(1))
        return (stored[f"{name}.weight"].astype(np.float32) * scale).T, stored[f"{name}.bias"]

    words = stored["words"].astype(np.float32) * stored.get("word_scales", np.float32(1))
    found = {"embeddings.word_embeddings.weight": words, "embeddings.position_embeddings.weight": stored["positions"]}
    found["embeddings.token_type_embeddings.weight"] = np.zeros((2, words.shape[1]), np.float32)
    norms = {"embeddings.LayerNorm": "embeddings"}
    layers = sum(name.endswith(".narrow.weight") for name in stored)
    for i in range(layers):
        at = f"encoder.layer.{i}"
        weight, bias = dense(f"layer.{i}.attention")
        for part, rows, values in zip(("query", "key", "value"), np.split(weight, 3), np.split(bias, 3), strict=True):
            found |= {f"{at}.attention.self.{part}.weight": rows, f"{at}.attention.self.{part}.bias": values}
        products = {"mixed": "attention.output.dense", "wide": "intermediate.dense", "narrow": "output.dense"}
        for product, parameter in products.items():
            found[f"{at}.{parameter}.weight"], found[f"{at}.{parameter}.bias"] = dense(f"layer.{i}.{product}")
        norms |= {f"{at}.attention.output.LayerNorm": f"layer.{i}.middle", f"{at}.output.LayerNorm": f"layer.{i}.out"}
    for parameter, name in norms.items():
        found |= {f"{parameter}.weight": stored[f"{name}.gamma"], f"{parameter}.bias": stored[f"{name}.beta"]}
    mixes = (node for node in model.graph.node if node.op_type == "MultiHeadAttention")
    heads = next((each.i for node in mixes for each in node.attribute if each.name == "num_heads"), 0)
    return {name: np.ascontiguousarray(value, np.float32) for name, value in found.items()}, heads
