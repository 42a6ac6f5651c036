"""Weights stored as int8, a quarter of the size, with one scale for every column or row.

Matrices are put back to floats by DequantizeLinear, tables after their rows were looked up. How
the multiplication itself is done is the session's choice: see `static_scales`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import external_data_helper, helper, numpy_helper

IN_ENCODER = "encoder."
"""Part of the names of torch's parameters that are stored as int8, where they are matrices."""
SMALLEST = 4096
"""Numbers; smaller weights stay as they are."""
LARGEST_INT8 = 127
TINY = 1e-12
TOKENS_FILE = "tokens.bin"
"""The token table, which all models of the service share."""
SCALES = "_scales"


@dataclass(frozen=True, slots=True)
class Quantized:
    values: NDArray[np.int8]
    scales: NDArray[np.float32]
    """One for each index of the kept axis."""


def quantized(weights: NDArray[np.float32], axis: int) -> Quantized:
    """Round symmetrically, with a scale of its own for each index of `axis` (of two)."""
    scales = np.maximum(np.abs(weights).max(axis=1 - axis, keepdims=True), TINY) / LARGEST_INT8
    values = np.clip(np.rint(weights / scales), -LARGEST_INT8, LARGEST_INT8).astype(np.int8)
    return Quantized(values, scales.reshape(-1).astype(np.float32))


def store_int8(model: onnx.ModelProto, table: str) -> bytes:
    """Change the weights of MatMul and Gather in place; returns the content of TOKENS_FILE.

    table: name of the token table, which goes into that file.
    """
    graph = model.graph
    weights = {one.name: one for one in graph.initializer}
    shared = b""
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        place = {"MatMul": 1, "Gather": 0}.get(node.op_type)
        name = node.input[place] if place is not None else ""
        if name not in weights or not is_large(weights[name]):
            nodes.append(node)
            continue
        array = numpy_helper.to_array(weights[name])
        if node.op_type == "MatMul":
            _replace(graph, weights.pop(name), quantized(array, axis=1))
            nodes += [_dequantize(name), node]
        else:
            stored = quantized(array, axis=0)
            _replace(graph, weights.pop(name), stored, column=True)
            nodes += _look_up(node, name)
            if name == table:
                shared = _move_out(graph, name)
    if not shared:
        raise ValueError(f"the graph looks nothing up in {table}")
    del graph.node[:]
    graph.node.extend(nodes)
    return shared


def restored(weights: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    """The weights as they are after storing: what a faithful graph computes with."""
    stored = quantized(weights, axis)
    shape = (-1, 1) if axis == 0 else (1, -1)
    values: NDArray[np.float32] = stored.values.astype(np.float32) * stored.scales.reshape(shape)
    return values


def write_shared(folder: Path, content: bytes) -> Path:
    path = folder / TOKENS_FILE
    path.write_bytes(content)
    return path


def is_large(tensor: onnx.TensorProto) -> bool:
    """Whether a weight is stored as int8."""
    return (
        tensor.data_type == onnx.TensorProto.FLOAT
        and len(tensor.dims) == 2
        and int(np.prod(tensor.dims)) >= SMALLEST
    )


def _replace(
    graph: onnx.GraphProto, old: onnx.TensorProto, new: Quantized, *, column: bool = False
) -> None:
    graph.initializer.remove(old)
    scales = new.scales[:, None] if column else new.scales
    graph.initializer.append(numpy_helper.from_array(new.values, old.name + "_int8"))
    graph.initializer.append(numpy_helper.from_array(scales, old.name + SCALES))


def _dequantize(name: str) -> onnx.NodeProto:
    return helper.make_node(
        "DequantizeLinear", [f"{name}_int8", name + SCALES], [name], f"{name}_floats", axis=1
    )


def _look_up(gather: onnx.NodeProto, name: str) -> Iterable[onnx.NodeProto]:
    """Rows first, floats after: the whole table is never held as floats."""
    rows, scales, floats = (f"{name}_{part}" for part in ("rows", "row_scales", "row_floats"))
    indices = gather.input[1]
    return (
        helper.make_node("Gather", [f"{name}_int8", indices], [rows], rows, axis=0),
        helper.make_node("Gather", [name + SCALES, indices], [scales], scales, axis=0),
        helper.make_node("Cast", [rows], [floats], floats, to=onnx.TensorProto.FLOAT),
        helper.make_node("Mul", [floats, scales], list(gather.output), f"{name}_scaled"),
    )


def _move_out(graph: onnx.GraphProto, name: str) -> bytes:
    content = b""
    tensors: dict[str, Any] = {one.name: one for one in graph.initializer}
    for part in (f"{name}_int8", name + SCALES):
        tensor = tensors[part]
        raw = tensor.raw_data
        external_data_helper.set_external_data(
            tensor, TOKENS_FILE, offset=len(content), length=len(raw)
        )
        tensor.ClearField("raw_data")
        content += raw
    return content
