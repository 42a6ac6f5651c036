"""The event loop that carries HTTP."""

from __future__ import annotations

from mlmesh.runtime.program import LoopFactory


def loop_factory() -> LoopFactory | None:
    """uvloop where it exists; it carries HTTP with less work than asyncio's own loop."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
