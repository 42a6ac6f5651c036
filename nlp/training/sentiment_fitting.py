"""How the sentiment model learns."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.progress import Progress
from tokenizers import Tokenizer
from torch import Tensor, nn

from nlp.training.encoder import Encoder
from nlp.training.fitting import Schedule, batches_of, fit
from nlp.training.padding import padded
from nlp.training.sentiment_model import SentimentModel
from nlp.training.treebank import Labelled

EPOCHS = 2
SCHEDULE = Schedule(batch=32, rate=8e-5)
SMOOTHING = 0.05
"""Part of the probability that is shared among all labels (Szegedy et al. 2016)."""
LONGEST = 96
"""Pieces; longer texts are cut for learning only."""


@dataclass(frozen=True, slots=True)
class Item:
    pieces: list[int]
    label: int


def fit_sentiment(
    encoder: Encoder,
    tokenizer: Tokenizer,
    texts: Sequence[Labelled],
    seed: int,
    progress: Progress,
    checkpoint: Path | None = None,
    most_steps: int | None = None,
) -> tuple[SentimentModel, float]:
    """The trained model, and the CPU seconds that it took."""
    torch.manual_seed(seed)
    model = SentimentModel(encoder)
    model.encoder.tokens.weight.requires_grad_(False)
    encodings = tokenizer.encode_batch([one.text for one in texts])
    items = [
        Item(_cut(encoding.ids), one.label) for encoding, one in zip(encodings, texts, strict=True)
    ]
    generator = random.Random(seed)
    batches = [
        batch
        for _ in range(EPOCHS)
        for batch in batches_of(items, lambda item: len(item.pieces), SCHEDULE.batch, generator)
    ]

    def loss_of(batch: Sequence[Item]) -> Tensor:
        tokens = torch.tensor(padded([item.pieces for item in batch]))
        scores = model(tokens, (tokens != 0).long())
        wanted = torch.tensor([item.label for item in batch])
        return nn.functional.cross_entropy(scores.float(), wanted, label_smoothing=SMOOTHING)

    chosen = batches[:most_steps]
    seconds = fit(model, chosen, loss_of, SCHEDULE, progress, "sentiment", checkpoint)
    return model, seconds


def _cut(pieces: list[int]) -> list[int]:
    return pieces if len(pieces) <= LONGEST else [*pieces[: LONGEST - 1], pieces[-1]]
