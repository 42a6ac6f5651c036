"""What wrk writes, as figures."""

from __future__ import annotations

import pytest

from bench.comparison.load import LoadFailed
from bench.comparison.wrk import read_figures

REPORT = """Running 2s test @ http://127.0.0.1:18999/predict
  1 threads and 16 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     5.01ms    2.36ms  37.68ms   88.36%
    Req/Sec     3.08k   525.35     3.87k    70.00%
  6124 requests in 2.10s, 1.74MB read
Requests/sec:   2914.01
Transfer/sec:    845.90KB
"""
FIGURES = (
    '{"requests":6124,"microseconds":2101591,"received_bytes":1818828,"request_bytes":151,'
    '"failed":3,"p50_us":4581,"p95_us":9194,"p99_us":14166}\n'
)


def test_figures_are_those_of_the_last_line() -> None:
    seen = read_figures(REPORT + FIGURES)

    assert seen.requests == 6124
    assert seen.per_second == pytest.approx(2914.0, abs=0.1)
    assert (seen.p50_ms, seen.p95_ms, seen.p99_ms) == (4.581, 9.194, 14.166)
    assert seen.failed == 3
    assert seen.wire_bytes == 151 + 297


@pytest.mark.parametrize("output", ["", REPORT, FIGURES.replace("6124", "0")])
def test_a_run_without_answers_has_no_figures(output: str) -> None:
    with pytest.raises(LoadFailed, match="wrk"):
        read_figures(output)
