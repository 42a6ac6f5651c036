"""Judges a served model by the figures of its card, through the contract that callers use."""

from __future__ import annotations
