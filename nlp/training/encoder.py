"""The encoder of all-MiniLM-L6-v2 (Wang et al. 2020; Reimers, Gurevych 2019) in plain PyTorch."""

# Without torch installed its classes are unknown to the type checker; training code still checks.
# mypy: allow-subclassing-any

from __future__ import annotations

import torch
from torch import Tensor, nn

LAYERS = 6
WIDTH = 384
HEADS = 12
INNER = 1536
VOCABULARY = 30522
POSITIONS = 512
EPSILON = 1e-12
DROPOUT = 0.1
FAR_BELOW = -1e9


class Layer(nn.Module):
    """Attention and a two-layer network, each added to its input and normalised."""

    def __init__(self) -> None:
        super().__init__()
        self.look = nn.Linear(WIDTH, 3 * WIDTH)
        """Queries, keys and values in one."""
        self.mix = nn.Linear(WIDTH, WIDTH)
        self.attention_norm = nn.LayerNorm(WIDTH, EPSILON)
        self.widen = nn.Linear(WIDTH, INNER)
        self.narrow = nn.Linear(INNER, WIDTH)
        self.norm = nn.LayerNorm(WIDTH, EPSILON)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, states: Tensor, bias: Tensor) -> Tensor:
        rows, length, _ = states.shape

        heads = self.look(states).view(rows, length, 3, HEADS, WIDTH // HEADS)
        queries, keys, values = heads.permute(2, 0, 3, 1, 4).unbind(0)
        # No dropout inside of the attention: on CPUs it would switch the fused kernel off.
        found = nn.functional.scaled_dot_product_attention(queries, keys, values, attn_mask=bias)
        together = found.transpose(1, 2).reshape(rows, length, WIDTH)
        states = self.attention_norm(states + self.dropout(self.mix(together)))
        inner = nn.functional.gelu(self.widen(states))
        normed: Tensor = self.norm(states + self.dropout(self.narrow(inner)))
        return normed


class Encoder(nn.Module):
    """One vector for every token: float32 [rows, length, 384].

    tokens: int64 [rows, length]; mask: int64 of the same shape, 1 for tokens and 0 for padding;
    extra: float32 [rows, length, 384], added to the tokens' vectors before they are normalised.
    """

    def __init__(self, vocabulary: int = VOCABULARY, layers: int = LAYERS) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, WIDTH)
        self.positions = nn.Embedding(POSITIONS, WIDTH)
        self.kind = nn.Parameter(torch.zeros(WIDTH))
        self.norm = nn.LayerNorm(WIDTH, EPSILON)
        self.dropout = nn.Dropout(DROPOUT)
        self.layers = nn.ModuleList(Layer() for _ in range(layers))

    def forward(self, tokens: Tensor, mask: Tensor, extra: Tensor | None = None) -> Tensor:
        places = torch.arange(tokens.shape[1], device=tokens.device)
        states: Tensor = self.tokens(tokens) + self.positions(places) + self.kind
        if extra is not None:
            states = states + extra
        states = self.dropout(self.norm(states))
        bias = (1.0 - mask[:, None, None, :].to(states.dtype)) * FAR_BELOW
        for layer in self.layers:
            states = layer(states, bias)
        return states


def mean_of_tokens(states: Tensor, mask: Tensor) -> Tensor:
    """The mean over the tokens that are no padding: float32 [rows, 384]."""
    weights = mask[..., None].to(states.dtype)
    return (states * weights).sum(1) / weights.sum(1)
