"""What an ONNX graph can reach from its private copy: the files that its manifest names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from mlmesh.inference.session import BadGraph, Session, SessionOptions
from mlmesh.registry.manifest import MODEL_FILE, sha256_of
from mlmesh.registry.store import BadVersion, StoredVersion
from tests.registry.repository import Repository

WEIGHTS = np.ones((2, 3), np.float32).tobytes()


def point_to(stored: StoredVersion, location: str, *, hidden: bool = False) -> None:
    """Let the graph take its weights from a file; hidden: those of a branch's constant."""
    tensor = TensorProto(
        name="w", data_type=TensorProto.FLOAT, dims=[2, 3], data_location=TensorProto.EXTERNAL
    )
    for key, value in (("location", location), ("offset", "0"), ("length", str(len(WEIGHTS)))):
        tensor.external_data.add(key=key, value=value)
    x = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", 2])
    y = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 3])
    nodes = [helper.make_node("MatMul", ["features", "w"], ["probabilities"])]
    constants = [tensor]
    if hidden:
        constant = helper.make_node("Constant", [], ["w"])
        constant.attribute.add(name="value", type=onnx.AttributeProto.TENSOR, t=tensor)
        out = helper.make_tensor_value_info("out", TensorProto.FLOAT, ["n", 3])
        product = helper.make_node("MatMul", ["features", "w"], ["out"])
        branch = helper.make_graph([constant, product], "branch", [], [out])
        nodes = [
            helper.make_node(
                "If", ["go"], ["probabilities"], then_branch=branch, else_branch=branch
            )
        ]
        constants = [helper.make_tensor("go", TensorProto.BOOL, [], [True])]
    graph = helper.make_graph(nodes, "external", [x], [y], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    (stored.folder / MODEL_FILE).write_bytes(model.SerializeToString())


def sign(repository: Repository, stored: StoredVersion, *names: str) -> None:
    files = {name: sha256_of(stored.folder / name) for name in (MODEL_FILE, *names)}
    repository.change(stored, files=files)


def opened(repository: Repository, stored: StoredVersion) -> Session:
    repository.copy(stored)
    return Session(repository.copies / "copy" / MODEL_FILE, SessionOptions())


@pytest.mark.parametrize("hidden", [False, True])
def test_a_graph_reads_the_external_data_that_its_manifest_names(
    hidden: bool, repository: Repository, stored: StoredVersion
) -> None:
    point_to(stored, "weights.bin", hidden=hidden)
    (stored.folder / "weights.bin").write_bytes(WEIGHTS)
    sign(repository, stored, "weights.bin")

    session = opened(repository, stored)

    found = session.run({"features": np.array([[1, 2]], np.float32)})
    assert found["probabilities"].tolist() == [[3, 3, 3]]


@pytest.mark.parametrize("hidden", [False, True])
def test_a_graph_reads_external_data_from_a_blob(
    hidden: bool, repository: Repository, stored: StoredVersion
) -> None:
    point_to(stored, "weights.bin", hidden=hidden)
    sign(repository, stored)
    repository.add_blob(stored, "weights.bin", WEIGHTS)

    assert opened(repository, stored).outputs[0].name == "probabilities"


@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize(
    "location",
    ["../secret", "../../secret", "./../secret", "sub/../../secret", "secret", "{absolute}",
     "/dev/zero", "/proc/self/mem", "*/_ORT_MEM_ADDR_/*", ""],
)  # fmt: skip
def test_a_graph_reaches_nothing_else(
    location: str, hidden: bool, repository: Repository, stored: StoredVersion
) -> None:
    for folder in (repository.copies, repository.root, stored.folder.parent):
        (folder / "secret").write_bytes(WEIGHTS)
    absolute = str(repository.copies / "secret")
    point_to(stored, location.format(absolute=absolute), hidden=hidden)
    sign(repository, stored)

    with pytest.raises(BadGraph):
        opened(repository, stored)


def test_changed_external_data_is_refused(repository: Repository, stored: StoredVersion) -> None:
    point_to(stored, "weights.bin")
    (stored.folder / "weights.bin").write_bytes(WEIGHTS)
    sign(repository, stored, "weights.bin")
    (stored.folder / "weights.bin").write_bytes(WEIGHTS[:-1] + b"\0")

    with pytest.raises(BadVersion, match=r"weights\.bin: .*sha256 differs"):
        opened(repository, stored)


def test_linked_external_data_is_refused(
    repository: Repository, stored: StoredVersion, tmp_path: Path
) -> None:
    point_to(stored, "weights.bin")
    (stored.folder / "weights.bin").write_bytes(WEIGHTS)
    sign(repository, stored, "weights.bin")
    data = stored.folder / "weights.bin"
    data.symlink_to(data.rename(tmp_path / "weights.bin"))

    with pytest.raises(BadVersion, match=r"weights\.bin: .*links are not followed"):
        opened(repository, stored)


def test_a_graph_that_needs_a_library_of_operators_is_refused(
    repository: Repository, stored: StoredVersion
) -> None:
    model = onnx.load(stored.folder / MODEL_FILE)
    model.graph.node[0].domain = "com.example"
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    (stored.folder / MODEL_FILE).write_bytes(model.SerializeToString())
    sign(repository, stored)

    with pytest.raises(BadGraph, match=r"com\.example"):
        opened(repository, stored)
