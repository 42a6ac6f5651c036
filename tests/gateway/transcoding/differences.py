"""What docs/transcoding.md lists as answered otherwise."""

from __future__ import annotations

import re
from pathlib import Path

from tests.gateway.transcoding.answers import DIED

PAGE = Path(__file__).parents[3] / "docs" / "transcoding.md"
Statuses = tuple[int, int]
"""The gateway's, and the other's."""


def differences_in(heading: str) -> dict[str, Statuses]:
    """Those of one section, by the name of the request; every row must say why."""
    found: dict[str, Statuses] = {}
    section = PAGE.read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    for line in section.splitlines():
        if not line.startswith("| `"):
            continue
        requests, ours, theirs, why = re.split(r" \| ", line.strip("| "))
        assert len(why) > 10, line
        for name in re.findall(r"`([^`]+)`", requests):
            assert name not in found, f"{name} is listed twice"
            found[name] = (_status(ours), _status(theirs))
    return found


def _status(text: str) -> int:
    return DIED if text == "dies" else int(text)
