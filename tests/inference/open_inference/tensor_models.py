"""Graphs that give back the tensors that they get, one for every type and some for odd shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from onnx import TensorProto, ValueInfoProto, helper

from mlmesh.registry.manifest import Batching, Lengths, Tensor
from tests.tiny_models import write_version

ONNX_TYPES = {
    "bool": TensorProto.BOOL,
    "uint8": TensorProto.UINT8,
    "uint16": TensorProto.UINT16,
    "uint32": TensorProto.UINT32,
    "uint64": TensorProto.UINT64,
    "int8": TensorProto.INT8,
    "int16": TensorProto.INT16,
    "int32": TensorProto.INT32,
    "int64": TensorProto.INT64,
    "float16": TensorProto.FLOAT16,
    "bfloat16": TensorProto.BFLOAT16,
    "float32": TensorProto.FLOAT,
    "float64": TensorProto.DOUBLE,
    "string": TensorProto.STRING,
}
Shape = Sequence[int | None]


def write_mirror(
    root: Path,
    name: str,
    inputs: Mapping[str, tuple[str, Shape]],
    *,
    version: str = "1",
    batching: Batching | None = None,
) -> Path:
    """A graph whose output `x_out` is its input `x`; inputs: dtype and shape by name."""
    free = iter(range(100))

    def described(tensor: str, dtype: str, shape: Shape) -> ValueInfoProto:
        axes = [f"n{next(free)}" if size is None else size for size in shape]
        return helper.make_tensor_value_info(tensor, ONNX_TYPES[dtype], axes)

    graph = helper.make_graph(
        [helper.make_node("Identity", [one], [f"{one}_out"]) for one in inputs],
        name,
        [described(one, *said) for one, said in inputs.items()],
        [described(f"{one}_out", *said) for one, said in inputs.items()],
    )
    return write_version(
        root,
        graph,
        name=name,
        version=version,
        inputs=tuple(_tensor(one, *said) for one, said in inputs.items()),
        outputs=tuple(_tensor(f"{one}_out", *said) for one, said in inputs.items()),
        batching=batching or Batching(),
    )


def write_mirrors(root: Path) -> None:
    """mirror-<dtype> for every type, pair (two inputs), fixed (no rows), texts (any length), wide
    and words (any width), mixed (one float32 in, float32 and float16 out)."""
    for dtype in ONNX_TYPES:
        write_mirror(root, f"mirror-{dtype}", {"x": (dtype, (None, 2))})
    write_mirror(root, "pair", {"a": ("float32", (None, 2)), "b": ("int64", (None, 1))})
    write_mirror(root, "wide", {"x": ("float32", (None, None))})
    write_mirror(root, "words", {"x": ("string", (None, None))})
    write_mixed(root)
    write_mirror(root, "fixed", {"x": ("float32", (2, 2))})
    lengths = Lengths(inputs={"ids": 0, "mask": 0}, outputs=("ids_out", "mask_out"))
    write_mirror(
        root,
        "texts",
        {"ids": ("int64", (None, None)), "mask": ("int64", (None, None))},
        batching=Batching(lengths=lengths),
    )


def write_mixed(root: Path) -> None:
    """a_out is a, half is a as float16."""
    one = (None, 1)
    graph = helper.make_graph(
        [
            helper.make_node("Identity", ["a"], ["a_out"]),
            helper.make_node("Cast", ["a"], ["half"], to=TensorProto.FLOAT16),
        ],
        "mixed",
        [helper.make_tensor_value_info("a", TensorProto.FLOAT, ["n", 1])],
        [
            helper.make_tensor_value_info("a_out", TensorProto.FLOAT, ["n", 1]),
            helper.make_tensor_value_info("half", TensorProto.FLOAT16, ["n", 1]),
        ],
    )
    write_version(
        root,
        graph,
        name="mixed",
        version="1",
        inputs=(_tensor("a", "float32", one),),
        outputs=(_tensor("a_out", "float32", one), _tensor("half", "float16", one)),
    )


def write_loop(root: Path, name: str = "slow", rounds: int = 20_000) -> None:
    """A small graph that takes long: tanh of its input, again and again."""
    row: list[str | int | None] = ["n", 2]
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("Tanh", ["before"], ["after"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("round", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("before", TensorProto.FLOAT, row),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("after", TensorProto.FLOAT, row),
        ],
    )
    graph = helper.make_graph(
        [helper.make_node("Loop", ["rounds", "yes", "features"], ["last"], body=body)],
        name,
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, row)],
        [helper.make_tensor_value_info("last", TensorProto.FLOAT, row)],
        [
            helper.make_tensor("rounds", TensorProto.INT64, [], [rounds]),
            helper.make_tensor("yes", TensorProto.BOOL, [], [True]),
        ],
    )
    write_version(
        root,
        graph,
        name=name,
        version="1",
        inputs=(_tensor("features", "float32", (None, 2)),),
        outputs=(_tensor("last", "float32", (None, 2)),),
    )


def _tensor(name: str, dtype: str, shape: Shape) -> Tensor:
    return Tensor.model_validate({"name": name, "dtype": dtype, "shape": tuple(shape)})
