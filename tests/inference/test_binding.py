"""CUDA itself is the missing part here: see tests/inference/pretended_cuda.py."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from onnx import TensorProto, helper

from mlmesh.inference.binding import MOST_GRAPHS
from mlmesh.inference.device import CUDA, Device
from mlmesh.inference.session import Array, Session, SessionOptions, stoppable
from tests.inference.graphs import graph_of, serialised
from tests.inference.pretended_cuda import Cuda, pretend

FLOAT = TensorProto.FLOAT
GRAPHS = SessionOptions(cuda_graphs=True)
GPU = Device("cuda")


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> Cuda:
    return pretend(monkeypatch)


def difference(options: SessionOptions | None = None) -> Session:
    """`y` is a - b, `twice` is a + a; float32 [n, 2], b is [n, 1]."""
    nodes = [
        helper.make_node("Sub", ["a", "b"], ["y"]),
        helper.make_node("Add", ["a", "a"], ["twice"]),
    ]
    wide: list[int | str] = ["n", 2]
    narrow: list[int | str] = ["n", 1]
    outputs = {"y": (FLOAT, wide), "twice": (FLOAT, wide)}
    graph = graph_of(nodes, {"a": (FLOAT, wide), "b": (FLOAT, narrow)}, outputs)
    return Session(serialised(graph), options or SessionOptions(), GPU)


def ask(session: Session, rows: int, number: float) -> dict[str, Array]:
    return session.run(inputs_of(rows, number), stoppable())


def inputs_of(rows: int, number: float) -> dict[str, Array]:
    return {"a": np.full((rows, 2), number, np.float32), "b": np.ones((rows, 1), np.float32)}


def check(outputs: dict[str, Array], rows: int, number: float) -> None:
    assert outputs["y"].tolist() == [[number - 1, number - 1]] * rows
    assert outputs["twice"].tolist() == [[number * 2, number * 2]] * rows


def test_inputs_lie_on_the_device_and_outputs_come_back(cuda: Cuda) -> None:
    session = difference()

    assert session.provider == CUDA
    for rows in (1, 3, 1):
        check(ask(session, rows, 5), rows, 5)
    assert cuda.bound_inputs == ["a", "b"] * 3
    assert not any(cuda.graphs)


def test_a_run_may_have_no_options(cuda: Cuda) -> None:
    for options in (SessionOptions(), GRAPHS):
        session = difference(options)
        for number in (3.0, 4.0, 5.0):
            check(session.run(inputs_of(1, number)), 1, number)


def test_inputs_that_lie_otherwise_in_memory_are_put_in_order(cuda: Cuda) -> None:
    odd = np.arange(12, dtype=np.float32).reshape(2, 6).T[::2]
    for options in (SessionOptions(), GRAPHS):
        session = difference(options)
        for _ in range(3):
            found = session.run({"a": odd, "b": np.zeros((3, 1), np.float32)})
            assert found["y"].tolist() == odd.tolist()


def test_the_first_run_of_a_shape_is_not_recorded_and_the_later_ones_replay_it(cuda: Cuda) -> None:
    session = difference(GRAPHS)

    for number in (5.0, 6.0, 7.0, 8.0):
        check(ask(session, 2, number), 2, number)

    assert cuda.graphs == ["-1", "1", "1", "1"]
    assert cuda.recorded == 1


def test_replays_use_the_buffers_that_were_recorded(cuda: Cuda) -> None:
    session = difference(GRAPHS)
    for number in (5.0, 6.0):
        ask(session, 2, number)
    made = len(cuda.device_values)

    for number in range(10):
        check(ask(session, 2, number), 2, number)

    assert len(cuda.device_values) == made


def test_answers_do_not_change_when_the_buffers_are_used_again(cuda: Cuda) -> None:
    session = difference(GRAPHS)

    answers = [ask(session, 2, number) for number in range(5)]

    for number, answer in enumerate(answers):
        check(answer, 2, number)


def test_every_shape_has_a_graph_of_its_own(cuda: Cuda) -> None:
    session = difference(GRAPHS)

    for number in range(4):
        for rows in (1, 2, 4):
            check(ask(session, rows, number), rows, number)

    assert cuda.recorded == 3
    assert sorted(set(cuda.graphs)) == ["-1", "1", "2", "3"]


def test_the_order_in_which_inputs_are_named_makes_no_new_graph(cuda: Cuda) -> None:
    session = difference(GRAPHS)

    for number in range(6):
        inputs = inputs_of(3, number)
        order = ("a", "b") if number % 2 else ("b", "a")
        check(session.run({name: inputs[name] for name in order}), 3, number)

    assert cuda.recorded == 1


def test_no_more_shapes_are_recorded_than_the_limit_and_the_others_run_too(cuda: Cuda) -> None:
    session = difference(GRAPHS)

    for number in range(3):
        for rows in range(1, MOST_GRAPHS + 4):
            check(ask(session, rows, number), rows, number)

    assert cuda.recorded == MOST_GRAPHS
    assert cuda.graphs.count("-1") == MOST_GRAPHS + 3 * 3


@pytest.mark.parametrize("dtype", [TensorProto.BFLOAT16, TensorProto.STRING])
@pytest.mark.parametrize("texts_out", [True, False])
def test_what_cannot_be_bound_is_never_recorded(cuda: Cuda, dtype: int, texts_out: bool) -> None:
    """A recorded run would read the addresses of the inputs before."""
    said = {"x": (dtype, ["n"])} if not texts_out else {"x": (dtype, ["n"]), "n": (FLOAT, ["n"])}
    nodes = [helper.make_node("Identity", [name], [f"{name}_out"]) for name in said]
    outputs = {f"{name}_out": kind for name, kind in said.items()}
    session = Session(serialised(graph_of(nodes, said, outputs)), GRAPHS, GPU)
    values = [np.full(2, number) for number in (1, 2, 3)]

    for value in values:
        array = value.astype(np.uint16) if dtype == TensorProto.BFLOAT16 else value.astype(str)
        inputs = {"x": array if dtype == TensorProto.BFLOAT16 else array.astype(object)}
        if texts_out:
            inputs["n"] = value.astype(np.float32)
        assert session.run(inputs)["x_out"].tolist() == inputs["x"].tolist()

    assert set(cuda.graphs) == {"-1"}


def test_texts_that_only_come_out_are_not_bound_to_the_device(cuda: Cuda) -> None:
    nodes = [helper.make_node("Cast", ["x"], ["y"], to=TensorProto.STRING)]
    graph = graph_of(nodes, {"x": (TensorProto.INT64, ["n"])}, {"y": (TensorProto.STRING, ["n"])})
    session = Session(serialised(graph), SessionOptions(), GPU)

    assert session.run({"x": np.array([1, 2])})["y"].tolist() == ["1", "2"]
    assert cuda.bound_inputs == []


SHAPES: Sequence[tuple[int, ...]] = [(0,), (1,), (3, 0, 2), (2, 3, 4)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float16", "float64"])
def test_every_number_and_shape_goes_through(
    cuda: Cuda, dtype: str, shape: tuple[int, ...]
) -> None:
    said = (
        helper.np_dtype_to_tensor_dtype(np.dtype(dtype)),
        [f"n{axis}" for axis in range(len(shape))],
    )
    graph = graph_of([helper.make_node("Identity", ["x"], ["y"])], {"x": said}, {"y": said})
    array = np.random.default_rng(0).integers(0, 2, shape).astype(dtype)

    for options in (SessionOptions(), GRAPHS):
        session = Session(serialised(graph), options, GPU)
        for _ in range(3):
            found = session.run({"x": array})["y"]
            assert found.tobytes() == array.tobytes()
            assert found.shape == shape
            assert found.dtype == array.dtype
