"""The voice model as an ONNX graph of integer matrix products.

Written node by node from the weights, for the reasons that `affectome.learn.onnx_graph` gives; the convolutions stay in
float. Needs the ``train`` extra (onnx).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from affectome.learn.onnx_graph import MICROSOFT, Graph, Range, finish, halved, product
from affectome.perceive.log_mel import BANDS

Array = NDArray[np.float32]


def build_voice_graph(
    weights: Mapping[str, Array],
    *,
    layers: int,
    frozen: int,
    heads: int,
    vocabularies: Sequence[str],
    ranges: Mapping[str, Range],
    observe: bool = False,
) -> onnx.ModelProto:
    """Write the graph.

    Args:
        weights: State of a ``VoiceAffectModel`` by parameter name.
        layers: Encoder layers.
        frozen: Layers below those whose frames are mixed.
        heads: Attention heads.
        vocabularies: Taxonomies with a head of their own.
        ranges: Input range of each product that shall be integer; the names are
            ``layer.<i>.<attention|mixed|wide|narrow>``, and ``still`` in place of ``layer.<i>``. Products that are not
            named stay in float.
        observe: Add the input of every product as an output, to find the ranges.

    Returns:
        A checked model with the inputs ``features`` (n, 80, frames) and ``frames`` (n,), and the outputs ``vector``
        (n, space) of unit length, ``means`` and ``spreads`` (n, 3), ``strength`` (n,) and for each vocabulary
        ``labels.<taxonomy>`` (n, labels) logits.
    """
    g = Graph()
    observed: dict[str, str] = {}
    width = int(weights["encoder.conv1.bias"].shape[0])

    def dense(x: str, name: str, *parameters: str) -> str:
        observed[name] = x
        weight = np.concatenate([weights[f"{p}.weight"].T for p in parameters], axis=1)
        zero = np.zeros(width, np.float32)  # keys have no bias
        bias = np.concatenate([weights.get(f"{p}.bias", zero) for p in parameters])
        return product(g, x, name, weight, bias, ranges)

    def norm(x: str, parameter: str, out: str) -> str:
        gamma = g.constant(f"{out}.gamma", weights[f"{parameter}.weight"])
        beta = g.constant(f"{out}.beta", weights[f"{parameter}.bias"])
        return g.add("LayerNormalization", [x, gamma, beta], out, epsilon=1e-5, axis=-1)

    x, mask, mask32 = _frames(g, weights)
    split = g.constant("split", np.array([width] * 3, np.int64))

    def transform(x: str, at: str, name: str) -> str:
        normed = norm(x, f"{at}.self_attn_layer_norm", f"{name}.attention_norm")
        qkv = dense(normed, f"{name}.attention", *(f"{at}.self_attn.{p}_proj" for p in "qkv"))
        parts = [f"{name}.{p}" for p in ("query", "key", "value")]
        g.nodes.append(helper.make_node("Split", [qkv, split], parts, axis=2))
        mixed = g.add("MultiHeadAttention", [*parts, "", mask32], f"{name}.mix", domain=MICROSOFT, num_heads=heads)
        x = g.add("Add", [x, dense(mixed, f"{name}.mixed", f"{at}.self_attn.out_proj")], f"{name}.middle")
        normed = norm(x, f"{at}.final_layer_norm", f"{name}.wide_norm")
        wide = g.add("Gelu", [dense(normed, f"{name}.wide", f"{at}.fc1")], f"{name}.gelu", domain=MICROSOFT)
        return g.add("Add", [x, dense(wide, f"{name}.narrow", f"{at}.fc2")], f"{name}.out")

    states = [x]
    for i in range(layers):
        states.append(transform(states[-1], f"encoder.layers.{i}", f"layer.{i}"))
    still = _still(g, transform(states[frozen], "still", "still"), mask)
    pooled = _pool(g, weights, states[frozen:], mask)
    _heads(g, weights, pooled, still, vocabularies)
    inputs = [
        helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", BANDS, "frames"]),
        helper.make_tensor_value_info("frames", TensorProto.INT64, ["n"]),
    ]
    sizes: dict[str, list[str | int]] = {
        "vector": ["n", len(weights["place.bias"])],
        "means": ["n", 3],
        "spreads": ["n", 3],
        "strength": ["n"],
        **{f"labels.{name}": ["n", len(weights[f"heads.{name}.bias"])] for name in vocabularies},
    }
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in sizes.items()]
    return finish(g, "voice", inputs, outputs, observed if observe else {})


def _frames(g: Graph, weights: Mapping[str, Array]) -> tuple[str, str, str]:
    """Frames (n, t, width) after the convolutions, and the mask (n, t) of those that are there, as bool and integer."""
    zero, one, last = (g.constant(name, np.array([value], np.int64)) for name, value in (("0", 0), ("1", 1), ("2", 2)))
    scalar = g.constant("scalar", np.array(0, np.int64))
    count = g.add("Squeeze", [g.add("Shape", ["features"], "frame_count", start=2, end=3)], "frame_scalar")
    numbers = g.add("Range", [scalar, count, g.constant("step", np.array(1, np.int64))], "frame_numbers")
    inside = g.add("Less", [numbers, g.add("Unsqueeze", ["frames", one], "frame_column")], "inside")
    inside_row = g.add("Unsqueeze", [g.add("Cast", [inside], "inside_float", to=TensorProto.FLOAT), one], "inside_row")

    def convolve(x: str, name: str, stride: int) -> str:
        weight = halved(g, f"{name}.weight", weights[f"encoder.{name}.weight"])
        bias = g.constant(f"{name}.bias", weights[f"encoder.{name}.bias"])
        out = g.add("Conv", [x, weight, bias], f"{name}.out", pads=[1, 1], strides=[stride], kernel_shape=[3])
        return g.add("Gelu", [out], f"{name}.gelu", domain=MICROSOFT)

    first = g.add("Mul", [convolve(g.add("Mul", ["features", inside_row], "heard"), "conv1", 1), inside_row], "first")
    x = g.add("Transpose", [convolve(first, "conv2", 2)], "second", perm=[0, 2, 1])
    mask = g.add("Slice", [inside, zero, g.constant("end", np.array([2**31 - 1], np.int64)), one, last], "mask")
    positions = halved(g, "positions", weights["encoder.positions"])
    length = g.add("Shape", [x], "length", start=1, end=2)
    here = g.add("Slice", [positions, zero, length, zero], "position_vectors")
    return g.add("Add", [x, here], "frames_in"), mask, g.add("Cast", [mask], "mask32", to=TensorProto.INT32)


def _pool(g: Graph, weights: Mapping[str, Array], states: Sequence[str], mask: str) -> str:
    """Means and standard deviations over time, weighted by attention: (n, 2 * width)."""
    shares = np.exp(weights["mix"] - weights["mix"].max())
    shares /= shares.sum()
    parts = [
        g.add("Mul", [state, g.constant(f"share.{k}", np.float32(share))], f"shared.{k}")
        for k, (state, share) in enumerate(zip(states, shares, strict=True))
    ]
    mixed = g.add("Sum", parts, "mixture")
    hidden = g.add("Tanh", [linear(g, weights, mixed, "attention.0", "attention.hidden")], "attention.tanh")
    score = linear(g, weights, hidden, "attention.2", "attention.score")
    column = g.add("Unsqueeze", [mask, g.constant("2", np.array([2], np.int64))], "mask_column")
    kept = g.add("Where", [column, score, g.constant("never", np.float32(-1e4))], "attention.kept")
    share = g.add("Softmax", [kept], "attention.share", axis=1)
    time = g.constant("1", np.array([1], np.int64))

    def over_time(value: str, out: str, keep: int) -> str:
        weighted = g.add("Mul", [value, share], f"{out}.weighted")
        return g.add("ReduceSum", [weighted, time], out, keepdims=keep)

    mean = over_time(mixed, "pooled.mean", 1)
    away = g.add("Sub", [mixed, mean], "away")
    variance = over_time(g.add("Mul", [away, away], "away2"), "pooled.variance", 0)
    least = g.constant("least_variance", np.float32(1e-6))
    spread = g.add("Sqrt", [g.add("Add", [variance, least], "variance")], "pooled.spread")
    both = g.add("Concat", [g.add("Squeeze", [mean, time], "mean"), spread], "pooled.raw", axis=1)
    gamma, beta = (g.constant(f"pooled.{part}", weights[f"pooled_norm.{part}"]) for part in ("weight", "bias"))
    return g.add("LayerNormalization", [both, gamma, beta], "pooled", epsilon=1e-5, axis=-1)


def _still(g: Graph, x: str, mask: str) -> str:
    """Means and standard deviations over the frames that are there: (n, 2 * width)."""
    time, last = g.constant("1", np.array([1], np.int64)), g.constant("2", np.array([2], np.int64))
    inside = g.add("Cast", [g.add("Unsqueeze", [mask, last], "still.mask")], "still.inside", to=TensorProto.FLOAT)
    share = g.add("Div", [inside, g.add("ReduceSum", [inside, time], "still.count", keepdims=1)], "still.share")
    mean = g.add("ReduceSum", [g.add("Mul", [x, share], "still.shared"), time], "still.mean", keepdims=1)
    away = g.add("Sub", [x, mean], "still.away")
    weighted = g.add("Mul", [g.add("Mul", [away, away], "still.away2"), share], "still.weighted")
    variance = g.add("ReduceSum", [weighted, time], "still.variance", keepdims=0)
    least = g.constant("least_variance", np.float32(1e-6))
    spread = g.add("Sqrt", [g.add("Add", [variance, least], "still.least")], "still.spread")
    return g.add("Concat", [g.add("Squeeze", [mean, time], "still.flat"), spread], "still.features", axis=1)


def _heads(g: Graph, weights: Mapping[str, Array], pooled: str, still: str, vocabularies: Sequence[str]) -> None:
    placed = g.add("LpNormalization", [linear(g, weights, pooled, "place", "place.raw")], "placed", axis=-1, p=2)
    both = g.add("Add", [placed, linear(g, weights, still, "still_place", "still.placed")], "vector.raw")
    g.add("LpNormalization", [both], "vector", axis=-1, p=2)
    g.add("Tanh", [linear(g, weights, pooled, "measure_head", "measures.raw")], "means")
    positive = g.add("Softplus", [linear(g, weights, pooled, "spread_head", "spreads.raw")], "spreads.positive")
    g.add("Add", [positive, g.constant("least", np.float32(0.01))], "spreads")
    strength = g.add("Sigmoid", [linear(g, weights, pooled, "strength_head", "strength.raw")], "strength.column")
    g.add("Squeeze", [strength, g.constant("1", np.array([1], np.int64))], "strength")
    for name in vocabularies:
        trained = linear(g, weights, pooled, f"heads.{name}", f"trained.{name}")
        g.add("Add", [trained, linear(g, weights, still, f"still_heads.{name}", f"still.{name}")], f"labels.{name}")


def linear(g: Graph, weights: Mapping[str, Array], x: str, parameter: str, out: str) -> str:
    """A linear layer in float."""
    weight = g.constant(f"{parameter}.weight", weights[f"{parameter}.weight"].T)
    bias = g.constant(f"{parameter}.bias", weights[f"{parameter}.bias"])
    return g.add("Add", [g.add("MatMul", [x, weight], f"{out}.product"), bias], out)
