"""A request of the table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Asked:
    verb: str
    target: str
    """Path and query, as they are sent."""
    body: str | bytes | None = None
    content_type: str = "application/json"


def of_kind(message: str, field: str, value: str) -> Asked:
    return Asked("POST", "/v1/kinds", f'{{"{message}": {{"{field}": {value}}}}}')
