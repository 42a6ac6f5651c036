"""What every recipe starts from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.progress import Progress
from tokenizers import Tokenizer

from nlp.training.encoder import Encoder
from nlp.training.starting_weights import plain_tokenizer, starting_encoder, starting_folder


@dataclass(frozen=True, slots=True)
class Start:
    data: Path
    """Folder of the sets: see docs/data.md."""
    weights: Path
    """Folder of the starting weights."""
    progress: Progress
    checkpoints: Path
    """Folder that an interrupted training goes on from."""
    most_steps: int | None = None
    """Steps of every training, for a look at the rest of the recipes; None: all of them."""

    def encoder(self) -> Encoder:
        return starting_encoder(self.weights)

    def tokenizer(self) -> Tokenizer:
        return plain_tokenizer(self.weights)


def started(data: Path, progress: Progress, checkpoints: Path) -> Start:
    """Raises RuntimeError when the starting weights are missing or not genuine."""
    return Start(data, starting_folder(), progress, checkpoints)
