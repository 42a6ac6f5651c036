"""The Server-Timing header: where the time of an answer went, as browsers show it."""

from __future__ import annotations

from mlmesh.runtime.answer import Answer

_PARTS = b"queue;dur=%.3f, batch;dur=%.3f, compute;dur=%.3f, gateway;dur=%.3f"


def server_timing(answer: Answer, seconds: float) -> bytes:
    """The header's value, in milliseconds; what no service measured is the gateway's.

    seconds: from the arrival of the request until now.
    """
    queue, batch, compute = answer.queue_us, answer.batch_us, answer.compute_us
    # Clocks of two processes may differ by more than the gateway takes.
    rest = max(0.0, seconds * 1e3 - (queue + batch + compute) / 1e3)
    return _PARTS % (queue / 1e3, batch / 1e3, compute / 1e3, rest)
