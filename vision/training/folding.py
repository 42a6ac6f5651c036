"""Normalisations taken into the convolutions before them: the same answers from fewer steps."""

from __future__ import annotations

from copy import deepcopy
from typing import TypeVar

from torch import nn
from torch.nn.utils import fuse_conv_bn_eval

from vision.training.classifier_model import Group

Model = TypeVar("Model", bound=nn.Module)


def folded(model: Model) -> Model:
    """A copy of a model that learnt, for answering only."""
    copy: Model = deepcopy(model)
    copy.eval()
    for part in copy.modules():
        if isinstance(part, nn.Sequential):
            _fold_sequence(part)
        elif isinstance(part, Group):
            # The pooling between them takes the greatest value; a normalisation that multiplies by
            # something above zero does not change which one that is.
            for name in ("first", "second", "third") if part.deep else ("first", "second"):
                norm = getattr(part, f"{name}_norm")
                setattr(part, name, fuse_conv_bn_eval(getattr(part, name), norm))
                setattr(part, f"{name}_norm", nn.Identity())
    return copy


def _fold_sequence(sequence: nn.Sequential) -> None:
    for place in range(len(sequence) - 1):
        convolution, norm = sequence[place], sequence[place + 1]
        if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            sequence[place] = fuse_conv_bn_eval(convolution, norm)
            sequence[place + 1] = nn.Identity()
