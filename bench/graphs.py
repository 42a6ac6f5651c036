"""Networks with random weights, in the sizes that the benchmarks need."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import onnx
from numpy.typing import DTypeLike, NDArray
from onnx import helper, numpy_helper

Shape = tuple[int, ...]


class Graph:
    """Writes an ONNX graph node by node; every method gives the name of its result.

    shape: of one row of the input `x`. dtype: of the weights, and of `x` unless input_dtype says
    otherwise.
    """

    def __init__(
        self, shape: Shape, dtype: DTypeLike = np.float32, input_dtype: DTypeLike | None = None
    ) -> None:
        self.dtype = np.dtype(dtype)
        self._random = np.random.default_rng(0)
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._type = helper.np_dtype_to_tensor_dtype(self.dtype)
        taken = self._type
        if input_dtype is not None:
            taken = helper.np_dtype_to_tensor_dtype(np.dtype(input_dtype))
        self._input = helper.make_tensor_value_info("x", taken, ["n", *shape])

    def weights(self, *shape: int) -> str:
        scale = 1 / np.sqrt(np.prod(shape[1:]) if len(shape) > 2 else shape[0])
        values = self._random.standard_normal(shape, np.float32)
        return self.constant((values * scale).astype(self.dtype))

    def filled(self, value: float, *shape: int) -> str:
        """A constant of one value; a scalar without a shape."""
        return self.constant(np.full(shape, value, self.dtype))

    def constant(self, values: NDArray[Any]) -> str:
        name = f"c{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(values, name))
        return name

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"n{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def dense(self, name: str, before: int, after: int) -> str:
        """x @ weights + bias."""
        product = self.node("MatMul", name, self.weights(before, after))
        return self.node("Add", product, self.filled(0, after))

    def convolution(self, name: str, before: int, after: int, size: int, stride: int = 1) -> str:
        """With a bias, as it is when its normalisation has been folded into it."""
        inputs = name, self.weights(after, before, size, size), self.filled(0, after)
        return self.node("Conv", *inputs, pads=[size // 2] * 4, strides=[stride] * 2)

    def normed(self, name: str, width: int) -> str:
        return self.node("LayerNormalization", name, self.filled(1, width), self.filled(0, width))

    def finished(self, last: str, rank: int) -> bytes:
        self._nodes.append(helper.make_node("Identity", [last], ["y"]))
        output = helper.make_tensor_value_info("y", self._type, ["n"] + [None] * (rank - 1))
        graph = helper.make_graph(self._nodes, "bench", [self._input], [output], self._constants)
        opset = [helper.make_opsetid("", 18)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=10)
        return bytes(model.SerializeToString())


def mlp(dtype: DTypeLike = np.float32) -> bytes:
    """4-16-2: so small that everything else is overhead."""
    graph = Graph((4,), dtype)
    hidden = graph.node("Relu", graph.node("MatMul", "x", graph.weights(4, 16)))
    return graph.finished(graph.node("MatMul", hidden, graph.weights(16, 2)), 2)


def cnn(dtype: DTypeLike = np.float32) -> bytes:
    """43 million multiply-adds an image: eight 3x3 convolutions on 32x32 pixels."""
    graph = Graph((3, 32, 32), dtype)
    widths = 3, 32, 32, 32, 32, 64, 64, 64, 128
    last = "x"
    for layer, (before, after) in enumerate(pairwise(widths)):
        last = graph.convolution(last, before, after, 3, 2 if layer in (3, 6) else 1)
        last = graph.node("Relu", last)
    return graph.finished(graph.node("GlobalAveragePool", last), 4)


def encoder(
    dtype: DTypeLike = np.float32, length: int = 32, width: int = 384, layers: int = 6
) -> bytes:
    """Self-attention and feed-forward layers, as a small sentence encoder has them."""
    graph = Graph((length, width), dtype)
    last = "x"
    for _ in range(layers):
        query, key, value = (graph.dense(last, width, width) for _ in "qkv")
        scores = graph.node("MatMul", query, graph.node("Transpose", key, perm=[0, 2, 1]))
        scaled = graph.node("Mul", scores, graph.filled(width**-0.5))
        mixed = graph.node("MatMul", graph.node("Softmax", scaled, axis=-1), value)
        last = graph.normed(graph.node("Add", last, mixed), width)
        inner = graph.node("Relu", graph.dense(last, width, 4 * width))
        last = graph.normed(graph.node("Add", last, graph.dense(inner, 4 * width, width)), width)
    return graph.finished(last, 3)


def resnet(
    dtype: DTypeLike = np.float32,
    blocks: Shape = (3, 4, 6, 3),
    width: int = 64,
    pixels: int = 224,
    classes: int = 1000,
) -> bytes:
    """ResNet-50 by default (He et al. 2015): 25.5 million weights, 8.2 GFLOP an image."""
    graph = Graph((3, pixels, pixels), dtype)
    last = graph.node("Relu", graph.convolution("x", 3, width, 7, 2))
    last = graph.node("MaxPool", last, kernel_shape=[3, 3], pads=[1] * 4, strides=[2, 2])
    before = width
    for stage, count in enumerate(blocks):
        inner = width * 2**stage
        for block in range(count):
            stride = 2 if stage and not block else 1
            last = _bottleneck(graph, last, before, inner, stride)
            before = 4 * inner
    pooled = graph.node("Flatten", graph.node("GlobalAveragePool", last))
    return graph.finished(graph.dense(pooled, before, classes), 2)


def _bottleneck(graph: Graph, start: str, before: int, inner: int, stride: int) -> str:
    last = graph.node("Relu", graph.convolution(start, before, inner, 1))
    last = graph.node("Relu", graph.convolution(last, inner, inner, 3, stride))
    last = graph.convolution(last, inner, 4 * inner, 1)
    around = start
    if before != 4 * inner or stride != 1:
        around = graph.convolution(start, before, 4 * inner, 1, stride)
    return graph.node("Relu", graph.node("Add", last, around))


def bert(
    dtype: DTypeLike = np.float32,
    layers: int = 12,
    heads: int = 12,
    width: int = 768,
    words: int = 30522,
    length: int = 128,
) -> bytes:
    """BERT-base by default (Devlin et al. 2018): 109 million weights.

    Takes int64 token ids [n, length], without a mask; gives the pooled first token [n, width].
    """
    graph = Graph((length,), dtype, np.int64)
    last = graph.node("Gather", graph.weights(words, width), "x")
    last = graph.normed(graph.node("Add", last, graph.weights(length, width)), width)
    for _ in range(layers):
        mixed = graph.dense(_attention(graph, last, heads, width, length), width, width)
        last = graph.normed(graph.node("Add", last, mixed), width)
        inner = _gelu(graph, graph.dense(last, width, 4 * width))
        last = graph.normed(graph.node("Add", last, graph.dense(inner, 4 * width, width)), width)
    first = graph.node("Gather", last, graph.constant(np.array(0, np.int64)), axis=1)
    return graph.finished(graph.node("Tanh", graph.dense(first, width, width)), 2)


def _attention(graph: Graph, name: str, heads: int, width: int, length: int) -> str:
    apart = graph.constant(np.array([0, length, heads, width // heads], np.int64))
    together = graph.constant(np.array([0, length, width], np.int64))

    def head(perm: list[int]) -> str:
        split = graph.node("Reshape", graph.dense(name, width, width), apart)
        return graph.node("Transpose", split, perm=perm)

    query, key, value = head([0, 2, 1, 3]), head([0, 2, 3, 1]), head([0, 2, 1, 3])
    scale = graph.filled((width // heads) ** -0.5)
    scores = graph.node("Mul", graph.node("MatMul", query, key), scale)
    mixed = graph.node("MatMul", graph.node("Softmax", scores, axis=-1), value)
    return graph.node("Reshape", graph.node("Transpose", mixed, perm=[0, 2, 1, 3]), together)


def _gelu(graph: Graph, name: str) -> str:
    """In the form that ONNX Runtime recognises and fuses."""
    error = graph.node("Erf", graph.node("Div", name, graph.filled(2**0.5)))
    product = graph.node("Mul", name, graph.node("Add", error, graph.filled(1)))
    return graph.node("Mul", product, graph.filled(0.5))
