"""CUDA itself is the missing part here: see tests/inference/pretended_cuda.py."""

from __future__ import annotations

import logging

import numpy as np
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from mlmesh.inference.device import Device
from mlmesh.inference.pinned import PinnedInputs
from mlmesh.inference.session import Session, SessionOptions
from tests.inference.graphs import graph_of, serialised
from tests.inference.pretended_cuda import PINNED, Cuda, pretend

GPU = Device("cuda")


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> Cuda:
    return pretend(monkeypatch, pinned=PINNED)


def mirror(*, graphs: bool) -> Session:
    said = (TensorProto.FLOAT, ["n"])
    graph = graph_of([helper.make_node("Identity", ["x"], ["y"])], {"x": said}, {"y": said})
    return Session(serialised(graph), SessionOptions(cuda_graphs=graphs), GPU)


@pytest.mark.parametrize("graphs", [False, True])
def test_inputs_go_to_the_device_from_one_buffer_for_each_shape(cuda: Cuda, graphs: bool) -> None:
    session = mirror(graphs=graphs)
    before = len(cuda.copied_from), len(cuda.pinned_values)

    answers = []
    for number in range(5):
        for rows in (2, 3):
            answers.append((rows, number, session.run({"x": np.full(rows, number, np.float32)})))

    for rows, number, answer in answers:
        assert answer["y"].tolist() == [number] * rows
    assert len(cuda.pinned_values) - before[1] == 2
    sources = cuda.copied_from[before[0] :]
    assert len(sources) == 10
    assert all(any(one is pinned for pinned in cuda.pinned_values) for one in sources)


def test_inputs_of_equal_shape_have_a_buffer_each(cuda: Cuda) -> None:
    pinned = PinnedInputs(GPU)
    array = np.ones(2, np.float32)
    before = len(cuda.pinned_values)

    for _ in range(3):
        for name in ("a", "b"):
            pinned.on_device(name, array)
        pinned.on_device("a", np.ones(2, np.int32))

    assert len(cuda.pinned_values) - before == 3


def test_what_does_not_fit_any_more_is_copied_from_where_it_lies(
    cuda: Cuda, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlmesh.inference.pinned.MOST_BYTES", 1000)
    pinned = PinnedInputs(GPU)
    arrays = [np.arange(size, dtype=np.uint8) for size in (150, 200, 250, 255, 50)]
    before = len(cuda.copied_from)

    for array in arrays:
        assert pinned.on_device("x", array).numpy().tobytes() == array.tobytes()

    as_they_lay = [any(array is one for one in cuda.copied_from[before:]) for array in arrays]
    assert as_they_lay == [False] * 5
    more = np.arange(100, dtype=np.uint8)
    assert pinned.on_device("x", more).numpy().tobytes() == more.tobytes()
    assert cuda.copied_from[-1] is more
    assert sum(value.tensor_size_in_bytes() for value in cuda.pinned_values) <= 1000


def problems(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        vars(record)["reason"]
        for record in caplog.records
        if record.getMessage() == "no page-locked memory"
    ]


def test_where_none_is_offered_arrays_are_copied_and_one_line_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cuda = pretend(monkeypatch, pinned=None)
    with caplog.at_level(logging.INFO):
        session = mirror(graphs=False)
        array = np.ones(3, np.float32)
        for _ in range(3):
            assert session.run({"x": array})["y"].tolist() == [1, 1, 1]

    assert problems(caplog) == ["ONNX Runtime offers none"]
    assert cuda.pinned_values == []
    assert all(one is array for one in cuda.copied_from)


def test_memory_of_another_device_is_not_taken(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cuda = pretend(monkeypatch, pinned=PINNED)
    with caplog.at_level(logging.INFO):
        PinnedInputs(Device("cuda", 1)).on_device("x", np.ones(1, np.float32))

    assert problems(caplog) == ["ONNX Runtime offers none"]
    assert cuda.pinned_values == []


def test_memory_that_is_offered_and_cannot_be_had_is_done_without(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broken = RuntimeError("No shared allocator found")
    broken.device_id = 0  # type: ignore[attr-defined]
    pretend(monkeypatch, pinned=broken)
    with caplog.at_level(logging.INFO):
        session = mirror(graphs=False)
        assert session.run({"x": np.ones(1, np.float32)})["y"].tolist() == [1]

    assert problems(caplog) == ["No shared allocator found"]


def test_memory_that_does_not_arrive_on_the_device_is_done_without(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pretend(monkeypatch, pinned=PINNED)
    working = ort.OrtValue.update_inplace

    def lose(self: object, source: object) -> None:
        if isinstance(source, np.ndarray):
            working(self, source)
        else:
            working(self, np.zeros(1, np.float32))

    monkeypatch.setattr(ort.OrtValue, "update_inplace", lose)
    with caplog.at_level(logging.INFO):
        session = mirror(graphs=False)
        assert session.run({"x": np.ones(1, np.float32)})["y"].tolist() == [1]

    assert problems(caplog) == ["0.0 arrived instead of 0.5"]
