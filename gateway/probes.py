"""What the gateway tells Kubernetes and people of its health."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

import orjson

from gateway.directory import Directory
from gateway.request import JSON
from gateway.status import error_body
from mlmesh.runtime.errors import Unavailable

Answer = tuple[int, str, bytes]
BEAT_SECONDS = 1.0


@dataclass(slots=True)
class Probes:
    """Its pages may be asked for from any thread."""

    directory: Directory
    version: str
    stuck_seconds: float
    leaving: bool = False
    _began: float = field(default_factory=time.monotonic)
    _beat: float = field(default_factory=time.monotonic)

    def alive(self) -> Answer:
        """The event loop turns, nothing else."""
        silent = time.monotonic() - self._beat
        if silent >= self.stuck_seconds:
            return refusal_page(f"the event loop has not turned for {silent:.0f} s")
        return json_page(200, {"status": "alive"})

    def ready(self) -> Answer:
        """Every backend has answered once, and the gateway is not about to leave.

        A backend that is lost later never makes the gateway unready: it answers 503 for that one.
        """
        if self.leaving:
            return refusal_page("the gateway is shutting down")
        if not self.directory.complete.is_set():
            waiting = [entry.name for entry in self.directory.entries if not entry.answered]
            return refusal_page(f"waiting for {'; '.join(waiting)}")
        return json_page(200, {"status": "ready"})

    def health(self) -> Answer:
        """A summary for people: always 200 while the process answers."""
        entries = self.directory.entries
        down = any(entry.problem for entry in entries) or bool(self.directory.problems)
        return json_page(
            200,
            {
                "status": "leaving" if self.leaving else "degraded" if down else "ok",
                "version": self.version,
                "uptime_seconds": round(time.monotonic() - self._began, 1),
                "services": {
                    service: entry.problem or "ok"
                    for entry in entries
                    for service in entry.backend.services
                },
                "models": [model.name for model in self.directory.models()],
                "problems": self.directory.problems,
            },
        )

    async def beat(self) -> None:
        """Show for ever that the event loop turns."""
        while True:
            self._beat = time.monotonic()
            await asyncio.sleep(BEAT_SECONDS)


def json_page(status: int, body: object) -> Answer:
    return status, JSON, orjson.dumps(body)


def refusal_page(why: str) -> Answer:
    return json_page(503, error_body(Unavailable(why).status()))
