"""Part of the range of a matrix's inputs is moved into its weights (Xiao et al. 2023, SmoothQuant).

A few inputs of every layer are ten times as large as the others, so that one int8 scale for all of
them has no steps left for the rest. Dividing each input by its own size, and multiplying the
matrix by it, changes nothing in floats and makes int8 four times as exact.
"""

# Without torch installed its classes are unknown to the type checker; training code still checks.
# mypy: allow-subclassing-any

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from nlp.training.graph import Encoded, in_batches
from nlp.training.int8_storage import IN_ENCODER

STRENGTH = 0.85
"""How much of the range goes to the weights: 0.4 to 1 compared on validation pairs of STS-B."""
LEAST_INPUT = 1e-4
LEAST_WEIGHT = 1e-5


class Smoothed(nn.Module):
    """A linear layer that multiplies its inputs first."""

    factors: Tensor

    def __init__(self, linear: nn.Linear, sizes: Tensor) -> None:
        super().__init__()
        self.linear = linear
        self.register_buffer("factors", 1 / sizes)
        with torch.no_grad():
            linear.weight.mul_(sizes)

    def forward(self, values: Tensor) -> Tensor:
        answer: Tensor = self.linear(values * self.factors)
        return answer


def smooth(model: nn.Module, sample: Sequence[Encoded]) -> None:
    """Change the linear layers of the encoder in place; the model's answers stay the same."""
    layers = {
        name: layer
        for name, layer in model.named_modules()
        if isinstance(layer, nn.Linear) and IN_ENCODER in name
    }
    with _watched(layers) as largest, torch.no_grad():
        for _, batch in in_batches(sample):
            largest.real = torch.tensor(batch["attention_mask"]).bool()
            model.eval()(*(torch.tensor(values) for values in batch.values()))
    for name, layer in layers.items():
        parent, _, own = name.rpartition(".")
        sizes = sizes_of(largest.inputs[name], layer.weight.detach())
        setattr(model.get_submodule(parent), own, Smoothed(layer, sizes))


def sizes_of(inputs: Tensor, weights: Tensor) -> Tensor:
    """What each input is divided by; inputs: its largest values; weights: [outputs, inputs]."""
    columns = weights.abs().amax(0).clamp(min=LEAST_WEIGHT)
    sizes = inputs.clamp(min=LEAST_INPUT) ** STRENGTH / columns ** (1 - STRENGTH)
    return sizes / sizes.mean()


class _Largest:
    def __init__(self) -> None:
        self.inputs: dict[str, Tensor] = {}
        """float32 [inputs] for each layer."""
        self.real = torch.empty(0)
        """bool [rows, length] of the batch: no padding."""

    def see(self, name: str, values: Tensor) -> None:
        found = values[self.real].abs().amax(0)
        self.inputs[name] = torch.maximum(self.inputs.get(name, found), found)


@contextmanager
def _watched(layers: dict[str, nn.Linear]) -> Iterator[_Largest]:
    largest = _Largest()

    def watch(name: str) -> Any:
        def see(_: nn.Module, values: tuple[Tensor]) -> None:
            largest.see(name, values[0])

        return see

    hooks = [layer.register_forward_pre_hook(watch(name)) for name, layer in layers.items()]
    try:
        yield largest
    finally:
        for hook in hooks:
            hook.remove()
