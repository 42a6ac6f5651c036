"""How the entity model learns."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.progress import Progress
from tokenizers import Tokenizer
from torch import Tensor

from nlp.training.encoder import Encoder
from nlp.training.entity_items import Item, in_runs, items_of, joined, respelt
from nlp.training.entity_model import EntityModel
from nlp.training.entity_texts import Sentence
from nlp.training.fitting import Schedule, batches_of, fit
from nlp.training.padding import padded
from nlp.training.tags import ANY, TAGS

EPOCHS = 4
SCHEDULE = Schedule(batch=24, rate=1.5e-4)


@dataclass(frozen=True, slots=True)
class Learnt:
    """Sentences of one set; `running` when neighbours are of one text."""

    sentences: Sequence[Sentence]
    running: bool


def fit_entities(
    encoder: Encoder,
    tokenizer: Tokenizer,
    sets: Sequence[Learnt],
    seed: int,
    progress: Progress,
    checkpoint: Path | None = None,
    most_steps: int | None = None,
) -> tuple[EntityModel, float]:
    """The trained model, and the CPU seconds that it took."""
    torch.manual_seed(seed)
    model = EntityModel(encoder)
    model.encoder.tokens.weight.requires_grad_(False)
    encoded = [(items_of(one.sentences, tokenizer), one.running) for one in sets]
    generator = random.Random(seed)
    batches = [
        batch
        for _ in range(EPOCHS)
        for batch in batches_of(_epoch(encoded, generator), len, SCHEDULE.batch, generator)
    ]

    def loss_of(batch: Sequence[Item]) -> Tensor:
        tokens, shapes, allowed = (
            torch.tensor(padded(rows, value))
            for rows, value in (
                ([item.pieces for item in batch], 0),
                ([item.shapes for item in batch], 0),
                ([item.allowed for item in batch], ANY),
            )
        )
        return partial_loss(model(tokens, (tokens != 0).long(), shapes).float(), allowed)

    chosen = batches[:most_steps]
    seconds = fit(model, chosen, loss_of, SCHEDULE, progress, "entities", checkpoint)
    return model, seconds


def partial_loss(scores: Tensor, allowed: Tensor) -> Tensor:
    """The mean of -log P(one of the allowed tags) over the pieces where not all are allowed.

    scores: float32 [rows, length, 9]; allowed: int64 [rows, length], sets of tags.
    """
    members = ((allowed[..., None] >> torch.arange(len(TAGS))) & 1).bool()
    told = allowed != ANY
    right = scores.masked_fill(~members, float("-inf")).logsumexp(-1)
    losses = scores.logsumexp(-1) - right
    return losses[told].sum() / told.sum().clamp(min=1)


def _epoch(encoded: Sequence[tuple[list[Item], bool]], generator: random.Random) -> list[Item]:
    items: list[Item] = []
    for sentences, running in encoded:
        runs = in_runs(sentences, generator) if running else (joined([one]) for one in sentences)
        items += [respelt(one, generator) for one in runs]
    return items
