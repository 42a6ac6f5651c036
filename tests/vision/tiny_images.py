"""Real models of images, small enough to be made in a test; their answers can be predicted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from mlmesh.registry.manifest import Tensor
from tests.tiny_models import write_version
from vision.service import CONTRACT

COLOURS = ("red", "green", "blue")
"""Labels of the classifier."""
THINGS = ("person", "cat", "dog")
"""What the detector and the segmenter take red, green and blue for."""
CLASSIFIER_SIDE = 32
SIDE = 64
"""Of what the detector and the segmenter read."""
BRIGHT = 128.0
SURE = 0.9


def write_classifier(root: Path, name: str = "classifier", version: str = "v1.0") -> Path:
    """How red, green and blue the picture is: softmax of the mean colours / 32."""
    nodes = [
        helper.make_node("Cast", ["image"], ["values"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["values", "sides"], ["mean"], keepdims=0),
        helper.make_node("Div", ["mean", "cold"], ["linear"]),
        helper.make_node("Softmax", ["linear"], ["probabilities"], axis=1),
    ]
    constants = {"sides": np.array([1, 2], np.int64), "cold": np.array([32], np.float32)}
    outputs = (Tensor(name="probabilities", dtype="float32", shape=(None, 3)),)
    return _write(
        root, name, version, CLASSIFIER_SIDE, nodes, constants, outputs,
        task="classification", labels=COLOURS,
    )  # fmt: skip


def write_detector(root: Path, name: str = "detector", version: str = "v1.0") -> Path:
    """One box around all that is bright red, one around green, one around blue, each thrice.

    The best has the score SURE, the others lie a pixel beside it and have less.
    """
    places = np.arange(SIDE, dtype=np.float32)
    nodes = [
        helper.make_node("Cast", ["image"], ["values"], to=TensorProto.FLOAT),
        helper.make_node("Greater", ["values", "bright"], ["is_bright"]),
        helper.make_node("Cast", ["is_bright"], ["ones"], to=TensorProto.FLOAT),
        *_edges("x", axis=1),
        *_edges("y", axis=2),
        # float [n, 3, 4]
        helper.make_node("Concat", ["x0", "y0", "x1", "y1"], ["best"], axis=2),
        helper.make_node("Add", ["best", "one"], ["second"]),
        helper.make_node("Sub", ["best", "one"], ["third"]),
        helper.make_node("Concat", ["best", "second", "third"], ["boxes"], axis=1),
        helper.make_node("ReduceMax", ["ones", "sides"], ["any"], keepdims=0),
        helper.make_node("Unsqueeze", ["any", "last"], ["any_column"]),
        helper.make_node("Concat", ["any_column"] * 3, ["any_thrice"], axis=1),
        helper.make_node("Mul", ["any_thrice", "sure"], ["scores"]),
    ]
    sure = np.concatenate([np.eye(3, dtype=np.float32) * SURE * part for part in (1, 0.9, 0.8)])
    constants = {
        "bright": np.array([BRIGHT], np.float32),
        "from_left": places[:, None] + 1,
        "from_right": SIDE - places[:, None],
        "side": np.array([SIDE], np.float32),
        "one": np.array([1], np.float32),
        "axis1": np.array([1], np.int64),
        "axis2": np.array([2], np.int64),
        "last": np.array([2], np.int64),
        "sides": np.array([1, 2], np.int64),
        "sure": sure,
    }
    outputs = (
        Tensor(name="boxes", dtype="float32", shape=(None, 9, 4)),
        Tensor(name="scores", dtype="float32", shape=(None, 9, 3)),
    )
    return _write(
        root, name, version, SIDE, nodes, constants, outputs,
        task="detection", labels=THINGS, scores="scores",
    )  # fmt: skip


def write_segmenter(root: Path, name: str = "segmenter", version: str = "v1.0") -> Path:
    """Every pixel as its brightest colour where that is above BRIGHT, sure by how bright it is."""
    nodes = [
        helper.make_node("Cast", ["image"], ["values"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["values", "none"], ["black"]),
        helper.make_node("ReduceMax", ["black", "last"], ["dark"], keepdims=1),
        helper.make_node("Add", ["dark", "bright"], ["background"]),
        helper.make_node("Concat", ["background", "values"], ["classes"], axis=3),
        helper.make_node("ArgMax", ["classes"], ["index"], axis=3, keepdims=0),
        helper.make_node("Cast", ["index"], ["mask"], to=TensorProto.UINT8),
        helper.make_node("ReduceMax", ["classes", "last"], ["most"], keepdims=0),
        helper.make_node("Div", ["most", "full"], ["mask_confidence"]),
    ]
    constants = {
        "none": np.array([0], np.float32),
        "bright": np.array([BRIGHT], np.float32),
        "full": np.array([255], np.float32),
        "last": np.array([3], np.int64),
    }
    outputs = (
        Tensor(name="mask", dtype="uint8", shape=(None, SIDE, SIDE)),
        Tensor(name="mask_confidence", dtype="float32", shape=(None, SIDE, SIDE)),
    )
    return _write(
        root, name, version, SIDE, nodes, constants, outputs,
        task="segmentation", labels=("background", *THINGS),
    )  # fmt: skip


def _edges(name: str, axis: int) -> list[Any]:
    """Nodes that give the first and the last bright place, float [n, 3, 1].

    axis: of the image that is reduced first, so 1 for places across.
    """
    return [
        helper.make_node("ReduceMax", ["ones", f"axis{axis}"], [f"{name}_any"], keepdims=0),
        helper.make_node("Mul", [f"{name}_any", "from_left"], [f"{name}_ends"]),
        helper.make_node("ReduceMax", [f"{name}_ends", "axis1"], [f"{name}_end"], keepdims=0),
        helper.make_node("Unsqueeze", [f"{name}_end", "last"], [f"{name}1"]),
        helper.make_node("Mul", [f"{name}_any", "from_right"], [f"{name}_starts"]),
        helper.make_node("ReduceMax", [f"{name}_starts", "axis1"], [f"{name}_far"], keepdims=0),
        helper.make_node("Sub", ["side", f"{name}_far"], [f"{name}_start"]),
        helper.make_node("Unsqueeze", [f"{name}_start", "last"], [f"{name}0"]),
    ]


def _write(
    root: Path,
    name: str,
    version: str,
    side: int,
    nodes: Sequence[Any],
    constants: Mapping[str, Any],
    outputs: Sequence[Tensor],
    **said: Any,
) -> Path:
    kinds = {"float32": TensorProto.FLOAT, "uint8": TensorProto.UINT8}
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", side, side, 3])],
        [
            helper.make_tensor_value_info(one.name, kinds[one.dtype], ["n", *one.shape[1:]])
            for one in outputs
        ],
        [numpy_helper.from_array(value, key) for key, value in constants.items()],
    )
    return write_version(
        root,
        graph,
        name=name,
        version=version,
        service=CONTRACT.full_name,
        inputs=(Tensor(name="image", dtype="uint8", shape=(None, side, side, 3)),),
        outputs=tuple(outputs),
        **said,
    )
