"""The classifier: the networks of airbench94 and airbench96 (Jordan 2024, arXiv 2404.00498).

A fixed whitening layer, three groups of two or three convolutions, and one matrix: ten classes.
"""

# Without torch installed its classes are unknown to the type checker; training code still checks.
# mypy: allow-subclassing-any

from __future__ import annotations

import torch
from torch import Tensor, nn

CLASSES = 10
SIZE = 32
MEANS = (0.4914, 0.4822, 0.4465)
DEVIATIONS = (0.2470, 0.2435, 0.2616)
WIDTHS = (64, 192, 256)
PATCH = 2
WHITENED = 2 * 3 * PATCH**2
"""Every direction of a patch of 2 x 2 pixels, and its opposite."""
KEPT = 0.6
"""Share of the old statistics that a batch leaves in a normalisation."""
SHRINK = 1 / 9
LEAST_VARIANCE = 5e-4


class Group(nn.Module):
    """Convolutions, two or three; the first one's answer is halved in size, and added to the third
    one's."""

    def __init__(self, inputs: int, outputs: int, deep: bool) -> None:
        super().__init__()
        self.first = _convolution(inputs, outputs)
        self.pool = nn.MaxPool2d(2)
        self.first_norm = _norm(outputs)
        self.second = _convolution(outputs, outputs)
        self.second_norm = _norm(outputs)
        self.deep = deep
        if deep:
            self.third = _convolution(outputs, outputs)
            self.third_norm = _norm(outputs)
        self.bend = nn.GELU()

    def forward(self, values: Tensor) -> Tensor:
        values = self.bend(self.first_norm(self.pool(self.first(values))))
        answer: Tensor = self.bend(self.second_norm(self.second(values)))
        if self.deep:
            answer = self.bend(values + self.third_norm(self.third(answer)))
        return answer


class ClassifierModel(nn.Module):
    """Scores before the softmax, float32 [rows, 10], of normalised pictures [rows, 3, 32, 32]."""

    def __init__(self, widths: tuple[int, int, int] = WIDTHS, deep: bool = True) -> None:
        """deep: groups of three convolutions, as in airbench96; else two, as in airbench94."""
        super().__init__()
        self.whiten = nn.Conv2d(3, WHITENED, PATCH)
        self.whiten.weight.requires_grad_(False)
        self.bend = nn.GELU()
        sizes = (WHITENED, *widths)
        self.groups = nn.Sequential(
            *(Group(inputs, outputs, deep) for inputs, outputs in zip(sizes, widths, strict=False))
        )
        self.pool = nn.MaxPool2d(3)
        self.head = nn.Linear(widths[-1], CLASSES, bias=False)

    def forward(self, pictures: Tensor) -> Tensor:
        values = self.pool(self.groups(self.bend(self.whiten(pictures))))
        scores: Tensor = self.head(values.flatten(1)) * SHRINK
        return scores

    @property
    def whiten_bias(self) -> Tensor:
        assert self.whiten.bias is not None
        return self.whiten.bias

    def whiten_like(self, pictures: Tensor) -> None:
        """Fit the fixed layer, so that its answers to these pictures are uncorrelated."""
        patches = nn.functional.unfold(pictures, PATCH).transpose(1, 2).reshape(-1, WHITENED // 2)
        covariance = patches.T @ patches / len(patches)
        variances, directions = torch.linalg.eigh(covariance)
        scaled = directions.T / torch.sqrt(variances + LEAST_VARIANCE)[:, None]
        # The strongest directions first.
        scaled = scaled.flip(0).reshape(-1, 3, PATCH, PATCH)
        with torch.no_grad():
            self.whiten.weight.copy_(torch.cat([scaled, -scaled]))
            self.whiten_bias.zero_()


def mirrored_scores(model: ClassifierModel, pictures: Tensor) -> Tensor:
    """The mean of the scores of each picture and of its mirror image, which shows the same."""
    scores: Tensor = (model(pictures) + model(pictures.flip(3))) / 2
    return scores


def normalised(pictures: Tensor) -> Tensor:
    """uint8 [rows, height, width, 3] to float32 [rows, 3, height, width], mean 0, deviation 1."""
    means, deviations = torch.tensor(MEANS), torch.tensor(DEVIATIONS)
    return ((pictures.float() / 255 - means) / deviations).permute(0, 3, 1, 2)


def _convolution(inputs: int, outputs: int) -> nn.Conv2d:
    layer = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    # Starts as a layer that hands its inputs on.
    nn.init.dirac_(layer.weight.data[:inputs])
    return layer


def _norm(channels: int) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(channels, eps=1e-12, momentum=1 - KEPT)
    norm.weight.requires_grad_(False)
    return norm
