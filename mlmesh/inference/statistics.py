"""What a version has done since it was loaded, in the terms of the Open Inference Protocol."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass(slots=True)
class Duration:
    """How often something was done, and the nanoseconds that it took in all."""

    count: int = 0
    ns: int = 0

    def add(self, ns: int, count: int = 1) -> None:
        self.count += count
        self.ns += ns


@dataclass(frozen=True, slots=True)
class Spent:
    """Nanoseconds of one run: to join its items, to compute, to part the answers."""

    joining: int
    computing: int
    parting: int


@dataclass(slots=True)
class BatchStatistics:
    """Runs of one size."""

    compute_input: Duration = field(default_factory=Duration)
    compute_infer: Duration = field(default_factory=Duration)
    compute_output: Duration = field(default_factory=Duration)

    def add(self, spent: Spent, count: int = 1) -> None:
        self.compute_input.add(spent.joining, count)
        self.compute_infer.add(spent.computing, count)
        self.compute_output.add(spent.parting, count)


@dataclass(slots=True)
class Statistics(BatchStatistics):
    """Everything that a version has done; compute_* count items, `batches` counts runs."""

    last_inference_ms: int = 0
    """When the last run ended, in milliseconds since 1970; 0 before the first."""
    inference_count: int = 0
    """Rows that were answered."""
    execution_count: int = 0
    """Runs of the graph."""
    success: Duration = field(default_factory=Duration)
    fail: Duration = field(default_factory=Duration)
    queue: Duration = field(default_factory=Duration)
    batches: dict[int, BatchStatistics] = field(default_factory=dict)
    """By the number of rows that ran together; as many sizes as a batch may have rows."""

    def ran(self, items: int, rows: int, spent: Spent) -> None:
        """Count one run."""
        self.last_inference_ms = time.time_ns() // 1_000_000
        self.inference_count += rows
        self.execution_count += 1
        self.add(spent, items)
        self.batches.setdefault(rows, BatchStatistics()).add(spent)
