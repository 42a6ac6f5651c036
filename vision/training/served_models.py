"""The graphs that are shipped: from uint8 pictures to answers, nothing left to do around them."""

# Without torch installed its classes are unknown to the type checker; training code still checks.
# mypy: allow-subclassing-any

from __future__ import annotations

import torch
from torch import Tensor, nn

from vision.training.classifier_model import ClassifierModel, mirrored_scores, normalised
from vision.training.folding import folded
from vision.training.scene_model import SceneModel, boxes_of, cell_centres, centred


class ServedClassifier(nn.Module):
    """uint8 [rows, 32, 32, 3] to probabilities, float32 [rows, 10]: of the mean of the scores of
    each picture and of its mirror image."""

    outputs = ("probabilities",)

    def __init__(self, model: ClassifierModel, temperature: float) -> None:
        super().__init__()
        self.model = folded(model)
        with torch.no_grad():
            self.model.head.weight.div_(temperature)

    def forward(self, image: Tensor) -> tuple[Tensor]:
        return (mirrored_scores(self.model, normalised(image)).softmax(-1),)


class ServedDetector(nn.Module):
    """uint8 [rows, 224, 224, 3] to boxes, float32 [rows, 784, 4] in pixels, and the scores of the
    three classes, float32 [rows, 784, 3]."""

    outputs = ("boxes", "scores")
    centres: Tensor

    def __init__(self, model: SceneModel, slope: float = 1.0, offset: float = 0.0) -> None:
        """slope, offset: what scores before the sigmoid are changed by, to become confidences."""
        super().__init__()
        whole = folded(model)
        self.trunk, self.head = whole.trunk, whole.boxes
        self.register_buffer("centres", cell_centres())
        with torch.no_grad():
            self.head.scores.weight.mul_(slope)
            assert self.head.scores.bias is not None
            self.head.scores.bias.mul_(slope).add_(offset)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        cells, _ = self.trunk(centred(image))
        scores, sides = self.head(cells)
        return boxes_of(sides, self.centres), scores.sigmoid()


class ServedSegmenter(nn.Module):
    """uint8 [rows, 224, 224, 3] to the class of each pixel, uint8 [rows, 224, 224], and how
    probable it is, float32 of the same shape."""

    outputs = ("mask", "mask_confidence")

    def __init__(self, model: SceneModel, temperature: float = 1.0) -> None:
        super().__init__()
        whole = folded(model)
        self.trunk, self.head = whole.trunk, whole.masks
        with torch.no_grad():
            self.head.scores.weight.div_(temperature)
            assert self.head.scores.bias is not None
            self.head.scores.bias.div_(temperature)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        _, fine = self.trunk(centred(image))
        sure, kinds = self.head(fine).softmax(1).max(1)
        return kinds.to(torch.uint8), sure
