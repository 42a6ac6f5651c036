from __future__ import annotations

from bench.metrics import microseconds, ours

PROMISED_US = 10


def test_all_metrics_of_a_request_cost_little() -> None:
    count = ours()

    # Other processes may have the cores: the best of a few, and ten times what is promised.
    assert min(microseconds(count) for _ in range(3)) < 10 * PROMISED_US
