"""What ends a registration."""

from __future__ import annotations


class Refused(Exception):
    """The model is not registered; the message says why, and what to do."""
