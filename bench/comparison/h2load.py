"""Unary gRPC load by h2load, which is compiled; it sends one message again and again."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from bench.comparison.load import LoadFailed, Seen, seen_of

TIMEOUT_SECONDS = 30
LEAST_SHARE = 0.9
_TRAFFIC = re.compile(r"^traffic: .*?\((\d+)\) total.*?\((\d+)\) headers.*?\((\d+)\) data", re.M)
_REQUESTS = re.compile(r"(\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout")


def is_installed() -> bool:
    return shutil.which("h2load") is not None


def framed(message: bytes) -> bytes:
    """As a gRPC body: uncompressed, length, message."""
    return b"\0" + len(message).to_bytes(4, "big") + message


def unary_load(
    address: str, method: str, message: bytes, answer_bytes: int, callers: int, seconds: float
) -> Seen:
    """Keep so many connections busy.

    h2load does not look at gRPC's status; but an error has no message, so that it is seen by what
    comes back. answer_bytes: of the message that a good answer has.
    """
    with tempfile.TemporaryDirectory() as scratch:
        body, log = Path(scratch) / "body", Path(scratch) / "log"
        body.write_bytes(framed(message))
        command = [
            *("h2load", "--clients", str(callers), "--max-concurrent-streams", "1"),
            *("--duration", str(max(1, round(seconds))), "--warm-up-time", "0"),
            *("--connection-inactivity-timeout", str(TIMEOUT_SECONDS)),
            *("--header", "te: trailers", "--header", "content-type: application/grpc"),
            *("--data", str(body), "--log-file", str(log), f"http://{address}{method}"),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise LoadFailed(f"h2load: {done.stderr.strip() or done.stdout.strip()}")
        return read_figures(done.stdout, log.read_text(), answer_bytes, max(1, round(seconds)))


def read_figures(output: str, log: str, answer_bytes: int, seconds: float) -> Seen:
    """output: h2load's report. log: a line for every request with its start, status, time in us."""
    latencies, failed = read_log(log)
    traffic, counts = _TRAFFIC.search(output), _REQUESTS.search(output)
    if not latencies or traffic is None or counts is None:
        raise LoadFailed(f"h2load wrote no figures: {output.strip()!r}")
    answered = int(traffic[3]) / len(latencies)
    if answered < LEAST_SHARE * (answer_bytes + len(framed(b""))):
        raise LoadFailed(f"h2load: {answered:.0f} bytes came back for each call, so some failed")
    return seen_of(latencies, seconds, failed + sum(map(int, counts.groups()[2:])))


def read_log(log: str) -> tuple[list[float], int]:
    """Milliseconds of the requests that were answered, and the number of those that were not."""
    lines = [line.split("\t") for line in log.splitlines()]
    times = [int(took) / 1000 for _, status, took in lines if status == "200"]
    return times, len(lines) - len(times)
