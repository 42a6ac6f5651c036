"""Fixed int8 scales for what the matrices are multiplied with, found on sample texts.

A session may then multiply whole numbers. Since the scales are fixed, a row's answer does not
depend on the rows beside it, as it would with scales taken from each batch. A session that wants
floats removes these nodes.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from nlp.training.int8_storage import is_large

LEVELS = 255
Inputs = dict[str, NDArray[np.int64]]
Range = tuple[float, float]


def multiplied(graph: onnx.GraphProto) -> list[str]:
    """Names of what is multiplied with weights that int8 stores."""
    weights = {one.name for one in graph.initializer if is_large(one)}
    found = (n.input[0] for n in graph.node if n.op_type == "MatMul" and n.input[1] in weights)
    return list(dict.fromkeys(found))


def ranges_of(path: Path, names: list[str], batches: Iterable[Inputs]) -> dict[str, Range]:
    """Smallest and largest value of each name over the tokens of the sample that are no padding.

    path: the graph, with its weights as floats.
    """
    model = onnx.load(path)
    for name in names:
        model.graph.output.append(helper.make_tensor_value_info(name, 1, None))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    ranges = dict.fromkeys(names, (0.0, 0.0))
    for inputs in batches:
        real = inputs["attention_mask"].astype(bool)
        for name, values in zip(names, session.run(names, inputs), strict=True):
            seen = values[real]
            low, high = ranges[name]
            ranges[name] = min(low, float(seen.min())), max(high, float(seen.max()))
    return ranges


def add_scales(graph: onnx.GraphProto, ranges: dict[str, Range]) -> None:
    """Round what is multiplied to uint8 and back, in place."""
    nodes: list[onnx.NodeProto] = []
    done: set[str] = set()
    for node in graph.node:
        name = node.input[0] if node.op_type == "MatMul" else ""
        if name in ranges:
            if name not in done:
                nodes += _rounded(graph, name, ranges[name])
                done.add(name)
            node.input[0] = f"{name}_rounded"
        nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)


def _rounded(graph: onnx.GraphProto, name: str, span: Range) -> list[onnx.NodeProto]:
    low, high = span
    step = np.float32((high - low) / LEVELS)
    zero = np.uint8(np.clip(np.rint(-low / step), 0, LEVELS))
    scale, point, whole = f"{name}_step", f"{name}_zero", f"{name}_uint8"
    graph.initializer.append(numpy_helper.from_array(np.array(step), scale))
    graph.initializer.append(numpy_helper.from_array(np.array(zero), point))
    return [
        helper.make_node("QuantizeLinear", [name, scale, point], [whole], whole),
        helper.make_node(
            "DequantizeLinear", [whole, scale, point], [f"{name}_rounded"], f"{name}_rounded"
        ),
    ]
