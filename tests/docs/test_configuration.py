from __future__ import annotations

import subprocess
import sys

from tests.end_to_end.conftest import ROOT


def test_the_page_is_what_the_settings_say() -> None:
    command = [sys.executable, str(ROOT / "docs" / "configuration.py")]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert (ROOT / "docs" / "configuration.md").read_text() == printed
