"""What a unary call gave, and where the service's part of the time went."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Answer:
    """Times are whole microseconds; 0 where the service did not measure."""

    response: bytes
    """The response message, serialised."""
    queue_us: int = 0
    """In the model's queue."""
    batch_us: int = 0
    """For putting the batch together and taking its results apart."""
    compute_us: int = 0
    """For the model's run."""
