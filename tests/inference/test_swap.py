"""Two versions swapped again and again under load: nobody notices but by the version's name."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.inference.swapping import SWAPS


def test_fifty_swaps_under_load_fail_nobody_and_leave_no_memory(tmp_path: Path) -> None:
    program = [sys.executable, "-m", "tests.inference.swapping", str(tmp_path)]
    root = Path(__file__).parents[2]

    done = subprocess.run(program, cwd=root, capture_output=True, text=True, timeout=300)

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert min(found["seen"].get(version, 0) for version in ("v1.0", "v2.0")) > SWAPS
    # A version takes about 16 MB; were each of them kept, it would be 800.
    assert found["grown"] < 100 * 2**20
