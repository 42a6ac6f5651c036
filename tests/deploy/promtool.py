"""Prometheus' own tool, by which rules and expressions are read."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SECONDS = 120


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run it; skips the test where it is not installed, and fails there in CI."""
    program = shutil.which("promtool")
    if program is None:
        reason = "promtool is not installed (Debian: prometheus), see `make test`"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return subprocess.run(
        [program, *map(str, arguments)], capture_output=True, text=True, timeout=SECONDS
    )
