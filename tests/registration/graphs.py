"""Graphs as their makers hand them over: ONNX files with nothing beside them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT = TensorProto.FLOAT


def write(
    path: Path,
    nodes: Sequence[Any],
    inputs: Sequence[Any],
    outputs: Sequence[Any],
    constants: Sequence[Any] = (),
    domains: Sequence[str] = (),
) -> Path:
    graph = helper.make_graph(nodes, "graph", inputs, outputs, constants)
    opsets = [helper.make_opsetid("", 18), *(helper.make_opsetid(one, 1) for one in domains)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    return path


def value(name: str, kind: int, *shape: int | str) -> Any:
    return helper.make_tensor_value_info(name, kind, list(shape))


def constant(name: str, array: Any) -> Any:
    return numpy_helper.from_array(np.asarray(array), name)


def weights(*shape: int, seed: int = 0) -> Any:
    random = np.random.default_rng(seed)
    return (random.normal(size=shape) / np.sqrt(shape[0])).astype(np.float32)


def network(path: Path, columns: int = 32, classes: int = 3, batch: int | str = "n") -> Path:
    """Two layers and a softmax: large enough for int8."""
    return write(
        path,
        [
            helper.make_node("MatMul", ["x", "first"], ["a"]),
            helper.make_node("Relu", ["a"], ["b"]),
            helper.make_node("MatMul", ["b", "second"], ["c"]),
            helper.make_node("Softmax", ["c"], ["p"], axis=1),
        ],
        [value("x", FLOAT, batch, columns)],
        [value("p", FLOAT, batch, classes)],
        [
            constant("first", weights(columns, 96)),
            constant("second", weights(96, classes, seed=1) * 4),
        ],
    )


def regressor(path: Path, columns: int = 2) -> Path:
    """The sum of the columns."""
    return write(
        path,
        [helper.make_node("MatMul", ["x", "ones"], ["y"])],
        [value("x", FLOAT, "n", columns)],
        [value("y", FLOAT, "n", 1)],
        [constant("ones", np.ones((columns, 1), np.float32))],
    )


def with_external_data(path: Path, location: str = "weights.bin") -> Path:
    """The network, its weights in a file beside it; the file's place can be said otherwise."""
    network(path)
    model = onnx.load(path)
    onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    if location != "weights.bin":
        model = onnx.load(path, load_external_data=False)
        for tensor in model.graph.initializer:
            for entry in tensor.external_data:
                if entry.key == "location":
                    entry.value = location
        path.write_bytes(model.SerializeToString())
    return path


def mean_of_batch(path: Path) -> Path:
    """x minus the mean of the batch: a neighbour changes every answer."""
    return write(
        path,
        [
            helper.make_node("ReduceMean", ["x", "axis"], ["mean"], keepdims=1),
            helper.make_node("Sub", ["x", "mean"], ["y"]),
        ],
        [value("x", FLOAT, "n", 2)],
        [value("y", FLOAT, "n", 2)],
        [constant("axis", np.array([0], np.int64))],
    )


def tokens(path: Path, vocabulary: int = 16) -> Path:
    """A text model: ids and mask of any length, to two logits."""
    return write(
        path,
        [
            helper.make_node("Gather", ["table", "input_ids"], ["embedded"]),
            helper.make_node("Cast", ["attention_mask"], ["mask"], to=FLOAT),
            helper.make_node("Unsqueeze", ["mask", "last"], ["wide"]),
            helper.make_node("Mul", ["embedded", "wide"], ["masked"]),
            helper.make_node("ReduceMean", ["masked", "middle"], ["logits"], keepdims=0),
        ],
        [
            value("input_ids", TensorProto.INT64, "batch", "tokens"),
            value("attention_mask", TensorProto.INT64, "batch", "tokens"),
        ],
        [value("logits", FLOAT, "batch", 2)],
        [
            constant("table", weights(vocabulary, 2)),
            constant("last", np.array([-1], np.int64)),
            constant("middle", np.array([1], np.int64)),
        ],
    )


def texts(path: Path) -> Path:
    """Texts as they came."""
    return write(
        path,
        [helper.make_node("Identity", ["text"], ["same"])],
        [value("text", TensorProto.STRING, "n", 1)],
        [value("same", TensorProto.STRING, "n", 1)],
    )


def unary(path: Path, operator: str, kind: int = FLOAT, **attributes: Any) -> Path:
    """One operator on [n, 2]."""
    return write(
        path,
        [helper.make_node(operator, ["x"], ["y"], **attributes)],
        [value("x", kind, "n", 2)],
        [value("y", kind, "n", 2)],
    )


