from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from mlmesh.inference.device import CPU, Device
from mlmesh.inference.session import (
    Array,
    BadGraph,
    Optimisation,
    Session,
    SessionOptions,
    session_settings,
    stoppable,
)
from mlmesh.registry.manifest import Dtype
from tests.inference.graphs import graph_of, serialised
from tests.inference.open_inference.tensor_models import ONNX_TYPES

PLAIN = SessionOptions()


def mirror(dtype: str, *shape: int | str) -> bytes:
    """`y` is `x`."""
    said = (ONNX_TYPES[dtype], shape)
    return serialised(
        graph_of([helper.make_node("Identity", ["x"], ["y"])], {"x": said}, {"y": said})
    )


@pytest.mark.parametrize("dtype", list(ONNX_TYPES))
def test_every_dtype_is_named_and_comes_back_bit_by_bit(dtype: Dtype) -> None:
    session = Session(mirror(dtype, "n", 2), PLAIN)
    array: Array
    if dtype == "string":
        array = np.array([["", "a\0b"], ["\N{SNOWMAN}", "x" * 1000]], dtype=object)
    else:
        kind = np.dtype("uint16" if dtype == "bfloat16" else dtype)
        array = np.frombuffer(np.random.default_rng(0).bytes(8 * kind.itemsize), kind)
        array = (array.astype(np.uint8) % 2).astype(bool) if dtype == "bool" else array
        array = array.reshape(4, 2)

    outputs = session.run({"x": array})

    assert [(one.name, one.dtype, one.shape) for one in session.inputs] == [("x", dtype, (None, 2))]
    assert [(one.name, one.dtype, one.shape) for one in session.outputs] == [
        ("y", dtype, (None, 2))
    ]
    assert outputs["y"].dtype == array.dtype
    if dtype == "string":
        assert outputs["y"].tolist() == array.tolist()
    else:
        assert outputs["y"].tobytes() == array.tobytes()


def test_bfloat16_is_computed_with_and_not_only_passed_on() -> None:
    """1.5 + 2 = 3.5 in bit patterns."""
    said = (TensorProto.BFLOAT16, ["n"])
    nodes = [
        helper.make_node("Cast", ["x"], ["x32"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["x32", "b"], ["sum"]),
        helper.make_node("Cast", ["sum"], ["y"], to=TensorProto.BFLOAT16),
        helper.make_node("Cast", ["sum"], ["wide"], to=TensorProto.FLOAT),
    ]
    outputs = {"y": said, "wide": (TensorProto.FLOAT, ["n"])}
    inputs = {"x": said, "b": (TensorProto.FLOAT, ["n"])}
    session = Session(serialised(graph_of(nodes, inputs, outputs)), PLAIN)

    found = session.run(
        {"x": np.array([0x3FC0], np.uint16), "b": np.array([2], np.float32)}, stoppable()
    )

    assert found["y"].tolist() == [0x4060]
    assert found["wide"].tolist() == [3.5]


def test_what_bfloat16_graphs_gave_is_kept_when_the_session_is_gone() -> None:
    session = Session(mirror("bfloat16", "n"), PLAIN)
    array = np.arange(100_000, dtype=np.uint16)

    found = session.run({"x": array})["y"]
    del session
    gc.collect()

    assert found.tobytes() == array.tobytes()


def test_inputs_may_lie_in_memory_in_any_way() -> None:
    array = np.arange(12, dtype=np.uint16).reshape(2, 6).T[::2]
    for dtype in ("bfloat16", "uint16"):
        found = Session(mirror(dtype, "n", 2), PLAIN).run({"x": array})
        assert found["y"].tolist() == array.tolist()


def test_free_axes_are_none_and_fixed_ones_have_their_size() -> None:
    session = Session(mirror("float32", "n", 3, "length", 4), PLAIN)

    assert session.inputs[0].shape == (None, 3, None, 4)
    assert Session(mirror("float32"), PLAIN).inputs[0].shape == ()


def test_warming_up_uses_the_sizes_that_are_said_for_the_first_two_axes() -> None:
    session = Session(mirror("int64", "n", "length", "more"), PLAIN)

    assert session.warm_up(3, 5)["y"].shape == (3, 5, 1)
    assert session.warm_up(2)["y"].shape == (2, 1, 1)
    assert Session(mirror("string", "n", 2), PLAIN).warm_up(2)["y"].tolist() == [["", ""]] * 2
    assert Session(mirror("bfloat16", 2, "n"), PLAIN).warm_up(9, 3)["y"].shape == (2, 3)


def test_a_graph_of_sequences_is_refused() -> None:
    said = helper.make_tensor_sequence_value_info("x", TensorProto.FLOAT, ["n"])
    length = helper.make_tensor_value_info("y", TensorProto.INT64, [])
    graph = helper.make_graph(
        [helper.make_node("SequenceLength", ["x"], ["y"])], "g", [said], [length]
    )

    with pytest.raises(BadGraph, match=r"^x is a seq\(tensor\(float\)\), only tensors are served$"):
        Session(serialised(graph), PLAIN)


def test_what_is_no_graph_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"rubbish")
    for graph in (b"rubbish", tmp_path / "model.onnx", tmp_path / "missing.onnx"):
        with pytest.raises(BadGraph) as refused:
            Session(graph, PLAIN)
        assert str(refused.value)
        assert "\n" not in str(refused.value)


