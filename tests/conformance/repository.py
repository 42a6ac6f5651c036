"""The models that the suite asks for: `python -m tests.conformance.repository FOLDER` writes them.

They are laid out as Triton wants it, too: `<model>/<number>/model.onnx`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from onnx import TensorProto, helper

from mlmesh.registry.manifest import Tensor
from tests.inference.open_inference.tensor_models import ONNX_TYPES, write_loop, write_mirror
from tests.tiny_models import write_classifier, write_key, write_regressor, write_version

MODELS_FOLDER = "models"
KEYS_FOLDER = "keys"
DEFAULT_MODEL = "classifier"
CLASSES = 3
SLOW_ROUNDS = 400_000
"""Takes some 0.3 seconds, so whoever waits a tenth of that waits in vain."""


def write_repository(folder: Path) -> None:
    """Write `<folder>/models/` and, in `<folder>/keys/`, the key that its signatures fit.

    echo-<dtype>: x [n, m] to x_out, for every type. arithmetic: a and b to total, difference and
    count. fixed: x [2, 3] to x_out. classifier 1 and 2, with labels. slow: takes long.
    counted, comes-and-goes: one test only asks them, so what they did and their state is known.
    """
    root = folder / MODELS_FOLDER
    for dtype in ONNX_TYPES:
        write_mirror(root, f"echo-{dtype}", {"x": (dtype, (None, None))})
    write_mirror(root, "fixed", {"x": ("float32", (2, 3))})
    _write_arithmetic(root)
    write_classifier(root, DEFAULT_MODEL, "1")
    write_classifier(root, DEFAULT_MODEL, "2", weights=((0, 1, 0), (1, 0, 0)))
    write_regressor(root, "counted", "1")
    write_regressor(root, "comes-and-goes", "1")
    write_loop(root, "slow", SLOW_ROUNDS)
    write_key(folder / KEYS_FOLDER)


def _write_arithmetic(root: Path) -> None:
    """total is a + b, difference a - b, count the sum of all a of a row as int64."""
    two, one = (None, 2), (None, 1)
    graph = helper.make_graph(
        [
            helper.make_node("Add", ["a", "b"], ["total"]),
            helper.make_node("Sub", ["a", "b"], ["difference"]),
            helper.make_node("ReduceSum", ["a", "last"], ["sum"]),
            helper.make_node("Cast", ["sum"], ["count"], to=TensorProto.INT64),
        ],
        "arithmetic",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 2]) for name in "ab"],
        [
            helper.make_tensor_value_info("total", TensorProto.FLOAT, ["n", 2]),
            helper.make_tensor_value_info("difference", TensorProto.FLOAT, ["n", 2]),
            helper.make_tensor_value_info("count", TensorProto.INT64, ["n", 1]),
        ],
        [helper.make_tensor("last", TensorProto.INT64, [1], [1])],
    )
    write_version(
        root,
        graph,
        name="arithmetic",
        version="1",
        inputs=tuple(Tensor(name=name, dtype="float32", shape=two) for name in "ab"),
        outputs=(
            Tensor(name="total", dtype="float32", shape=two),
            Tensor(name="difference", dtype="float32", shape=two),
            Tensor(name="count", dtype="int64", shape=one),
        ),
    )


if __name__ == "__main__":
    [_, target] = sys.argv
    Path(target).mkdir(parents=True)
    write_repository(Path(target))
    print(f"MLMESH_MODELS={target}/{MODELS_FOLDER}")
    print(f"MLMESH_KEYS={target}/{KEYS_FOLDER}")
    print(f"MLMESH_DEFAULT_MODEL={DEFAULT_MODEL}")
