"""Real ONNX models small enough to be made in a test."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from cryptography.hazmat.primitives import serialization as pem
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from onnx import TensorProto, helper, numpy_helper

from mlmesh.inference.options import HostOptions
from mlmesh.registry.keys import PrivateKey
from mlmesh.registry.manifest import (
    MANIFEST_FILE,
    MODEL_FILE,
    Evaluation,
    Feature,
    Manifest,
    Tensor,
    Training,
    sha256_of,
    write_manifest,
)
from mlmesh.registry.signature import SIGNATURE_FILE, Trust, sign

TRAINING = Training(
    data="none", licence="CC0", rows=0, split="none", seed=0, seconds=0, method="by hand"
)
KEY = PrivateKey("tests", Ed25519PrivateKey.generate())


def host_options(
    root: Path, default_model: str = "tiny", more: tuple[Path, ...] = (), **said: Any
) -> HostOptions:
    """Options of a host that believes what is written here. more: further repositories."""
    trust = Trust(keys=(KEY.public,))
    return HostOptions(roots=(root, *more), default_model=default_model, trust=trust, **said)


def write_classifier(
    root: Path,
    name: str = "tiny",
    version: str = "v1.0",
    weights: Sequence[Sequence[float]] = ((1, 0, -1), (0, 1, -1)),
    categories: Sequence[str] = (),
) -> Path:
    """softmax(x @ weights) over labels a, b, c; two numeric features x and y, 0 to 10.

    With `categories`, a third feature `kind` goes to an int64 input and shifts label c.
    """
    matrix = np.array(weights, np.float32)
    nodes = [helper.make_node("MatMul", ["features", "weights"], ["linear"])]
    inputs = [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", 2])]
    tensors = [Tensor(name="features", dtype="float32", shape=(None, 2))]
    constants = [numpy_helper.from_array(matrix, "weights")]
    features = [_numeric("x", 0), _numeric("y", 1)]
    last = "linear"
    if categories:
        shift = np.zeros((len(categories), matrix.shape[1]), np.float32)
        shift[:, -1] = np.arange(len(categories))
        constants.append(numpy_helper.from_array(shift, "shift"))
        inputs.append(helper.make_tensor_value_info("kinds", TensorProto.INT64, ["n", 1]))
        tensors.append(Tensor(name="kinds", dtype="int64", shape=(None, 1)))
        nodes += [
            helper.make_node("Gather", ["shift", "kinds"], ["gathered"]),
            helper.make_node("ReduceSum", ["gathered", "axis"], ["moved"], keepdims=0),
            helper.make_node("Add", ["linear", "moved"], ["shifted"]),
        ]
        constants.append(numpy_helper.from_array(np.array([1], np.int64), "axis"))
        last = "shifted"
        features.append(
            Feature(
                name="kind",
                kind="categorical",
                input="kinds",
                column=0,
                categories=tuple(categories),
                baseline=categories[0],
            )
        )
    nodes.append(helper.make_node("Softmax", [last], ["probabilities"], axis=1))
    classes = matrix.shape[1]
    output = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", classes])
    return write_version(
        root,
        helper.make_graph(nodes, name, inputs, [output], constants),
        name=name,
        version=version,
        task="classification",
        inputs=tuple(tensors),
        outputs=(Tensor(name="probabilities", dtype="float32", shape=(None, classes)),),
        features=tuple(features),
        labels=("a", "b", "c")[:classes],
    )


def write_regressor(root: Path, name: str = "sum", version: str = "v1.0") -> Path:
    """x + y, as a number."""
    ones = numpy_helper.from_array(np.ones((2, 1), np.float32), "ones")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["features", "ones"], ["total"])],
        name,
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", 2])],
        [helper.make_tensor_value_info("total", TensorProto.FLOAT, ["n", 1])],
        [ones],
    )
    return write_version(
        root,
        graph,
        name=name,
        version=version,
        task="regression",
        inputs=(Tensor(name="features", dtype="float32", shape=(None, 2)),),
        outputs=(Tensor(name="total", dtype="float32", shape=(None, 1)),),
        features=(_numeric("x", 0), _numeric("y", 1)),
    )


def write_slow(root: Path, name: str = "slow", version: str = "v1.0", rounds: int = 400) -> Path:
    """The classifier's shape, but every row costs `rounds` products of 64 x 64 matrices."""
    rng = np.random.default_rng(0)
    constants = [
        numpy_helper.from_array(rng.normal(size=(2, 64)).astype(np.float32), "first"),
        numpy_helper.from_array((rng.normal(size=(64, 64)) / 8).astype(np.float32), "middle"),
        numpy_helper.from_array(rng.normal(size=(64, 3)).astype(np.float32), "last"),
    ]
    nodes = [helper.make_node("MatMul", ["features", "first"], ["h0"])]
    for index in range(rounds):
        nodes.append(helper.make_node("MatMul", [f"h{index}", "middle"], [f"m{index}"]))
        nodes.append(helper.make_node("Tanh", [f"m{index}"], [f"h{index + 1}"]))
    nodes.append(helper.make_node("MatMul", [f"h{rounds}", "last"], ["linear"]))
    nodes.append(helper.make_node("Softmax", ["linear"], ["probabilities"], axis=1))
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", 2])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 3])],
        constants,
    )
    return write_version(
        root,
        graph,
        name=name,
        version=version,
        task="classification",
        inputs=(Tensor(name="features", dtype="float32", shape=(None, 2)),),
        outputs=(Tensor(name="probabilities", dtype="float32", shape=(None, 3)),),
        features=(_numeric("x", 0), _numeric("y", 1)),
        labels=("a", "b", "c"),
    )


