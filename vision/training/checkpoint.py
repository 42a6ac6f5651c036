"""What a long training is resumed from."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch


class Checkpoint:
    """One file, replaced whole; nothing of another run is ever taken from it."""

    def __init__(self, path: Path | None, run: str) -> None:
        """run: whatever the training depends on, as text."""
        self._path = path
        self._run = hashlib.sha256(run.encode()).hexdigest()

    def load(self) -> dict[str, Any] | None:
        if self._path is None or not self._path.exists():
            return None
        state: dict[str, Any] = torch.load(self._path, weights_only=True)
        return state if state.pop("run") == self._run else None

    def save(self, state: dict[str, Any]) -> None:
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self._path.with_suffix(".part")
        torch.save({**state, "run": self._run}, unfinished)
        unfinished.replace(self._path)
