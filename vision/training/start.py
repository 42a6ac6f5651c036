"""What every recipe starts from."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from rich.progress import Progress

from vision.training import classifier_runs, scene_fitting


@dataclass(frozen=True, slots=True)
class Start:
    data: Path
    """Folder of the sets: see docs/data.md."""
    progress: Progress
    checkpoints: Path
    """Folder that an interrupted training goes on from."""
    classifier: classifier_runs.Runs = field(default_factory=classifier_runs.Runs)
    scenes: scene_fitting.Schedule = field(default_factory=scene_fitting.Schedule)
    held_out: int = 2500
    """Pictures of CIFAR-10's training part that are chosen and calibrated by."""
