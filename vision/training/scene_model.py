"""One network for boxes and masks: a residual trunk, a feature pyramid and two heads.

Residual blocks: He et al. 2016. Pyramid: Lin et al. 2017. Boxes without anchors, as distances from
a cell's centre to the four sides: Tian et al. 2019 (FCOS).
"""

# Without torch installed its classes are unknown to the type checker; training code still checks.
# mypy: allow-subclassing-any

from __future__ import annotations

import torch
from torch import Tensor, nn

from vision.training.scenes import LABELS, MASK_LABELS

SIZE = 224
STRIDE = 8
"""Pixels of a cell's sides; a cell says what is around it."""
CELLS = SIZE // STRIDE
STEM = 24
WIDTHS = (32, 64, 128, 192)
BLOCKS = (2, 2, 3, 2)
PYRAMID = 64
FINE = 32
"""Channels at a quarter of the size, where the mask is drawn."""
MEAN = 0.45
REACH = 16.0
"""Pixels that an answer of about one stands for."""
RARE = -4.0
"""Where scores start: hardly any cell has a thing."""


class Block(nn.Module):
    """Two convolutions, added to what came in."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = _convolution(inputs, outputs, stride=stride)
        self.second = nn.Sequential(
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs)
        )
        self.across: nn.Module = nn.Identity()
        if stride > 1 or inputs != outputs:
            self.across = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, values: Tensor) -> Tensor:
        return nn.functional.relu(self.second(self.first(values)) + self.across(values))


class Trunk(nn.Module):
    """Pictures to features at an eighth and at a quarter of their size."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _convolution(3, STEM, stride=2)
        sizes = (STEM, *WIDTHS)
        self.levels = nn.ModuleList(
            nn.Sequential(
                Block(inputs, outputs, 2), *(Block(outputs, outputs, 1) for _ in range(blocks - 1))
            )
            for inputs, outputs, blocks in zip(sizes, WIDTHS, BLOCKS, strict=False)
        )
        self.fine_side = nn.Conv2d(WIDTHS[0], FINE, 1)
        self.sides = nn.ModuleList(nn.Conv2d(width, PYRAMID, 1) for width in WIDTHS[1:])
        self.surroundings = nn.Linear(WIDTHS[-1], PYRAMID)
        """What the whole picture is like, told to every cell."""
        self.smooth = nn.ModuleList(_convolution(PYRAMID, PYRAMID) for _ in WIDTHS[1:-1])
        self.narrow = nn.Conv2d(PYRAMID, FINE, 1)
        self.fine_smooth = _convolution(FINE, FINE)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """pictures: float32 [rows, 3, 224, 224], about -0.5 to 0.5."""
        values = self.stem(pictures)
        found = []
        for level in self.levels:
            values = level(values)
            found.append(values)
        whole = self.surroundings(found[-1].mean((2, 3)))[:, :, None, None]
        coarse = self.sides[2](found[3]) + whole
        middle = self.smooth[1](self.sides[1](found[2]) + _doubled(coarse))
        cells = self.smooth[0](self.sides[0](found[1]) + _doubled(middle))
        fine = self.fine_smooth(self.fine_side(found[0]) + _doubled(self.narrow(cells)))
        return cells, fine


class BoxHead(nn.Module):
    """For each cell the scores of its classes and the distances to the sides of its box."""

    def __init__(self) -> None:
        super().__init__()
        self.shared = nn.Sequential(_convolution(PYRAMID, PYRAMID), _convolution(PYRAMID, PYRAMID))
        self.scores = nn.Conv2d(PYRAMID, len(LABELS), 1)
        self.sides = nn.Conv2d(PYRAMID, 4, 1)
        nn.init.constant_(self.scores.bias, RARE)  # type: ignore[arg-type,unused-ignore]

    def forward(self, cells: Tensor) -> tuple[Tensor, Tensor]:
        """Scores before the sigmoid [rows, cells, 3], and distances [rows, cells, 4]."""
        shared = self.shared(cells)
        scores = self.scores(shared).flatten(2).transpose(1, 2)
        return scores, self.sides(shared).flatten(2).transpose(1, 2)


class MaskHead(nn.Module):
    """Scores of the four mask classes: [rows, 4, size, size]."""

    def __init__(self) -> None:
        super().__init__()
        self.shared = _convolution(FINE, FINE)
        self.scores = nn.Conv2d(FINE, len(MASK_LABELS), 1)

    def forward(self, fine: Tensor, size: int = SIZE) -> Tensor:
        scores = self.scores(self.shared(fine))
        return nn.functional.interpolate(scores, size=(size, size), mode="bilinear")


class SceneModel(nn.Module):
    """Both heads on one trunk, as they learn."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = Trunk()
        self.boxes = BoxHead()
        self.masks = MaskHead()

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Masks are learnt at half of the size, which is cheaper."""
        cells, fine = self.trunk(pictures)
        scores, sides = self.boxes(cells)
        return scores, sides, self.masks(fine, SIZE // 2)


def centred(pictures: Tensor) -> Tensor:
    """uint8 [rows, 224, 224, 3] to float32 [rows, 3, 224, 224]."""
    return (pictures.float() / 255 - MEAN).permute(0, 3, 1, 2)


def cell_centres() -> Tensor:
    """float32 [cells, 2]: x and y in pixels, row by row."""
    along = (torch.arange(CELLS) + 0.5) * STRIDE
    rows, columns = torch.meshgrid(along, along, indexing="ij")
    return torch.stack([columns.flatten(), rows.flatten()], dim=1)


def boxes_of(sides: Tensor, centres: Tensor) -> Tensor:
    """Distances as boxes, x0 y0 x1 y1 in pixels: [rows, cells, 4]."""
    distances = nn.functional.softplus(sides) * REACH
    return torch.cat([centres - distances[..., :2], centres + distances[..., 2:]], dim=-1)


def _convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def _doubled(values: Tensor) -> Tensor:
    return nn.functional.interpolate(values, scale_factor=2.0, mode="nearest")