def write_heavy(root: Path, name: str = "heavy", version: str = "v1.0", scale: float = 1.0) -> Path:
    """x @ weights * scale with weights of 16 MB; no features, so a plain graph."""
    rng = np.random.default_rng(0)
    first = numpy_helper.from_array(rng.normal(size=(2, 2048)).astype(np.float32), "first")
    second = rng.normal(size=(2048, 2048)).astype(np.float32) * scale
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["features", "first"], ["wide"]),
            helper.make_node("MatMul", ["wide", "second"], ["y"]),
        ],
        name,
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2048])],
        [first, numpy_helper.from_array(second, "second")],
    )
    return write_version(
        root,
        graph,
        name=name,
        version=version,
        inputs=(Tensor(name="features", dtype="float32", shape=(None, 2)),),
        outputs=(Tensor(name="y", dtype="float32", shape=(None, 2048)),),
    )


def write_version(root: Path, graph: onnx.GraphProto, **said: Any) -> Path:
    """Write a graph and its manifest into `<root>/<name>/<version>`."""
    folder: Path = root / said["name"] / said["version"]
    folder.mkdir(parents=True)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    onnx.save(model, folder / MODEL_FILE)
    manifest = Manifest(
        description="made in a test",
        licence="MIT",
        files={MODEL_FILE: sha256_of(folder / MODEL_FILE)},
        training=TRAINING,
        evaluation=Evaluation(rows=0, metrics={"accuracy": 0.5}),
        **said,
    )
    write_manifest(folder, manifest)
    sign_version(folder)
    return folder


def sign_version(folder: Path) -> None:
    """Vouch for a version as it is now."""
    (folder / SIGNATURE_FILE).write_bytes(sign((folder / MANIFEST_FILE).read_bytes(), KEY))


def _numeric(name: str, column: int) -> Feature:
    return Feature(
        name=name,
        kind="numeric",
        unit="mm",
        input="features",
        column=column,
        minimum=0,
        maximum=10,
        baseline=5,
    )


def write_key(folder: Path) -> None:
    """A folder of keys for servers that shall believe what is written here."""
    folder.mkdir()
    content = Ed25519PublicKey.from_public_bytes(KEY.public.raw).public_bytes(
        pem.Encoding.PEM, pem.PublicFormat.SubjectPublicKeyInfo
    )
    (folder / f"{KEY.name}.pub").write_bytes(content)
