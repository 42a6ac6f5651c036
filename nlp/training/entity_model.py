"""The entity network: encoder with word shapes, and one score per tag for every piece."""

# Without torch installed its classes are unknown to the type checker; training code still checks.
# mypy: allow-subclassing-any

from __future__ import annotations

from torch import Tensor, nn

from nlp.training.encoder import DROPOUT, WIDTH, Encoder
from nlp.training.tags import TAGS
from nlp.word_shapes import SHAPES

SHAPE_SPREAD = 0.02


class EntityModel(nn.Module):
    """Scores float32 [rows, length, 9] of the tags before the softmax."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.shapes = nn.Embedding(SHAPES, WIDTH)
        self.dropout = nn.Dropout(DROPOUT)
        self.last = nn.Linear(WIDTH, len(TAGS))
        nn.init.normal_(self.shapes.weight, std=SHAPE_SPREAD)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, shape_ids: Tensor) -> Tensor:
        states = self.encoder(input_ids, attention_mask, self.shapes(shape_ids))
        scores: Tensor = self.last(self.dropout(states))
        return scores
