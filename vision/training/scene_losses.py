"""What boxes and masks are asked to be while they are learnt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from vision.training.scene_model import STRIDE
from vision.training.scenes import LABELS, UNKNOWN, Boxes, Classes

CENTRAL = 0.25
"""A cell answers for a box when it is this share of its sides from its centre, at most."""
LEAST_CENTRAL = 0.75 * STRIDE
KIND_WEIGHTS = (1.0, 2.0, 2.0, 2.0)
SCORE_WEIGHT, BOX_WEIGHT = 2.0, 1.5
TINY = 1e-6


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the cells of one sample should answer."""

    kinds: Tensor
    """int64 [cells]: a position in LABELS, or -1 where there is nothing."""
    boxes: Tensor
    """float32 [cells, 4]."""


def wanted_of(boxes: Boxes, classes: Classes, centres: Tensor) -> Wanted:
    """Where boxes overlap a cell answers for the smallest; every box has one cell at least."""
    at = centres.numpy()
    kinds = np.full(len(at), -1, np.int64)
    answers = np.zeros((len(at), 4), np.float32)
    sizes = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) if len(boxes) else np.zeros(0)
    for place in np.argsort(-sizes, kind="stable"):
        box = boxes[place]
        middle, sides = (box[:2] + box[2:]) / 2, box[2:] - box[:2]
        near = (np.abs(at - middle) < np.maximum(sides * CENTRAL, LEAST_CENTRAL)).all(axis=1)
        near &= ((at > box[:2]) & (at < box[2:])).all(axis=1)
        if not near.any():
            near[((at - middle) ** 2).sum(axis=1).argmin()] = True
        kinds[near] = classes[place]
        answers[near] = box
    return Wanted(torch.from_numpy(kinds), torch.from_numpy(answers))


def box_loss(scores: Tensor, boxes: Tensor, kinds: Tensor, wanted: Tensor) -> Tensor:
    """Scores [cells, 3] are to say how well their box fits (Li et al. 2020, quality focal loss);
    boxes [cells, 4] are to fit (Rezatofighi et al. 2019, generalised IoU)."""
    filled = kinds >= 0
    aims = torch.zeros_like(scores)
    misfit = scores.new_zeros(())
    if filled.any():
        fits, generalised = overlaps(boxes[filled], wanted[filled])
        misfit = (1 - generalised).mean()
        aims[filled, kinds[filled]] = fits.detach()
    gaps = (aims - scores.sigmoid()).abs() ** 2
    wrong = nn.functional.binary_cross_entropy_with_logits(scores, aims, reduction="none") * gaps
    return SCORE_WEIGHT * wrong.sum() / filled.sum().clamp(min=1) + BOX_WEIGHT * misfit


def overlaps(some: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """IoU and generalised IoU of pairs of boxes: [pairs] each."""
    inner = (torch.min(some[:, 2:], others[:, 2:]) - torch.max(some[:, :2], others[:, :2])).clamp(
        min=0
    )
    outer = (torch.max(some[:, 2:], others[:, 2:]) - torch.min(some[:, :2], others[:, :2])).clamp(
        min=0
    )
    shared, around = inner.prod(1), outer.prod(1)
    joined = _areas(some) + _areas(others) - shared
    iou = shared / (joined + TINY)
    return iou, iou - (around - joined) / (around + TINY)


def mask_loss(scores: Tensor, masks: Tensor) -> Tensor:
    """Cross entropy and, for the overlap as a whole, the Dice loss (Milletari et al. 2016).

    scores: float32 [rows, 4, height, width]; masks: int64 [rows, height, width].
    """
    known = masks != UNKNOWN
    if not known.any():
        return scores.new_zeros(())
    weights = torch.tensor(KIND_WEIGHTS)
    entropy = nn.functional.cross_entropy(scores, masks, weight=weights, ignore_index=UNKNOWN)
    shares = scores.softmax(1) * known[:, None]
    dice = scores.new_zeros(())
    for kind in range(1, len(LABELS) + 1):
        true = (masks == kind).float()
        both = (shares[:, kind] * true).sum()
        dice = dice + 1 - (2 * both + 1) / (shares[:, kind].sum() + true.sum() + 1)
    return entropy + dice / len(LABELS)


def _areas(boxes: Tensor) -> Tensor:
    return (boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(1)
