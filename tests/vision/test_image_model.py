from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from onnx import TensorProto, helper

from mlmesh.registry.manifest import Tensor
from mlmesh.runtime.errors import Precondition
from tests.tiny_models import write_version
from tests.vision.serving import image_hosting
from vision.classification import classifier_model
from vision.detection import detector_model
from vision.image_model import ImageModel
from vision.segmentation import segmenter_model
from vision.service import CONTRACT

TASKS = {
    "classification": classifier_model,
    "detection": detector_model,
    "segmentation": segmenter_model,
}
SQUARE = (None, 8, 8, 3)
OWN_SIDE = "model: image of odd is not uint8 of the shape [images, side, side, 3]"
Shape = tuple[int | None, ...]


def write_odd(
    root: Path,
    task: str,
    image: Shape,
    outputs: Sequence[tuple[str, Shape]],
    labels: int,
    dtype: str = "uint8",
    name: str = "image",
) -> None:
    """A graph that gives sums over its input, spread over outputs of any shape."""
    kinds = {"uint8": TensorProto.UINT8, "float32": TensorProto.FLOAT}
    nodes = [helper.make_node("Cast", [name], ["values"], to=TensorProto.FLOAT)]
    constants = []
    for output, shape in outputs:
        axes = list(range(1, len(image)))
        nodes += [
            helper.make_node("ReduceSum", ["values", f"{output}_axes"], [f"{output}_sum"]),
            helper.make_node("Reshape", [f"{output}_sum", f"{output}_flat"], [f"{output}_rows"]),
            helper.make_node("Expand", [f"{output}_rows", f"{output}_shape"], [output]),
        ]
        for suffix, values in (
            ("axes", axes),
            ("flat", [-1, *[1] * (len(shape) - 1)]),
            ("shape", [1, *[size or 1 for size in shape[1:]]]),
        ):
            constants.append(
                helper.make_tensor(f"{output}_{suffix}", TensorProto.INT64, [len(values)], values)
            )
    graph = helper.make_graph(
        nodes,
        "odd",
        [helper.make_tensor_value_info(name, kinds[dtype], ["n", *image[1:]])],
        [
            helper.make_tensor_value_info(output, TensorProto.FLOAT, ["n", *shape[1:]])
            for output, shape in outputs
        ],
        constants,
    )
    write_version(
        root,
        graph,
        name="odd",
        version="v1.0",
        service=CONTRACT.full_name,
        task=task,
        inputs=(Tensor(name=name, dtype="uint8" if dtype == "uint8" else "float32", shape=image),),
        outputs=tuple(Tensor(name=one, dtype="float32", shape=shape) for one, shape in outputs),
        labels=tuple("abcdefgh"[:labels]),
        scores=outputs[-1][0],
    )


SCORES = ("probabilities", (None, 3))
BOXES = ("boxes", (None, 5, 4))
ODD: list[tuple[str, Shape, list[tuple[str, Shape]], int, dict[str, str], str]] = [
    ("classification", (None, 8, 4, 3), [SCORES], 3, {}, OWN_SIDE),
    ("classification", (None, 8, 8, 1), [SCORES], 3, {}, OWN_SIDE),
    ("classification", SQUARE, [SCORES], 3, {"dtype": "float32"}, OWN_SIDE),
    ("classification", SQUARE, [SCORES], 3, {"name": "picture"}, "model: odd takes picture, not"),
    ("classification", SQUARE, [("logits", (None, 3))], 3, {}, "model: odd gives no probabi"),
    (
        "classification", SQUARE, [("probabilities", (None, 1, 3))], 3, {},
        "model: probabilities of odd is not of the shape [images, classes]",
    ),
    ("detection", SQUARE, [BOXES], 4, {}, "model: odd gives no scores;"),
    (
        "detection", SQUARE, [BOXES, ("scores", (None, 3))], 3, {},
        "model: odd does not give boxes [images, boxes, 4] and scores [images, boxes, classes]",
    ),
    (
        "segmentation", SQUARE, [("mask", (None, 8, 8)), ("mask_confidence", (None, 8, 8))], 8, {},
        "model: mask of odd is not uint8 of the shape [images, 8, 8]",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("task", "image", "outputs", "labels", "said", "message"), ODD)
async def test_a_graph_of_another_kind_is_refused_with_what_is_wrong(
    tmp_path: Path,
    task: str,
    image: Shape,
    outputs: list[tuple[str, Shape]],
    labels: int,
    said: dict[str, str],
    message: str,
) -> None:
    write_odd(tmp_path, task, image, outputs, labels, **said)

    async with image_hosting(tmp_path) as host:
        with host.using("odd", "") as version, pytest.raises(Precondition) as refused:
            version.view(TASKS[task])

    assert refused.value.message.startswith(message)


async def test_a_graph_without_labels_is_refused(tmp_path: Path) -> None:
    write_odd(tmp_path, "detection", SQUARE, [BOXES, ("scores", (None, 5, 3))], 0)

    async with image_hosting(tmp_path) as host:
        with host.using("odd", "") as version, pytest.raises(Precondition) as refused:
            version.view(detector_model)

    assert refused.value.message == "model: odd has 0 labels, but tells 3 classes apart"


async def test_a_view_of_a_version_is_made_once(image_models: Path) -> None:
    async with image_hosting(image_models) as host:
        with host.using("classifier", "") as version:
            views: set[ImageModel] = {version.view(classifier_model) for _ in range(3)}

    assert len(views) == 1
