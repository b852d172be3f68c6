"""The face model as an ONNX graph.

Normalisations are folded into the convolutions, weights are kept with 16 bits and used with 32. Every face is also seen
mirrored, and the features of both are averaged. Needs the ``train`` extra (onnx).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from affectome.learn.onnx_graph import Graph, finish, halved
from affectome.perceive.face_encoder import SIDE

Array = NDArray[np.float32]

_EPSILON = 1e-5  # of torch's batch normalisation


def build_face_graph(
    weights: Mapping[str, Array], *, strides: Sequence[int], vocabularies: Sequence[str]
) -> onnx.ModelProto:
    """Write the graph.

    Args:
        weights: State of a ``FaceAffectModel`` by parameter name.
        strides: Stride of each of its blocks.
        vocabularies: Taxonomies with a head of their own.

    Returns:
        A checked model with the input ``faces`` (n, 48, 48), each with mean 0 and standard deviation 1, and the outputs
        ``vector`` (n, space) of unit length and for each vocabulary ``labels.<taxonomy>`` (n, labels) logits.
    """
    g = Graph()
    last = g.constant("last", np.array([-1], np.int64))
    first, end = g.constant("first", np.array([0], np.int64)), g.constant("end", np.array([-(2**31)], np.int64))
    axis = g.constant("axis", np.array([2], np.int64))
    mirrored = g.add("Slice", ["faces", last, end, axis, last], "mirrored")
    both = g.add("Concat", ["faces", mirrored], "both", axis=0)
    x = g.add("Unsqueeze", [both, g.constant("channel", np.array([1], np.int64))], "pictures")
    x = g.add("Relu", [_convolution(g, weights, x, "conv", "norm", 1)], "stem")
    for i, stride in enumerate(strides):
        x = _block(g, weights, x, f"stages.{i}", stride)
    pooled = g.add("GlobalAveragePool", [x], "pooled")
    width = int(weights["place.weight"].shape[1])
    pairs = g.add("Reshape", [pooled, g.constant("pairs", np.array([2, -1, width], np.int64))], "pairs_of_features")
    features = g.add("ReduceMean", [pairs, first], "features", keepdims=0)
    g.add("LpNormalization", [_linear(g, weights, features, "place")], "vector", axis=-1, p=2)
    for name in vocabularies:
        g.add("Identity", [_linear(g, weights, features, f"heads.{name}")], f"labels.{name}")
    sizes = {
        "vector": len(weights["place.bias"]),
        **{f"labels.{name}": len(weights[f"heads.{name}.bias"]) for name in vocabularies},
    }
    inputs = [helper.make_tensor_value_info("faces", TensorProto.FLOAT, ["n", SIDE, SIDE])]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", size]) for name, size in sizes.items()]
    return finish(g, "face", inputs, outputs, {})


def _block(g: Graph, weights: Mapping[str, Array], x: str, at: str, stride: int) -> str:
    y = g.add("Relu", [_convolution(g, weights, x, f"{at}.conv1", f"{at}.norm1", stride)], f"{at}.first")
    y = _convolution(g, weights, y, f"{at}.conv2", f"{at}.norm2", 1)
    squeezed = g.add("Flatten", [g.add("GlobalAveragePool", [y], f"{at}.mean")], f"{at}.means")
    small = g.add("Relu", [_linear(g, weights, squeezed, f"{at}.squeeze")], f"{at}.small")
    share = g.add("Sigmoid", [_linear(g, weights, small, f"{at}.excite")], f"{at}.share")
    places = g.constant("places", np.array([2, 3], np.int64))
    y = g.add("Mul", [y, g.add("Unsqueeze", [share, places], f"{at}.shares")], f"{at}.weighted")
    if f"{at}.short.weight" in weights:
        if stride > 1:
            size = [stride, stride]
            x = g.add("AveragePool", [x], f"{at}.reduced", kernel_shape=size, strides=size)
        x = _convolution(g, weights, x, f"{at}.short", f"{at}.short_norm", 1)
    return g.add("Relu", [g.add("Add", [x, y], f"{at}.sum")], f"{at}.out")


def _convolution(g: Graph, weights: Mapping[str, Array], x: str, conv: str, norm: str, stride: int) -> str:
    """A convolution and the normalisation after it."""
    scale = weights[f"{norm}.weight"] / np.sqrt(weights[f"{norm}.running_var"] + _EPSILON)
    weight = weights[f"{conv}.weight"] * scale[:, None, None, None]
    bias = weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * scale
    side = int(weight.shape[-1])
    return g.add(
        "Conv",
        [x, halved(g, f"{conv}.weight", weight), g.constant(f"{conv}.bias", bias.astype(np.float32))],
        f"{conv}.out",
        kernel_shape=[side, side],
        pads=[side // 2] * 4,
        strides=[stride, stride],
    )


def _linear(g: Graph, weights: Mapping[str, Array], x: str, name: str) -> str:
    weight = halved(g, f"{name}.weight", weights[f"{name}.weight"])
    return g.add("Gemm", [x, weight, g.constant(f"{name}.bias", weights[f"{name}.bias"])], f"{name}.out", transB=1)