def test_a_graph_comes_from_a_file_as_well(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(mirror("float32", "n"))

    session = Session(tmp_path / "model.onnx", PLAIN)

    assert session.run({"x": np.ones(2, np.float32)})["y"].tolist() == [1, 1]
    assert session.provider == CPU


LEVELS: list[tuple[Optimisation, str]] = [
    ("none", "ORT_DISABLE_ALL"),
    ("basic", "ORT_ENABLE_BASIC"),
    ("extended", "ORT_ENABLE_EXTENDED"),
    ("all", "ORT_ENABLE_ALL"),
]


@pytest.mark.parametrize(("level", "name"), LEVELS)
def test_the_level_of_optimisation_reaches_onnx_runtime(level: Optimisation, name: str) -> None:
    settings = session_settings(SessionOptions(optimisation=level))

    assert settings.graph_optimization_level == getattr(ort.GraphOptimizationLevel, name)


def test_threads_and_memory_reach_onnx_runtime() -> None:
    settings = session_settings(SessionOptions(threads=3, inter_op_threads=2, arena=False))

    assert settings.intra_op_num_threads == 3
    assert settings.inter_op_num_threads == 2
    assert settings.execution_mode == ort.ExecutionMode.ORT_PARALLEL
    assert settings.enable_cpu_mem_arena is False
    for pool in ("intra_op", "inter_op"):
        assert settings.get_session_config_entry(f"session.{pool}.allow_spinning") == "0"


def test_by_default_one_thread_runs_one_operator_after_another() -> None:
    settings = session_settings(PLAIN)

    assert settings.intra_op_num_threads == 1
    assert settings.execution_mode == ort.ExecutionMode.ORT_SEQUENTIAL
    assert settings.enable_cpu_mem_arena is True


@pytest.mark.parametrize(("level", "nodes"), [("none", 3), ("basic", 1)])
def test_a_session_is_opened_with_its_options(
    level: Optimisation, nodes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ONNX Runtime writes down what it made of the graph."""
    said = (TensorProto.FLOAT, ["n"])
    chain = [
        helper.make_node("Identity", ["x"], ["a"]),
        helper.make_node("Identity", ["a"], ["b"]),
        helper.make_node("Neg", ["b"], ["y"]),
    ]
    written = tmp_path / "optimised.onnx"
    build = session_settings

    def settings_that_write(options: SessionOptions, kind: str) -> Any:
        settings = build(options, kind)
        settings.optimized_model_filepath = str(written)
        return settings

    monkeypatch.setattr("mlmesh.inference.session.session_settings", settings_that_write)
    Session(
        serialised(graph_of(chain, {"x": said}, {"y": said})), SessionOptions(optimisation=level)
    )

    assert len(onnx.load(written).graph.node) == nodes


def test_a_device_that_onnx_runtime_silently_replaces_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It does so where one of CUDA's libraries is missing."""
    real = ort.InferenceSession

    def on_the_cpu(source: Any, settings: Any, providers: Any, **said: Any) -> Any:
        return real(source, settings, providers=[CPU], **said)

    monkeypatch.setattr(ort, "InferenceSession", on_the_cpu)

    with pytest.raises(
        BadGraph, match=r"^cuda:1 was asked for, but ONNX Runtime gave CPUExecutionProvider$"
    ):
        Session(mirror("float32", "n"), PLAIN, Device("cuda", 1))


def test_nothing_is_printed_and_nothing_replaced_when_a_session_cannot_be_opened(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """By default ONNX Runtime prints what went wrong, and goes on with the CPU."""
    real = ort.InferenceSession._create_inference_session
    tried = 0

    def fail(*given: Any) -> None:
        nonlocal tried
        tried += 1
        if tried == 1:
            raise RuntimeError("CUDA failure 999")
        real(*given)

    monkeypatch.setattr(ort.InferenceSession, "_create_inference_session", fail)

    with pytest.raises(BadGraph, match=r"^CUDA failure 999$"):
        Session(mirror("float32", "n"), PLAIN)
    assert capfd.readouterr().out == ""


def test_a_run_that_is_told_to_stop_ends_with_an_error() -> None:
    options = stoppable()
    options.terminate = True
    session = Session(mirror("float32", "n"), PLAIN)

    with pytest.raises(Exception, match="terminate"):
        session.run({"x": np.ones(2, np.float32)}, options)
    assert session.run({"x": np.ones(2, np.float32)}, stoppable())["y"].tolist() == [1, 1]
