"""The embedding network: encoder, mean over the tokens, length one."""

# Without torch installed its classes are unknown to the type checker; training code still checks.
# mypy: allow-subclassing-any

from __future__ import annotations

from torch import Tensor, nn

from nlp.training.encoder import Encoder, mean_of_tokens


class EmbeddingModel(nn.Module):
    """One vector of length 1 for every text: float32 [rows, 384]."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        states = self.encoder(input_ids, attention_mask)
        return nn.functional.normalize(mean_of_tokens(states, attention_mask))
