"""The model of action units as an ONNX graph, written node by node from the weights.

Needs the ``train`` extra (onnx).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from affectome.learn.action_units_model import FARTHEST, is_beside
from affectome.learn.onnx_graph import Graph, finish
from affectome.learn.voice_graph import linear
from affectome.perceive.action_units import SQUARE
from affectome.perceive.face_mesh import POINTS

Array = NDArray[np.float32]

_NORM = 1e-5  # what torch adds to a variance


def build_action_units_graph(weights: Mapping[str, Array]) -> onnx.ModelProto:
    """Write the graph.

    Args:
        weights: State of an ``ActionUnitsModel`` by parameter name.

    Returns:
        A checked model with the inputs ``points`` (n, 468, 3), ``turn`` (n, 3) and ``crop`` (n, 1, 96, 96), and the
        outputs ``strengths`` (n, units), and the same from the points or the picture alone, ``by_points`` and
        ``by_picture``. What is not asked for is not computed.
    """
    g = Graph()
    points, picture = _from_points(g, weights), _from_picture(g, weights)
    g.add("Sigmoid", [points], "by_points")
    g.add("Sigmoid", [picture], "by_picture")
    points = g.add("Mul", [points, g.constant("points_weight", weights["points_weight"])], "points.weighted")
    picture = g.add("Mul", [picture, g.constant("picture_weight", weights["picture_weight"])], "picture.weighted")
    g.add("Sigmoid", [g.add("Add", [points, picture], "logits")], "strengths")
    shapes: dict[str, list[str | int]] = {
        "points": ["n", POINTS, 3],
        "turn": ["n", 3],
        "crop": ["n", 1, SQUARE, SQUARE],
    }
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", len(weights["points_weight"])])
        for name in ("strengths", "by_points", "by_picture")
    ]
    return finish(g, "action_units", inputs, outputs, {})


def _from_points(g: Graph, weights: Mapping[str, Array]) -> str:
    flat = g.add("Flatten", ["points"], "points.flat", axis=1)
    away = g.add("Sub", [flat, g.constant("centre", weights["centre"])], "points.away")
    projected = g.add("MatMul", [away, g.constant("basis", weights["basis"])], "projected")
    limits = [g.constant("least", np.float32(-FARTHEST)), g.constant("most", np.float32(FARTHEST))]
    components = g.add("Clip", [projected, *limits], "components")
    x = g.add("Concat", [components, "turn"], "points.in", axis=1)
    for name in ("first", "second"):
        x = g.add("Relu", [linear(g, weights, x, name, f"{name}.out")], f"{name}.relu")
    return linear(g, weights, x, "points_head", "points.logits")


def _from_picture(g: Graph, weights: Mapping[str, Array]) -> str:
    x, k = "crop", 0
    while f"convolutions.{k}.weight" in weights:
        scale = weights[f"norms.{k}.weight"] / np.sqrt(weights[f"norms.{k}.running_var"] + _NORM)
        kernel = weights[f"convolutions.{k}.weight"] * scale[:, None, None, None]
        bias = weights[f"norms.{k}.bias"] - weights[f"norms.{k}.running_mean"] * scale
        inputs = [x, g.constant(f"convolution.{k}.weight", kernel), g.constant(f"convolution.{k}.bias", bias)]
        stride, border = 1 if is_beside(k) else 2, kernel.shape[-1] // 2 - (kernel.shape[-1] % 2 == 0)
        y = g.add("Conv", inputs, f"convolution.{k}", strides=[stride] * 2, pads=[border] * 4)
        y = g.add("Add", [x, y], f"convolution.{k}.sum") if is_beside(k) else y
        x, k = g.add("Relu", [y], f"convolution.{k}.relu"), k + 1
    inputs = [x, *(g.constant(f"reduce.{part}", weights[f"reduce.{part}"]) for part in ("weight", "bias"))]
    x = g.add("Flatten", [g.add("Relu", [g.add("Conv", inputs, "reduce")], "reduce.relu")], "reduce.flat", axis=1)
    x = g.add("Relu", [linear(g, weights, x, "picture", "picture.out")], "picture.relu")
    return linear(g, weights, x, "picture_head", "picture.logits")
