from __future__ import annotations

import os
from pathlib import Path

import onnx
import pytest

from mlmesh.registration.refusal import Refused
from mlmesh.registration.source import copy_source
from mlmesh.registry.manifest import MODEL_FILE
from tests.registration import graphs


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "to").mkdir()
    return tmp_path / "to"


def test_a_graph_comes_with_its_external_data_and_the_names_of_its_axes(
    folder: Path, tmp_path: Path
) -> None:
    source = copy_source(graphs.with_external_data(tmp_path / "from" / "net.onnx"), folder)

    assert source.external == ("weights.bin",)
    assert source.axes == {"x": ("n", "")}
    assert {path.name for path in folder.iterdir()} == {MODEL_FILE, "weights.bin"}


def test_external_data_of_subgraphs_and_attributes_is_found(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"external data: '\.\./weights\.bin'"):
        copy_source(graphs.hidden_external_data(tmp_path / "from" / "net.onnx"), folder)


@pytest.mark.parametrize(
    "location", ["../weights.bin", "/etc/hostname", "sub/weights.bin", MODEL_FILE, "", "w.so"]
)
def test_external_data_elsewhere_is_refused(location: str, folder: Path, tmp_path: Path) -> None:
    graph = graphs.with_external_data(tmp_path / "from" / "net.onnx", location)
    (tmp_path / "weights.bin").write_bytes((graph.parent / "weights.bin").read_bytes())

    with pytest.raises(Refused, match="external data: "):
        copy_source(graph, folder)


def test_linked_or_missing_external_data_is_refused(folder: Path, tmp_path: Path) -> None:
    graph = graphs.with_external_data(tmp_path / "from" / "net.onnx")
    data = graph.parent / "weights.bin"
    data.symlink_to(data.rename(tmp_path / "elsewhere.bin"))

    with pytest.raises(Refused, match=r"external data: weights\.bin is a link"):
        copy_source(graph, folder)
    data.unlink()
    with pytest.raises(Refused, match=r"external data: weights\.bin does not lie beside"):
        copy_source(graph, folder)


def test_what_is_no_graph_is_refused(folder: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.onnx"
    text.write_text("not a model")
    pickled = tmp_path / "model.pkl"
    pickled.write_bytes(b"\x80\x04K\x01.")
    renamed = tmp_path / "pickle.onnx"
    renamed.write_bytes(b"\x80\x04K\x01.")
    pipe = tmp_path / "pipe.onnx"
    os.mkfifo(pipe)

    for path, reason in (
        (text, "not an ONNX model"),
        (pickled, "a pickle runs code"),
        (renamed, "a pickle by its content"),
        (tmp_path / "nothing.onnx", "No such file"),
        (tmp_path, "not a regular file"),
        (Path("/dev/zero"), "not a regular file"),
        (pipe, "not a regular file"),
    ):
        with pytest.raises(Refused, match=reason):
            copy_source(path, folder)


def test_what_the_checker_refuses_is_refused(folder: Path, tmp_path: Path) -> None:
    graph = graphs.unary(tmp_path / "odd.onnx", "Relu")
    model = onnx.load(graph)
    model.graph.node[0].input[0] = "nowhere"
    graph.write_bytes(model.SerializeToString())

    with pytest.raises(Refused, match="onnx checker: "):
        copy_source(graph, folder)


def test_custom_operators_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"operators: com\.example needs a library"):
        copy_source(graphs.custom_operator(tmp_path / "custom.onnx"), folder)
