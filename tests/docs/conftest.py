"""Pages are tried against the running mesh."""

from __future__ import annotations

from tests.end_to_end.conftest import mesh

__all__ = ["mesh"]
