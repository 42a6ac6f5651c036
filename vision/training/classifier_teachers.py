"""What the classifier learns from beside the labels: two networks that learnt before it."""

from __future__ import annotations

import torch
from torch import Tensor

from vision.training.classifier_model import ClassifierModel
from vision.training.folding import folded


class Teachers:
    """The probabilities of the mean of two networks' scores: the first one sees each picture, the
    second one its mirror image, as this says as much as both seeing both, for half of the time."""

    def __init__(self, plain: ClassifierModel, mirroring: ClassifierModel) -> None:
        self._plain, self._mirroring = _ready(plain), _ready(mirroring)

    def __call__(self, pictures: Tensor) -> Tensor:
        """Normalised [rows, 3, 32, 32] to float32 [rows, 10]."""
        pictures = pictures.bfloat16()
        with torch.no_grad():
            scores = self._plain(pictures).float() + self._mirroring(pictures.flip(3)).float()
        probabilities: Tensor = (scores / 2).softmax(-1)
        return probabilities


def _ready(model: ClassifierModel) -> ClassifierModel:
    copy: ClassifierModel = folded(model).bfloat16()
    copy.to(memory_format=torch.channels_last)  # type: ignore[call-overload,unused-ignore]
    return copy
