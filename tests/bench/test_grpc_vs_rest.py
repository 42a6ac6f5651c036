"""The comparison runs, and its figures are sane."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the comparison's packages are not installed")

ROOT = Path(__file__).parents[2]
SECONDS = 150


def compared(folder: Path, *options: str) -> list[dict[str, str]]:
    """The rows of the table, by the names of its columns."""
    plot = folder / "plot.svg"
    done = subprocess.run(
        [
            *(sys.executable, "bench/grpc_vs_rest.py", "--quick", "--markdown"),
            *("--plot", str(plot), *options),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Not measured" not in done.stdout
    assert plot.read_text().lstrip().startswith("<?xml")
    lines = [line.strip("| ").split(" | ") for line in done.stdout.splitlines() if line[:1] == "|"]
    return [dict(zip(lines[0], line, strict=True)) for line in lines[2:]]


@pytest.mark.parametrize("payload", ["tabular", "tensor-16KB"])
def test_every_way_in_answers_and_its_figures_are_sane(tmp_path: Path, payload: str) -> None:
    ways = "rest,json,binary,grpc,stream,coalesced"
    rows = compared(tmp_path, "--payload", payload, "--callers", "2", "--ways", ways)

    assert [row["way"] for row in rows] == [
        *("FastAPI", "gateway, JSON", "gateway, binary", "gRPC, unary", "gRPC, stream"),
        "Python client, coalesced",
    ]
    for row in rows:
        p50, p95, p99 = (float(row[name]) for name in ("p50 ms", "p95 ms", "p99 ms"))
        assert row["failed"] == "0"
        assert 0 < p50 <= p95 <= p99
        # Two callers that each wait for their answer: p50 cannot be far from what follows from it.
        assert float(row["req/s"].replace(",", "")) > 0.1 * 2 / (p99 / 1000)
        assert int(row["CPU us"].replace(",", "")) > 0
        assert int(row["caller us"].replace(",", "")) > 0
        assert int(row["bytes"].replace(",", "")) > 100
    assert rows[0]["ratio"] == "1.00"


def test_an_unknown_way_in_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "bench/grpc_vs_rest.py", "--ways", "rest,pigeon"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 2
    assert "pigeon" in done.stderr
