from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from mlmesh.inference.arithmetic import arithmetic_of, session_entries
from mlmesh.inference.session import Session, SessionOptions, session_settings

ROOT = Path(__file__).parents[2]
EMBEDDINGS = ROOT / "nlp" / "models" / "embeddings" / "v1.0" / "model.onnx"


def write_graph(path: Path, *, scales: bool) -> Path:
    """Doubles its input; with scales it rounds it to quarters first, from -32 to 31.75."""
    constants = [
        helper.make_tensor("scale", TensorProto.FLOAT, [], [0.25]),
        helper.make_tensor("zero", TensorProto.INT8, [], [0]),
    ]
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["r"]),
    ]
    last = "r" if scales else "x"
    graph = helper.make_graph(
        [*(nodes if scales else []), helper.make_node("Add", [last, last], ["y"])],
        "doubles",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 1])],
        constants if scales else [],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, path)
    return path


@pytest.mark.parametrize(
    ("scales", "kind", "found"),
    [(True, "cpu", "int8"), (True, "cuda", "float"), (False, "cpu", "float")],
)
def test_what_a_graph_computes_in(tmp_path: Path, scales: bool, kind: str, found: str) -> None:
    graph = write_graph(tmp_path / "graph.onnx", scales=scales)

    assert arithmetic_of(graph, kind) == found
    assert arithmetic_of(graph.read_bytes(), kind) == found


def test_a_session_says_what_it_computes_in(tmp_path: Path) -> None:
    graph = write_graph(tmp_path / "graph.onnx", scales=True)

    assert Session(graph, SessionOptions()).arithmetic == "int8"


def test_weights_alone_are_no_scales() -> None:
    node = helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["r"])

    assert arithmetic_of(node.SerializeToString(), "cpu") == "float"


def test_a_shipped_graph_is_known_to_be_quantised() -> None:
    assert arithmetic_of(EMBEDDINGS, "cpu") == "int8"


def test_an_operator_is_found_wherever_a_large_graph_holds_it(tmp_path: Path) -> None:
    operator = helper.make_node("QuantizeLinear", ["x"], ["q"]).SerializeToString()
    graph = tmp_path / "graph.onnx"

    for place in range(2**17 - len(operator), 2**17 + 1):
        graph.write_bytes(bytes(place) + operator + bytes(2**17))
        assert arithmetic_of(graph, "cpu") == "int8", place


def test_others_go_on_while_a_large_graph_is_looked_at(tmp_path: Path) -> None:
    graph = tmp_path / "graph.onnx"
    graph.touch()
    os.truncate(graph, 2**29)  # takes no room on the disk
    done = threading.Event()
    turns = 0

    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(arithmetic_of, graph, "cpu")
        looking.add_done_callback(lambda _: done.set())
        while not done.wait(0.001):
            turns += 1

    assert looking.result() == "float"
    # One or two, when it is looked at in one go.
    assert turns > 20


def test_sessions_on_cuda_fold_the_scales_away() -> None:
    settings = session_settings(SessionOptions(), "cuda")

    for name, value in session_entries("cuda").items():
        assert settings.get_session_config_entry(name) == value
    assert session_entries("cuda")["session.disable_quant_qdq"] == "1"
