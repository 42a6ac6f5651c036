"""The sentiment network: encoder, mean over the tokens, and a small head."""

# Without torch installed its classes are unknown to the type checker; training code still checks.
# mypy: allow-subclassing-any

from __future__ import annotations

from torch import Tensor, nn

from nlp.training.encoder import DROPOUT, WIDTH, Encoder, mean_of_tokens
from nlp.training.treebank import LABELS


class SentimentModel(nn.Module):
    """Scores float32 [rows, 3] of the labels before the softmax."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.inner = nn.Linear(WIDTH, WIDTH)
        self.dropout = nn.Dropout(DROPOUT)
        self.last = nn.Linear(WIDTH, len(LABELS))

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        states = self.encoder(input_ids, attention_mask)
        meaning = mean_of_tokens(states, attention_mask)
        scores: Tensor = self.last(self.dropout(self.inner(meaning).tanh()))
        return scores
