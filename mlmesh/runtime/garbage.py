"""When a process that serves looks for garbage in cycles."""

from __future__ import annotations

import gc

YOUNG = 20_000
"""New objects, less those that went, between two looks. Python's own 700 are made by a message of
a few dozen calls: looking through the calls under way again and again took a tenth of all time."""


def look_seldom() -> None:
    """What was made so far stays; looking for cycles in it would stop the loop for 0.1 s or so."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 10, 10)
