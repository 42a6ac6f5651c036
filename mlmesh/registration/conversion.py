"""Graphs with less precise weights.

Three ways to int8. `weights` stores them in 8 bits, one scale for each channel, and computes in
float32 as before: a quarter of the size, and a row's answer depends on that row alone. `blocks`
computes in 8 bits, with a scale for every 32 weights and for the same number of a row's own values
(ONNX Runtime's MatMulNBits). `dynamic` computes in 8 bits with one scale for a whole batch, which
lets a neighbour change an answer: it is refused unless the graph runs one row at a time.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from mlmesh.registration.refusal import Refused
from mlmesh.registration.source import first_line

Method = Literal["weights", "blocks", "dynamic", "fp16"]
LEAST_WEIGHTS = 256
"""Smaller tensors stay as they are: what they take is not worth an error."""
BLOCK = 32
LARGEST_GRAPH = 3 * 2**29
"""Bytes above which weights go to a file of their own: protobuf ends at 2 GiB."""
EXTERNAL_FILE = "weights.bin"
_CHANNEL_AXIS = {"MatMul": 1, "Conv": 0, "ConvTranspose": 1, "Gather": 0}
_WEIGHT_INPUT = {"MatMul": 1, "Gemm": 1, "Conv": 1, "ConvTranspose": 1, "Gather": 0}


def convert(graph: Path, target: Path, method: Method) -> None:
    """Write a less precise version of a graph; raises Refused when nothing becomes smaller."""
    model = onnx.load(graph)
    try:
        converted = _METHODS[method](model)
    except Refused:
        raise
    except Exception as error:  # the converters raise what they like
        raise Refused(f"{method}: the graph cannot be converted: {first_line(error)}") from None
    if converted.ByteSize() > LARGEST_GRAPH:
        onnx.save(converted, target, save_as_external_data=True, location=EXTERNAL_FILE)
    else:
        onnx.save(converted, target)


def _with_int8_weights(model: Any) -> Any:
    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    done: dict[str, int] = {}
    for name, axis in _weights(graph, constants):
        if done.setdefault(name, axis) != axis:
            done[name] = -1  # two uses with different channels: left as it is
    chosen = {name: axis for name, axis in done.items() if axis >= 0}
    if not chosen:
        raise Refused(
            "weights: the graph has no matrix of float32 weights that is large enough; "
            "int8 would not make it smaller"
        )
    nodes: list[Any] = []
    for name, axis in chosen.items():
        nodes += _stored_in_8_bits(graph, constants[name], axis)
    for node in reversed(nodes):
        graph.node.insert(0, node)
    return model


def _weights(graph: Any, constants: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """Names of float32 constants that are weights, with the axis of their channels."""
    for node in graph.node:
        at = _WEIGHT_INPUT.get(node.op_type)
        if at is None or node.domain not in ("", "ai.onnx") or len(node.input) <= at:
            continue
        tensor = constants.get(node.input[at])
        if tensor is None or tensor.data_type != TensorProto.FLOAT or len(tensor.dims) < 2:
            continue
        if np.prod(tensor.dims) >= LEAST_WEIGHTS:
            yield tensor.name, _channel_axis(node, len(tensor.dims))


def _channel_axis(node: Any, rank: int) -> int:
    if node.op_type == "Gemm":
        transposed = any(one.name == "transB" and one.i for one in node.attribute)
        return 0 if transposed else 1
    return rank - 1 if node.op_type == "MatMul" else _CHANNEL_AXIS[node.op_type]


def _stored_in_8_bits(graph: Any, tensor: Any, axis: int) -> list[Any]:
    """Replace a constant by its 8 bits and scales; gives the nodes that make it again.

    They only have constants as inputs, so ONNX Runtime runs them once, when it opens the graph.
    """
    values = numpy_helper.to_array(tensor)
    others = tuple(one for one in range(values.ndim) if one != axis)
    scales = np.abs(values).max(axis=others, keepdims=True) / 127
    scales = np.where(scales == 0, 1, scales).astype(np.float32)
    small = np.clip(np.rint(values / scales), -127, 127).astype(np.int8)
    name = tensor.name
    graph.initializer.remove(tensor)
    graph.initializer.extend(
        [numpy_helper.from_array(small, f"{name}.int8"),
         numpy_helper.from_array(scales, f"{name}.scale")]
    )  # fmt: skip
    return [
        helper.make_node("Cast", [f"{name}.int8"], [f"{name}.wide"], to=TensorProto.FLOAT),
        helper.make_node("Mul", [f"{name}.wide", f"{name}.scale"], [name]),
    ]


def _in_blocks(model: Any) -> Any:
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    before = sum(node.op_type == "MatMulNBits" for node in model.graph.node)
    quantizer = MatMulNBitsQuantizer(
        model, bits=8, block_size=BLOCK, is_symmetric=True, accuracy_level=4
    )
    with _quiet():
        quantizer.process()
    converted = quantizer.model.model
    if sum(node.op_type == "MatMulNBits" for node in converted.graph.node) == before:
        raise Refused("blocks: the graph multiplies by no constant matrix (MatMul)")
    return converted


def _dynamic(model: Any) -> Any:
    from onnxruntime.quantization import quantize_dynamic

    with tempfile.TemporaryDirectory(prefix="mlmesh-int8-") as folder:
        before, after = Path(folder) / "before.onnx", Path(folder) / "after.onnx"
        onnx.save(model, before, save_as_external_data=model.ByteSize() > LARGEST_GRAPH)
        with _quiet():
            quantize_dynamic(before, after)
        return onnx.load(after)


@contextmanager
def _quiet() -> Iterator[None]:
    """ONNX Runtime's converters log every step, and advise some that change nothing here."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def _in_fp16(model: Any) -> Any:
    from onnxruntime.transformers.float16 import convert_float_to_float16

    return convert_float_to_float16(model, keep_io_types=True)


_METHODS: dict[Method, Callable[[Any], Any]] = {
    "weights": _with_int8_weights,
    "blocks": _in_blocks,
    "dynamic": _dynamic,
    "fp16": _in_fp16,
}
