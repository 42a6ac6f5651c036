"""Weights as int8, and fixed scales: small graphs that compute the same as before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from mlmesh.inference.arithmetic import Arithmetic, session_entries
from nlp.training.graph import FORMS
from nlp.training.int8_storage import (
    TOKENS_FILE,
    quantized,
    restored,
    store_int8,
    write_shared,
)
from nlp.training.static_scales import add_scales, multiplied, ranges_of

WIDTH = 64
TABLE, MATRIX, SMALL = "table", "matrix", "small"
Floats = NDArray[np.float32]


def weights() -> dict[str, Floats]:
    random = np.random.default_rng(0)
    return {
        TABLE: random.normal(size=(100, WIDTH)).astype(np.float32),
        MATRIX: random.normal(size=(WIDTH, WIDTH)).astype(np.float32),
        SMALL: random.normal(size=(WIDTH, 3)).astype(np.float32),
    }


def looked_up_and_multiplied() -> onnx.ModelProto:
    """tokens -> table -> matrix -> small matrix."""
    graph = helper.make_graph(
        [
            helper.make_node("Gather", [TABLE, "input_ids"], ["vectors"]),
            helper.make_node("MatMul", ["vectors", MATRIX], ["inner"]),
            helper.make_node("MatMul", ["inner", SMALL], ["scores"]),
        ],
        "tiny",
        [
            helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["rows", "length"]),
            helper.make_tensor_value_info("attention_mask", TensorProto.INT64, ["rows", "length"]),
        ],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["rows", "length", 3])],
        [numpy_helper.from_array(values, name) for name, values in weights().items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def batch(rows: int = 4) -> dict[str, NDArray[np.int64]]:
    tokens = np.random.default_rng(1).integers(1, 100, size=(rows, 6))
    return {"input_ids": tokens, "attention_mask": np.ones_like(tokens)}


def answer(path: Path, form: Arithmetic, inputs: dict[str, NDArray[np.int64]]) -> Floats:
    options = onnxruntime.SessionOptions()
    for name, value in session_entries(FORMS[form]).items():
        options.add_session_config_entry(name, value)
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    found: Floats = session.run(None, inputs)[0]
    return found


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    model = looked_up_and_multiplied()
    floats = tmp_path / "floats.onnx"
    onnx.save(model, floats)
    names = multiplied(model.graph)
    ranges = ranges_of(floats, names, [batch(64)])
    write_shared(tmp_path, store_int8(model, TABLE))
    add_scales(model.graph, ranges)
    onnx.save(model, tmp_path / "model.onnx")
    return tmp_path / "model.onnx"


def test_rounding_is_off_by_half_a_step_at_most() -> None:
    values = weights()[MATRIX]

    for axis in (0, 1):
        step = np.abs(values).max(axis=1 - axis, keepdims=True) / 127
        assert (np.abs(restored(values, axis) - values) <= step / 2 + 1e-6).all()


def test_zeros_stay_zeros() -> None:
    assert not quantized(np.zeros((3, 4), np.float32), axis=1).values.any()


def test_large_weights_are_bytes_and_small_ones_stay(stored: Path) -> None:
    model = onnx.load(stored, load_external_data=False)

    types = {one.name: one.data_type for one in model.graph.initializer}

    assert types["table_int8"] == types["matrix_int8"] == TensorProto.INT8
    assert types[SMALL] == TensorProto.FLOAT
    assert not {TABLE, MATRIX} & types.keys()


def test_the_table_lies_beside_the_graph(stored: Path) -> None:
    content = (stored.parent / TOKENS_FILE).read_bytes()

    expected = quantized(weights()[TABLE], axis=0)

    assert content == expected.values.tobytes() + expected.scales.tobytes()
    assert stored.stat().st_size < 12_000


def test_the_same_table_makes_the_same_file() -> None:
    assert store_int8(looked_up_and_multiplied(), TABLE) == store_int8(
        looked_up_and_multiplied(), TABLE
    )


def test_a_table_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ValueError, match="looks nothing up in other"):
        store_int8(looked_up_and_multiplied(), "other")


def test_floats_are_computed_from_the_stored_weights(stored: Path) -> None:
    parts = weights()
    vectors = restored(parts[TABLE], 0)[batch()["input_ids"]]
    expected = vectors @ restored(parts[MATRIX], 1) @ parts[SMALL]

    assert np.abs(answer(stored, "float", batch()) - expected).max() < 1e-4


def test_whole_numbers_come_close(stored: Path) -> None:
    floats, whole = answer(stored, "float", batch()), answer(stored, "int8", batch())

    assert not np.array_equal(floats, whole)
    assert np.corrcoef(floats.ravel(), whole.ravel())[0, 1] > 0.999


@pytest.mark.parametrize("form", FORMS)
def test_a_row_does_not_depend_on_the_rows_beside_it(stored: Path, form: Arithmetic) -> None:
    inputs = batch(16)
    together = answer(stored, form, inputs)

    rows = [{name: rows[row : row + 1] for name, rows in inputs.items()} for row in range(16)]
    alone = [answer(stored, form, row)[0] for row in rows]

    assert np.abs(together - np.stack(alone)).max() < 1e-5


def test_only_what_int8_weights_are_multiplied_with_gets_a_scale(stored: Path) -> None:
    graph = onnx.load(stored, load_external_data=False).graph

    assert [node.input[0] for node in graph.node if node.op_type == "QuantizeLinear"] == ["vectors"]
