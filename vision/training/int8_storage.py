"""Weights stored as int8, a quarter of the size, with one scale for every output of a layer.

They are put back to floats by a cast and a multiplication, which any runtime does once, when it
opens the graph: it computes with floats and needs no options for it.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from torch import nn

SMALLEST = 4096
"""Numbers; smaller weights stay as they are."""
LARGEST_INT8 = 127
TINY = 1e-12
Weights = NDArray[np.float32]
Model = TypeVar("Model", bound=nn.Module)


@dataclass(frozen=True, slots=True)
class Rounded:
    values: NDArray[np.int8]
    scales: Weights
    """One for each index of the first axis; of as many axes as the values."""

    @property
    def restored(self) -> Weights:
        return self.values.astype(np.float32) * self.scales


def rounded(weights: Weights) -> Rounded:
    """Symmetric, with a scale of its own for each index of the first axis."""
    others = tuple(range(1, weights.ndim))
    scales = np.maximum(np.abs(weights).max(axis=others, keepdims=True), TINY) / LARGEST_INT8
    values = np.clip(np.rint(weights / scales), -LARGEST_INT8, LARGEST_INT8)
    return Rounded(values.astype(np.int8), scales.astype(np.float32))


def is_large(shape: tuple[int, ...]) -> bool:
    """Whether weights of this shape are stored as int8."""
    return len(shape) > 1 and int(np.prod(shape)) >= SMALLEST


def as_stored(model: Model) -> Model:
    """A copy of a model with the weights that int8 makes of its own."""
    copy = deepcopy(model)
    with torch.no_grad():
        for weights in copy.parameters():
            if is_large(tuple(weights.shape)):
                weights.copy_(torch.from_numpy(rounded(weights.numpy()).restored))
    return copy


def store_int8(model: onnx.ModelProto) -> None:
    """Change the large weights of a graph in place."""
    graph = model.graph
    nodes: list[onnx.NodeProto] = []
    for one in list(graph.initializer):
        if one.data_type != onnx.TensorProto.FLOAT or not is_large(tuple(one.dims)):
            continue
        stored = rounded(numpy_helper.to_array(one))
        graph.initializer.remove(one)
        whole, scales, floats = f"{one.name}_int8", f"{one.name}_scales", f"{one.name}_floats"
        graph.initializer.append(numpy_helper.from_array(stored.values, whole))
        graph.initializer.append(numpy_helper.from_array(stored.scales, scales))
        nodes.append(helper.make_node("Cast", [whole], [floats], floats, to=onnx.TensorProto.FLOAT))
        nodes.append(helper.make_node("Mul", [floats, scales], [one.name], f"{floats}_scaled"))
    nodes += graph.node
    del graph.node[:]
    graph.node.extend(nodes)
