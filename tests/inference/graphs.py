"""Graphs whose answers are exact, and that do what batches have to bear."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from mlmesh.registry.manifest import Batching, Lengths, Tensor
from tests.tiny_models import write_version

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
WORDS = 50
"""Ids that `write_texts` and `write_lookup` know; others make a run fail."""
PAD = 7.0
"""An id that is not zero, so that forgetting the mask changes answers."""

Shape = Sequence[int | str]


def serialised(graph: onnx.GraphProto) -> bytes:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content


def graph_of(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, tuple[int, Shape]],
    outputs: Mapping[str, tuple[int, Shape]],
    constants: Mapping[str, Any] | None = None,
) -> onnx.GraphProto:
    """inputs, outputs: ONNX type and shape by name. constants: arrays by name."""
    return helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info(name, *said) for name, said in inputs.items()],
        [helper.make_tensor_value_info(name, *said) for name, said in outputs.items()],
        [numpy_helper.from_array(array, name) for name, array in (constants or {}).items()],
    )


def write_lookup(root: Path, batching: Batching | None = None) -> Path:
    """`number` is 3 float32 for every id of `id`, int64 [n, 1]."""
    graph = graph_of(
        [
            helper.make_node("Gather", ["table", "id"], ["found"], axis=0),
            helper.make_node("Squeeze", ["found", "one"], ["number"]),
        ],
        {"id": (INT64, ["n", 1])},
        {"number": (FLOAT, ["n", 3])},
        {"table": _table(), "one": np.array([1])},
    )
    return write_version(
        root,
        graph,
        name="lookup",
        version="1",
        inputs=(Tensor(name="id", dtype="int64", shape=(None, 1)),),
        outputs=(Tensor(name="number", dtype="float32", shape=(None, 3)),),
        batching=batching or Batching(),
    )


def write_texts(root: Path, buckets: tuple[int, ...] = (), rows: tuple[int, ...] = ()) -> Path:
    """Sums of what `write_lookup` finds for `ids`, where `mask` is 1, both int64 [n, length].

    `sum` is float32 [n, 3], `each` has what was added, float32 [n, length, 3]. All are whole
    numbers, so that no order of adding changes them.
    """
    graph = graph_of(
        [
            helper.make_node("Gather", ["table", "ids"], ["found"], axis=0),
            helper.make_node("Cast", ["mask"], ["weights"], to=FLOAT),
            helper.make_node("Unsqueeze", ["weights", "last"], ["columns"]),
            helper.make_node("Mul", ["found", "columns"], ["each"]),
            helper.make_node("ReduceSum", ["each", "one"], ["sum"], keepdims=0),
        ],
        {"ids": (INT64, ["n", "length"]), "mask": (INT64, ["n", "length"])},
        {"sum": (FLOAT, ["n", 3]), "each": (FLOAT, ["n", "length", 3])},
        {"table": _table(), "last": np.array([2]), "one": np.array([1])},
    )
    lengths = Lengths(inputs={"ids": PAD, "mask": 0}, outputs=("each",), buckets=buckets)
    return write_version(
        root,
        graph,
        name="texts",
        version="1",
        inputs=tuple(
            Tensor(name=name, dtype="int64", shape=(None, None)) for name in ("ids", "mask")
        ),
        outputs=(
            Tensor(name="sum", dtype="float32", shape=(None, 3)),
            Tensor(name="each", dtype="float32", shape=(None, None, 3)),
        ),
        batching=Batching(buckets=rows, lengths=lengths),
    )


def write_centred(root: Path, *, together: bool) -> Path:
    """`y` is `x`, float32 [n, 2], less the mean of all its rows: each changes the others."""
    graph = graph_of(
        [
            helper.make_node("ReduceMean", ["x", "zero"], ["mean"], keepdims=1),
            helper.make_node("Sub", ["x", "mean"], ["y"]),
        ],
        {"x": (FLOAT, ["n", 2])},
        {"y": (FLOAT, ["n", 2])},
        {"zero": np.array([0])},
    )
    return write_version(
        root,
        graph,
        name="centred",
        version="1",
        inputs=(Tensor(name="x", dtype="float32", shape=(None, 2)),),
        outputs=(Tensor(name="y", dtype="float32", shape=(None, 2)),),
        batching=Batching(together=together),
    )


def write_positive(root: Path, *, together: bool, above: float = 0) -> Path:
    """`y` has those rows of `x`, float32 [n, 2], whose first number is above a bound."""
    graph = graph_of(
        [
            helper.make_node("Gather", ["x", "first"], ["column"], axis=1),
            helper.make_node("Greater", ["column", "bound"], ["kept"]),
            helper.make_node("Compress", ["x", "kept"], ["y"], axis=0),
        ],
        {"x": (FLOAT, ["n", 2])},
        {"y": (FLOAT, ["m", 2])},
        {"first": np.array(0), "bound": np.array(above, np.float32)},
    )
    return write_version(
        root,
        graph,
        name="positive",
        version="1",
        inputs=(Tensor(name="x", dtype="float32", shape=(None, 2)),),
        outputs=(Tensor(name="y", dtype="float32", shape=(None, 2)),),
        batching=Batching(together=together),
    )


def _table() -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.arange(3 * WORDS, dtype=np.float32).reshape(WORDS, 3)
