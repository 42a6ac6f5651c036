"""A model that takes tensors of any size and costs next to nothing: the mean of every channel."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from mlmesh.registration.register import Order, register
from mlmesh.registry.keys import development_key

NAME = "channel-means"
INPUT = "x"


def write_graph(path: Path) -> None:
    """float32 [n, channels, height, width] to float32 [n, channels]"""
    graph = helper.make_graph(
        [helper.make_node("ReduceMean", [INPUT, "axes"], ["means"], keepdims=0)],
        NAME,
        [
            helper.make_tensor_value_info(
                INPUT, TensorProto.FLOAT, ["n", "channels", "height", "width"]
            )
        ],
        [helper.make_tensor_value_info("means", TensorProto.FLOAT, ["n", "channels"])],
        [numpy_helper.from_array(np.array([2, 3]), "axes")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, path)


def register_model(graph: Path, repository: Path, keys: Path) -> None:
    """Make it a signed version that services with this repository and these keys serve."""
    sizes = {"channels": 3, "height": 8, "width": 8}
    key = development_key(keys)
    asyncio.run(register(Order(graph, NAME, repository, key, version="v1.0", sizes=sizes)))