def custom_operator(path: Path) -> Path:
    """An operator that only a library knows."""
    return write(
        path,
        [helper.make_node("Anything", ["x"], ["y"], domain="com.example")],
        [value("x", FLOAT, "n", 2)],
        [value("y", FLOAT, "n", 2)],
        domains=["com.example"],
    )


def endless(path: Path) -> Path:
    """A loop that never ends."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["on"]),
            helper.make_node("Identity", ["state"], ["next"]),
        ],
        "body",
        [
            value("i", TensorProto.INT64),
            value("go", TensorProto.BOOL),
            value("state", FLOAT, "n", 2),
        ],
        [value("on", TensorProto.BOOL), value("next", FLOAT, "n", 2)],
    )
    return write(
        path,
        [helper.make_node("Loop", ["", "true", "x"], ["y"], body=body)],
        [value("x", FLOAT, "n", 2)],
        [value("y", FLOAT, "n", 2)],
        [constant("true", np.array(True))],
    )


def large(path: Path) -> Path:
    """Asks for 64 GiB."""
    return write(
        path,
        [
            helper.make_node("ConstantOfShape", ["shape"], ["much"]),
            helper.make_node("ReduceSum", ["much"], ["total"], keepdims=0),
            helper.make_node("Add", ["x", "total"], ["y"]),
        ],
        [value("x", FLOAT, "n", 2), value("shape", TensorProto.INT64, 1)],
        [value("y", FLOAT, "n", 2)],
    )


def wide(path: Path, columns: int) -> Path:
    """Relu of many columns."""
    return write(
        path,
        [helper.make_node("Relu", ["x"], ["y"])],
        [value("x", FLOAT, "n", columns)],
        [value("y", FLOAT, "n", columns)],
    )


def total_of_batch(path: Path) -> Path:
    """One number for all rows."""
    return write(
        path,
        [helper.make_node("ReduceSum", ["x"], ["y"], keepdims=0)],
        [value("x", FLOAT, "n", 2)],
        [value("y", FLOAT)],
    )


def hidden_external_data(path: Path) -> Path:
    """A constant of a branch whose value lies in the folder above."""
    tensor = TensorProto(name="w", data_type=FLOAT, dims=[2, 2], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="../weights.bin")
    node = helper.make_node("Constant", [], ["w"])
    node.attribute.add(name="value", type=onnx.AttributeProto.TENSOR, t=tensor)
    branch = helper.make_graph(
        [node, helper.make_node("MatMul", ["x", "w"], ["out"])],
        "branch",
        [],
        [value("out", FLOAT, "n", 2)],
    )
    return write(
        path,
        [helper.make_node("If", ["true"], ["y"], then_branch=branch, else_branch=branch)],
        [value("x", FLOAT, "n", 2)],
        [value("y", FLOAT, "n", 2)],
        [constant("true", np.array(True))],
    )


def scikit_learn(path: Path, *, zipmap: bool = False) -> Path:
    """A logistic regression of three classes and four columns, as skl2onnx exports it."""
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType
    from sklearn.linear_model import LogisticRegression

    random = np.random.default_rng(0)
    rows = random.normal(size=(60, 4)).astype(np.float32)
    model = LogisticRegression().fit(rows, np.argmax(rows[:, :3], axis=1))
    exported = convert_sklearn(
        model,
        initial_types=[("input", FloatTensorType([None, 4]))],
        options={id(model): {"zipmap": zipmap}},
    )
    onnx.save(exported, path)
    return path


def fragile(path: Path) -> Path:
    """A classifier that 8 bits break: one huge weight hides the others of its column."""
    spoilt = weights(32, 96)
    spoilt[0] = 0
    spoilt[1] = 300
    return write(
        path,
        [
            helper.make_node("Mul", ["x", "mute"], ["quiet"]),
            helper.make_node("MatMul", ["quiet", "first"], ["a"]),
            helper.make_node("MatMul", ["a", "second"], ["c"]),
            helper.make_node("Softmax", ["c"], ["p"], axis=1),
        ],
        [value("x", FLOAT, "n", 32)],
        [value("p", FLOAT, "n", 3)],
        [
            constant("mute", np.array([0 if column < 2 else 1 for column in range(32)], "f")),
            constant("first", spoilt),
            constant("second", weights(96, 3, seed=1)),
        ],
    )


def wide_regressor(path: Path) -> Path:
    """A number from 512 columns."""
    return write(
        path,
        [helper.make_node("Gemm", ["x", "w", "b"], ["y"], transB=1)],
        [value("x", FLOAT, "n", 512)],
        [value("y", FLOAT, "n", 1)],
        [constant("w", weights(1, 512)), constant("b", np.ones(1, np.float32))],
    )
