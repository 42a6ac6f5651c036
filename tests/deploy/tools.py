"""Programs of others that check what is deployed; they are no part of mlmesh."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SECONDS = 120
PACKAGES = {"promtool": "prometheus", "nginx": "nginx-light"}


def tool(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run it; skips the test where it is not installed, and fails there in CI."""
    program = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if program is None:
        reason = f"{name} is not installed (Debian: {PACKAGES.get(name, name)}), see `make tools`"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return subprocess.run(
        [program, *map(str, arguments)], capture_output=True, text=True, timeout=SECONDS
    )
