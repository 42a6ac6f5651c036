"""Networks with random weights, in the sizes that the benchmarks need."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Shape = tuple[int, ...]


class Graph:
    """Writes an ONNX graph node by node; every method gives the name of its result."""

    def __init__(self, shape: Shape) -> None:
        self._random = np.random.default_rng(0)
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._input = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *shape])

    def weights(self, *shape: int) -> str:
        scale = 1 / np.sqrt(np.prod(shape[1:]) if len(shape) > 2 else shape[0])
        values = self._random.normal(scale=scale, size=shape).astype(np.float32)
        return self.constant(values)

    def constant(self, values: np.ndarray) -> str:
        name = f"c{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(values, name))
        return name

    def node(self, kind: str, *inputs: str, **attributes: object) -> str:
        name = f"n{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def finished(self, last: str, rank: int) -> bytes:
        self._nodes.append(helper.make_node("Identity", [last], ["y"]))
        output = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n"] + [None] * (rank - 1))
        graph = helper.make_graph(self._nodes, "bench", [self._input], [output], self._constants)
        opset = [helper.make_opsetid("", 18)]
        return helper.make_model(graph, opset_imports=opset, ir_version=10).SerializeToString()


def mlp() -> tuple[bytes, Shape]:
    """4-16-2: so small that everything else is overhead."""
    graph = Graph((4,))
    hidden = graph.node("Relu", graph.node("MatMul", "x", graph.weights(4, 16)))
    return graph.finished(graph.node("MatMul", hidden, graph.weights(16, 2)), 2), (4,)


def cnn() -> tuple[bytes, Shape]:
    """About 45 MFLOP: eight 3x3 convolutions on 32x32 pixels."""
    graph = Graph((3, 32, 32))
    last = graph.node("Conv", "x", graph.weights(32, 3, 3, 3), pads=[1] * 4)
    for layer in range(7):
        stride = 2 if layer in (2, 5) else 1
        wide = 32 * 2 ** (layer // 3)
        before = 32 * 2 ** ((layer - 1) // 3) if layer else 32
        kernel = graph.weights(wide, before, 3, 3)
        last = graph.node("Relu", last)
        last = graph.node("Conv", last, kernel, pads=[1] * 4, strides=[stride] * 2)
    return graph.finished(graph.node("GlobalAveragePool", last), 4), (3, 32, 32)


def encoder(length: int = 32, width: int = 384, layers: int = 6) -> tuple[bytes, Shape]:
    """Self-attention and feed-forward layers, as a small sentence encoder has them."""
    graph = Graph((length, width))
    last = "x"
    for _ in range(layers):
        query, key, value = (graph.node("MatMul", last, graph.weights(width, width)) for _ in "qkv")
        scores = graph.node("MatMul", query, graph.node("Transpose", key, perm=[0, 2, 1]))
        scaled = graph.node("Mul", scores, graph.constant(np.float32(width**-0.5)))
        mixed = graph.node("MatMul", graph.node("Softmax", scaled, axis=-1), value)
        last = _normed(graph, graph.node("Add", last, mixed), width)
        inner = graph.node("Relu", graph.node("MatMul", last, graph.weights(width, 4 * width)))
        outer = graph.node("MatMul", inner, graph.weights(4 * width, width))
        last = _normed(graph, graph.node("Add", last, outer), width)
    return graph.finished(last, 3), (length, width)


def _normed(graph: Graph, name: str, width: int) -> str:
    return graph.node("LayerNormalization", name, graph.constant(np.ones(width, np.float32)))
