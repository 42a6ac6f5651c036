"""HTTP load by wrk, which is compiled and so takes little of the machine from the servers."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from itertools import chain
from pathlib import Path

from bench.comparison.load import HttpRequest, LoadFailed, Seen

SCRIPT = Path(__file__).with_name("wrk.lua")
TIMEOUT_SECONDS = 30


def is_installed() -> bool:
    return shutil.which("wrk") is not None


def http_load(address: str, request: HttpRequest, callers: int, seconds: float) -> Seen:
    """Keep so many connections busy. wrk counts whole seconds: what is less becomes one."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(request.body)
        file.flush()
        command = [
            *("wrk", "--threads", "1", "--connections", str(callers)),
            *("--duration", f"{max(1, round(seconds))}s", "--timeout", f"{TIMEOUT_SECONDS}s"),
            *("--script", str(SCRIPT), f"http://{address}{request.path}"),
            *("--", file.name, *chain.from_iterable(request.headers)),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LoadFailed(f"wrk: {done.stderr.strip() or done.stdout.strip()}")
    return read_figures(done.stdout)


def read_figures(output: str) -> Seen:
    """The line that wrk.lua writes below wrk's own report."""
    lines = [line for line in output.splitlines() if line.startswith("{")]
    if not lines:
        raise LoadFailed(f"wrk wrote no figures: {output.strip()!r}")
    said = json.loads(lines[-1])
    if not said["requests"]:
        raise LoadFailed("wrk: no request was answered")
    return Seen(
        requests=said["requests"],
        seconds=said["microseconds"] / 1e6,
        p50_ms=said["p50_us"] / 1000,
        p95_ms=said["p95_us"] / 1000,
        p99_ms=said["p99_us"] / 1000,
        failed=said["failed"],
        wire_bytes=said["request_bytes"] + said["received_bytes"] / said["requests"],
    )
