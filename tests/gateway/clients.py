"""Clients of plain HTTP that are there at once."""

from __future__ import annotations

from typing import Any

import httpx


def plain_client(**options: Any) -> httpx.AsyncClient:
    """Reading the certificates that nobody is asked for here takes longer than most tests."""
    return httpx.AsyncClient(verify=False, **options)
