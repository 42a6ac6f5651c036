from __future__ import annotations

from bench.metrics import microseconds
from bench.tracing import ways

SAID_US = 0.8
"""docs/observability.md"""


def test_a_request_that_is_not_traced_pays_next_to_nothing() -> None:
    best = {way: min(microseconds(one) for _ in range(3)) for way, one in ways().items()}

    # Other processes may have the cores: ten times what is said.
    assert best["no collector"] < 10 * SAID_US
    assert best["no collector"] < best["a collector, not traced"] < best["traced"]
