"""What h2load writes, as figures."""

from __future__ import annotations

import pytest

from bench.comparison.h2load import framed, read_figures
from bench.comparison.load import LoadFailed

GOOD = """finished in 2.02s, 580.00 req/s, 144.73KB/s
requests: 4 total, 20 started, 4 done, 4 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 4 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 1000B (1000) total, 105B (105) headers (space savings 95.02%), 772B (772) data
                     min         max         mean         sd        +/- sd
time for request:     4.45ms     98.57ms     26.99ms     11.79ms    80.60%
"""
LOG = "".join(f"179579959859{index}332\t200\t{1000 * (index + 1)}\n" for index in range(4))
# Every call ended with a gRPC status in its headers: HTTP says 200, no message came back.
ERRORS = GOOD.replace("772B (772) data", "0B (0) data")
ANSWER_BYTES = 188


def test_times_are_those_of_the_log() -> None:
    seen = read_figures(GOOD, LOG, ANSWER_BYTES, 2.0)

    assert (seen.requests, seen.per_second, seen.failed) == (4, 2.0, 0)
    assert (seen.p50_ms, seen.p99_ms) == (3.0, 4.0)


def test_answers_without_a_message_are_errors() -> None:
    with pytest.raises(LoadFailed, match="0 bytes came back"):
        read_figures(ERRORS, LOG, ANSWER_BYTES, 2.0)


def test_what_http_refused_is_counted() -> None:
    refused = GOOD.replace("0 failed, 0 errored", "0 failed, 2 errored")

    seen = read_figures(refused, LOG + "1795799598599332\t503\t100\n", ANSWER_BYTES, 2.0)

    assert seen.failed == 3


def test_a_run_without_answers_has_no_figures() -> None:
    with pytest.raises(LoadFailed, match="no figures"):
        read_figures(GOOD, "", ANSWER_BYTES, 2.0)


def test_a_frame_is_a_flag_the_length_and_the_message() -> None:
    assert framed(b"abc") == b"\0\0\0\0\3abc"
